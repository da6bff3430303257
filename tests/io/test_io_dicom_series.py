"""A DICOM series of one file a slice is one volume: the same as the NIfTI of the scan; what makes none is named."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_series import (
    AXIAL,
    CORONAL,
    OBLIQUE,
    PATIENT,
    SAGITTAL,
    affine_of,
    write_nifti,
    write_series,
)

from lamelle.errors import FileError, sentence
from lamelle.io.common import BOMB_BYTES
from lamelle.io.dicom_identity import belongs_to
from lamelle.io.images import header, planes, read, read_labels
from lamelle.types import Image, Problem

pydicom = pytest.importorskip("pydicom")
pytest.importorskip("nibabel")

RNG = np.random.default_rng(5)
SLICES = RNG.integers(0, 900, (6, 10, 12), np.uint16)
DOWN = (-1, 0, 0, 0, 1, 0)
NAMES: dict[str, Callable[[int], str]] = {
    "in order": "{:03d}.dcm".format,
    "reversed": lambda z: f"{9 - z}.dcm",
    "shuffled": lambda z: f"IM{(z * 5) % 7}",
    "of UIDs": lambda z: f"1.2.840.{(z * 5) % 7}",
}


def told(problems: tuple[Problem, ...]) -> list[str]:
    assert all(PATIENT not in sentence(p) for p in problems)
    return [p.code.removeprefix("files.") for p in problems]


def agreed(path: Path, **options: Any) -> Image:
    image, head = read(path, **options), header(path, **options)
    assert (head.shape, head.dtype, head.bits) == (image.array.shape, image.array.dtype, image.bits)
    assert (head.spacing, head.geometry, head.problems) == (image.spacing, image.geometry, image.problems)
    assert np.array_equal(np.stack(list(planes(path, **options)), axis=1), image.array)
    return image


def refused(path: Path, **options: Any) -> Problem:
    with pytest.raises(FileError) as caught:
        read(path, **options)
    assert PATIENT not in sentence(caught.value.problem)
    return caught.value.problem


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("directions", [AXIAL, CORONAL, SAGITTAL, OBLIQUE, DOWN])
def test_a_series_is_read_as_the_nifti_of_the_same_scan(tmp_path: Path, directions: tuple, names: str) -> None:
    series = agreed(write_series(tmp_path / "p0", SLICES, directions=directions, names=NAMES[names]))
    nifti = read(write_nifti(tmp_path / "p0.nii.gz", SLICES, affine_of(directions)))
    assert np.array_equal(series.array, nifti.array)
    assert series.spacing == nifti.spacing
    assert series.geometry is not None
    assert nifti.geometry is not None
    assert np.allclose(series.geometry.affine, nifti.geometry.affine, atol=1e-4)
    assert series.problems == ()


def test_slices_that_run_to_the_feet_are_sorted_by_their_place(tmp_path: Path) -> None:
    assert np.array_equal(agreed(write_series(tmp_path / "p0", SLICES, step=-2.0)).array[0], SLICES[::-1])


def test_each_slice_is_rescaled_by_itself(tmp_path: Path) -> None:
    def slope(z: int, data: Any) -> None:
        data.RescaleSlope, data.RescaleIntercept = 1 + z / 2, -z

    image = agreed(write_series(tmp_path / "p0", SLICES, change=slope))
    factors = 1 + np.arange(6)[:, None, None] / 2
    assert np.array_equal(image.array[0], (SLICES * factors - np.arange(6)[:, None, None]).astype(np.float32))
    assert np.array_equal(read_labels(tmp_path / "p0").array, SLICES), "labels are not rescaled"

    def intercept(z: int, data: Any) -> None:
        data.RescaleSlope, data.RescaleIntercept, data.BitsStored, data.HighBit = 1, -1024 * (z > 2), 12, 11

    mixed = agreed(write_series(tmp_path / "p1", SLICES, change=intercept))
    assert mixed.array.dtype == np.int32, "some slices are uint16, some int16"
    assert np.array_equal(mixed.array[0], SLICES - 1024 * (np.arange(6) > 2)[:, None, None])


def test_files_lie_in_the_only_folder_inside(tmp_path: Path) -> None:
    write_series(tmp_path / "p0" / "1.2.840" / "SE0", SLICES)
    assert np.array_equal(agreed(tmp_path / "p0").array[0], SLICES)


def test_a_folder_whose_name_has_a_dot_is_no_wrong_suffix(tmp_path: Path) -> None:
    assert agreed(write_series(tmp_path / "1.2.840.7", SLICES)).problems == ()


def test_what_changes_on_the_disk_is_read_again(tmp_path: Path) -> None:
    path = write_series(tmp_path / "p0", SLICES)
    assert header(path).shape == (1, 6, 10, 12)
    (path / "IM0005.dcm").unlink()
    assert header(path).shape == (1, 5, 10, 12)


# what makes no volume


def other_size(z: int, data: Any) -> None:
    if z == 2:
        data.Rows, data.Columns = data.Columns, data.Rows


def other_pixel(z: int, data: Any) -> None:
    if z == 2:
        data.PixelSpacing = [0.8, 0.5]


def other_direction(z: int, data: Any) -> None:
    if z == 2:
        data.ImageOrientationPatient = [float(v) for v in CORONAL]


def no_position(z: int, data: Any) -> None:
    if z == 2:
        del data.ImagePositionPatient


def same_place(z: int, data: Any) -> None:
    if z == 2:
        data.ImagePositionPatient = [-20.0, -30.0, 42.0]


def far_away(z: int, data: Any) -> None:
    if z > 2:
        data.ImagePositionPatient = [-20.0, -30.0, 44.0 + 2 * z]


def beside(z: int, data: Any) -> None:
    if z == 2:
        data.ImagePositionPatient = [-25.0, -30.0, 44.0]


WRONG = {
    "size": (other_size, "series_differs", {"found": "12 × 10", "wanted": "10 × 12", "count": 5, "all": 6}),
    "pixel": (other_pixel, "series_differs", {"what": "PixelSpacing", "found": "0.8 \\ 0.5"}),
    "direction": (other_direction, "series_differs", {"what": "ImageOrientationPatient"}),
    "no position": (no_position, "series_no_place", {"tag": "ImagePositionPatient"}),
    "same place": (same_place, "series_same_place", {"other": "IM0001.dcm", "place": "42", "count": 1}),
    "beside": (beside, "series_crooked", {"far": "5", "usual": "2"}),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_slice_that_is_none_of_the_volume_is_named(tmp_path: Path, kind: str) -> None:
    change, code, values = WRONG[kind]
    problem = refused(write_series(tmp_path / "p0", SLICES, change=change))
    assert told((problem,)) == [code]
    assert Path(problem.where).name == "IM0002.dcm"
    assert values.items() <= problem.values.items()


def test_missing_slices_are_an_error_with_their_place_and_number(tmp_path: Path) -> None:
    problem = refused(write_series(tmp_path / "p0", SLICES, change=far_away))
    assert (told((problem,)), Path(problem.where).name) == (["series_gap"], "IM0003.dcm")
    assert problem.values == {"other": "IM0002.dcm", "distance": "6", "usual": "2", "missing": 2}
    path = write_series(tmp_path / "p1", SLICES)
    (path / "IM0003.dcm").unlink()
    assert refused(path).values["missing"] == 1


def test_copies_are_read_once_and_said(tmp_path: Path) -> None:
    path = write_series(tmp_path / "p0", SLICES)
    shutil.copy(path / "IM0003.dcm", path / "copy.dcm")
    image = agreed(path)
    assert np.array_equal(image.array[0], SLICES)
    assert told(image.problems) == ["series_copies"]


def test_two_times_of_one_place_are_no_copies(tmp_path: Path) -> None:
    write_series(tmp_path / "p0", SLICES)
    write_series(tmp_path / "p0", SLICES + 1, names="B{:03d}.dcm".format)
    problem = refused(tmp_path / "p0")
    assert (told((problem,)), problem.values["count"]) == (["series_same_place"], 6)


def test_an_uneven_row_is_a_warning_and_rounding_is_none(tmp_path: Path) -> None:
    def moved(by: float) -> Callable[[int, Any], None]:
        def change(z: int, data: Any) -> None:
            data.ImagePositionPatient[2] += by * (z == 2)

        return change

    assert told(agreed(write_series(tmp_path / "a", SLICES, change=moved(0.6))).problems) == ["series_uneven"]
    assert agreed(write_series(tmp_path / "b", SLICES, change=moved(0.05))).problems == ()


def test_a_tilted_gantry_is_a_warning_and_its_place_is_kept(tmp_path: Path) -> None:
    def tilt(z: int, data: Any) -> None:
        data.ImagePositionPatient[1] += 0.5 * z

    image = agreed(write_series(tmp_path / "p0", SLICES, change=tilt))
    assert told(image.problems) == ["series_tilted"]
    assert image.problems[0].values["degrees"] == "14"
    assert image.geometry is not None
    assert np.allclose(np.array(image.geometry.affine)[:3, 2], (0, -0.5, 2))


def test_a_file_without_pixels_is_passed_over_and_said(tmp_path: Path) -> None:
    path = write_series(tmp_path / "p0", SLICES)
    data = pydicom.dcmread(path / "IM0000.dcm")
    for tag in ("Rows", "Columns", "PixelData"):
        delattr(data, tag)
    data.save_as(path / "report.dcm")
    image = agreed(path)
    assert (image.array.shape[1], told(image.problems)) == (6, ["series_others"])


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = write_series(tmp_path / "p0", SLICES)
    whole = (path / "IM0002.dcm").read_bytes()
    (path / "IM0002.dcm").write_bytes(whole[:-50])
    assert Path(refused(path).where).name == "IM0002.dcm"


def test_of_two_series_each_has_a_key(tmp_path: Path) -> None:
    path = write_series(tmp_path / "p0", SLICES, number=4)
    write_series(path, SLICES[:2, :5], directions=CORONAL, uid="1.2.3", number=1, names="L{}.dcm".format)
    assert set(header(path).keys) == {"1", "4"}
    assert header(path).shape == ()
    problem = refused(path)
    assert told((problem,)) == ["several_series"]
    assert problem.values["series"] == "4 (6 × 10 × 12), 1 (2 × 5 × 12)"
    assert np.array_equal(agreed(path, key="4").array[0], SLICES)
    assert agreed(path, key="1").array.shape == (1, 5, 2, 12)
    assert refused(path, key="7").code == "files.no_such_array"


def test_series_of_one_number_are_told_apart_by_a_hash(tmp_path: Path) -> None:
    path = write_series(tmp_path / "p0", SLICES, number=None)
    write_series(path, SLICES, uid="1.2.3", number=None, names="L{}.dcm".format)
    keys = header(path).keys
    assert len(set(keys)) == 2
    assert not any("1.2" in key for key in keys)


def test_a_folder_says_to_whom_it_belongs_as_its_files_do(tmp_path: Path) -> None:
    path = write_series(tmp_path / "p0", SLICES)
    (path / ".DS_Store").write_bytes(b"x")
    (path / "A.txt").write_text("notes")
    assert belongs_to(path) == belongs_to(path / "IM0000.dcm")
    assert belongs_to(path)["patient"] != belongs_to(write_series(tmp_path / "p1", SLICES, patient="B"))["patient"]


# deflated files


def deflated(path: Path, rows: int) -> Path:
    """A file of the deflated transfer syntax with rows of 1024 zeros of 16 bits."""

    def change(z: int, data: Any) -> None:
        data.Rows, data.Columns, data.PixelData = rows, 1024, bytes(2048 * rows)
        data.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian

    return write_series(path.parent, SLICES[:1], names=lambda z: path.name, change=change) / path.name


def test_a_deflated_file_is_read(tmp_path: Path) -> None:
    assert read(deflated(tmp_path / "a.dcm", 12)).array.shape == (1, 12, 1024)


def test_a_deflated_file_unfolds_no_further_than_others_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamelle.io.common.BOMB_BYTES", BOMB_BYTES >> 8)
    path = deflated(tmp_path / "a.dcm", (2 * BOMB_BYTES >> 8) // 2048)
    unfolded: list[bytes] = []
    monkeypatch.setattr(zlib, "decompress", lambda *data, **_: unfolded.append(data[0]))
    for function in (read, header, lambda p: list(planes(p))):
        with pytest.raises(FileError) as caught:
            function(path)
        assert caught.value.code == "files.bomb"
    assert belongs_to(path) == {}
    assert unfolded == []

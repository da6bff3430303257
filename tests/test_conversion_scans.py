"""Scans are converted in their place: DICOM series and NIfTI to NIfTI, and to formats that know no place."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_series import AXIAL, CORONAL, OBLIQUE, SAGITTAL, affine_of, write_nifti, write_series
from PIL import Image as Pillow

import lamelle
from lamelle.errors import DataError, FileError, RequestError
from lamelle.io.images import header, read

pytest.importorskip("pydicom")
nibabel = pytest.importorskip("nibabel")

RNG = np.random.default_rng(5)
SLICES = RNG.integers(0, 900, (6, 10, 12), np.uint16)
SIGNS = list(product((1, -1), repeat=3))
WAYS = [np.array(list(zip(axes, signs, strict=True))) for axes in permutations(range(3)) for signs in SIGNS]


def same_place(one: Any, other: Any) -> None:
    one, other = nibabel.as_closest_canonical(one), nibabel.as_closest_canonical(other)
    assert np.array_equal(np.asarray(one.dataobj), np.asarray(other.dataobj))
    assert one.affine == pytest.approx(other.affine, abs=1e-4)


@pytest.mark.parametrize("directions", [AXIAL, CORONAL, SAGITTAL, OBLIQUE])
def test_a_series_becomes_one_file_in_its_place(tmp_path: Path, directions: tuple) -> None:
    folder = write_series(tmp_path / "p0", SLICES, directions=directions, names=lambda z: f"IM{(5 * z) % 7}")
    scan = nibabel.Nifti1Image(SLICES.T, affine_of(directions))
    found = read(folder)
    for name in ("a.nii.gz", "a.nii", "a.tif", "a.ome.zarr", "a.npy"):
        done = lamelle.convert(folder, tmp_path / name)
        assert done.problems == ()
        assert np.array_equal(read(tmp_path / name).array, found.array)
        if name != "a.npy":
            assert header(tmp_path / name).spacing == pytest.approx(found.spacing, rel=1e-6)
        if ".nii" in name:
            made = nibabel.load(tmp_path / name)
            same_place(made, scan)
            assert b"SECRET" not in made.header.binaryblock
            assert (int(made.header["sform_code"]), int(made.header["qform_code"])) == (1, 1)


def test_a_nifti_of_any_order_stays_in_its_place(tmp_path: Path) -> None:
    for i, way in enumerate(WAYS):
        made = nibabel.Nifti1Image(SLICES.T.astype(np.int16), affine_of(OBLIQUE if i % 2 else AXIAL)).as_reoriented(way)
        nibabel.save(made, tmp_path / f"{i}.nii")
        lamelle.convert(tmp_path / f"{i}.nii", tmp_path / f"{i}.nii.gz")
        same_place(nibabel.load(tmp_path / f"{i}.nii.gz"), made)


def test_a_pixel_size_that_is_given_goes_before_that_of_the_source(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", SLICES)
    lamelle.convert(path, tmp_path / "b.nii.gz", spacing=(5000, 750, 500))
    made = nibabel.load(tmp_path / "b.nii.gz")
    assert made.header.get_zooms() == pytest.approx((0.5, 0.75, 5))
    assert made.affine[:3, 3] == pytest.approx(affine_of()[:3, 3])


def test_one_slice_and_colours_are_kept(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii", SLICES[:1])
    lamelle.convert(tmp_path / "a.nii", tmp_path / "b.nii.gz")
    made = nibabel.load(tmp_path / "b.nii.gz")
    assert np.array_equal(np.asarray(made.dataobj), SLICES[0].T)
    assert made.affine == pytest.approx(affine_of())
    Pillow.fromarray(RNG.integers(0, 256, (10, 12, 3), np.uint8)).save(tmp_path / "c.png")
    lamelle.convert(tmp_path / "c.png", tmp_path / "c.nii", spacing=(1, 2))
    assert np.array_equal(read(tmp_path / "c.nii").array[:, 0], read(tmp_path / "c.png").array)


def test_a_nifti_without_the_size_of_its_voxels_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", SLICES)
    with pytest.raises(RequestError, match="--spacing Z,Y,X"):
        lamelle.convert(tmp_path / "a.npy", tmp_path / "a.nii.gz")
    assert lamelle.convert(tmp_path / "a.npy", tmp_path / "a.nii.gz", spacing=(2, 1, 1)).spacing == (2, 1, 1)


def test_of_several_series_one_is_named(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "p0", SLICES, number=4)
    write_series(folder, SLICES[:2, :5], directions=CORONAL, uid="1.2", number=1, names="L{}".format)
    with pytest.raises(RequestError, match="holds several arrays or series: 4, 1; name one of them with --key"):
        lamelle.convert(folder, tmp_path / "a.nii.gz")
    assert lamelle.convert(folder, tmp_path / "a.nii.gz", key="4").shape == (1, 6, 10, 12)


def test_what_makes_no_volume_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "p0", SLICES)
    (folder / "IM0003.dcm").unlink()
    with pytest.raises(FileError, match="about 1 slice"):
        lamelle.convert(folder, tmp_path / "a.nii.gz")
    Pillow.fromarray(np.zeros((10, 12), np.uint8)).save(folder / "z.png")
    with pytest.raises(DataError, match="DICOM slice among images of other formats"):
        lamelle.convert(folder, tmp_path / "a.tif")
    assert [p.name for p in tmp_path.iterdir()] == ["p0"]

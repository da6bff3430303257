"""Folders of DICOM slices: volumes where labels of their names make them ones, images where classes or masks do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_series import CORONAL, PATIENT, SAGITTAL, affine_of, write_nifti, write_series
from PIL import Image as Pillow

from lamelle.data.audit.inspect import inspect
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.layouts.unlabelled import read_unlabelled
from lamelle.data.store import Store
from lamelle.data.targets.reading import read_labels
from lamelle.errors import RequestError, sentence
from lamelle.io.writers import write_labels
from lamelle.types import Index, Problem

pytest.importorskip("pydicom")
pytest.importorskip("nibabel")

RNG = np.random.default_rng(5)
SLICES = RNG.integers(0, 900, (6, 10, 12), np.uint16)
LABELS = (SLICES > 600).astype(np.uint8)


def series(folder: Path, person: int = 0, slices: np.ndarray = SLICES, **options: Any) -> Path:
    """A series of a patient of its own, its files in another order than its slices."""
    about = {"uid": f"1.2.3.{person}", "patient": f"{PATIENT}{person}", "names": lambda z: f"IM{(5 * z) % 7}"}
    return write_series(folder, slices, **(about | options))


def read(root: Path, **options: Any) -> Index:
    index = read_folder(root, options=LayoutOptions(**options))
    assert all(PATIENT not in sentence(p) for p in index.problems)
    return index


def told(problems: tuple[Problem, ...], *, but: str = "groups.") -> list[tuple[str, str, str]]:
    found = [p for p in problems if not p.code.startswith(but)]
    return [(p.code.removeprefix("layouts."), p.severity, p.where) for p in found]


def lies(index: Index, tmp_path: Path) -> bool:
    """Whether the labels are those that were drawn from the images."""
    store = Store(tmp_path / "store", budget=1 << 26)
    pairs = [(store.image(r.image)[0], read_labels(r, store))
             for r in index.records]  # fmt: skip
    return bool(pairs) and all(np.array_equal(labels > 0, image > 600) for image, labels in pairs)


def of_three(root: Path, **options: Any) -> Path:
    for p in range(3):
        series(root / "images" / f"p{p}", p, **options)
    return root


@pytest.mark.parametrize("directions", [None, CORONAL, SAGITTAL])
@pytest.mark.parametrize("dims", [None, 2, 3])
def test_a_folder_of_slices_with_a_label_volume_of_its_name_is_a_volume(
    tmp_path: Path, dims: int | None, directions: tuple | None
) -> None:
    way: dict[str, Any] = {"directions": directions} if directions else {}
    root = of_three(tmp_path / "d", **way)
    for p in range(3):
        write_nifti(root / "labels" / f"p{p}.nii.gz", LABELS, affine_of(**way))
    index = read(root, dims=dims)
    assert (index.layout, told(index.problems)) == ("volume_pairs", [])
    depth = {None: 6, CORONAL: 10, SAGITTAL: 10}[directions] if dims == 2 else 1
    assert len(index.records) == 3 * depth
    assert index.records[0].id == ("images/p0" if dims != 2 else f"images/p0#{'0' * len(str(depth - 1))}")
    assert len({r.group for r in index.records}) == 3
    assert lies(index, tmp_path)
    audit = inspect(index, Store(tmp_path / "store", budget=1 << 26), workers=1, declared=None, ignore=())
    assert not audit.errors
    assert {row.format for row in audit.rows} == {"dicom series"}


def test_labels_may_be_any_volume_a_series_too(tmp_path: Path) -> None:
    root = of_three(tmp_path / "d")
    series(root / "labels" / "p0", 8, LABELS, patient=PATIENT)
    write_labels(root / "labels" / "p1.tif", LABELS, spacing=None)
    write_nifti(root / "labels" / "p2.nii.gz", LABELS[::-1], affine_of(step=-2, origin=(-20, -30, 50)))
    index = read(root)
    assert told(index.problems) == [("place_of_labels", "note", "labels/p1.tif")]
    assert [r.id for r in index.records] == ["images/p0", "images/p1", "images/p2"]
    assert lies(index, tmp_path)


def test_labels_of_another_place_are_an_error_with_the_distance(tmp_path: Path) -> None:
    series(tmp_path / "d" / "images" / "p0")
    write_nifti(tmp_path / "d" / "labels" / "p0.nii.gz", LABELS, affine_of(origin=(-20, -30, 47)))
    index = read(tmp_path / "d")
    assert told(index.problems) == [("apart", "error", "labels/p0.nii.gz")]
    assert index.problems[0].values["distance"] == "7 mm"


def test_labels_may_be_called_after_the_folder_around(tmp_path: Path) -> None:
    for p in range(3):
        series(tmp_path / "d" / "images" / f"p{p}" / "1.2.840.5" / f"SE{p}", p)
        write_nifti(tmp_path / "d" / "labels" / f"p{p}.nii.gz", LABELS)
    index = read(tmp_path / "d")
    assert told(index.problems) == []
    assert [r.id for r in index.records] == ["images/p0", "images/p1", "images/p2"]
    assert lies(index, tmp_path)


def test_volumes_beside_their_labels_and_of_nnunet(tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    nnunet = tmp_path / "nnunet"
    for p in range(3):
        series(beside / f"p{p}", p)
        write_nifti(beside / f"p{p}_seg.nii.gz", LABELS)
        series(nnunet / "imagesTr" / f"case{p}_0000", p)
        write_nifti(nnunet / "labelsTr" / f"case{p}.nii.gz", LABELS)
    (nnunet / "dataset.json").write_text('{"labels": {"background": 0, "tumour": 1}}')
    for root, layout in ((beside, "volume_pairs"), (nnunet, "nnunet")):
        index = read(root)
        assert (index.layout, told(index.problems), len(index.records)) == (layout, [], 3)
        assert lies(index, tmp_path)


def test_a_series_without_labels_among_others_is_an_error(tmp_path: Path) -> None:
    root = of_three(tmp_path / "d")
    for p in range(2):
        write_nifti(root / "labels" / f"p{p}.nii.gz", LABELS)
    assert told(read(root).problems) == [("missing_mask", "error", "images/p2")]


def test_a_series_that_makes_no_volume_names_the_slice(tmp_path: Path) -> None:
    root = of_three(tmp_path / "d")
    (root / "images" / "p1" / "IM5").unlink()  # the second from the feet
    for p in range(3):
        write_nifti(root / "labels" / f"p{p}.nii.gz", LABELS)
    index = read(root)
    assert [p.code for p in index.problems if p.severity == "error"] == ["files.series_gap"]
    assert [r.id for r in index.records] == ["images/p0", "images/p2"]


def test_of_two_series_in_a_folder_that_of_the_labels_is_read(tmp_path: Path) -> None:
    root = tmp_path / "d"
    series(root / "images" / "p0", 0, number=4)
    series(root / "images" / "p0", 9, SLICES[:3, :5], number=1, directions=CORONAL, names="L{}".format)
    write_nifti(root / "labels" / "p0.nii.gz", LABELS)
    for dims in (2, 3):
        index = read(root, dims=dims)
        assert told(index.problems) == [("series_taken", "note", "images/p0")]
        assert {r.image.key for r in index.records} == {"4"}
        assert lies(index, tmp_path)
    write_nifti(root / "labels" / "p0.nii.gz", LABELS[:4])
    index = read(root)
    assert told(index.problems) == [("which_series", "error", "images/p0")]
    assert "1 (3 × 5 × 12)" in sentence(index.problems[0])


def test_masks_of_single_slices_make_them_images_and_that_is_said_once(tmp_path: Path) -> None:
    root = of_three(tmp_path / "d")
    for p in range(3):
        (root / "masks" / f"p{p}").mkdir(parents=True)
        for z in range(6):
            Pillow.fromarray(LABELS[z] * 255).save(root / "masks" / f"p{p}" / f"IM{(5 * z) % 7}.png")
    index = read(root)
    assert (index.layout, len(index.records)) == ("image_mask_folders", 18)
    assert told(index.problems) == [("series_as_images", "warning", "images/p0")]
    assert index.problems[0].values == {"count": 3, "images": 6, "name": "p0"}
    assert len({r.group for r in index.records}) == 3
    assert lies(index, tmp_path)


def test_slices_of_one_folder_with_masks_stay_images(tmp_path: Path) -> None:
    series(tmp_path / "d" / "images")
    (tmp_path / "d" / "masks").mkdir()
    for z in range(6):
        Pillow.fromarray(LABELS[z] * 255).save(tmp_path / "d" / "masks" / f"IM{(5 * z) % 7}.png")
    index = read(tmp_path / "d")
    assert (index.layout, len(index.records)) == ("image_mask_folders", 6)
    assert ("series_as_images", "warning", "images") in told(index.problems)


def test_slices_with_classes_stay_images_in_groups(tmp_path: Path) -> None:
    for p in range(6):
        series(tmp_path / "d" / ("ill" if p % 2 else "well") / f"patient {p}", p)
    index = read(tmp_path / "d")
    assert (index.layout, len(index.records), index.classes) == ("class_folders", 36, ("ill", "well"))
    assert len({r.group for r in index.records}) == 6
    assert [p.code for p in index.problems if "series" in p.code] == ["layouts.series_as_images"]


def test_single_images_of_many_people_are_not_spoken_of(tmp_path: Path) -> None:
    for p in range(8):
        folder = tmp_path / "d" / ("ill" if p % 2 else "well")
        series(folder, p, SLICES[p % 6 : p % 6 + 1], names=lambda z, p=p: f"{p}.dcm")
    index = read(tmp_path / "d")
    assert len(index.records) == 8
    assert not [p for p in index.problems if "series" in p.code]

    def flat(z: int, data: Any) -> None:
        for tag in ("ImagePositionPatient", "ImageOrientationPatient"):
            delattr(data, tag)

    for p in range(8):
        folder = tmp_path / "x" / ("ill" if p % 2 else "well")
        series(folder, 0, SLICES[p % 6 : p % 6 + 1] + p, names=lambda z, p=p: f"{p}.dcm", change=flat)
    assert not [p for p in read(tmp_path / "x").problems if "series" in p.code]


def test_a_folder_of_slices_alone_is_told_what_it_lacks(tmp_path: Path) -> None:
    series(tmp_path / "p0")
    with pytest.raises(RequestError) as caught:
        read(tmp_path / "p0")
    assert "images/p0/" in str(caught.value)
    assert "labels/p0.nii.gz" in str(caught.value)


def test_to_be_predicted_as_volumes(tmp_path: Path) -> None:
    root = of_three(tmp_path / "d")
    write_nifti(root / "images" / "p3.nii.gz", SLICES)
    write_nifti(root / "labels" / "p0.nii.gz", LABELS)
    found = read_unlabelled([root], dims=3, volumes=True)
    assert [r.id for r in found.records] == [f"images/p{p}" for p in range(3)] + ["images/p3.nii.gz"]
    assert found.labels == ("labels/p0.nii.gz",)
    one = root / "images" / "p0"
    assert [r.id for r in read_unlabelled([one], dims=3, volumes=True).records] == ["p0"]
    assert [r.id for r in read_unlabelled([one], dims=2, volumes=True).records] == [f"p0#{z}" for z in range(6)]
    assert len(read_unlabelled([one], dims=2).records) == 6


def test_of_two_series_both_are_predicted(tmp_path: Path) -> None:
    one = series(tmp_path / "p0", 0, number=4)
    series(one, 9, SLICES[:3, :5], number=1, directions=CORONAL, names="L{}".format)
    records = read_unlabelled([one], dims=3, volumes=True).records
    assert {r.id for r in records} == {"p0/4", "p0/1"}
    assert len(read_unlabelled([one], dims=2, volumes=True).records) == 6 + 5
    (one / "IM5").unlink()
    found = read_unlabelled([one], dims=2, volumes=True)
    assert {r.id.partition("#")[0] for r in found.records} == {"p0/1"}
    assert [p.code for p in found.problems] == ["files.series_gap"]

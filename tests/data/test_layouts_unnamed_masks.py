"""Pairs in folders where no name tells them: a folder for each patient, odd endings, one of several modalities."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from layout_reading import masks_of, read_index
from PIL import Image

from lamelle.data.layouts.unlabelled import read_unlabelled
from lamelle.errors import RequestError
from lamelle.tasks.table import task_of

Put = Callable[[list[str], list[str]], Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Write images (many values) and masks (two)."""

    def write(images: list[str], masks: list[str]) -> Path:
        for names, values in ((images, 96), (masks, 2)):
            for name in names:
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                plane = (np.arange(96) % values).astype(np.uint8).reshape(8, 12)
                if name.endswith(".nii.gz"):
                    nibabel.save(nibabel.Nifti1Image(np.stack([plane] * 3, -1), np.eye(4)), tmp_path / name)
                else:
                    Image.fromarray(plane).save(tmp_path / name)
        return tmp_path

    return write


@pytest.mark.parametrize(("image", "mask", "layout"), [
    ("CT.nii.gz", "segmentation.nii.gz", "volume_pairs"), ("flair.nii.gz", "mask.nii.gz", "volume_pairs"),
    ("t1.nii.gz", "lesion.nii.gz", "volume_pairs"), ("photo.png", "GT.png", "suffix_pairs"),
    ("photo.png", "label.png", "suffix_pairs"), ("photo.png", "manual_mask.png", "suffix_pairs"),
])  # fmt: skip
def test_a_folder_per_patient_with_an_image_and_a_mask(put: Put, image: str, mask: str, layout: str) -> None:
    images, masks = ([f"Pat{i}/{word}" for i in range(3)] for word in (image, mask))
    index = read_index(put(images, masks))
    assert (index.layout, task_of(index)) == (layout, "segment")
    assert masks_of(index) == {i: [m] for i, m in zip(images, masks, strict=True)}
    assert [p for p in index.problems if p.severity == "error"] == []
    assert {r.id for r in read_unlabelled([index.root], dims=3).records} == set(images)


@pytest.mark.parametrize("masks", ["Pat{}/liver.png", "Pat{}/a.png"])
def test_masks_without_a_word_are_told_by_their_pixels_and_said(put: Put, masks: str) -> None:
    images, drawn = ([form.format(i) for i in range(4)] for form in ("Pat{}/CT.png", masks))
    index = read_index(put(images, drawn))
    assert masks_of(index) == {i: [m] for i, m in zip(images, drawn, strict=True)}
    said = [p for p in index.problems if p.code == "layouts.paired_by_pixels"]
    assert {(p.severity, p.values["image"], p.values["mask"]) for p in said} == {
        ("warning", "CT.png", drawn[0].rpartition("/")[2])
    }


@pytest.mark.parametrize(("folder", "ending"), [("", "_xyz"), ("data/", "-hand"), ("A/B/", " by Anna")])
def test_odd_endings_of_masks_in_one_folder(put: Put, folder: str, ending: str) -> None:
    images, masks = ([f"{folder}im{i}{e}.png" for i in range(5)] for e in ("", ending))
    index = read_index(put(images, masks))
    assert index.layout == "suffix_pairs"
    assert masks_of(index) == {i: [m] for i, m in zip(images, masks, strict=True)}
    assert [p.code for p in index.problems] == ["layouts.paired_by_pixels"]


def test_images_of_two_names_are_no_pairs(put: Put) -> None:
    with pytest.raises(RequestError):
        read_index(put([f"im{i}{e}.png" for i in range(5) for e in ("", "_b")], []))
    with pytest.raises(RequestError, match="which are no classes"):
        read_index(put([f"Pat{i}/{e}.png" for i in range(5) for e in ("left", "right")], []))


@pytest.mark.parametrize("flat", [False, True])
def test_one_of_several_modalities_is_named_and_read(put: Put, flat: bool) -> None:
    form = "case_{0}_{1}.nii.gz" if flat else "case_{0}/case_{0}_{1}.nii.gz"
    images = [form.format(i, m) for i in range(3) for m in ("flair", "t1", "t1ce")]
    folder = put(images, [form.format(i, "seg") for i in range(3)])
    with pytest.raises(RequestError) as caught:
        read_index(folder)
    keys = [w.partition("=")[2].strip(",") for w in shlex.split(str(caught.value.values["missing"])) if "=" in w]
    assert set(keys) == {"flair", "t1", "t1ce"}
    for key in keys:
        index = read_index(folder, images=key)
        assert masks_of(index) == {form.format(i, key): [form.format(i, "seg")] for i in range(3)}
        (said,) = [p for p in index.problems if p.code == "layouts.images_of_word"]
        assert (said.values["count"], said.values["rest"]) == (3, 6)


def test_bids_with_masks_of_one_of_two_modalities(put: Put) -> None:
    images = [f"sub-0{i}/anat/sub-0{i}_{m}.nii.gz" for i in range(3) for m in ("FLAIR", "T1w")]
    masks = [f"derivatives/lesion/sub-0{i}/anat/sub-0{i}_desc-lesion_mask.nii.gz" for i in range(3)]
    folder = put(images, masks)
    (folder / "participants.tsv").write_text("participant_id\tgroup\nsub-00\tHC\nsub-01\tAD\nsub-02\tAD\n")
    with pytest.raises(RequestError, match=r"data\.images=FLAIR / data\.images=T1w"):
        read_index(folder)
    index = read_index(folder, images="FLAIR")
    assert masks_of(index) == {i: [m] for i, m in zip(images[::2], masks, strict=True)}
    (said,) = [p for p in index.problems if p.code == "layouts.table_of_folders"]
    assert (said.where, said.values["column"]) == ("participants.tsv", "participant_id")


def test_a_word_that_no_image_bears_is_no_folder(put: Put) -> None:
    folder = put(["a_t1.png", "b_t1.png"], ["a_t1_mask.png", "b_t1_mask.png"])
    with pytest.raises(RequestError, match=r"data\.images=t2: there is no such folder"):
        read_index(folder, images="t2")


def test_participants_with_classes_are_asked_for_a_row_for_each_image(put: Put) -> None:
    folder = put([f"sub-0{i}/anat/sub-0{i}_T1w.png" for i in range(4)], [])
    (folder / "participants.tsv").write_text(
        "participant_id\tdiagnosis\n" + "".join(f"sub-0{i}\t{'ab'[i % 2]}\n" for i in range(4))
    )
    with pytest.raises(RequestError, match=r"participants\.tsv has a row for each of its folders .*participant_id"):
        read_index(folder)
    rows = "".join(f"sub-0{i}/anat/sub-0{i}_T1w.png\t{'ab'[i % 2]}\tsub-0{i}\n" for i in range(4))
    (folder / "participants.tsv").write_text("image\tlabel\tparticipant_id\n" + rows)
    index = read_index(folder)
    assert (index.layout, index.classes) == ("table", ("a", "b"))
    assert [r.group for r in index.records] == [f"sub-0{i}" for i in range(4)]


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("X_Part1_{}_Data", "X_Part1_{}_GroundTruth"),
        ("X_Task1-2_{}_Input", "X_Task1_{}_GroundTruth"),
    ],
)
def test_folders_of_splits_with_long_names(put: Put, images: str, masks: str) -> None:
    names = [("Training", i) for i in range(3)] + [("Test", i) for i in range(3, 5)]
    pairs = {f"{images.format(s)}/I_{i}.png": f"{masks.format(s)}/I_{i}_Segmentation.png" for s, i in names}
    index = read_index(put(list(pairs), list(pairs.values())))
    assert masks_of(index) == {i: [m] for i, m in pairs.items()}
    assert [r.split for r in sorted(index.records, key=lambda r: r.id[-5])] == ["train"] * 3 + ["test"] * 2

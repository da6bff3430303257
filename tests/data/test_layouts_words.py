"""Folders and files of masks by other words, in other places: read as pairs, never as classes."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from layout_reading import masks_of
from PIL import Image

from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.layouts.unlabelled import read_unlabelled
from lamelle.data.targets.views import ClassView
from lamelle.errors import RequestError
from lamelle.tasks.table import task_of
from lamelle.types import Index

Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Write small planes at paths below the folder."""

    def write(*names: str) -> Path:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / name)
        return tmp_path

    return write


def _read(folder: Path, **options: Any) -> Index:
    return read_folder(folder, options=LayoutOptions(**options))


def _errors(index: Index) -> set[tuple[str, str]]:
    return {(p.code.removeprefix("layouts."), p.where) for p in index.problems if p.severity == "error"}


TWO_FOLDERS = [
    ("Images brutes", "Masques"), ("Bilder", "Masken"), ("Rohdaten", "Segmentierungen"), ("imágenes", "máscaras"),
    ("Imágenes", "etiquetas"), ("images", "vérité terrain"), ("images_png", "masks_binary"), ("raw images", "GT_final"),
    ("Original images", "Ground Truth"), ("Original", "Ground Truth"), ("JPEGImages", "SegmentationClass"),
    ("Tissue Images", "annot"), ("training_images", "training_groundtruth"), ("images", "1st_manual"),
    ("cells", "cells_masks"), ("01", "01_GT"), ("photos", "labelled"), ("pictures", "Annotations"),
    ("ISIC", "masks"),
]  # fmt: skip


@pytest.mark.parametrize(("images", "masks"), TWO_FOLDERS)
@pytest.mark.parametrize("above", ["", "Patient 01/", "site A/Patient_3/day 2/"])
def test_two_folders_in_the_words_of_the_field(put: Put, images: str, masks: str, above: str) -> None:
    put(*(f"{above}{folder}/f{i}.png" for folder in (images, masks) for i in range(3)))
    index = _read(put("Patient 02/images/1.png", "Patient 02/masks/1.png") if above else put())
    found = masks_of(index)
    assert (index.layout, task_of(index)) == ("image_mask_folders", "segment")
    assert [p.code for p in index.problems] == (["groups.taken_folder"] if above else [])
    assert {k: v for k, v in found.items() if k.startswith(above) and "Patient 02" not in k} == {
        f"{above}{images}/f{i}.png": [f"{above}{masks}/f{i}.png"] for i in range(3)
    }
    assert len(found) == (4 if above else 3)


FILES = [
    ("a{}.png", "a{}_masque.png"), ("a{}.png", "a{}-labelled.png"),
    ("P2 10M, 20x [x={},y=0].png", "P2 10M, 20x [x={},y=0]-labelled.png"),
    ("w{}_image.png", "w{}_mask.png"), ("img_{}.png", "mask_{}.png"), ("image{}.png", "label{}.png"),
    ("a{}.png", "Mask of a{}.png"), ("a{}.png", "a{}_Simple Segmentation.png"),
    ("a{}.png", "a{}_Object Predictions.png"),
    ("ISIC_00{}.png", "ISIC_00{}_segmentation.png"), ("testA_{}.png", "testA_{}_anno.png"),
    ("b{}.png", "b{}_Maske.png"),
    ("c{}_raw.png", "c{}_mascara.png"), ("benign ({}).png", "benign ({})_mask.png"), ("s_img_{}.png", "s_mask_{}.png"),
    ("a{}_new.png", "a{}_new_mask_final.png"),
]  # fmt: skip


@pytest.mark.parametrize(("image", "mask"), FILES)
@pytest.mark.parametrize("above", ["", "sample_a/"])
def test_pairs_in_one_folder(put: Put, image: str, mask: str, above: str) -> None:
    index = _read(put(*(f"{above}{name.format(i)}" for i in range(3) for name in (image, mask))))
    assert (index.layout, task_of(index), index.problems) == ("suffix_pairs", "segment", ())
    assert masks_of(index) == {f"{above}{image.format(i)}": [f"{above}{mask.format(i)}"] for i in range(3)}


@pytest.mark.parametrize(
    ("image", "mask"),
    [("img_{}.png", "mask_{}.png"), ("image_{}.png", "{}.png"), ("{}.png", "seg{}.png"), ("a{}.png", "a{}_gt.png")],
)
def test_names_in_two_folders(put: Put, image: str, mask: str) -> None:
    index = _read(put(*(f"{f}/{n.format(i)}" for i in range(3) for f, n in (("images", image), ("masks", mask)))))
    assert masks_of(index) == {f"images/{image.format(i)}": [f"masks/{mask.format(i)}"] for i in range(3)}
    assert index.problems == ()


def test_names_without_a_common_word_are_paired_by_number_and_said(put: Put) -> None:
    index = _read(put(*(f"01/t{i:03d}.png" for i in range(3)), *(f"01_GT/SEG/man_seg{i:03d}.png" for i in range(3))))
    assert masks_of(index) == {f"01/t{i:03d}.png": [f"01_GT/SEG/man_seg{i:03d}.png"] for i in range(3)}
    (said,) = index.problems
    assert (said.code, said.severity) == ("layouts.paired_by_number", "warning")


@pytest.mark.parametrize("parent", ["", "Patient 1/"])
@pytest.mark.parametrize("beside", ["GT/TRA", "GT/TRA/raw images", "ST/SEG"])
def test_what_lies_in_a_folder_of_labels_is_no_image(put: Put, parent: str, beside: str) -> None:
    """Beside the masks chosen there lie others, of tracks or of another hand: neither trained on nor predicted."""
    images, masks = "01/t00{}.png", "01_GT/SEG/man_seg00{}.png"
    others = f"01_{beside}/man_track00{{}}.png"
    folder = put(*(f"{parent}{n.format(i)}" for n in (images, masks, others) for i in range(3)))
    index = _read(folder)
    assert masks_of(index) == {f"{parent}{images.format(i)}": [f"{parent}{masks.format(i)}"] for i in range(3)}
    (said,) = [p for p in index.problems if p.code == "layouts.masks_not_used"]
    assert (said.where, said.values["count"]) == (f"{parent}01_{beside}", 3)
    assert {r.id for r in read_unlabelled([folder], dims=2).records} == {
        f"{parent}{images.format(i)}" for i in range(3)
    }


MIRRORED = [
    ("P{}/a.png", "masks/P{}/a.png"),
    ("site 1/P{}/day 2/a.png", "site 1/Masken/P{}/day 2/a.png"),
    ("sub-0{}/anat/sub-0{}_T1w.png", "derivatives/manual/sub-0{}/anat/sub-0{}_label-lesion_dseg.png"),
    ("sub-0{}/anat/sub-0{}_T1w.png", "derivatives/radiologist 2/sub-0{}/anat/sub-0{}_T1w_mask.png"),
]


@pytest.mark.parametrize(("image", "mask"), MIRRORED)
def test_a_folder_of_masks_that_mirrors_the_folders_of_images(put: Put, image: str, mask: str) -> None:
    names = [(image.replace("{}", str(i)), mask.replace("{}", str(i))) for i in range(4)]
    index = _read(put(*(n for pair in names for n in pair)))
    assert masks_of(index) == {image: [mask] for image, mask in names}
    assert not _errors(index)
    assert {r.id for r in read_unlabelled([index.root], dims=2).records} == {image for image, _ in names}


def test_mirrored_masks_of_two_hands_or_of_several_images_are_asked_about(put: Put) -> None:
    image, mask = "sub-{}/anat/sub-{}_{}.png", "derivatives/{}/sub-{}/anat/sub-{}_mask.png"
    two = _read(
        put(*(image.format(i, i, "T1w") for i in range(3)), *(mask.format(h, i, i) for h in "AB" for i in range(3)))
    )
    assert _errors(two) == {("two_mask_folders", "derivatives/A")}
    put(*(image.format(i, i, "FLAIR") for i in range(3)))
    with pytest.raises(RequestError):
        _read(two.root)


def test_images_and_masks_in_a_folder_called_after_labels_are_read(put: Put) -> None:
    index = _read(put(*(f"Segmentation/{f}/{i}.png" for f in ("raw", "masks") for i in range(3))))
    assert (len(index.records), _errors(index)) == (3, set())


def test_names_that_say_nothing_are_one_error(put: Put) -> None:
    index = _read(put("images/a.png", "images/b.png", "masks/x.png", "masks/y.png", "masks/z.png"))
    assert _errors(index) == {("names_differ", "images")}


def test_several_masks_of_one_image_are_taken_together(put: Put) -> None:
    names = ["benign (1).png", "benign (1)_mask.png", "benign (1)_mask_1.png", "benign (2).png", "benign (2)_mask.png"]
    index = _read(put(*(f"{c}/{n}" for c in ("benign", "malignant") for n in names)))
    assert masks_of(index)["benign/benign (1).png"] == ["benign/benign (1)_mask.png", "benign/benign (1)_mask_1.png"]
    assert [r.stratum for r in index.records] == ["benign", "benign", "malignant", "malignant"]
    assert index.problems == ()
    classes = _read(index.root, task="classify", learnt=ClassView.sees)
    assert (classes.classes, len(classes.records)) == (("benign", "malignant"), 4)
    assert {p.code for p in classes.problems} == {"layouts.masks_not_used"}


def test_objects_in_a_folder_called_after_their_image(put: Put) -> None:
    index = _read(put("images/a.png", "images/b.png", "masks/a/1.png", "masks/a/2.png", "masks/b/1.png"))
    assert masks_of(index) == {"images/a.png": ["masks/a/1.png", "masks/a/2.png"], "images/b.png": ["masks/b/1.png"]}


def test_masks_in_a_folder_beside_the_images_themselves(put: Put) -> None:
    index = _read(put("a.png", "b.png", "masks/a.png", "masks/b.png"))
    assert masks_of(index) == {"a.png": ["masks/a.png"], "b.png": ["masks/b.png"]}


def test_patients_below_splits(put: Put) -> None:
    index = _read(put(*(f"{s}/Patient {i}/{f}/1.png" for s in ("train", "Test") for i in (1, 2)
                        for f in ("images", "masks"))))  # fmt: skip
    assert [(r.id, r.split) for r in index.records] == [
        (f"{s}/Patient {i}/images/1.png", s.lower()) for s in ("Test", "train") for i in (1, 2)
    ]


def test_folders_named_by_the_user(put: Put) -> None:
    root = put(*(f"{f}/{i}.png" for f in ("alpha", "beta", "gamma") for i in range(3)))
    assert task_of(_read(root)) == "classify"
    index = _read(root, images="alpha", masks="beta")
    assert masks_of(index) == {f"alpha/{i}.png": [f"beta/{i}.png"] for i in range(3)}
    with pytest.raises(RequestError, match=r"data\.masks=delta: there is no such folder .*: alpha/, beta/, gamma/"):
        _read(root, images="alpha", masks="delta")


def test_two_folders_of_masks_are_asked_for(put: Put) -> None:
    root = put(*(f"{f}/{i}.png" for f in ("images", "1st_manual", "2nd manual") for i in range(3)))
    (said,) = [p for p in _read(root).problems if p.code == "layouts.two_mask_folders"]
    keys = [yaml.safe_load(key.partition("=")[2]) for key in shlex.split(str(said.values["keys"])) if "=" in key]
    assert keys == ["1st_manual", "2nd manual"], "as a shell and YAML take them"
    for key in keys:
        assert _errors(_read(root, masks=key)) == set()


def test_classes_of_voc_go_before_its_objects(put: Put) -> None:
    root = put(*(f"{f}/{i}.png" for f in ("JPEGImages", "SegmentationObject", "SegmentationClass") for i in range(3)))
    assert masks_of(_read(root))["JPEGImages/0.png"] == ["SegmentationClass/0.png"]
    assert masks_of(_read(root, masks="SegmentationObject"))["JPEGImages/0.png"] == ["SegmentationObject/0.png"]


@pytest.mark.parametrize(
    "names",
    [
        ("with_mask", "without_mask"),
        ("label_0", "label_1"),
        ("Original", "Fake"),
        ("segmented", "banded"),
        ("em", "lm"),
    ],
)
def test_classes_that_sound_like_masks_are_classes(put: Put, names: tuple[str, str]) -> None:
    index = _read(put(*(f"{n}/{n}{i}.png" for n in names for i in range(2))))
    assert (index.classes, index.problems) == (tuple(sorted(names)), ())


# what a folder of classes is


@pytest.mark.parametrize("pattern", ["{c}/patient_{p}/{i}.png", "Patient {p}/{c}/{i}.png", "{c}/day{p}/{i}.png",
                                     "archive/{c}/patient_{p}/images/{i}.png"])  # fmt: skip
def test_a_patient_or_a_day_is_no_class(put: Put, pattern: str) -> None:
    root = put(*(pattern.format(c=c, p=p, i=i) for c in ("Healthy", "Tumour") for p in (1, 2) for i in (1, 2)))
    index = _read(root)
    assert (index.layout, index.classes, len(index.records)) == ("class_folders", ("Healthy", "Tumour"), 8)
    assert [p.code for p in index.problems] == (["groups.taken_folder"] if "atient" in pattern else [])


def test_folders_of_patients_alone_are_no_classes_until_said(put: Put) -> None:
    root = put(*(f"Patient {p}/{i}.png" for p in (1, 2) for i in (1, 2)))
    with pytest.raises(RequestError, match=r"\(Patient 1, Patient 2\), which are no classes.*data\.label=folder:1"):
        _read(root)
    assert _read(root, label="folder:1").classes == ("Patient 1", "Patient 2")


def test_two_levels_that_may_be_classes_are_asked_for(put: Put) -> None:
    inner = {"benign": ("adenosis", "fibroma"), "malignant": ("ductal", "lobular")}
    root = put(*(f"{c}/{s}/{i}.png" for c, several in inner.items() for s in several for i in (1, 2)))
    with pytest.raises(RequestError, match=r"folder:1 \(benign, malignant\) or data\.label=folder:2 \(adenosis, "):
        _read(root)
    assert _read(root, label="folder:1").classes == ("benign", "malignant")
    assert _read(root, label="folder:2").classes == ("adenosis", "ductal", "fibroma", "lobular")


def test_masks_that_no_image_is_called_like_are_no_images_of_a_class(put: Put) -> None:
    with pytest.raises(RequestError, match="are masks by their names"):
        _read(put(*(f"{s}/{n}.png" for s in ("ctrl", "treated") for n in ("dapi", "gfp", "mask"))))


def test_seg_npy_alone_says_how_to_export(put: Put) -> None:
    root = put("w0.png", "w1.png")
    (root / "w0_seg.npy").write_bytes(b"")
    with pytest.raises(RequestError, match=r"1 file\(s\) _seg\.npy of Cellpose \(w0_seg\.npy\).*save the masks as PNG"):
        _read(root)


def test_masks_are_left_out_of_what_is_predicted(put: Put) -> None:
    root = put("Patient 1/Bilder/1.png", "Patient 1/Masken/1.png", "s/a.png", "s/a-labelled.png")
    found = read_unlabelled([root], dims=2)
    assert [r.id for r in found.records] == ["Patient 1/Bilder/1.png", "s/a.png"]
    assert set(found.labels) == {"Patient 1/Masken/1.png", "s/a-labelled.png"}

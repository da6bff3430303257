"""Folders as known data sets and programs lay them out: read right, or a cure is said."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tifffile
from layout_reading import read_index
from PIL import Image

from lamelle.errors import RequestError
from lamelle.tasks.table import task_of

N = 3


def _put(root: Path, patterns: Sequence[str], *, depth: int = 1) -> Path:
    """Files of zeros; {i} counts to three, {s} is a split."""
    for pattern in patterns:
        for name in {pattern.format(i=i, s=s) for i in range(N) for s in ("train", "val", "test")}:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shape = (6, 8) if depth == 1 else (depth, 6, 8)
            if name.endswith((".nii", ".nii.gz")):
                import nibabel

                nibabel.nifti1.Nifti1Image(np.zeros((6, 5, 4), np.uint8), np.eye(4)).to_filename(path)
            elif path.suffix == ".tif":
                tifffile.imwrite(path, np.zeros(shape, np.uint8), photometric="minisblack")
            elif path.suffix in (".png", ".jpg", ".bmp"):
                Image.fromarray(np.zeros((6, 8), np.uint8)).save(path)
            else:
                path.write_text(json.dumps({"labels": {"background": 0, "x": 1}}), encoding="utf-8")
    return root


PAIRED = {
    "ISIC": ("Task1-2_Training_Input/ISIC_{i}.jpg", "Task1_Training_GroundTruth/ISIC_{i}_segmentation.png"),
    "CVC-ClinicDB": ("Original/{i}.tif", "Ground Truth/{i}.tif"),
    "Kvasir": ("images/cju{i}.jpg", "masks/cju{i}.jpg"),
    "GlaS": ("testA_{i}.bmp", "testA_{i}_anno.bmp"),
    "MoNuSeg": ("Tissue Images/TCGA-A7-A13{i}-01Z.tif", "Labels/TCGA-A7-A13{i}-01Z.tif"),
    "TNBC": ("Slide_0{i}/0{i}_1.png", "GT_0{i}/0{i}_1.png"),
    "Cell Tracking Challenge": ("01/t00{i}.tif", "01_GT/SEG/man_seg00{i}.tif"),
    "BBBC006": ("BBBC006_v1_images/mcf_a0{i}_s1_w1.tif", "BBBC006_v1_labels/mcf_a0{i}_s1.png"),
    "CamVid": ("train/{i}.png", "train_labels/{i}_L.png"),
    "Carvana": ("train/c{i}.jpg", "train_masks/c{i}_mask.png"),
    "CVAT": ("JPEGImages/{i}.jpg", "SegmentationClass/{i}.png"),
    "Fiji": ("field{i}.tif", "Mask of field{i}.tif"),
    "ilastik": ("b{i}.tif", "b{i}_Simple Segmentation.tif"),
    "napari": ("{i}.tif", "{i}_labels.tif"),
    "QuPath": ("tiles/S1 [x={i},y=0].tif", "tiles/S1 [x={i},y=0]-labelled.png"),
    "Cellpose": ("b{i}.tif", "b{i}_cp_masks.png"),
    "LGG": ("kaggle_3m/TCGA_CS_494{i}_1996/a_{i}.tif", "kaggle_3m/TCGA_CS_494{i}_1996/a_{i}_mask.tif"),
    "one pair each": ("Probe_{i}/Bild.tif", "Probe_{i}/Maske.tif"),
    "KiTS": ("case_0000{i}/imaging.nii.gz", "case_0000{i}/segmentation.nii.gz"),
    "ACDC": ("patient00{i}/patient00{i}_frame01.nii.gz", "patient00{i}/patient00{i}_frame01_gt.nii.gz"),
    "LiTS": ("volume-{i}.nii", "segmentation-{i}.nii"),
}


@pytest.mark.parametrize("name", PAIRED)
def test_data_sets_of_pairs(tmp_path: Path, name: str) -> None:
    image, mask = PAIRED[name]
    index = read_index(_put(tmp_path, PAIRED[name]))
    assert task_of(index) == "segment"
    assert {r.id: [t.path.relative_to(tmp_path).as_posix() for t in (r.labels.sources if r.labels else ())]
            for r in index.records} == {image.format(i=i): [mask.format(i=i)] for i in range(N)}  # fmt: skip
    assert not [p for p in index.problems if p.severity == "error"]


@pytest.mark.parametrize(
    ("patterns", "classes"),
    [(("chest_xray/{s}/NORMAL/p{i}.jpg", "chest_xray/{s}/PNEUMONIA/p{i}.jpg"), ("NORMAL", "PNEUMONIA")),
     (("NCT-CRC/ADI/ADI-{i}.tif", "NCT-CRC/BACK/BACK-{i}.tif"), ("ADI", "BACK")),
     (("day{i}/ctrl/a.png", "day{i}/treated/a.png"), ("ctrl", "treated"))],
)  # fmt: skip
def test_data_sets_of_classes(tmp_path: Path, patterns: Sequence[str], classes: tuple[str, ...]) -> None:
    index = read_index(_put(tmp_path, patterns))
    assert (index.classes, [p for p in index.problems if p.severity == "error"]) == (classes, [])


@pytest.mark.parametrize(
    ("patterns", "said"),
    [(("images/2{i}_training.tif", "1st_manual/2{i}_manual1.gif"), r"3 picture\(s\) \.gif are not read"),
     (("1025{i}/0/a.png", "1025{i}/1/a.png"), r"folder:1 \(10250, 10251, 10252\) or data\.label=folder:2 \(0, 1\)$"),
     (("benign/SOB/adenosis/{i}.png", "benign/SOB/fibroma/{i}.png", "malignant/SOB/ductal/{i}.png"),
      r"data\.label=folder:1 "),
     (("B_{i}/B_{i}_flair.nii.gz", "B_{i}/B_{i}_t1.nii.gz", "B_{i}/B_{i}_seg.nii.gz"),
      "one for each channel of a case"),
     (("CXR_png/{i}.png", "ManualMask/leftMask/{i}.png", "ManualMask/rightMask/{i}.png"), "it holds masks"),
     (("TCGA-5P-A9K0/{i}.tif",), "which are no classes")],
)  # fmt: skip
def test_data_sets_that_stop_with_a_cure(tmp_path: Path, patterns: Sequence[str], said: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_index(_put(tmp_path, patterns))
    assert re.search(said, str(caught.value), re.MULTILINE)


EXAMPLES: dict[str, list[tuple[str, list[str]]]] = {
    "class folders": [
        ("class_folders", ["A/{i}.png", "B/{i}.png"]),
        ("class_folders", ["{s}/A/images/{i}.png", "{s}/B/images/{i}.png"]),
        ("class_folders", ["A/patient_{i}/1.png", "B/patient_{i}/1.png"]),
    ],
    "table": [("table", ["{i}.png", "labels.csv"])],
    "table of pairs": [("table_pairs", ["p/{i}a.png", "p/{i}b.png", "data.csv"])],
    "images and masks": [
        ("image_mask_folders", ["images/{i}.png", "masks/{i}.png"]),
        ("image_mask_folders", ["images/{i}.png", "labels/{i}.png"]),
        ("image_mask_folders", ["Images brutes/{i}.png", "Masques/{i}.png"]),
        ("image_mask_folders", ["Patient 0{i}/Bilder/1.png", "Patient 0{i}/Masken/1.png"]),
    ],
    "images and masks in one folder": [
        ("suffix_pairs", ["{i}.tif", "{i}_mask.png"]),
        ("suffix_pairs", ["{i}.tif", "{i}-labelled.tif"]),
        ("suffix_pairs", ["sample_{i}/a.tif", "sample_{i}/a_gt.png"]),
    ],
    "one folder per image": [("folder_per_image", ["n{i}/images/n{i}.png", "n{i}/masks/1.png", "n{i}/masks/2.png"])],
    "stack pair": [("stack_pair", ["train-volume.tif", "train-labels.tif"])],
    "volumes": [
        ("volume_pairs", ["images/{i}.nii.gz", "labels/{i}.nii.gz"]),
        ("nnunet", ["imagesTr/c{i}_0000.nii.gz", "labelsTr/c{i}.nii.gz", "dataset.json"]),
    ],
    "Cellpose": [("cellpose", ["{i}.tif", "{i}_masks.tif"]), ("cellpose", ["{i}_img.tif", "{i}_masks.tif"])],
    "class folders with masks": [
        ("class_mask_folders", [f"{c}/{k}/{{i}}.png" for c in "AB" for k in ("images", "masks")])
    ],
}


def test_a_folder_of_each_kind_is_read_by_its_layout(tmp_path: Path) -> None:
    for row, examples in EXAMPLES.items():
        for number, (layout, patterns) in enumerate(examples):
            root = _put(tmp_path / f"{row} {number}", patterns, depth=4 if layout == "stack_pair" else 1)
            if layout == "table":
                (root / "labels.csv").write_text("image,label,patient\n0,x,1\n1,y,2\n2,x,3\n", encoding="utf-8")
            if layout == "table_pairs":
                (root / "data.csv").write_text("image,mask\n" + "".join(f"p/{i}a.png,p/{i}b.png\n" for i in range(3)))
            index = read_index(root)
            assert index.layout == layout, (row, patterns)
            assert index.records
            assert not [p for p in index.problems if p.severity == "error" and p.code != "layouts.lone_sample"], row

"""Each row of the table of layouts keeps what a row promises: each file is a record, a problem or counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from lamelle.data.layouts.common import Layout, LayoutOptions
from lamelle.data.layouts.detect import LAYOUTS, read_folder
from lamelle.errors import RequestError
from lamelle.tasks.table import tasks_for
from lamelle.types import Index

Put = Callable[..., None]


def plane(path: Path, *, mask: bool = False, depth: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (depth, 12, 16) if depth else (12, 16)
    array = np.random.default_rng(len(path.name)).integers(1, 200, shape, dtype=np.uint8)
    array = np.uint8(array > 120) if mask else array
    if path.suffix == ".tif":
        tifffile.imwrite(path, array, photometric="minisblack")
    elif path.name.endswith(".nii.gz"):
        import nibabel

        nibabel.nifti1.Nifti1Image(array.T, np.eye(4)).to_filename(path)
    else:
        Image.fromarray(array).save(path)


def _classes(root: Path) -> None:
    for n, name in enumerate(("ill", "well") * 2):
        plane(root / name / f"{n}.png")


def _class_masks(root: Path) -> None:
    for n, name in enumerate(("ill", "well") * 2):
        plane(root / name / "images" / f"{n}.png")
        plane(root / name / "masks" / f"{n}.png", mask=True)


def _table(root: Path) -> None:
    for n in range(4):
        plane(root / "images" / f"{n}.png")
    (root / "labels.csv").write_text("image,label\n" + "".join(f"images/{n}.png,{'ab'[n % 2]}\n" for n in range(4)))


def _table_pairs(root: Path) -> None:
    for n in range(4):
        plane(root / "x" / f"{n}.png")
        plane(root / "y" / f"p{n}.png", mask=True)
    (root / "list.csv").write_text("image,mask\n" + "".join(f"x/{n}.png,y/p{n}.png\n" for n in range(4)))


def _folders(root: Path) -> None:
    for n in range(4):
        plane(root / "images" / f"{n}.png")
        plane(root / "masks" / f"{n}.png", mask=True)


def _suffixes(root: Path) -> None:
    for n in range(4):
        plane(root / f"{n}.png")
        plane(root / f"{n}_mask.png", mask=True)


def _each(root: Path) -> None:
    for n in range(4):
        plane(root / f"i{n}" / "images" / f"i{n}.png")
        for k in range(2):
            plane(root / f"i{n}" / "masks" / f"m{k}.png", mask=True)


def _stacks(root: Path) -> None:
    plane(root / "train-volume.tif", depth=5)
    plane(root / "train-labels.tif", depth=5, mask=True)


def _volumes(root: Path) -> None:
    for n in range(3):
        plane(root / "images" / f"{n}.nii.gz", depth=5)
        plane(root / "labels" / f"{n}.nii.gz", depth=5, mask=True)


def _nnunet(root: Path) -> None:
    for n in range(3):
        plane(root / "imagesTr" / f"c{n}_0000.nii.gz", depth=5)
        plane(root / "labelsTr" / f"c{n}.nii.gz", depth=5, mask=True)
    (root / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "cell": 1}}))


def _cellpose(root: Path) -> None:
    for n in range(4):
        plane(root / f"{n}.tif")
        plane(root / f"{n}_masks.tif", mask=True)


def _medmnist(root: Path) -> None:
    root.mkdir()
    arrays = {}
    for part in ("train", "val", "test"):
        arrays |= {
            f"{part}_images": np.zeros((4, 8, 8), np.uint8),
            f"{part}_labels": np.array([[0], [1]] * 2, np.uint8),
        }
    np.savez(root / "m.npz", **arrays)  # type: ignore[arg-type]


def _yolo(root: Path) -> None:
    for n in range(4):
        plane(root / "images" / f"{n}.png")
        (root / "labels").mkdir(exist_ok=True)
        (root / "labels" / f"{n}.txt").write_text("0 0.2 0.2 0.8 0.2 0.8 0.8\n")
    (root / "classes.txt").write_text("cell\n")


def _coco(root: Path) -> None:
    for n in range(4):
        plane(root / f"{n}.png")
    images = [{"id": n, "file_name": f"{n}.png", "height": 12, "width": 16} for n in range(4)]
    one = {"image_id": 0, "category_id": 1, "bbox": [1, 1, 5, 5], "segmentation": [[1, 1, 6, 1, 6, 6]]}
    plain = {"images": images, "categories": [{"id": 1, "name": "cell"}], "annotations": [one]}
    (root / "labels.coco.json").write_text(json.dumps(plain))


EXAMPLES: dict[str, Callable[[Path], None]] = {
    "class_folders": _classes, "class_mask_folders": _class_masks, "table": _table, "table_pairs": _table_pairs,
    "image_mask_folders": _folders, "suffix_pairs": _suffixes, "folder_per_image": _each, "stack_pair": _stacks,
    "volume_pairs": _volumes, "nnunet": _nnunet, "cellpose": _cellpose, "medmnist": _medmnist, "yolo": _yolo,
    "coco": _coco,
}  # fmt: skip


def accounted(root: Path, index: Index) -> None:
    """Each file of a folder is of a record, in a problem, or counted among those that are not read."""
    used = {index.root / s for s in (index.names.file if index.names else None,) if s}
    for record in index.records:
        used |= {record.image.path, *(s.path for s in (record.labels.sources if record.labels else ()))}
    said = " ".join(f"{p.where} {p.values}" for p in index.problems)
    tables = {p for p in root.rglob("*") if p.suffix in (".csv", ".tsv") and p.parent == root} | {root / "dataset.json"}
    for path in (p for p in root.rglob("*") if p.is_file()):
        counted = f"*{path.suffix}" in index.skipped or path.name in index.skipped
        assert path in used | tables or path.name in said or counted, path


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_each_layout_is_recognised_and_read(name: str, tmp_path: Path) -> None:
    row, root = LAYOUTS[name], tmp_path / "data"
    EXAMPLES[name](root)
    index = read_folder(root, options=LayoutOptions())
    assert (index.layout, row.name) == (name, name)
    assert index.records
    assert {type(r.target) for r in index.records} <= set(row.yields), "the row says what its records have"
    assert not [p for p in index.problems if p.severity == "error"]
    assert tasks_for(index)
    accounted(root, index)
    assert read_folder(root, options=LayoutOptions(layout=name)).records == index.records, "also by its name"


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_a_file_too_many_is_said(name: str, tmp_path: Path) -> None:
    root = tmp_path / "data"
    EXAMPLES[name](root)
    plane(root / "zzz odd.png")
    (root / "zzz notes.xyz").write_text("?")
    index = read_folder(root, options=LayoutOptions(layout=name))
    accounted(root, index)


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("name", list(LAYOUTS))
def test_a_folder_that_is_none_names_each_layout(
    name: str, language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    plane(tmp_path / "a.png")
    with pytest.raises(RequestError) as caught:
        read_folder(tmp_path, options=LayoutOptions())
    row: Layout = LAYOUTS[name]
    assert row.help in str(caught.value)
    with pytest.raises(RequestError, match=f"data.layout={name}"):
        read_folder(tmp_path, options=LayoutOptions(layout=name))

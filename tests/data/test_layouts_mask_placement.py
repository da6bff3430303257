"""Labels are laid on their image by the affines of both; what does not lie there is said with its distance."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest

from lamelle.data.audit.inspect import inspect
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.store import Store
from lamelle.data.targets.reading import read_labels
from lamelle.errors import sentence
from lamelle.io.writers import write_labels
from lamelle.types import Index

nibabel = pytest.importorskip("nibabel")
zarr = pytest.importorskip("zarr")

RNG = np.random.default_rng(5)
IMAGE = RNG.integers(0, 900, (12, 10, 6)).astype(np.int16)  # X, Y, Z
LABEL = (IMAGE > 600).astype(np.uint8)
AFFINE = np.array([[-0.5, 0, 0, 11], [0, -0.75, 0, 7], [0, 0, 2, -30], [0, 0, 0, 1]])
SIGNS = list(product((1, -1), repeat=3))
WAYS = [np.array(list(zip(axes, signs, strict=True))) for axes in permutations(range(3)) for signs in SIGNS]


def volume(path: Path, array: np.ndarray, affine: np.ndarray | None, way: np.ndarray | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(array, affine)
    nibabel.save(image if way is None else image.as_reoriented(way), path)


def folder(root: Path, label: np.ndarray, affine: np.ndarray | None, *, image: np.ndarray | None = AFFINE) -> Index:
    volume(root / "images" / "a.nii.gz", IMAGE, image)
    volume(root / "labels" / "a.nii.gz", label, affine)
    return read_folder(root, options=LayoutOptions(dims=3))


def told(index: Index) -> list[tuple[str, str, str]]:
    return [(p.code.removeprefix("layouts."), p.severity, p.where) for p in index.problems]


def lies(index: Index, tmp_path: Path) -> bool:
    """Whether the labels are those that were drawn from the image."""
    store = Store(tmp_path / "store", budget=1 << 24)
    for record in index.records:
        labels = read_labels(record, store)
        if not np.array_equal(labels, store.image(record.image)[0] > 600):
            return False
    return bool(index.records)


@pytest.mark.parametrize("dims", [2, 3])
def test_labels_stored_in_any_of_48_orders_lie_on_their_image(tmp_path: Path, dims: int) -> None:
    for i, way in enumerate(WAYS):
        volume(tmp_path / "d" / "images" / f"c{i}.nii.gz", IMAGE, AFFINE, WAYS[(7 * i) % 48])
        volume(tmp_path / "d" / "labels" / f"c{i}.nii.gz", LABEL, AFFINE, way)
    index = read_folder(tmp_path / "d", options=LayoutOptions(dims=dims))
    assert told(index) == []
    assert len(index.records) == 48 * (6 if dims == 2 else 1)
    assert lies(index, tmp_path)
    audit = inspect(index, Store(tmp_path / "store", budget=1 << 24), workers=1, declared=None, ignore=())
    assert not audit.errors
    assert {p.code for p in audit.problems} <= {"audit.duplicate", "audit.spacing_differs", "audit.near_duplicate"}
    assert audit.statistics.spacings[0][0] == (2000, 750, 500)[-dims:]
    assert len(audit.statistics.spacings) == 1


def shifted(**mm: float) -> np.ndarray:
    affine = AFFINE.copy()
    for axis, by in mm.items():
        affine["xyz".index(axis), 3] += by
    return affine


ELSEWHERE = {
    "shift": (shifted(x=40.0), "40"),
    "one voxel": (shifted(x=0.5), "0.5"),
    "one slice": (shifted(z=2.0), "2"),
    "mirrored without being stored so": (AFFINE @ np.diag([-1, 1, 1, 1]), "5.5"),
    "other spacing": (AFFINE @ np.diag([2, 1, 1, 1]), "5.5"),
    "turned by a few degrees": (
        AFFINE @ np.array([[0.99, 0.15, 0, 0], [-0.15, 0.99, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        None,
    ),
}


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_labels_of_another_place_are_an_error_with_the_distance(tmp_path: Path, kind: str) -> None:
    affine, distance = ELSEWHERE[kind]
    index = folder(tmp_path / "d", LABEL, affine)
    assert told(index) == [("apart", "error", "labels/a.nii.gz")]
    values = index.problems[0].values
    assert values["image"] == "images/a.nii.gz"
    assert distance is None or values["distance"] == f"{distance} mm"
    assert str(values["distance"]) in sentence(index.problems[0])


def test_a_label_on_a_cropped_grid_is_an_error(tmp_path: Path) -> None:
    index = folder(tmp_path / "d", LABEL[:-2], AFFINE)
    assert told(index) == [("sizes_differ", "error", "images/a.nii.gz")]
    assert index.records == ()


@pytest.mark.parametrize("rounded", [AFFINE + 1e-5, AFFINE.astype(np.float32) * np.float32(1 + 1e-6), shifted(x=0.04)])
def test_rounded_headers_are_one_place(tmp_path: Path, rounded: np.ndarray) -> None:
    index = folder(tmp_path / "d", LABEL, rounded)
    assert told(index) == []
    assert lies(index, tmp_path)


def test_a_part_of_a_voxel_is_a_warning(tmp_path: Path) -> None:
    index = folder(tmp_path / "d", LABEL, shifted(x=0.2))
    assert told(index) == [("nearly_apart", "warning", "labels/a.nii.gz")]
    assert (index.problems[0].values["distance"], index.problems[0].values["voxels"]) == ("0.2 mm", "0.4")
    assert lies(index, tmp_path)


@pytest.mark.parametrize("way", [WAYS[0], WAYS[5], WAYS[30]])
def test_labels_that_say_nothing_are_laid_voxel_on_voxel_as_both_are_stored(tmp_path: Path, way: np.ndarray) -> None:
    turned = nibabel.Nifti1Image(IMAGE, AFFINE).as_reoriented(way)
    stored, affine = np.asarray(turned.dataobj), turned.affine
    labels = (stored > 600).astype(np.uint8)
    root = tmp_path / "none"
    volume(root / "images" / "a.nii.gz", stored, affine)
    volume(root / "labels" / "a.nii.gz", labels, None)
    tiff = tmp_path / "tiff"
    volume(tiff / "images" / "a.nii.gz", stored, affine)
    (tiff / "labels").mkdir()
    write_labels(tiff / "labels" / "a.tif", labels.T, spacing=None)
    lost = tmp_path / "lost"
    volume(lost / "images" / "a.nii.gz", stored, affine)
    volume(lost / "labels" / "a.nii.gz", labels, np.eye(4))
    before = tmp_path / "before"
    volume(before / "images" / "a.nii.gz", stored, None)
    volume(before / "labels" / "a.nii.gz", labels, affine)
    for place, said in (
        (root, ("place_of_labels", "note", "labels/a.nii.gz")),
        (tiff, ("place_of_labels", "note", "labels/a.tif")),
        (lost, ("place_lost", "warning", "labels/a.nii.gz")),
        (before, ("place_of_images", "note", "labels/a.nii.gz")),
    ):
        for dims in (2, 3):
            index = read_folder(place, options=LayoutOptions(dims=dims))
            assert told(index) == [said]
            assert lies(index, tmp_path)
            assert not inspect(
                index, Store(tmp_path / "store", budget=1 << 24), workers=1, declared=None, ignore=()
            ).errors


def test_where_neither_says_anything_nothing_is_said(tmp_path: Path) -> None:
    index = folder(tmp_path / "d", LABEL, None, image=None)
    assert told(index) == []
    assert lies(index, tmp_path)


def test_an_affine_of_ones_counts_where_it_agrees_with_the_other(tmp_path: Path) -> None:
    volume(tmp_path / "d" / "images" / "a.nii.gz", IMAGE, np.eye(4))
    volume(tmp_path / "d" / "labels" / "a.nii.gz", LABEL, np.eye(4), WAYS[29])
    index = read_folder(tmp_path / "d", options=LayoutOptions(dims=3))
    assert told(index) == []
    assert lies(index, tmp_path)


def test_masks_of_single_slices_are_laid_on_them_too(tmp_path: Path) -> None:
    flat, label = IMAGE[..., :1], LABEL[..., :1]
    for i in range(4):
        volume(tmp_path / "d" / "images" / f"{i}.nii.gz", flat + np.int16(i), AFFINE)
        volume(tmp_path / "d" / "masks" / f"{i}.nii.gz", label, AFFINE, WAYS[10 + i])
    index = read_folder(tmp_path / "d", options=LayoutOptions(dims=2))
    store = Store(tmp_path / "store", budget=1 << 24)
    assert told(index) == []
    for i, record in enumerate(index.records):
        labels = read_labels(record, store)
        assert np.array_equal(labels, store.image(record.image)[0] > 600 + i)


# OME-Zarr


def zarrs(root: Path, *, image: dict[str, object], labels: dict[str, object]) -> Index:
    """An image and its labels with a scale and a translation each, in the units of their axes."""
    for kind, said in (("images", image), ("labels", labels)):
        node = root / kind / "a.ome.zarr"
        group = zarr.open_group(str(node), mode="w", zarr_format=2)
        group.create_array("0", data=np.zeros((4, 10, 12), np.uint8))
        axes = [{"name": a, "type": "space"} | ({"unit": said["unit"]} if "unit" in said else {}) for a in "zyx"]
        moves = [{"type": name, name: said[name]} for name in ("scale", "translation") if name in said]
        level = {"path": "0", "coordinateTransformations": moves}
        group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [level]}]
    return read_folder(root, options=LayoutOptions(dims=3))


HERE = {"scale": [2.0, 0.5, 0.25], "translation": [10.0, 0.0, 5.0], "unit": "micrometer"}
LATTICES: list[tuple[dict[str, object], dict[str, object], str, str]] = [
    (HERE, HERE, "", ""),
    (HERE, HERE | {"scale": [2.0, 0.5000001, 0.25]}, "", ""),
    (HERE, {"scale": [2000, 500, 250], "translation": [10000, 0, 5000], "unit": "nanometer"}, "", ""),
    (HERE, HERE | {"translation": [10.0, 3.0, 5.0]}, "apart_scaled", "3 µm"),
    (HERE, {"scale": [2.0, 0.5, 0.25], "unit": "micrometer"}, "apart_scaled", "11.2 µm"),
    (HERE, HERE | {"scale": [2.0, 1.0, 0.25]}, "apart_scaled", "4.5 µm"),
    (HERE, HERE | {"translation": [10.0, 0.1, 5.0]}, "nearly_apart", "0.1 µm"),
    (HERE, HERE | {"translation": [10.0, 0.25, 5.0]}, "nearly_apart", "0.25 µm"),
    (HERE, {"scale": [1.0, 1.0, 1.0], "unit": "micrometer"}, "scale_lost", ""),
    (HERE, {}, "", ""),
    ({"scale": [2.0, 0.5, 0.25]}, {"scale": [2.0, 0.5, 0.25], "translation": [4.0, 0.0, 0.0]}, "apart_scaled", "4"),
]


@pytest.mark.parametrize(("image", "labels", "code", "distance"), LATTICES)
def test_labels_with_another_scale_or_translation_lie_elsewhere(
    tmp_path: Path, image: dict[str, object], labels: dict[str, object], code: str, distance: str
) -> None:
    index = zarrs(tmp_path, image=image, labels=labels)
    found = [p for p in index.problems if p.code.startswith("layouts.")]
    assert [p.code.removeprefix("layouts.") for p in found] == ([code] if code else [])
    for problem in found:
        assert problem.severity == ("error" if code == "apart_scaled" else "warning")
        assert problem.where == "labels/a.ome.zarr"
        assert not distance or problem.values["distance"] == distance
        assert "images/a.ome.zarr" in sentence(problem)


def test_an_image_that_is_turned_against_its_labels_is_said_with_the_angle(tmp_path: Path) -> None:
    """Letters, spacing and offset are the same; only the axes are not."""
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(np.pi / 18), -np.sin(np.pi / 18)], [np.sin(np.pi / 18), np.cos(np.pi / 18)]]
    turned = turn @ AFFINE
    turned[:, 3] = AFFINE[:, 3]
    (problem,) = folder(tmp_path, LABEL, AFFINE, image=turned).problems
    assert (problem.code, problem.values["way"]) == ("layouts.apart", "angle 10°")

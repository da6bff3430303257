"""Masks beside their images and beside each other: inverted, empty, copied, framed; numbers that are used twice."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lamelle.data.audit.inspect import inspect
from lamelle.data.store import Store
from lamelle.messages import text
from lamelle.results.audit import Audit
from lamelle.runs import layers, plan
from lamelle.runs import recipe as recipes
from lamelle.types import Problem

SIDE = 48
Masks = list[np.ndarray]


def scene(seed: int, *, discs: int = 4, radius: int = 6, bright: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Discs on a rough ground: image uint8 [Y, X] and what is disc, boolean [Y, X]."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    inside = np.zeros((SIDE, SIDE), bool)
    for cy, cx in random.integers(radius, SIDE - radius, (discs, 2)):
        inside |= (y - cy) ** 2 + (x - cx) ** 2 <= radius**2
    image = random.normal(110, 12, (SIDE, SIDE)) + bright * inside
    return np.clip(image, 0, 255).astype(np.uint8), inside


def folder(root: Path, images: list[np.ndarray], masks: Masks) -> Path:
    for i, (image, mask) in enumerate(zip(images, masks, strict=True)):
        for name, array in (("images", image), ("masks", mask)):
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(root / name / f"{i:02d}.png")
    return root


def white(inside: np.ndarray) -> np.ndarray:
    return inside.astype(np.uint8) * 255


def audit(root: Path, *pairs: str, store: Path | None = None) -> Audit:
    asked = layers.parse_overrides(pairs)
    kept = Store(store or root.parent / "store", budget=1 << 30)
    return inspect(plan.read_data(root, asked), kept, workers=1, **plan.label_options(asked))


def told(root: Path, *pairs: str, store: Path | None = None) -> dict[str, Problem]:
    """What is said of masks, by code."""
    codes = ("mask", "inverted", "foreground", "empty", "number", "everywhere", "objects", "one_value")
    found = {p.code: p for p in audit(root, *pairs, store=store).problems}
    found = {code.removeprefix("audit."): p for code, p in found.items() if any(c in code for c in codes)}
    for language in ("en", "fr"):
        assert all("{" not in text(p.code, language=language, **p.values).replace("={", "") for p in found.values())
    return found


@pytest.mark.parametrize("bright", [80, -80])
@pytest.mark.parametrize("odd", [1, 2, 3, 6, 9])
def test_inverted_masks_among_others_are_named(odd: int, bright: int, tmp_path: Path) -> None:
    scenes = [scene(i, bright=bright) for i in range(12)]
    masks = [white(~inside if i < odd else inside) for i, (_, inside) in enumerate(scenes)]
    found = told(folder(tmp_path / "d", [image for image, _ in scenes], masks))
    assert list(found) == ["masks_inverted"]
    problem = found["masks_inverted"]
    assert (problem.severity, problem.values["count"]) == ("warning", min(odd, 12 - odd))
    assert problem.where == ("masks/00.png" if odd <= 6 else "masks/09.png")


def test_a_structure_that_fills_some_images_is_no_inverted_mask(tmp_path: Path) -> None:
    scenes = [scene(i, discs=4 if i % 2 else 40, radius=6 if i % 2 else 14) for i in range(12)]
    shares = [inside.mean() for _, inside in scenes]
    assert min(shares) < 0.3
    assert max(shares) > 0.8
    assert told(folder(tmp_path / "d", [image for image, _ in scenes], [white(m) for _, m in scenes])).keys() <= {
        "mostly_foreground"
    }


def test_bright_and_dark_structures_in_one_folder_are_no_inverted_masks(tmp_path: Path) -> None:
    scenes = [scene(i, bright=80 if i % 2 else -80) for i in range(12)]
    assert not told(folder(tmp_path / "d", [image for image, _ in scenes], [white(m) for _, m in scenes]))


@pytest.mark.parametrize(("radius", "severity"), [(3, "warning"), (7, "note"), (10, None)])
def test_much_foreground_is_said_with_a_cure_that_works(radius: int, severity: str | None, tmp_path: Path) -> None:
    scenes = [scene(i, radius=radius) for i in range(8)]
    root = folder(tmp_path / "d", [image for image, _ in scenes], [white(~m) for _, m in scenes])
    found = told(root)
    if severity is None:
        assert not found
        return
    assert [p.severity for p in found.values()] == [severity]
    (pair,) = shlex.split(str(found["mostly_foreground"].values["turned"]))
    assert not told(root, pair)
    recipe = recipes.validate({"task": "segment", **layers.parse_overrides([pair])})
    values = plan.task_data(recipe, plan.read_data(root, {}), audit(root, pair), ()).values
    assert values.mapping == {0: 1, 255: 0}


def test_one_full_image_is_nothing_to_speak_of(tmp_path: Path) -> None:
    scenes = [scene(i) for i in range(8)]
    masks = [white(inside) for _, inside in scenes]
    masks[3][...] = 255
    assert not told(folder(tmp_path / "d", [image for image, _ in scenes], masks))


@pytest.mark.parametrize(
    ("empty", "codes"), [(1, ["empty_mask"]), (5, ["empty_mask"]), (6, ["empty_masks"]), (8, ["masks_empty"])]
)
def test_empty_masks_are_named_singly_together_or_stop_the_training(
    empty: int, codes: list[str], tmp_path: Path
) -> None:
    scenes = [scene(i) for i in range(8)]
    masks = [white(inside & (i >= empty)) for i, (_, inside) in enumerate(scenes)]
    root = folder(tmp_path / "d", [image for image, _ in scenes], masks)
    found = told(root)
    assert list(found) == codes
    assert found[codes[0]].severity == ("error" if empty == 8 else "warning")
    assert ("masks_empty" in told(root, "task=instances")) == (empty == 8)


def test_images_that_are_their_own_masks_are_named(tmp_path: Path) -> None:
    scenes = [scene(i) for i in range(8)]
    images = [
        np.where(inside, 200, 30).astype(np.uint8) if i == 2 else image for i, (image, inside) in enumerate(scenes)
    ]
    found = told(folder(tmp_path / "d", images, [white(inside) for _, inside in scenes]))
    assert list(found) == ["mask_is_image"]
    assert (found["mask_is_image"].where, found["mask_is_image"].values["count"]) == ("masks/02.png", 1)


def test_a_mask_of_several_images_is_named_but_not_in_planes_of_one_stack(tmp_path: Path) -> None:
    import tifffile

    scenes = [scene(i) for i in range(8)]
    masks = [white(scenes[0 if i == 5 else i][1]) for i in range(8)]
    found = told(folder(tmp_path / "d", [image for image, _ in scenes], masks))
    assert list(found) == ["mask_copied"]
    assert found["mask_copied"].values["names"] == "images/00.png, images/05.png"
    stack = tmp_path / "stack"
    stack.mkdir()
    tifffile.imwrite(stack / "train-volume.tif", np.stack([image for image, _ in scenes]))
    tifffile.imwrite(stack / "train-labels.tif", np.stack(masks))
    assert not told(stack)


def test_a_frame_of_one_value_is_named_with_a_cure_that_works(tmp_path: Path) -> None:
    scenes = [scene(i) for i in range(8)]
    masks = [inside.astype(np.uint8) for _, inside in scenes]
    for mask in masks:
        mask[:3], mask[-3:], mask[:, :3], mask[:, -3:] = 2, 2, 2, 2
    root = folder(tmp_path / "d", [image for image, _ in scenes], masks)
    found = told(root)
    assert list(found) == ["mask_frame"]
    assert (found["mask_frame"].values["value"], found["mask_frame"].values["width"]) == (2, 3)
    (pair,) = shlex.split(str(found["mask_frame"].values["ignore"]))
    assert not told(root, pair)


# numbers of objects --------------------------------------------------------------------------------------------------


def grid(radius: int = 6, *, side: int = 96) -> np.ndarray:
    """Nine discs, 1 … 9, uint16 [Y, X]."""
    labels = np.zeros((side, side), np.uint16)
    y, x = np.mgrid[:side, :side]
    for k in range(9):
        labels[(y - 16 - 32 * (k // 3)) ** 2 + (x - 16 - 32 * (k % 3)) ** 2 <= radius**2] = k + 1
    return labels


def twice(labels: np.ndarray) -> np.ndarray:
    return np.where(labels == 5, 2, labels)


def cut_by_a_line(labels: np.ndarray) -> np.ndarray:
    labels = labels.copy()
    labels[14:18] = 0
    return labels


def crossed(labels: np.ndarray) -> np.ndarray:
    """A long object under a broad one."""
    labels = np.where(labels == 5, 0, labels)
    labels[44:52, 4:92] = 10
    labels[20:90, 30:66] = 11
    return labels


def crumbs(labels: np.ndarray) -> np.ndarray:
    """Single pixels of an object far from it."""
    labels = labels.copy()
    labels[94, ::9] = 1
    return labels


def tiles(labels: np.ndarray) -> np.ndarray:
    y, x = np.indices(labels.shape) // 32
    return (3 * y + x + 1).astype(np.uint16)


def diagonal(labels: np.ndarray) -> np.ndarray:
    labels = np.where(labels == 1, 0, labels)
    labels[2:8, 2:8], labels[8:14, 8:14] = 1, 1
    return labels


def numbered(root: Path, change: Callable[[np.ndarray], np.ndarray], changed: int) -> dict[str, Problem]:
    for i in range(6):
        labels = grid(5 + i % 3)
        image = np.clip(np.random.default_rng(i).normal(60, 9, labels.shape) + 90 * (labels > 0), 0, 255)
        for name, array in (("images", image.astype(np.uint8)), ("masks", change(labels) if i < changed else labels)):
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(root / name / f"{i:02d}.png")
    return told(root, "task=instances")


@pytest.mark.parametrize("changed", [1, 6])
def test_a_number_of_two_far_objects_is_named(changed: int, tmp_path: Path) -> None:
    found = numbered(tmp_path / "d", twice, changed)
    problem = found.pop("number_twice")
    assert (problem.severity, problem.where) == ("warning", "masks/00.png")
    assert (problem.values["value"], problem.values["count"], problem.values["gap"]) == (2, changed, 22)
    assert set(found) <= {"mask_copied"}


@pytest.mark.parametrize("change", [cut_by_a_line, crossed, crumbs, diagonal])
def test_pieces_of_one_object_are_left_alone(change: Callable[[np.ndarray], np.ndarray], tmp_path: Path) -> None:
    assert set(numbered(tmp_path / "d", change, 6)) <= {"mask_copied"}


def test_a_number_for_the_background_is_named(tmp_path: Path) -> None:
    found = numbered(tmp_path / "d", lambda labels: labels + np.uint16(1), 6)
    assert found["number_of_background"].values["value"] == 1


def test_objects_that_tile_the_image_are_fine_inverted_masks_of_objects_are_not(tmp_path: Path) -> None:
    dense = numbered(tmp_path / "dense", tiles, 6)
    assert set(dense) <= {"mask_copied"}
    for i in range(6):
        image, _ = scene(i)
        for name, array in (("images/a.png", image), ("masks/1.png", white(grid(side=SIDE) != 1))):
            (tmp_path / f"d/{i}/{name}").parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(tmp_path / f"d/{i}/{name}")
        Image.fromarray(white(grid(side=SIDE) != 2)).save(tmp_path / f"d/{i}/masks/2.png")
    assert told(tmp_path / "d")["objects_everywhere"].severity == "warning"


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "pairs", "codes"),
    [
        ("isbi2012", (), {"mostly_foreground"}),
        ("vnc-sstem", (), set()),
        ("lungs", (), set()),
        ("dsb2018/stage1_train", ("task=instances",), {"objects_overlap"}),
    ],
)
def test_real_masks_raise_no_false_alarm(
    name: str, pairs: tuple[str, ...], codes: set[str], real_data: Path, tmp_path: Path
) -> None:
    found = told(real_data / name, *pairs, store=tmp_path / "store")
    assert set(found) == codes
    assert not [p for p in found.values() if p.severity == "warning"]

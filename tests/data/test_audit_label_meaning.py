"""LabelNumbers of objects are told from classes, whatever small flaws the masks have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lamelle.data.audit.inspect import inspect
from lamelle.data.audit.label_meaning import numbering_problems, numbers
from lamelle.data.audit.measure import count_labels
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.store import Store
from lamelle.data.targets.reading import with_meaning
from lamelle.errors import sentence
from lamelle.messages import text
from lamelle.types import Problem

Change = Callable[[np.ndarray, int], np.ndarray]


def objects(seed: int, count: int, *, dims: int = 2) -> np.ndarray:
    """A label image with ``count`` boxes at random cells of a grid, numbered as they were drawn."""
    rng = np.random.default_rng(seed)
    size = (64, 64) if dims == 2 else (16, 32, 32)
    grid = tuple(n // 8 for n in size)
    labels = np.zeros(size, np.uint16)
    for number, cell in enumerate(rng.permutation(int(np.prod(grid)))[:count], start=1):
        corner = np.array(np.unravel_index(cell, grid)) * 8
        edges = rng.integers(3, 7, dims)
        labels[tuple(slice(c, c + e) for c, e in zip(corner, edges, strict=True))] = number
    return labels


def organs(seed: int, count: int) -> np.ndarray:
    """Classes, each in one part about its own place, all alike in size."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((64, 64), np.uint8)
    for value in range(1, count + 1):
        y, x = np.array(divmod(value - 1, 4)) * 14 + 3 + rng.integers(-2, 3, 2)
        labels[y : y + 8, x : x + 8] = value
    return labels


def layers(seed: int, count: int) -> np.ndarray:
    """Classes that lie over each other, all of the width of the image."""
    top = 8 + int(np.random.default_rng(seed).integers(0, 6))
    rows = np.clip((np.arange(64) - top) // 5 + 1, 0, None)
    return np.repeat(np.where(rows > count, 0, rows)[:, None], 64, axis=1)


def said(masks: list[np.ndarray], *, ignore: tuple[int, ...] = ()) -> list[Problem]:
    found = [numbers(m, count_labels(m)[0], ignore=ignore) for m in masks]
    return numbering_problems(found, [f"{i}.tif" for i in range(len(masks))])


def gap(labels: np.ndarray, i: int) -> np.ndarray:
    return np.where(labels == 2, 0, labels) if i == 3 else labels


def split_in_two(labels: np.ndarray, i: int) -> np.ndarray:
    if i == 3:
        y, x = np.argwhere(labels == 2).mean(0).astype(int)
        labels[y][labels[y] == 2] = 0
        labels[:, x][labels[:, x] == 2] = 0
    return labels


def unpainted(labels: np.ndarray, i: int) -> np.ndarray:
    labels[::16] = 255
    return labels


@pytest.mark.parametrize(
    ("change", "counts", "dims"),
    [
        (None, [12] * 8, 2),
        (None, [20] * 4, 3),
        (gap, range(5, 13), 2),
        (split_in_two, range(5, 13), 2),
        (unpainted, range(9, 13), 2),
    ],
    ids=["as many in each", "volumes", "one is skipped", "one in several parts", "with a value that is ignored"],
)
def test_numbers_of_objects(change: Change | None, counts: range | list[int], dims: int) -> None:
    masks = [objects(i, n, dims=dims) for i, n in enumerate(counts)]
    masks = [change(m, i) for i, m in enumerate(masks)] if change else masks
    (problem,) = said(masks, ignore=(255,))
    assert (problem.code, problem.severity) == ("audit.values_objects", "error")
    assert problem.values["most"] == max(counts)


@pytest.mark.parametrize(
    "masks",
    [
        [organs(i, 3) for i in range(6)],
        [organs(i, 7) for i in range(6)],
        [layers(i, 8) for i in range(6)],
        [np.tile(objects(i, 6), (2, 2)) for i in range(6)],
    ],
    ids=["three organs", "seven organs", "layers", "classes in many parts"],
)
def test_classes(masks: list[np.ndarray]) -> None:
    assert said(masks) == []


@pytest.mark.parametrize(
    "masks", [[organs(i, 12) for i in range(6)], [objects(0, 20, dims=3)]], ids=["many organs", "one volume"]
)
def test_what_nobody_can_tell_is_a_warning_with_both_cures(
    masks: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    (problem,) = said(masks)
    assert (problem.code, problem.severity) == ("audit.values_objects_maybe", "warning")
    for language in ("en", "fr"):
        monkeypatch.setenv("LAMELLE_LANG", language)
        for cure in ("task=instances", "data.label_values=objects", "data.classes="):
            assert cure in text(problem.code, **problem.values)


def test_a_large_image_is_looked_at_through_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamelle.data.audit.label_meaning._MAX_PIXELS", 48 * 48)
    (problem,) = said([objects(i, 40) for i in range(6)])
    assert problem.code == "audit.values_objects"


def test_a_folder_with_a_gap_a_broken_file_and_too_many_values(tmp_path: Path) -> None:
    """The error is about objects alone: nobody is told to map their numbers to classes as well."""
    for name in ("images", "masks"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for i in range(6):
        grey = np.random.default_rng(i).integers(0, 255, (64, 64), dtype=np.uint8)
        Image.fromarray(grey).save(tmp_path / "data" / "images" / f"{i}.png")
        Image.fromarray(gap(objects(i, 33 + i), i)).save(tmp_path / "data" / "masks" / f"{i}.png")
    (tmp_path / "data" / "masks" / "5.png").write_bytes(b"")
    index = read_folder(tmp_path / "data", options=LayoutOptions())
    found = inspect(index, Store(tmp_path / "store", budget=1 << 24), declared=None, ignore=(), workers=1)
    assert [p.code for p in found.errors] == ["files.empty", "audit.values_objects"]
    assert "from 32 to 37" not in sentence(found.errors[1])
    assert "from 33 to 37" in sentence(found.errors[1])


def foreground(seed: int, count: int) -> np.ndarray:
    return (objects(seed, count) > 0) * np.uint8(255)


def wanted(root: Path, masks: list[np.ndarray], *, apart: bool = True) -> list[Problem]:
    """What the audit says of a folder whose objects are wanted one by one."""
    for name in ("images", "masks"):
        (root / "data" / name).mkdir(parents=True)
    for i, mask in enumerate(masks):
        grey = np.random.default_rng(i).integers(0, 255, mask.shape, dtype=np.uint8)
        Image.fromarray(grey).save(root / "data" / "images" / f"{i}.png")
        Image.fromarray(mask).save(root / "data" / "masks" / f"{i}.png")
    index = with_meaning(read_folder(root / "data", options=LayoutOptions()), "objects")
    found = inspect(index, Store(root / "store", budget=1 << 24), declared=None, ignore=(), workers=1, apart=apart)
    return [p for p in found.problems if p.code == "audit.objects_not_parted"]


def test_masks_that_part_no_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (problem,) = wanted(tmp_path, [foreground(i, 5 + i) for i in range(3)])
    assert (problem.where, problem.severity) == ("masks/2.png", "error")
    for language in ("en", "fr"):
        monkeypatch.setenv("LAMELLE_LANG", language)
        said = text(problem.code, **problem.values)
        assert "7 " in said
        assert "task=segment" in said
        assert "data.label_values=classes" in said


def test_some_masks_that_part_no_objects_are_a_warning(tmp_path: Path) -> None:
    (problem,) = wanted(tmp_path, [objects(0, 6), foreground(1, 5), objects(2, 9), objects(3, 1)])
    assert (problem.where, problem.severity, problem.values["count"]) == ("masks/1.png", "warning", 1)


def test_a_single_object_in_each_image_is_parted_well(tmp_path: Path) -> None:
    assert wanted(tmp_path, [foreground(i, 1) for i in range(3)]) == []


def test_where_any_object_is_nothing_has_to_be_parted(tmp_path: Path) -> None:
    assert wanted(tmp_path, [foreground(i, 6) for i in range(3)], apart=False) == []

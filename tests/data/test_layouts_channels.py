"""Channels that were saved without saying so, and are read as slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from lamelle.data.audit.inspect import inspect
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.store import Store
from lamelle.messages import text


def folder(root: Path, *depths: int, axes: str | None = None) -> Path:
    """Images with so many planes (0: one plane), each with a mask of one plane."""
    for name in ("images", "masks"):
        (root / "data" / name).mkdir(parents=True)
    for i, depth in enumerate(depths):
        size = (depth, 32, 32) if depth else (32, 32)
        grey = np.random.default_rng(i).integers(0, 255, size, dtype=np.uint8)
        path = root / "data" / "images" / f"{i}.tif"
        if axes and depth:
            tifffile.imwrite(path, grey, imagej=True, metadata={"axes": axes})
        else:
            tifffile.imwrite(path, grey, photometric="minisblack")
        Image.fromarray(np.eye(32, dtype=np.uint8)).save(root / "data" / "masks" / f"{i}.png")
    return root / "data"


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("depth", [2, 5])
def test_channels_without_a_name(tmp_path: Path, depth: int, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    index = read_folder(folder(tmp_path, depth, depth), options=LayoutOptions())
    assert [(p.code, p.where) for p in index.problems] == [
        ("layouts.first_axis", "images/0.tif"),
        ("layouts.first_axis", "images/1.tif"),
    ]
    said = text("layouts.first_axis", **index.problems[0].values)
    for part in (f"({depth})", f"{depth} × 32 × 32", "data.axes=CYX"):
        assert part in said


def test_channels_of_some_images(tmp_path: Path) -> None:
    """The folder is one of planes, as its first image is one; the audit meets the others."""
    index = read_folder(folder(tmp_path, 0, 2, 0), options=LayoutOptions())
    found = inspect(index, Store(tmp_path / "store", budget=1 << 24), declared=None, ignore=(), workers=1)
    assert [(p.code, p.where) for p in found.errors] == [("layouts.first_axis", "images/1.tif")]


def test_channels_with_a_name(tmp_path: Path) -> None:
    index = read_folder(folder(tmp_path, 2, 2, axes="CYX"), options=LayoutOptions())
    assert (index.problems, len(index.records)) == ((), 2)

"""Pixel sizes of images and of their label images, which may say something else, or say it alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lamelle.data.audit.inspect import inspect
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.store import Store
from lamelle.io.writers import write_image, write_labels
from lamelle.messages import text
from lamelle.types import Problem, Spacing


def said(root: Path, *, image: Spacing | None, labels: Spacing | None, dims: int | None = None) -> list[Problem]:
    """What the audit says about pixel sizes of three volumes."""
    for name in ("images", "labels"):
        (root / "data" / name).mkdir(parents=True)
    for i in range(3):
        grey = np.random.default_rng(i).integers(0, 255, (1, 6, 32, 32), dtype=np.uint8)
        mask = np.zeros((6, 32, 32), np.uint8)
        mask[:, 4:20, 4 + i : 20] = 1
        write_image(root / "data" / "images" / f"v{i}.tif", grey, spacing=image)
        write_labels(root / "data" / "labels" / f"v{i}.tif", mask, spacing=labels)
    index = read_folder(root / "data", options=LayoutOptions(dims=dims))
    found = inspect(index, Store(root / "store", budget=1 << 24), declared=None, ignore=(), workers=1)
    return [p for p in found.problems if p.code.startswith("audit.spacing")]


@pytest.mark.parametrize("language", ["en", "fr"])
def test_labels_that_contradict_the_image(tmp_path: Path, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    (problem,) = said(tmp_path, image=(0.1, 0.2, 0.2), labels=(0.9, 0.2, 0.2))
    assert (problem.code, problem.severity) == ("audit.spacing_contradicts", "warning")
    assert (problem.where, problem.values["count"]) == ("labels/v0.tif", 3)
    sentence = text(problem.code, **problem.values)
    assert "0.1 × 0.2 × 0.2 µm" in sentence
    assert "0.9 × 0.2 × 0.2 µm" in sentence


def test_slices_do_not_know_their_thickness(tmp_path: Path) -> None:
    assert said(tmp_path, image=(0.1, 0.2, 0.2), labels=(0.9, 0.2, 0.2), dims=2) == []


@pytest.mark.parametrize("labels", [None, (0.3, 0.2004, 0.2)], ids=["silent", "rounded"])
def test_labels_that_agree(tmp_path: Path, labels: Spacing | None) -> None:
    assert said(tmp_path, image=(0.3, 0.2, 0.2), labels=labels) == []


@pytest.mark.parametrize("language", ["en", "fr"])
def test_labels_alone_say_it(tmp_path: Path, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    (problem,) = said(tmp_path, image=None, labels=(0.3, 0.2, 0.2))
    assert (problem.code, problem.severity) == ("audit.spacing_of_labels", "warning")
    said_so = text(problem.code, **problem.values)
    assert ("0.3 × 0.2 × 0.2 µm" if language == "en" else "0,3 × 0,2 × 0,2 µm") in said_so

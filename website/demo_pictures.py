"""Draws a picture of each kind of synthetic specimens: ``python -m website.demo_pictures docs/images``.

The folders are made by ``lamelle demo``, small, and read back: an image above, below it the same with its truth.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from lamelle.io.images import read, read_labels
from lamelle.pictures.encode import coloured
from lamelle.pictures.overlay import to_rgb
from lamelle.specimens.em import CLASSES
from lamelle.specimens.thorax import CLASS_NAMES
from lamelle.specimens.write import DEMOS, write_demo

SMALL: Mapping[str, tuple[int, int]] = {
    "em-stack": (3, 192),
    "em-organelles": (2, 192),
    "em-patches": (100, 96),
    "nuclei": (8, 192),
    "thorax": (20, 128),
    "thorax-classes": (20, 128),
    "tissue": (24, 96),
}
"""Number and size of the specimens that a picture is made of."""
GAP = 4


def main(folder: Path) -> None:
    """Write ``demo-KIND.png`` for every kind."""
    for kind in DEMOS:
        with tempfile.TemporaryDirectory() as temporary:
            count, size = SMALL[kind]
            made = write_demo(kind, Path(temporary), seed=0, count=count, size=size)
            picture = np.moveaxis(_sheet(_rows(kind, made)), 0, -1)
        small = Image.fromarray(picture).quantize(128, method=Image.Quantize.MEDIANCUT)
        small.save(folder / f"demo-{kind}.png", optimize=True)


def _rows(kind: str, folder: Path) -> list[list[np.ndarray]]:
    """Pictures [3, Y, X], row by row."""
    if kind == "em-stack":
        image, labels = read(folder / "train-volume.tif").array, read_labels(folder / "train-labels.tif").array
        shown = [picture for z in (0, -1) for picture in (to_rgb(image[:, z]), coloured(labels[z] // 255, classes=2))]
        return [shown]
    if kind == "em-organelles":
        pairs = [
            (read(p).array, read_labels(folder / "labels" / p.name).array) for p in sorted(folder.glob("images/*"))
        ]
        planes = [(image[:, image.shape[1] // 2], labels[len(labels) // 2]) for image, labels in pairs]
        return [[shown for i, t in planes for shown in (to_rgb(i), coloured(t, classes=len(CLASSES)))]]
    if kind == "nuclei":
        return _nuclei(folder)
    if kind in ("thorax", "thorax-classes"):
        return _chests(folder, masks=kind == "thorax")
    return [_labelled(folder, *(("train.csv", "train", CLASSES) if kind == "em-patches" else ("labels.csv", "", None)))]


def _nuclei(folder: Path) -> list[list[np.ndarray]]:
    images, truths = [], []
    for one in sorted(p for p in folder.iterdir() if p.is_dir()):
        image = read(next((one / "images").iterdir())).array
        labels = np.zeros(image.shape[-2:], np.int64)
        for number, mask in enumerate(sorted((one / "masks").iterdir()), 1):
            labels[read_labels(mask).array > 0] = number
        images.append(to_rgb(image))
        truths.append(coloured(labels, classes=int(labels.max()) + 1))
    return [images[:4], truths[:4]]


def _chests(folder: Path, *, masks: bool) -> list[list[np.ndarray]]:
    images, truths = [], []
    for name in CLASS_NAMES:
        path = sorted((folder / name).rglob("images/*.png" if masks else "*.png"))[0]
        image = to_rgb(read(path).array)
        images.append(image)
        if masks:
            labels = (read_labels(path.parents[1] / "masks" / path.name).array > 0).astype(np.int64)
            truths.append(coloured(labels, classes=2))
    return [images, truths] if masks else [images]


def _labelled(folder: Path, table: str, images: str, classes: Iterable[str] | None) -> list[np.ndarray]:
    """Of each class two images, or one where there are many classes."""
    with open(folder / table, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = list(classes or sorted({row["label"] for row in rows}))
    each = 1 if len(names) > 4 else 2
    chosen = [row for name in names for row in [r for r in rows if r["label"] == name][:each]]
    return [to_rgb(read(folder / images / row["image"]).array) for row in chosen]


def _sheet(rows: list[list[np.ndarray]]) -> np.ndarray:
    """Rows of pictures as one [3, Y, X], with white between them."""
    lines = []
    for row in rows:
        spaced = [part for one in row for part in (one, np.full((3, one.shape[1], GAP), 255, np.uint8))][:-1]
        lines += [np.concatenate(spaced, axis=2), np.full((3, GAP, sum(p.shape[2] for p in spaced)), 255, np.uint8)]
    return np.concatenate(lines[:-1], axis=1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

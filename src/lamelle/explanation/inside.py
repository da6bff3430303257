"""How much of a map lies inside a mask, beside how much of the image does: does the model look where it should?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from lamelle.data.layouts.listing import list_folder
from lamelle.data.layouts.words import file_name
from lamelle.data.neighbour_slices import with_neighbours
from lamelle.data.store import Store
from lamelle.errors import FileError, RequestError
from lamelle.io.images import read_labels
from lamelle.metrics.intervals import IntervalOptions, Units
from lamelle.metrics.measured_intervals import measured_intervals, most_and_least
from lamelle.prediction.package import Package
from lamelle.prediction.predictor import of_package
from lamelle.results.scores import Score
from lamelle.types import LabelMap, ObjectMap, Record

Masks = Callable[[Record], np.ndarray | None]
"""From a record to its mask, bool [(Z,) Y, X]; None if it has none."""


@dataclass(frozen=True, slots=True)
class Share:
    """Of one map."""

    inside: float
    """Share of what speaks for the class that lies inside the mask; NaN if nothing does."""
    area: float
    """Share of the image that lies inside: what a map without any preference would have."""


def share_inside(values: np.ndarray, mask: np.ndarray) -> Share:
    """What of a map [(Z,) Y, X] lies inside a mask of the same shape; negative values count nowhere.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> share_inside(np.array([[3.0, 1.0, -5.0, 0.0]]), np.array([[True, False, False, False]]))
        Share(inside=0.75, area=0.25)
    """
    if values.shape != mask.shape:
        raise ValueError(f"map {values.shape}, mask {mask.shape}")
    positive = np.clip(values, 0, None).astype(np.float64)
    total = positive.sum()
    return Share(float(positive[mask].sum() / total) if total > 0 else float("nan"), float(mask.mean()))


def summarise(
    shares: Sequence[Share], groups: Sequence[str | None], *, level: float, resamples: int | None, seed: int
) -> dict[str, Score]:
    """Means over images, with intervals: ``inside``, ``area`` and ``ratio``, which is 1 by chance.

    Images without any positive evidence are left out. Where every image has a group, whole groups are resampled.

    Example:
        >>> some = [Share(0.5, 0.25), Share(0.7, 0.35), Share(float("nan"), 0.3)]
        >>> scores = summarise(some, [None] * 3, level=0.95, resamples=200, seed=0)
        >>> round(scores["inside"].value, 3), round(scores["ratio"].value, 3), scores["area"].n
        (0.6, 2.0, 2)
    """
    kept = [(s, g) for s, g in zip(shares, groups, strict=True) if not np.isnan(s.inside)]
    if not kept:
        return {}
    inside, area = (np.array([getattr(s, name) for s, _ in kept]) for name in ("inside", "area"))
    named = [g for _, g in kept]
    grouped = all(named) and len(set(named)) > 1

    def means(weights: np.ndarray) -> dict[str, np.ndarray]:
        n = weights.sum(-1)
        within, over = weights @ inside / n, weights @ area / n
        with np.errstate(divide="ignore", invalid="ignore"):
            return {"inside": within, "area": over, "ratio": np.where(over > 0, within / over, np.nan)}

    return measured_intervals(
        means,
        units=Units.of(len(kept), named if grouped else None, "group" if grouped else "image"),
        options=IntervalOptions(level, resamples, seed),
        ends=most_and_least,
    )


def from_folder(folder: Path) -> Masks:
    """Masks from files named as their images, whatever the suffix; every value but 0 is inside.

    Where several folders below hold files of one name, the one that the record's own folders lead to is taken.

    Raises:
        RequestError: If there is no such folder or no image in it.
    """
    if not folder.is_dir():
        raise RequestError("explain.no_masks", path=folder)
    listing = list_folder(folder)
    files: dict[str, list[tuple[str, Path]]] = {}
    for entry in listing.images:
        files.setdefault(file_name(entry.stem).keys[-1], []).append((entry.folder, listing.path(entry)))
    if not files:
        raise RequestError("explain.no_masks", path=folder)

    def find(record: Record) -> np.ndarray | None:
        named = files.get(file_name(record.image.path.stem).keys[-1], [])
        own = set(Path(record.id).parent.parts)
        near = sorted(named, key=lambda one: -len(own & set(Path(one[0]).parts)))
        if not near:
            return None
        if len(near) > 1 and len({len(own & set(Path(f).parts)) for f, _ in near[:2]}) == 1:
            raise FileError("explain.two_masks", near[0][1], other=near[1][1], image=record.id)
        labels = read_labels(near[0][1]).array
        index = record.image.index
        return (labels[index] if index is not None and labels.ndim == 3 else labels) != 0

    return find


def from_segmenter(package: Package, store: Store) -> Masks:
    """Masks as a trained segmenter predicts them: every class but the background is inside.

    Raises:
        RequestError: If the package is no segmenter.
    """
    if package.task.answer not in {LabelMap, ObjectMap}:
        raise RequestError("explain.no_segmenter", task=package.task.name)
    predictor = of_package(package)

    def predict(record: Record) -> np.ndarray:
        image = with_neighbours(store, record.image, context=package.preparation.context)
        probabilities = predictor.probabilities(image, bits=store.bits(record.image))
        answer = package.task.decode(probabilities, package.fitted, store.spacing(record.image))
        return cast(LabelMap | ObjectMap, answer).labels > 0

    return predict


def checked(mask: np.ndarray | None, record: Record, shape: tuple[int, ...]) -> np.ndarray | None:
    """The mask, if it fits its image.

    Raises:
        FileError: If it has another size.
    """
    if mask is not None and mask.shape != shape:
        have, want = (" × ".join(map(str, s)) for s in (mask.shape, shape))
        raise FileError("explain.mask_size", record.id, have=have, want=want)
    return mask


def by_class(names: Sequence[str]) -> Mapping[str, list[int]]:
    """Positions of the items of each class, in the order of their first appearance; all of them under ``""`` last.

    Example:
        >>> by_class(["b", "a", "b"])
        {'b': [0, 2], 'a': [1], '': [0, 1, 2]}
    """
    places: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        places.setdefault(name, []).append(i)
    return places | ({"": list(range(len(names)))} if len(places) > 1 else {})

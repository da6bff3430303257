"""What the errors of many images have in common: each pattern is named only where its numbers hold.

Patterns have a kind and the numbers that prove it; the words are the report's. The bounds stand on top of this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamelle.metrics.errors_in_space import DISTANCES, GRID, ErrorRow, Objects

MIN_WRONG_PIXELS = 50
"""Wrong pixels below which nothing is said about where they lie."""
BLUR, RICHER = 0.7, 1.5
"""Share of the wrong pixels near boundaries, and how many times the share of all pixels there."""
MAX_WRONG_SHARE = 0.35
"""Wrong pixels for each pixel of the true foreground above which no shape is called right."""
REGIONS = 0.3
"""Share of the wrong pixels near boundaries below which whole regions are wrong."""
DENSER = 1.5
"""How many times the mean density of errors a part of the image has."""
OFTEN = 0.5
"""Share of the images in which that part must be worse than the rest."""
MIN_OBJECTS, MIN_CASES, CASES = 5, 3, 0.05
"""Objects of a class; split or merged ones, and their share."""
MIN_OBJECTS_FOR_TERCILES, FOUND, LESS = 12, 0.5, 0.15
"""Objects for terciles; covered share of a found one; difference of the recalls."""
FALSE = 0.2
"""Share of the predicted objects that are nowhere near a true one."""
AREA = 1.15
"""Ratio of the areas, either way."""
MIN_SLICES, WORST = 4, 3
_ROWS = ("rows_top", "rows_middle", "rows_bottom")
_COLUMNS = ("columns_left", "columns_centre", "columns_right")
_NINTHS = (
    *("top_left", "top_centre", "top_right", "middle_left", "middle_centre", "middle_right"),
    *("bottom_left", "bottom_centre", "bottom_right"),
)


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """Something that holds, and its numbers."""

    kind: str
    values: Mapping[str, str | int | float]


def patterns(
    rows: Sequence[ErrorRow], *, classes: Sequence[str], places: Sequence[tuple[str, int | None]]
) -> list[ErrorKind]:
    """Everything that the rows show.

    Args:
        classes: Names, the background first.
        places: Volume and slice of each row [n]; None = the row is no slice, but an image or a volume by itself.

    Example:
        >>> from lamelle.metrics.errors_in_space import error_row
        >>> target = np.pad(np.ones((20, 20), int), 6)
        >>> row = error_row(target, np.roll(target, 1, axis=0), classes=2, objects=[1])
        >>> [p.kind for p in patterns([row] * 2, classes=["no", "yes"], places=[("a", None), ("b", None)])]
        ['blur']
    """
    if not rows:
        return []
    all_patterns = [_boundaries(rows), *_areas(rows, classes)]
    for c in sorted({c for row in rows for c in row.objects}):
        objects = [row.objects[c] for row in rows if c in row.objects]
        all_patterns += _of_objects(objects, classes[c])
    all_patterns += [_place(rows), *_slices(rows, places)]
    return [p for p in all_patterns if p is not None]


def _boundaries(rows: Sequence[ErrorRow]) -> ErrorKind | None:
    wrong, scored = sum(r.wrong for r in rows), sum(r.scored for r in rows)
    if wrong < MIN_WRONG_PIXELS:
        return None
    near = [sum(r.near_wrong[i] for r in rows) / wrong for i in range(len(DISTANCES))]
    base = [sum(r.near[i] for r in rows) / scored for i in range(len(DISTANCES))]
    foreground = sum(int(r.areas[0, 1:].sum()) for r in rows)
    for share, of_all, distance in zip(near, base, DISTANCES, strict=True):
        if share >= BLUR and share >= RICHER * of_all and wrong <= MAX_WRONG_SHARE * foreground:
            return ErrorKind("blur", {"share": share, "all": of_all, "distance": distance, "wrong": wrong / scored})
    if near[-1] < REGIONS:
        return ErrorKind("regions", {"share": 1 - near[-1], "distance": DISTANCES[-1], "wrong": wrong / scored})
    return None


def _areas(rows: Sequence[ErrorRow], classes: Sequence[str]) -> list[ErrorKind]:
    each = np.stack([r.areas for r in rows])
    true, predicted = each.sum(0)
    patterns_found = []
    for c in range(1, len(classes)):
        if not true[c]:
            continue
        have = each[:, 0, c] > 0
        values = {"name": classes[c], "n": int(have.sum()), "pixels": int(true[c])}
        if not predicted[c]:
            patterns_found.append(ErrorKind("never", values))
            continue
        ratio = float(predicted[c] / true[c])
        if not 1 / AREA <= ratio <= AREA:
            larger = each[have, 1, c] > each[have, 0, c]
            images = int(larger.sum() if ratio > 1 else (~larger).sum())
            patterns_found.append(
                ErrorKind("over" if ratio > 1 else "under", {**values, "ratio": ratio, "images": images})
            )
    return patterns_found


def _of_objects(objects: Sequence[Objects], name: str) -> list[ErrorKind]:
    sizes, covered, split, merged = (
        np.concatenate([getattr(o, field) for o in objects]) for field in ("sizes", "covered", "split", "merged")
    )
    n, results = len(sizes), []
    if n < MIN_OBJECTS:
        return []
    for kind, cases in (("merges", int(merged.sum())), ("splits", int(split.sum()))):
        if cases >= MIN_CASES and cases >= CASES * n:
            results.append(ErrorKind(kind, {"name": name, "cases": cases, "n": n, "share": cases / n}))
    small = _small(sizes, covered >= FOUND, name)
    results += [small] if small else []
    lone = np.concatenate([o.false_sizes for o in objects])
    predicted = sum(o.predicted for o in objects)
    if len(lone) >= MIN_CASES and len(lone) >= FALSE * predicted:
        values = {"name": name, "cases": len(lone), "n": predicted, "median": float(np.median(lone))}
        results.append(ErrorKind("false", {**values, "true_median": float(np.median(sizes))}))
    return results


def _small(sizes: np.ndarray, hit: np.ndarray, name: str) -> ErrorKind | None:
    """Whether the smallest third of the objects is found less often than the largest."""
    if len(sizes) < MIN_OBJECTS_FOR_TERCILES:
        return None
    low, high = np.quantile(sizes, [1 / 3, 2 / 3], method="lower")
    small, large = sizes <= low, sizes > high
    if not large.any() or hit[large].mean() - hit[small].mean() < LESS:
        return None
    shares = {"small": float(hit[small].mean()), "large": float(hit[large].mean())}
    counts = {"n_small": int(small.sum()), "n_large": int(large.sum())}
    return ErrorKind("small", {"name": name, **shares, **counts, "below": int(low), "above": int(high)})


def _place(rows: Sequence[ErrorRow]) -> ErrorKind | None:
    """The part of the image with most errors: a third if one stands out, else a ninth."""
    grids = np.stack([r.grid for r in rows])
    wrong, scored, labelled = grids.sum(0)
    if wrong.sum() < MIN_WRONG_PIXELS:
        return None
    thirds = [(name, np.s_[i, :]) for i, name in enumerate(_ROWS)]
    thirds += [(name, np.s_[:, i]) for i, name in enumerate(_COLUMNS)]
    ninths = [(name, np.s_[i // GRID, i % GRID]) for i, name in enumerate(_NINTHS)]
    mean = wrong.sum() / scored.sum()
    for parts in (thirds, ninths):
        best: tuple[float, ErrorKind] | None = None
        for name, where in parts:
            here, of = wrong[where].sum(), scored[where].sum()
            ratio = float(here / of / mean) if of else 0.0
            images = int(sum(_denser(g, where) for g in grids))
            if here < MIN_WRONG_PIXELS or ratio <= DENSER or images <= OFTEN * len(rows) or (best and best[0] >= ratio):
                continue
            values = {
                "part": name,
                "ratio": ratio,
                "share": float(here / wrong.sum()),
                "images": images,
                "n": len(rows),
            }
            values["labelled"] = float(labelled[where].sum() / max(labelled.sum(), 1))
            best = ratio, ErrorKind("place", values)
        if best:
            return best[1]
    return None


def _denser(grid: np.ndarray, where: Any) -> bool:
    """Whether a part of one image has more errors for its size than the image has."""
    wrong, scored = grid[0], grid[1]
    of = scored[where].sum()
    return bool(of and wrong[where].sum() / of > wrong.sum() / scored.sum())


def _slices(rows: Sequence[ErrorRow], places: Sequence[tuple[str, int | None]]) -> list[ErrorKind]:
    """Slices of each volume that are clearly worse than the volume."""
    series: dict[str, dict[int, np.ndarray]] = {}
    for row, (name, position) in zip(rows, places, strict=True):
        if position is not None:
            series.setdefault(name, {})[position] = row.slices[:, 0]
        elif row.slices.shape[1] > 1:
            series[name] = dict(enumerate(row.slices.T))
    results = []
    for name, each in series.items():
        wrong = {z: float(w / of) for z, (w, of) in each.items() if of}
        total = np.sum(list(each.values()), axis=0) if each else np.zeros(2)
        if len(wrong) < MIN_SLICES or total[0] < MIN_WRONG_PIXELS:
            continue
        mean = float(total[0] / total[1])
        worst = sorted((z for z in wrong if wrong[z] > DENSER * mean), key=lambda z: -wrong[z])[:WORST]
        if worst:
            values = {"volume": name, "slices": sorted(worst), "worst": wrong[worst[0]], "mean": mean, "n": len(wrong)}
            results.append(ErrorKind("slices", values))
    return results

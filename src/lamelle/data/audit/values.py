"""What the label values of a whole folder say: which is a class, which is none, and where masks have soft edges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lamelle.data.layouts.pairing import names_of
from lamelle.errors import DataError, LamelleError, setting
from lamelle.results.audit import ImageMeasures
from lamelle.types import Index, Problem

_GREYS = 8
"""Values between black and white from which they are no classes."""
_SPAN = 64
_END = 1 / 8
"""Share of the span of values that counts as black, and as white."""
_ENDS = 0.35
"""Share of all pixels above black that are white: of classes, or numbers of objects, the last ones hold less."""


def value_problems(
    index: Index,
    rows: Sequence[ImageMeasures],
    places: Sequence[str],
    *,
    counts: Mapping[int, int],
    declared: Mapping[int, int] | None,
    ignore: Sequence[int],
) -> list[Problem]:
    """What is wrong with, or was concluded from, the label values of all label images together.

    Args:
        rows: The records that were measured.
        places: The label image of each.
        counts: Pixels per value over all label images.
        declared: Label value → class, where the user said so.
        ignore: Label values that are not scored.
    """
    from lamelle.data.targets.values import infer_values

    if not counts:
        return []
    scored = {v: n for v, n in counts.items() if v not in ignore}
    if declared is None and not index.numbers_objects and (soft := _soft(scored)):
        return [_soft_edges(soft, rows, places)]
    try:
        rule = infer_values(
            counts,
            declared=declared,
            names=index.classes,
            ignore=tuple(ignore),
            instances=index.numbers_objects,
            value_names=index.names,
        )
    except DataError as error:
        return [_placed(_by_turns(p, rows, scored), rows, places) for p in error.problems]
    except LamelleError as error:
        return [_placed(Problem(error.code, "", "error", error.values), rows, places)]
    grounds = _two_grounds(rows, places, ignore) if declared is None and not index.numbers_objects else []
    return [*rule.problems, *grounds]


def _by_turns(problem: Problem, rows: Sequence[ImageMeasures], counts: Mapping[int, int]) -> Problem:
    """What is said instead of values with gaps where some of them never meet in a mask, as of several programs."""
    sets = _meeting(rows, counts)
    if problem.code != "layouts.values_gaps" or 0 not in counts or min(counts) < 0 or len(sets) < 2:
        return problem
    holders = [sum(not one.isdisjoint(row.labels) for row in rows) for one in sets]
    above = sorted(v for one in sets for v in one)
    alike = {v: n for one in sets for n, v in enumerate(sorted(one), 1)} if len(set(map(len, sets))) == 1 else {}
    texts = {
        "values": "; ".join(f"{', '.join(map(str, sorted(v)))} ({n})" for v, n in zip(sets, holders, strict=True)),
        "one": setting("data.labels", {0: 0, **{v: alike.get(v, "CLASS") for v in above}}),
        "each": setting("data.labels", {0: 0, **dict.fromkeys(above, "CLASS")}),
    }
    return Problem("audit.values_by_turns", "", "error", texts)


def _meeting(rows: Sequence[ImageMeasures], counts: Mapping[int, int]) -> list[set[int]]:
    """The values above 0 in sets of those that meet in a mask, or each meet a third one, by the least value."""
    sets: list[set[int]] = []
    for row in rows:
        together = {v for v in row.labels if v > 0 and v in counts}
        if together:
            joined = [s for s in sets if not s.isdisjoint(together)]
            sets = [s for s in sets if s.isdisjoint(together)] + [together.union(*joined)]
    return sorted(sets, key=min)


def _two_grounds(rows: Sequence[ImageMeasures], places: Sequence[str], ignore: Sequence[int]) -> list[Problem]:
    """A warning where masks of two values begin at 0 in some and at 1 in others, and none holds three."""
    values_of = [sorted(v for v in row.labels if v not in ignore) for row in rows]
    first = [i for i, values in enumerate(values_of) if values == [0, 1]]
    second = [i for i, values in enumerate(values_of) if values == [1, 2]]
    if (
        any(len(values) > 2 or (2 in values and 0 in values) for values in values_of)
        or min(len(first), len(second)) < 2
    ):
        return []
    texts = {"count": len(second), "others": len(first), "names": names_of([rows[i].id for i in second])}
    return [Problem("audit.two_grounds", places[second[0]], "warning", texts)]


def _soft(counts: Mapping[int, int]) -> range | None:
    """The greys of masks that were smoothed or resized: many, where most pixels are black or white."""
    low, high = min(counts, default=0), max(counts, default=0)
    margin = int(_END * (high - low))
    greys = range(low + margin + 1, high - margin)
    above = sum(n for v, n in counts.items() if v > low + margin)
    white = sum(n for v, n in counts.items() if v >= greys.stop)
    many = sum(v in greys for v in counts) >= _GREYS
    return greys if many and high - low >= _SPAN and white >= _ENDS * above else None


def _soft_edges(greys: range, rows: Sequence[ImageMeasures], places: Sequence[str]) -> Problem:
    """The error, at the mask with the most grey pixels."""
    greys_of = [{v: n for v, n in row.labels.items() if v in greys} for row in rows]
    worst = max(range(len(rows)), key=lambda i: sum(greys_of[i].values()))
    top = max(v for row in rows for v in row.labels)
    most = max(greys_of[worst], key=lambda v: greys_of[worst][v])
    texts = {
        "values": len(greys_of[worst]),
        "pixels": sum(greys_of[worst].values()),
        "example": most,
        "half": (greys.start + greys.stop) // 2,
        "top": top,
        "count": sum(map(bool, greys_of)),
    }
    return Problem("audit.values_soft", places[worst], "error", texts)


def _placed(problem: Problem, rows: Sequence[ImageMeasures], places: Sequence[str]) -> Problem:
    """An error with a mask to look at first: one that holds the value fewest images hold."""
    if problem.severity != "error" or problem.where:
        return problem
    holders = Counter(value for row in rows for value in row.labels)
    rarest = min(holders, key=lambda value: (holders[value], -value), default=None)
    place = next((place for row, place in zip(rows, places, strict=True) if rarest in row.labels), "")
    return replace(problem, where=place)

"""What the label values of a whole folder say: which is a class, and which is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from lamelle.data.audit.results import Row
from lamelle.errors import DataError, LamelleError
from lamelle.types import Index, Problem


def value_problems(
    index: Index,
    rows: Sequence[Row],
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
    from lamelle.data.targets import infer_values

    if not counts:
        return []
    said = {v: n for v, n in counts.items() if v not in ignore}
    try:
        rule = infer_values(
            counts, declared=declared, names=index.classes, ignore=tuple(ignore), instances=index.instances
        )
    except DataError as error:
        return [_placed(_outside(p, said), rows, places) for p in error.problems]
    except LamelleError as error:
        return [_placed(Problem(error.code, "", "error", error.values), rows, places)]
    return list(rule.problems)


def _outside(problem: Problem, counts: Mapping[int, int]) -> Problem:
    """Where values have gaps, what may be left out is a value that does not go on from 0, 1, 2 …, such as 255."""
    if problem.code != "layouts.values_gaps":
        return problem
    run = next(n for n in range(len(counts) + 1) if n not in counts)
    outside = [v for v in counts if not 0 <= v < run]
    if run < 2 or not outside:
        return problem
    rarest = min(outside, key=lambda v: counts[v])
    return replace(problem, values={**problem.values, "rarest": rarest, "pixels": counts[rarest]})


def _placed(problem: Problem, rows: Sequence[Row], places: Sequence[str]) -> Problem:
    """An error with a mask to look at first: one that holds the value fewest images hold."""
    if problem.severity != "error" or problem.where:
        return problem
    holders = Counter(value for row in rows for value in row.labels)
    rarest = min(holders, key=lambda value: (holders[value], -value), default=None)
    place = next((place for row, place in zip(rows, places, strict=True) if rarest in row.labels), "")
    return replace(problem, where=place)

"""From ``key=a,b,c`` and ``key=low..high`` to what a search may choose."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from lamelle.errors import RequestError
from lamelle.results.studies import Dimension
from lamelle.runs.layers import parse_overrides
from lamelle.runs.recipe import full_key
from lamelle.studies.variants import DEFAULT, Variant, listed, of_pairs, refuse_own

if TYPE_CHECKING:
    from optuna import Trial

MAX_POINTS = 2000
"""Points of a grid."""
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\.\.({_NUMBER})\s*")


def suggest(dimension: Dimension, trial: Trial) -> None:
    """Have a trial choose a value, which stands in its ``params`` then."""
    key, low, high = dimension.key, dimension.low, dimension.high
    if dimension.values:
        trial.suggest_categorical(key, dimension.values)
    elif dimension.integer:
        trial.suggest_int(key, int(low), int(high), log=dimension.log)
    else:
        trial.suggest_float(key, low, high, log=dimension.log)


def ends(dimension: Dimension) -> tuple[str, ...]:
    """All listed values, or both ends of the range, as they are written."""
    return dimension.values or tuple(written(dimension.number(end)) for end in (dimension.low, dimension.high))


def parse(pairs: Iterable[str]) -> tuple[list[str], list[Dimension]]:
    """Pairs that all trials share, and the dimensions of the search.

    Raises:
        RequestError: If a key or a value cannot be, or comes twice; if a range is empty; or if the split is searched,
            since scores of different validation sets cannot be compared.

    Example:
        >>> shared, dimensions = parse(["epochs=3", "lr=1e-4..1e-1", "batch=16,32"])
        >>> shared, [(d.key, d.values, d.low, d.log) for d in dimensions]
        (['epochs=3'], [('train.lr', (), 0.0001, True), ('train.batch', ('16', '32'), 0.0, False)])
    """
    rest: list[str] = []
    dimensions: list[Dimension] = []
    for pair in pairs:
        key, _, value = pair.partition("=")
        if (match := _RANGE.fullmatch(value)) is None:
            rest.append(pair)
            continue
        low, high = float(match[1]), float(match[2])
        if low >= high:
            raise RequestError("tune.empty_range", given=pair)
        whole = all(re.fullmatch(r"[+-]?\d+", end) for end in match.groups())
        dimensions.append(Dimension(key=full_key(key.strip()), low=low, high=high, integer=whole))
    shared, lists = listed(rest)
    dimensions += [Dimension(key=full_key(key.strip()), values=tuple(values)) for key, values in lists]
    for dimension in dimensions:
        _check(dimension)
    fixed = [full_key(pair.partition("=")[0].strip()) for pair in shared]
    keys = [d.key for d in dimensions]
    if again := sorted({key for key in keys if keys.count(key) > 1 or key in fixed}):
        raise RequestError("tune.twice", keys=", ".join(again))
    return shared, dimensions


def _check(dimension: Dimension) -> None:
    key, values = dimension.key, dimension.values
    if key.partition(".")[0] == "split":
        raise RequestError("tune.split", key=key)
    if key != "train.seed":  # how much the score varies with it can be searched
        refuse_own([key])
    if again := sorted({v for v in values if values.count(v) > 1}):
        raise RequestError("tune.value_twice", key=key, values=", ".join(again))
    parse_overrides([f"{key}={value}" for value in ends(dimension) if value != DEFAULT])


def grid(dimensions: Sequence[Dimension]) -> list[dict[str, str]]:
    """Every combination of the listed values.

    Raises:
        RequestError: If a dimension is a range, or there are too many.

    Example:
        >>> grid([Dimension(key="train.lr", values=("0.1", "0.01")), Dimension(key="train.batch", values=("8",))])
        [{'train.lr': '0.1', 'train.batch': '8'}, {'train.lr': '0.01', 'train.batch': '8'}]
    """
    if ranges := [d.key for d in dimensions if not d.values]:
        raise RequestError("tune.grid_range", keys=", ".join(ranges))
    points = [
        dict(zip([d.key for d in dimensions], chosen, strict=True))
        for chosen in itertools.product(*(d.values for d in dimensions))
    ]
    if len(points) > MAX_POINTS:
        raise RequestError("tune.too_many", n=len(points), most=MAX_POINTS)
    return points


def variant(params: Mapping[str, str | int | float]) -> Variant:
    """One point of the search as a way to train."""
    return of_pairs([f"{key}={written(value)}" for key, value in params.items()])


def written(value: str | int | float) -> str:
    """A value as it stands after ``=``.

    Example:
        >>> written(0.00012345678), written(16), written("[8, 16]")
        ('0.00012345678', '16', '[8, 16]')
    """
    return repr(value) if isinstance(value, float) else str(value)

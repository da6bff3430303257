"""From ``key=a,b,c`` and ``key=low..high`` to what a search may choose."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lamelle.errors import RequestError
from lamelle.runs.layers import parse_overrides
from lamelle.runs.recipe import full_key
from lamelle.studies.variants import DEFAULT, Variant, listed, of_pairs, refuse_own

if TYPE_CHECKING:
    from optuna import Trial

MOST = 2000
"""Points of a grid."""
_LOGARITHMIC = 10
"""Ratio of the ends of a range from which on it is searched on a logarithmic scale."""
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\.\.({_NUMBER})\s*")


@dataclass(frozen=True, slots=True)
class Dimension:
    """A key of the recipe with the values it may take."""

    key: str
    values: tuple[str, ...] = ()
    """As they are written after ``=``; empty = a range."""
    low: float = 0.0
    high: float = 0.0
    integer: bool = False

    @property
    def log(self) -> bool:
        """Whether a range spans so much that it is searched on a logarithmic scale."""
        return self.low > 0 and self.high >= _LOGARITHMIC * self.low

    def suggest(self, trial: Trial) -> None:
        """Have a trial choose a value, which stands in its ``params`` then."""
        if self.values:
            trial.suggest_categorical(self.key, self.values)
        elif self.integer:
            trial.suggest_int(self.key, int(self.low), int(self.high), log=self.log)
        else:
            trial.suggest_float(self.key, self.low, self.high, log=self.log)

    def ends(self) -> tuple[str, ...]:
        """All listed values, or both ends of the range, as they are written."""
        return self.values or (written(self.number(self.low)), written(self.number(self.high)))

    def number(self, value: float) -> float | int:
        return int(value) if self.integer else value

    def describe(self) -> dict[str, Any]:
        """The dimension, JSON-able; `restored` undoes it."""
        return asdict(self)


def restored(described: Mapping[str, Any]) -> Dimension:
    """The dimension that was described."""
    return Dimension(**{**described, "values": tuple(described["values"])})


def parse(pairs: Iterable[str]) -> tuple[list[str], list[Dimension]]:
    """Pairs that all trials share, and the dimensions of the search.

    Raises:
        RequestError: If a key or a value cannot be, or comes twice; if a range is empty; or if the split is searched,
            since scores of different validation sets cannot be compared.

    Example:
        >>> shared, found = parse(["epochs=3", "lr=1e-4..1e-1", "batch=16,32"])
        >>> shared, [(d.key, d.values, d.low, d.log) for d in found]
        (['epochs=3'], [('train.lr', (), 0.0001, True), ('train.batch', ('16', '32'), 0.0, False)])
    """
    rest: list[str] = []
    found: list[Dimension] = []
    for pair in pairs:
        key, _, value = pair.partition("=")
        if (match := _RANGE.fullmatch(value)) is None:
            rest.append(pair)
            continue
        low, high = float(match[1]), float(match[2])
        if low >= high:
            raise RequestError("tune.empty_range", given=pair)
        whole = all(re.fullmatch(r"[+-]?\d+", end) for end in match.groups())
        found.append(Dimension(full_key(key.strip()), (), low, high, whole))
    shared, lists = listed(rest)
    found += [Dimension(full_key(key.strip()), tuple(values)) for key, values in lists]
    for dimension in found:
        _check(dimension)
    fixed = [full_key(pair.partition("=")[0].strip()) for pair in shared]
    keys = [d.key for d in found] + fixed
    if again := sorted({k for k in keys if keys.count(k) > 1 and k not in fixed} | {d.key for d in found} & set(fixed)):
        raise RequestError("tune.twice", keys=", ".join(again))
    return shared, found


def _check(dimension: Dimension) -> None:
    key, values = dimension.key, dimension.values
    if key.partition(".")[0] == "split":
        raise RequestError("tune.split", key=key)
    if key != "train.seed":  # how much the score varies with it can be searched
        refuse_own([key])
    if again := sorted({v for v in values if values.count(v) > 1}):
        raise RequestError("tune.value_twice", key=key, values=", ".join(again))
    parse_overrides([f"{key}={value}" for value in dimension.ends() if value != DEFAULT])


def grid(dimensions: Sequence[Dimension]) -> list[dict[str, str]]:
    """Every combination of the listed values.

    Raises:
        RequestError: If a dimension is a range, or there are too many.

    Example:
        >>> grid([Dimension("train.lr", ("0.1", "0.01")), Dimension("train.batch", ("8",))])
        [{'train.lr': '0.1', 'train.batch': '8'}, {'train.lr': '0.01', 'train.batch': '8'}]
    """
    if ranges := [d.key for d in dimensions if not d.values]:
        raise RequestError("tune.grid_range", keys=", ".join(ranges))
    points = [
        dict(zip([d.key for d in dimensions], chosen, strict=True))
        for chosen in itertools.product(*(d.values for d in dimensions))
    ]
    if len(points) > MOST:
        raise RequestError("tune.too_many", n=len(points), most=MOST)
    return points


def variant(params: Mapping[str, Any]) -> Variant:
    """One point of the search as a way to train."""
    return of_pairs([f"{key}={written(value)}" for key, value in params.items()])


def written(value: object) -> str:
    """A value as it stands after ``=``.

    Example:
        >>> written(0.00012345678), written(16), written("[8, 16]")
        ('0.00012345678', '16', '[8, 16]')
    """
    return repr(value) if isinstance(value, float) else str(value)

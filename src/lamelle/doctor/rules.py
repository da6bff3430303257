"""The doctor's rules, in one table: each looks at the facts of a Run, and finds something or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lamelle.doctor import fitting, learning
from lamelle.doctor.facts import RunFacts
from lamelle.doctor.finding import Finding


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be found."""

    code: str
    find: Callable[[RunFacts], Finding | None]
    unless: tuple[str, ...] = ()
    """Findings that explain this one already."""


_BROKEN = ("nan", "lr_high", "bn_lag", "collapse", "short")
_NOT_FITTED = (*_BROKEN, "lr_low", "overfitting", "first_best", "unstable", "still_improving", "underfitting")
RULES = (
    Rule("nan", learning.nan),
    Rule("bn_lag", learning.bn_lag, unless=("nan",)),
    Rule("lr_high", learning.lr_high, unless=("nan", "bn_lag")),
    Rule("lr_low", learning.lr_low, unless=("nan", "bn_lag", "lr_high")),
    Rule("collapse", learning.collapse, unless=("nan", "bn_lag", "lr_high", "lr_low")),
    Rule("unfinished", learning.unfinished),
    Rule("short", learning.short, unless=("nan", "bn_lag", "lr_high", "collapse")),
    Rule("overfitting", fitting.overfitting, unless=(*_BROKEN, "lr_low")),
    Rule("first_best", fitting.first_best, unless=(*_BROKEN, "lr_low", "overfitting")),
    Rule("unstable", fitting.unstable, unless=_BROKEN),
    Rule("still_improving", fitting.still_improving, unless=(*_BROKEN, "lr_low", "overfitting", "first_best")),
    Rule("underfitting", fitting.underfitting, unless=(*_BROKEN, "lr_low", "overfitting", "still_improving")),
    Rule("base_better", fitting.base_better, unless=_BROKEN),
    Rule("test_worse", fitting.test_worse, unless=_BROKEN),
    Rule("input_range", learning.input_range),
    Rule("validation_few", fitting.validation_few, unless=_NOT_FITTED),
    Rule("good", fitting.good, unless=(*_NOT_FITTED, "validation_few")),
    Rule("overconfident", fitting.overconfident, unless=(*_BROKEN, "overfitting")),
    Rule("validation_small", fitting.validation_small, unless=(*_BROKEN, "validation_few")),
)
"""In the order in which they are told: what explains the others comes first."""


def findings(facts: RunFacts) -> list[Finding]:
    """What holds for a Run, in the order of the table."""
    by_code: dict[str, Finding] = {}
    for rule in RULES:
        if not by_code.keys() & set(rule.unless) and (one := rule.find(facts)) is not None:
            by_code[rule.code] = one
    return list(by_code.values())

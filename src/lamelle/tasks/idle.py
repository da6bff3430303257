"""Keys of a task that nothing reads under the choices made: they would stand in the recipe and change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamelle.tasks.pixel_loss import PARAMETERS
from lamelle.types import Problem

_CLASSIFY = {
    "gamma": ("loss", ("focal",)),
    "alpha": ("imbalance", ("both",)),
    "beta": ("imbalance", ("effective",)),
    "tau": ("imbalance", ("logit_adjustment",)),
}
"""Key → the key that decides whether it is read, and the values of that one for which it is."""
_SEARCHED = ("min_size", "fill_holes", "largest")
"""What may be ``auto``, and then is chosen on validation."""


def idle_problems(keys: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[Problem]:
    """A warning for each value that nothing reads; a default stands in every recipe, and is no request.

    Warnings and no errors: a recipe, a comparison or a search may hold what acts only beside another choice.

    Args:
        keys: All keys of the task with their values.
        defaults: The same keys as they are where nobody asked.

    Example:
        >>> defaults = {"name": "segment", "loss": "dice_ce", "gamma": 2.0}
        >>> idle_problems(defaults | {"loss": "focal", "gamma": 3.0}, defaults)
        []
        >>> [p.values["key"] for p in idle_problems(defaults | {"gamma": 3.0}, defaults)]
        ['gamma']
    """
    changed = {key: value for key, value in keys.items() if key in defaults and value != defaults[key]}
    found = []
    for key, (by, acting) in _rules(keys).items():
        if key in changed and keys[by] not in acting:
            values = {"key": key, "value": _shown(changed[key]), "by": by, "chosen": keys[by]}
            found.append(Problem("tasks.idle_key", "", "warning", values | {"acting": ", ".join(acting)}))
    if "threshold_by" in changed and _threshold_known(keys):
        values = {"value": changed["threshold_by"], "threshold": _shown(keys["threshold"])}
        found.append(Problem("tasks.idle_threshold_by", "", "warning", values))
    return found


def _rules(keys: Mapping[str, Any]) -> Mapping[str, tuple[str, tuple[str, ...]]]:
    if keys.get("name") == "classify":
        return _CLASSIFY
    acting: dict[str, tuple[str, ...]] = {}
    for loss, arguments in PARAMETERS.items() if keys.get("name") == "segment" else ():
        for key in arguments.values():
            acting[key] = (*acting.get(key, ()), loss)
    return {key: ("loss", losses) for key, losses in acting.items()}


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _threshold_known(keys: Mapping[str, Any]) -> bool:
    """Whether nothing is searched on validation by the score that ``threshold_by`` names: cleaning goes by it too."""
    return keys.get("threshold") is not None and not any(keys.get(name) == "auto" for name in _SEARCHED)

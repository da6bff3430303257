"""Keys of a task that nothing reads under the choices made: they would stand in the recipe and change nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamelle.errors import RequestError
from lamelle.messages import text
from lamelle.tasks.pixel_loss import PARAMETERS

_CLASSIFY = {
    "gamma": ("loss", ("focal",)),
    "alpha": ("imbalance", ("both",)),
    "beta": ("imbalance", ("effective",)),
    "tau": ("imbalance", ("logit_adjustment",)),
}
"""Key → the key that decides whether it is read, and the values of that one for which it is."""
_SEARCHED = ("min_size", "fill_holes", "largest")
"""What may be ``auto``, and then is chosen on validation."""


def check_idle(keys: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Refuse values that nothing reads; a default stands in every recipe that a run writes down, and is no request.

    Args:
        keys: All keys of the task with their values.
        defaults: The same keys as they are where nobody asked.

    Raises:
        RequestError: Naming each such key, and the choices for which it acts.

    Example:
        >>> defaults = {"name": "segment", "loss": "dice_ce", "gamma": 2.0}
        >>> check_idle(defaults | {"loss": "focal", "gamma": 3.0}, defaults)
        >>> check_idle(defaults | {"gamma": 3.0}, defaults)
        Traceback (most recent call last):
        ...
        lamelle.errors.RequestError: these settings would change nothing:
          task.gamma=3: read only with task.loss=focal, here it is dice_ce; leave it out, or choose such a value
    """
    changed = {key: value for key, value in keys.items() if key in defaults and value != defaults[key]}
    found = [_line(key, changed[key], keys, by, acting) for key, (by, acting) in _rules(keys).items() if key in changed]
    if "threshold_by" in changed and _threshold_known(keys):
        given = {"value": changed["threshold_by"], "threshold": f"{keys['threshold']:g}"}
        found.append(text("tasks.idle_threshold_by", **given))
    if lines := [line for line in found if line]:
        raise RequestError("tasks.idle", lines="\n  ".join(lines))


def _rules(keys: Mapping[str, Any]) -> Mapping[str, tuple[str, tuple[str, ...]]]:
    if keys.get("name") == "classify":
        return _CLASSIFY
    acting: dict[str, tuple[str, ...]] = {}
    for loss, arguments in PARAMETERS.items() if keys.get("name") == "segment" else ():
        for key in arguments.values():
            acting[key] = (*acting.get(key, ()), loss)
    return {key: ("loss", losses) for key, losses in acting.items()}


def _line(key: str, value: Any, keys: Mapping[str, Any], by: str, acting: tuple[str, ...]) -> str:
    if keys[by] in acting:
        return ""
    shown = f"{value:g}" if isinstance(value, int | float) else value
    return text("tasks.idle_key", key=key, value=shown, by=by, chosen=keys[by], acting=", ".join(acting))


def _threshold_known(keys: Mapping[str, Any]) -> bool:
    """Whether nothing is searched on validation by the score that ``threshold_by`` names: cleaning goes by it too."""
    return keys.get("threshold") is not None and not any(keys.get(name) == "auto" for name in _SEARCHED)

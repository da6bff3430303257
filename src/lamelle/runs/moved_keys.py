"""Old names of keys, and where they are now: one table, kept for two minor versions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lamelle.errors import KeyMoved
from lamelle.messages import text

Section = dict[str, Any]
"""Values of a recipe before they are checked: section → key → value."""
Layer = Mapping[str, Any]
"""The same, where they are only read."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Where an old key is now."""

    to: str
    kinds: tuple[str, ...] = ()
    """The kinds of options that have it; with another kind nobody read it."""
    value: Callable[[Any], Any] = lambda value: value
    """From the old value to the new one."""


def _moved_to_loss(name: str, *kinds: str) -> Moved:
    return Moved(f"task.loss.{name}", kinds)


MOVED: Mapping[str, tuple[Moved, ...]] = {
    "task.imbalance": (Moved("task.remedy"),),
    "task.gamma": (_moved_to_loss("gamma", "focal"),),
    "task.alpha": (_moved_to_loss("alpha", "tversky", "focal_tversky"), Moved("task.remedy.alpha", ("both",))),
    "task.beta": (_moved_to_loss("beta", "tversky", "focal_tversky"), Moved("task.remedy.beta", ("effective",))),
    "task.tau": (Moved("task.remedy.tau", ("logit_adjustment",)),),
    "task.tversky_gamma": (_moved_to_loss("gamma", "focal_tversky"),),
    "task.cldice_alpha": (_moved_to_loss("alpha", "cldice"),),
    "task.cldice_iterations": (_moved_to_loss("iterations", "cldice"),),
    "task.w0": (_moved_to_loss("w0", "boundary_ce"),),
    "task.sigma": (_moved_to_loss("sigma", "boundary_ce"),),
    "task.between": (_moved_to_loss("between", "boundary_ce"),),
    "task.cells": (Moved("evaluate.also", value=lambda on: ["cells"] if on else []),),
    "task.lines": (Moved("evaluate.also", value=lambda on: ["lines"] if on else []),),
    "data.instances": (
        Moved("data.label_values", value=lambda on: None if on is None else "objects" if on else "classes"),
    ),
    "train.knots": (Moved("train.schedule_points"),),
}
"""Old key → where it is now; kept for two minor versions."""


def renewed(values: Layer, below: Layer | None = None, *, quiet: bool = False) -> Section:
    """Values with today's keys in the place of old ones; a `KeyMoved` warning names both.

    Where the kind of loss or remedy tells which key is meant, and neither layer says it, the old key stays for a layer
    that does. Old keys of other kinds than the one that is chosen are left out: nobody read them.

    Args:
        below: What the values are laid over; None = nothing will come, so that nothing stays.
        quiet: Say nothing: nobody wrote the keys by hand.
    """
    moved = {section: dict(keys) if isinstance(keys, Mapping) else keys for section, keys in values.items()}
    for old, places in MOVED.items():
        section, _, name = old.partition(".")
        if not isinstance(moved.get(section), dict) or name not in moved[section]:
            continue
        kinds = [_kind_at(place.to, moved) or _kind_at(place.to, below or {}) for place in places]
        meant = [place for place, kind in zip(places, kinds, strict=True) if not place.kinds or kind in place.kinds]
        if not meant and below is not None and None in kinds:
            continue
        value, code = moved[section].pop(name), "recipe.moved" if meant else "recipe.moved_idle"
        if meant:
            _put(moved, meant[0].to, meant[0].value(value))
        if not quiet:
            of = ", ".join(kind for place in places for kind in place.kinds)
            values_said = {"old": old, "new": (meant or places)[0].to, "kinds": of}
            warnings.warn(text(code, **values_said), KeyMoved, stacklevel=2)
    return moved


def _kind_at(path: str, values: Layer) -> str | None:
    """The kind of options that a key of the form ``task.loss.gamma`` is one of, where it is said."""
    section, _, inner = path.partition(".")
    keys = values.get(section)
    chosen = keys.get(inner.partition(".")[0]) if isinstance(keys, Mapping) else None
    return chosen if isinstance(chosen, str) else chosen.get("name") if isinstance(chosen, Mapping) else None


def _put(values: Section, path: str, value: object) -> None:
    """Set a nested key unless it is set; lists are joined."""
    *way, last = path.split(".")
    for name in way:
        inner = values.get(name, {})
        values[name] = dict(inner) if isinstance(inner, Mapping) else {"name": inner}
        values = values[name]
    if isinstance(value, list) and isinstance(before := values.get(last), list):
        value = [*before, *value]
    elif last in values:
        return
    values[last] = value

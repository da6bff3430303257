"""What several verbs need."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lamelle.errors import RequestError
from lamelle.platform import home
from lamelle.verbs.signature import AnyPath

if TYPE_CHECKING:
    from lamelle.data.store import Store
    from lamelle.prediction.package import Package
    from lamelle.runs.recipe import Section

CACHE_GIB = 20.0
"""Size of the store unless ``LAMELLE_CACHE_GIB`` says otherwise."""
PREDICTION_KEYS = ("evaluate.tile", "evaluate.overlap", "evaluate.flips", "data.axes")
"""Keys that say how a finished model predicts."""


def cache_budget() -> int:
    """Bytes that decoded images may take.

    Raises:
        RequestError: If ``LAMELLE_CACHE_GIB`` is no number.
    """
    gib = os.environ.get("LAMELLE_CACHE_GIB", str(CACHE_GIB))
    try:
        return int(float(gib) * 2**30)
    except (ValueError, OverflowError):
        raise RequestError("verbs.cache_size", given=gib) from None


def open_store() -> Store:
    """The user's store of decoded images."""
    from lamelle.data.store import Store

    return Store(home() / "store", budget=cache_budget(), say=lambda line: print(line, file=sys.stderr))


def allowed_overrides(overrides: Iterable[str], *, allowed: Collection[str]) -> Section:
    """``key=value`` pairs, section by section.

    Args:
        allowed: Dotted keys, and whole sections such as ``data``, that mean something here.

    Raises:
        RequestError: If a pair is about something else.
    """
    from lamelle.runs import layers

    overlay = layers.parse_overrides(overrides)
    for section, keys in overlay.items():
        for key in keys:
            if section not in allowed and f"{section}.{key}" not in allowed:
                raise RequestError("verbs.key_not_here", key=f"{section}.{key}", allowed=", ".join(allowed))
    return overlay


def predicting(package: Package, overlay: Section) -> Package:
    """The model, to predict with the tiles and mirrored images that are asked for."""
    from lamelle.runs import recipe as recipes

    overlay = {section: overlay.get(section, {}) for section in ("evaluate", "data")}
    checked = recipes.validate(overlay)
    keys = checked.evaluate
    named = {name: getattr(keys, name) for name in ("overlap", "flips") if name in overlay["evaluate"]}
    if "axes" in overlay["data"]:
        named["axes"] = checked.data.axes
    if keys.tile is not None:
        if len(keys.tile) != package.dims:
            raise RequestError("verbs.tile_axes", tile=list(keys.tile), dims=package.dims)
        named |= {"tile": keys.tile, "whole": False}
    return replace(package, **named)


def paths_of(given: AnyPath | Sequence[AnyPath]) -> list[Path]:
    """One path, or several, as a list."""
    return [Path(p) for p in ([given] if isinstance(given, str | os.PathLike) else given)]

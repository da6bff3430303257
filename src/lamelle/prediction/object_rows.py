"""Rows of objects in the voxels of the file that is written, where that is stored otherwise than it was read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamelle.io.geometry import Turn

_AXES = "zyx"


def as_stored(row: Mapping[str, Any], turn: Turn, size: tuple[int, int, int], *, z: int | None) -> dict[str, Any]:
    """A row of `lamelle.tasks.watershed.table_of` with its centre and box in stored voxels.

    Args:
        turn: How what is stored was turned when it was read.
        size: Of what is written, Z, Y, X as read.
        z: Plane of an object that was found in a plane.

    Example:
        >>> row = {"centroid_y": 2.0, "start_y": 1, "stop_y": 4, "centroid_x": 0.5, "start_x": 0, "stop_x": 2}
        >>> mirrored = Turn((0, 1, 2), (False, False, True))
        >>> as_stored(row, mirrored, (1, 9, 10), z=0)["start_x"]
        8
    """
    if turn.plain:
        return dict(row)
    flat = {} if z is None else {"centroid_z": float(z), "start_z": z, "stop_z": z + 1}
    known = {**row, **flat}
    found: dict[str, Any] = {}
    for place, (axis, flip) in enumerate(zip(turn.order, turn.flipped, strict=True)):
        here, there, n = _AXES[place], _AXES[axis], size[place]
        centre, start, stop = (known[f"{name}_{here}"] for name in ("centroid", "start", "stop"))
        found[f"centroid_{there}"] = round(n - 1 - centre, 3) if flip else centre
        found[f"start_{there}"], found[f"stop_{there}"] = (n - stop, n - start) if flip else (start, stop)
    names = [f"{name}_{a}" for name in ("centroid", "start", "stop") for a in _AXES]
    before = {k: v for k, v in known.items() if k not in names and k != "probability"}
    after = {"probability": known["probability"]} if "probability" in known else {}
    return before | {name: found[name] for name in names} | after

"""From pixels to label values, or a sentence that says why they are none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from lamelle.errors import FileError

_SHOWN = 8


def labelled(
    path: Path,
    array: np.ndarray,
    format: str,
    *,
    kind: Literal["exact", "floats", "lossy"],
    colours: Mapping[tuple[int, int, int], int] | None,
) -> np.ndarray:
    """Label values [(Z,) Y, X] of an image [C, (Z,) Y, X].

    Args:
        format: As people write it.
        kind: What the format does to labels, as its row says.
        colours: Label of each (R, G, B).

    Raises:
        FileError: If the pixels are no labels.
    """
    if kind == "lossy":
        raise FileError("files.lossy_labels", path, format=format)
    if len(array) == 3 and colours is not None:
        return _by_colour(path, array, colours)
    if len(array) == 3:
        if not ((array[0] == array[1]).all() and (array[0] == array[2]).all()):
            distinct, more = _distinct(array)
            raise FileError("files.coloured_labels", path, colours=_listed(distinct, more))
        array = array[:1]
    if len(array) != 1:
        raise FileError("files.label_channels", path, channels=len(array))
    return _integers(path, array[0], float_labels=kind == "floats")


def _integers(path: Path, array: np.ndarray, *, float_labels: bool) -> np.ndarray:
    if array.dtype.kind != "f":
        return array
    if not float_labels:
        raise FileError("files.float_labels", path, dtype=str(array.dtype), value=_example(array))
    whole = np.rint(array)
    if (whole != array).any():
        raise FileError("files.float_labels", path, dtype=str(array.dtype), value=_example(array))
    low, high = float(whole.min()), float(whole.max())
    if low < np.iinfo(np.int64).min or high >= 2.0**63:
        raise FileError("files.float_labels", path, dtype=str(array.dtype), value=f"{max(-low, high):g}")
    return whole.astype(np.result_type(np.min_scalar_type(int(low)), np.min_scalar_type(int(high))))


def _example(array: np.ndarray) -> str:
    fractions = array[np.rint(array) != array]
    return f"{fractions.flat[0] if fractions.size else array.flat[0]:g}"


def _by_colour(path: Path, array: np.ndarray, colours: Mapping[tuple[int, int, int], int]) -> np.ndarray:
    if array.dtype != np.uint8:
        raise FileError("files.coloured_depth", path, dtype=str(array.dtype))
    codes = _codes(array)
    values = list(colours.values())
    labels = np.zeros(codes.shape, np.result_type(*(np.min_scalar_type(v) for v in (0, *values))))
    coded = np.zeros(codes.shape, bool)
    for (red, green, blue), value in colours.items():
        here = codes == (red << 16 | green << 8 | blue)
        labels[here], coded[here] = value, True
    if not coded.all():
        others = np.unique(codes[~coded])
        raise FileError("files.unknown_colours", path, colours=_listed(_triples(others[:_SHOWN]), len(others) - _SHOWN))
    return labels


def _codes(array: np.ndarray) -> np.ndarray:
    red, green, blue = array.astype(np.uint32)
    return red << 16 | green << 8 | blue


def _triples(codes: np.ndarray) -> list[tuple[int, ...]]:
    return [(int(c) >> 16, int(c) >> 8 & 255, int(c) & 255) for c in codes]


def _distinct(array: np.ndarray) -> tuple[list[tuple[int, ...]], int]:
    """Some of the colours found, and how many more there are."""
    if array.dtype == np.uint8:
        codes = np.unique(_codes(array))
        return _triples(codes[:_SHOWN]), len(codes) - _SHOWN
    codes = np.unique(array.reshape(3, -1).T, axis=0)
    return [tuple(v.item() for v in row) for row in codes[:_SHOWN]], len(codes) - _SHOWN


def _listed(colours: list[tuple[int, ...]], more: int) -> str:
    listed = ", ".join("({}, {}, {})".format(*c) for c in colours)
    return f"{listed} … (+{more})" if more > 0 else listed

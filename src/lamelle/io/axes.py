"""From the axes of a file to ``[C, (Z,) Y, X]``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lamelle.errors import FileError
from lamelle.types import Problem, Spacing

_CHANNEL, _STACK, _TIME = "CS", "ZIQ", "T"
UNNAMED = "IQ"
"""Letters under which tifffile says that it does not know what an axis is."""
_NAMEABLE = "XYZCT"
_SIDE = 16
"""A picture's side is longer than this wherever an axis is taken for channels because it is short."""
_FEW = 4
"""As many channels as colours with one more; up to ``_SIDE`` they are asked for."""
_KEY = "data.axes"
_MICRONS = {
    "m": 1e6, "meter": 1e6, "metre": 1e6, "cm": 1e4, "centimeter": 1e4, "mm": 1e3, "millimeter": 1e3,
    "micron": 1.0, "microns": 1.0, "um": 1.0, "µm": 1.0, "μm": 1.0, "micrometer": 1.0, "micrometre": 1.0,
    "nm": 1e-3, "nanometer": 1e-3, "nanometre": 1e-3, "å": 1e-4, "angstrom": 1e-4, "pm": 1e-6, "picometer": 1e-6,
    "inch": 25400.0, "in": 25400.0,
}  # fmt: skip
_PRINT_DPI = (72, 75, 90, 96, 100, 120, 144, 150, 180, 200, 220, 240, 300, 350, 360, 400, 600, 720, 1200, 1440, 2400)


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How an array's axes become ``[C, (Z,) Y, X]``, as views."""

    dropped: tuple[int, ...]
    channel: int | None
    stack: int | None
    plane: tuple[int, int]

    def apply(self, array: np.ndarray) -> np.ndarray:
        """The array as ``[C, (Z,) Y, X]``; a view wherever numpy can make one."""
        kept = tuple(a for a in (self.channel, self.stack, *self.plane) if a is not None)
        moved = np.transpose(array, (*self.dropped, *kept))[(0,) * len(self.dropped)]
        return moved if self.channel is not None else moved[None]

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """``[C, (Z,) Y, X]`` of an array of this shape."""
        channels = 1 if self.channel is None else shape[self.channel]
        depth = () if self.stack is None else (shape[self.stack],)
        return (channels, *depth, *(shape[a] for a in self.plane))


def arrange(path: Path, axes: str, shape: tuple[int, ...]) -> Arrangement:
    """Plan the way from named axes to ``[C, (Z,) Y, X]``; axes of length one are dropped.

    Args:
        axes: One letter per axis: X, Y, Z, T, C or S (samples), I or Q (a sequence of pages, read as Z).

    Raises:
        FileError: If time or an unknown axis is longer than one, or X or Y is missing; the axis is named, and what
            to declare.

    Example:
        >>> arrange(Path("a.tif"), "ZCYX", (5, 2, 40, 50)).shape((5, 2, 40, 50))
        (2, 5, 40, 50)
    """
    if axes.count("X") != 1 or axes.count("Y") != 1 or len(axes) != len(shape) or 0 in shape:
        raise FileError("files.axes", path, shape=sizes(shape), axes=axes, choices=choices(shape))
    long = [i for i, n in enumerate(shape) if n > 1 and axes[i] not in "XY"]
    for i in long:
        named = {"axis": axes[i], "length": shape[i], "shape": sizes(shape)}
        if axes[i] in _TIME:
            raise FileError("files.time_axis", path, **named, choices=_renamed(axes, i, "Z"))
        if axes[i] not in _CHANNEL + _STACK:
            raise FileError("files.unknown_axis", path, **named, choices=_renamed(axes, i, "CZ"))
    channels, stacks = ([i for i in long if axes[i] in kind] for kind in (_CHANNEL, _STACK))
    if len(channels) > 1 or len(stacks) > 1:
        raise FileError("files.axes", path, shape=sizes(shape), axes=axes, choices=choices(shape))
    plane = (axes.index("Y"), axes.index("X"))
    dropped = tuple(i for i in range(len(axes)) if i not in (*channels, *stacks, *plane))
    return Arrangement(dropped, channels[0] if channels else None, stacks[0] if stacks else None, plane)


def samples_as_channels(axes: str) -> str:
    """What one may declare of axes as tifffile names them, samples as channels and pages as slices.

    Example:
        >>> samples_as_channels("QYXS")
        'ZYXC'
    """
    return "".join("C" if a == "S" else "Z" if a in UNNAMED else a for a in axes)


def _renamed(axes: str, place: int, letters: str) -> str:
    """Declarations that name one axis otherwise."""
    readable = samples_as_channels(axes)
    return _declared(readable[:place] + letter + readable[place + 1 :] for letter in letters)


def choices(shape: tuple[int, ...]) -> str:
    """What one may declare of an array of this shape, the likeliest first.

    Example:
        >>> choices((64, 72, 2)), choices((5, 2, 64, 72))
        ('data.axes=YXC, data.axes=ZYX', 'data.axes=ZCYX, data.axes=CZYX')
    """
    if len(shape) == 3 and shape[-1] <= _SIDE < min(shape[:2]):
        return _declared(["YXC", "ZYX"])
    if len(shape) == 3:
        return _declared(["CYX", "YXC" if max(shape[0], shape[-1]) <= _FEW else "ZYX"])
    if len(shape) == 4:
        return _declared(["ZYXC", "CZYX"] if shape[-1] <= _SIDE else ["ZCYX", "CZYX"])
    return _declared(["TZCYX"]) if len(shape) == 5 else "–"


def _declared(several: Iterable[str]) -> str:
    return ", ".join(f"{_KEY}={axes}" for axes in dict.fromkeys(several))


def declared(path: Path, axes: str | None, shape: tuple[int, ...]) -> str | None:
    """The axes that the user declares, for an array that has as many; None where nothing is declared or to declare.

    Raises:
        FileError: If they are more or fewer than the file's, which are more than one plane's.
    """
    if axes is None or len(shape) == 2:
        return None
    if len(axes) != len(shape):
        raise FileError("files.declared_axes", path, axes=axes, n=len(axes), shape=sizes(shape), have=len(shape))
    return axes


def checked_letters(axes: str) -> str:
    """A declaration of axes in capitals, if every letter means something and X and Y are there.

    Raises:
        ValueError: If it is none.

    Example:
        >>> checked_letters("yxc")
        'YXC'
    """
    letters = axes.upper()
    if not {"X", "Y"} <= set(letters) <= set(_NAMEABLE) or len(set(letters)) != len(letters):
        raise ValueError(f"{axes}: X, Y, Z, C, T")
    return letters


def plain(path: Path, shape: tuple[int, ...], *, labels: bool = False, pages: bool = False) -> str:
    """Axes of an array that says nothing about them (NPY, NPZ, plain Zarr, unnamed pages of a TIFF).

    A last axis of 1 to 4 is channels where the others are longer, a first axis of 3 before two long ones too;
    otherwise three axes are Z, Y, X.

    Args:
        labels: Label values are meant, which have no channels but colours.
        pages: The array lies in pages, so that its first axis counts pages.

    Raises:
        FileError: If both ends could be the channels, or there are too few or too many axes.

    Example:
        >>> plain(Path("a.npy"), (40, 50, 3)), plain(Path("a.npy"), (3, 40, 50)), plain(Path("a.npy"), (30, 40, 50))
        ('YXC', 'CYX', 'ZYX')
    """
    if len(shape) == 2:
        return "YX"
    if len(shape) not in (3, 4):
        raise FileError("files.axes", path, shape=sizes(shape), axes="?", choices=choices(shape))
    inner = "YX" if len(shape) == 3 else "ZYX"
    first, last, sides = shape[0], shape[-1], min(shape[-3:-1])
    if not pages and first in (3, 4) and last in (3, 4):
        raise FileError("files.ambiguous_axes", path, shape=sizes(shape), choices=choices(shape))
    if (sides > _SIDE and last <= _FEW) or (not pages and last in (1, 3, 4)):
        return inner + "C"
    if not labels and _FEW < last <= _SIDE < sides:
        raise FileError("files.ambiguous_axes", path, shape=sizes(shape), choices=choices(shape))
    if first == 1 or (not pages and first == 3 and min(shape[-2:]) > _SIDE):
        return "C" + inner
    if len(shape) == 3:
        return "ZYX"
    if first <= _FEW:
        return "CZYX"
    raise FileError("files.axes", path, shape=sizes(shape), axes="?", choices=choices(shape))


def doubts(path: Path, axes: str, shape: tuple[int, ...]) -> tuple[Problem, ...]:
    """A warning where so few planes were taken for slices, without anybody saying so, that they may be channels."""
    if axes == "ZYX" and 1 < shape[0] <= _FEW and min(shape[1:]) > _SIDE:
        values = {"count": shape[0], "shape": sizes(shape), "choices": _declared(["CYX", "ZYX"])}
        return (Problem("files.maybe_channels", str(path), "warning", values),)
    return ()


def no_strips(path: Path, arrangement: Arrangement, shape: tuple[int, ...]) -> None:
    """Check that the channels are not many strips a few pixels wide, as where a writer took channels for columns.

    Raises:
        FileError: If it is; what one may declare is named.
    """
    many = 1 if arrangement.channel is None else shape[arrangement.channel]
    if many > _SIDE and min(shape[a] for a in arrangement.plane) <= _FEW:
        raise FileError("files.ambiguous_axes", path, shape=sizes(shape), choices=choices(shape))


def oriented(array: np.ndarray, orientation: int) -> np.ndarray:
    """Turn ``[..., Y, X]`` upright after the EXIF or TIFF orientation 1 to 8; a view."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(-1, -2)
    if orientation in (2, 3, 6, 7):
        array = array[..., ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[..., ::-1, :]
    return array


def turned(sizes_or_spacing: tuple, orientation: int) -> tuple:
    """Sizes or spacing ``(..., Y, X)`` after `oriented`."""
    *rest, y, x = sizes_or_spacing
    return (*rest, x, y) if orientation in (5, 6, 7, 8) else (*rest, y, x)


def microns(unit: str | None) -> float | None:
    """Micrometres in one of this unit; None where it is not a length."""
    name = (unit or "").replace("\\u00B5", "µ").strip().lower()
    return _MICRONS.get(name, _MICRONS.get(name.removesuffix("s")))


def checked_spacing(values: tuple[float, ...]) -> Spacing | None:
    """Micrometres, if each is a positive finite number."""
    floats = tuple(float(v) for v in values)
    return floats if floats and all(np.isfinite(v) and v > 0 for v in floats) else None


def not_print(spacing: Spacing | None) -> Spacing | None:
    """The spacing, unless it is a print resolution (72, 96, 300 … dots per inch), which is no pixel size."""
    if spacing and all(any(abs(25400 / v / dpi - 1) < 5e-3 for dpi in _PRINT_DPI) for v in spacing[-2:]):
        return None
    return spacing


def sizes(shape: tuple[int, ...]) -> str:
    """A shape for a sentence: 30 × 512 × 512."""
    return " × ".join(map(str, shape))

"""What a reader may hand out: real numbers, finite, in the machine's byte order, without hidden transparency."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lamelle.errors import FileError
from lamelle.io.common import affordable


def real_dtype(path: Path, dtype: np.dtype) -> np.dtype:
    """The dtype handed out for a stored one: native byte order, booleans as uint8.

    Raises:
        FileError: If it holds no real numbers (complex, text, records).
    """
    if dtype.kind not in "biuf" or dtype.names is not None:
        raise FileError("files.dtype", path, dtype=str(dtype))
    return np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("=")


def native(path: Path, array: np.ndarray) -> np.ndarray:
    """The array in the machine's byte order; a foreign order costs a copy in memory.

    Raises:
        FileError: If the copy would be too large (`planes` streams it instead), or the dtype is not real.
    """
    wanted = real_dtype(path, array.dtype)
    if array.dtype == wanted:
        return array
    if array.dtype.kind == "b":
        return array.view(wanted)
    affordable(path, array.nbytes)
    return array.astype(wanted)


def finite(path: Path, array: np.ndarray) -> None:
    """Check ``[C, (Z,) Y, X]`` plane by plane, so that a mapped file stays on disk.

    Raises:
        FileError: If a float is NaN or infinite; the first place, (z,) y, x, is named.
    """
    if array.dtype.kind != "f":
        return
    step = max(1, (16 << 20) // array[(0,) * (array.ndim - 1)].nbytes)
    for index in np.ndindex(array.shape[:-2]):
        for start in range(0, array.shape[-2], step):
            bad = ~np.isfinite(array[index][start : start + step])
            if bad.any():
                y, x = np.argwhere(bad)[0]
                place = (*index[1:], start + y, x)
                raise FileError("files.not_finite", path, place=", ".join(str(int(i)) for i in place))


def without_alpha(path: Path, array: np.ndarray, *, alpha: int, declare: str | None = None) -> np.ndarray:
    """Drop the channel ``alpha`` of ``[C, (Z,) Y, X]`` if it is opaque everywhere.

    Args:
        declare: What the user may declare if it is no alpha.

    Raises:
        FileError: If some pixel is transparent: its colour is then not what anyone saw.
    """
    full = np.iinfo(array.dtype).max if array.dtype.kind in "iu" else 1
    opaque = array[alpha] == full
    if not opaque.all():
        share = f"{100 * float(1 - opaque.mean()):.3g}"
        if declare is None:
            raise FileError("files.alpha", path, share=share)
        values = {"share": share, "channel": alpha + 1, "channels": len(array), "axes": declare}
        raise FileError("files.alpha_or_channel", path, **values)
    return np.delete(array, alpha, axis=0) if alpha < len(array) - 1 else array[:alpha]


def looked_up(array: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Colours uint8 [3, ...] of palette indices; palette [3, n].

    Raises:
        IndexError: If an index lies outside the palette.
    """
    return np.stack([channel[array] for channel in palette.astype(np.uint8)])


def shown_indices(array: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Indices of a palette as label values; of two greys the lighter is 1, however the palette numbers them.

    Args:
        palette: ``[3, n]``
    """
    two_greys = palette.shape[1] == 2 and (palette == palette[:1]).all()
    return 1 - array if two_greys and palette[0, 0] > palette[0, 1] else array


_INTEGERS = (np.uint8, np.uint16, np.int8, np.int16, np.uint32, np.int32)


def smallest(path: Path, values: np.ndarray) -> np.ndarray:
    """Whole numbers in the smallest type of at most 32 bits that holds them.

    Raises:
        FileError: If none does.
    """
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    for dtype in _INTEGERS:
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return values.astype(dtype, copy=False)
    raise FileError("files.cannot_store", path, what=f"{low} … {high}", rule="TIFF: -2147483648 … 4294967295")

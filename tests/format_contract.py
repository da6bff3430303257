"""What holds for every file format, whoever adds it: used by the tests of the table and of what is added to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lamelle.errors import FileError
from lamelle.io.common import ReadOptions
from lamelle.io.images import header, planes, read, read_labels, stored_header, window


def agree(path: Path, wanted: np.ndarray | None) -> None:
    """Header, pixels, planes, windows and labels of a file say the same.

    Args:
        wanted: What it holds as [C, (Z,) Y, X]; None where a decoder changes values.
    """
    head, image = header(path), read(path)
    streamed = np.stack(list(planes(path)), axis=1)
    streamed = streamed if image.array.ndim == 4 else streamed[:, 0]
    assert head.shape == image.array.shape == streamed.shape
    assert head.dtype == image.array.dtype == streamed.dtype
    assert (head.bits, head.spacing, head.problems) == (image.bits, image.spacing, image.problems)
    assert np.array_equal(image.array, streamed)
    assert wanted is None or np.array_equal(image.array, wanted)
    windows_agree(path, np.asarray(image.array))
    try:
        labels = read_labels(path).array
    except FileError:
        return
    head = stored_header(path, ReadOptions(labels=True))
    streamed = np.stack([plane[0] for plane in planes(path, labels=True)])
    assert head.shape[1:] == labels.shape
    assert np.array_equal(streamed.reshape(labels.shape), labels)


def windows_agree(path: Path, array: np.ndarray) -> None:
    """Windows are what lies there in the whole; one that leaves the image is an error of whoever asks."""
    sizes = array.shape[1:]
    for start in (tuple(0 for _ in sizes), tuple(n // 2 for n in sizes), tuple(n // 3 for n in sizes)):
        size = tuple(max(1, (n - s) // 2) for n, s in zip(sizes, start, strict=True))
        where = tuple(slice(s, s + n) for s, n in zip(start, size, strict=True))
        found = window(path, start, size)
        assert found.dtype == array.dtype
        assert np.array_equal(found, array[(slice(None), *where)])
    for axis in range(len(sizes)):
        beyond = tuple(n if a == axis else 0 for a, n in enumerate(sizes))
        with pytest.raises(ValueError, match="inside"):
            window(path, beyond, tuple(1 for _ in sizes))


def cut_off(path: Path) -> None:
    """A file that ends too early is refused, unless what is lost is none of its pixels (the last tags of a TIFF)."""
    data, whole = path.read_bytes(), np.array(read(path).array)
    refused = 0
    for length in (1, 8, 100, len(data) // 3, len(data) // 2, len(data) - 9, len(data) - 2, len(data) - 1):
        path.write_bytes(data[:length])
        for function in (lambda cut: read(cut).array, lambda cut: np.stack(list(planes(cut)), axis=1)):
            try:
                found = np.asarray(function(path)).reshape(whole.shape)
            except FileError:
                refused += 1
                continue
            assert np.array_equal(found, whole)
    assert refused >= 10
    path.write_bytes(data)

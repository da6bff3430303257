"""What every reader shares: the header, the limits, and how a decoder's exception becomes a sentence."""

from __future__ import annotations

import logging
import lzma
import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lamelle.errors import FileError, printable
from lamelle.types import Geometry, Problem, Spacing

MAX_BYTES = 2 << 30
"""Decoded bytes that one reading may hold in memory; beyond it a stack is streamed by ``planes``."""
BOMB_BYTES = 256 << 20
BOMB_RATIO = 500
"""A file that unfolds to more than ``BOMB_BYTES`` and more than ``BOMB_RATIO`` times its size is refused."""

DECODER_ERRORS = (
    OSError,  # Pillow's truncated files, short reads
    ValueError,  # numpy's shapes, tifffile.TiffFileError, json, unicode
    TypeError,
    AttributeError,
    LookupError,  # tags and codecs that are not there
    ArithmeticError,  # sizes of zero, overflow
    RuntimeError,  # imagecodecs.*Error, RecursionError, NotImplementedError
    SyntaxError,  # Pillow's broken chunks, xml.etree.ParseError
    EOFError,  # gzip
    MemoryError,  # a size in a broken header
    AssertionError,
    BufferError,
    struct.error,
    tokenize.TokenError,  # numpy.lib.format
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
)
"""What the decoders raise on broken files, as thousands of mutated files showed."""


class Lattice(NamedTuple):
    """Where the pixels of a file without directions lie: (Z,) Y, X."""

    start: Spacing
    """Of the first pixel."""
    step: Spacing
    """From one pixel to the next."""
    unit: str
    """``µm``; empty where the file gives numbers without a unit."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says about itself, before any pixel is decoded."""

    format: str
    shape: tuple[int, ...] = ()
    """``[C, (Z,) Y, X]`` as ``read`` returns it (alpha counted out); empty where ``keys`` leaves a choice."""
    dtype: np.dtype | None = None
    spacing: Spacing | None = None
    geometry: Geometry | None = field(default=None, kw_only=True)
    lattice: Lattice | None = field(default=None, kw_only=True)
    bits: int | None = None
    """Significant bits where fewer than the dtype holds."""
    keys: tuple[str, ...] = ()
    """Arrays inside an .npz file or a Zarr group."""
    problems: tuple[Problem, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of the decoded pixels."""
        return 0 if self.dtype is None else math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What of a file is meant, and as what; formats that know their own axes do not look at ``axes``."""

    key: str | None = None
    """Array inside an .npz file or a Zarr group."""
    labels: bool = False
    """Label values are meant: the indices of a palette, not its colours."""
    axes: str | None = None
    """What the user says the stored axes are, one letter each: ``YXC``; None = as the file says."""


@contextmanager
def decoding(path: Path, *families: type[Exception], private: bool = False) -> Iterator[None]:
    """Turn the exceptions of a decoder into one `FileError` that names the file and the reason.

    Args:
        families: Further exceptions of the decoder, beside ``DECODER_ERRORS``.
        private: The decoder's message may quote the file (a patient's name): tell its kind only.

    Raises:
        FileError: If the body raised one of the families.
    """
    try:
        yield
    except FileError:
        raise
    except (*DECODER_ERRORS, *families) as error:
        lines = [] if private else str(error).strip().splitlines()
        reason = printable(lines[0])[:200] if lines else type(error).__name__
        if "truncated" in reason.lower():
            raise FileError("files.truncated", path) from error
        raise FileError("files.cannot_decode", path, reason=reason) from (None if private else error)


def affordable(path: Path, nbytes: int, *, stored: int | None = None) -> None:
    """Refuse, before decoding, what would not fit in memory.

    Args:
        nbytes: Size of the decoded pixels.
        stored: Size of the packed pixels where it is not the file's.

    Raises:
        FileError: If the file is a decompression bomb or larger than ``MAX_BYTES``.
    """
    stored = path.stat().st_size if stored is None and path.is_file() else stored
    if stored is not None and nbytes > BOMB_BYTES and nbytes > BOMB_RATIO * max(stored, 1):
        raise FileError("files.bomb", path, stored=stored, size=mebibytes(nbytes))
    if nbytes > MAX_BYTES:
        raise FileError("files.too_large", path, size=mebibytes(nbytes), limit=mebibytes(MAX_BYTES))


def mebibytes(nbytes: int) -> str:
    """A size in MiB, for a sentence."""
    return f"{nbytes / 2**20:.0f}"


def listed(names: Iterable[str]) -> str:
    """Names out of a file, for a sentence."""
    return ", ".join(printable(name) for name in names)


def require(path: Path, package: str, extra: str) -> None:
    """Check that an optional decoder is installed.

    Raises:
        FileError: If it is not; the sentence names the extra.
    """
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise FileError("files.needs_extra", path, package=package, extra=extra)


def quiet(library: str) -> None:
    """Keep a decoder's remarks off the terminal: its warnings and its logger; ours replace them."""
    warnings.filterwarnings("ignore", module=rf"{library}(\.|$)")
    logging.getLogger(library).setLevel(logging.CRITICAL + 1)


def size_of(path: Path) -> int:
    """Bytes of a file."""
    return path.stat().st_size


def warning(code: str, path: Path, **values: object) -> Problem:
    """Something a reader of the file must be told."""
    return Problem(code, str(path), "warning", values)

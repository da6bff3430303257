"""What is known of a file format: one row, and the table that holds the rows.

Recognition, reading, storing in place, windows, conversion and what is said of files follow from the rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from lamelle.errors import FileError
from lamelle.io.common import Header, ReadOptions
from lamelle.io.output_form import Form
from lamelle.messages import text
from lamelle.registry import Registry
from lamelle.types import Grid, Image, Spacing

HEAD = 1024
"""Bytes at the beginning of a file by which its format is recognised."""
Cure = Literal["microscope", "slide", "picture", "arrays", "medical", "electron", "film", "archive"]
Promise = Callable[[str], str | None]
"""The format that the name of a file promises."""


def _always(form: Form) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Writer:
    """How a format is written."""

    to: str
    """Its name, as ``lamelle convert --to`` takes it."""
    suffixes: tuple[str, ...]
    """Ends of a name that mean one file of it; the first is proposed."""
    planes: Callable[[Path, Form, Iterable[np.ndarray], Path], None]
    """Writes planes [C, Y, X] as they come: the temporary file, the form, the planes, the path it will get."""
    holds: Callable[[Form], bool] = _always
    """Whether values, channels and axes would be read back as they are; the pixel size does not count."""
    array: Callable[[Path, np.ndarray, Spacing | None, Grid | None, bool], None] | None = None
    """Writes ``[C, (Z,) Y, X]`` that belongs to the pixels of a file, and whether it is labels; None = as planes."""
    folder: bool = False
    """An image is a folder, not a file."""
    slices: bool = False
    """Of a stack, a folder with a file for each slice may be written."""
    flat: bool = False
    """A file holds one plane."""
    sizes: Literal["kept", "rounded", "beside", "needed"] = "kept"
    """The pixel size: any, one that may be rounded away, one in a sidecar, or one that has to be known."""
    as_stored: bool = False
    """Voxels are put into the order of the file that they belong to."""


@dataclass(frozen=True, slots=True)
class Format:
    """One row: what is known of a file format. Its functions take a path, and what of the file is meant."""

    name: str
    label: str
    """As people write it."""
    suffixes: tuple[str, ...] = ()
    """Lower case; one of two parts (``.nii.gz``) goes before its last."""
    recognise: Callable[[bytes], bool] | None = None
    """By the first ``HEAD`` bytes of a file."""
    is_folder: Callable[[Path, Promise], bool] | None = None
    """Whether a folder is one image of this format."""
    zipped: bool = False
    """Files of it may lie in gzip as a whole."""
    unnamed: bool = False
    """Its names often say no format."""
    needs: str = ""
    """The package that reads it, where it is not always installed."""
    extra: str = ""
    """What installs that package: ``pip install lamelle[EXTRA]``."""
    header: Callable[[Path, ReadOptions], Header] | None = None
    read: Callable[[Path, ReadOptions], Image] | None = None
    """None where the format is known and not read: ``cure`` says what to do with such files."""
    planes: Callable[[Path, ReadOptions], Iterator[np.ndarray]] | None = None
    """Streams ``[C, Y, X]``; None where a file holds one plane only."""
    window: Callable[[Path, ReadOptions, Sequence[int], Sequence[int]], np.ndarray] | None = None
    """A part ``[C, (Z,) Y, X]`` by its first pixel and its size; None = cut from the planes."""
    volumes: bool = False
    """A file is taken for a volume unless its header says otherwise."""
    in_place: bool = False
    """Uncompressed pixels are mapped where they lie, so that the store keeps no copy."""
    labels: Literal["exact", "floats", "lossy"] = "exact"
    """Label values: whole numbers, also those that programs write as floats, or none, since edges are changed."""
    palette: bool = False
    """Values may be the indices of a palette."""
    colours: bool = False
    """Three channels are red, green and blue, to be shown together."""
    places: bool = False
    """A file may say where it lies in space."""
    answers: tuple[str, str] = (".tif", ".tif")
    """Suffix of the labels that are predicted for a plane, and for a volume."""
    write: Writer | None = None
    cure: Cure = "picture"
    """Of a format that is not read: ``files.cure_CURE`` and ``layouts.passed_CURE`` in the messages."""

    @property
    def may_be_stack(self) -> bool:
        """Whether only the header of a file tells if it is a plane or a stack."""
        return self.planes is not None and not self.volumes


class Formats(Registry[Format]):
    """The table of formats, with what follows from their suffixes. A format that is read comes before one that is not.

    Example:
        >>> table = Formats("format", Format("old", "Old", (".old",)), Format("nifti", "NIfTI", (".nii", ".nii.gz")))
        >>> table.suffix_of("A.NII.GZ"), table.suffix_of("a.b.png")
        ('.nii.gz', '.png')
    """

    def __init__(self, kind: str, *rows: Format) -> None:
        self._names: dict[str, str] = {}
        self._doubles: tuple[str, ...] = ()
        super().__init__(kind, *rows)

    def _add(self, row: Format) -> None:
        before = self._rows.get(row.name)
        if before is not None and before.read is None and row.read is not None:
            self._rows[row.name] = row
        else:
            super()._add(row)
        self._follow()

    @contextmanager
    def added(self, row: Format) -> Iterator[None]:
        """One row more until the end of the block, in the place of one of that name that is not read."""
        before = dict(self._rows)
        self._add(row)
        try:
            yield
        finally:
            self._rows = before
            self._follow()

    def _follow(self) -> None:
        rows = [*self.unread(), *self.readable()]
        self._names = {suffix: row.name for row in rows for suffix in row.suffixes}
        self._doubles = tuple(suffix for suffix in self._names if suffix.count(".") > 1)

    def readable(self) -> tuple[Format, ...]:
        """The formats that are read."""
        return tuple(row for row in self.values() if row.read is not None)

    def unread(self) -> tuple[Format, ...]:
        """The formats that are known and not read."""
        return tuple(row for row in self.values() if row.read is None)

    def writers(self) -> dict[str, Writer]:
        """What is written, by the names that ``--to`` takes."""
        return {row.write.to: row.write for row in self.values() if row.write is not None}

    def listing(self) -> dict[str, str]:
        """What each format is called by people, and its suffixes, by the names."""
        return {name: " ".join((row.label, *row.suffixes)) for name, row in self.items()}

    def of_suffix(self, suffix: str) -> Format | None:
        """The format that a suffix in lower case promises, read or not."""
        name = self._names.get(suffix)
        return None if name is None else self[name]

    def suffix_of(self, name: str) -> str:
        """The ending of a name, in lower case; of two parts where a format has such (``.nii.gz``)."""
        lower = name.lower()
        double = next((suffix for suffix in self._doubles if lower.endswith(suffix)), None)
        return double or os.path.splitext(lower)[1]


def starts(*marks: bytes) -> Callable[[bytes], bool]:
    """Whether a file begins with one of some marks.

    Example:
        >>> starts(b"GIF8")(b"GIF89a")
        True
    """
    return lambda head: head.startswith(marks)


def not_read(path: Path, label: str, cure: Cure) -> FileError:
    """The error for a file whose format is known and not read."""
    return FileError("files.unsupported", path, format=label, cure=text(f"files.cure_{cure}"))

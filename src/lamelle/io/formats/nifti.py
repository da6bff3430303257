"""NIfTI-1 and -2, plain or gzip; nibabel reads the header, the voxels are mapped or streamed."""

from __future__ import annotations

import gzip
import math
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from lamelle.errors import FileError
from lamelle.io.atomic import writing
from lamelle.io.axes import checked_spacing, sizes
from lamelle.io.common import Header, ReadOptions, affordable, decoding, quiet, size_of, warning
from lamelle.io.format import Format, Writer
from lamelle.io.geometry import Turn, apart, directions, located, own_turn, spacing_of
from lamelle.io.nifti_stream import TYPES, stored_head, write_nifti, write_on_grid
from lamelle.io.output_form import Form
from lamelle.io.pixels import native, real_dtype
from lamelle.types import Geometry, Grid, Image, Problem, Spacing

_PART = 64 << 20
"""Bytes that are unzipped at a time."""
_SCANNED = (1, 2)
"""Codes of an affine into the space of the scanner or of another image of it; others lead into that of an atlas."""
_OTHER = 0.5
"""Voxels from which two affines are two places."""
_RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])


@dataclass(frozen=True, slots=True)
class _VoxelHeader:
    """The header: sizes in the file's order, fastest first."""

    zipped: bool
    size: tuple[int, ...]
    """X, Y, (Z,) channels."""
    dtype: np.dtype
    offset: int
    slope: float
    intercept: float
    zooms: Spacing | None
    """µm, of the stored (z,) y, x."""
    geometry: Geometry | None
    problems: tuple[Problem, ...]

    @property
    def stored(self) -> tuple[int, ...]:
        """``[C, (Z,) Y, X]`` in the file's order."""
        return self.size[::-1]

    @property
    def dims(self) -> int:
        return len(self.size) - 1

    @property
    def turn(self) -> Turn:
        return own_turn(self.geometry)

    @property
    def shape(self) -> tuple[int, ...]:
        """``[C, (Z,) Y, X]`` as handed out."""
        return (self.stored[0], *self.turn.sizes(self.stored[1:]))

    @property
    def spacing(self) -> Spacing | None:
        """µm, as handed out; the affine goes before the sizes that stand beside it."""
        stored = self.zooms if self.geometry is None else spacing_of(self.geometry)[-self.dims :]
        return stored and self.turn.sizes(stored)

    @property
    def nbytes(self) -> int:
        return math.prod(self.size) * self.dtype.itemsize

    @property
    def scaled(self) -> bool:
        return (self.slope, self.intercept) != (1.0, 0.0)

    def values(self, path: Path, stored: np.ndarray) -> np.ndarray:
        if not self.scaled:
            return native(path, stored)
        affordable(path, 4 * stored.size)
        return (stored.astype(np.float64) * self.slope + self.intercept).astype(np.float32)


def header(path: Path, wanted: ReadOptions) -> Header:
    """Header of a NIfTI file; axes become Z, Y, X, turned as its affine says (`lamelle.io.geometry`)."""
    volume = _volume(path)
    dtype = np.dtype(np.float32) if volume.scaled else real_dtype(path, volume.dtype)
    about = {"geometry": volume.geometry, "problems": volume.problems}
    return Header("nifti", volume.shape, dtype, volume.spacing, **about)


def read(path: Path, wanted: ReadOptions) -> Image:
    """Voxels of a NIfTI file, mapped where it is not zipped; a slope or intercept makes them float32."""
    volume = _volume(path)
    if volume.zipped:
        affordable(path, volume.nbytes)
        with _voxels(path, volume) as file:
            stored = np.frombuffer(_exactly(path, file, volume.nbytes), volume.dtype).reshape(volume.stored)
    else:
        if volume.offset + volume.nbytes > size_of(path):
            raise FileError("files.truncated", path)
        stored = np.memmap(path, volume.dtype, "r", volume.offset, volume.stored)
    array = volume.turn.apply(volume.values(path, stored), dims=volume.dims)
    return Image(array, volume.spacing, geometry=volume.geometry, problems=volume.problems)


def planes(path: Path, wanted: ReadOptions) -> Iterator[np.ndarray]:
    """Planes [C, Y, X] along Z, unzipped one at a time; what is stored in another order, to the disk first."""
    volume = _volume(path)
    if not volume.zipped or volume.dims == 2:
        array = read(path, wanted).array
        yield from (array[:, z] for z in range(array.shape[1])) if array.ndim == 4 else [array]
        return
    if volume.stored[0] > 1 or not volume.turn.streams:
        with _voxels(path, volume) as file, tempfile.TemporaryFile() as unzipped:
            for start in range(0, volume.nbytes, _PART):
                unzipped.write(_exactly(path, file, min(_PART, volume.nbytes - start)))
            unzipped.flush()
            stored = volume.turn.apply(np.memmap(unzipped, volume.dtype, "r", shape=volume.stored), dims=3)
            yield from (volume.values(path, np.array(stored[:, z])) for z in range(stored.shape[1]))
        return
    _, depth, height, width = volume.stored
    size = height * width * volume.dtype.itemsize
    affordable(path, size)
    with _voxels(path, volume) as file:
        for _ in range(depth):
            stored = np.frombuffer(_exactly(path, file, size), volume.dtype).reshape(1, height, width)
            yield volume.turn.apply(volume.values(path, stored), dims=2)


def _volume(path: Path) -> _VoxelHeader:
    quiet("nibabel")
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    with decoding(path, HeaderDataError, ImageFileError):
        return _parsed(path)


def _parsed(path: Path) -> _VoxelHeader:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    head = stored_head(path, zipped)
    slope, intercept = head.get_slope_inter()
    dtype = head.get_data_dtype()
    size = _sizes(path, tuple(int(n) for n in head.get_data_shape()), rgb=dtype == _RGB)
    if dtype == _RGB:
        raise FileError("files.dtype", path, dtype="RGB24")
    real_dtype(path, dtype)
    zooms = [float(z) * 1e3 * _unit(head) for z in head.get_zooms()[: len(size) - 1]]
    spacing = checked_spacing(tuple(reversed(zooms))) if len(zooms) == len(size) - 1 else None
    offset = int(head.get_data_offset())
    geometry, problems = _geometry(path, head, size[:-1])
    return _VoxelHeader(zipped, size, dtype, offset, slope or 1.0, intercept or 0.0, spacing, geometry, problems)


def _unit(head: Any) -> float:
    """Millimetres in the header's unit of length; where it names none, they are millimetres."""
    return {"meter": 1e3, "micron": 1e-3}.get(str(head.get_xyzt_units()[0]), 1.0)


def _geometry(path: Path, head: Any, size: tuple[int, ...]) -> tuple[Geometry | None, tuple[Problem, ...]]:
    """Where the voxels lie: by the sform if it has a code, else by the qform, as nibabel does; else None."""
    from nibabel.spatialimages import HeaderDataError

    geometries: dict[str, Geometry | None] = {}
    for name in ("sform", "qform"):
        if head[f"{name}_code"] <= 0:
            continue
        try:
            affine = np.array(head.get_sform() if name == "sform" else head.get_qform(), np.float64)
        except (ValueError, HeaderDataError):  # a quaternion that is none, sizes below zero
            affine = np.zeros((4, 4))
        affine[:3] *= _unit(head)
        geometries[name] = located(affine, size)
    if not geometries:
        return None, ()
    name, geometry = next(iter(geometries.items()))
    if geometry is None:
        return None, (warning("files.affine_broken", path, form=name),)
    other = geometries.get("qform") if name == "sform" else None
    if other is not None and int(head["sform_code"]) in _SCANNED and int(head["qform_code"]) in _SCANNED:
        far, voxels = apart(geometry, other)
        if voxels >= _OTHER or directions(geometry) != directions(other):
            return geometry, (warning("files.two_affines", path, distance=f"{far:.3g}"),)
    return geometry, ()


def _sizes(path: Path, shape: tuple[int, ...], *, rgb: bool) -> tuple[int, ...]:
    """X, Y, (Z,) C of X, Y, Z, time, vector ...

    Raises:
        FileError: If it is a time series, or has fewer than two axes.
    """
    if len(shape) < 2 or min(shape) < 1:
        raise FileError("files.nifti_axes", path, shape=sizes(shape), axes="XYZT"[: len(shape)])
    if len(shape) > 3 and shape[3] > 1:
        raise FileError("files.time_points", path, length=shape[3])
    if any(n > 1 for n in shape[5:]):
        raise FileError("files.nifti_axes", path, shape=sizes(shape), axes="XYZTV?"[: len(shape)])
    return (*shape[:3], shape[4] if len(shape) > 4 else 1)


@contextmanager
def _voxels(path: Path, volume: _VoxelHeader) -> Iterator[IO[bytes]]:
    with gzip.open(path) as file:
        file.seek(volume.offset)
        yield file  # type: ignore[misc]


def _exactly(path: Path, file: IO[bytes], size: int) -> bytearray:
    buffer = bytearray()
    while len(buffer) < size:
        chunk = file.read(min(size - len(buffer), 1 << 20))
        if not chunk:
            raise FileError("files.truncated", path)
        buffer += chunk
    return buffer


def _recognised(head: bytes) -> bool:
    first = (head[344:348], head[:4]) if len(head) >= 348 else (b"", b"")
    one = first[0] in (b"n+1\0", b"ni1\0") and first[1] in (b"\x5c\x01\0\0", b"\0\0\x01\x5c")
    return one or head[4:8] in (b"n+2\0", b"ni2\0")


def _write(path: Path, form: Form, planes: Iterable[np.ndarray], out: Path) -> None:
    write_nifti(path, form, planes, geometry=form.geometry, zipped=out.suffix.lower() == ".gz")


def _write_array(path: Path, array: np.ndarray, spacing: Spacing | None, grid: Grid | None, labels: bool) -> None:
    top = max(1.0, float(array.max(initial=0)))
    array = array.astype(np.float32) if array.dtype == np.float16 else array
    with writing(path) as temporary:
        write_on_grid(temporary, array, grid or Grid(path, "", spacing), top=top)


FORMAT = Format(
    "nifti",
    "NIfTI",
    (".nii", ".nii.gz"),
    recognise=_recognised,
    zipped=True,
    needs="nibabel",
    extra="medical",
    header=header,
    read=read,
    planes=planes,
    volumes=True,
    in_place=True,
    labels="floats",
    places=True,
    answers=(".nii.gz", ".nii.gz"),
    write=Writer(
        "nii",
        (".nii.gz", ".nii"),
        _write,
        lambda form: form.dtype.name in TYPES,
        _write_array,
        sizes="needed",
        as_stored=True,
    ),
)

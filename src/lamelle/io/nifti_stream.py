"""NIfTI: planes as they come, in the orientation in which volumes are handed out; or an array on the grid of a file."""

from __future__ import annotations

import gzip
import math
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

import numpy as np

from lamelle.errors import FileError
from lamelle.io.format import not_read
from lamelle.io.geometry import own_turn
from lamelle.io.output_form import Form
from lamelle.types import Geometry, Grid, Spacing

TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")


def write_nifti(
    path: Path, form: Form, planes: Iterable[np.ndarray], *, geometry: Geometry | None, zipped: bool
) -> None:
    """Write planes [C, Y, X] as one NIfTI-1; channels are the fifth axis.

    Args:
        geometry: Of the file that the planes were read from; what is written lies in the same place, stored as it is
            handed out: X to the left, Y to the back, Z to the head.
        zipped: With gzip.

    Raises:
        ValueError: If NIfTI knows no such type, or the size of a voxel is not said.

    Example:
        >>> import tempfile
        >>> from lamelle.io.images import header
        >>> form = Form((1, 5, 8, 9), np.dtype(np.uint16), (2000.0, 500.0, 500.0))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     stream = (np.full((1, 8, 9), z, np.uint16) for z in range(5))
        ...     write_nifti(Path(folder, "a.nii"), form, stream, geometry=None, zipped=False)
        ...     header(Path(folder, "a.nii")).spacing
        (2000.0, 500.0, 500.0)
    """
    if form.spacing is None or form.dtype.name not in TYPES:
        raise ValueError(f"no NIfTI of {form.dtype}, {form.spacing}")
    head = _head(form, form.spacing, geometry)
    with path.open("wb") as out:
        if not zipped:
            _write(out, head, form, planes)
            return
        with tempfile.TemporaryFile() as raw, gzip.GzipFile("", "wb", 3, out, mtime=0) as packed:
            _write(raw, head, form, planes)
            raw.seek(0)
            shutil.copyfileobj(raw, packed, 1 << 20)


def _head(form: Form, spacing: Spacing, geometry: Geometry | None) -> bytes:
    from nibabel.nifti1 import Nifti1Header

    head = Nifti1Header(endianness="<")
    size = form.shape[:0:-1]
    head.set_data_shape(size if form.shape[0] == 1 else (*size, *(1,) * (4 - len(size)), form.shape[0]))
    head.set_data_dtype(form.dtype)
    head.set_xyzt_units("mm")
    head["pixdim"][1 : 1 + len(spacing)] = [v / 1e3 for v in reversed(spacing)]
    if geometry is not None:
        affine = handed_out(geometry)
        for axis, length in enumerate(reversed(spacing)):
            affine[:3, axis] *= length / 1e3 / np.linalg.norm(affine[:3, axis])
        head.set_qform(affine, 1, strip_shears=True)
        head.set_sform(affine, 1)
    head["vox_offset"] = head.sizeof_hdr + 4
    return head.binaryblock + bytes(4)


def handed_out(geometry: Geometry) -> np.ndarray:
    """The affine [4, 4] of voxels (X, Y, Z) as they are handed out.

    Example:
        >>> from lamelle.io.geometry import located
        >>> handed_out(located(np.diag([0.5, 0.5, 2.0, 1.0]), (40, 30, 8))).tolist()[0]
        [-0.5, 0.0, 0.0, 19.5]
    """
    turn, stored = own_turn(geometry), np.array(geometry.affine)
    corner = np.array(turn.stored((0, 0, 0), geometry.size))
    made = np.eye(4)
    for axis, place in enumerate(((0, 0, 1), (0, 1, 0), (1, 0, 0))):
        made[:3, axis] = stored[:3, :3] @ (np.array(turn.stored(place, geometry.size)) - corner)
    made[:3, 3] = stored[:3, :3] @ corner + stored[:3, 3]
    return made


def _write(file: IO[bytes], head: bytes, form: Form, planes: Iterable[np.ndarray]) -> None:
    """The channels one after the other, each in its planes."""
    size = math.prod(form.shape[-2:]) * form.dtype.itemsize
    file.write(head)
    for z, plane in enumerate(planes):
        for c, channel in enumerate(plane):
            file.seek(len(head) + (c * form.depth + z) * size)
            file.write(np.ascontiguousarray(channel, channel.dtype.newbyteorder("<")).data)


def write_on_grid(path: Path, array: np.ndarray, grid: Grid, *, top: float) -> None:
    """Write [C, (Z,) Y, X], as handed out, as NIfTI on the grid of a file: as it is stored there, in the same place.

    Of a NIfTI file the form, the affines with their codes and the sizes of voxels are kept; what else its header says
    (it may name a patient) is not. Channels are the fifth axis.

    Args:
        path: Written gzipped if it ends in ``.gz``.
        top: Value that a viewer shows as white.

    Raises:
        FileError: If the header of the file cannot be read.
    """
    dims = array.ndim - 1
    turn = own_turn(grid.geometry)
    stored = turn.undo(array, dims=dims)
    head = _placed(grid)
    if grid.geometry is not None:
        depth, *plane = (1,) * (3 - dims) + array.shape[1:]
        ends = [(grid.start, 0, 0), (grid.start + depth - 1, plane[0] - 1, plane[1] - 1)]
        _move(head, np.min([turn.stored(end, grid.geometry.size) for end in ends], axis=0))
    size = stored.shape[:0:-1]
    head.set_data_shape(size if len(array) == 1 else (*size, *(1,) * (4 - dims), len(array)))
    head.set_data_dtype(array.dtype)
    head["cal_max"], head["vox_offset"] = top, head.sizeof_hdr + 4
    head["scl_slope"], head["scl_inter"] = 1, 0
    with path.open("wb") as raw:
        zipped = gzip.GzipFile("", "wb", 3, raw, mtime=0) if path.suffix == ".gz" else nullcontext(raw)
        with zipped as file:
            file.write(head.binaryblock + bytes(4))
            for channel in stored:
                for plane in channel if dims == 3 else [channel]:
                    file.write(np.ascontiguousarray(plane, array.dtype.newbyteorder("<")).data)


_PLACE = ("pixdim", "xyzt_units", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x")
_PLACE += ("qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z")


def _placed(grid: Grid) -> Any:
    """A new header that says of the grid's place what its file says."""
    from nibabel.nifti1 import Nifti1Header

    if grid.format != "nifti":
        head = Nifti1Header(endianness="<")
        head.set_xyzt_units("mm")
        if grid.geometry is not None:
            head.set_data_shape(grid.geometry.size)
            head.set_qform(np.array(grid.geometry.affine), 1, strip_shears=True)
            head.set_sform(np.array(grid.geometry.affine), 1)
        elif grid.spacing is not None:
            head["pixdim"][1 : 1 + len(grid.spacing)] = [v / 1e3 for v in reversed(grid.spacing)]
        return head
    with grid.path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    before = stored_head(grid.path, zipped)
    head = type(before)(endianness="<")
    for name in _PLACE:
        head[name] = before[name]
    head["pixdim"][4:] = 1
    return head


def _move(head: Any, low: np.ndarray) -> None:
    """Let the affines begin at the stored voxel (x, y, z) ``low``."""
    if not low.any():
        return
    if head["sform_code"] > 0:
        start = head.get_sform() @ (*low, 1)
        for name, value in zip(("srow_x", "srow_y", "srow_z"), start, strict=False):
            head[name][3] = value
    if head["qform_code"] > 0:
        start = head.get_qform() @ (*low, 1)
        for name, value in zip(("qoffset_x", "qoffset_y", "qoffset_z"), start, strict=False):
            head[name] = value


def stored_head(path: Path, zipped: bool) -> Any:
    """The header, NIfTI-1 or -2, as it stands in the file.

    Raises:
        FileError: If it is cut off, or is one of two files.
    """
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    with gzip.open(path) if zipped else path.open("rb") as file:
        block = file.read(Nifti2Header.template_dtype.itemsize)
    kind = Nifti2Header if block[4:7] in (b"n+2", b"ni2") else Nifti1Header
    if len(block) < kind.template_dtype.itemsize:
        raise FileError("files.truncated", path)
    head = kind(block[: kind.template_dtype.itemsize], check=False)
    if bytes(head["magic"].tobytes()[:2]) == b"ni":
        raise not_read(path, "NIfTI .hdr/.img", "medical")
    return head

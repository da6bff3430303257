"""Planes → one NIfTI, written as they come, in the orientation in which volumes are handed out."""

from __future__ import annotations

import gzip
import math
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np

from lamelle.io.geometry import own_turn
from lamelle.io.streams import Form
from lamelle.types import Geometry, Spacing

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
        >>> from lamelle.io.readers import header
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

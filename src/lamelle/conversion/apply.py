"""Convert: read planes, write planes, read back, compare, and only then give the result its name."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lamelle.conversion.pixels import Digest, counted
from lamelle.conversion.source import InputStack, open_stack
from lamelle.conversion.target import check_free, check_holds, target_of
from lamelle.errors import FileError, RequestError
from lamelle.io import atomic, sidecar
from lamelle.io.axes import checked_spacing, sizes
from lamelle.io.format import Writer
from lamelle.io.output_form import Form
from lamelle.io.sidecar import Sidecar
from lamelle.types import Problem, Spacing

_SPACING_TOLERANCE = 1e-6
"""Relative; TIFF and PNG keep the pixel size as a ratio of integers."""


@dataclass(frozen=True, slots=True)
class Converted:
    """What was written."""

    path: Path
    shape: tuple[int, ...]
    """``[C, (Z,) Y, X]``"""
    dtype: str
    spacing: Spacing | None
    """µm, (Z,) Y, X."""
    sha256: str
    """Of the pixels before and after, slice by slice: for one channel that of the array [Z, Y, X]."""
    files: int
    """Number of files with pixels; of a Zarr folder 1."""
    problems: tuple[Problem, ...] = ()


def convert_stack(
    source: Path,
    out: Path,
    *,
    to: str | None,
    key: str | None,
    axes: str | None,
    spacing: Sequence[float] | None,
    labels: bool,
) -> Converted:
    """Write an image, a stack or a folder of slices in another format; slice by slice, so that its size is no limit.

    Args:
        to: A name of ``FORMATS.writers()`` (``tif``, ``png``); None = as the suffix of ``out`` says.
        key: Array inside an .npz file or a Zarr group.
        axes: What the user says the stored axes of the source are.
        spacing: µm, (Z,) Y, X, instead of what the file says.
        labels: Values are labels: a palette gives its indices.

    Raises:
        RequestError: If the format cannot hold the pixels, or ``out`` exists; nothing was written.
        DataError: If the images of a folder do not make one stack.
        FileError: If a file cannot be read or written, or reads back differently; nothing is left of it.
    """
    target = target_of(out, to)
    check_free(out, target)
    stack = open_stack(source, key=key, axes=axes, labels=labels)
    if spacing is not None:
        stack = replace(stack, form=replace(stack.form, spacing=_given(spacing, stack.form)))
    check_holds(out, target, stack.form)
    digest = Digest()
    planes = counted(source, stack.planes(), digest, shape=stack.form.shape, dtype=stack.form.dtype)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError("files.cannot_write", out, reason=error.strerror or str(error), written=0) from error
    more: list[Problem] = []
    if target.series:
        _series(out, target.writer, stack, planes, digest)
    elif target.writer.sizes == "beside":
        _with_sidecar(out, target.writer, stack, planes, digest)
    else:
        more = _single(out, target.writer, stack, planes, digest)
    if stack.sidecar is not None and not labels and stack.sidecar.sha256 != digest.hex:
        more.append(Problem("convert.changed", str(source), "warning"))
    count = stack.form.depth if target.series else 1
    form = stack.form
    return Converted(out, form.shape, form.dtype.name, form.spacing, digest.hex, count, (*stack.problems, *more))


def _given(spacing: Sequence[float], form: Form) -> Spacing:
    axes = "ZYX"[-(len(form.shape) - 1) :]
    values = checked_spacing(tuple(spacing))
    if values is None or len(values) != len(axes):
        raise RequestError("convert.spacing", given=",".join(map(str, spacing)), axes=",".join(axes))
    return values


def _single(
    out: Path, writer: Writer, stack: InputStack, planes: Iterator[np.ndarray], digest: Digest
) -> list[Problem]:
    """One file or folder; where the pixel size had to be rounded away, that is said."""
    form = replace(stack.form, name=stack.name, geometry=stack.geometry)
    rounded = writer.sizes == "rounded"
    with (atomic.writing_folder if writer.folder else atomic.writing)(out) as temporary:
        writer.planes(temporary, form, planes, out)
        read = _verify(temporary, replace(form, spacing=None) if rounded else form, planes, digest, out)
    if not rounded or _same(read, form.spacing):
        return []
    values = {"spacing": _sizes(form.spacing), "format": writer.to.upper(), "to": writer.to}
    return [Problem("convert.spacing_lost", str(out), "warning", values)]


def _with_sidecar(out: Path, writer: Writer, stack: InputStack, planes: Iterator[np.ndarray], digest: Digest) -> None:
    """The array, and beside it what it cannot say; the array gets its name last."""
    beside = sidecar.beside(out)
    try:
        with atomic.writing(out) as temporary:
            writer.planes(temporary, stack.form, planes, out)
            _verify(temporary, replace(stack.form, spacing=None), planes, digest, out)
            sidecar.write(beside, _sidecar(stack, digest, ()))
            written = sidecar.read(beside)
            spacing = written.spacing if written else None
            if not _same(spacing, stack.form.spacing):
                raise FileError(
                    "convert.spacing_differs", out, wanted=_sizes(stack.form.spacing), found=_sizes(spacing)
                )
    except BaseException:
        beside.unlink(missing_ok=True)  # `check_free` has seen that there was none
        raise


def _series(out: Path, writer: Writer, stack: InputStack, planes: Iterator[np.ndarray], digest: Digest) -> None:
    """A folder of slices with names that sort, and a sidecar."""
    names = [f"{stem}{writer.suffixes[0]}" for stem in slice_stems(stack.name, stack.stems, stack.form.depth)]
    channels, *_, height, width = stack.form.shape
    flat = replace(stack.form, shape=(channels, height, width), spacing=stack.form.spacing and stack.form.spacing[-2:])
    with atomic.writing_folder(out) as temporary:
        for name, plane in zip(names, planes, strict=True):
            writer.planes(temporary / name, flat, [plane], Path(name))
        sidecar.write(sidecar.beside(temporary), _sidecar(stack, digest, names))
        _verify(temporary, stack.form, planes, digest, out)


def slice_stems(name: str, stems: Sequence[str], depth: int) -> list[str]:
    """Stems of the slices: those they have if these sort as text, otherwise the name and a number of equal width.

    Example:
        >>> slice_stems("em", (), 11)[::5]
        ['em_00', 'em_05', 'em_10']
        >>> slice_stems("em", ("s2", "s10"), 2), slice_stems("em", ("s02", "s10"), 2)
        (['em_0', 'em_1'], ['s02', 's10'])
    """
    if stems and list(stems) == sorted(stems):
        return list(stems)
    if depth == 1:
        return [name]
    width = len(str(depth - 1))
    return [f"{name}_{z:0{width}d}" for z in range(depth)]


def _sidecar(stack: InputStack, digest: Digest, files: Sequence[str]) -> Sidecar:
    form = stack.form
    axes = "CZYX" if len(form.shape) == 4 else "CYX"
    source = stack.path.resolve().name
    return Sidecar(stack.name, source, axes, form.shape, form.dtype.name, form.spacing, digest.hex, tuple(files))


def _verify(written: Path, form: Form, planes: Iterator[np.ndarray], digest: Digest, out: Path) -> Spacing | None:
    """Read back what was written, and compare the shape, the type, the hash of the pixels and the spacing.

    Args:
        form: What it must be; without a spacing, that is not compared.
        planes: What was written from: must be at its end.

    Returns:
        The spacing as read.

    Raises:
        FileError: If anything differs.
    """
    deque(planes, maxlen=0)
    again, written_sums = open_stack(written, key=None, axes=None, labels=False), Digest()
    if (again.form.shape, again.form.dtype) != (form.shape, form.dtype):
        values = {
            "found": f"{again.form.dtype} {sizes(again.form.shape)}",
            "wanted": f"{form.dtype} {sizes(form.shape)}",
        }
        raise FileError("convert.differs", out, **values)
    deque(counted(written, again.planes(), written_sums, shape=form.shape, dtype=form.dtype), maxlen=0)
    if written_sums.hex != digest.hex:
        raise FileError(
            "convert.differs", out, found=f"SHA-256 {written_sums.hex[:12]}…", wanted=f"SHA-256 {digest.hex[:12]}…"
        )
    if form.spacing is not None and not _same(again.form.spacing, form.spacing):
        raise FileError("convert.spacing_differs", out, wanted=_sizes(form.spacing), found=_sizes(again.form.spacing))
    return again.form.spacing


def _same(one: Spacing | None, other: Spacing | None) -> bool:
    if one is None or other is None:
        return one is other
    return len(one) == len(other) and bool(np.allclose(one, other, rtol=_SPACING_TOLERANCE, atol=0))


def _sizes(spacing: Spacing | None) -> str:
    return " × ".join(f"{v:g}" for v in spacing) if spacing else "–"

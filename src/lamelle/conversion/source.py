"""What is converted: one file, one Zarr folder, or a folder of slices, opened as a stream of planes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lamelle.data.layouts.listing import FileEntry, list_inside
from lamelle.errors import DataError, FileError, RequestError
from lamelle.io import sidecar
from lamelle.io.axes import sizes
from lamelle.io.common import Header, ReadOptions, listed
from lamelle.io.images import format_called, format_of, header, planes, read_labels, stored_header
from lamelle.io.output_form import Form
from lamelle.io.paths import regular
from lamelle.io.sidecar import Sidecar
from lamelle.types import Geometry, Problem, Spacing

_LOSES = ("files.several_images", "files.animated")
"""What a reader passes over with a warning, and a conversion must not."""
_NUMBER = re.compile(r"([0-9]+)(?=[^0-9]*$)")
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class InputStack:
    """An opened source: what it is, and its planes."""

    path: Path
    form: Form
    planes: Callable[[], Iterator[np.ndarray]]
    """Starts a stream of ``[C, Y, X]``."""
    name: str
    """Stem for the names of slices."""
    stems: tuple[str, ...] = ()
    """Stems of the slices of a folder, in order."""
    sidecar: Sidecar | None = None
    problems: tuple[Problem, ...] = ()
    geometry: Geometry | None = None
    """Where the voxels of the source lie, as it stores them."""


def open_stack(path: Path, *, key: str | None, axes: str | None, labels: bool) -> InputStack:
    """Open a file, a Zarr folder or a folder of slices; no pixel is decoded yet, except for labels in one file.

    Args:
        key: Array inside an .npz file or a Zarr group.
        axes: What the user says the stored axes are.
        labels: Values are labels: the indices of a palette, not its colours; stored values, not brightness.

    Raises:
        FileError: If a file cannot be read, or only a part of it would be.
        DataError: If the images of a folder do not make one stack; all are named.
        RequestError: If there is no image, or several arrays.
    """
    if not regular(path) and not _is_one(path):
        return _folder(path, labels=labels)
    head = _label_header(path, ReadOptions(key)) if labels else header(path, key=key, axes=axes)
    if not head.shape:
        raise RequestError("convert.which_array", path=path, keys=listed(head.keys))
    for problem in head.problems:
        if problem.code in _LOSES:
            raise FileError(problem.code, path, **problem.values)
    stem = FileEntry("", path.resolve().name).stem
    form = _form(head)

    def stream() -> Iterator[np.ndarray]:
        for plane in planes(path, key=key, axes=axes):
            yield plane[:, 0] if plane.ndim == 4 else plane  # of a file that holds one slice

    stack = InputStack(
        path, form, stream, stem, problems=_warned(path, ReadOptions(key, labels, axes), head), geometry=head.geometry
    )
    about = sidecar.read(sidecar.beside(path)) if _has_sidecar(head) else None
    if about is not None:
        _matches(path, about, stack.form)
        stack = replace(stack, form=replace(stack.form, spacing=about.spacing), name=about.name, sidecar=about)
    return _as_labels(stack, key) if labels else stack


def _has_sidecar(head: Header) -> bool:
    writer = format_called(head.format).write
    return writer is not None and writer.sizes == "beside"


def _as_labels(stack: InputStack, key: str | None) -> InputStack:
    array = read_labels(stack.path, key=key).array[None]
    if array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    form = Form(array.shape, array.dtype, stack.form.spacing)
    return replace(stack, form=form, planes=lambda: iter(array.swapaxes(0, 1) if array.ndim == 4 else array[None]))


def _is_one(path: Path) -> bool:
    """Whether a folder is read as one, and not slice by slice: a Zarr, or a DICOM series."""
    try:
        return format_of(path).name != "series"
    except FileError:
        return False


def _label_header(path: Path, wanted: ReadOptions) -> Header:
    return stored_header(path, replace(wanted, labels=True))


def _form(head: Header) -> Form:
    """One slice is an image: no format but NIfTI tells the two apart."""
    shape, spacing = head.shape, head.spacing
    if len(shape) == 4 and shape[1] == 1:
        shape, spacing = (shape[0], *shape[2:]), spacing and spacing[1:]
    return Form(shape, head.dtype or np.dtype(np.uint8), spacing, format_called(head.format).colours and shape[0] == 3)


def _warned(path: Path, wanted: ReadOptions, head: Header) -> tuple[Problem, ...]:
    """The reader's warnings, and what will not be in the copy."""
    problems = list(head.problems)
    coloured = not wanted.labels and format_called(head.format).palette
    if coloured and _label_header(path, wanted).shape[0] != head.shape[0]:
        problems.append(Problem("convert.palette", str(path), "warning"))
    others = head.keys if len(head.keys) > 1 else [k for k in head.keys if k.startswith("labels/")]
    if wanted.key is None and others:
        problems.append(Problem("convert.left_out", str(path), "warning", {"keys": listed(others)}))
    return tuple(problems)


def _matches(path: Path, about: Sidecar, form: Form) -> None:
    """Check that a sidecar speaks of these pixels."""
    claimed = (about.shape, about.dtype)
    if claimed != (form.shape, form.dtype.name):
        measured = f"{form.dtype} {sizes(form.shape)}"
        claim = f"{about.dtype} {sizes(about.shape)}"
        raise FileError("convert.sidecar_other", sidecar.beside(path), claimed=claim, found=measured)


def _folder(path: Path, *, labels: bool) -> InputStack:
    about = sidecar.read(sidecar.beside(path))
    listing = list_inside(path)
    entries = listing.images_in("")
    if not entries:
        inside = _some([f for f in listing.subfolders("") if listing.images_below(f)])
        raise RequestError("convert.no_images", path=path, folders=inside)
    names = _in_order(path, [entry.name for entry in entries], about)
    heads, problems = _heads(path, names, labels=labels)
    problems += _twice(names)
    if wrong := [p for p in problems if p.severity == "error"]:
        raise DataError(wrong)
    form, more = _stacked(path, heads, labels=labels)
    if about is not None and about.files:
        _matches(path, about, form)
        form, more = replace(form, spacing=about.spacing), []
    else:
        more += _gaps(path, names)
    stems = tuple(FileEntry("", name).stem for name in names)
    name = about.name if about else path.resolve().name

    def stream() -> Iterator[np.ndarray]:
        for one in names:
            if labels:
                yield read_labels(path / one).array[None]
            else:
                yield from planes(path / one)

    return InputStack(path, form, stream, name, stems, about, (*problems, *more))


def _in_order(path: Path, names: list[str], about: Sidecar | None) -> list[str]:
    """Names in the order of the sidecar, which must name them all, or in natural order."""
    if about is None or not about.files:
        return names
    missing, extra = [n for n in about.files if n not in names], [n for n in names if n not in about.files]
    if missing or extra:
        values = {"missing": _some(missing), "extra": _some(extra)}
        raise FileError("convert.series_changed", sidecar.beside(path), **values)
    return list(about.files)


def _heads(path: Path, names: Sequence[str], *, labels: bool) -> tuple[list[Header], list[Problem]]:
    """Headers of the slices, and every problem: unreadable, a stack itself, another size than most."""
    heads: list[tuple[str, Header]] = []
    problems: list[Problem] = []
    for name in names:
        try:
            head = _label_header(path / name, ReadOptions()) if labels else header(path / name)
        except FileError as error:
            problems.append(error.problem)
            continue
        losing = [p for p in head.problems if p.code in _LOSES]
        problems += [replace(p, severity="error") for p in losing]
        problems += [p for p in _warned(path / name, ReadOptions(labels=labels), head) if p.code not in _LOSES]
        if head.format == "dicom":
            problems.append(Problem("convert.dicom_slices", str(path / name)))
        elif len(head.shape) != 3:
            problems.append(Problem("convert.stack_inside", str(path / name), "error", {"shape": sizes(head.shape)}))
        heads.append((name, head))
    kinds = Counter((head.shape, str(head.dtype)) for _, head in heads)
    for name, head in heads:
        shape, dtype = kinds.most_common(1)[0][0]
        if (head.shape, str(head.dtype)) != (shape, dtype):
            values = {"found": f"{head.dtype} {sizes(head.shape)}", "wanted": f"{dtype} {sizes(shape)}"}
            problems.append(Problem("convert.mixed", str(path / name), "error", values))
    return [head for _, head in heads], problems


def _twice(names: Sequence[str]) -> list[Problem]:
    """Names that differ in their suffix only: most likely one slice saved twice."""
    counts = Counter(FileEntry("", name).stem for name in names)
    return [Problem("convert.twice", stem, "error", {"count": n}) for stem, n in counts.items() if n > 1]


def _stacked(path: Path, heads: Sequence[Header], *, labels: bool) -> tuple[Form, list[Problem]]:
    """The form of the stack; its spacing needs the distance of the slices, which single files do not know."""
    first = _form(heads[0])
    if labels:
        first = replace(first, shape=(1, *first.shape[1:]), colours=False)
    if len(heads) == 1:
        return first, []
    channels, *plane = first.shape
    whole = replace(first, shape=(channels, len(heads), *plane), spacing=None)
    whole = replace(whole, colours=all(format_called(h.format).colours for h in heads) and channels == 3)
    spacings: set[Spacing | None] = {head.spacing for head in heads}
    if spacings == {None}:
        return whole, []
    values = {"spacing": " / ".join(sorted({_spacing(s) for s in spacings}))}
    return whole, [Problem("convert.z_unknown", str(path), "warning", values)]


def _gaps(path: Path, names: Sequence[str]) -> list[Problem]:
    """A warning where names count up but leave numbers out: a slice may be missing."""
    matches = [_NUMBER.search(FileEntry("", name).stem) for name in names]
    if any(m is None for m in matches) or len({m.string[: m.start()] for m in matches if m}) > 1:
        return []
    numbers = {int(m[1]) for m in matches if m}
    missing = [n for n in range(min(numbers), min(max(numbers), min(numbers) + 10**6)) if n not in numbers]
    if len(numbers) != len(names) or not missing or len(missing) >= len(names):
        return []
    return [Problem("convert.gaps", str(path), "warning", {"missing": _some([str(n) for n in missing])})]


def _some(names: Sequence[str]) -> str:
    more = f" … (+{len(names) - _SHOWN})" if len(names) > _SHOWN else ""
    return (listed(names[:_SHOWN]) or "–") + more


def _spacing(spacing: Spacing | None) -> str:
    return " × ".join(f"{v:g}" for v in spacing) if spacing else "?"

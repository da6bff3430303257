"""Where a conversion goes: the format that was asked for, and whether it can hold the pixels."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lamelle.errors import RequestError
from lamelle.io import sidecar
from lamelle.io.axes import sizes
from lamelle.io.format import Writer
from lamelle.io.formats.table import FORMATS
from lamelle.io.output_form import Form


@dataclass(frozen=True, slots=True)
class Target:
    """The format, and whether it is a folder of slices."""

    writer: Writer
    series: bool

    @property
    def folder(self) -> bool:
        """Whether a folder is made."""
        return self.series or self.writer.folder


def target_of(out: Path, to: str | None) -> Target:
    """What OUT and ``--to`` ask for together.

    Raises:
        RequestError: If they ask for nothing known, or contradict each other.

    Example:
        >>> target_of(Path("a.ome.zarr"), None).writer.to, target_of(Path("slices"), "png").series
        ('zarr', True)
    """
    writers = FORMATS.writers()
    named = next((one for one in writers.values() if out.name.lower().endswith(one.suffixes)), None)
    if to is not None and to not in writers:
        raise RequestError("convert.unknown_format", given=to, known=", ".join(writers))
    if named is None and to is None:
        ends = ", ".join(one.suffixes[0] for one in writers.values())
        flat = ", ".join(f"--to {one.to}" for one in writers.values() if one.slices)
        raise RequestError("convert.which_format", out=out, ends=ends, slices=flat)
    if named is not None and to not in (None, named.to):
        raise RequestError("convert.contradiction", out=out, to=to)
    writer = named or writers[str(to)]
    if named is None and not writer.slices:
        raise RequestError("convert.needs_suffix", out=out, suffix=writer.suffixes[0])
    return Target(writer, series=named is None)


def check_free(out: Path, target: Target) -> None:
    """Check that nothing would be overwritten; an empty folder may become the folder that is made.

    Raises:
        RequestError: If there is something already.
    """
    places = [out] + ([sidecar.beside(out)] if target.writer.sizes == "beside" else [])
    for place in places:
        if os.path.lexists(place) and not (target.folder and place.is_dir() and not any(place.iterdir())):
            raise RequestError("convert.taken", path=place)


def check_holds(out: Path, target: Target, form: Form) -> None:
    """Check that the format holds these pixels as they are.

    Raises:
        RequestError: If it cannot; the sentence names the formats that can.
    """
    writer = target.writer
    if writer.flat and not target.series and len(form.shape) == 4:
        folder = out.with_suffix("")
        values = {"format": writer.to.upper(), "depth": form.depth, "folder": folder, "to": writer.to}
        raise RequestError("convert.flat", out=out, **values)
    if writer.holds(form):
        if writer.sizes == "needed" and form.spacing is None:
            axes = ",".join("ZYX"[-(len(form.shape) - 1) :])
            raise RequestError("convert.needs_spacing", out=out, format=writer.to, axes=axes)
        return
    able = [one for one in FORMATS.writers().values() if one.holds(form)]
    what, names = f"{form.dtype} [{sizes(form.shape)}]", ", ".join(one.to for one in able)
    if writer.sizes == "beside":  # it holds every type, but does not say its axes
        better = next(one for one in able if one.sizes == "kept")
        values = {"format": writer.to.upper(), "formats": names, "better": out.with_suffix(better.suffixes[0])}
        raise RequestError("convert.no_axes", out=out, what=what, **values)
    raise RequestError("convert.cannot_hold", out=out, format=writer.to, what=what, formats=names)

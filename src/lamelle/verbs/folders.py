"""Verbs about folders of images: look at one, make one, write one in another format."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lamelle import recipe as recipes
from lamelle.platform import cores
from lamelle.verbs.common import AnyPath, asked_about, open_store
from lamelle.version import __version__

if TYPE_CHECKING:
    from lamelle.conversion.apply import Converted
    from lamelle.data.audit.results import Audit
    from lamelle.runs.splitting import Outlook
    from lamelle.types import Index


def check(data: AnyPath, *, overrides: Iterable[str] = (), report: AnyPath | None = None) -> Audit:
    """Look at every file of a folder: what is in it, and what is wrong with it.

    Args:
        overrides: ``key=value`` pairs about the data, such as ``data.group=patient``.
        report: File for a self-contained HTML page.

    Raises:
        RequestError: If no layout fits the folder.
    """
    return look_and_check(data, overrides=overrides, report=report)[1]


def look_and_check(
    data: AnyPath, *, overrides: Iterable[str] = (), report: AnyPath | None = None
) -> tuple[Index, Audit, Outlook]:
    """What `check` looks at and finds, and the split that a training would make."""
    from lamelle.data.audit.inspect import inspect
    from lamelle.runs import plan
    from lamelle.runs.outlook import outlook

    asked = recipes.parse_overrides(overrides)
    index = plan.read_data(Path(data), asked)
    store = open_store()
    audit = inspect(index, store, workers=cores(), **plan.label_options(asked))
    planned = outlook(index, audit, asked)
    audit = replace(audit, problems=(*audit.problems, *planned.problems))
    if report is not None:
        from lamelle.reports.check import write_check

        write_check(Path(report), index, audit, store, planned)
    return index, audit, planned


def demo(kind: str, out: AnyPath, *, seed: int = 0, count: int | None = None, size: int | None = None) -> Path:
    """Make synthetic specimens with exact truth; a folder that already holds the same ones is kept.

    Args:
        kind: One of `lamelle.specimens.DEMOS`.
        out: Folder to make.
        count: Number of images; none = that of the kind.
        size: Pixels along an edge; none = that of the kind.

    Raises:
        RequestError: If there is no such kind, or the folder holds something else.
    """
    from lamelle.io import atomic
    from lamelle.specimens.write import write_demo

    folder = Path(out)
    made_as = {"kind": kind, "seed": seed, "count": count, "size": size, "version": __version__}
    mark = folder.with_name(f"{folder.name}.demo.json")
    if folder.is_dir() and mark.is_file() and json.loads(mark.read_text()) == made_as:
        return folder
    write_demo(kind, folder, seed=seed, count=count, size=size)
    atomic.write_json(mark, made_as)
    return folder


def convert(
    source: AnyPath,
    out: AnyPath,
    *,
    to: str | None = None,
    key: str | None = None,
    spacing: Sequence[float] | None = None,
    labels: bool = False,
    overrides: Iterable[str] = (),
) -> Converted:
    """Write an image, a stack or a folder of slices in another format, without loss, verified by reading back.

    Args:
        source: A file of any format that is read, a Zarr folder, or a folder of slices (a DICOM series too).
        out: New file or folder: ``.tif``, ``.png``, ``.npy``, ``.nii.gz``, ``.ome.zarr``; with ``to`` a folder.
        to: ``tif``, ``png``, ``npy``, ``nii`` or ``zarr``, where the name of ``out`` does not say it.
        key: Array inside an .npz file or a Zarr group, one of several DICOM series in a folder.
        spacing: µm, (Z,) Y, X, instead of what the source says.
        labels: Values are labels: a palette gives its indices, not its colours.
        overrides: ``data.axes=YXC``, where the source does not say what its axes are.

    Returns:
        What was written, with the SHA-256 of the pixels and what must be known about the copy.

    Raises:
        RequestError: If the format cannot hold the pixels as they are, or ``out`` exists.
        DataError: If the images of a folder do not make one stack; all are named.
        FileError: If a file cannot be read or written, or reads back differently; nothing is left of it.

    Example:
        >>> import tempfile, numpy as np
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(f"{folder}/em.npy", np.zeros((12, 32, 32), np.uint16))
        ...     made = convert(f"{folder}/em.npy", f"{folder}/slices", to="png", spacing=(0.05, 0.004, 0.004))
        ...     back = convert(f"{folder}/slices", f"{folder}/em.tif")
        >>> made.files, back.spacing, back.sha256 == made.sha256
        (12, (0.05, 0.004, 0.004), True)
    """
    from lamelle.conversion.apply import convert_stack

    axes = recipes.validate(asked_about(overrides, allowed=("data.axes",))).data.axes
    return convert_stack(Path(source), Path(out), to=to, key=key, axes=axes, spacing=spacing, labels=labels)


def convert_weights(source: AnyPath, out: AnyPath) -> Path:
    """Write weights that torch saved (.pt, .pth, .bin, .ckpt) as safetensors, without running code of that file.

    Raises:
        RequestError: If ``out`` exists, or the file holds no tensors by their names.
        FileError: If the file cannot be read, or holds more than tensors and plain values.
    """
    from lamelle.conversion import weights

    return weights.convert_weights(Path(source), Path(out))

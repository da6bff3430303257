"""Verbs about folders of images: look at one, make one, write one in another format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, overload

from lamelle.errors import RequestError
from lamelle.messages import text
from lamelle.platform import cores
from lamelle.verbs.common import allowed_overrides, open_store
from lamelle.verbs.signature import AnyPath, Cli, Overrides, settings
from lamelle.version import __version__

if TYPE_CHECKING:
    from lamelle.training.progress import Progress
    from lamelle.verbs.outcomes import Check, Conversion, Text, Written

_DEMO_SETTINGS = {
    "classify": ("train.budget=90s",),
    "segment": ("train.budget=90s", "model.filters=[16,32,64,128]", "train.samples=96"),
}
"""What training on a demo asks for, by task: an end within about two minutes on two cores."""


def check(
    data: AnyPath,
    *,
    overrides: Overrides = (),
    report: Annotated[AnyPath | None, Cli("-o", "--report")] = None,
    **keys: Any,
) -> Check:
    """What is in a folder, and what is wrong with it.

    Look at every file of DATA: what is in it, every defect with its cure, duplicates, conflicting labels. Exit code 1
    if there are errors.

    Args:
        data: The folder.
        overrides: ``key=value`` pairs about the data, such as ``data.group=patient``.
        report: Also write a self-contained HTML page here.
        keys: The same as keywords: ``group="patient"``.

    Raises:
        RequestError: If no layout fits the folder.
    """
    from lamelle.data.audit.inspect import inspect
    from lamelle.runs import layers, plan
    from lamelle.runs.split_preview import outlook
    from lamelle.verbs.outcomes import Check

    section = layers.parse_overrides(settings(check, overrides, keys))
    index = plan.read_data(Path(data), section)
    store = open_store()
    audit = inspect(index, store, workers=cores(), **plan.label_options(section))
    planned = outlook(index, audit, section)
    audit = replace(audit, problems=(*audit.problems, *planned.problems))
    if report is not None:
        from lamelle.reports.check import write_check
        from lamelle.runs.checked_folder import checked_folder

        write_check(Path(report), checked_folder(index, audit, planned, store))
    return Check(index, audit, planned, None if report is None else Path(report))


@overload
def demo(kind: None = None) -> Text: ...


@overload
def demo(
    kind: str,
    out: AnyPath | None = None,
    *,
    seed: int = 0,
    count: int | None = None,
    size: int | None = None,
    train: bool = False,
    progress: Progress | None = None,
) -> Written: ...


def demo(
    kind: str | None = None,
    out: Annotated[AnyPath | None, Cli("-o", "--out")] = None,
    *,
    seed: int = 0,
    count: int | None = None,
    size: int | None = None,
    train: bool = False,
    progress: Annotated[Progress | None, Cli(hidden=True)] = None,
) -> Written | Text:
    """Make synthetic specimens, to try everything on.

    Make synthetic specimens with exact truth; without KIND, list what can be made. A folder that already holds the
    same ones is kept.

    Args:
        kind: What is made; without it, the kinds are listed.
        out: Folder to make (default: demo/KIND).
        seed: The same seed gives the same images.
        count: Number of images.
        size: Pixels along an edge.
        train: Then train on them (about two minutes on two cores).
        progress: Listener to the training.

    Raises:
        RequestError: If there is no such kind, or none is named for a folder or a training, or the folder holds
            something else.
    """
    from lamelle.io import atomic
    from lamelle.specimens.write import DEMOS, write_demo
    from lamelle.verbs import one_run
    from lamelle.verbs.outcomes import Text, Written

    if kind is None:
        if out is not None or train:
            raise RequestError("demo.no_kind", kinds=", ".join(DEMOS))
        about_demo = {name: text(f"demo.about_{name}", n=one.count) for name, one in DEMOS.items()}
        return Text(tuple(f"{name:<{max(map(len, about_demo))}}  {about}" for name, about in about_demo.items()))
    folder = Path("demo") / kind if out is None else Path(out)
    made_as = {"kind": kind, "seed": seed, "count": count, "size": size, "version": __version__}
    mark = folder.with_name(f"{folder.name}.demo.json")
    if not (folder.is_dir() and mark.is_file() and json.loads(mark.read_text()) == made_as):
        write_demo(kind, folder, seed=seed, count=count, size=size)
        atomic.write_json(mark, made_as)
    if not train:
        return Written(folder, text("cli.demo_next", path=folder))
    pairs = _DEMO_SETTINGS[DEMOS[kind].task]
    run = one_run.train(folder, overrides=pairs, runs=folder.parent / "runs", progress=progress)
    return Written(folder, "\n".join(run.closing_lines()))


def _formats() -> list[str]:
    from lamelle.io.formats.table import FORMATS

    return list(FORMATS.writers())


def convert(
    source: Annotated[AnyPath, Cli(metavar="IN")],
    out: AnyPath,
    *,
    to: Annotated[str | None, Cli(choices=_formats)] = None,
    key: str | None = None,
    spacing: Annotated[Sequence[float] | None, Cli(metavar="Z,Y,X")] = None,
    labels: bool = False,
    overrides: Overrides = (),
    **keys: Any,
) -> Conversion | Written:
    """Write an image, stack or series in another format.

    Write IN (a file, an OME-Zarr, a folder of slices or of a DICOM series) as OUT in another format, without loss: the
    pixels are read back and compared by hash. The format follows from the name of OUT (.tif, .png, .npy, .nii.gz,
    .ome.zarr) or from --to, with which OUT is a folder of slices. Weights that torch saved (.pth) become safetensors
    where OUT ends in .safetensors; no code of such a file is run.

    Args:
        source: What is converted.
        out: A new file or folder.
        to: Format; tif and png make a folder of slices if OUT has no suffix.
        key: Array inside an .npz file or a Zarr group; number of a DICOM series, where a folder holds several.
        spacing: Pixel size in µm, instead of what IN says.
        labels: Values are labels: a palette gives its indices, not its colours.
        overrides: ``data.axes=YXC``: what the stored axes of IN are, where the file does not say.
        keys: The same as keyword: ``axes="YXC"``.

    Returns:
        What was written: for weights, their file; otherwise with shape, spacing and hash of the pixels.

    Raises:
        RequestError: If the format cannot hold the pixels, or ``out`` exists; nothing was written.
        DataError: If the images of a folder do not make one stack.
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
    from lamelle.conversion.weights import convert_weights
    from lamelle.runs import recipe as recipes
    from lamelle.verbs.outcomes import Conversion, Written

    if Path(out).suffix == ".safetensors":
        return Written(convert_weights(Path(source), Path(out)))
    pairs = settings(convert, overrides, keys)
    axes = recipes.validate(allowed_overrides(pairs, allowed=("data.axes",))).data.axes
    done = convert_stack(Path(source), Path(out), to=to, key=key, axes=axes, spacing=spacing, labels=labels)
    return Conversion(**{field.name: getattr(done, field.name) for field in fields(done)})

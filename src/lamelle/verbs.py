"""The verbs: the thin friendly layer that the command line and Python share.

Example:
    >>> import lamelle                                                                    # doctest: +SKIP
    >>> run = lamelle.train("data/")                                                      # doctest: +SKIP
    >>> run.predict("new/", out="out/")                                                   # doctest: +SKIP
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamelle import recipe as recipes
from lamelle.errors import RequestError
from lamelle.platform import cores, home, tune_allocator
from lamelle.run import RunFolder
from lamelle.version import __version__

if TYPE_CHECKING:
    from lamelle.conversion.apply import Converted
    from lamelle.data.audit.results import Audit
    from lamelle.data.store import Store
    from lamelle.training.progress import Progress
    from lamelle.types import Index

CACHE_GIB = 20.0
"""Size of the store unless ``LAMELLE_CACHE_GIB`` says otherwise."""
AnyPath = str | os.PathLike[str]


class Run:
    """A finished training; its methods are the verbs that work on one."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    @classmethod
    def open(cls, path: AnyPath) -> Run:
        """The Run in a folder.

        Raises:
            RequestError: If there is none.
        """
        return cls(RunFolder.open(Path(path)))

    @property
    def path(self) -> Path:
        """The Run's folder."""
        return self.folder.path

    @property
    def scores(self) -> dict[str, Any]:
        """The content of ``scores.json``: every score with n, unit and interval."""
        return self.folder.read_json(self.folder.scores)

    def evaluate(self, data: AnyPath | None = None, **options: Any) -> dict[str, Any]:
        """See `lamelle.evaluate`."""
        return evaluate(self.path, data, **options)

    def predict(self, inputs: AnyPath | Sequence[AnyPath], out: AnyPath, **options: Any) -> Path:
        """See `lamelle.predict`."""
        return predict(self.path, inputs, out, **options)

    def report(self) -> Path:
        """See `lamelle.report`."""
        return report(self.path)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"


def open_store() -> Store:
    """The user's store of decoded images."""
    from lamelle.data.store import Store

    gib = os.environ.get("LAMELLE_CACHE_GIB", str(CACHE_GIB))
    try:
        budget = int(float(gib) * 2**30)
    except ValueError:
        raise RequestError("verbs.cache_size", given=gib) from None
    return Store(home() / "store", budget=budget)


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
) -> tuple[Index, Audit]:
    """What `check` looks at and finds."""
    from lamelle import plan
    from lamelle.data.audit.inspect import inspect

    asked = recipes.parse_overrides(overrides)
    index = plan.look(Path(data), asked)
    store = open_store()
    audit = inspect(index, store, workers=cores(), **plan.label_options(asked))
    if report is not None:
        from lamelle.reports.check import write_check

        write_check(Path(report), index, audit, store)
    return index, audit


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


def train(
    data: AnyPath | None = None,
    *,
    recipe: AnyPath | Mapping[str, Any] | None = None,
    overrides: Iterable[str] = (),
    weights: AnyPath | None = None,
    start: AnyPath | None = None,
    allow_leakage: bool = False,
    name: str | None = None,
    runs: AnyPath = "runs",
    resume: AnyPath | None = None,
    progress: Progress | None = None,
) -> Run:
    """Train on a folder of images, evaluate on its test set, and write a report.

    Args:
        data: The folder; not needed with ``resume`` or if the recipe names it.
        recipe: Name of a packaged recipe, a YAML file, or its content; none = everything follows from the data.
        overrides: ``key=value`` pairs that go before the recipe.
        weights: File of pretrained weights for the encoder.
        start: Run or package to fine-tune.
        allow_leakage: Train although a group or an image is in two splits; recorded in the report.
        name: Name of the run's folder; by default that of the recipe or of the data.
        runs: Folder of all runs.
        resume: Run to go on with.
        progress: Listener; by default plain lines on standard error.

    Raises:
        RequestError: If the request is wrong.
        DataError: If the data has errors; all are named.
        WorkError: If the training could not be finished.
    """
    tune_allocator()
    from lamelle import plan as plans
    from lamelle.training import course, resources
    from lamelle.training.network import build
    from lamelle.training.progress import Plain
    from lamelle.training.request import asked_of, name_of

    listener = progress or Plain()
    if resume is not None:
        again = RunFolder.open(Path(resume))
        plan = plans.reopen(again)
        course.work(plan, build(plan), again, open_store(), listener, resume=True)
        return Run(again)
    asked = asked_of(recipe, overrides, weights, start, allow_leakage)
    if data is None:
        data = asked.get("data", {}).get("path")
        if not data:
            raise RequestError("verbs.no_data")
    store = open_store()
    folds = int(asked.get("split", {}).get("folds", 0))
    if folds and asked["split"].get("fold") is None:
        whole = course.cross_validate(
            Path(data), asked, folds, name or name_of(recipe, data), Path(runs), store, listener
        )
        return Run(whole)
    plan = plans.make(Path(data), asked, store, accelerator=resources.has_accelerator())
    return Run(course.begin(plan, Path(runs), name or name_of(recipe, data), store, listener))


def compare(
    data: AnyPath,
    *,
    recipe: AnyPath | Mapping[str, Any] | None = None,
    pairs: Iterable[str] = (),
    variants: AnyPath | Mapping[str, Any] | None = None,
    seeds: int = 3,
    jobs: int = 1,
    weights: AnyPath | None = None,
    allow_leakage: bool = False,
    name: str | None = None,
    runs: AnyPath = "runs",
    command: Sequence[str] = (),
    progress: Progress | None = None,
) -> Path:
    """Train variants on the same split with several seeds, and say what differs by more than noise.

    Asked again with the same request, it skips the runs that are done and goes on with one that was stopped.

    Args:
        pairs: ``key=value`` pairs; ``key=a,b,c`` lists variants, ``default`` stands for what the recipe has.
        variants: Named variants instead: a YAML file or its content, name → pairs.
        seeds: Runs of each variant.
        jobs: Processes at once.
        command: Words of the command line, for the page.

    Returns:
        Folder of the study, with ``table.csv``, ``scores.json``, ``report.html`` and all runs.

    Raises:
        RequestError: If there is nothing to compare, or a study of this name was asked for something else.
        WorkError: If runs failed; the others are done.
    """
    tune_allocator()
    from lamelle.studies import study as studies
    from lamelle.studies.variants import named, parse
    from lamelle.training.progress import Plain
    from lamelle.training.request import asked_of, name_of

    if seeds < 1:
        raise RequestError("study.seeds", seeds=seeds)
    shared, listed = parse(pairs)
    if variants is not None:
        listed += named(studies.read_variants(variants))
    if len(listed) < 2:
        raise RequestError("study.none")
    common = asked_of(recipe, shared, weights, None, allow_leakage)
    request = studies.Request(Path(data).resolve(), common, tuple(listed), seeds, tuple(command))
    return studies.carry_out(
        request, Path(runs), name or f"compare-{name_of(recipe, data)}", open_store(), progress or Plain(), jobs=jobs
    )


def evaluate(
    run: AnyPath, data: AnyPath | None = None, *, overrides: Iterable[str] = (), out: AnyPath | None = None
) -> dict[str, Any]:
    """Score a trained model again on its test set, or on another folder, classes matched by name.

    Args:
        run: A Run; with ``data`` a package will do.
        data: Another labelled folder; all of it is scored.
        overrides: ``key=value`` pairs about that data, such as ``data.group=patient``.
        out: File for the scores of another folder.

    Raises:
        RequestError: If the other folder has classes the model does not know.
    """
    tune_allocator()
    from lamelle import plan as plans
    from lamelle.evaluation import interval_options, score_elsewhere, score_run, trained_on
    from lamelle.package import load

    package, store = load(Path(run)), open_store()
    if data is None:
        folder = RunFolder.open(Path(run))
        plan = plans.reopen(folder)
        score_run(folder, package, plan.of("test"), store, interval_options(plan.recipe))
        report(run)
        return folder.read_json(folder.scores)
    asked = recipes.parse_overrides(overrides)
    asked["data"] = {"dims": package.dims} | asked.get("data", {})
    try:
        index = plans.look(Path(data), recipes.merge({"task": {"name": package.task.name}}, asked))
    except RequestError:
        index = plans.look(Path(data), asked)  # perhaps laid out for another task, which is then said
    recipe = recipes.validate({k: v for k, v in asked.items() if k in {"data", "evaluate"}})
    scores = score_elsewhere(package, index, store, recipe)
    if seen := trained_on(Path(run), Path(data)):
        scores["notes"].insert(0, {"code": "evaluate.seen", "values": {"n": seen}})
    if out is not None:
        from lamelle.io import atomic

        atomic.write_json(Path(out), scores)
    return scores


def predict(
    run: AnyPath,
    inputs: AnyPath | Sequence[AnyPath],
    out: AnyPath,
    *,
    probabilities: bool = False,
    overlays: bool = False,
    masks: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Predict new images: files, folders, a stack, or a table that names images.

    Args:
        run: A Run or a package.
        inputs: What to predict.
        out: New folder for label images (same size, pixel size kept) and ``predictions.csv``.
        probabilities: Also write the probabilities, float32 TIFF.
        overlays: Also write pictures with contours.
        masks: Of a model of instances: also write each object as a mask of its own, ``masks/ID/masks/*.png``.

    Returns:
        The table of all predictions.

    Raises:
        RequestError: If nothing is found to predict, or ``out`` holds something already.
        DataError: If images cannot be read; all are named, the others are predicted.
    """
    tune_allocator()
    from lamelle.package import load
    from lamelle.prediction.apply import predict_files

    given = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    paths = [Path(p) for p in given]
    return predict_files(
        load(Path(run)),
        paths,
        Path(out),
        store=open_store(),
        probabilities=probabilities,
        overlays=overlays,
        masks=masks,
        say=progress.say if progress else None,
    )


def report(run: AnyPath) -> Path:
    """Write ``report.html`` of a Run anew, from what the Run holds.

    Returns:
        Path of the page.
    """
    from lamelle.reports.page import write_report

    return write_report(RunFolder.open(Path(run)), open_store())


def convert(
    source: AnyPath,
    out: AnyPath,
    *,
    to: str | None = None,
    key: str | None = None,
    spacing: Sequence[float] | None = None,
    labels: bool = False,
) -> Converted:
    """Write an image, a stack or a folder of slices in another format, without loss, verified by reading back.

    Args:
        source: A file of any format that is read, a Zarr folder, or a folder of slices.
        out: New file or folder: ``.tif``, ``.png``, ``.npy``, ``.ome.zarr``, or with ``to`` a folder of slices.
        to: ``tif``, ``png``, ``npy`` or ``zarr``, where the name of ``out`` does not say it.
        key: Array inside an .npz file or a Zarr group.
        spacing: µm, (Z,) Y, X, instead of what the source says.
        labels: Values are labels: a palette gives its indices, not its colours.

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

    return convert_stack(Path(source), Path(out), to=to, key=key, spacing=spacing, labels=labels)

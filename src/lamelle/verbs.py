"""The verbs: the thin friendly layer that the command line and Python share.

Example:
    >>> import lamelle                                                                    # doctest: +SKIP
    >>> run = lamelle.train("data/")                                                      # doctest: +SKIP
    >>> run.predict("new/", out="out/")                                                   # doctest: +SKIP
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamelle import recipe as recipes
from lamelle.errors import RequestError
from lamelle.messages import text
from lamelle.platform import cores, home, tune_allocator
from lamelle.run import RunFolder, environment
from lamelle.version import __version__

if TYPE_CHECKING:
    from lamelle.data.audit.results import Audit
    from lamelle.data.store import Store
    from lamelle.plan import Plan
    from lamelle.tasks.base import Row
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
    folder.parent.mkdir(parents=True, exist_ok=True)
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
    from lamelle.training import resources
    from lamelle.training.progress import Plain

    listener = progress or Plain()
    if resume is not None:
        return _resume(RunFolder.open(Path(resume)), listener)
    asked = _asked(recipe, overrides, weights, start, allow_leakage)
    if data is None:
        data = asked.get("data", {}).get("path")
        if not data:
            raise RequestError("verbs.no_data")
    store = open_store()
    folds = int(asked.get("split", {}).get("folds", 0))
    if folds and asked["split"].get("fold") is None:
        return _cross_validate(Path(data), asked, folds, name or _name(recipe, data), Path(runs), store, listener)
    plan = plans.make(Path(data), asked, store, accelerator=resources.has_accelerator())
    run = RunFolder.create(Path(runs), name or _name(recipe, data))
    write_down(run, plan)
    for line in describe(plan):
        listener.say(line)
        run.note(line)
    _work(plan, run, store, listener, resume=False)
    return Run(run)


def _asked(
    recipe: AnyPath | Mapping[str, Any] | None,
    overrides: Iterable[str],
    weights: AnyPath | None,
    start: AnyPath | None,
    allow_leakage: bool,
) -> recipes.Section:
    asked: recipes.Section = {}
    if recipe is not None:
        asked = dict(recipe) if isinstance(recipe, Mapping) else recipes.load(Path(recipe))
    recipes.merge(asked, recipes.parse_overrides(overrides))
    if weights is not None:
        recipes.merge(asked, {"model": {"weights": str(weights)}})
    if start is not None:
        from lamelle.training.session import started_from

        asked |= started_from(asked, str(start))
        recipes.merge(asked, {"train": {"start": str(Path(start).resolve())}})
    if allow_leakage:
        recipes.merge(asked, {"data": {"allow_leakage": True}})
    return asked


def _name(recipe: AnyPath | Mapping[str, Any] | None, data: AnyPath) -> str:
    if recipe is not None and not isinstance(recipe, Mapping):
        return Path(recipe).stem
    return Path(data).resolve().name.split(".")[0] or "run"


def write_down(run: RunFolder, plan: Plan) -> None:
    """What the run is about, before it starts."""
    from lamelle.data import split

    run.write_text(run.recipe, plan.recipe.to_yaml())
    run.write_text(run.split, split.to_csv(plan.records))
    run.write_json(run.audit, plan.audit.to_json())
    about = environment(resolved={"seed": plan.recipe.train.seed}, argv=sys.argv[1:])
    run.write_json(run.environment, about | {"split_by": plan.split_by, "planned": dict(plan.planned)})


def describe(plan: Plan) -> list[str]:
    """The plan in a few lines for people."""
    n = Counter(r.split for r in plan.records)
    statistics = plan.audit.statistics
    size, classes = "×".join(map(str, statistics.size_median)), ", ".join(plan.task.classes)
    counts = {name: n[name] for name in ("train", "validation", "test", "gap")}
    about = {"layout": plan.index.layout, "task": plan.task.name, "size": size, "classes": classes}
    lines = [
        text("verbs.plan_data", n=len(plan.records), **about),
        text("verbs.plan_split", by=plan.split_by, **counts),
    ]
    if plan.planned:
        lines.append(text("verbs.plan_keys", keys=" ".join(f"{k}={_short(v)}" for k, v in plan.planned.items())))
    return lines


def _short(value: object) -> str:
    return str(value).replace(" ", "")


def _resume(run: RunFolder, progress: Progress) -> Run:
    from lamelle import plan as plans

    plan = plans.reopen(run)
    _work(plan, run, open_store(), progress, resume=True)
    return Run(run)


def _work(plan: Plan, run: RunFolder, store: Store, progress: Progress, *, resume: bool) -> list[Row]:
    """Train, evaluate on the test set, report.

    Returns:
        The rows of the test set.
    """
    from lamelle.evaluation import interval_options, score_run
    from lamelle.training import session

    try:
        package = session.train(plan, run, store, progress, resume=resume)
        rows = score_run(run, package, plan.of("test"), store, interval_options(plan.recipe))
    finally:
        progress.close()
    report(run.path)
    for line in headline(run.read_json(run.scores)):
        progress.say(line)
        run.note(line)
    return rows


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
    from lamelle.evaluation import interval_options, score_elsewhere, score_run
    from lamelle.package import load

    package, store = load(Path(run)), open_store()
    if data is None:
        folder = RunFolder.open(Path(run))
        plan = plans.reopen(folder)
        score_run(folder, package, plan.of("test"), store, interval_options(plan.recipe))
        report(run)
        return folder.read_json(folder.scores)
    asked = recipes.parse_overrides(overrides)
    try:
        index = plans.look(Path(data), recipes.merge({"task": {"name": package.task.name}}, asked))
    except RequestError:
        index = plans.look(Path(data), asked)  # perhaps laid out for another task, which is then said
    recipe = recipes.validate({k: v for k, v in asked.items() if k in {"data", "evaluate"}})
    scores = score_elsewhere(package, index, store, recipe)
    if seen := _trained_on(Path(run), Path(data)):
        scores["notes"].insert(0, {"code": "evaluate.seen", "values": {"n": seen}})
    if out is not None:
        from lamelle.io import atomic

        atomic.write_json(Path(out), scores)
    return scores


def _trained_on(run: Path, data: Path) -> int:
    """How many records of a folder have trained a Run or chosen its best epoch."""
    folder = RunFolder(run)
    if not folder.recipe.is_file() or not folder.split.is_file():
        return 0
    if Path(recipes.load(folder.recipe).get("data", {}).get("path", "")) != data.resolve():
        return 0
    with folder.split.open(encoding="utf-8", newline="") as table:
        return sum(row["split"] in ("train", "validation") for row in csv.DictReader(table))


def predict(
    run: AnyPath,
    inputs: AnyPath | Sequence[AnyPath],
    out: AnyPath,
    *,
    probabilities: bool = False,
    overlays: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Predict new images: files, folders, a stack, or a table that names images.

    Args:
        run: A Run or a package.
        inputs: What to predict.
        out: New folder for label images (same size, pixel size kept) and ``predictions.csv``.
        probabilities: Also write the probabilities, float32 TIFF.
        overlays: Also write pictures with contours.

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
        say=progress.say if progress else None,
    )


def report(run: AnyPath) -> Path:
    """Write ``report.html`` of a Run anew, from what the Run holds.

    Returns:
        Path of the page.
    """
    from lamelle.reports.page import write_report

    return write_report(RunFolder.open(Path(run)), open_store())


def headline(scores: Mapping[str, Any]) -> list[str]:
    """The most important scores, one line each, and what a reader must be told about them."""
    lines = []
    for name in scores["headline"]:
        found = scores["scores"][name]
        numbers = {k: _number(found[k]) for k in ("value", "low", "high")}
        lines.append(text("verbs.score", name=name, **numbers, n=found["n"], unit=found["unit"]))
    return [*lines, *(text(note["code"], **note["values"]) for note in scores["notes"])]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _cross_validate(
    data: Path, asked: recipes.Section, folds: int, name: str, runs: Path, store: Store, progress: Progress
) -> Run:
    """Train each fold as a run of its own, and pool the scores of what each has not seen."""
    from lamelle import plan as plans
    from lamelle.evaluation import interval_options, write_scores
    from lamelle.training import resources

    whole = RunFolder.create(runs, f"{name}-folds")
    rows: list[Row] = []
    plan = None
    for fold in range(folds):
        one = recipes.merge(deepcopy(asked), {"split": {"fold": fold}})
        plan = plans.make(data, one, store, accelerator=resources.has_accelerator())
        run = RunFolder.create(whole.path, f"fold{fold}")
        write_down(run, plan)
        progress.say(text("verbs.fold", fold=fold + 1, folds=folds))
        rows += _work(plan, run, store, progress, resume=False)
    assert plan is not None  # plans.make refuses fewer than three folds
    write_down(whole, plan)
    scores = write_scores(whole, plan.task, rows, interval_options(plan.recipe), split="folds", fitted={})
    for line in headline(scores):
        progress.say(line)
    return Run(whole)

"""Verbs about one Run: train it, score it, predict with it, report on it, say what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from lamelle.errors import RequestError
from lamelle.messages import text
from lamelle.platform import tune_allocator
from lamelle.verbs.common import PREDICTION_KEYS, allowed_overrides, open_store, paths_of, predicting
from lamelle.verbs.outcome import Outcome
from lamelle.verbs.signature import AnyPath, Cli, Overrides, RecipeLike, settings

if TYPE_CHECKING:
    from lamelle.data.store import Store
    from lamelle.prediction.package import Package
    from lamelle.results.scores import Scores
    from lamelle.runs.folder import RunFolder
    from lamelle.training.progress import Progress
    from lamelle.verbs.outcomes import Diagnoses, Evaluation, Page, Predictions


class Run(Outcome):
    """A finished training; its methods are the verbs that work on one."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    @classmethod
    def open(cls, path: AnyPath) -> Run:
        """The Run in a folder.

        Raises:
            RequestError: If there is none.
        """
        from lamelle.runs.folder import RunFolder

        return cls(RunFolder.open(Path(path)))

    @property
    def path(self) -> Path:
        """The Run's folder."""
        return self.folder.path

    @property
    def page(self) -> Path:
        """The report."""
        return self.folder.report

    @property
    def scores(self) -> Scores:
        """Every score with n, unit and interval: ``run.scores["dice"].value``; and a line for each item."""
        return self.folder.read_scores()

    def evaluate(self, data: AnyPath | None = None, **options: Any) -> Evaluation:
        """See `lamelle.evaluate`."""
        return evaluate(self.path, data, **options)

    def predict(self, inputs: AnyPath | Sequence[AnyPath], out: AnyPath, **options: Any) -> Predictions:
        """See `lamelle.predict`."""
        return predict(self.path, inputs, out, **options)

    def report(self, *, xlsx: AnyPath | None = None) -> Page:
        """See `lamelle.report`."""
        return report(self.path, xlsx=xlsx)

    def diagnose(self) -> Diagnoses:
        """See `lamelle.diagnose`."""
        return diagnose(self.path)

    def text_lines(self) -> Iterator[str]:
        """The most important scores, and where the report is."""
        from lamelle.runs.evaluate import headline

        yield str(self.path)
        if self.folder.scores.is_file():
            yield from headline(self.folder.read_scores())
        yield from self.closing_lines()

    def closing_lines(self) -> Iterator[str]:
        """The scores were said while it was trained."""
        if self.folder.report.is_file():
            yield text("cli.report_at", path=self.folder.report.resolve())

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    def _repr_html_(self) -> str:
        """A table of the scores, with a link to the report."""
        from lamelle.messages.numbers import number, unit_of
        from lamelle.metrics.names import name_of

        head = f"<h4>{escape(self.path.name)}</h4>"
        if not self.folder.scores.is_file():
            return head
        scores, rows = self.folder.read_scores(), []
        for name in scores.headline:
            one = scores.scores[name]
            interval = f"{number(one.low)} – {number(one.high)}" if one.bounded else "–"
            cells = (name_of(name), number(one.value), interval, f"{one.n} {unit_of(one.unit, one.n)}")
            rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
        titles = (text(f"verbs.column_{name}") for name in ("score", "value", "interval", "n"))
        columns = "".join(f"<th>{escape(title)}</th>" for title in titles)
        notes = "".join(f"<p>{escape(text(n.code, **n.values))}</p>" for n in scores.notes)
        place = escape(str(self.folder.report), quote=True)
        table = f"<table><thead><tr>{columns}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        return f'{head}{table}{notes}<p><a href="{place}">{place}</a></p>'


def train(
    data: AnyPath | None = None,
    *,
    recipe: Annotated[RecipeLike, Cli("-r", "--recipe")] = None,
    overrides: Overrides = (),
    start: Annotated[AnyPath | None, Cli("--from")] = None,
    weights: AnyPath | None = None,
    name: str | None = None,
    runs: AnyPath = "runs",
    resume: AnyPath | None = None,
    allow_leakage: bool = False,
    progress: Annotated[Progress | None, Cli(hidden=True)] = None,
    **keys: Any,
) -> Run:
    """Train on a folder, evaluate, report.

    Train on the folder DATA, evaluate on its test set and write a report. Without a recipe the plan follows from the
    data. Settings: lamelle recipes --keys

    Args:
        data: The folder; not needed with ``resume``, or if the recipe names it.
        recipe: Name of a packaged recipe (lamelle recipes), or a YAML file.
        overrides: ``key=value`` pairs that go before the recipe.
        start: Run or package to fine-tune.
        weights: Pretrained weights of the encoder (safetensors).
        name: Name of the folder that is made; by default that of the recipe or of the data.
        runs: Folder of all runs.
        resume: Go on with a run that was stopped.
        allow_leakage: Train although one group or image is in two splits; recorded in the report.

    Raises:
        RequestError: If the request is wrong.
        DataError: If the data has errors; all are named.
        WorkError: If the training could not be finished.
    """
    tune_allocator()
    from lamelle.reports.finish import finish
    from lamelle.runs import train as course
    from lamelle.runs.folder import RunFolder
    from lamelle.runs.request import build_request, name_of
    from lamelle.training.progress import Plain

    pairs, listener = settings(train, overrides, keys), progress or Plain()
    if resume is not None:
        if pairs or recipe or start or weights:
            raise RequestError("cli.resume_alone")
        again = RunFolder.open(Path(resume))
        course.resume(again, open_store(), listener, finish)
        return Run(again)
    request = build_request(recipe, pairs, weights, start, allow_leakage, listener.say)
    if data is None:
        data = request.get("data", {}).get("path")
        if not data:
            raise RequestError("verbs.no_data")
    called = (name or name_of(recipe, data)) + ("-folds" if course.folds_of(request) else "")
    return Run(course.start(Path(data), request, Path(runs), called, open_store(), listener, finish))


def evaluate(
    run: AnyPath,
    data: AnyPath | None = None,
    *,
    overrides: Overrides = (),
    out: Annotated[AnyPath | None, Cli("-o", "--out")] = None,
    **keys: Any,
) -> Evaluation:
    """Score a run again, or on another folder.

    Score RUN again on its test set, or on another labelled folder DATA (classes matched by name; images that trained
    the model are left out; the result and a page are kept in RUN/evaluations).

    Args:
        run: A Run; with ``data`` a package will do, whose result is kept in ``evaluations/`` of the current folder.
        data: Another labelled folder.
        overrides: ``key=value`` pairs about that data, such as ``data.group=patient`` or
            ``data.classes={their name: ours}``, and how it is predicted, such as ``tile=256``.
        out: Write the scores of the other folder here (JSON).
        keys: The same as keywords.

    Raises:
        RequestError: If the other folder has classes the model does not know, or nothing that it has not seen, or the
            run's own test set has changed.
    """
    tune_allocator()
    from lamelle.reports.page import write_report
    from lamelle.runs.external_evaluation import score_elsewhere
    from lamelle.runs.folder import RunFolder
    from lamelle.runs.model import load_model
    from lamelle.verbs.outcomes import Evaluation

    section = allowed_overrides(settings(evaluate, overrides, keys), allowed=("data", "evaluate"))
    package, store = load_model(Path(run)), open_store()
    if data is None:
        if section:
            raise RequestError(
                "verbs.needs_data", pairs=", ".join(f"{s}.{k}" for s, inner in section.items() for k in inner)
            )
        return _evaluate_again(RunFolder.open(Path(run)), package, store)
    folder, scores = score_elsewhere(Path(run), predicting(package, section), Path(data), section, store, write_report)
    if out is not None:
        from lamelle.io import atomic

        atomic.write_json(Path(out), scores.model_dump(mode="json"))
    return Evaluation(folder.path, scores)


def _evaluate_again(folder: RunFolder, package: Package, store: Store) -> Evaluation:
    """Score the test set of a Run again, unless its data have changed, and report."""
    from lamelle.results.scores import Note
    from lamelle.runs.baseline import renew_baseline
    from lamelle.runs.evaluate import interval_options, score_run
    from lamelle.runs.saved_plan import data_changes, open_plan
    from lamelle.runs.scored_pictures import save_scored_pictures
    from lamelle.verbs.outcomes import Evaluation

    plan = open_plan(folder)
    records, changes = plan.of(plan.judged), data_changes(folder, plan, store)
    changes.refuse("split.changed_test", among=[r.id for r in records], run=folder.path, data=plan.recipe.data.path)
    options = interval_options(plan.recipe)
    notes = [Note(code=p.code, values=dict(p.values)) for p in changes.problems()]
    score_run(folder, package, records, store, options, split=plan.judged, notes=notes)
    renew_baseline(folder, plan)
    scores = folder.read_scores()
    save_scored_pictures(folder, plan, scores.items, store)
    report(folder.path)
    return Evaluation(folder.path, scores)


def predict(
    run: AnyPath,
    inputs: AnyPath | Sequence[AnyPath],
    out: Annotated[AnyPath, Cli("-o", "--out")],
    *,
    overrides: Overrides = (),
    probabilities: bool = False,
    overlays: bool = False,
    masks: bool = False,
    geojson: bool = False,
    rois: bool = False,
    xlsx: bool = False,
    progress: Annotated[Progress | None, Cli(hidden=True)] = None,
    **keys: Any,
) -> Predictions:
    """Predict new images.

    Predict INPUTS (files, folders, stacks, tables) with a run or package. How: tile=512, overlap=field, flips=true;
    what values mean: data.range=[0,4095].

    Args:
        run: A Run or a package.
        inputs: What is predicted.
        out: New folder for the predictions: label images (same size, pixel size kept) and ``predictions.csv``.
        overrides: ``key=value`` pairs: ``tile=512``, ``overlap=field`` (as one piece would, exactly), ``flips=true``,
            ``data.range=[0,4095]``.
        probabilities: Also write probabilities (float32 TIFF).
        overlays: Also write pictures with contours.
        masks: Also write each object as a mask of its own: masks/ID/masks/*.png (models of instances).
        geojson: Also write outlines that QuPath imports (geojson/ID.geojson).
        rois: Also write outlines that the ROI Manager of Fiji opens (rois/ID.zip).
        xlsx: Also write all tables as one Excel workbook (predictions.xlsx).
        progress: Listener.
        keys: The same as keywords: ``tile=512``.

    Raises:
        RequestError: If nothing is found to predict, or ``out`` holds something already.
        DataError: If images cannot be read; all are named, the others are predicted.
    """
    tune_allocator()
    from lamelle.prediction.apply import predict_files
    from lamelle.prediction.output import Wanted
    from lamelle.runs import recipe as recipes
    from lamelle.runs.model import load_model
    from lamelle.verbs.outcomes import Predictions

    section = allowed_overrides(settings(predict, overrides, keys), allowed=(*PREDICTION_KEYS, "data.range"))
    table = predict_files(
        predicting(load_model(Path(run)), section),
        paths_of(inputs),
        Path(out),
        store=open_store(),
        wanted=Wanted(probabilities, overlays, masks, geojson, rois, workbook=xlsx),
        say=progress.say if progress else None,
        span=recipes.validate({"data": section.get("data", {})}).data.range,
    )
    return Predictions(Path(out), table)


def report(run: AnyPath, *, xlsx: AnyPath | None = None) -> Page:
    """Write the report of a run again.

    Write report.html of RUN again, from what it holds: it is complete without the images.

    Args:
        run: A Run.
        xlsx: Also write scores, predictions and history as an Excel workbook here, a new file.

    Raises:
        RequestError: If ``xlsx`` exists already.
    """
    from lamelle.reports.page import write_report
    from lamelle.runs.folder import RunFolder
    from lamelle.runs.workbook import write_run_workbook
    from lamelle.verbs.outcomes import Page

    folder = RunFolder.open(Path(run))
    if xlsx is not None:
        write_run_workbook(folder, Path(xlsx))
    return Page(write_report(folder), None if xlsx is None else Path(xlsx))


def diagnose(run: AnyPath) -> Diagnoses:
    """What the curves of a run say, and what to try next.

    Read what RUN holds: curves, scores, recipe. Say what went wrong, with evidence and one next step each.

    Args:
        run: A Run, finished or not.

    Raises:
        RequestError: If there is no Run, or no epoch of it has ended yet.
    """
    from lamelle.doctor import diagnosis
    from lamelle.runs.bundle import open_bundle
    from lamelle.runs.folder import RunFolder
    from lamelle.verbs.outcomes import Diagnoses

    folder = RunFolder.open(Path(run))
    for part in folder.parts():
        part.require_whole()
    return Diagnoses(tuple(diagnosis.diagnose(open_bundle(folder))))

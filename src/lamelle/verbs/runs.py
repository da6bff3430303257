"""Verbs about one Run: train it, score it, predict with it, report on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamelle import recipe as recipes
from lamelle.errors import RequestError, sentence
from lamelle.messages import text
from lamelle.platform import tune_allocator
from lamelle.runs.folder import RunFolder
from lamelle.verbs.common import HOW, AnyPath, asked_about, open_store, predicting

if TYPE_CHECKING:
    from lamelle.data.store import Store
    from lamelle.doctor.diagnosis import Diagnosis
    from lamelle.prediction.package import Package
    from lamelle.training.progress import Progress


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

    def doctor(self) -> list[Diagnosis]:
        """See `lamelle.verbs.doctor`."""
        return doctor(self.path)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"


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
    from lamelle.reports.finish import finish
    from lamelle.runs import train as course
    from lamelle.runs.request import asked_of, name_of
    from lamelle.training.progress import Plain

    listener = progress or Plain()
    if resume is not None:
        again = RunFolder.open(Path(resume))
        course.resume(again, open_store(), listener, finish)
        return Run(again)
    asked = asked_of(recipe, overrides, weights, start, allow_leakage, listener.say)
    if data is None:
        data = asked.get("data", {}).get("path")
        if not data:
            raise RequestError("verbs.no_data")
    called = (name or name_of(recipe, data)) + ("-folds" if course.folds_of(asked) else "")
    return Run(course.start(Path(data), asked, Path(runs), called, open_store(), listener, finish))


def evaluate(
    run: AnyPath, data: AnyPath | None = None, *, overrides: Iterable[str] = (), out: AnyPath | None = None
) -> dict[str, Any]:
    """Score a trained model again on its test set, or on another folder, classes matched by name.

    The result on another folder is kept in ``evaluations/`` of the Run, with a page: the scores of its own test set
    stay as they are. Images that trained the model are left out.

    Args:
        run: A Run; with ``data`` a package will do, whose result is kept in ``evaluations/`` of the current folder.
        data: Another labelled folder.
        overrides: ``key=value`` pairs about that data, such as ``data.group=patient`` or
            ``data.classes={their name: ours}``, and how it is predicted, such as ``tile=256``.
        out: One more file for the scores of another folder.

    Returns:
        The content of ``scores.json``, and ``folder``: where it lies.

    Raises:
        RequestError: If the other folder has classes the model does not know, or nothing that it has not seen, or the
            run's own test set has changed.
    """
    tune_allocator()
    from lamelle.reports.elsewhere import write_page
    from lamelle.runs.elsewhere import score_elsewhere
    from lamelle.runs.model import load_model

    package, store = load_model(Path(run)), open_store()
    asked = asked_about(overrides, allowed=("data", "evaluate"))
    if data is None:
        if asked:
            raise RequestError(
                "verbs.needs_data", pairs=", ".join(f"{s}.{k}" for s, keys in asked.items() for k in keys)
            )
        return _evaluate_again(RunFolder.open(Path(run)), package, store)
    folder, scores = score_elsewhere(Path(run), predicting(package, asked), Path(data), asked, store, write_page)
    if out is not None:
        from lamelle.io import atomic

        atomic.write_json(Path(out), scores)
    return scores | {"folder": str(folder.path)}


def _evaluate_again(folder: RunFolder, package: Package, store: Store) -> dict[str, Any]:
    """Score the test set of a Run again, unless its data have changed, and report."""
    from lamelle.runs.evaluate import interval_options, score_run
    from lamelle.runs.saved_plan import data_changes, open_plan

    plan = open_plan(folder)
    records, changes = plan.of(plan.judged), data_changes(folder, plan, store)
    changes.refuse("split.changed_test", among=[r.id for r in records], run=folder.path, data=plan.recipe.data.path)
    score_run(folder, package, records, store, interval_options(plan.recipe), split=plan.judged)
    report(folder.path)
    scores = folder.read_json(folder.scores)
    said = [{"code": p.code, "values": p.values} for p in changes.problems()]
    return scores | {"notes": [*scores["notes"], *said], "folder": str(folder.path)}


def predict(
    run: AnyPath,
    inputs: AnyPath | Sequence[AnyPath],
    out: AnyPath,
    *,
    overrides: Iterable[str] = (),
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
        overrides: How to predict: ``tile=512``, ``overlap=field`` (as one piece would, exactly), ``flips=true``;
            what its values mean: ``data.range=[0,4095]``.
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
    from lamelle.prediction.apply import predict_files
    from lamelle.runs.model import load_model

    given = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    paths = [Path(p) for p in given]
    asked = asked_about(overrides, allowed=(*HOW, "data.range"))
    return predict_files(
        predicting(load_model(Path(run)), asked),
        paths,
        Path(out),
        store=open_store(),
        probabilities=probabilities,
        overlays=overlays,
        masks=masks,
        say=progress.say if progress else None,
        span=recipes.validate({"data": asked.get("data", {})}).data.range,
    )


def report(run: AnyPath, *, say: Callable[[str], None] | None = None) -> Path:
    """Write ``report.html`` of a Run anew, from what the Run holds.

    Args:
        say: Called with a line for each way in which the data are no longer what they were when they were split, or for
            why they could not be read again.

    Returns:
        Path of the page.
    """
    from lamelle.reports.held import open_held
    from lamelle.reports.page import write_held

    store = open_store()
    held = open_held(RunFolder.open(Path(run)), store)
    if say is not None:
        for problem in held.changed:
            say(sentence(problem))
        if held.gone and not held.changed:
            say(text("report.no_pictures", reason=held.gone))
    return write_held(held, store)


def doctor(run: AnyPath) -> list[Diagnosis]:
    """What the curves, the scores and the recipe of a Run say, each with its evidence and a next step.

    Where batch norms learnt, some training images are looked at again, if they are still there. The same is
    `Run.doctor`; the root of the package has a room of this name instead.

    Returns:
        One diagnosis, or one for each fold.

    Raises:
        RequestError: If there is no Run, or no epoch of it has ended yet.
    """
    from lamelle.doctor.diagnosis import diagnose

    return diagnose(RunFolder.open(Path(run)), open_store())

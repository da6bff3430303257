"""Verbs about the runs that are there: list, compare, prune, export."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lamelle import recipe as recipes
from lamelle.errors import RequestError
from lamelle.verbs.common import AnyPath

if TYPE_CHECKING:
    from lamelle.studies.listing import Filter, Listed
    from lamelle.studies.pruning import Plan
    from lamelle.studies.table import Comparison
    from lamelle.studies.verifying import Verified


def list_runs(
    runs: AnyPath = "runs",
    *,
    pairs: Iterable[str] = (),
    task: str = "",
    data: str = "",
    since: str = "",
    state: str = "",
    score: str | None = None,
    least: float | None = None,
    sort: str = "date",
) -> list[Listed]:
    """The runs below a folder, with those of studies.

    Args:
        runs: Folder of the runs.
        pairs: ``key=value`` pairs of the recipe that a run must have.
        task: ``classify``, ``segment`` or ``instances``.
        data: Part of the path of the images.
        since: First day or time (ISO 8601, UTC).
        state: ``done``, ``running``, ``interrupted`` or ``damaged``.
        score: Score to show; none = the first of each headline.
        least: Least value of that score.
        sort: ``name``, ``date``, ``score``, ``time`` or ``size``.

    Raises:
        RequestError: If there is no such folder, or a value is not understood.
    """
    from lamelle.studies import listing

    asked = _filter(pairs, task, data, since, state, least)
    return listing.ordered(listing.chosen(listing.find(Path(runs), score=score), asked), sort)


def compare_runs(runs: Sequence[AnyPath], *, seen_from: AnyPath = ".") -> Comparison:
    """Finished runs on the same images and split side by side, with paired differences to the first one.

    Runs that differ in their seed alone are taken as one variant with several seeds.

    Args:
        seen_from: The folder from which the lines name their runs: that of a page which links to them.

    Raises:
        RequestError: If they do not share task, classes, images and split; the message says what differs.
    """
    from lamelle.studies import existing

    return existing.compare([Path(run) for run in runs], seen_from=Path(seen_from))


def prune_runs(
    runs: AnyPath = "runs", *, mode: str, keep: int | None = None, yes: bool = False, **filters: str | float | None
) -> Plan:
    """What would go to make room; with ``yes`` it goes.

    Args:
        mode: ``checkpoints`` of finished runs, which keep their model; or whole ``runs``.
        keep: Of whole runs, so many with the best scores stay.
        yes: Delete. Otherwise nothing is touched.
        filters: Those of `list_runs`.

    Raises:
        RequestError: If whole runs should go without ``keep``, or a run began to be trained meanwhile.
        FileError: If something cannot be deleted.
    """
    from lamelle.studies import pruning

    meant = list_runs(runs, **filters)  # type: ignore[arg-type]
    found = pruning.plan(meant, mode, keep=keep, among=list_runs(runs))
    if yes:
        pruning.carry_out(found)
    return found


def verify_runs(*paths: AnyPath) -> list[Verified]:
    """Every file of runs, hashed anew and compared with what was written.

    Args:
        paths: Runs, with their folds and evaluations; folders of runs; packages. None = ``runs``.

    Returns:
        Each run, evaluation and package with its files: ``whole``, ``changed``, ``missing``, or ``unknown`` where
        nothing was noted of a file, such as your own.

    Raises:
        RequestError: If there is nothing to verify at one of the paths.
    """
    from lamelle.studies.verifying import verify

    return [one for path in paths or ("runs",) for one in verify(Path(path))]


def _filter(pairs: Iterable[str], task: str, data: str, since: str, state: str, least: float | None) -> Filter:
    from lamelle.studies.listing import STATES, Filter
    from lamelle.tasks.table import find

    if task:
        find(task)
    if state and state not in STATES:
        raise RequestError("runs.state", given=state, known=", ".join(STATES))
    if since:
        try:
            datetime.fromisoformat(since)
        except ValueError:
            raise RequestError("runs.since", given=since) from None
    return Filter(task, data, since, state, recipes.parse_overrides(pairs), least)


def export_run(run: AnyPath, *, to: str, store: str | None = None) -> str:
    """Write a finished run into the store of another tool: recipe, curves, scores, and for MLflow report and model.

    Args:
        to: ``mlflow`` (extra ``mlflow``) or ``tensorboard`` (extra ``track``).
        store: URI of MLflow's store, by default ``sqlite:///mlflow.db``; or a folder for TensorBoard, by default in
            the run.

    Returns:
        Where it was written.

    Raises:
        RequestError: If the run is not finished, or the tool is not installed.
    """
    from lamelle.studies.exporting import export

    return export(Path(run), to=to, store=store)

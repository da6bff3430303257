"""Verbs about the runs that are there: list, compare, prune, verify, export; and the command that is all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

from lamelle.errors import RequestError
from lamelle.verbs.common import paths_of
from lamelle.verbs.signature import AnyPath, Cli, Overrides, settings

if TYPE_CHECKING:
    from lamelle.studies.listing import Filter
    from lamelle.verbs.outcome import Outcome
    from lamelle.verbs.study_outcomes import Exported, Pruning, RunComparison, RunListing, Verification


def list_runs(
    runs: AnyPath = "runs",
    *,
    overrides: Overrides = (),
    task: str = "",
    data: str = "",
    since: str = "",
    state: str = "",
    score: str | None = None,
    min_score: float | None = None,
    sort: str = "date",
) -> RunListing:
    """The runs below a folder, with those of studies.

    Args:
        runs: Folder of the runs.
        overrides: ``key=value`` pairs of the recipe that a run must have.
        task: Only this task.
        data: Only runs on images whose path has this in it.
        since: Only runs since this day or time (ISO 8601, UTC).
        state: Only ``done``, ``running``, ``interrupted`` or ``damaged`` ones.
        score: Score to show; none = the first of each headline.
        min_score: Only runs with at least this score.
        sort: ``name``, ``date``, ``score``, ``time`` or ``size``.

    Raises:
        RequestError: If there is no such folder, or a value is not understood.
    """
    from lamelle.studies import listing
    from lamelle.verbs.study_outcomes import RunListing

    meant = _filter(settings(list_runs, overrides, {}), task, data, since, state, min_score)
    return RunListing(tuple(listing.ordered(listing.chosen(listing.find(Path(runs), score=score), meant), sort)))


def compare_runs(runs: Sequence[AnyPath], *, report: AnyPath | None = None) -> RunComparison:
    """Finished runs on the same images and split side by side, with paired differences to the first one.

    Runs that differ in their seed alone are taken as one variant with several seeds.

    Args:
        runs: Folders of runs.
        report: Also write a self-contained HTML page here.

    Raises:
        RequestError: If they do not share task, classes, images and split; the message says what differs.
    """
    from lamelle.studies import existing_runs
    from lamelle.verbs.study_outcomes import RunComparison

    page = None if report is None else Path(report)
    comparison = existing_runs.compare([Path(run) for run in runs], seen_from=page.parent if page else Path())
    if page is not None:
        from lamelle.reports.study import write_study

        write_study(page, comparison=comparison, command=["runs", "--compare", *map(str, runs)])
    return RunComparison(comparison, page)


def prune_runs(
    runs: AnyPath = "runs", *, mode: str, keep: int | None = None, yes: bool = False, **filters: Any
) -> Pruning:
    """What would go to make room; with ``yes`` it goes.

    Args:
        runs: Folder of the runs.
        mode: ``checkpoints`` of finished runs, which keep their model; or whole ``runs``.
        keep: Of whole runs, so many with the best scores stay.
        yes: Delete. Otherwise nothing is touched.
        filters: Those of `list_runs`.

    Raises:
        RequestError: If whole runs should go without ``keep``, or a run began to be trained meanwhile.
        FileError: If something cannot be deleted.
    """
    from lamelle.studies import pruning
    from lamelle.verbs.study_outcomes import Pruning

    meant = list_runs(runs, **filters)
    plan = pruning.plan(meant.runs, mode, keep=keep, among=list_runs(runs).runs)
    if yes:
        pruning.delete(plan)
    return Pruning(plan, yes)


def verify_runs(*paths: AnyPath) -> Verification:
    """Every file of runs, hashed again and compared with what was written.

    Args:
        paths: Runs, with their folds and evaluations; folders of runs; packages. None = ``runs``.

    Returns:
        Each run, evaluation and package with its files: ``whole``, ``changed``, ``missing``, or ``unknown`` where
        nothing was noted of a file, such as your own.

    Raises:
        RequestError: If there is nothing to verify at one of the paths.
    """
    from lamelle.studies.verification import verify
    from lamelle.verbs.study_outcomes import Verification

    return Verification(tuple(one for path in paths or ("runs",) for one in verify(Path(path))))


def export_run(run: AnyPath | Sequence[AnyPath], *, to: str, store: str | None = None) -> Exported:
    """Write finished runs into the store of another tool: recipe, curves, scores.

    Args:
        run: A Run, or several.
        to: A row of `lamelle.studies.exporting.EXPORT_TARGETS`, such as ``mlflow``.
        store: Where, as the row says; None = where it writes by default.

    Raises:
        RequestError: If a run is not finished, or the tool is not installed.
    """
    from lamelle.studies.exporting import export
    from lamelle.verbs.study_outcomes import Exported

    return Exported(tuple((path, export(path, to=to, store=store)) for path in paths_of(run)))


def _targets() -> Iterable[str]:
    from lamelle.studies.exporting import EXPORT_TARGETS

    return EXPORT_TARGETS


def runs(
    folders: AnyPath | Sequence[AnyPath] = (),
    *,
    overrides: Overrides = (),
    task: str = "",
    data: str = "",
    since: str = "",
    state: str = "",
    score: str | None = None,
    min_score: Annotated[float | None, Cli("--min")] = None,
    sort: str = "date",
    csv: bool = False,
    compare: bool = False,
    report: Annotated[AnyPath | None, Cli("-o", "--report")] = None,
    prune: Annotated[str | None, Cli(metavar="checkpoints|runs")] = None,
    keep: int | None = None,
    yes: bool = False,
    to: Annotated[str | None, Cli(choices=_targets)] = None,
    store: str | None = None,
) -> Outcome:
    """List, verify, compare, prune or export the runs that are there.

    List the runs below FOLDER (default: runs), or only those whose recipe has KEY=VALUE. With --compare, FOLDERs are
    finished runs on the same split; with --to, runs to export. lamelle runs verify FOLDER... looks at every file of
    runs and packages and says which are whole.

    Args:
        folders: Folder of runs, or runs.
        overrides: ``key=value`` pairs of the recipe that a run must have.
        task: Only this task.
        data: Only runs on images whose path has this in it.
        since: Only runs since this day or time (UTC), such as 2026-11-21.
        state: Only done, running, interrupted or damaged ones.
        score: Score to show; by default the first that the report shows.
        min_score: Only runs with at least this score.
        sort: name, date, score, time or size.
        csv: Print as CSV.
        compare: Table with paired differences to the first run.
        report: With --compare: also write a self-contained HTML page here.
        prune: List what would go to make room: checkpoints of finished runs (their models stay), or whole runs.
        keep: With --prune runs: so many of the best ones stay.
        yes: With --prune: delete what it lists.
        to: Write finished runs into the store of another tool.
        store: With --to: where; each tool has its default (docs/reference/exports.md).
    """
    filters: _Filters = {
        "overrides": overrides,
        "task": task,
        "data": data,
        "since": since,
        "state": state,
        "score": score,
        "min_score": min_score,
        "sort": sort,
    }
    return _answer(paths_of(folders), filters, _Wish(compare, report, prune, keep, yes, to, store, csv))


class _Filters(TypedDict, total=False):
    """Arguments of `list_runs`."""

    overrides: Overrides
    task: str
    data: str
    since: str
    state: str
    score: str | None
    min_score: float | None
    sort: str


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is to be done with the runs; without any wish they are listed."""

    compare: bool
    report: AnyPath | None
    prune: str | None
    keep: int | None
    yes: bool
    to: str | None
    store: str | None
    csv: bool

    @property
    def none(self) -> bool:
        return not any(getattr(self, one.name) for one in fields(self))


def _answer(places: Sequence[Path], filters: _Filters, wish: _Wish) -> Outcome:
    """List, verify, compare, prune or export: what these options ask for together.

    Raises:
        RequestError: If they do not go together.
    """
    from lamelle.verbs.outcomes import Text

    if places[:1] == [Path("verify")]:
        if not wish.none or any(v for name, v in filters.items() if name != "sort"):
            raise RequestError("runs.verify_alone")
        return verify_runs(*places[1:])
    if sum(map(bool, (wish.compare, wish.prune, wish.to))) > 1:
        raise RequestError("runs.prune_or")
    if not wish.prune and (wish.yes or wish.keep is not None):
        raise RequestError("runs.only_prune")
    if wish.compare:
        return compare_runs(places, report=wish.report)
    if wish.to:
        return export_run(places, to=wish.to, store=wish.store)
    if len(places) > 1:
        raise RequestError("runs.one_folder", n=len(places))
    root = places[0] if places else Path("runs")
    if wish.prune:
        return prune_runs(root, mode=wish.prune, keep=wish.keep, yes=wish.yes, **filters)
    listed = list_runs(root, **filters)
    return Text(tuple(listed.to_csv().splitlines())) if wish.csv else listed


def _filter(pairs: Iterable[str], task: str, data: str, since: str, state: str, least: float | None) -> Filter:
    from lamelle.runs import layers
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
    return Filter(task, data, since, state, layers.parse_overrides(pairs), least)

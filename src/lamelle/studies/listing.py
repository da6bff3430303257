"""The runs below a folder: what each is, how far it came, what it scored and what it takes.

A folder with a ``recipe.yaml`` is a run. Links are never followed, and a folder that cannot be read as a run is listed
as damaged, never left out.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from lamelle.errors import LamelleError, RequestError
from lamelle.metrics.intervals import why_none
from lamelle.metrics.names import less_is_better
from lamelle.platform import network_disk
from lamelle.prediction.package import DESCRIPTION
from lamelle.runs import layers
from lamelle.runs import recipe as recipes
from lamelle.runs.folder import RunFolder
from lamelle.runs.recipe import Layer, Section

State = Literal["done", "running", "interrupted", "damaged"]
STATES: tuple[State, ...] = ("done", "running", "interrupted", "damaged")
RECENT, LONG = 15 * 60.0, 24 * 3600.0
"""Seconds. An unfinished run that no process of this machine holds may be trained on another one, if it lies on a
network disk and something in it changed `RECENT`-ly; and by an older Lamelle, which held nothing, for `LONG`."""
DEEPEST = 5
"""Folders below the first one that are looked into: study, variant, seed, and one more."""
SORTS = ("name", "date", "score", "time", "size")


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run in a list."""

    path: Path
    name: str
    """Its path below the folder that was listed."""
    study: str
    """Name of the study, or of the run of all folds, that it belongs to; empty if it stands by itself."""
    state: State
    task: str = ""
    data: str = ""
    """Folder of its images."""
    created: str = ""
    """ISO 8601, UTC."""
    epochs: int | None = None
    """Epochs done."""
    score: str = ""
    """The score shown; by default the first of the headline."""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    unit: str = ""
    reason: str = ""
    """Why the score has no interval."""
    split: str = ""
    """What it was scored on: ``test``, ``folds``, ``validation``."""
    seconds: float | None = None
    """Of training."""
    parameters: int | None = None
    parameters_with_statistics: int | None = None
    """With what batch norms measured."""
    bytes: int = 0
    """On disk, without runs inside it, which count by themselves."""
    why: str = ""
    """What is wrong with a damaged one."""
    recipe: Layer = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which runs are meant; what is empty or None lets all pass."""

    task: str = ""
    data: str = ""
    """Part of the path of the images."""
    since: str = ""
    """First day or time, ISO 8601."""
    state: str = ""
    asked: Section = field(default_factory=dict)
    """Keys of the recipe, as `lamelle.runs.layers.parse_overrides` gives them."""
    least: float | None = None
    """Least value of the score."""


def find(root: Path, *, score: str | None) -> list[RunSummary]:
    """Every run below a folder, by name.

    Args:
        score: Name of the score to show; None = the first of each headline.

    Raises:
        RequestError: If there is no such folder.
    """
    if not root.is_dir():
        raise RequestError("runs.no_folder", path=root)
    top = root.resolve()
    outer = top.parent.name if _gathers(top.parent) else ""
    runs = [_read(run, root, study, score) for run, study in _walk(top, outer, 0, top)]
    return sorted(runs, key=lambda r: r.name)


def open_one(path: Path) -> RunSummary:
    """One run by itself.

    Raises:
        RequestError: If there is none.
    """
    run = RunFolder.open(path)
    return _read(RunFolder(run.path.resolve()), run.path.resolve().parent, "", None)


def open_whole(path: Path) -> RunSummary:
    """One run by itself, and not a damaged one.

    Raises:
        LamelleError: If there is none, or a file of it or of its folds is missing or not what was written.
    """
    run = RunFolder.open(path)
    for part in {one.path: one for one in (run, *run.parts())}.values():
        if not part.busy():
            part.require_whole()
    return open_one(path)


def _walk(folder: Path, study: str, depth: int, root: Path) -> Iterator[tuple[RunFolder, str]]:
    """Runs below a folder, each with the study it belongs to."""
    run = RunFolder(folder)
    here = folder.relative_to(root).as_posix()
    if is_run := run.recipe.is_file() and not run.recipe.is_symlink():
        yield run, study
    inside = run.names if is_run else frozenset()
    within = (folder.name if here == "." else here) if _gathers(folder) else study
    if depth >= DEEPEST:
        return
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False) and e.name not in inside)
    for name in names:
        yield from _walk(folder / name, within, depth + 1, root)


def _gathers(folder: Path) -> bool:
    """Whether what lies in a folder belongs together: a study, or a run with its folds."""
    return RunFolder(folder).recipe.is_file() or (folder / "study.json").is_file()


def _read(run: RunFolder, root: Path, study: str, score: str | None) -> RunSummary:
    name = run.path.relative_to(root.resolve()).as_posix()
    size, newest = _measured(run)
    try:
        return _described(run, name if name != "." else run.path.name, study, score, size, newest)
    except LamelleError as error:
        return RunSummary(run.path, name, study, "damaged", bytes=size, why=str(error))
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        return RunSummary(run.path, name, study, "damaged", bytes=size, why=f"{type(error).__name__}: {error}")


def _described(run: RunFolder, name: str, study: str, score: str | None, size: int, newest: float) -> RunSummary:
    if not (busy := run.busy()):
        run.require_whole()
    recipe = run.read_recipe()
    environment = run.read_json(run.environment) if run.environment.is_file() else {}
    scores = None if run.older else run.known_scores()
    package = run.model / DESCRIPTION
    done = run.read_json(package)["provenance"] if package.is_file() else {}
    history = run.read_table(run.history)
    shown = score or (scores.headline[0] if scores and scores.headline else "")
    score_shown = scores.scores.get(shown) if scores else None
    return RunSummary(
        run.path,
        name,
        study,
        "running" if busy else _state(run, finished=run.scores.is_file(), newest=newest),
        task=str(recipe["task"]["name"]),
        data=str(recipe.get("data", {}).get("path") or ""),
        created=str(environment.get("created", "")),
        epochs=done.get("epochs", len(history) or None),
        score=shown,
        value=_finite(score_shown.value) if score_shown else None,
        low=_finite(score_shown.low) if score_shown else None,
        high=_finite(score_shown.high) if score_shown else None,
        n=score_shown.n if score_shown else None,
        unit=score_shown.unit if score_shown else "",
        reason=why_none(score_shown) if score_shown else "",
        split=scores.split if scores else "",
        seconds=done.get("seconds"),
        parameters=done.get("parameters"),
        parameters_with_statistics=done.get("parameters_with_statistics"),
        bytes=size,
        recipe=recipe,
    )


def _finite(number: float) -> float | None:
    """A number of a score as a list has it; None where there is none."""
    return number if math.isfinite(number) else None


def _state(run: RunFolder, *, finished: bool, newest: float) -> State:
    if finished:
        return "done"
    on_others = RECENT if network_disk(run.path) else 0.0
    quiet = on_others if run.lock.is_file() else LONG
    return "running" if time.time() - newest < quiet else "interrupted"


def _measured(run: RunFolder) -> tuple[int, float]:
    """Bytes of a run without runs inside it, and when something in it was changed last."""
    size, newest = 0, 0.0
    folders = [run.path]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if not (Path(entry.path) / run.recipe.name).is_file():
                        folders.append(Path(entry.path))
                    continue
                about = entry.stat(follow_symlinks=False)
                size += about.st_size
                newest = max(newest, about.st_mtime)
    return size, newest


# choosing and ordering ---------------------------------------------------------------------------------------------


def chosen(runs: Iterable[RunSummary], wanted: Filter) -> list[RunSummary]:
    """The runs that are meant."""
    return [run for run in runs if _meant(run, wanted)]


def _meant(run: RunSummary, wanted: Filter) -> bool:
    if wanted.task and run.task != wanted.task:
        return False
    if wanted.data and wanted.data not in run.data:
        return False
    if wanted.since and run.created < wanted.since:
        return False
    if wanted.state and run.state != wanted.state:
        return False
    if wanted.least is not None and (run.value is None or run.value < wanted.least):
        return False
    return not wanted.asked or _has(run.recipe, wanted.asked)


def _has(recipe: Layer, keys: Section) -> bool:
    """Whether asking for these keys would change nothing in a recipe."""
    try:
        now = recipes.validate(recipe)
        then = recipes.validate(layers.merge(deepcopy(dict(recipe)), deepcopy(keys)))
    except RequestError:
        return False  # a key that this run's task or network does not have
    return now == then


def ordered(runs: Sequence[RunSummary], by: str) -> list[RunSummary]:
    """Runs in the order of a key of `SORTS`; those of a study together, and folds below their run.

    Each such family stands where the first of it stands.

    Raises:
        RequestError: If there is no such key.
    """
    keys: dict[str, Callable[[RunSummary], Any]] = {
        "name": lambda r: r.name,
        "date": lambda r: r.created,
        "score": lambda r: (r.value is None, (1 if less_is_better(r.score) else -1) * _or(r.value, 0.0)),
        "time": lambda r: -_or(r.seconds, 0.0),
        "size": lambda r: -r.bytes,
    }
    if by not in keys:
        raise RequestError("runs.sort", given=by, known=", ".join(SORTS))
    inside: dict[Path, list[RunSummary]] = {}
    families: dict[str, list[RunSummary]] = {}
    by_path = {run.path: run for run in runs}
    for run in sorted(runs, key=lambda r: (keys[by](r), r.name)):
        around = outer(run, by_path)
        top = around[-1] if around else run
        family = families.setdefault(top.study or top.name, [])
        (inside.setdefault(around[0].path, []) if around else family).append(run)

    def below(run: RunSummary) -> Iterator[RunSummary]:
        yield run
        for part in inside.get(run.path, ()):
            yield from below(part)

    return [one for family in families.values() for run in family for one in below(run)]


def outer(run: RunSummary, by_path: Mapping[Path, RunSummary]) -> list[RunSummary]:
    """The runs whose folders a run lies in, the nearest first."""
    return [by_path[folder] for folder in run.path.parents if folder in by_path]


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def to_csv(runs: Sequence[RunSummary]) -> str:
    """One line for each run; what is not known stays empty."""
    columns = [name for name in asdict(runs[0]) if name not in {"recipe", "path"}] if runs else []
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["path", *columns])
    for run in runs:
        values = [getattr(run, name) for name in columns]
        writer.writerow([run.path, *("" if v is None else f"{v:.6g}" if isinstance(v, float) else v for v in values)])
    return out.getvalue()


def recipe_without_seed(run: RunSummary) -> str:
    """What runs share that differ in their seed alone."""
    kept = recipes.validate(run.recipe).model_dump(mode="json")
    for name in ("seed", "schedule_points"):
        kept["train"].pop(name)
    return json.dumps(kept, sort_keys=True)

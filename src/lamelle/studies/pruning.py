"""Making room: checkpoints of finished runs, or whole runs; first a list, then, when asked to, the deed.

What is not a run is never touched, nor a run that is being trained, nor one whose folder holds what no run writes.
Links are removed as links: nothing outside a run's folder is ever deleted.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lamelle.errors import FileError, RequestError
from lamelle.messages import labelled, text
from lamelle.prediction.package import DESCRIPTION, WEIGHTS
from lamelle.runs.folder import RunFolder
from lamelle.studies.listing import RunSummary, open_one, ordered

Mode = Literal["checkpoints", "runs"]
MODES: tuple[Mode, ...] = ("checkpoints", "runs")


@dataclass(frozen=True, slots=True)
class PruneItem:
    """Something that would go."""

    run: RunSummary
    path: Path
    """Folder of the checkpoints, or of the run."""
    bytes: int


@dataclass(frozen=True, slots=True)
class PruneList:
    """What would go, and what stays although it was meant, with the reason in words."""

    mode: Mode
    going: tuple[PruneItem, ...]
    staying: tuple[tuple[RunSummary, str], ...]

    @property
    def bytes(self) -> int:
        return sum(g.bytes for g in self.going)


def plan(runs: Sequence[RunSummary], mode: str, *, keep: int | None, among: Sequence[RunSummary]) -> PruneList:
    """What would go.

    Args:
        runs: Those that are meant.
        mode: ``checkpoints`` of finished runs, whose Package stays; or whole ``runs``.
        keep: Of whole runs, so many with the best scores stay.
        among: All runs that are known, so that none is removed with another one inside it.

    Raises:
        RequestError: If there is no such mode, whole runs should go without a number to keep, or the best of different
            data or scores should stay.
    """
    if mode not in MODES:
        raise RequestError("runs.prune_mode", given=mode, known=", ".join(MODES))
    if mode == "checkpoints":
        pairs = [(run, _why_keep_checkpoints(run)) for run in runs]
    else:
        if keep is None or keep < 0:
            raise RequestError("runs.prune_keep")
        alone = [run for run in runs if not _why_keep_run(run, among)]
        if keep and len(kinds := {(run.data, run.score) for run in alone if run.value is not None}) > 1:
            shown = "; ".join(labelled(Path(data).name, score) for data, score in sorted(kinds))
            raise RequestError("runs.prune_mixed", kinds=shown)
        best = {run.path for run in ordered(alone, "score")[:keep]}
        pairs = [(r, text("runs.keep_best", n=keep) if r.path in best else _why_keep_run(r, among)) for r in runs]
    going = [_item(run, mode) for run, why in pairs if not why]
    return PruneList(mode, tuple(g for g in going if g.bytes or mode == "runs"), tuple((r, w) for r, w in pairs if w))  # type: ignore[arg-type]


def delete(plan: PruneList) -> int:
    """Delete what a plan says; each run is looked at once more, and held, before it is touched.

    Returns:
        Bytes that were freed.

    Raises:
        RequestError: If a run began to be trained meanwhile.
        FileError: If something cannot be deleted.
    """
    freed = 0
    for one in plan.going:
        run = RunFolder(one.run.path)
        now = open_one(run.path)
        if now.state != one.run.state:
            raise RequestError("run.busy", path=run.path)
        with run.locked():
            try:
                if plan.mode == "checkpoints":
                    _empty(one.path, last="")
                else:
                    _empty(run.path, last=run.recipe.name)
                    run.path.rmdir()
            except OSError as error:
                raise FileError("runs.cannot_delete", one.path, reason=error.strerror or str(error)) from error
        freed += one.bytes
    return freed


def _empty(folder: Path, *, last: str) -> None:
    """Delete what a folder holds; ``last`` goes last, so that what a kill leaves is still known for what it is."""
    with os.scandir(folder) as entries:
        inside = sorted(entries, key=lambda e: (e.name == last, e.name))
    for entry in inside:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def _item(run: RunSummary, mode: str) -> PruneItem:
    if mode == "runs":
        return PruneItem(run, run.path, run.bytes)
    folder = RunFolder(run.path).checkpoints
    with os.scandir(folder) as entries:
        return PruneItem(run, folder, sum(e.stat(follow_symlinks=False).st_size for e in entries))


def _why_keep_checkpoints(run: RunSummary) -> str:
    """Why the checkpoints of a run have to stay; empty if they may go."""
    folder = RunFolder(run.path)
    if run.state != "done":
        return text("runs.keep_state", state=text(f"runs.state_{run.state}"))
    if not all((folder.model / name).is_file() for name in (DESCRIPTION, WEIGHTS)):
        return text("runs.keep_no_model")
    if folder.checkpoints.is_symlink() or not folder.checkpoints.is_dir():
        return text("runs.keep_no_checkpoints")
    return ""


def _why_keep_run(run: RunSummary, among: Sequence[RunSummary]) -> str:
    """Why a whole run has to stay; empty if it may go."""
    if run.state in ("running", "damaged"):
        return text("runs.keep_state", state=text(f"runs.state_{run.state}"))
    if run.study:
        return text("runs.keep_study", study=run.study)
    if any(other.path != run.path and other.path.is_relative_to(run.path) for other in among):
        return text("runs.keep_inner")
    names = RunFolder(run.path).names
    if foreign := sorted(name for name in os.listdir(run.path) if name not in names):
        return text("runs.keep_foreign", names=", ".join(foreign[:3]))
    return ""

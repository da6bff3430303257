"""Runs that exist already, side by side: only where they were made from the same images in the same split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lamelle.errors import RequestError
from lamelle.messages import text
from lamelle.prediction.package import DESCRIPTION
from lamelle.results.audit import Audit
from lamelle.results.studies import Comparison
from lamelle.runs.folder import RunFolder
from lamelle.runs.recipe import validate
from lamelle.studies.listing import RunSummary, open_whole, recipe_without_seed
from lamelle.studies.study import compared

_NAMED = 3
"""Images that are named where splits differ."""


def compare(paths: Sequence[Path], *, seen_from: Path = Path()) -> Comparison:
    """Scores of finished runs with paired differences to the first; runs that differ in their seed alone are one line.

    Args:
        seen_from: The folder from which the lines name their runs.

    Raises:
        RequestError: If there are fewer than two, one is not finished or damaged, or they do not share task, classes,
            images and split, or two are one training; the message says what differs.
    """
    if len(paths) < 2:
        raise RequestError("runs.compare_two", n=len(paths))
    listed = [open_whole(path) for path in paths]
    for one in listed:
        folder = RunFolder(one.path)
        if one.state != "done" or not folder.item_stats.is_file() or not _trained(folder):
            raise RequestError("runs.compare_unfinished", path=one.path)
        if folder.read_scores().split == "validation":
            raise RequestError("runs.compare_no_test", path=one.path)
    _refuse_twice(listed)
    first = listed[0]
    for other in listed[1:]:
        if reasons := differences(RunFolder(first.path), RunFolder(other.path)):
            raise RequestError("runs.compare_differ", a=first.path, b=other.path, what="; ".join(reasons))
    return compared(_grouped(listed), seen_from=seen_from)


def _trained(run: RunFolder) -> bool:
    return all((part.model / DESCRIPTION).is_file() for part in run.parts())


def _refuse_twice(listed: Sequence[RunSummary]) -> None:
    """Refuse a training that is named twice, by its path, by a copy, or by a repetition: it is no second seed."""
    trained: dict[object, RunSummary] = {}
    for one in listed:
        run = RunFolder(one.path)
        weights = tuple(run.read_json(part.model / DESCRIPTION)["weights_sha256"] for part in run.parts())
        seed = (recipe_without_seed(one), validate(one.recipe).train.seed)
        for key in (weights, seed):
            if (other := trained.setdefault(key, one)) is not one:
                raise RequestError("runs.compare_twice", a=other.path, b=one.path, seed=seed[1])


def _grouped(listed: Sequence[RunSummary]) -> dict[str, list[RunFolder]]:
    """Runs under the name of the first that has the same recipe but for the seed."""
    names: dict[str, str] = {}
    groups: dict[str, list[RunFolder]] = {}
    for one in listed:
        name = names.setdefault(recipe_without_seed(one), _name(one, listed))
        groups.setdefault(name, []).append(RunFolder(one.path))
    return groups


def _name(one: RunSummary, listed: Sequence[RunSummary]) -> str:
    """The name of its folder, or more of its path where others have that name too."""
    alike = [other for other in listed if other.path.name == one.path.name]
    return one.path.name if len(alike) == 1 else "/".join(one.path.parts[-2:])


def differences(a: RunFolder, b: RunFolder) -> list[str]:
    """What keeps two runs from being compared, in words; empty if nothing does."""
    reasons = []
    about = [run.read_scores() for run in (a, b)]
    for what in ("task", "classes", "split"):
        one, other = (getattr(scores, what) for scores in about)
        if one != other:
            reasons.append(text(f"runs.differ_in_{what}", a=_shown(one), b=_shown(other)))
    if reasons:
        return reasons
    ours, theirs = ({row["id"]: row["split"] for row in run.read_table(run.split)} for run in (a, b))
    if only := sorted(ours.keys() ^ theirs.keys()):
        reasons.append(text("runs.differ_images", n=len(only), names=", ".join(only[:_NAMED])))
    if moved := sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name]):
        shown = ", ".join(f"{name} ({ours[name]} / {theirs[name]})" for name in moved[:_NAMED])
        reasons.append(text("runs.differ_split", n=len(moved), names=shown))
    if not only and (changed := _changed(a, b)):
        reasons.append(text("runs.differ_pixels", n=len(changed), names=", ".join(changed[:_NAMED])))
    return reasons


def _shown(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else ", ".join(value)


def _changed(a: RunFolder, b: RunFolder) -> list[str]:
    """Images whose pixels or labels were others when the second run was made."""
    if not (a.audit.is_file() and b.audit.is_file()):
        return []
    ours, theirs = (_pixels(run.read_audit()) for run in (a, b))
    return sorted(name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name])


def _pixels(audit: Audit) -> dict[str, tuple[str, str | None]]:
    return {row.id: (row.pixels, row.label_pixels) for row in audit.rows}

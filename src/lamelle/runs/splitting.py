"""A request and the records of a folder → the split: the same for `lamelle check`, which shows it, and a training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lamelle.data import split, sub_volumes
from lamelle.data.slice_order import in_order
from lamelle.data.splits.options import Split
from lamelle.data.targets.values import ValueMap
from lamelle.errors import RequestError
from lamelle.results.audit import Audit
from lamelle.runs.recipe import Recipe, Section
from lamelle.types import Index, Problem, Record


@dataclass(frozen=True, slots=True)
class Outlook:
    """The split that a training would make."""

    records: tuple[Record, ...]
    """All records, each with its split; none where there can be no split."""
    by: str
    """``given``, ``block``, ``group`` or ``record``."""
    classes: Mapping[str, set[str]]
    """Classes of each record, by its id, where they are known."""
    problems: tuple[Problem, ...]
    """Why there can be no split, or which classes are judged by next to nothing."""


def only_split(request: Section) -> Section:
    """What a request says of the data and of the split."""
    return {k: v for k, v in request.items() if k in {"split", "data"}} | {"task": {"name": request["task"]["name"]}}


def cut(index: Index, recipe: Recipe) -> Index:
    """The folder with its volumes cut into blocks of slices, where they are too few to be split whole."""
    options = _checked(recipe.split)
    if not sub_volumes.to_be_cut(index, options):
        by_block = options.by == "block" or options.blocks is not None
        return replace(index, records=in_order(index.records)) if by_block else index
    records = sub_volumes.cut([r for r in index.records if r.target], options)
    return replace(index, records=_folded(records, recipe.split))


def place(records: Sequence[Record], recipe: Recipe) -> tuple[tuple[Record, ...], str]:
    """The records with their splits, and how they were split.

    Raises:
        RequestError: If a split would stay empty, or what was asked for is not known of the records.
    """
    if any(r.image.span for r in records):  # cut into its splits
        return tuple(records), "block"
    keys = recipe.split
    if not keys.blocks and split.given_folds(records):
        return split.by_given_folds(records, fold=keys.fold, folds=keys.folds), "given"
    fresh = [replace(r, split=None) for r in records] if keys.folds else records
    placed, by = split.assign(fresh, _checked(keys))
    return _folded(placed, keys), by


def check_parts(records: Sequence[Record], recipe: Recipe) -> None:
    """Refuse a split that leaves nothing to learn from, or nothing to choose by, before any work.

    Raises:
        RequestError: If the share of training or of validation is 0, and the data do not give that part; or if one
            fold is asked for where there are none.
    """
    keys = recipe.split
    if keys.folds or split.given_folds(records):
        return
    if keys.fold is not None:
        raise RequestError("plan.fold_alone", fold=keys.fold)
    given = set(keys.blocks or ()) | {r.split for r in records}
    for name, share in (("train", keys.train), ("validation", keys.validation)):
        if not share and name not in given:
            raise RequestError(f"split.none_{name}")


def parts_made(records: Sequence[Record], placed: Sequence[Record], by: str, recipe: Recipe) -> list[Problem]:
    """What is to be said of parts that the data do not give: taken from the training images, not there, or in no split.

    Args:
        records: As the folder has them.
        placed: With their splits; volumes as their blocks.
    """
    given = {r.split for r in records if r.split} if by == "given" else set()
    taken = Counter(str(r.split) for r in placed)
    notes = [
        Problem(f"plan.{name}_from_train", "", "warning", {"n": taken[name], "all": taken[name] + taken["train"]})
        for name in ("validation", "test")
        if given and name not in given and taken[name]
    ]
    notes += [] if taken["test"] else [Problem("plan.no_test", "", "warning", {})]
    return [*notes, *_in_gaps(placed, recipe)]


def _in_gaps(records: Sequence[Record], recipe: Recipe) -> list[Problem]:
    """A note of the slices that no split uses, and why: gaps between blocks, or what ``split.blocks`` does not name."""
    slices = Counter[bool]()
    for r in records:
        first, stop = r.image.span or (0, 1)
        slices[r.split == split.GAP] += stop - first
    if not slices[True]:
        return []
    code = "plan.gap_by_hand" if recipe.split.blocks else "plan.gap"
    return [Problem(code, "", "note", {"n": slices[True], "all": slices.total(), "gap": recipe.split.gap})]


def in_pieces(records: Sequence[Record]) -> tuple[Record, ...]:
    """The records, those that are scored cut so that one of them at a time fits in memory."""
    return tuple(p for r in records for p in (sub_volumes.pieces([r]) if r.split in ("validation", "test") else [r]))


def present(records: Sequence[Record], audit: Audit, values: ValueMap | None) -> dict[str, set[str]]:
    """The classes of each record, by its id.

    Args:
        audit: Of the same records; those that it does not know are left out where label images say the class.
        values: Which label value means which class; None where names say it.
    """
    if values is None:
        return {r.id: set(r.names) for r in records}
    class_of = {
        v: values.classes[c]
        for v, c in values.mapping.items()
        if v not in values.ignore and 0 <= c < len(values.classes)
    }
    return {row.id: {class_of[v] for v in row.labels if v in class_of} for row in audit.rows}


def judged_by_few(records: Sequence[Record], classes: Mapping[str, set[str]], recipe: Recipe) -> list[Problem]:
    """A warning for classes that no test image holds, or a single one, or images of a single group.

    Nothing is said of slices and blocks, which are never independent, nor of a cross-validation, which tests all.

    Args:
        classes: Those of each record, by its id.
    """
    testing = [r for r in records if r.split == "test" and r.id in classes]
    if not testing or recipe.split.folds or any(r.position is not None or r.image.span for r in records):
        return []
    grouped = all(r.group for r in testing)
    units = Counter(
        name for name, _ in {(name, r.group if grouped else r.id) for r in testing for name in classes[r.id]}
    )
    every = sorted({name for r in records for name in classes.get(r.id, ())})
    problems = []
    if none := [name for name in every if not units[name]]:
        problems.append(Problem("plan.absent_test", "", "warning", {"classes": ", ".join(none)}))
    if lone := [name for name in every if units[name] == 1]:
        code = "plan.absent_but_one_group" if grouped else "plan.absent_but_one_image"
        problems.append(Problem(code, "", "warning", {"classes": ", ".join(lone)}))
    return problems


def _checked(options: Split) -> Split:
    """The same options.

    Raises:
        RequestError: If there are too few folds, or not the one that was asked for.
    """
    options.check_folds()
    return options


def _folded(records: Sequence[Record], keys: Split) -> tuple[Record, ...]:
    """Numbered folds as train, validation and test."""
    return split.as_fold(records, fold=keys.fold or 0, folds=keys.folds) if keys.folds else tuple(records)

"""A model on another labelled folder: what it has seen before is left out, classes are matched, the result is kept.

Thresholds stay as they were frozen. The result is a folder of its own beside the Run, with the files of a Run that
scores need, and a page; the scores of the Run's own test set are never touched.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from lamelle.data import sub_volumes
from lamelle.data.audit.duplicates import listed
from lamelle.data.audit.inspect import inspect
from lamelle.data.changed_files import Content, contents
from lamelle.data.class_spelling import folded, settle, spelt
from lamelle.data.file_hashes import digest
from lamelle.data.resize import resize_image
from lamelle.data.store import Store
from lamelle.data.training_overlap import KnownImage, Memory, pair_shown, remember, seen_before
from lamelle.errors import DataError, FileError, RequestError, printable
from lamelle.metrics.intervals import difference
from lamelle.pictures.encode import COARSE, preview
from lamelle.platform import cores
from lamelle.prediction.comparing import compare
from lamelle.prediction.package import Package
from lamelle.results.audit import Audit
from lamelle.results.pictures import Twins
from lamelle.results.scores import Beside, Elsewhere, Note, ReadAs, Scores, SeenImage
from lamelle.runs import compatibility, layers
from lamelle.runs import plan as plans
from lamelle.runs import recipe as recipes
from lamelle.runs.data_pictures import save_data_pictures, spread
from lamelle.runs.evaluate import interval_options, predict_and_measure, write_scores
from lamelle.runs.folder import RunFolder
from lamelle.runs.pictures import PictureFolder
from lamelle.runs.plan import Plan
from lamelle.runs.recipe import Recipe, Section
from lamelle.runs.saved_plan import save_data_of
from lamelle.runs.scored_pictures import save_scored_pictures
from lamelle.tasks.base import Task
from lamelle.tasks.data_facts import Labels
from lamelle.tasks.table import can_learn, task_of
from lamelle.types import Index, Problem, Record

_TURNED = ("audit.masks_inverted", "audit.mostly_foreground", "audit.objects_everywhere")
"""What tells that masks may be inverted, which makes every score wrong."""
_ONLY_TRAINING = (
    *("layouts.one_class", "layouts.lone_sample", "layouts.empty_class", "layouts.one_value", "layouts.values_"),
    *("layouts.classes_not_consecutive", "audit.values_objects", "audit.masks_empty"),
)
"""Errors that stop a training; a test set may lack a class, and its label values are matched with the model's."""
_SPELLING = ("layouts.spellings_one", "layouts.class_left_out", "layouts.class_not_found")
"""What reading the names of classes has to say."""
_TWINS, _TWIN_SIDE = 8, 128
"""Pictures of images that were left out, and the longer edge of their twins in pixels."""
SEEN = "seen"
"""What ``split.csv`` says of an image that trained the model and so is not scored."""


WritePage = Callable[[RunFolder, Recipe], object]
"""Takes the folder of an evaluation that is complete but for its page, and what was asked for."""


@dataclass(frozen=True, slots=True)
class _OtherFolder:
    """Another folder, read and compared with what the model knows."""

    recipe: Recipe
    index: Index
    audit: Audit
    task: Task
    """The model's, for the labels of this folder."""
    labelled: tuple[Record, ...]
    contents: Mapping[str, Content]
    classes: tuple[ReadAs, ...]
    seen: tuple[KnownImage, ...]
    tested: int
    """Images of the Run's own test set among those that are scored."""
    notes: tuple[Problem, ...]
    small: Mapping[str, np.ndarray]
    """Small pictures of the training images that were found again."""


def score_elsewhere(
    path: Path, package: Package, data: Path, request: Section, store: Store, write_page: WritePage
) -> tuple[RunFolder, Scores]:
    """Scores of a model on another labelled folder, kept with their page beside its Run.

    Args:
        path: The Run, or a package by itself: then the result lies in ``evaluations/`` of the current folder.
        request: Sections ``data`` and ``evaluate``.
        write_page: Makes the page of the new folder; where it cannot, there is no folder.

    Returns:
        The new folder, and the content of its ``scores.json``.

    Raises:
        RequestError: If the folder speaks of another task, has classes or label values that mean nothing to the model,
            no labels, or nothing that the model has not seen.
        DataError: If the folder has errors, all are named; or nothing says what the values of its images mean.
    """
    run = RunFolder.around(path)
    other = _read(run, package, data, request, store)
    left_out = set() if other.recipe.evaluate.keep_seen else {one.id for one in other.seen}
    records = [replace(r, split="test") for r in other.labelled if r.id not in left_out]
    if not records:
        raise RequestError("evaluate.all_seen", n=len(other.labelled), names=_pairs(other.seen))
    compared = compare(package, records, store, stated=other.recipe.data.range)
    scored = sub_volumes.pieces(records) if package.dims == 3 else tuple(records)
    folder = _folder(run, data)
    try:
        items = predict_and_measure(folder, replace(package, task=other.task), scored, store, compared)
        options = interval_options(other.recipe)
        split = str(other.index.root)
        written = write_scores(folder, other.task, items, options, split=split, package=package)
        scores = compared.noted(written)
        notes = (*(Note(code=p.code, values=dict(p.values)) for p in other.notes), *scores.notes)
        scores = scores.model_copy(update={"notes": notes, "elsewhere": _about(path, run, other, scores)})
        plan = _write(folder, other, scores, scored, store)
        save_data_pictures(folder, plan, store)
        twins = _twin_pictures(folder, other, store)
        save_scored_pictures(folder, plan, scores.items, store, twins=twins)
        write_page(folder, plan.recipe)
    except BaseException:
        shutil.rmtree(folder.path, ignore_errors=True)  # half a result would be taken for one
        raise
    return folder, scores


def _read(run: RunFolder | None, package: Package, data: Path, request: Section, store: Store) -> _OtherFolder:
    recipe = recipes.validate(layers.merge(_intervals_of(run), deepcopy(request)))
    index, classes = _with_classes(_look(package, data, request), package.task.classes, request.get("data", {}))
    if not can_learn(package.task, index):
        raise RequestError("evaluate.other_task", found=task_of(index), task=package.task.name)
    given = recipe.data.layout is not None
    audit = inspect(
        index, store, declared=recipe.data.labels, ignore=recipe.data.ignore, workers=cores(), classes=given
    )
    if errors := [p for p in audit.errors if not p.code.startswith(_ONLY_TRAINING)]:
        raise DataError(errors)
    compatibility.check_images(audit, dims=package.dims, channels=package.preparation.channels)
    names = recipes.listed_classes(recipe.data.model_dump())
    task = package.task.adapt(index, Labels(audit.statistics.labels, recipe.data.labels, names, recipe.data.ignore))
    labelled = tuple(r for r in index.records if r.target)
    if not labelled:
        raise RequestError("evaluate.no_labels", path=index.root)
    hashed = contents(labelled, store)
    memory = _memory(run)
    seen = seen_before(labelled, audit.rows, hashed, memory, store) if memory else ()
    kept = {r.id for r in labelled} - {one.id for one in seen}
    tested = sum(row.id in kept and row.pixels in memory.tested for row in audit.rows) if memory else 0
    notes = _notes(index, memory, seen, tested, classes, len(labelled), keep=recipe.evaluate.keep_seen)
    notes += _turned(audit, run)
    twins = {one.like for one in seen}
    small = {s.id: s.small for s in (memory.signatures or () if memory else ()) if s.id in twins}
    return _OtherFolder(recipe, index, audit, task, labelled, hashed, classes, seen, tested, tuple(notes), small)


def _intervals_of(run: RunFolder | None) -> Section:
    """How the Run made its own intervals, so that these are of the same kind."""
    recipe = run.read_recipe() if run else {}
    keys = {name: recipe["evaluate"][name] for name in ("level", "resamples") if name in recipe.get("evaluate", {})}
    return {"evaluate": keys, "train": {"seed": recipe.get("train", {}).get("seed", 0)}}


def _look(package: Package, data: Path, request: Section) -> Index:
    """What is in the folder; what its classes are for the model is settled later, where both names are known."""
    request = deepcopy(request)
    of_model = {"dims": package.dims} | ({} if package.axes is None else {"axes": package.axes})
    given = request["data"] = of_model | request.get("data", {})
    if isinstance(given.get("classes"), Mapping):
        given["classes"] = dict.fromkeys(recipes.left_out_classes(given))
    try:
        return plans.read_data(data, layers.merge({"task": {"name": package.task.name}}, deepcopy(request)))
    except RequestError:
        return plans.read_data(data, request)  # perhaps laid out for another task, which is then said


def _with_classes(index: Index, classes: Sequence[str], given: Section) -> tuple[Index, tuple[ReadAs, ...]]:
    """The folder with its classes as the model names them: as asked, else whatever differs in its spelling only."""
    mapping = recipes.renamed_classes(given)
    of_images = Counter(name for r in index.records for name in r.names)
    counts = of_images or dict.fromkeys(index.classes, 0)
    settled = settle(counts, mapping=mapping, listed=classes)
    read = _alike(settled.names, classes)
    read_as = []
    for theirs, ours in read.items():
        how = "asked" if theirs in mapping else "same" if theirs == ours else "spelling"
        read_as.append(ReadAs(theirs=theirs, ours=ours, images=of_images.get(theirs), how=how))
    problems = tuple(p for p in settled.problems if p.code != "layouts.spellings_one")  # said of the model's classes
    names = tuple(read.get(name, name) for name in index.classes)  # of label values, one for each
    if of_images:
        index, names = replace(index, records=spelt(index.records, read)), tuple(dict.fromkeys(names))
    return replace(index, classes=names, problems=(*index.problems, *problems)), tuple(read_as)


def _alike(names: Mapping[str, str], classes: Sequence[str]) -> dict[str, str]:
    """Names that are still unknown as the one class spelt like them, if nothing else in the folder bears it.

    Within one folder `A` and `a` may be two classes; where a folder has `A` alone and the model knows `a` alone, they
    are one.
    """
    free = [name for name in classes if name not in names.values()]
    unknown = sorted({name for name in names.values() if name not in classes})
    ours, theirs = (Counter(map(folded, some)) for some in (free, unknown))
    alike = {name: next(k for k in free if folded(k) == key) for name in unknown
             if ours[key := folded(name)] == theirs[key] == 1}  # fmt: skip
    return {name: alike.get(one, one) for name, one in names.items()}


def _memory(run: RunFolder | None) -> Memory | None:
    if run is None or not run.audit.is_file() or not run.split.is_file():
        return None
    run.check(run.split)
    signatures = run.read_bytes(run.signatures) if run.signatures.is_file() else None
    return remember(run.read_table(run.split), run.read_audit().rows, signatures)


def _notes(
    index: Index,
    memory: Memory | None,
    seen: Sequence[KnownImage],
    tested: int,
    classes: Sequence[ReadAs],
    n: int,
    *,
    keep: bool,
) -> list[Problem]:
    """What a reader must be told before the scores."""
    notes = []
    if memory is None:
        notes.append(Problem("evaluate.package_alone"))
    elif memory.signatures is None:
        notes.append(Problem("evaluate.only_hashes"))
    if seen:
        values = {"n": len(seen), "all": n, "names": _pairs(seen)}
        notes.append(Problem("evaluate.seen_kept" if keep else "evaluate.seen", values=values))
    if tested:
        notes.append(Problem("evaluate.own_test", values={"n": tested}))
    if others := [c for c in classes if c.how == "spelling"]:
        renamed = ", ".join(f"{printable(c.theirs)} → {printable(c.ours)}" for c in others)
        notes.append(Problem("evaluate.read_as", values={"classes": renamed}))
    return [*notes, *_of_groups(index), *(p for p in index.problems if p.code in _SPELLING)]


def _of_groups(index: Index) -> list[Problem]:
    """What belongs together here: what says it, or may say it; cells of it that are blank or spelt in several ways."""
    codes = {"taken": "evaluate.groups_taken", "maybe": "evaluate.groups_maybe", "blank": None, "one": None}
    problems = []
    for problem in index.problems:
        room, _, name = problem.code.partition(".")
        if room == "groups" and (kind := name.partition("_")[0]) in codes:
            problems.append(replace(problem, code=codes[kind] or problem.code))
    return problems


def _turned(audit: Audit, run: RunFolder | None) -> list[Problem]:
    """What is odd about the masks here, and was not about those of the training."""
    own = run.read_audit().problems if run is not None and run.audit.is_file() else ()
    usual = {problem.code for problem in own}
    return [p for p in audit.problems if p.code in _TURNED and p.code not in usual]


def _pairs(seen: Sequence[KnownImage]) -> str:
    return listed([printable(pair_shown(asdict(one))) for one in seen], most=3)


def _folder(run: RunFolder | None, data: Path) -> RunFolder:
    """A new folder, named after the data: beside the Run; here, if there is no Run or nothing can be written there."""
    name = data.resolve().name.partition(".")[0] if data.is_file() else data.resolve().name
    name = name or "data"
    if run is not None:
        try:
            return RunFolder.create(run.evaluations, name)
        except RequestError:
            pass  # somebody else's run, or a read-only disk
    return RunFolder.create(Path("evaluations"), name)


def _about(path: Path, run: RunFolder | None, other: _OtherFolder, scores: Scores) -> Elsewhere:
    """What is said beside the scores: the data, what was left out and why, and the Run's own test set."""
    return Elsewhere(
        data=str(other.index.root),
        sha256=digest(*sorted((one.image, one.label) for one in other.contents.values())),
        model=str(run.path if run else path),
        images=len(other.labelled),
        unlabelled=len(other.index.records) - len(other.labelled),
        seen=tuple(SeenImage(**asdict(one)) for one in other.seen),
        kept_seen=other.recipe.evaluate.keep_seen,
        own_test=other.tested,
        classes=other.classes,
        asked=other.recipe.model_dump(mode="json", include={"data", "evaluate"}, exclude_defaults=True),
        beside=_beside(run, scores),
    )


def _beside(run: RunFolder | None, scores: Scores) -> dict[str, Beside]:
    """Each score of the Run's own test set, and how much that of the other folder lies above it."""
    own = run.known_scores() if run and not run.older else None
    if own is None or own.split not in ("test", "folds") or own.task != scores.task:
        return {}
    return {
        name: Beside(own=there, difference=difference(scores.scores[name], there))
        for name, there in own.scores.items()
        if name in scores.scores
    }


def _write(folder: RunFolder, other: _OtherFolder, scores: Scores, scored: Sequence[Record], store: Store) -> Plan:
    """Scores, plan and audit; what was scored, beside what was left out."""
    folder.write_scores(scores)
    tested, seen = {r.id for r in scored}, {one.id for one in other.seen}
    left_out = tuple(replace(r, split=SEEN) for r in other.labelled if r.id in seen and r.id not in tested)
    full = layers.merge({"task": {"name": other.task.name}}, {"data": other.recipe.data.model_dump()})
    records = (*scored, *left_out)
    hashed = contents(records, store)
    plan = Plan(recipes.validate(full), other.index, other.audit, records, other.task, "", {}, (), hashed)
    save_data_of(folder, plan, resolved={})
    return plan


def _twin_pictures(folder: RunFolder, other: _OtherFolder, store: Store) -> list[Twins]:
    """Some images that had trained the model, beside the small pictures that were kept of their twins."""
    like = {one.id: one.like for one in other.seen}
    pictures, made = PictureFolder(folder, "twin"), []
    for record in spread([r for r in other.labelled if r.id in like], _TWINS):
        if like[record.id] not in other.small:
            continue
        try:
            image = store.image(record.image)
        except FileError:
            continue  # a file that is gone since it was compared
        rows, columns = (max(1, n * _TWIN_SIDE // max(image.shape[-2:])) for n in image.shape[-2:])
        twin = resize_image(other.small[like[record.id]][None], (rows, columns))
        here, there = (
            pictures.add(preview(one, None), lossy=True, coarse=max(one.shape[-2:]) < COARSE) for one in (image, twin)
        )
        made.append(Twins(id=record.id, here=here, there=there))
    return made

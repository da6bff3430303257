"""From a folder and a request to everything a training needs: what nobody asked for follows from the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path

from lamelle.data import split
from lamelle.data.audit.inspect import inspect
from lamelle.data.changed_files import Content, contents
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.layouts.table_spelling import Naming, naming_of
from lamelle.data.options import Data, LabelOptions, listed
from lamelle.data.store import Store
from lamelle.data.targets.reading import with_meaning
from lamelle.data.targets.values import ValueMap
from lamelle.errors import DataError, RequestError
from lamelle.models.options import MODELS, kind_of_name
from lamelle.models.pretrained import asked_network
from lamelle.platform import cores
from lamelle.results.audit import Audit
from lamelle.runs import compatibility
from lamelle.runs import recipe as recipes
from lamelle.runs.recipe import Recipe, Section
from lamelle.runs.splitting import (
    check_parts,
    cut,
    in_pieces,
    judged_by_few,
    only_split,
    parts_made,
    place,
    present,
)
from lamelle.tasks.base import Task
from lamelle.tasks.data_facts import PlanFacts, TaskData
from lamelle.tasks.table import find, task_of
from lamelle.types import IGNORE, Index, Problem, Record

OF_ONE_SPLIT = "plan.absent_"
"""How the codes of problems begin that are those of one split of the data, and of another not."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A complete request, and the data it is about."""

    recipe: Recipe
    index: Index
    audit: Audit
    records: tuple[Record, ...]
    """All records, each with its split."""
    task: Task
    split_by: str
    """``given``, ``block``, ``group`` or ``record``."""
    planned: Mapping[str, object]
    """Dotted keys that followed from the data."""
    problems: tuple[Problem, ...]
    """Warnings that the report must show; leakage that was allowed is among them."""
    contents: Mapping[str, Content] = field(default_factory=dict)
    """Content hashes of the records, by their ids."""
    naming: Naming | None = None
    """How the table that labels the images spells; None where no table does."""

    def of(self, name: str) -> tuple[Record, ...]:
        """The records of one split."""
        return split.of_split(self.records, name)

    @property
    def judged(self) -> str:
        """The split that is scored: ``test``, or ``validation`` where there is no test set."""
        return "test" if self.of("test") else "validation"


def read_data(data: Path, request: Section) -> Index:
    """What is in a folder, as far as names and headers tell.

    Raises:
        RequestError: If the folder is not there or no layout fits.
    """
    if not data.exists():
        raise RequestError("plan.no_data", path=data)
    given = request.get("data", {})
    options = layout_options(request)
    try:
        index = read_folder(data.resolve(), options=options)
    except RequestError:
        if request.get("train", {}).get("start"):
            _refuse_other_task(data, options)
        raise
    if (name := _task_name(request)) is not None:
        index = find(name).view.meant(index)
    if given.get("label_values") is not None:
        index = with_meaning(index, given["label_values"])
    return index


def _refuse_other_task(data: Path, options: LayoutOptions) -> None:
    """Say it where a folder is laid out for another task than that of the model which training starts from."""
    try:
        index = read_folder(data.resolve(), options=replace(options, task=None, learnt=None))
    except RequestError:
        return
    raise RequestError("evaluate.other_task", found=task_of(index), task=options.task) from None


def layout_options(request: Section) -> LayoutOptions:
    """What a request says about how a folder is read."""
    given = request.get("data", {})
    named = ("layout", "dims", "image", "label", "group", "split", "images", "masks")
    options = {k: given[k] for k in named if k in given}
    options["axes"] = recipes.validate({"data": {"axes": given.get("axes")}}).data.axes
    options |= {"classes": recipes.listed_classes(given), "renamed": recipes.renamed_classes(given)}
    options["left_out"] = recipes.left_out_classes(given)
    if (task := _task_name(request)) is not None:
        options |= {"task": task, "learnt": find(task).view.sees}
    return LayoutOptions(**options)


def _task_name(request: Section) -> str | None:
    """The task that was asked for.

    Raises:
        RequestError: If there is none of this name.
    """
    return find(str(name)).name if (name := request.get("task", {}).get("name")) else None


def make_plan(data: Path, request: Section, store: Store, *, accelerator: bool) -> Plan:
    """Look, audit, split and plan.

    Args:
        request: What the recipe and the command line say, section by section.
        accelerator: Whether a GPU will train.

    Raises:
        RequestError: If the request cannot be met.
        DataError: If the data has errors; all are named.
    """
    request = deepcopy(request)
    index = read_data(data, request)
    task_name = request.get("task", {}).get("name") or task_of(index)
    request.setdefault("task", {})["name"] = task_name
    request.setdefault("data", {})["path"] = str(data.resolve())
    first = recipes.validate(only_split(request))
    check_parts(index.records, first)
    index = cut(index, first)
    audit = inspect(index, store, workers=cores(), **label_options(request))
    if audit.errors:
        raise DataError(audit.errors)
    compatibility.check_axes(first, dims=audit.statistics.dims)
    records, by = place(index.records, first)
    facts = _facts(index, audit, records, request, first.data, accelerator)
    planned = {k: v for k, v in find(task_name).plan(facts).items() if v is not None and not _is_requested(request, k)}
    full = _complete(request, planned)
    recipe = recipes.validate(full)
    compatibility.check_axes(recipe, dims=audit.statistics.dims)
    compatibility.check_images(audit, dims=audit.statistics.dims, channels=recipe.data.channels or 1)
    compatibility.check_context(recipe, records, taken=find(task_name).crops)
    compatibility.check_network(recipe, find(task_name).output)
    compatibility.check_also(recipe, find(task_name).also)
    allowed = compatibility.leakage(records, audit, recipe)
    task = make_task(recipe, index, audit, records)
    notes = [*compatibility.input_range(recipe), *compatibility.idle(recipe)]
    notes += task.problems(task_data(recipe, index, audit, records))
    notes += parts_made(index.records, records, by, recipe)
    notes += judged_by_few(records, present(records, audit, class_values(recipe, index, audit)), recipe)
    audit = replace(audit, problems=(*audit.problems, *notes))
    if audit.statistics.dims == 3 and not recipe.task.whole_items:
        records = in_pieces(records)
    warned, hashed = _warnings(audit, allowed), contents(records, store)
    naming = naming_of(index, data, layout_options(recipe.model_dump()))
    return Plan(recipe, index, audit, records, task, by, planned, warned, hashed, naming)


def _warnings(audit: Audit, more: Sequence[Problem] = ()) -> tuple[Problem, ...]:
    return tuple(p for p in (*audit.problems, *more) if p.severity != "note")


def task_data(recipe: Recipe, index: Index, audit: Audit, records: Sequence[Record]) -> TaskData:
    """What a task is settled by."""
    return TaskData(index, audit, tuple(records), recipe.data, recipe.evaluate.also)


def make_task(recipe: Recipe, index: Index, audit: Audit, records: Sequence[Record]) -> Task:
    """The task with everything it takes from the data: classes, their counts, the meaning of label values."""
    return find(recipe.task.name).settle(recipe.task, task_data(recipe, index, audit, records))


def class_values(recipe: Recipe, index: Index, audit: Audit) -> ValueMap | None:
    """Which label value means which class, where label images say it."""
    return task_data(recipe, index, audit, ()).values if any(r.labels for r in index.records) else None


def label_options(request: Section) -> LabelOptions:
    """What the audit needs to know of a request about label values."""
    data = request.get("data", {})
    given = recipes.validate({"data": {k: data[k] for k in ("labels", "ignore") if data.get(k)}}).data
    return {
        "declared": given.labels,
        "ignore": given.ignore,
        "named": bool(recipes.listed_classes(data)),
        "classes": data.get("layout") is not None,
        "apart": (name := _task_name(request)) is not None and find(name).view.apart,
    }


def _unlabelled(audit: Audit, data: Data) -> float:
    """Share of the pixels of label images that say nothing."""
    counts = audit.statistics.labels
    ignored = {*data.ignore, *(v for v, c in (data.labels or {}).items() if c == IGNORE)}
    return sum(n for v, n in counts.items() if v in ignored) / max(1, sum(counts.values()))


def _facts(
    index: Index,
    audit: Audit,
    records: Sequence[Record],
    request: Section,
    data: Data,
    accelerator: bool,
) -> PlanFacts:
    statistics = audit.statistics
    training = split.of_split(records, "train")
    names = listed(data.classes) or index.classes
    counts = find(request["task"]["name"]).view.foreseen(training, audit, names)
    network = asked_network(request.get("model", {}))
    ids = {r.id for r in training}
    sizes = [row.size for row in audit.rows if row.id in ids and len(row.size) == 3]  # blocks differ in depth
    return PlanFacts(
        dims=statistics.dims,
        channels=statistics.channels[1],
        smallest=statistics.size_min,
        median=data.resize
        or tuple(sorted(axis)[len(axis) // 2] for axis in zip(*sizes, strict=True))
        or statistics.size_median,
        spacing=statistics.spacings[0][0] if statistics.spacings else None,
        records=len(training),
        classes=len(counts),
        class_counts=counts,
        accelerator=accelerator,
        encoder=network.encoder,
        pretrained=network.pretrained,
        expects=network.expects,
        fixed=network.fixed,
        frozen=network.frozen,
        levels=network.levels,
        resized=data.resize is not None,
        unlabelled=_unlabelled(audit, data),
    )


def _is_requested(request: Section, key: str) -> bool:
    section, _, name = key.partition(".")
    return name in request.get(section, {})


def _complete(request: Section, planned: Mapping[str, object]) -> Section:
    """The request with the plan under it; only the keys that the chosen kind of network knows."""
    full, wanted = deepcopy(request), request.get("model", {})
    kind = wanted.get("kind") or kind_of_name(wanted.get("name"), None) or planned.get("model.kind")
    for key, value in planned.items():
        section, _, name = key.partition(".")
        if section != "model" or kind == planned.get("model.kind"):
            full.setdefault(section, {}).setdefault(name, value)
    if kind in MODELS:
        fields = MODELS[str(kind)].model_fields
        full["model"] = {k: v for k, v in full.get("model", {}).items() if k in fields or k in wanted} | {"kind": kind}
    return full

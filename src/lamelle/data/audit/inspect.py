"""The audit: every pixel is looked at once, every problem is collected, nothing is repaired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lamelle.data.audit.duplicates import duplicate_problems, find_pairs
from lamelle.data.audit.label_meaning import LabelNumbers, numbering_problems, numbers, parting_problems
from lamelle.data.audit.mask_classes import Surface, mask_class_problems, masks_among_problems, surface
from lamelle.data.audit.masks import MaskLook, look, mask_problems
from lamelle.data.audit.measure import THUMBNAIL, Distribution, count_labels, measure
from lamelle.data.audit.mixed_scales import scale_problems
from lamelle.data.audit.sample_size import few_problems
from lamelle.data.audit.shortcuts import shortcut_problems
from lamelle.data.audit.signatures import shrunk
from lamelle.data.audit.spacing import spacing_problems
from lamelle.data.audit.statistics import Pool, count, summarise
from lamelle.data.audit.values import value_problems
from lamelle.data.layouts.volumes import mismatch
from lamelle.data.slice_order import sequence_problems
from lamelle.data.store import Store
from lamelle.data.targets.reading import problems_of_labels, read_labels
from lamelle.errors import DataError, FileError, LamelleError
from lamelle.results.audit import Audit, ImageMeasures
from lamelle.types import Index, Problem, Record

Progress = Callable[[int, int], None]
"""Called with the number of records looked at and the number of all."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """One record after its pixels were looked at; ``row`` is None if they cannot be read."""

    record: Record
    problems: tuple[Problem, ...]
    row: ImageMeasures | None = None
    small: np.ndarray | None = None
    """As in a signature."""
    distributions: tuple[Distribution, ...] = ()
    surface: Surface | None = None
    """How the image is made up, where its target is a class."""
    numbers: LabelNumbers | None = None
    """What the values of the label image are like; None where there is one mask per object."""
    look: MaskLook | None = None
    """What the label image is like beside its image."""


def inspect(
    index: Index,
    store: Store,
    *,
    declared: Mapping[int, int] | None,
    ignore: Sequence[int],
    workers: int,
    named: bool = False,
    classes: bool = False,
    apart: bool = False,
    progress: Progress | None = None,
) -> Audit:
    """Look at every image and label image of a folder; fills the store.

    A file that cannot be read becomes a problem and the next one is looked at. Memory holds slabs of ``workers``
    images at a time and a thumbnail of each.

    Args:
        index: What was found in the folder; its problems are kept.
        store: Where decoded pixels are kept.
        declared: Label value → class, where the user said so.
        ignore: Label values that are not scored.
        workers: Threads that decode.
        named: The user has named the classes, so that label values are no numbers of objects.
        classes: The user has said how the folder is read, so that what looks like masks is warned of alone.
        apart: Objects are learnt one by one, so that each needs a number of its own.
        progress: Called after each record.
    """
    seen: list[_Seen] = []
    pool = Pool(len(index.records))
    with ThreadPoolExecutor(max(1, workers)) as threads:
        for result in threads.map(lambda record: _look(record, store, ignore), index.records):
            if result.row is not None:
                exact = np.dtype(result.row.dtype).itemsize <= 2 and np.dtype(result.row.dtype).kind in "bui"
                pool.add(result.distributions, exact=exact)
            seen.append(replace(result, distributions=()))
            if progress is not None:
                progress(len(seen), len(index.records))
    whole = [s for s in seen if s.row is not None]
    rows, records = [s.row for s in whole if s.row is not None], [s.record for s in whole]
    small = np.array([s.small for s in whole], np.uint8).reshape(-1, THUMBNAIL, THUMBNAIL)
    pairs = find_pairs(rows, records, small)
    statistics = summarise(rows, index.records, pool)
    problems = [*index.problems, *(p for s in seen for p in s.problems)]
    problems += [*_folder_problems(rows), *_stacks(rows, records), *spacing_problems(rows, records)]
    problems += scale_problems(rows, records)
    problems += _about_masks(
        index, whole, statistics.labels, declared=declared, ignore=ignore, named=named, apart=apart
    )
    problems += few_problems(index.records)
    surfaces = [s.surface for s in whole]
    masks = mask_class_problems(records, surfaces, index.layout)
    masks = masks or masks_among_problems(records, rows, surfaces, small, index.layout)
    if classes:
        masks = [replace(p, code="audit.masks_kept", severity="warning") for p in masks[:1]]
    problems += masks or duplicate_problems(pairs, rows)  # masks resemble their images, which is no news then
    problems += shortcut_problems(rows, records)
    problems += sequence_problems(records, small)
    placed = dict.fromkeys(_Key.of(_relative(p, index.root)) for p in problems)
    return Audit(tuple(k.problem for k in placed), tuple(rows), pairs, count(rows, index.records), statistics)


def _about_masks(
    index: Index,
    seen: Sequence[_Seen],
    counts: Mapping[int, int],
    *,
    declared: Mapping[int, int] | None,
    ignore: Sequence[int],
    named: bool,
    apart: bool,
) -> list[Problem]:
    """What is wrong with label images, or may be; their values are spoken of where nothing worse is."""
    masked = [(s.row, s.look or MaskLook(), s.record) for s in seen if s.row is not None and s.row.labels]
    looks = mask_problems(masked, declared=declared, ignore=ignore, instances=index.numbers_objects)
    problems = [*_counted(index, seen, named=named or declared is not None, apart=apart), *looks]
    if any(p.severity == "error" for p in problems):
        return problems
    rows = [s.row for s in seen if s.row is not None]
    masks = [s.record.label_place for s in seen]
    return [*value_problems(index, rows, masks, counts=counts, declared=declared, ignore=ignore), *problems]


@dataclass(frozen=True)
class _Key:
    """A problem that can be looked up, so that what thirty planes of one file have in common is said once."""

    texts: tuple[str, str, str]
    problem: Problem

    @staticmethod
    def of(problem: Problem) -> _Key:
        return _Key((problem.code, problem.where, repr(sorted(problem.values.items()))), problem)

    def __hash__(self) -> int:
        return hash(self.texts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.texts == other.texts


def _relative(problem: Problem, root: Path) -> Problem:
    """The place below the user's folder."""
    folder = root if root.is_dir() else root.parent
    try:
        return replace(problem, where=Path(problem.where).relative_to(folder).as_posix()) if problem.where else problem
    except ValueError:  # already relative, or elsewhere
        return problem


def _look(record: Record, store: Store, ignore: Sequence[int]) -> _Seen:
    """Measure one record; all that is wrong with its files is collected."""
    problems: list[Problem] = []
    seen, image = _Seen(record, ()), None
    try:
        image = store.image(record.image)
        problems += store.problems(record.image)
        seen = _measured(record, image, store, problems)
    except (FileError, DataError) as error:
        problems += _problems_of(error, str(record.image))
    if (target := record.labels) is not None:
        objects, files = target.meaning == "objects", len(target.sources)
        try:
            labels = read_labels(record, store)
            place = record.id if files > 1 else record.label_place
            problems += [replace(p, where=place) for p in problems_of_labels(record, store)]
            row, label_problems = _labelled(record, seen.row, labels, objects=objects)
            if row is not None and labels.shape == row.size:  # so the planes are what they were taken for
                problems = [p for p in problems if p.code != "files.maybe_channels"]
            if image is not None and row is not None and not label_problems:
                inside = labels > 0 if objects else labels
                seen = replace(seen, look=look(image, inside, {v: n for v, n in row.labels.items() if v not in ignore}))
            label_numbers = _numbers(labels, row, ignore, objects=objects) if files < 2 else None
            seen, problems = replace(seen, row=row, numbers=label_numbers), [*problems, *label_problems]
        except (FileError, DataError) as error:
            problems += _problems_of(error, record.label_place)
    return replace(seen, problems=tuple(problems))


def _problems_of(error: LamelleError, place: str) -> list[Problem]:
    if isinstance(error, FileError):
        return [error.problem]
    problems = error.problems if isinstance(error, DataError) else ()
    return [replace(p, where=p.where or place) for p in problems]


def _measured(record: Record, image: np.ndarray, store: Store, problems: list[Problem]) -> _Seen:
    measured = measure(image)
    place = str(record.image)
    if measured.minimum == measured.maximum:
        problems.append(Problem("audit.constant", place, "warning", {"value": f"{measured.minimum:g}"}))
    quantiles = [d.quantiles(0.01, 0.99) for d in measured.distributions]
    row = ImageMeasures(
        record.id,
        store.entry(record.image).format,
        image.shape,
        image.dtype.name,
        store.bits(record.image),
        store.spacing(record.image),
        measured.coloured,
        measured.minimum,
        measured.maximum,
        tuple(measured.mean.tolist()),
        tuple(measured.std.tolist()),
        tuple(q[0] for q in quantiles),
        tuple(q[1] for q in quantiles),
        measured.pixels,
        label_pixels="|".join(sorted(record.names)) or None,
    )
    made_up = surface(image, measured.distributions) if len(record.names) == 1 else None
    return _Seen(record, (), row, shrunk(measured.thumbnail), measured.distributions, made_up)


def _labelled(
    record: Record, row: ImageMeasures | None, labels: np.ndarray, *, objects: bool
) -> tuple[ImageMeasures | None, list[Problem]]:
    """The row with what its label image holds, and what is wrong with it."""
    counts, content = count_labels(labels)
    count = None
    if objects:
        inside = sum(n for value, n in counts.items() if value)
        count = sum(1 for value in counts if value)
        counts = {value: n for value, n in ((0, counts.get(0, 0)), (1, inside)) if n}
    if row is None:
        return None, []
    wrong = [_mismatch(record, row.size, labels.shape)] if labels.shape != row.size else []
    return replace(row, labels=counts, objects=count, label_pixels=content), wrong


def _mismatch(record: Record, image: tuple[int, ...], labels: tuple[int, ...]) -> Problem:
    """An image and its label image are not of one size."""
    place = record.label_place
    if code := mismatch(image, labels):
        sizes = {"label": Path(place).name, "label_size": _size(labels), "size": _size(image), "first": image[0]}
        return Problem(code, str(record.image), "error", sizes)
    return Problem(
        "audit.size_mismatch", place, "error", {"mask": _size(labels), "image": _size(image), "of": record.id}
    )


def _size(shape: Sequence[int]) -> str:
    return " × ".join(str(n) for n in shape)


def _folder_problems(rows: Sequence[ImageMeasures]) -> list[Problem]:
    """What only shows when all images are seen together."""
    problems = []
    for code, values in (
        ("audit.mixed_channels", Counter(str(r.channels) for r in rows)),
        ("audit.mixed_dtypes", Counter(r.dtype for r in rows)),
    ):
        if len(values) > 1:
            shares = {"found": ", ".join(f"{value} ({n})" for value, n in values.most_common())}
            problems.append(Problem(code, "", "warning", shares))
    dark = [r for r in rows if r.dtype in ("uint16", "int16") and r.minimum >= 0 and r.maximum < 256]
    if dark and len(dark) == sum(r.dtype in ("uint16", "int16") for r in rows):
        few_bits = {"count": len(dark), "maximum": int(max(r.maximum for r in dark)), "dtype": dark[0].dtype}
        problems.append(Problem("audit.few_bits", "", "note", few_bits))
    return problems


def _stacks(rows: Sequence[ImageMeasures], records: Sequence[Record]) -> list[Problem]:
    """One error where images with class names are stacks: what looks at them sees planes."""
    named = [row for row, r in zip(rows, records, strict=True) if r.names]
    stacks = [row for row in named if len(row.size) == 3]
    if not stacks:
        return []
    values = {"count": len(stacks), "all": len(named), "depth": stacks[0].size[0], "size": _size(stacks[0].size[1:])}
    return [Problem("audit.stacks_with_classes", stacks[0].id, "error", values)]


def _numbers(
    labels: np.ndarray, row: ImageMeasures | None, ignore: Sequence[int], *, objects: bool
) -> LabelNumbers | None:
    """What the values of a label image are like; of objects the row does not tell how often each occurs."""
    if row is None:
        return None
    return numbers(labels, count_labels(labels)[0] if objects else row.labels, ignore=() if objects else ignore)


def _counted(index: Index, seen: Sequence[_Seen], *, named: bool, apart: bool) -> list[Problem]:
    """Whether label values number objects although nobody says so, or do not although somebody does."""
    masks = [s for s in seen if s.row is not None and s.row.labels]
    label_numbers, places = [s.numbers for s in masks], [s.record.label_place for s in masks]
    if index.numbers_objects:
        return parting_problems(label_numbers, places) if apart else []
    return [] if named or index.classes or index.names else numbering_problems(label_numbers, places)

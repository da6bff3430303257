"""The one table of layouts, and the choice among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from lamelle.data.class_spelling import folded, not_found, settle, spelt
from lamelle.data.groups.decide import grouped
from lamelle.data.groups.spec import NONE
from lamelle.data.layouts import (
    cellpose,
    class_folders,
    class_mask_folders,
    coco,
    folder_per_image,
    image_mask_folders,
    medmnist,
    nnunet,
    scans,
    stack_pair,
    suffix_pairs,
    table,
    table_pairs,
    volume_pairs,
    yolo,
)
from lamelle.data.layouts.common import (
    Layout,
    LayoutOptions,
    beside_splits,
    class_names,
    class_problems,
    in_splits,
    with_axes,
)
from lamelle.data.layouts.label_names import numbers_named, value_names
from lamelle.data.layouts.listing import TABLE_SUFFIXES, FileEntry, Listing, is_image, list_folder
from lamelle.data.layouts.mask_placement import laid_over
from lamelle.data.layouts.named_masks import by_names, images_alone
from lamelle.data.layouts.path_columns import check_named, images_of_word, is_column
from lamelle.data.layouts.program_outputs import without_products
from lamelle.data.layouts.split_levels import by_levels
from lamelle.data.layouts.split_lists import by_lists
from lamelle.data.layouts.table_join import add_columns
from lamelle.data.layouts.unknown_layout import unknown_folder, what_is_there
from lamelle.data.layouts.unread_files import passed_over, sentences, tables_below
from lamelle.data.layouts.volumes import of_one_slice, slices_of_stacks
from lamelle.errors import RequestError, printable, sentence, setting
from lamelle.messages import labelled, text
from lamelle.registry import Registry, nearest
from lamelle.types import ClassNames, Index, Problem, Record, Shapes, ValueNames

LAYOUTS: Registry[Layout] = Registry(
    "layout",
    class_folders.LAYOUT,
    class_mask_folders.LAYOUT,
    table.LAYOUT,
    table_pairs.LAYOUT,
    image_mask_folders.LAYOUT,
    suffix_pairs.LAYOUT,
    folder_per_image.LAYOUT,
    stack_pair.LAYOUT,
    volume_pairs.LAYOUT,
    nnunet.LAYOUT,
    cellpose.LAYOUT,
    medmnist.LAYOUT,
    yolo.LAYOUT,
    coco.LAYOUT,
)
"""Every layout, in the order in which the nearest is named."""
_READABLE = 0.5


def read_folder(root: Path, *, options: LayoutOptions) -> Index:
    """Find out how a folder is laid out, and list its records; no pixel is read.

    Args:
        root: A folder; or a table, a TIFF stack beside its labels, or a MedMNIST file.
        options: The layout, the task and the columns where the user names them.

    Returns:
        The Index. What is wrong with single files or rows is in its ``problems``.

    Raises:
        RequestError: If no layout fits, several fit equally, or the named one does not.
        FileError: If the file that describes the whole (a table, dataset.json) cannot be read.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"):
        ...     (folder / name).parent.mkdir(exist_ok=True)
        ...     _ = (folder / name).write_bytes(b"")
        >>> index = read_folder(folder, options=LayoutOptions())
        >>> index.layout, index.classes, index.records[0].id, index.records[0].names
        ('class_folders', ('cat', 'dog'), 'cat/1.png', ('cat',))
    """
    listing = scans.as_labelled(without_products(replace(list_folder(root), axes=options.axes)), options)
    if not listing.images and not any(e.suffix == ".npz" for e in listing.entries):
        raise RequestError(
            "layouts.nothing_found",
            path=printable(str(root)),
            found=what_is_there(listing),
            passed=sentences(passed_over(listing)),
        )
    listing, options = images_of_word(listing, options)
    check_named(listing, options)
    as_given = options
    if options.of_classes:
        options = replace(options, images=None, masks=None)
    name = _choose(listing, options)
    index = _read(listing, name, options, as_given)
    masks_read = any(r.labels for r in index.records)
    problems = [*listing.problems, *index.problems]
    if options.label and masks_read:
        values = {"key": setting("data.label", options.label), "task": setting("task", "classify")}
        problems.append(Problem("layouts.label_not_learned", "", "warning", values))
    records = index.records
    if name != table.NAME and not listing.tables and (column := options.columns["group"] or options.given_split):
        raise RequestError("layouts.no_table_for", column=column, path=printable(str(listing.root)))
    if not LAYOUTS[name].own_columns:
        records, wrong = add_columns(listing, records, replace(options, label=None))
        names = index.names.file if index.names else None
        problems += [p for p in wrong if p.code != "layouts.table_unused" or p.where != names]
    records, split_problems, lists = _split(listing, records, options)
    problems += [*split_problems, *passed_over(listing, masks_read=masks_read, read=lists), *tables_below(listing)]
    if not records and not any(p.severity == "error" for p in problems):
        problems.append(Problem("layouts.no_records", ".", "error"))
    records = with_axes(records, options.axes)
    records = slices_of_stacks(records) if options.dims == 2 else of_one_slice(records)
    skipped = _skipped(listing, records, index.names, lists)
    whole = replace(index, records=records, problems=tuple(problems), skipped=skipped)
    return laid_over(grouped(whole, options.group))


def _read(listing: Listing, name: str, options: LayoutOptions, as_given: LayoutOptions) -> Index:
    """What a layout reads, with the classes as they are meant."""
    index = LAYOUTS[name].read(listing, options)
    index = images_alone(index, as_given) if _names_classes(index, options) else index
    return _with_classes(listing, index, options)


def _split(
    listing: Listing, records: Sequence[Record], options: LayoutOptions
) -> tuple[tuple[Record, ...], list[Problem], frozenset[str]]:
    """The records with the split that folders, columns and lists of names say, what is said, and the lists."""
    used = {s.path for r in records for s in (r.image, *(r.labels.sources if r.labels else ()))}
    outside = beside_splits(listing, used)
    if options.split == NONE:
        return tuple(replace(r, split=None, fold=None) for r in records), outside, frozenset()
    records, beside = in_splits(listing.root, records)
    records, of_lists, lists = by_lists(listing, records)
    records, of_levels = by_levels(records, listing.root)
    return records, [*outside, *beside, *of_lists, *of_levels], lists


def _names_classes(index: Index, options: LayoutOptions) -> bool:
    """Whether the targets are names of classes, or would be if there were any."""
    are_names = {isinstance(r.target, ClassNames) for r in index.records if r.target}
    if are_names:
        return any(are_names)
    return options.of_classes if options.learnt else LAYOUTS[index.layout].yields[0] is ClassNames


def _with_classes(listing: Listing, index: Index, options: LayoutOptions) -> Index:
    """The Index with the names of its classes: those that the records bear, spellings of one class as one."""
    if not _names_classes(index, options):
        classes = tuple(options.renamed.get(name, name) for name in index.classes)
        names, file_problems = index.names, []
        if names is None and not index.classes and not options.classes:
            names, file_problems = value_names(listing)
        have = index.classes if names is None else (*names.known.values(), *names.ordered)
        if names is not None:
            renamed = {value: options.renamed.get(name, name) for value, name in names.known.items()}
            ordered = tuple(options.renamed.get(name, name) for name in names.ordered)
            names = replace(names, known=renamed, ordered=ordered)
        problems = (*index.problems, *file_problems, *not_found(options.renamed, have))
        return replace(index, classes=classes, names=names, problems=problems)
    meant, left_out = _meant(index.records, options.left_out)
    counts = Counter(name for r in meant for name in r.names)
    settled = settle(counts, mapping=options.renamed, listed=options.classes)
    records = spelt(meant, settled.names)
    named = _numbers_named(listing, class_names(records))
    of_classes = class_problems(records)
    if any(p.code == "layouts.one_label" for p in index.problems):
        of_classes = [p for p in of_classes if p.code != "layouts.one_class"]  # said with its column
    problems = (*index.problems, *left_out, *settled.problems, *named, *of_classes)
    return replace(index, records=records, classes=class_names(records), problems=problems)


def _numbers_named(listing: Listing, classes: Sequence[str]) -> list[Problem]:
    """A note where a file names the numbers that are the classes."""
    names = value_names(listing)[0]
    if names is None or not (read := numbers_named(names, classes)):
        return []
    return [Problem("layouts.numbers_named", names.file, "note", {"key": setting("data.classes", read)})]


def _meant(records: Sequence[Record], left_out: Sequence[str]) -> tuple[tuple[Record, ...], list[Problem]]:
    """The records without those of classes that are left out, and what was left out."""
    if not left_out:
        return tuple(records), []
    names = [t for r in records for t in r.names]
    unmeant = {name for name in names if folded(name) in set(map(folded, left_out))}
    kept = tuple(r for r in records if not unmeant.intersection(r.names))
    values = {"count": len(records) - len(kept), "classes": ", ".join(printable(n) for n in sorted(unmeant))}
    notes = [Problem("layouts.class_left_out", severity="note", values=values)] if unmeant else []
    return kept, [*notes, *not_found(left_out, names)]


def _choose(listing: Listing, options: LayoutOptions) -> str:
    """The name of the layout that fits."""
    if options.layout is not None:
        return _named(listing, options, options.layout)
    names = [n for n, row in LAYOUTS.items() if listing.only is None or row.of_one_file]
    names = [n for n in names if LAYOUTS[n].can_be(options)]
    if by_names(options):
        names = [n for n in names if n == suffix_pairs.NAME]
    elif class_folders.level_of(options) and not (options.masks or options.images):
        names = [class_folders.NAME]
    elif options.masks and is_column(listing, options.masks):
        names = [n for n in names if n == table_pairs.NAME]
    elif options.masks or options.images:
        names = [n for n in names if LAYOUTS[n].two_folders]
    matches = {n: LAYOUTS[n].match(listing, options) for n in names}
    readable = {n: m.score for n, m in matches.items() if m.score >= _READABLE}
    if not readable:
        raise unknown_folder(listing, options, matches, LAYOUTS)
    best = [n for n, score in readable.items() if score == max(readable.values())]
    if options.label is not None and "table" in best:
        best = ["table"]
    if described := [n for n in best if LAYOUTS[n].described]:
        best = described[:1]
    if len(best) > 1:
        wants = "\n".join(f"  {labelled(n, LAYOUTS[n].help)}" for n in best)
        raise RequestError(
            "layouts.ambiguous", path=printable(str(listing.root)), names=", ".join(best), wants=wants, first=best[0]
        )
    return best[0]


def _named(listing: Listing, options: LayoutOptions, name: str) -> str:
    """The layout that the user named, if it can read the folder."""
    if name not in LAYOUTS:
        near = nearest(name, LAYOUTS, cutoff=0)[0]
        raise RequestError("layouts.no_such_layout", name=name, near=near, names=", ".join(LAYOUTS))
    match = LAYOUTS[name].match(listing, options)
    if match.score < _READABLE and match.missing:
        raise RequestError(
            "layouts.named_lacks",
            path=printable(str(listing.root)),
            name=name,
            missing=sentence(match.missing),
            wants=LAYOUTS[name].help,
            found=what_is_there(listing),
        )
    if not LAYOUTS[name].can_be(options):
        kinds = ", ".join(text(f"data.kind_{kind.kind}") for kind in LAYOUTS[name].yields)
        raise RequestError("layouts.other_task", name=name, task=options.task, kinds=kinds)
    return name


def _skipped(
    listing: Listing, records: Sequence[Record], names: ValueNames | None, lists: Collection[str]
) -> dict[str, int]:
    """Junk by reason, and files of other kinds by suffix."""
    counts = Counter(listing.skipped)
    read = {*lists, *([names.file] if names else [])}
    drawn = {r.labels.source.path for r in records if isinstance(r.labels, Shapes)}
    others = [e for e in listing.entries if _is_other(e) and e.rel not in read and listing.path(e) not in drawn]
    counts.update(f"*{e.suffix}" if e.suffix else e.name for e in others)
    return dict(counts)


def _is_other(entry: FileEntry) -> bool:
    return not is_image(entry) and entry.suffix not in (*TABLE_SUFFIXES, ".npz") and entry.name != "dataset.json"

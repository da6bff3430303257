"""Files that are known and not read: pictures and tables of other formats, drawn outlines; each with a cure."""

from __future__ import annotations

import codecs
import shlex
from collections.abc import Callable, Collection, Sequence

from lamelle.data.layouts.listing import TABLE_SUFFIXES, FileEntry, Listing, is_image
from lamelle.data.layouts.pairing import names_of
from lamelle.data.tables import read_table
from lamelle.errors import FileError, in_lines, printable
from lamelle.io.formats.table import FORMATS
from lamelle.types import Problem

_HEAD = 1 << 16
"""Bytes of a text that are looked at."""
_SHOWN = 3
_HEAD_ROWS = 40
"""Rows of a table by which it is told if it names images."""
_STEM = 3
"""Characters from which the name of an image without its suffix is looked for."""
_TRIED = 6
"""Images whose names are looked for in a text."""
_TEXTS = (".txt", ".json", ".lst", ".list")
_MAX_TEXTS = 50
"""Texts up to which each may be a list; more of them are about an image each."""
_KNOWN = ("dataset.json", "series.json")
"""Texts that name images and are read."""
_ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".tgz", ".gz", ".bz2", ".xz")

SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")


def passed_over(listing: Listing, *, masks_read: bool = False, read: Collection[str] = ()) -> list[Problem]:
    """A warning for each format of pictures, tables or outlines that is in a folder and not read.

    Args:
        masks_read: Masks were found, so that outlines are not missed.
        read: Paths of files that were read.

    Example:
        >>> from pathlib import Path
        >>> listing = Listing(Path(), (FileEntry("", "a.czi"), FileEntry("", "b.czi"), FileEntry("", "notes.txt")), ())
        >>> [(p.code, p.values["count"], p.values["suffix"]) for p in passed_over(listing)]
        [('layouts.passed_microscope', 2, '.czi')]
    """
    others = [e for e in listing.entries if not is_image(e) and e.rel not in read]
    by_kind: dict[tuple[str, str], list[FileEntry]] = {}
    for entry in others:
        if kind := _kind(entry.suffix):
            by_kind.setdefault((kind, entry.suffix), []).append(entry)
    problems = [_problem(kind, suffix, entries) for (kind, suffix), entries in by_kind.items()]
    tests = {"archives": _is_archive} | ({} if masks_read else OUTLINES)
    if sum(e.suffix in _TEXTS for e in others) <= _MAX_TEXTS:
        tests = {"lists": _lists_images, **tests}
    for kind, test in tests.items():
        if drawn := [e for e in others if test(listing, e)]:
            problems.append(_problem(kind, drawn[0].suffix, drawn))
    return problems


def _kind(suffix: str) -> str | None:
    """How files of a suffix that is known and not read are converted."""
    row = FORMATS.of_suffix(suffix)
    if row is not None and row.read is None:
        return row.cure
    return "spreadsheet" if suffix in SPREADSHEETS else None


def tables_below(listing: Listing) -> list[Problem]:
    """A warning for each table in a folder inside that names images there: only those of the data folder are read."""
    below = [e for e in listing.entries if e.folder and e.suffix in TABLE_SUFFIXES]
    image_names = {name for e in listing.images for name in (e.name.casefold(), e.stem.casefold())}
    problems = []
    for entry in below[:_MAX_TEXTS]:
        try:
            table = read_table(listing.path(entry))
        except FileError:
            continue  # what is not asked for need not be a table
        rows = table.rows[:_HEAD_ROWS]
        for column in table.columns:
            names = [row.cells[column].replace("\\", "/").rpartition("/")[2].casefold() for row in rows]
            if len(set(names)) > 1 and sum(n in image_names and not n.isdecimal() for n in names) * 2 > len(names):
                place = printable(shlex.quote(str(listing.root / entry.folder)))
                values = {"column": printable(column), "folder": place}
                problems.append(Problem("layouts.table_below", entry.rel, "warning", values))
                break
    return problems


def sentences(problems: Sequence[Problem]) -> str:
    """What was passed over, one line each, to be put behind a refusal."""
    return "".join(f"\n{line}" for line in in_lines(problems))


def _problem(kind: str, suffix: str, entries: Sequence[FileEntry]) -> Problem:
    values = {"count": len(entries), "suffix": suffix, "names": names_of(entries, most=_SHOWN)}
    return Problem(f"layouts.passed_{kind}", "", "warning", values)


def _says(listing: Listing, entry: FileEntry, suffix: str, *marks: str) -> bool:
    """Whether a text of this suffix holds one of the marks near its beginning; a file that cannot be read does not."""
    if entry.suffix != suffix:
        return False
    try:
        with listing.path(entry).open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # as a spreadsheet saves text
        head = head.decode("utf-16", errors="replace").encode()
    return any(mark.encode() in head for mark in marks)


def _is_rois(listing: Listing, entry: FileEntry) -> bool:
    return entry.suffix == ".roi" or (entry.suffix == ".zip" and "roi" in entry.stem.lower())


def _is_archive(listing: Listing, entry: FileEntry) -> bool:
    return entry.suffix in _ARCHIVES and not _is_rois(listing, entry)


def _lists_images(listing: Listing, entry: FileEntry) -> bool:
    """Whether a text names images of the folder, as lists of files and their classes do."""
    if entry.suffix not in _TEXTS or entry.name in _KNOWN or _is_coco(listing, entry):
        return False
    names = [(e.name, *_at_begin(e.stem)) for e in listing.images[:_TRIED]]
    return sum(_says(listing, entry, entry.suffix, *marks) for marks in names) * 2 > len(names) > 1


def _at_begin(stem: str) -> tuple[str, ...]:
    """How a line of a list begins that names an image without its suffix; a short name may be anything."""
    return tuple(f"\n{stem}{sign}" for sign in ",;\t") if len(stem) >= _STEM else ()


def _is_coco(listing: Listing, entry: FileEntry) -> bool:
    if entry.suffix == ".geojson":
        return True
    marks = ('"segmentation"', '"annotations"', '"shapes"', '"bbox"', '"regions"', '"polygon"', '"Polygon"')
    return _says(listing, entry, ".json", *marks)


def _is_xml(listing: Listing, entry: FileEntry) -> bool:
    return _says(listing, entry, ".xml", "<annotation", "<Annotation", "<bndbox", "<Marker")


def _is_yolo(listing: Listing, entry: FileEntry) -> bool:
    """Numbers in a text that is called like an image: a class and the corners or the box of each object."""
    if entry.suffix != ".txt" or entry.stem not in listing.stems:
        return False
    try:
        with listing.path(entry).open(encoding="utf-8", errors="replace") as file:
            cells = file.readline().split()
    except OSError:
        return False
    return len(cells) >= 5 and cells[0].isdecimal() and all(_is_share(c) for c in cells[1:])


def _is_share(cell: str) -> bool:
    try:
        return 0 <= float(cell) <= 1
    except ValueError:
        return False


OUTLINES: dict[str, Callable[[Listing, FileEntry], bool]] = {
    "rois": _is_rois,
    "polygons": _is_coco,
    "xml": _is_xml,
    "boxes": _is_yolo,
}
"""Files of outlines and boxes, by the program that draws masks of them."""

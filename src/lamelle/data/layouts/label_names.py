"""Files that name the values of label images: lists of classes, label descriptions of ITK-SNAP and 3D Slicer, JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from lamelle.data.groups.words import tokens
from lamelle.data.layouts.listing import FileEntry, Listing
from lamelle.data.layouts.pairing import names_of
from lamelle.errors import printable
from lamelle.io.files import is_image_name
from lamelle.types import Problem, ValueNames

_STEMS = frozenset(
    (
        "labels", "label", "classes", "class", "classnames", "labelnames", "names", "objnames", "categories", "codes",
        "legend", "labelmap", "classmap", "classlist", "labellist", "labeldescriptions", "labeldescription", "lut",
        "colortable", "colorlut", "freesurfercolorlut", "etiquettes", "nomsdesclasses", "nomsclasses", "legende",
        "klassen", "klassennamen", "clases", "etiquetas", "itksnaplabels",
    )
)  # fmt: skip
"""What such files are called, without signs."""
_SUFFIXES = (".txt", ".csv", ".tsv", ".json", ".names", ".label", ".labels", ".lbl", ".ctbl", ".lut")
_ALWAYS = (".label", ".ctbl", ".names", ".lbl")
"""Suffixes of files that hold nothing else, whatever they are called."""
_MAX_BYTES = 1 << 20
_SNAP = re.compile(r'(\d+)(?:\s+[\d.]+){4,6}\s+"(.*)"')
_COLOURS = re.compile(r'(\d+)\s+"?([^\s"]+|[^"]+(?="))"?(?:\s+\d+){3,4}')
_VALUE_FIRST = re.compile(r'[-*"\']?\s*(\d+)["\']?\s*(?:->|=>|[:=,;\t.)–-]|\s)\s*["\']?(.*?[^\W\d_].*?)["\']?,?')
_NAME_FIRST = re.compile(r'[-*"\']?\s*["\']?([^\d\W].*?)["\']?\s*(?:->|=>|[:=,;\t]|\s)\s*(\d+),?')
_CELL = re.compile(r"[\s,;|]")
_COMMENT = ("#", "//", "%")


def value_names(listing: Listing) -> tuple[ValueNames | None, list[Problem]]:
    """The file below a folder that names label values, and what is to be said of others of this kind.

    Read are ``0: background``, ``0 background``, ``background = 0``, one name a line, label descriptions of ITK-SNAP,
    colour tables of 3D Slicer and FreeSurfer, and JSON with names and values (``dataset.json``, ``categories``).

    Example:
        >>> from pathlib import Path
        >>> import tempfile
        >>> from lamelle.data.layouts.listing import list_folder
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "labels.txt").write_text("0: background\\n1: nucleus\\n")
        >>> value_names(list_folder(folder))[0].known
        {0: 'background', 1: 'nucleus'}
    """
    files: list[tuple[FileEntry, ValueNames]] = []
    problems: list[Problem] = []
    for entry in listing.entries:
        if not _is_called_so(entry):
            continue
        names = _read(listing, entry)
        if names is not None:
            files.append((entry, names))
        elif entry.suffix in (".txt", *_ALWAYS):
            problems.append(Problem("layouts.names_unread", entry.rel, "warning"))
    if len({(tuple(n.known.items()), n.ordered) for _, n in files}) > 1:
        values = {"names": names_of([e.rel for e, _ in files])}
        return None, [*problems, Problem("layouts.names_several", "", "warning", values)]
    return (files[0][1] if files else None), problems


def _is_called_so(entry: FileEntry) -> bool:
    if entry.suffix not in _SUFFIXES:
        return False
    if entry.name == "dataset.json":  # of nnU-Net
        return True
    return entry.suffix in _ALWAYS or "".join(tokens(PurePosixPath(entry.name).stem)) in _STEMS


def _read(listing: Listing, entry: FileEntry) -> ValueNames | None:
    """What a file names; None where it is none of these, or cannot be read."""
    path = listing.path(entry)
    try:
        if path.stat().st_size > _MAX_BYTES:
            return None
        text = path.read_text(encoding="utf-8-sig")
        by_value, ordered = _of_json(json.loads(text)) if entry.suffix == ".json" else _of_lines(text, entry.suffix)
    except (OSError, ValueError):  # not text, or no JSON
        return None
    return ValueNames(entry.rel, by_value, ordered) if by_value or ordered else None


def _of_lines(text: str, suffix: str) -> tuple[dict[int, str], tuple[str, ...]]:
    """Names by value, or in order where no line says a value; nothing if any line is something else.

    Example:
        >>> _of_lines("# mine\\n0 background\\n1 cell body", ".txt"), _of_lines("nucleus\\ncytoplasm", ".txt")
        (({0: 'background', 1: 'cell body'}, ()), ({}, ('nucleus', 'cytoplasm')))
    """
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(_COMMENT)]
    if any(is_image_name(_CELL.split(line)[0]) for line in lines):
        return {}, ()  # a table of images
    pairs = [_pair(line) for line in lines]
    if pairs and pairs[0] is None and len(pairs) > 2 and all(pairs[1:]):
        pairs = pairs[1:]  # below a header
    if pairs and all(pairs):
        by_value = dict(p for p in pairs if p)
        return (by_value, ()) if len(by_value) == len(pairs) else ({}, ())
    listed = suffix in (".txt", ".names") and not any(pairs) and len(set(lines)) == len(lines) > 0
    return {}, tuple(map(_clean, lines)) if listed and all(map(_is_name, lines)) else ()


def _is_name(line: str) -> bool:
    return any(map(str.isalpha, line)) and len(line.split()) <= _WORDS and not _SIGNS.search(line)


_WORDS = 5
"""Words up to which a line is a name, and no sentence."""
_SIGNS = re.compile(r"[<>{}\\/|=:;\t]|\.\w|[.!?]$|,")
"""What stands in sentences, paths and tables, and in no name."""


def _pair(line: str) -> tuple[int, str] | None:
    for pattern, value, name in ((_SNAP, 1, 2), (_COLOURS, 1, 2), (_VALUE_FIRST, 1, 2), (_NAME_FIRST, 2, 1)):
        if match := pattern.fullmatch(line):
            return int(match[value]), _clean(match[name])
    return None


def _clean(name: str) -> str:
    return printable(name.strip().strip("\"'").strip())


def _of_json(content: object) -> tuple[dict[int, str], tuple[str, ...]]:
    """Names by value, or in order."""
    if isinstance(content, Mapping):
        for key in ("labels", "classes", "categories", "names", "label_names", "class_names"):
            if isinstance(inner := content.get(key), Mapping | list):
                return _of_json(inner)
        pairs = [_json_pair(key, value) for key, value in content.items()]
        return (dict(p for p in pairs if p), ()) if pairs and all(pairs) else ({}, ())
    if not isinstance(content, Sequence) or isinstance(content, str) or not content:
        return {}, ()
    if all(isinstance(one, str) for one in content):
        return {}, tuple(_clean(str(one)) for one in content)
    by_value: dict[int, str] = {}
    for one in content:
        value = next((one[k] for k in ("id", "value", "label", "index") if k in one), None) if _is_row(one) else None
        if not isinstance(value, int):
            return {}, ()
        by_value[value] = _clean(str(one["name"]))
    return by_value, ()


def _is_row(one: object) -> bool:
    return isinstance(one, Mapping) and isinstance(one.get("name"), str)


def _json_pair(key: object, value: object) -> tuple[int, str] | None:
    if str(key).isdecimal() and isinstance(value, str):
        return int(str(key)), _clean(value)
    return (value, _clean(str(key))) if isinstance(value, int) and not isinstance(value, bool) else None


def numbers_named(names: ValueNames, classes: Sequence[str]) -> dict[str, str]:
    """The name of each class that is a number, where a file names all of them; else nothing.

    Example:
        >>> numbers_named(ValueNames("classes.txt", ordered=("normal", "ill")), ["0", "1"])
        {'0': 'normal', '1': 'ill'}
    """
    by_value = dict(names.known) or dict(enumerate(names.ordered))
    names_of_numbers = {name: by_value[int(name)] for name in classes if name.isdecimal() and int(name) in by_value}
    return names_of_numbers if names_of_numbers and len(names_of_numbers) == len(classes) else {}

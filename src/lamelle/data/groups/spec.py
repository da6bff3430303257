"""How a group is asked for: ``data.group=COLUMN``, ``name:REGEX``, ``folder:N``, ``dicom:patient`` or ``none``."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from lamelle.data.groups.words import folder_rank
from lamelle.data.tables import column_like
from lamelle.errors import RequestError, printable
from lamelle.io.dicom_identity import LEVELS, belongs_to
from lamelle.types import Record

NONE = "none"
NAMED = "named"
"""A level of folders that is not the same for all: the one that is called after a patient, an animal, a slide."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Spec:
    """Where the group of a record stands."""

    kind: Literal["column", "name", "folder", "dicom", "none"]
    value: str = ""
    """The column, the regular expression, the number of the folder level, or the level of a DICOM header."""

    def __str__(self) -> str:
        return (
            self.value if self.kind == "column" else self.kind if self.kind == "none" else f"{self.kind}:{self.value}"
        )

    @property
    def key(self) -> str:
        """What to paste into a command line.

        Example:
            >>> print(Spec("column", "Mouse ID").key, Spec("folder", "1").key, Spec("name", "^([0-9]+)_").key)
            'data.group=Mouse ID' data.group=folder:1 'data.group=name:^([0-9]+)_'
        """
        written = str(self)
        plain = yaml.safe_load(written) if _is_yaml(written) else None
        return shlex.quote(f"data.group={written if plain == written else json.dumps(written, ensure_ascii=False)}")


def parse(given: str) -> Spec:
    """What the value of ``data.group`` asks for.

    Raises:
        RequestError: If an expression, a level of folders or a level of DICOM headers is none.

    Example:
        >>> parse("Patient ID"), parse("folder:-2"), parse("none")
        (Spec(kind='column', value='Patient ID'), Spec(kind='folder', value='-2'), Spec(kind='none', value=''))
    """
    kind, colon, value = given.partition(":")
    if given == NONE:
        return Spec("none")
    if kind == "name" and colon:
        try:
            re.compile(value)
        except re.error as error:
            raise RequestError("groups.bad_regex", given=given, reason=error) from error
        return Spec("name", value)
    if kind == "folder" and colon:
        if value != NAMED and (not re.fullmatch(r"-?[0-9]+", value) or int(value) == 0):
            raise RequestError("groups.bad_level", given=given)
        return Spec("folder", value)
    if kind == "dicom" and colon:
        if value not in LEVELS:
            raise RequestError("groups.bad_dicom", given=given, levels=", ".join(f"dicom:{level}" for level in LEVELS))
        return Spec("dicom", value)
    return Spec("column", given)


def values(spec: Spec, records: Sequence[Record], root: Path) -> list[str | None]:
    """The group of each record; None where a cell is empty, or a file has no header though others have.

    Args:
        root: The user's folder.

    Raises:
        RequestError: If there is no such column or level of folders, or a name or header does not say the group.
    """
    if spec.kind == "column":
        column = resolved(spec, records).value
        return [r.columns.get(column) for r in records]
    if spec.kind == "name":
        pattern = re.compile(spec.value)
        groups = [in_name(pattern, file_name(r)) for r in records]
        code, have = "groups.no_match", [file_name(r) for r in records]
    elif spec.kind == "folder":
        groups = [at_level(folders(r, root), spec.value) for r in records]
        code, have = "groups.no_level", ["/".join(folders(r, root)) or "." for r in records]
    else:
        groups = [belongs_to(r.image.path).get(spec.value) for r in records]
        if any(groups):  # of a folder that is DICOM in part
            return groups
        code, have = "groups.no_header", [r.id for r in records]
    if lacking := [h for h, f in zip(have, groups, strict=True) if not f]:
        shown = ", ".join(printable(h) for h in dict.fromkeys(lacking[:_SHOWN]))
        raise RequestError(code, given=f"data.group={spec}", count=len(lacking), all=len(records), first=shown)
    return groups


def resolved(spec: Spec, records: Sequence[Record]) -> Spec:
    """The spec with its column as the table spells it.

    Raises:
        RequestError: If there is no such column.
    """
    if spec.kind != "column":
        return spec
    have = dict.fromkeys(c for r in records for c in r.columns)
    if (column := column_like(spec.value, have)) is None:
        raise RequestError("groups.no_column", column=spec.value, have=", ".join(have) or "–")
    return Spec("column", column)


def file_name(record: Record) -> str:
    """The name of a record's file, with its suffix."""
    return record.image.path.name


def folders(record: Record, root: Path) -> tuple[str, ...]:
    """The folders between the user's folder and a record's file, from above."""
    path = record.image.path
    return path.relative_to(root).parent.parts if path.is_relative_to(root) else ()


def at_level(parts: Sequence[str], level: str) -> str | None:
    """The folder of a level: 1 is the first below the user's folder, -1 the one that holds the file.

    Example:
        >>> [at_level(("site A", "Patient 3", "images"), level) for level in ("1", "-1", "named")]
        ['site A', 'images', 'Patient 3']
    """
    if level == NAMED:
        ranks = [(rank, i) for i, part in enumerate(parts) if (rank := folder_rank(part)) is not None]
        return parts[min(ranks)[1]] if ranks else None
    place = int(level) - 1 if int(level) > 0 else int(level)
    return parts[place] if -len(parts) <= place < len(parts) else None


def in_name(pattern: re.Pattern[str], name: str) -> str | None:
    """What the first group of an expression that takes part finds in a name; without groups, all that it finds.

    Example:
        >>> in_name(re.compile("^([0-9]+)_"), "5800_900001.png"), in_name(re.compile("P[0-9]+"), "a_P12.tif")
        ('5800', 'P12')
    """
    match = pattern.search(name)
    if match is None:
        return None
    return next((g for g in match.groups() if g), None) if pattern.groups else match[0] or None


def _is_yaml(written: str) -> bool:
    try:
        yaml.safe_load(written)
    except yaml.YAMLError:
        return False
    return True

"""Columns of a table that name files: which of several names the images, and which their masks."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lamelle.data.column_words import names_label
from lamelle.data.groups.words import column_words
from lamelle.data.layouts.common import LayoutOptions, last
from lamelle.data.layouts.folder_pairs import is_called
from lamelle.data.layouts.listing import FileEntry, Listing
from lamelle.data.layouts.locate import Located
from lamelle.data.layouts.pairing import names_of
from lamelle.data.layouts.unnamed_masks import are_masks
from lamelle.data.layouts.words import FolderName, file_name, folder_name
from lamelle.data.tables import Table, column_like, is_blank, labels_of, read_table
from lamelle.errors import FileError, RequestError, printable
from lamelle.io.files import is_image_name
from lamelle.types import Problem

_LOOKED_AT, _OPENED = 40, 4
"""Cells of a column by which it is told if they may be files, and images whose pixels are looked at."""
_MIN_SHARE = 0.5
"""Share of the cells that have to be files."""
_OF_FILES = frozenset(
    ("path", "file", "filename", "filepath", "url", "name", "id", "uri", "chemin", "fichier", "pfad", "datei")
)
"""Words of a column that do not say what the files hold."""

_SIGN = re.compile(r"[-_. ]+")

Locate = Callable[[Sequence[str]], Located]


@dataclass(frozen=True, slots=True)
class PathColumns:
    """The columns of a table that name files, where there is more than one."""

    image: str | None = None
    masks: Mapping[str, Located] = field(default_factory=dict)
    """Column of masks → the files of each name in it."""
    others: Mapping[str, Located] = field(default_factory=dict)
    """Further columns of files, such as another view, or masks that are not meant."""

    @property
    def beside(self) -> tuple[str, ...]:
        """All but the column of the images."""
        return (*self.masks, *self.others)

    @property
    def files(self) -> tuple[Located, ...]:
        """The files of these columns."""
        return (*self.masks.values(), *self.others.values())


def path_columns(
    listing: Listing, table: Table, options: LayoutOptions, *, first: str | None, locate: Locate
) -> PathColumns:
    """Which columns name the images and their masks: by the words of the columns and files, else by the pixels.

    Masks are told by their pixels where a few of them have up to 8 values, and the images of the same rows, of the same
    size, more than 16.

    Args:
        first: The column that is taken for the images where nothing speaks against it.
        locate: How names are found in the folder.

    Returns:
        Nothing where fewer than two columns name files, or nothing tells images from masks and ``first`` is none.
    """
    files_of = _files(listing, table, first, locate)
    if len(files_of) < 2:
        return PathColumns()
    wanted, given = (n and column_like(n, table.columns) for n in (options.masks, options.image))
    masks = [c for c in files_of if c == wanted or (c != given and _is_mask(c, files_of[c]))]
    masks = masks or _drawn(listing, table, files_of)
    rest = [c for c in files_of if c not in masks]
    if not rest:
        return PathColumns()
    masks = [wanted] if wanted in files_of else masks
    image = next((c for c in (given, *_like(masks, rest), first, *_named(rest)) if c in rest), rest[0])
    if not masks and first not in files_of:
        image = None
    others = {c: files for c, files in files_of.items() if c != image and c not in masks}
    return PathColumns(image, {c: files_of[c] for c in masks}, others)


def without(table: Table, columns: Sequence[str]) -> Table:
    """The table without some of its columns."""
    if not columns:
        return table
    rows = tuple(replace(r, cells={c: v for c, v in r.cells.items() if c not in columns}) for r in table.rows)
    return replace(table, columns=tuple(c for c in table.columns if c not in columns), rows=rows)


def names_in(cell: str) -> tuple[str, ...]:
    """The files in a cell: one, or several with ``|`` or ``;`` between.

    Example:
        >>> names_in("m/a_1.png; m/a_2.png"), names_in("NA")
        (('m/a_1.png', 'm/a_2.png'), ())
    """
    return () if is_blank(cell) else labels_of(cell)


def is_column(listing: Listing, name: str) -> bool:
    """Whether a table of the folder, and no folder, is meant: it has a column of this name."""
    if any(is_called(f, name) for f in listing.folders):
        return False
    for entry in listing.tables:
        try:
            if column_like(name, read_table(listing.path(entry)).columns):
                return True
        except FileError:
            continue  # who reads the table says what is wrong with it
    return False


def images_of_word(listing: Listing, options: LayoutOptions) -> tuple[Listing, LayoutOptions]:
    """The listing with the images of one modality, where ``data.images`` names a word of their files and no folder.

    Example:
        >>> from pathlib import Path
        >>> listing = Listing(Path(), tuple(FileEntry("", f"a_{w}.nii.gz") for w in ("flair", "seg", "t1")), ())
        >>> [e.name for e in images_of_word(listing, LayoutOptions(images="flair"))[0].entries]
        ['a_flair.nii.gz', 'a_seg.nii.gz']
    """
    word = (options.images or "").casefold()
    if not word or any(is_called(f, options.images or "") for f in listing.folders):
        return listing, options
    meant = {e for e in listing.images if word in _SIGN.split(e.stem.casefold())}
    rest = [e for e in listing.images if e not in meant and not _called_mask(e)]
    if not meant:
        return listing, options
    values = {"count": len(meant), "word": printable(word), "rest": len(rest), "names": names_of(rest, most=3)}
    note = Problem("layouts.images_of_word", "", "note", values)
    gone = set(rest)
    kept = tuple(e for e in listing.entries if e not in gone)
    return replace(listing, entries=kept, problems=(*listing.problems, note)), replace(options, images=None)


def check_named(listing: Listing, options: LayoutOptions) -> None:
    """Whether the folders that the user named are there; ``data.masks`` may name a column of a table, too.

    Raises:
        RequestError: If one is not.
    """
    for key, name in (("images", options.images), ("masks", options.masks)):
        if name is None or name.startswith("name:") or any(is_called(f, name) for f in listing.folders):
            continue
        if key == "images" or not is_column(listing, name):
            folders = names_of([f"{f}/" for f in listing.folders], most=8)
            raise RequestError("layouts.no_such_folder", key=key, name=name, folders=folders)


def masks_alone(listing: Listing, listed: Sequence[FileEntry]) -> tuple[FileEntry, FileEntry] | None:
    """A mask of the files that a table lists, and the image that it belongs to, where all that is looked at are masks.

    A mask has a few values, and an image of its name and size, which is not listed, has more.
    """
    rest = set(listed)
    by_name = {file_name(e.stem).keys[-1]: e for e in listing.images if e not in rest}
    looked = list(listed[:: max(1, len(listed) // _OPENED)])[:_OPENED]
    pairs = [(image, e) for e in looked if (image := by_name.get(file_name(e.stem).keys[-1]))]
    if not pairs or len(pairs) < len(looked) or not are_masks(listing, pairs):
        return None
    image, mask = pairs[0]
    return mask, image


def _files(listing: Listing, table: Table, first: str | None, locate: Locate) -> dict[str, Located]:
    """Each column whose cells are files, and not those of another column again."""
    names = {name.casefold() for e in listing.images for name in (e.name, e.stem)}
    files_of: dict[str, Located] = {}
    for column in [c for c in (first, *table.columns) if c]:
        if column in files_of:
            continue
        cells = [row.cells[column] for row in table.rows]
        if column != first and not _may_be_files(cells, names):
            continue
        files = locate(list(dict.fromkeys(name for cell in cells for name in names_in(cell))))
        filled = sum(not is_blank(c) for c in cells)
        there = [c for c in cells if any(n in files.entries for n in names_in(c))]
        if len(there) >= max(1, _MIN_SHARE * filled) and not any(
            _same(table, column, files, c, files_of[c]) for c in files_of
        ):
            files_of[column] = files
    return files_of


def _may_be_files(cells: Sequence[str], names: set[str]) -> bool:
    """Whether some cells are names of files that are there; numbers alone, and words that recur, may be anything."""
    looked = [n for c in cells[:_LOOKED_AT] for n in names_in(c)]
    bases = [posixpath.basename(n.replace("\\", "/").partition("?")[0]).casefold() for n in looked]
    alike = [b for b in bases if b in names or is_image_name(b)]
    if len(alike) < max(1, _MIN_SHARE * len(looked)) or all(re.fullmatch(r"[\d.,-]*", b) for b in bases):
        return False
    return all(map(is_image_name, alike)) or len(set(cells)) > _MIN_SHARE * len(cells)


def _same(table: Table, one: str, files: Located, other: str, others: Located) -> bool:
    """Whether two columns name the same file in most rows."""
    pairs = [(files.entries.get(r.cells[one]), others.entries.get(r.cells[other])) for r in table.rows]
    both = [(a, b) for a, b in pairs if a and b]
    return len(both) > 0 and sum(a == b for a, b in both) * 2 > len(both)


def _is_mask(column: str, files: Located) -> bool:
    """Whether a column holds masks, as its name, or the names of all of its files, say."""
    if (role := _name(column).role) is not None:
        return role == "mask"
    if names_label(column):
        return True
    return all(_called_mask(e) for e in files.entries.values())


def _called_mask(entry: FileEntry) -> bool:
    return file_name(entry.stem).role == "mask" or folder_name(last(entry.folder)).role == "mask"


def _named(columns: Sequence[str]) -> list[str]:
    return [c for c in columns if _name(c).role == "image"]


def _like(masks: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The columns of images that go with the only one of masks, as other words of their names say."""
    own = _rest(masks[0]) if len(masks) == 1 else set()
    return [c for c in columns if own and _rest(c) == own]


def _rest(column: str) -> set[str]:
    """The words of a column that say neither image nor mask nor file: ``tif`` of ``tif_mask_path``."""
    words = [w for w in column_words(column) if w not in _OF_FILES]
    return {w for w in words if folder_name(w).role is None}


def _name(column: str) -> FolderName:
    return folder_name(" ".join(w for w in column_words(column) if w not in _OF_FILES))


def _drawn(listing: Listing, table: Table, files_of: Mapping[str, Located]) -> list[str]:
    """The columns that look like masks of one that does not; nothing where the pixels tell nothing."""
    rows = [r for r in table.rows if all(r.cells[c] in files_of[c].entries for c in files_of)]
    files = {c: [files_of[c].entries[r.cells[c]] for r in rows] for c in files_of}
    drawn = [
        c for c in files_of if any(are_masks(listing, list(zip(files[i], files[c], strict=True))) for i in files_of)
    ]
    return drawn if len(drawn) < len(files_of) else []

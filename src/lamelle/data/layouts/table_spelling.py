"""How a table spells: the names of its columns, of its images and of several labels in one cell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lamelle.data.layouts import table
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.listing import FileEntry, list_folder
from lamelle.io.files import is_image_name, promised
from lamelle.types import Index

_BETWEEN = re.compile(r"[ \t]*[|;][ \t]*")


@dataclass(frozen=True, slots=True)
class Naming:
    """How the table that a model was trained on spells, so that a submission can be spelt alike."""

    image: str
    """Name of the column of images."""
    label: str
    """Name of the column of classes."""
    folder: bool
    """Images are named with their folder: ``images/a.png``."""
    suffix: bool
    """Images are named with their suffix: ``a.png``."""
    separator: str
    """What stands between several classes of one image: ``|``."""

    def spell(self, path: str, *, folder: str) -> str:
        """The name of an image.

        Args:
            path: Below the given folder, with ``/``.
            folder: Name of the given folder, for an image that lies directly in it.

        Example:
            >>> Naming("id", "label", folder=True, suffix=False, separator="|").spell("a.png", folder="test")
            'test/a'
            >>> Naming("image", "label", folder=False, suffix=True, separator="|").spell("new/b.tif", folder="test")
            'b.tif'
        """
        above, _, name = path.rpartition("/")
        above = above or folder
        entry = FileEntry(above, name)
        if not self.suffix and promised(name):
            name = entry.stem
        return f"{above}/{name}" if self.folder and above else name


def naming_of(index: Index, data: Path, options: LayoutOptions) -> Naming | None:
    """How the table that labels an Index spells; None where no table does.

    Args:
        data: The folder or table that the Index was read from.
        options: What it was read with.

    Raises:
        FileError: If the table can no longer be read.
        RequestError: If the folder is gone.

    Example:
        >>> import tempfile
        >>> from lamelle.data.layouts.detect import read_folder
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "a.png").write_bytes(b""), (folder / "b.png").write_bytes(b"")
        >>> _ = (folder / "labels.csv").write_text("file,class\\na,cat\\nb,cat; dog\\n")
        >>> naming_of(read_folder(folder, options=LayoutOptions()), folder, LayoutOptions())
        Naming(image='file', label='class', folder=False, suffix=False, separator='; ')
    """
    if index.layout != table.NAME:
        return None
    cells = table.spelt(list_folder(data), options)
    return None if cells is None or cells[0] == cells[1] else _naming(*cells)


def _naming(image: str, label: str, names: Sequence[str], labels: Sequence[str]) -> Naming:
    """What most of the cells do."""
    below = [n for n in (name.replace("\\", "/").removeprefix("./") for name in names) if n]
    between = Counter(sign for cell in labels for sign in _BETWEEN.findall(cell))
    return Naming(
        image,
        label,
        folder=2 * sum("/" in n for n in below) > len(below),
        suffix=2 * sum(is_image_name(n.rpartition("/")[2]) for n in below) >= len(below),
        separator=between.most_common(1)[0][0] if between else "|",
    )

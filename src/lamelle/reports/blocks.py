"""What pages are made of: a closed set of blocks, each drawn by the macro of its name in ``templates/blocks.html``.

Whatever is shown is text that the template escapes; only a `Plot` holds markup, which `lamelle.reports.figures` made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Link = tuple[str, str]
"""What is read, and where it leads."""
Line = tuple[str, str, str]
"""A line of a legend: its name, colour and dashes."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph."""

    text: str = ""
    look: str = ""
    """Classes of the style sheet: ``lead``, ``muted``, ``small``."""
    strong: str = ""
    """What stands in bold before it."""
    links: Sequence[Link] = ()


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a section; of level 4 it is that of some pictures."""

    text: str
    level: Literal[3, 4] = 3


@dataclass(frozen=True, slots=True)
class Notice:
    """What a reader must know."""

    text: str
    kind: str = ""
    """``error``, ``warning``, ``note``, ``good``."""
    strong: str = ""


@dataclass(frozen=True, slots=True)
class Notices:
    """Notices below each other."""

    notices: Sequence[Notice]


@dataclass(frozen=True, slots=True)
class Card:
    """A large number."""

    name: str
    value: str
    about: Sequence[str]
    """Lines below it."""
    bar: tuple[float, float, float] | None = None
    """Left end, width and point of its interval, in percent."""


@dataclass(frozen=True, slots=True)
class Cards:
    """Cards beside each other."""

    cards: Sequence[Card]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what is known of them."""

    rows: Sequence[tuple[str, str]]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """The head of a column; without a name it is that of bars."""

    name: str
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table that is more than a text."""

    text: str = ""
    look: str = ""
    """``n`` (a number), ``file``, ``right``, ``wrong``."""
    head: bool = False
    """Whether it names its row, or as many ``rows`` as it stands beside."""
    rows: int = 0
    below: str = ""
    small: Sequence[str] = ()
    links: Sequence[Link] = ()
    swatch: str = ""
    """Colour."""
    bar: float | None = None
    """Length from 0 to 1 of a bar instead of a text."""
    shade: float | None = None
    """From 0 to 1."""


@dataclass(frozen=True, slots=True)
class TableBlock:
    """A table; a text in its first column names the row, unless it is a number."""

    columns: Sequence[Column | str]
    rows: Sequence[Sequence[Cell | str]]
    caption: str = ""
    label: str = ""
    """What a screen reader calls it; empty = as its section."""
    look: str = ""
    """``bars``, ``tight``, ``matrix``, ``many``."""
    averages: int = 0
    """Rows at the end that are averages over the others."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure."""

    svg: str
    label: str
    """What a screen reader says of it."""
    caption: str = ""
    legend: Sequence[Line] = ()
    look: str = ""
    """``w60``, ``w80``: how wide it is at most."""


@dataclass(frozen=True, slots=True)
class Swatches:
    """What colours mean."""

    items: Sequence[tuple[str, str]]
    title: str = ""


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """One picture with what is said about it; no block by itself."""

    uri: str
    alt: str
    caption: str = ""
    detail: str = ""
    good: bool | None = None
    """Whether the detail is good news or bad."""
    coarse: bool = False


@dataclass(frozen=True, slots=True)
class Gallery:
    """Small pictures, each with its name."""

    pictures: Sequence[ShownPicture]


@dataclass(frozen=True, slots=True)
class Strip:
    """Pictures of one image that belong together."""

    pictures: Sequence[ShownPicture]
    caption: str = ""
    strong: str = ""
    name: str = ""
    """Of a file."""


@dataclass(frozen=True, slots=True)
class Strips:
    """Strips beside and below each other."""

    strips: Sequence[Strip]


@dataclass(frozen=True, slots=True)
class Pairs:
    """What is said of two pictures each."""

    pairs: Sequence[tuple[str, ShownPicture, ShownPicture]]


@dataclass(frozen=True, slots=True)
class CaseBlock:
    """An image that is looked at closely."""

    pictures: Sequence[ShownPicture]
    name: str = ""
    before: str = ""
    """What stands before its name, and after it."""
    after: str = ""
    large: bool = False
    facts: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Browser:
    """Slices of a volume to look through."""

    name: str
    number: int
    """Of the volumes of the page."""
    slides: Sequence[tuple[int, CaseBlock]]
    """Position of each slice, and what it shows."""


@dataclass(frozen=True, slots=True)
class Box:
    """Something that was found: a problem, a remark, a verdict."""

    title: str
    look: str = ""
    """Its severity, and a class to find it by."""
    badge: str = ""
    """The severity in a word."""
    code: str = ""
    lines: Sequence[str] = ()
    places: Sequence[tuple[str, str]] = ()
    """Where it is, and what is wrong there."""
    more: str = ""
    command: str = ""


@dataclass(frozen=True, slots=True)
class Glossary:
    """Terms and what they mean."""

    entries: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Code:
    """What is to be copied as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Details:
    """Blocks that are unfolded by whoever wants to see them."""

    summary: str
    blocks: Sequence[Block]
    open: bool = False


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Blocks beside each other."""

    parts: Sequence[Sequence[Block]]
    look: Literal["columns", "grid"] = "columns"


Block = (
    Paragraph | Heading | Notices | Cards | Facts | TableBlock | Plot | Swatches | Gallery | Strips | Pairs | CaseBlock
    | Browser | Box | Glossary | Code | Details | SideBySide
)  # fmt: skip
"""What a page can hold."""


def numeric(*names: str) -> list[Column]:
    """Columns of numbers."""
    return [Column(name, numeric=True) for name in names]

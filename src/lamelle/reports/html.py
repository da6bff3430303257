"""Pages that need nothing but themselves: one template, one style sheet inside it, no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lamelle.messages import language, text
from lamelle.messages.numbers import number, percent, short, whole
from lamelle.metrics.intervals import why_none
from lamelle.reports.blocks import Block
from lamelle.reports.figures import own_ids
from lamelle.results.scores import Score
from lamelle.version import __version__

__all__ = ["elide", "interval", "number", "percent", "render", "short", "whole"]


@dataclass(frozen=True, slots=True)
class DrawnSection:
    """A section with all that it shows."""

    name: str
    """Its anchor."""
    title: str
    blocks: Sequence[Block]
    plain: bool = False
    """Whether it stands on top without a title of its own."""


@dataclass(frozen=True, slots=True)
class DrawnPage:
    """A page with all that it shows."""

    title: str
    kicker: str
    heading: str
    tags: Sequence[str]
    sections: Sequence[DrawnSection]


def interval(score: Score) -> str:
    """The bounds of a score, or why it has none.

    Example:
        >>> interval(Score(0.5, 0.4, 0.6, 30, "image"))
        '[0.400, 0.600]'
    """
    why = why_none(score)
    return f"({why})" if why else f"[{number(score.low)}, {number(score.high)}]"


def render(page: DrawnPage) -> str:
    """The HTML of a page. Every value is escaped unless it is a figure that `_Figures` made safe.

    Example:
        >>> from lamelle.reports.blocks import Paragraph
        >>> shown = DrawnSection("why", "Why", [Paragraph("a < b")])
        >>> "<p>a &lt; b</p>" in render(DrawnPage("t", "k", "h", (), [shown]))
        True
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("lamelle.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_clean,
    )

    def draw(block: Block, title: str) -> str:
        return getattr(macros, type(block).__name__.removesuffix("Block").lower())(block, title)

    pages.globals |= {"t": text, "version": __version__, "language": language(), "draw": draw}
    pages.filters |= {"elide": elide, "svg": _Figures()}
    macros = pages.get_template("blocks.html").module
    return pages.get_template("page.html").render(page=page)


class _Figures:
    """Marks drawn figures as safe, and gives each its own names inside the page."""

    def __init__(self) -> None:
        self._n = 0

    def __call__(self, svg: str) -> object:
        from markupsafe import Markup

        self._n += 1
        return Markup(own_ids(svg, f"f{self._n}"))


def _clean(value: object) -> object:
    """Text that every browser accepts: names with undecodable bytes or control characters show them as escapes."""
    if type(value) is not str or (value.isprintable() and value.isascii()):
        return value
    return "".join(c if _shown(c) else c.encode("unicode_escape", "surrogatepass").decode() for c in value)


def _shown(character: str) -> bool:
    # characters that change the direction of text could make one file name look like another
    return character in "\n\t\u202f\u00a0\u200b" or character.isprintable()


def elide(name: str, length: int) -> str:
    """The last part of a path, shortened in its middle.

    Example:
        >>> elide("a/b.png", 20), elide("x/0123456789abcdef.png", 12)
        ('a/b.png', '01234…ef.png')
    """
    if len(name) <= length:
        return name
    last = name.rsplit("/", 1)[-1]
    half = (length - 1) // 2
    return last if len(last) <= length else f"{last[:half]}…{last[-(length - half - 1) :]}"

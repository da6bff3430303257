"""Blocks of a page, found by what they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from lamelle.reports.blocks import Block, Cell, Details, Paragraph, SideBySide

Known = TypeVar("Known", bound=Block)


def inside(blocks: Sequence[Block]) -> Iterator[Block]:
    """All blocks, with those inside of others."""
    for one in blocks:
        yield one
        if isinstance(one, Details):
            yield from inside(one.blocks)
        if isinstance(one, SideBySide):
            for part in one.parts:
                yield from inside(part)


def every(blocks: Sequence[Block], kind: type[Known]) -> list[Known]:
    """The blocks of one type, in the order of the page."""
    return [one for one in inside(blocks) if isinstance(one, kind)]


def texts(rows: Sequence[Sequence[Cell | str]]) -> list[list[str]]:
    """What the cells of a table say."""
    return [[cell if isinstance(cell, str) else cell.text for cell in row] for row in rows]


def paragraphs(blocks: Sequence[Block]) -> str:
    """All paragraphs."""
    return " ".join(one.text for one in every(blocks, Paragraph))

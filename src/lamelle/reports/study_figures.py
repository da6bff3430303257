"""Figures of a comparison: the variants with their intervals, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lamelle.metrics.names import name_of
from lamelle.reports.figures import INK, drawn, line_colour
from lamelle.results.scores import Score

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def side_by_side(variants: Sequence[Mapping[str, Score]], scores: Sequence[str]) -> str:
    """A point for each variant with its interval, one axis a score; rows are numbered from the top.

    Args:
        variants: The scores of each by name; what has no interval is a hollow point.
        scores: Names of the scores, at least one.
    """

    def draw(axes: Sequence[Axes]) -> None:
        places = list(range(1, len(variants) + 1))
        for axis, score in zip(axes, scores, strict=True):
            for i, variant in enumerate(variants):
                _point(axis, places[i], variant[score], line_colour(i))
            axis.set_title(name_of(score), fontsize=10.5, loc="left", pad=8)
            axis.set_ylim(len(variants) + 0.6, 0.4)
            axis.set_yticks(places, [str(p) for p in places])
            axis.grid(visible=False, axis="y")
            axis.margins(x=0.08)

    return drawn(draw, columns=len(scores), size=(10.4, 0.9 + 0.3 * max(2, len(variants))))


def _point(axis: Axes, place: int, one: Score, colour: str) -> None:
    if not one.defined:
        return
    if one.bounded:
        axis.plot([one.low, one.high], [place, place], color=colour, lw=2.2)
        for end in (one.low, one.high):
            axis.plot([end, end], [place - 0.12, place + 0.12], color=INK, lw=1)
    axis.plot([one.value], [place], ls="", marker="o", ms=7, color=colour, mfc=colour if one.bounded else "none")

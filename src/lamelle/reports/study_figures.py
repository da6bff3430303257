"""Figures of a comparison: the variants with their intervals, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lamelle.metrics.names import name_of
from lamelle.reports.figures import INK, drawn, line_colour
from lamelle.results.scores import Score

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def side_by_side(lines: Sequence[Mapping[str, Any]], scores: Sequence[str]) -> str:
    """A point for each variant with its interval, one axis a score; rows are numbered from the top.

    Args:
        lines: Variants, as the study's ``scores.json`` has them; what has no interval is a hollow point.
        scores: Names of the scores, at least one.
    """

    def draw(axes: Sequence[Axes]) -> None:
        places = list(range(1, len(lines) + 1))
        for axis, score in zip(axes, scores, strict=True):
            for i, line in enumerate(lines):
                _point(axis, places[i], line["scores"][score], line_colour(i))
            axis.set_title(name_of(score), fontsize=10.5, loc="left", pad=8)
            axis.set_ylim(len(lines) + 0.6, 0.4)
            axis.set_yticks(places, [str(p) for p in places])
            axis.grid(visible=False, axis="y")
            axis.margins(x=0.08)

    return drawn(draw, columns=len(scores), size=(10.4, 0.9 + 0.3 * max(2, len(lines))))


def _point(axis: Axes, place: int, one: Mapping[str, Any], colour: str) -> None:
    if one["value"] is None:
        return
    known = Score.read(one).bounded
    if known:
        axis.plot([one["low"], one["high"]], [place, place], color=colour, lw=2.2)
        for end in (one["low"], one["high"]):
            axis.plot([end, end], [place - 0.12, place + 0.12], color=INK, lw=1)
    axis.plot([one["value"]], [place], ls="", marker="o", ms=7, color=colour, mfc=colour if known else "none")

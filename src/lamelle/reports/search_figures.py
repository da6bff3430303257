"""Figures of a search: its scores in order, which keys matter, and where the good trials lie."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lamelle.messages import text
from lamelle.reports.figures import GRID, INK, drawn, line_colour
from lamelle.reports.html import elide, short
from lamelle.results.studies import Dimension, SearchResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LONGEST = 14
"""Letters of a value beside an axis."""


def history(result: SearchResult, *, score: str) -> str:
    """The score of each trial in the order of their numbers, and the best so far as a line."""
    from matplotlib.ticker import MaxNLocator

    done = [(one.trial, one.score.value) for one in result.trials if one.trial is not None and one.score is not None]
    better = min if result.direction == "minimize" else max

    def draw(axes: Sequence[Axes]) -> None:
        axis, so_far = axes[0], []
        for _, value in done:
            so_far.append(value if not so_far else better(so_far[-1], value))
        axis.plot(*zip(*done, strict=True), ls="", marker="o", ms=4.5, color=line_colour(0))
        axis.step([n for n, _ in done], so_far, where="post", color=line_colour(1))
        best = [point for point in done if point[0] == result.best]
        axis.plot(*zip(*best, strict=True), ls="", marker="o", ms=9, mfc="none", color=INK)
        for one in result.trials:
            if one.trial is not None and one.state in ("stopped", "failed"):
                axis.axvline(one.trial, ymax=0.04, color=line_colour(2 if one.state == "stopped" else 3), lw=2)
        axis.set_xlabel(text("tune.trial_number"))
        axis.set_ylabel(score)
        axis.xaxis.set_major_locator(MaxNLocator(12, integer=True))

    return drawn(draw, columns=1, size=(8.6, 3.0))


def importance(shares: Mapping[str, float]) -> str:
    """A bar for each key, the most important first."""

    def draw(axes: Sequence[Axes]) -> None:
        axis, places = axes[0], range(len(shares))
        axis.barh(places, [100 * v for v in shares.values()], height=0.55, color=line_colour(0))
        axis.set_yticks(places, [elide(key, 30) for key in shares])
        axis.set(xlim=(0, 100), ylim=(len(shares) - 0.4, -0.6))
        axis.set_xlabel(text("tune.share_percent"))
        axis.grid(visible=False, axis="y")

    return drawn(draw, columns=1, size=(8.6, 0.8 + 0.36 * max(2, len(shares))))


def parallel(result: SearchResult, *, score: str) -> str:
    """A line for each trial through its values, the best one thick, those that score like it in colour."""
    dimensions = result.dimensions
    scored = [(one, one.score) for one in result.trials if one.score is not None]
    best = next(score for one, score in scored if one.trial == result.best)
    values = [score.value for _, score in scored]
    low, high = min(values), max(values)
    worst_first = sorted(scored, key=lambda s: s[1].value, reverse=result.direction == "minimize")

    def draw(axes: Sequence[Axes]) -> None:
        axis, last = axes[0], len(dimensions)
        for one, reached in worst_first:
            near = best.low <= reached.value <= best.high
            heights = [_height(d, one.params[d.key]) for d in dimensions]
            (line,) = axis.plot(range(last + 1), [*heights, _share(reached.value, low, high)])
            if reached is best:
                line.set(color=line_colour(1), linewidth=3.0, zorder=4)
            else:
                line.set(color=line_colour(0) if near else INK, linewidth=1.2, alpha=0.75 if near else 0.25)
        for place, dimension in enumerate(dimensions):
            _scale(axis, place, _ticks(dimension))
        _scale(
            axis,
            last,
            [(share, short(low + share * (high - low))) for share in ((0.0, 0.5, 1.0) if high > low else (0.5,))],
        )
        axis.set_xticks(range(last + 1), [*(elide(d.key.rpartition(".")[2], 18) for d in dimensions), score])
        axis.set(xlim=(-0.35, last + 0.25), ylim=(-0.06, 1.06), yticks=[])
        for spine in ("left", "bottom"):
            axis.spines[spine].set_visible(False)
        axis.tick_params(axis="x", length=0)
        axis.grid(visible=False)

    return drawn(draw, columns=1, size=(10.4, 3.8))


def _scale(axis: Axes, place: int, ticks: Sequence[tuple[float, str]]) -> None:
    axis.axvline(place, color=GRID, lw=1.5, zorder=0)
    for height, name in ticks:
        axis.annotate(
            name, (place, height), xytext=(-5, 0), textcoords="offset points", ha="right", va="center", size=8.5
        )


def _ticks(dimension: Dimension) -> list[tuple[float, str]]:
    """Heights on an axis and what stands there."""
    if dimension.values:
        return [(_height(dimension, v), _short_name(v)) for v in dimension.values]
    low, high = dimension.low, dimension.high
    middle = math.sqrt(low * high) if dimension.log else (low + high) / 2
    return [(0.0, short(low)), (0.5, short(float(f"{middle:.2g}"))), (1.0, short(high))]


def _short_name(value: str) -> str:
    plain = "".join(c for c in value if c.isprintable())
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 1]}…"


def _height(dimension: Dimension, value: str | int | float) -> float:
    """Where a value lies on its axis, from 0 to 1."""
    if dimension.values:
        return _in_order(dimension.values).index(str(value)) / max(1, len(dimension.values) - 1)
    ends = (dimension.low, dimension.high, float(value))
    low, high, at = (math.log(v) for v in ends) if dimension.log else ends
    return _share(at, low, high)


def _in_order(values: Sequence[str]) -> list[str]:
    """Listed values from the smallest to the largest, if they are numbers; else as they were listed."""
    try:
        return sorted(values, key=float)
    except ValueError:
        return list(values)


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5

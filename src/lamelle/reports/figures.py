"""Figures as SVG: drawn by matplotlib, coloured by the page's style sheet, the same bytes for the same numbers.

Colours are placeholders that become variables of the style sheet, so that one drawing serves light and dark pages.
Text stays text. Legends are made by the page, since names from the user's data are not given to matplotlib.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from lamelle.messages import language, text
from lamelle.results.scores import Bins, Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SERIES = 8
"""Colours of lines, told apart with the common colour-vision deficiencies; lines differ in their dashes too."""
INK, GRID = "#010203", "#010204"
_VARIABLES = {INK: "var(--muted)", GRID: "var(--line)"} | {
    f"#0102{16 + i:02x}": f"var(--c{i + 1})" for i in range(SERIES)
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "lamelle",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "lines.linewidth": 1.8,
    "path.simplify": True,
}
_DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1.5, 1.5)))


def line_colour(i: int) -> str:
    """Placeholder of the colour of line ``i``."""
    return f"#0102{16 + i % SERIES:02x}"


def line_dash(i: int) -> Any:
    """Dashes of line ``i``: neighbours differ in more than their colour."""
    return _DASHES[i % len(_DASHES)]


def curves(each: Sequence[Mapping[Literal["roc", "pr"], Curve]], *, bands: bool) -> str:
    """ROC and precision-recall curves, one line per class in the order given.

    Args:
        bands: Shade what lies between ``low`` and ``high``, where a curve has them.
    """

    def draw(axes: Sequence[Axes]) -> None:
        for i, pair in enumerate(each):
            _pair(axes, pair, i, band=bands, alone=len(each) == 1)
        _frame(axes)
        labels = (("false_positive_rate", "true_positive_rate"), ("recall", "precision"))
        for axis, (x, y) in zip(axes, labels, strict=True):
            axis.set_xlabel(text(f"report.{x}"))
            axis.set_ylabel(text(f"report.{y}"))

    return drawn(draw, columns=2, size=(8.6, 4.0))


def curve(pair: Mapping[Literal["roc", "pr"], Curve], i: int, *, share: float | None) -> str:
    """Both curves of one class in the colour of line ``i``, with their bands.

    Args:
        share: Of the class, which is the precision of guessing.
    """

    def draw(axes: Sequence[Axes]) -> None:
        _pair(axes, pair, i, band=True, alone=True)
        _frame(axes)
        if share is not None:
            axes[1].axhline(share, color=INK, ls=_DASHES[2], lw=1)

    return drawn(draw, columns=2, size=(4.6, 2.4))


def _pair(axes: Sequence[Axes], pair: Mapping[Literal["roc", "pr"], Curve], i: int, *, band: bool, alone: bool) -> None:
    """The ROC curve of one class on the first axes, its precision-recall curve on the second."""
    roc, pr = pair.get("roc", Curve()), pair.get("pr", Curve())
    look = ("solid" if alone else line_dash(i), line_colour(i))
    for axis, curve, step in ((axes[0], roc, "post"), (axes[1], pr, "pre")):
        low, high = _numbers(curve.low), _numbers(curve.high)
        if band and curve.x and len(low) == len(high) == len(curve.x):
            axis.fill_between(curve.x, low, high, step=step, color=look[1], alpha=0.16, linewidth=0)  # type: ignore[arg-type]
        corner = [0.0] if axis is axes[0] and curve.x else []  # every ROC curve rises from there
        x, y = [*corner, *curve.x], [*corner, *_numbers(curve.y)]
        axis.step(x, y, color=look[1], ls=look[0], where=step)  # type: ignore[arg-type]


def _frame(axes: Sequence[Axes]) -> None:
    """What every pair of ROC and precision-recall axes has."""
    axes[0].plot([0, 1], [0, 1], color=INK, ls=_DASHES[2], lw=1)
    for axis, title in zip(axes, ("roc", "precision_recall"), strict=True):
        axis.set_title(text(f"report.{title}"), fontsize=10.5, loc="left", pad=8)
        axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")


def threshold(at: Sequence[float], lines: Sequence[Sequence[float | None]], *, chosen: float | None) -> str:
    """Scores on the validation set over the threshold, a line each; the frozen threshold as a dashed line."""

    def draw(axes: Sequence[Axes]) -> None:
        for i, values in enumerate(lines):
            axes[0].plot(list(at), _numbers(values), color=line_colour(i), ls=line_dash(i))
        if chosen is not None:
            axes[0].axvline(chosen, color=INK, ls=_DASHES[2], lw=1.4)
        axes[0].set(xlim=(0, 1), ylim=(0, 1.02))
        axes[0].set_xlabel(text("report.threshold"))

    return drawn(draw, columns=1, size=(6.4, 3.0))


def reliability(each: Sequence[Bins], *, bins: int, unit: str) -> str:
    """How often probabilities come true in each bin, and how many lie there; a line for each way to give them.

    Args:
        unit: What is counted.
    """

    def draw(axes: Sequence[Axes]) -> None:
        edges = [i / bins for i in range(bins + 1)]
        axes[0].plot([0, 1], [0, 1], color=INK, ls=_DASHES[2], lw=1)
        for i, one in enumerate(each):
            points = [(c, a) for c, a in zip(one.confidence, one.accuracy, strict=True) if None not in (c, a)]
            look = {"color": line_colour(i), "ls": line_dash(i) if len(each) > 1 else "solid"}
            axes[0].plot(*zip(*points, strict=True) if points else ([], []), marker="o", ms=3.5, **look)
            axes[1].stairs(one.count, edges, baseline=None, **look)
        filled = [n for one in each for n in one.count if n]
        if filled and max(filled) > 100 * min(filled):
            axes[1].set_yscale("log")
            axes[1].minorticks_off()
        axes[1].yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}".replace(",", "\u202f"))
        axes[0].set(xlim=(0, 1), ylim=(-0.02, 1.02), aspect="equal")
        axes[1].set(xlim=(0, 1))
        for axis, label in zip(axes, (text("report.came_true"), unit), strict=True):
            axis.set_xlabel(text("report.probability"))
            axis.set_ylabel(label)

    return drawn(draw, columns=2, size=(8.6, 4.0))


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if v is None else float(v) for v in values]


def histogram(edges: Sequence[float], shares: Sequence[Sequence[float]]) -> str:
    """Share of the pixels in each bin, a line for each class; a class without any is left out."""

    def draw(axes: Sequence[Axes]) -> None:
        for i, values in enumerate(shares):
            if values:
                percent = [100 * v for v in values]
                axes[0].stairs(percent, list(edges), color=line_colour(i), ls=line_dash(i), baseline=None)
        axes[0].set(xlim=(edges[0], edges[-1]))
        axes[0].set_ylim(bottom=0)
        axes[0].set_xlabel(text("report.grey_level"))
        axes[0].set_ylabel(text("report.pixels_percent"))

    return drawn(draw, columns=1, size=(8.6, 2.7))


def strip(runs: Sequence[tuple[int, int, int]], *, first: int, last: int) -> str:
    """Slices of one volume in a row, coloured by split.

    Args:
        runs: (first slice, last slice, number of the colour); −1 = in no split.
        first: First slice of the volume.
        last: Last slice of the volume.
    """
    from matplotlib.ticker import MaxNLocator

    def draw(axes: Sequence[Axes]) -> None:
        axis = axes[0]
        for begin, end, which in runs:
            colour = GRID if which < 0 else line_colour(which)
            axis.broken_barh([(begin - 0.5 + 0.04, end - begin + 0.92)], (0, 1), linewidth=0, color=colour)
        axis.set(xlim=(first - 0.6, last + 0.6), ylim=(0, 1), yticks=[])
        axis.set_xlabel(text("report.slice"))
        axis.xaxis.set_major_locator(MaxNLocator(16, integer=True))
        axis.spines["left"].set_visible(False)
        axis.grid(visible=False)

    return drawn(draw, columns=1, size=(10.4, 0.95))


def brightness(groups: Sequence[Sequence[float]]) -> str:
    """Mean grey level of each image, one row of points and a box for each group; rows are numbered from the top."""

    def draw(axes: Sequence[Axes]) -> None:
        axis = axes[0]
        places = list(range(1, len(groups) + 1))
        box = axis.boxplot(list(groups), positions=places, orientation="horizontal", widths=0.5, showfliers=True)
        for i in range(len(groups)):
            own = line_colour(i)
            parts = [
                box["boxes"][i],
                box["medians"][i],
                *(box[p][2 * i + j] for p in ("whiskers", "caps") for j in (0, 1)),
            ]
            for part in parts:
                part.set_color(own)
            box["fliers"][i].set(markeredgecolor=own, markersize=3)
        axis.set_ylim(len(groups) + 0.6, 0.4)
        axis.set_yticks(places, [str(p) for p in places] if len(groups) > 1 else [""])
        axis.set_xlabel(text("report.mean_grey"))
        axis.grid(visible=False, axis="y")

    return drawn(draw, columns=1, size=(8.6, 0.9 + 0.34 * max(2, len(groups))))


def drawn(draw: Callable[[Sequence[Axes]], None], *, columns: int, size: tuple[float, float], rows: int = 1) -> str:
    """What ``draw`` draws on some axes, row by row, as a figure of the page."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(list(figure.subplots(rows, columns, squeeze=False).ravel()))
        return _inline(figure)


def _inline(figure: Figure) -> str:
    """An ``<svg>`` that can stand in a page: no prolog, no metadata, no addresses, colours as variables."""
    out = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<style.*?</style>|<metadata.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s+xmlns(:xlink)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(
        r'<svg[^>]*viewBox="([^"]*)"[^>]*>', r'<svg class="figure" viewBox="\1" aria-hidden="true">', svg, count=1
    )
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    if language() == "fr":
        svg = re.sub(r">([−-]?\d+)\.(\d+)<", r">\1,\2<", svg)
    for placeholder, variable in _VARIABLES.items():
        svg = svg.replace(placeholder, variable)
    return re.sub(r"\n\s*", "\n", svg)


def own_ids(svg: str, prefix: str) -> str:
    """The figure with names that no other figure of the page has."""
    for pattern in (r'(\sid=")', r"(url\(#)", r'(href="#)'):
        svg = re.sub(pattern, rf"\g<1>{prefix}-", svg)
    return svg


def legend(i: int, *, dash: int | None = None) -> tuple[str, str]:
    """Colour and dashes of line ``i`` as the page's legend draws them.

    Args:
        dash: Number of the dash, where it does not follow from the line.
    """
    dashes = ("", "7 3", "2.5 2.5")
    return f"var(--c{i % SERIES + 1})", dashes[(i if dash is None else dash) % len(dashes)]

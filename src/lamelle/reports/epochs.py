"""Curves of every score over the epochs of a training: of both sets, and of each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lamelle.messages import text
from lamelle.metrics.names import metric_of, name_of, place_of
from lamelle.reports import figures
from lamelle.reports.classes import DRAWN
from lamelle.results.history import Epoch

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS, _LONG = 4, 26
"""Panels in a row, and letters of a title that do not fit above one in full size."""
_OF_CLASSES = ("dice", "iou", "precision", "recall", "f1")
"""Scores of which each class has a line."""


def curves(history: Sequence[Epoch], *, monitor: str, classes: Sequence[str], best: float | None) -> dict[str, Any]:
    """Figures of the scores over the epochs, and their legend; empty ones where nothing was kept (older runs).

    Args:
        monitor: The score that tells the best epoch, which is drawn elsewhere.
        classes: Names of the classes; of more than `DRAWN`, the first are drawn.
        best: The epoch that was kept.
    """
    columns = {name for row in history for name in (*row.train, *row.validation) if "/" not in name}
    scored = sorted((name for name in columns if metric_of(name)[0] is not None), key=place_of)
    names = [n for n in scored if n != monitor and (_known(history, n) or _known(history, f"train_{n}"))]
    shown = list(classes)[:DRAWN]
    several = len(classes) > 2 or any(_known(history, f"f1/{c}") for c in shown)
    stems = [s for s in _OF_CLASSES if several and any(_known(history, f"{s}/{c}") for c in shown)]
    pairs = [(name_of(n), [f"train_{n}", n]) for n in names]
    each = [(name_of(s), [f"{s}/{c}" for c in shown]) for s in stems]
    return {
        "epoch_scores": grid(history, pairs, best=best, apart=False) if pairs else "",
        "epoch_classes": grid(history, each, best=best, apart=True) if each else "",
        "epoch_legend": [(name, *figures.legend(i)) for i, name in enumerate(shown)],
    }


def grid(
    history: Sequence[Epoch], panels: Sequence[tuple[str, Sequence[str]]], *, best: float | None, apart: bool
) -> str:
    """One small figure for each panel: its title, and the columns of the history that it shows.

    Args:
        apart: Lines are classes, told apart by colour and dashes; else the first is of training, dashed.
    """
    from matplotlib.ticker import MaxNLocator

    columns, rows = _COLUMNS, -(-len(panels) // _COLUMNS)

    def draw(axes: Sequence[Axes]) -> None:
        for axis, (title, names) in zip(axes, panels, strict=False):
            for i, name in enumerate(names):
                known = [(row.epoch, value) for row in history if (value := row.column(name)) is not None]
                style = figures.line_dash(i if apart else 1 - i)
                look = {"color": figures.line_colour(i), "ls": style, "lw": 1.5}
                axis.plot(*(zip(*known, strict=True) if known else ([], [])), **look, **_marked(len(known)))
            if best is not None:
                axis.axvline(best, color=figures.INK, ls=figures.line_dash(2), lw=1)
            axis.set_title(title, fontsize=10.5 if len(title) < _LONG else 8, loc="left", pad=6)
            axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        for axis in axes[max(0, len(panels) - columns) : len(panels)]:  # the lowest of each column
            axis.set_xlabel(text("report.epoch"))

    return figures.drawn(draw, columns=columns, rows=rows, size=(2.6 * columns, 2.05 * rows + 0.2))


def _marked(points: int) -> dict[str, Any]:
    """Points where there are few, so that a single epoch is seen."""
    return {"marker": "o", "ms": 2.5} if points < 40 else {}


def _known(history: Sequence[Epoch], name: str) -> bool:
    return any(row.column(name) is not None for row in history)

"""A training on its page: loss and scores over the epochs of both sets, of each class, and what was done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lamelle.messages import text
from lamelle.metrics.names import metric_of, name_of, place_of
from lamelle.reports import figures, verdict
from lamelle.reports.blocks import Block, Facts, Heading, Paragraph, Plot
from lamelle.reports.classes import DRAWN
from lamelle.reports.html import number
from lamelle.reports.methods import method
from lamelle.results.history import Epoch
from lamelle.runs.bundle import RunBundle

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS, _LONG = 4, 26
"""Panels in a row, and letters of a title that do not fit above one in full size."""
_OF_CLASSES = ("dice", "iou", "precision", "recall", "f1")
"""Scores of which each class has a line."""
_MAX_MARKED = 40
"""Epochs up to which each is a point, so that a single one is seen."""


def draw(bundle: RunBundle) -> list[Block]:
    """Figures over the epochs, the best of them, and a table of what was done."""
    history, monitor = bundle.history, bundle.monitor
    best = next((row for row in reversed(history) if row.best), None)
    turned = verdict.turned(verdict.diagnoses(bundle))
    caption = [text("report.epochs", n=len(history))]
    if best is not None:
        about = {"score": name_of(monitor), "value": number(best.score(monitor)), "loss": number(best.loss)}
        caption.append(text("report.best_epoch", epoch=best.epoch, **about))
    if turned is not None:
        caption.append(text("report.turned", epoch=turned))
    legend = [
        (text("report.on_training"), *figures.legend(0, dash=1)),
        (text("report.on_validation"), *figures.legend(1, dash=0)),
    ]
    epoch = best.epoch if best else None
    svg = overview(history, monitor=monitor, best=epoch, turned=turned)
    return [
        Paragraph(" ".join(caption), "muted"),
        Plot(svg, text("report.training_alt"), legend=legend),
        *_both_sets(history, monitor, epoch, legend),
        *_classes(history, bundle.classes, epoch),
        Heading(text("report.done_caption")),
        Facts(method(bundle)),
    ]


def _both_sets(
    history: Sequence[Epoch], monitor: str, best: int | None, legend: Sequence[tuple[str, str, str]]
) -> list[Block]:
    """Every score but the one that tells the best epoch; nothing where none was kept."""
    columns = {name for row in history for name in (*row.train, *row.validation) if "/" not in name}
    scored = sorted((name for name in columns if metric_of(name)[0] is not None), key=place_of)
    names = [n for n in scored if n != monitor and (_known(history, n) or _known(history, f"train_{n}"))]
    if not names:
        return []
    title, pairs = text("report.epoch_scores"), [(name_of(n), [f"train_{n}", n]) for n in names]
    svg = grid(history, pairs, best=best, apart=False)
    return [Heading(title), Plot(svg, title, text("report.epoch_scores_caption"), legend)]


def _classes(history: Sequence[Epoch], classes: Sequence[str], best: int | None) -> list[Block]:
    """The scores of each class; of many, the first are drawn."""
    shown = list(classes)[:DRAWN]
    several = len(classes) > 2 or any(_known(history, f"f1/{c}") for c in shown)
    stems = [s for s in _OF_CLASSES if several and any(_known(history, f"{s}/{c}") for c in shown)]
    if not stems:
        return []
    svg = grid(history, [(name_of(s), [f"{s}/{c}" for c in shown]) for s in stems], best=best, apart=True)
    title = text("report.epoch_classes")
    return [Heading(title), Plot(svg, title, legend=[(name, *figures.legend(i)) for i, name in enumerate(shown)])]


def overview(history: Sequence[Epoch], *, monitor: str, best: float | None, turned: int | None = None) -> str:
    """Loss, score and learning rate over the epochs; the best epoch as a dotted line, all after ``turned`` shaded."""
    from matplotlib.ticker import MaxNLocator

    labels = (text("report.loss"), name_of(monitor), text("report.learning_rate"))

    def draw(axes: Sequence[Axes]) -> None:
        epochs = [row.epoch for row in history]
        marker = "o" if len(epochs) < 40 else ""
        for axis, names in zip(axes, (("train_loss", "loss"), (f"train_{monitor}", monitor), ("lr",)), strict=True):
            for i, name in enumerate(names):
                values = [row.score(monitor) if name == monitor else row.column(name) for row in history]
                points = [(e, v) for e, v in zip(epochs, values, strict=True) if v is not None]
                colour = figures.line_colour(2 if name == "lr" else i)
                style = "solid" if i or name == "lr" else figures.line_dash(1)
                axis.plot(
                    *zip(*points, strict=True) if points else ([], []), color=colour, ls=style, marker=marker, ms=3
                )
            if best is not None:
                axis.axvline(best, color=figures.INK, ls=figures.line_dash(2), lw=1)
            if turned is not None:
                axis.axvspan(turned, epochs[-1], color=figures.line_colour(1), alpha=0.1, lw=0)
            axis.set_xlabel(text("report.epoch"))
            axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        for axis, label in zip(axes, labels, strict=True):
            axis.set_title(label, fontsize=10.5, loc="left", pad=8)
        axes[2].yaxis.set_major_formatter(lambda value, _: f"{value:g}")

    return figures.drawn(draw, columns=3, size=(10.4, 2.9))


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
                points = [(row.epoch, value) for row in history if (value := row.column(name)) is not None]
                style = figures.line_dash(i if apart else 1 - i)
                marker = "o" if len(points) < _MAX_MARKED else None
                xy = zip(*points, strict=True) if points else ([], [])
                axis.plot(*xy, color=figures.line_colour(i), ls=style, lw=1.5, marker=marker, ms=2.5)
            if best is not None:
                axis.axvline(best, color=figures.INK, ls=figures.line_dash(2), lw=1)
            axis.set_title(title, fontsize=10.5 if len(title) < _LONG else 8, loc="left", pad=6)
            axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        for axis in axes[max(0, len(panels) - columns) : len(panels)]:  # the lowest of each column
            axis.set_xlabel(text("report.epoch"))

    return figures.drawn(draw, columns=columns, rows=rows, size=(2.6 * columns, 2.05 * rows + 0.2))


def _known(history: Sequence[Epoch], name: str) -> bool:
    return any(row.column(name) is not None for row in history)

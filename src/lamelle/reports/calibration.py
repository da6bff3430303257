"""Calibration of the page: whether probabilities come true, before and after the temperature that validation fitted."""

from __future__ import annotations

from lamelle.messages import text
from lamelle.metrics.names import name_of
from lamelle.metrics.scoring import UNCALIBRATED
from lamelle.reports import figures
from lamelle.reports.blocks import Block, Paragraph, Plot, TableBlock, numeric
from lamelle.reports.html import number, whole
from lamelle.reports.scores import counted, overall
from lamelle.results.scores import Confusion, Reliability, Scores

_SCORES = ("log_loss", "brier", "ece")


def draw(figure: Reliability, scores: Scores) -> list[Block]:
    """What was done, the reliability plot, and the scores before and after."""
    plots = {name: bins for name, bins in (("before", figure.before), ("after", figure.after)) if bins is not None}
    names = {name: text(f"report.calibration_{name if len(plots) == 2 else 'as_is'}") for name in plots}
    kind = _kind(figure, scores)
    legend = [(names[name], *figures.legend(i, dash=None if len(plots) == 2 else 0)) for i, name in enumerate(plots)]
    unit = text(f"report.calibration_unit_{kind}")
    svg = figures.reliability(list(plots.values()), bins=figure.bins, unit=unit)
    caption, title = text(f"report.reliability_{kind}", bins=figure.bins), text("report.calibration_table")
    columns = [text("report.score"), *numeric(*names.values())]
    return [
        Paragraph(_said(figure, scores)),
        Plot(svg, text("report.reliability_alt"), caption, legend, "w80"),
        TableBlock(columns, _rows(scores), title, title),
    ]


def _kind(figure: Reliability, scores: Scores) -> str:
    """What the probabilities are of."""
    if scores.counted == "pixel":
        return "pixels" if len(scores.classes) == 2 else "pixel_classes" if figure.exclusive else "pixel_labels"
    confusion = scores.figure(Confusion)
    return "labels" if confusion is not None and confusion.each else "classes"


def _rows(scores: Scores) -> list[list[str]]:
    """Each score before (where there was one) and after, with intervals."""
    values = {s.key: s.in_brackets for s in overall(scores)}
    rows = [[name_of(n), *(values[k] for k in (f"{n}{UNCALIBRATED}", n) if k in values)] for n in _SCORES]
    return [row for row in rows if len(row) > 1]


def _said(figure: Reliability, scores: Scores) -> str:
    """What was done to the probabilities."""
    sweep = next((one for one in scores.sweeps if one.name == "temperature"), None)
    if sweep is None:
        return text("report.calibration_folds" if figure.before is not None else "report.calibration_none")
    n = "–" if sweep.n is None else whole(sweep.n)
    values = {"t": number(sweep.chosen, 2), "n": n, "unit": counted(scores).lower()}
    if sweep.chosen == 1:
        return text("report.calibration_untold", **values)
    kind = "sure" if sweep.chosen > 1 else "unsure"
    return f"{text('report.calibration_done', **values)} {text(f'report.calibration_{kind}')}"

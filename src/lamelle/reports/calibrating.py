"""Calibration of the page: whether probabilities come true, before and after the temperature that validation fitted."""

from __future__ import annotations

from typing import Any

from lamelle.messages import text
from lamelle.reports import figures, scoring
from lamelle.reports.html import number, whole
from lamelle.results.scores import Reliability, Scores
from lamelle.tasks.table import find

_BEFORE = "_uncalibrated"
"""End of the names of scores before calibration."""
_SCORES = ("log_loss", "brier", "ece")


def section(scores: Scores) -> dict[str, Any]:
    """The reliability plot, what was done, and the scores before and after; empty for what has no probabilities."""
    found = scores.figure(Reliability)
    if found is None:
        return {}
    plots = {"before": found.before, "after": found.after}
    drawn = [name for name, bins in plots.items() if bins is not None]
    names = {"before": text("report.calibration_before"), "after": text("report.calibration_after")}
    last = names["after"] if len(drawn) == 2 else text("report.calibration_as_is")
    spatial = find(scores.task).output == "map"
    kind = "labels" if scoring.yes_no(scores) else "classes"
    if spatial:
        several = "pixel_classes" if found.exclusive else "pixel_labels"
        kind = "pixels" if len(scores.classes) == 2 else several
    unit = text(f"report.calibration_unit_{kind}")
    return {
        "reliability": figures.reliability([b for b in plots.values() if b is not None], bins=found.bins, unit=unit),
        "reliability_caption": text(f"report.reliability_{kind}", bins=found.bins),
        "reliability_legend": [
            (last if name == "after" else names[name], *figures.legend(i, dash=None if len(drawn) == 2 else 0))
            for i, name in enumerate(drawn)
        ],
        "calibration": _said(scores, spatial=spatial),
        "calibration_columns": [text("report.score"), *(names[n] if len(drawn) == 2 else last for n in drawn)],
        "calibration_rows": _rows(scores),
    }


def _rows(scores: Scores) -> list[list[str]]:
    """Each score before (where there was one) and after, with intervals."""
    known = {s.key: s for s in scoring.overall(scores)}
    rows = []
    for name in _SCORES:
        each = [known[key] for key in (f"{name}{_BEFORE}", name) if key in known]
        shown = [s.in_brackets for s in each]
        rows += [[scoring.name_of(name), *shown]] if shown else []
    return rows


def _said(scores: Scores, *, spatial: bool) -> str:
    """What was done to the probabilities."""
    sweep = next((one for one in scores.sweeps if one.name == "temperature"), None)
    if sweep is None:
        reliability = scores.figure(Reliability)
        folds = reliability is not None and reliability.before is not None
        return text("report.calibration_folds" if folds else "report.calibration_none")
    unit = text("report.pixels" if spatial else "report.images").lower()
    values = {"t": number(sweep.chosen, 2), "n": "–" if sweep.n is None else whole(sweep.n), "unit": unit}
    if sweep.chosen == 1:
        return text("report.calibration_untold", **values)
    kind = "sure" if sweep.chosen > 1 else "unsure"
    return f"{text('report.calibration_done', **values)} {text(f'report.calibration_{kind}')}"

"""Curves of the page: ROC and precision-recall with bands and areas, and what the validation set decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from lamelle.messages import text
from lamelle.reports import figures, scoring
from lamelle.reports.classes import DRAWN
from lamelle.reports.html import number, short
from lamelle.results.scores import Confusion, Curve, Curves, Scores

_TOGETHER = 3
"""Classes whose bands can be told apart in one figure."""
_DECIDED = {"macro_f1": "macro_f1", "precision": "precision", "recall": "recall", "f1": "f1", "image_f1": "image_dice"}
"""What was recorded over the threshold, and the score that it is."""
_LEAST_CLASSES = 3
_CHOSEN = ("threshold", "cell_threshold", "mask_threshold", "seed_threshold", "min_size", "fill_holes", "largest")
"""What is one number, in the order in which it is used."""
_TRIED = ("mask_threshold", "seed_threshold", "min_size", "fill_holes", "largest")
"""What has a table of the values tried, and of the Dice of each, or of the AP where objects are told apart."""
Values = dict[str, Any]
Kind = Literal["roc", "pr"]


def section(scores: Scores) -> Values:
    """Curves of the classes and of the threshold, with captions and legends; empty if there are none."""
    found = {**_curves(scores), **_threshold(scores), **_grid_of_thresholds(scores), **_thresholds(scores)}
    found |= {**_pixel_thresholds(scores), **_chosen_numbers(scores)}
    shown = ("roc", "threshold", "thresholds", "chosen")
    empty: Values = {"roc": "", "curve_grid": [], "threshold": "", "threshold_grid": [], "thresholds": []}
    empty |= {"chosen": [], "cleaning": []}
    return {**empty, **found} if any(found.get(name) for name in shown) else {}


def _curves(scores: Scores) -> Values:
    found, confusion = scores.figure(Curves), scores.figure(Confusion)
    all_curves = dict(found.classes) if found else {}
    support = dict(zip(scores.classes, confusion.support if confusion else (), strict=False))
    known = [name for name in all_curves if _points(all_curves[name])]
    most = sorted(known, key=lambda c: -support.get(c, 0))[:DRAWN]
    drawn = {name: _drawn(all_curves[name]) for name in known if name in most}
    if not drawn:
        return {}
    banded = any("low" in curve for found in drawn.values() for curve in found.values())
    apart = banded and len(drawn) > _TOGETHER
    caption = [text("report.roc_caption")]
    if banded and not apart:
        caption.append(text("report.roc_bands"))
    if len(drawn) < len(all_curves):
        caption.append(text("report.roc_some", n=len(drawn), all=len(all_curves)))
    alone = 0 if len(drawn) == 1 else None
    said = {name: _areas(scores, name) for name in drawn}
    legend = [(name if apart else said[name], *figures.legend(i, dash=alone)) for i, name in enumerate(drawn)]
    return {
        "roc": figures.curves(drawn, bands=not apart),
        "roc_caption": " ".join(caption),
        "roc_legend": legend,
        "curve_grid": _grid(scores, drawn, said, support) if apart else [],
    }


def _grid(
    scores: Scores, drawn: Mapping[str, Any], said: Mapping[str, str], support: Mapping[str, int]
) -> list[tuple[str, str, list[tuple[str, str, str]]]]:
    """Of each class: name, its own figure, and its legend with the areas."""
    total = scores.n or 1
    return [
        (
            name,
            figures.curve(found, i, share=support[name] / total if name in support else None),
            [(said[name], *figures.legend(i, dash=0))],
        )
        for i, (name, found) in enumerate(drawn.items())
    ]


def _points(found: Mapping[Kind, Curve]) -> bool:
    return any(curve.x for curve in found.values())


def _drawn(found: Mapping[Kind, Curve]) -> dict[str, dict[str, Any]]:
    """The curves of a class, with their bands where there are any."""
    return {
        name: {k: list(v) for k in ("x", "y", "low", "high") if (v := getattr(curve, k))}
        for name, curve in found.items()
    }


def _areas(scores: Scores, name: str) -> str:
    """A class with the areas under its curves."""
    areas = {f"{key}": scoring.area(scores, f"{key}_auc", name) for key in ("roc", "pr")}
    return text("report.areas", name=name, **areas)


def _threshold(scores: Scores) -> Values:
    """The course of the scores on validation over one threshold, and the one that was frozen."""
    curve = scores.fitted.get("threshold_curve") or {}
    at = curve.get("thresholds") or curve.get("threshold")
    names = [name for name in _DECIDED if curve.get(name)]
    if not at or not names:
        return {}
    chosen = _chosen(scores)
    words, classes = {"chosen": number(chosen)}, scores.classes
    classified = scores.task == "classify" and len(classes) == 2
    if chosen is None:
        caption = text("report.threshold_free")
    elif classified:
        caption = text("report.threshold_class", **words, name=classes[1])
    else:
        caption = _said_by(curve, _unsearched(scores), **words)
    of = classes[int(curve["class"][0])] if classified and curve.get("class") else None
    said = [scoring.name_of(_DECIDED[n]) + (f" ({of})" if of is not None and n != "macro_f1" else "") for n in names]
    return {
        "threshold": figures.threshold([float(t or 0) for t in at], [curve[name] for name in names], chosen=chosen),
        "threshold_caption": caption,
        "threshold_alt": text("report.threshold_alt", **words),
        "threshold_legend": [(name, *figures.legend(i)) for i, name in enumerate(said)],
    }


def _said_by(curve: Mapping[str, Any], unsearched: str, *, chosen: str) -> str:
    """How the threshold of a segmentation came about: by a score that was the best there, by a setting, or by none."""
    if unsearched:
        return text("report.threshold_unsearched", chosen=chosen, classes=unsearched)
    if "by_image" not in curve:
        return text("report.threshold_given", chosen=chosen)
    return text("report.threshold_caption", chosen=chosen, score=scoring.name_of(_DECIDED[_searched(curve)]))


def _unsearched(scores: Scores) -> str:
    """The classes of which the validation set shows all or nothing, so that nothing could be searched for them."""
    return ", ".join(scores.classes[int(k)] for k in scores.fitted.get("unsearched") or ())


def _searched(curve: Mapping[str, Any]) -> str:
    """The line of a curve that decided."""
    return "image_f1" if any(curve.get("by_image") or ()) else "f1"


def _pixel_thresholds(scores: Scores) -> Values:
    """Of a segmentation in which each class has a threshold of its own: the thresholds, and the curve that decided."""
    each = scores.fitted.get("thresholds")
    if not isinstance(each, Mapping):
        return {}
    rows = [(name, number(value)) for name, value in each.items()]
    caption = text("report.thresholds_pixels")
    if unsearched := _unsearched(scores):
        caption += ". " + text("report.chosen_unsearched", classes=unsearched)
    found: Values = {"thresholds": rows, "thresholds_caption": caption}
    curves = {name: scores.fitted.get(f"threshold_curve/{name}") or {} for name in each}
    known = [(*row, curves[row[0]]) for row in rows if curves[row[0]].get("f1")][:DRAWN]
    if not known:
        return found
    said = [f"{name} ({value})" for name, value, _ in known]
    line = next((_searched(curve) for *_, curve in known if "by_image" in curve), "f1")
    drawn = figures.threshold(known[0][2]["thresholds"], [curve[line] for *_, curve in known], chosen=None)
    return found | {
        "threshold": drawn,
        "threshold_caption": text("report.threshold_each", score=scoring.name_of(_DECIDED[line])),
        "threshold_alt": text("report.threshold_each_alt", chosen=", ".join(said)),
        "threshold_legend": [(name, *figures.legend(i)) for i, name in enumerate(said)],
    }


def _chosen_numbers(scores: Scores) -> Values:
    """Of a segmentation, what validation decided in single numbers, and the score at all that was tried."""
    fitted = scores.fitted
    curves = {name: fitted.get(f"{name}_curve") or {} for name in _TRIED}
    searched = {name: curve for name, curve in curves.items() if curve.get(name)}
    rows = [
        (text(f"report.chosen_{name}"), short(fitted.get(name, 0)))
        for name in _CHOSEN
        if scores.task != "classify" and (fitted.get(name) is not None or name in searched)
    ]
    tried = [_tried(name, curve) for name, curve in searched.items()]
    unsearched = _unsearched(scores)
    caption = text("report.chosen_unsearched", classes=unsearched) if unsearched else text("report.chosen_caption")
    return {"chosen": rows, "chosen_caption": caption, "cleaning": tried} if rows else {}


def _tried(name: str, curve: Mapping[str, Any]) -> tuple[str, list[str], list[list[str]]]:
    """Name, column heads and rows of what was tried."""
    score = next(key for key in ("dice", "ap50") if key in curve)
    rows = [[short(at), number(value)] for at, value in _changes(curve[name], curve[score])]
    return text(f"report.chosen_{name}"), [text("report.chosen_tried"), scoring.name_of(score)], rows


def _changes(tried: Sequence[float], dice: Sequence[float | None]) -> list[tuple[float, float | None]]:
    """Where the score changes; a long row of values that make no difference says nothing."""
    pairs = list(zip(tried, dice, strict=True))
    return [pair for i, pair in enumerate(pairs) if i == 0 or pair[1] != pairs[i - 1][1]]


def _grid_of_thresholds(scores: Scores) -> Values:
    """A few thresholds and the scores of each as a table."""
    grid = scores.fitted.get("threshold_grid") or {}
    names = [name for name in _DECIDED if grid.get(name)]
    if not grid.get("thresholds") or not names:
        return {}
    columns = [text("report.threshold"), *(scoring.name_of(_DECIDED[n]) for n in names)]
    rows = [
        [number(at, 1), *(number(v) for v in values)]
        for at, *values in zip(grid["thresholds"], *(grid[n] for n in names), strict=True)
    ]
    return {"threshold_grid": rows, "threshold_columns": columns}


def _chosen(scores: Scores) -> float | None:
    """The threshold of the second class (or of the foreground) that the package decides by."""
    single = scores.fitted.get("threshold")
    if single is not None:
        return float(single)
    each = _listed(scores)
    return each[-1] if each and len(scores.classes) <= 2 and not scoring.yes_no(scores) else None


def _listed(scores: Scores) -> list[float]:
    found = scores.fitted.get("thresholds")
    values: Sequence[Any] = found if isinstance(found, list) else []
    return [float(v) for v in values if v is not None]


def _thresholds(scores: Scores) -> Values:
    """A threshold for each class, where there are several."""
    each, labels = _listed(scores), bool(scoring.yes_no(scores))
    if len(each) != len(scores.classes) or (len(each) < _LEAST_CLASSES and not labels):
        return {}
    kind = "labels" if labels else "factors"
    rows = [(name, number(value)) for name, value in zip(scores.classes, each, strict=True)]
    return {"thresholds": rows, "thresholds_caption": text(f"report.thresholds_{kind}")}

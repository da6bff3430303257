"""Curves of the page: ROC and precision-recall with bands and areas, and what the validation set decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from lamelle.messages import text
from lamelle.reports import figures, scoring
from lamelle.reports.classes import DRAWN
from lamelle.reports.html import number, short
from lamelle.results.fitted import Sweep
from lamelle.results.scores import Confusion, Curve, Curves, Scores

_TOGETHER = 3
"""Classes whose bands can be told apart in one figure."""
_OVER_THRESHOLD = ("macro_f1", "precision", "recall", "f1", "image_dice")
"""What is drawn over the threshold, in this order."""
_LISTED = tuple(i / 10 for i in range(11))
"""The thresholds that a table shows."""
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
    """The scores on validation over one threshold, and the one that was frozen."""
    sweep = _single(scores)
    if sweep is None:
        return {}
    names = _drawn_scores(sweep)
    words, classes = {"chosen": number(sweep.chosen)}, scores.classes
    if scores.task == "classify" and len(classes) == 2:
        caption = text("report.threshold_class", **words, name=sweep.of)
    else:
        caption = _said_by(sweep, **words)
    lines = [sweep.scores[name] for name in names]
    return {
        "threshold": figures.threshold(list(sweep.points), lines, chosen=sweep.chosen),
        "threshold_caption": caption,
        "threshold_alt": text("report.threshold_alt", **words),
        "threshold_legend": [(_score_name(name), *figures.legend(i)) for i, name in enumerate(names)],
    }


def _single(scores: Scores) -> Sweep | None:
    """What was tried for the threshold, where there is one and its scores can be drawn."""
    found = [one for one in scores.sweeps if one.name == "threshold"]
    return found[0] if len(found) == 1 and _drawn_scores(found[0]) else None


def _drawn_scores(sweep: Sweep) -> list[str]:
    order = {name: i for i, name in enumerate(_OVER_THRESHOLD)}
    return sorted(
        (key for key in sweep.scores if key.partition("/")[0] in order), key=lambda k: order[k.partition("/")[0]]
    )


def _score_name(key: str) -> str:
    name, _, of = key.partition("/")
    return scoring.name_of(name) + (f" ({of})" if of else "")


def _said_by(sweep: Sweep, *, chosen: str) -> str:
    """How the threshold of a segmentation came about: by a score that was the best there, by a setting, or by none."""
    if sweep.undecided:
        return text("report.threshold_unsearched", chosen=chosen, classes=sweep.of)
    if sweep.given:
        return text("report.threshold_given", chosen=chosen)
    return text("report.threshold_caption", chosen=chosen, score=scoring.name_of(sweep.by))


def _unsearched(scores: Scores) -> str:
    """The classes of which the validation set shows all or nothing, so that nothing could be searched for them."""
    return ", ".join(dict.fromkeys(one.of for one in scores.sweeps if one.undecided))


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
    sweeps = [one for one in scores.sweeps if one.name == "threshold" and one.scores.get("f1")][:DRAWN]
    if not sweeps:
        return found
    said = [f"{one.of} ({number(one.chosen)})" for one in sweeps]
    line = next((one.by for one in sweeps if one.by), "f1")
    drawn = figures.threshold(list(sweeps[0].points), [one.scores[line] for one in sweeps], chosen=None)
    return found | {
        "threshold": drawn,
        "threshold_caption": text("report.threshold_each", score=scoring.name_of(line)),
        "threshold_alt": text("report.threshold_each_alt", chosen=", ".join(said)),
        "threshold_legend": [(name, *figures.legend(i)) for i, name in enumerate(said)],
    }


def _chosen_numbers(scores: Scores) -> Values:
    """Of a segmentation, what validation decided in single numbers, and the score at all that was tried."""
    sweeps = [one for name in _TRIED for one in scores.sweeps if one.name == name]
    chosen = {one.name: one.chosen for one in sweeps} | {k: v for k, v in scores.fitted.items() if k in _CHOSEN}
    rows = [
        (text(f"report.chosen_{name}"), short(float(value)))
        for name in _CHOSEN
        if scores.task != "classify" and isinstance(value := chosen.get(name), int | float)
    ]
    tried = [_tried(one) for one in sweeps if one.points]
    unsearched = _unsearched(scores)
    caption = text("report.chosen_unsearched", classes=unsearched) if unsearched else text("report.chosen_caption")
    return {"chosen": rows, "chosen_caption": caption, "cleaning": tried} if rows else {}


def _tried(sweep: Sweep) -> tuple[str, list[str], list[list[str]]]:
    """Name, column heads and rows of what was tried."""
    score, values = next(iter(sweep.scores.items()))
    rows = [[short(at), number(value)] for at, value in _changes(sweep.points, values)]
    return text(f"report.chosen_{sweep.name}"), [text("report.chosen_tried"), scoring.name_of(score)], rows


def _changes(tried: Sequence[float], dice: Sequence[float | None]) -> list[tuple[float, float | None]]:
    """Where the score changes; a long row of values that make no difference says nothing."""
    pairs = list(zip(tried, dice, strict=True))
    return [pair for i, pair in enumerate(pairs) if i == 0 or pair[1] != pairs[i - 1][1]]


def _grid_of_thresholds(scores: Scores) -> Values:
    """A few thresholds and the scores of each as a table."""
    sweep = _single(scores)
    if sweep is None or not set(_LISTED) <= set(sweep.points):
        return {}
    names, places = _drawn_scores(sweep), [sweep.points.index(at) for at in _LISTED]
    columns = [text("report.threshold"), *(_score_name(name) for name in names)]
    rows = [[number(sweep.points[i], 1), *(number(sweep.scores[n][i]) for n in names)] for i in places]
    return {"threshold_grid": rows, "threshold_columns": columns}


def _thresholds(scores: Scores) -> Values:
    """A threshold for each class, where there are several."""
    found, labels = scores.fitted.get("thresholds"), bool(scoring.yes_no(scores))
    each = found if isinstance(found, tuple) else ()
    if len(each) != len(scores.classes) or (len(each) < _LEAST_CLASSES and not labels):
        return {}
    kind = "labels" if labels else "factors"
    rows = [(name, number(value)) for name, value in zip(scores.classes, each, strict=True)]
    return {"thresholds": rows, "thresholds_caption": text(f"report.thresholds_{kind}")}

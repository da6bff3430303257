"""Curves of the page: ROC and precision-recall with bands and areas, and what the validation set decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from lamelle.messages import text
from lamelle.metrics.names import name_of
from lamelle.reports import figures
from lamelle.reports.blocks import (
    Block,
    Details,
    Facts,
    Heading,
    Line,
    Paragraph,
    Plot,
    SideBySide,
    TableBlock,
    numeric,
)
from lamelle.reports.classes import DRAWN
from lamelle.reports.html import number, short
from lamelle.reports.scores import area
from lamelle.results.fitted import Sweep
from lamelle.results.scores import Confusion, Curve, Curves, Scores

_TOGETHER = 3
"""Classes whose bands can be told apart in one figure."""
_OVER_THRESHOLD = ("macro_f1", "precision", "recall", "f1", "image_dice")
"""What is drawn over the threshold, in this order."""
_LISTED = tuple(i / 10 for i in range(11))
"""The thresholds that a table shows."""
_MIN_LISTED = 3
_CHOSEN = ("threshold", "cell_threshold", "mask_threshold", "seed_threshold", "min_size", "fill_holes", "largest")
"""What is one number, in the order in which it is used."""
_TRIED = ("mask_threshold", "seed_threshold", "min_size", "fill_holes", "largest")
"""What has a table of the values tried, and of the Dice of each, or of the AP where objects are told apart."""
Kinds = Mapping[Literal["roc", "pr"], Curve]


def draw(figure: Curves, scores: Scores) -> list[Block]:
    """ROC and precision-recall curves of the most frequent classes, with their areas."""
    confusion = scores.figure(Confusion)
    support = dict(zip(scores.classes, confusion.support if confusion else (), strict=False))
    drawable = [name for name, pair in figure.classes.items() if any(curve.x for curve in pair.values())]
    most = sorted(drawable, key=lambda c: -support.get(c, 0))[:DRAWN]
    drawn: dict[str, Kinds] = {name: figure.classes[name] for name in drawable if name in most}
    if not drawn:
        return []
    banded = any(curve.low for pair in drawn.values() for curve in pair.values())
    apart = banded and len(drawn) > _TOGETHER
    caption = [text("report.roc_caption")]
    if banded and not apart:
        caption.append(text("report.roc_bands"))
    if len(drawn) < len(figure.classes):
        caption.append(text("report.roc_some", n=len(drawn), all=len(figure.classes)))
    alone = 0 if len(drawn) == 1 else None
    labels = {name: _areas(scores, name) for name in drawn}
    legend = [(name if apart else labels[name], *figures.legend(i, dash=alone)) for i, name in enumerate(drawn)]
    svg = figures.curves(list(drawn.values()), bands=not apart)
    blocks: list[Block] = [Plot(svg, text("report.roc_alt"), " ".join(caption), legend, "w80")]
    return blocks + (_each(scores, drawn, labels, support) if apart else [])


def _each(
    scores: Scores, drawn: Mapping[str, Kinds], labels: Mapping[str, str], support: Mapping[str, int]
) -> list[Block]:
    """A figure for each class, with its areas."""
    total, plots = scores.n or 1, []
    for i, (name, pair) in enumerate(drawn.items()):
        svg = figures.curve(pair, i, share=support[name] / total if name in support else None)
        legend = [(labels[name], *figures.legend(i, dash=0))]
        plots.append([Plot(svg, text("report.curve_alt", name=name), legend=legend)])
    caption = Paragraph(text("report.curves_apart_caption"), "muted")
    return [Heading(text("report.curves_apart")), caption, SideBySide(plots, "grid")]


def _areas(scores: Scores, name: str) -> str:
    """A class with the areas under its curves."""
    areas = {key: area(scores, f"{key}_auc", name) for key in ("roc", "pr")}
    return text("report.areas", name=name, **areas)


def decided(sweeps: Sequence[Sweep], scores: Scores) -> list[Block]:
    """What the validation set decided, and the scores at all that was tried; nothing if it decided nothing."""
    each = scores.fitted.get("thresholds")
    if isinstance(each, dict):  # pixels have classes with a threshold each
        return [*_thresholds_of_pixels(sweeps), *_listed_pixels(sweeps, each), *_numbers(sweeps, scores)]
    listed = _thresholds(scores, each) if isinstance(each, tuple) else []
    return [*_threshold(sweeps, scores), *listed, *_numbers(sweeps, scores)]


def _threshold(sweeps: Sequence[Sweep], scores: Scores) -> list[Block]:
    """The scores on validation over one threshold and the one that was frozen; and a table at a few thresholds."""
    candidates = [one for one in sweeps if one.name == "threshold"]
    if len(candidates) != 1 or not (names := _drawn_scores(sweep := candidates[0])):
        return []
    words = {"chosen": number(sweep.chosen)}
    if scores.counted == "image":
        caption = text("report.threshold_class", name=sweep.of, **words)
    elif sweep.undecided:
        caption = text("report.threshold_unsearched", classes=sweep.of, **words)
    elif sweep.given:
        caption = text("report.threshold_given", **words)
    else:
        caption = text("report.threshold_caption", score=name_of(sweep.by), **words)
    svg = figures.threshold(sweep.points, [sweep.scores[name] for name in names], chosen=sweep.chosen)
    plot = _plotted(svg, text("report.threshold_alt", **words), caption, list(map(name_of, names)))
    if not set(_LISTED) <= set(sweep.points):
        return plot
    places = [sweep.points.index(at) for at in _LISTED]
    rows = [[number(sweep.points[i], 1), *(number(sweep.scores[n][i]) for n in names)] for i in places]
    title, columns = text("report.threshold_grid"), numeric(text("report.threshold"), *map(name_of, names))
    return [*plot, Details(title, [TableBlock(columns, rows, label=title)])]


def _drawn_scores(sweep: Sweep) -> list[str]:
    keys = [key for key in sweep.scores if key.partition("/")[0] in _OVER_THRESHOLD]
    return sorted(keys, key=lambda key: _OVER_THRESHOLD.index(key.partition("/")[0]))


def _plotted(svg: str, label: str, caption: str, lines: Sequence[str]) -> list[Block]:
    legend: list[Line] = [(name, *figures.legend(i)) for i, name in enumerate(lines)]
    return [Heading(text("report.threshold_title")), Plot(svg, label, caption, legend, "w60")]


def _unsearched(sweeps: Sequence[Sweep]) -> str:
    """The classes of which the validation set shows all or nothing, so that nothing could be searched for them."""
    return ", ".join(dict.fromkeys(one.of for one in sweeps if one.undecided))


def _thresholds_of_pixels(sweeps: Sequence[Sweep]) -> list[Block]:
    """Where pixels have classes with a threshold each, the score that decided over each of them."""
    drawn = [one for one in sweeps if one.name == "threshold" and one.scores.get("f1")][:DRAWN]
    if not drawn:
        return []
    line = next((one.by for one in drawn if one.by), "f1")
    svg = figures.threshold(drawn[0].points, [one.scores[line] for one in drawn], chosen=None)
    lines = [f"{one.of} ({number(one.chosen)})" for one in drawn]
    label = text("report.threshold_each_alt", chosen=", ".join(lines))
    return _plotted(svg, label, text("report.threshold_each", score=name_of(line)), lines)


def _listed_pixels(sweeps: Sequence[Sweep], each: Mapping[str, float]) -> list[Block]:
    caption = text("report.thresholds_pixels")
    if unsearched := _unsearched(sweeps):
        caption += ". " + text("report.chosen_unsearched", classes=unsearched)
    return _listed(each, caption)


def _thresholds(scores: Scores, each: Sequence[float]) -> list[Block]:
    """A threshold for each class of images, where there are several."""
    confusion = scores.figure(Confusion)
    labels = confusion is not None and bool(confusion.each)  # several classes may hold at once
    if len(each) != len(scores.classes) or (len(each) < _MIN_LISTED and not labels):
        return []
    caption = text(f"report.thresholds_{'labels' if labels else 'factors'}")
    return _listed(dict(zip(scores.classes, each, strict=True)), caption)


def _listed(each: Mapping[str, float], caption: str) -> list[Block]:
    rows = [(name, number(value)) for name, value in each.items()]
    return [Heading(text("report.thresholds_title")), Facts(rows, caption)]


def _numbers(sweeps: Sequence[Sweep], scores: Scores) -> list[Block]:
    """Where pixels have classes, what was decided in single numbers, and the score at all that was tried."""
    searched = [one for name in _TRIED for one in sweeps if one.name == name]
    chosen = {one.name: one.chosen for one in searched} | {k: v for k, v in scores.fitted.items() if k in _CHOSEN}
    rows = [
        (text(f"report.chosen_{name}"), short(float(value)))
        for name in _CHOSEN
        if scores.counted == "pixel" and isinstance(value := chosen.get(name), int | float)
    ]
    if not rows:
        return []
    unsearched = _unsearched(sweeps)
    caption = text("report.chosen_unsearched", classes=unsearched) if unsearched else text("report.chosen_caption")
    return [
        Heading(text("report.chosen_title")),
        Facts(rows, caption),
        *(_tried(one) for one in searched if one.points),
    ]


def _tried(sweep: Sweep) -> Details:
    """All that was tried for one number; a long row of values that make no difference says nothing."""
    score, values = next(iter(sweep.scores.items()))
    pairs = list(zip(sweep.points, values, strict=True))
    rows = [[short(at), number(v)] for i, (at, v) in enumerate(pairs) if i == 0 or v != pairs[i - 1][1]]
    title = text("report.chosen_all", name=text(f"report.chosen_{sweep.name}"), score=name_of(score))
    return Details(title, [TableBlock(numeric(text("report.chosen_tried"), name_of(score)), rows, label=title)])

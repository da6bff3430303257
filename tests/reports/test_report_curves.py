"""Curves of the page: what is drawn, what is said of it, and what is left out."""

from __future__ import annotations

from typing import Any

import pytest
from page_blocks import every, texts
from support import made_scores

from lamelle.reports import classes, curves, figures
from lamelle.reports.blocks import Block, Details, Facts, Plot, SideBySide, TableBlock
from lamelle.results.fitted import Sweep
from lamelle.results.scores import Confusion, Curve, Curves, Score, Scores

POINTS = {"x": [0.0, 0.5, 1.0], "y": [0.5, 0.8, 1.0]}
BANDED = POINTS | {"low": [0.2, 0.6, 0.9], "high": [0.9, 1.0, 1.0]}
BAND = "opacity: 0.16"


def content(k: int, *, points: dict[str, Any] = BANDED, support: int = 20, **changes: Any) -> Scores:
    names = tuple(f"c{i}" for i in range(k))
    area = Score(0.75, 0.7, 0.8, 90, "image")
    curve = Curve(**points)
    counted = Confusion(support=tuple(support + i for i in range(k)))
    figures = (Curves(classes={n: {"roc": curve, "pr": curve} for n in names}), counted)
    scores = {f"{kind}_auc/{name}": area for kind in ("roc", "pr") for name in names}
    return made_scores(**{"classes": names, "n": 90, "scores": scores, "figures": figures} | changes)


Scored = dict[str, tuple[float | None, ...]]


def swept(scores: Scored, of: str = "c1", *, chosen: float = 0.4, by: str = "", undecided: bool = False) -> Sweep:
    """Scores at two thresholds, and the one that was taken."""
    about: dict[str, Any] = {"of": of, "chosen": chosen, "by": by, "undecided": undecided}
    return Sweep(name="threshold", points=(0.1, 0.9), scores=scores, **about)


def tried(
    name: str, points: tuple[float, ...], score: str, values: tuple[float | None, ...], *, chosen: float
) -> Sweep:
    return Sweep(name=name, points=points, scores={score: values}, chosen=chosen, by=score)


def drawn(scores: Scores) -> list[Block]:
    figure = scores.figure(Curves)
    assert figure is not None
    return curves.draw(figure, scores)


def decided(k: int, *sweeps: Sweep, **changes: Any) -> list[Block]:
    """What is shown of decisions about ``k`` classes."""
    return curves.decided(sweeps, content(k, **{"figures": sweeps} | changes))


def segmented(*sweeps: Sweep) -> list[Block]:
    """The same of a segmentation with these thresholds of its classes."""
    cuts = {one.of: one.chosen for one in sweeps}
    fitted = {"threshold": cuts["c1"]} if len(sweeps) == 1 else {"thresholds": cuts}
    return decided(1 + len(sweeps), *sweeps, counted="pixel", fitted=fitted)


def legend(plot: Plot) -> list[str]:
    return [name for name, *_ in plot.legend]


def test_areas_stand_beside_the_curves_with_their_intervals() -> None:
    (plot,) = every(drawn(content(2)), Plot)
    assert legend(plot) == [f"c{i}: ROC-AUC 0.750 [0.700 – 0.800], PR-AUC 0.750 [0.700 – 0.800]" for i in range(2)]
    assert plot.svg.count(BAND) == 4


def test_bands_of_many_classes_do_not_cover_each_other() -> None:
    first, *each = every(drawn(content(5)), Plot)
    assert BAND not in first.svg
    assert legend(first) == ["c0", "c1", "c2", "c3", "c4"]
    assert [(plot.svg.count(BAND), legend(plot)[0].partition(".")[0]) for plot in each] == [
        (2, f"c{i}: ROC-AUC 0") for i in range(5)
    ]
    assert all(f"c{i}" in plot.label for i, plot in enumerate(each))


def test_the_most_frequent_classes_are_drawn_and_that_is_said() -> None:
    blocks = drawn(content(12))
    first = every(blocks, Plot)[0]
    assert legend(first) == [f"c{i}" for i in range(4, 12)]
    (grid,) = every(blocks, SideBySide)
    assert len(grid.parts) == classes.DRAWN == 8
    assert "The 8 most frequent of 12 classes are drawn." in first.caption


def test_curves_without_bands_are_drawn_and_no_band_is_spoken_of() -> None:
    (plot,) = every(drawn(content(2, points=POINTS, support=20)), Plot)
    assert plot.svg
    assert BAND not in plot.svg
    assert "bands" not in plot.caption


def test_a_run_without_curves_has_no_section() -> None:
    assert decided(2) == []
    assert drawn(content(2, points={"x": [], "y": []})) == []


def test_the_frozen_threshold_is_marked_and_said() -> None:
    curve = dict.fromkeys(("precision/c1", "macro_f1", "recall/c1"), (0.5, 0.6))
    blocks = decided(2, swept(curve, chosen=0.37), fitted={"thresholds": (0.63, 0.37)})
    (plot,) = every(blocks, Plot)
    assert "an image is c1 if its probability of c1 is at least 0.370" in plot.caption
    assert legend(plot) == ["Macro F1", "Precision (c1)", "Recall (c1)"]
    without = figures.threshold([0.1, 0.9], [(0.5, 0.6)] * 3, chosen=None)
    assert plot.svg.count('<g id="line2d') == without.count('<g id="line2d') + 1
    assert every(blocks, Facts) == []


def test_the_threshold_of_a_segmentation_is_said_as_before() -> None:
    (plot,) = every(segmented(swept({"precision": (0.5, None), "recall": (1.0, 0.1), "f1": (0.6, None)})), Plot)
    assert "The threshold 0.400 is the dotted line" in plot.caption
    assert legend(plot) == ["Precision", "Recall", "F1"]


@pytest.mark.parametrize(("by", "score"), [("f1", "(F1)"), ("image_dice", "(Dice, mean over images)")])
def test_a_searched_threshold_says_by_which_score(by: str, score: str) -> None:
    curve: Scored = {"f1": (0.6, None), "image_dice": (0.2, 0.7)}
    (plot,) = every(segmented(swept(curve, by=by)), Plot)
    assert score in plot.caption
    (each,) = every(segmented(swept(curve, by=by), swept(curve, "c2", chosen=0.25, by=by)), Plot)
    assert each.svg == figures.threshold([0.1, 0.9], [curve[by]] * 2, chosen=None)
    assert each.caption.startswith(score.strip("()"))


@pytest.mark.parametrize(("language", "words"), [("en", "nothing could be searched"), ("fr", "rien n'a pu")])
def test_a_threshold_that_could_not_be_searched_says_so(
    language: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    curve: Scored = {"precision": (0.0, None), "f1": (0.0, None)}
    found = segmented(swept(curve, chosen=0.5, undecided=True))
    for caption in (every(found, Plot)[0].caption, every(found, Facts)[0].caption):
        assert words in caption
        assert "c1" in caption
        assert not any(w in caption for w in ("frozen", "figé", "Searched", "Cherché"))
    each = segmented(swept(curve, by="f1"), swept(curve, "c2", chosen=0.5, undecided=True))
    said = every(each, Facts)[0].caption
    assert words in said
    assert "c2" in said
    assert words not in str(segmented(swept(curve, chosen=0.5)))


def test_thresholds_of_pixels_are_drawn_and_listed_class_by_class() -> None:
    curve: Scored = {"f1": (0.6, None)}
    found = segmented(swept(curve), swept(curve, "c2", chosen=0.25))
    (facts,), (plot,) = every(found, Facts), every(found, Plot)
    assert facts.rows == [("c1", "0.400"), ("c2", "0.250")]
    assert "furthest above this" in facts.caption
    assert legend(plot) == ["c1 (0.400)", "c2 (0.250)"]
    assert plot.svg.count('<g id="line2d') > 0


def test_what_cleaning_and_objects_were_decided_by_is_listed() -> None:
    sizes = tried("min_size", (0, 1, 4, 16), "dice", (0.7, 0.7, 0.8, 0.6), chosen=4)
    holes = tried("fill_holes", (0, 1), "dice", (0.7, 0.7), chosen=0)
    found = decided(2, sizes, holes, counted="pixel", fitted={"threshold": 0.4, "min_size": 4})
    (facts,) = every(found, Facts)
    assert [value for _, value in facts.rows] == ["0.4", "4", "0"], "what was searched and brought nothing is 0"
    tables = [texts(table.rows) for table in every(found, TableBlock)]
    assert [[row[0] for row in rows] for rows in tables] == [["0", "4", "16"], ["0"]]
    objects = {"mask_threshold": 0.3, "seed_threshold": 0.6, "min_size": 32}
    found = decided(2, counted="pixel", fitted=objects)
    assert len(every(found, Facts)[0].rows) == 3
    assert every(found, TableBlock) == []
    seeds = tried("seed_threshold", (0.4, 0.5, 0.6), "ap50", (0.5, None, 0.8), chosen=0.6)
    found = decided(2, seeds, counted="pixel", fitted=objects)
    (details,), (table,) = every(found, Details), every(found, TableBlock)
    assert "Depth from which a pixel is an object's seed" in details.summary
    assert "AP at IoU 0.5" in details.summary
    assert texts(table.rows) == [["0.4", "0.500"], ["0.5", "–"], ["0.6", "0.800"]]
    assert decided(2, fitted={"threshold": 0.4}) == [], "images have no such numbers"


def test_several_thresholds_are_a_table_that_says_how_they_decide() -> None:
    (factors,) = every(decided(3, fitted={"thresholds": (0.5, 1.0, 1.5)}), Facts)
    assert factors.rows == [("c0", "0.500"), ("c1", "1.000"), ("c2", "1.500")]
    assert "divided by these" in factors.caption
    several = (Confusion(each=(((9, 1), (1, 9)),) * 2),)
    (labels,) = every(decided(2, fitted={"thresholds": (0.25, 0.75)}, figures=several), Facts)
    assert labels.rows == [("c0", "0.250"), ("c1", "0.750")]
    assert "at least this" in labels.caption

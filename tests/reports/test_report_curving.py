"""Curves of the page: what is drawn, what is said of it, and what is left out."""

from __future__ import annotations

from typing import Any

import pytest
from support import made_scores

from lamelle.reports import classes, curving, figures
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


def segmented(*sweeps: Sweep) -> Scores:
    """A segmentation with these thresholds of its classes."""
    cuts = {one.of: one.chosen for one in sweeps}
    fitted = {"threshold": cuts["c1"]} if len(sweeps) == 1 else {"thresholds": cuts}
    return content(1 + len(sweeps), task="segment", fitted=fitted, figures=sweeps)


def test_areas_stand_beside_the_curves_with_their_intervals() -> None:
    found = curving.section(content(2))
    assert [name for name, *_ in found["roc_legend"]] == [
        f"c{i}: ROC-AUC 0.750 [0.700 – 0.800], PR-AUC 0.750 [0.700 – 0.800]" for i in range(2)
    ]
    assert found["roc"].count(BAND) == 4
    assert found["curve_grid"] == []


def test_bands_of_many_classes_do_not_cover_each_other() -> None:
    found = curving.section(content(5))
    assert BAND not in found["roc"]
    assert [name for name, *_ in found["roc_legend"]] == ["c0", "c1", "c2", "c3", "c4"]
    assert [(name, svg.count(BAND), legend[0][0].partition(".")[0]) for name, svg, legend in found["curve_grid"]] == [
        (f"c{i}", 2, f"c{i}: ROC-AUC 0") for i in range(5)
    ]


def test_the_most_frequent_classes_are_drawn_and_that_is_said() -> None:
    found = curving.section(content(12))
    assert [name for name, *_ in found["roc_legend"]] == [f"c{i}" for i in range(4, 12)]
    assert len(found["curve_grid"]) == classes.DRAWN == 8
    assert "The 8 most frequent of 12 classes are drawn." in found["roc_caption"]


def test_curves_without_bands_are_drawn_and_no_band_is_spoken_of() -> None:
    found = curving.section(content(2, points=POINTS, support=20))
    assert found["roc"]
    assert BAND not in found["roc"]
    assert "bands" not in found["roc_caption"]


def test_a_run_without_curves_has_no_section() -> None:
    assert curving.section(content(2, figures=())) == {}
    assert curving.section(content(2, points={"x": [], "y": []})) == {}


def test_the_frozen_threshold_is_marked_and_said() -> None:
    curve = dict.fromkeys(("precision/c1", "macro_f1", "recall/c1"), (0.5, 0.6))
    found = curving.section(content(2, figures=(swept(curve, chosen=0.37),), fitted={"thresholds": (0.63, 0.37)}))
    assert "an image is c1 if its probability of c1 is at least 0.370" in found["threshold_caption"]
    assert [name for name, *_ in found["threshold_legend"]] == ["Macro F1", "Precision (c1)", "Recall (c1)"]
    without = figures.threshold([0.1, 0.9], [(0.5, 0.6)] * 3, chosen=None)
    assert found["threshold"].count('<g id="line2d') == without.count('<g id="line2d') + 1
    assert found["thresholds"] == []


def test_the_threshold_of_a_segmentation_is_said_as_before() -> None:
    found = curving.section(segmented(swept({"precision": (0.5, None), "recall": (1.0, 0.1), "f1": (0.6, None)})))
    assert "The threshold 0.400 is the dotted line" in found["threshold_caption"]
    assert [name for name, *_ in found["threshold_legend"]] == ["Precision", "Recall", "F1"]


@pytest.mark.parametrize(("by", "score"), [("f1", "(F1)"), ("image_dice", "(Dice, mean over images)")])
def test_a_searched_threshold_says_by_which_score(by: str, score: str) -> None:
    curve: Scored = {"f1": (0.6, None), "image_dice": (0.2, 0.7)}
    found = curving.section(segmented(swept(curve, by=by)))
    assert score in found["threshold_caption"]
    each = curving.section(segmented(swept(curve, by=by), swept(curve, "c2", chosen=0.25, by=by)))
    assert each["threshold"] == figures.threshold([0.1, 0.9], [curve[by]] * 2, chosen=None)
    assert each["threshold_caption"].startswith(score.strip("()"))


@pytest.mark.parametrize(("language", "words"), [("en", "nothing could be searched"), ("fr", "rien n'a pu")])
def test_a_threshold_that_could_not_be_searched_says_so(
    language: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    curve: Scored = {"precision": (0.0, None), "f1": (0.0, None)}
    found = curving.section(segmented(swept(curve, chosen=0.5, undecided=True)))
    for caption in (found["threshold_caption"], found["chosen_caption"]):
        assert words in caption
        assert "c1" in caption
        assert not any(w in caption for w in ("frozen", "figé", "Searched", "Cherché"))
    each = (swept(curve, by="f1"), swept(curve, "c2", chosen=0.5, undecided=True))
    said = curving.section(segmented(*each))["thresholds_caption"]
    assert words in said
    assert "c2" in said
    assert words not in str(curving.section(segmented(swept(curve, chosen=0.5))))


def test_thresholds_of_pixels_are_drawn_and_listed_class_by_class() -> None:
    curve: Scored = {"f1": (0.6, None)}
    found = curving.section(segmented(swept(curve), swept(curve, "c2", chosen=0.25)))
    assert found["thresholds"] == [("c1", "0.400"), ("c2", "0.250")]
    assert "furthest above this" in found["thresholds_caption"]
    assert [name for name, *_ in found["threshold_legend"]] == ["c1 (0.400)", "c2 (0.250)"]
    assert found["threshold"].count('<g id="line2d') > 0


def test_what_cleaning_and_objects_were_decided_by_is_listed() -> None:
    sizes = tried("min_size", (0, 1, 4, 16), "dice", (0.7, 0.7, 0.8, 0.6), chosen=4)
    holes = tried("fill_holes", (0, 1), "dice", (0.7, 0.7), chosen=0)
    about: dict[str, Any] = {"task": "segment", "fitted": {"threshold": 0.4, "min_size": 4}}
    found = curving.section(content(2, **about, figures=(sizes, holes)))
    assert [value for _, value in found["chosen"]] == ["0.4", "4", "0"], "what was searched and brought nothing is 0"
    assert [[row[0] for row in rows] for *_, rows in found["cleaning"]] == [["0", "4", "16"], ["0"]]
    objects = {"mask_threshold": 0.3, "seed_threshold": 0.6, "min_size": 32}
    found = curving.section(content(2, task="instances", fitted=objects, figures=()))
    assert len(found["chosen"]) == 3
    assert found["cleaning"] == []
    seeds = tried("seed_threshold", (0.4, 0.5, 0.6), "ap50", (0.5, None, 0.8), chosen=0.6)
    found = curving.section(content(2, task="instances", fitted=objects, figures=(seeds,)))
    (name, columns, rows), *others = found["cleaning"]
    assert (name, columns[1], others) == ("Depth from which a pixel is an object's seed", "AP at IoU 0.5", [])
    assert rows == [["0.4", "0.500"], ["0.5", "–"], ["0.6", "0.800"]]
    assert "chosen" not in [k for k, v in curving.section(content(2, fitted={"threshold": 0.4})).items() if v]


def test_several_thresholds_are_a_table_that_says_how_they_decide() -> None:
    factors = curving.section(content(3, fitted={"thresholds": (0.5, 1.0, 1.5)}))
    assert factors["thresholds"] == [("c0", "0.500"), ("c1", "1.000"), ("c2", "1.500")]
    assert "divided by these" in factors["thresholds_caption"]
    some = content(2, fitted={"thresholds": (0.25, 0.75)}, figures=(Confusion(each=(((9, 1), (1, 9)),) * 2),))
    labels = curving.section(some)
    assert labels["thresholds"] == [("c0", "0.250"), ("c1", "0.750")]
    assert "at least this" in labels["thresholds_caption"]

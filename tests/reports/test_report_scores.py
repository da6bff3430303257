"""Scores and numbers as a page shows them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from support import made_scores

from lamelle.reports import confusion
from lamelle.reports import scores as reported
from lamelle.reports.blocks import Cell
from lamelle.reports.html import elide, number, percent, short, whole
from lamelle.results.scores import Confusion, Score, Scores


def interval(value: float, n: int = 30, unit: str = "image") -> Score:
    return Score(value, value, value, n, unit)


def content(classes: int, **changes: Any) -> Scores:
    names = tuple(f"c{i}" for i in range(classes))
    matrix = tuple(tuple(100 if i == j else int(j == i + 1) * (i + 1) for j in range(classes)) for i in range(classes))
    scores = {"dice": interval(0.5), "odd": interval(math.nan), "dice/c1": interval(0.25), "hd95": interval(3.0)}
    figures = (Confusion(counts=matrix, support=(1,) * classes),)
    return made_scores(**{"classes": names, "scores": scores, "figures": figures} | changes)


def test_scores_without_a_name_are_shown_by_their_key() -> None:
    found = reported.overall(content(2))
    assert [(s.key, s.name, s.shown) for s in found] == [
        ("dice", "Dice", "0.500"),
        ("hd95", "HD95 (pixels)", "3.0"),
        ("odd", "odd", "–"),
    ]
    assert found[0].bar == (50.0, 0.6, 50.0)
    assert found[1].bar is None
    assert found[2].interval == "–"


def test_a_class_without_a_score_is_an_empty_cell() -> None:
    columns, rows = reported.by_class(content(2))
    assert columns == ["Dice"]
    assert [(row.name, row.n, row.scores[0] and row.scores[0].score.value) for row in rows] == [
        ("c0", 1, None),
        ("c1", 1, 0.25),
    ]


def counted(scores: Scores) -> Confusion:
    found = scores.figure(Confusion)
    assert found is not None
    return found


def cells(row: list[Cell | str]) -> list[Cell]:
    return [cell for cell in row if isinstance(cell, Cell)]


def test_a_matrix_has_shares_of_its_rows() -> None:
    scores = content(2)
    first, second = map(cells, confusion.matrix(counted(scores), scores))
    assert [c.text for c in first] == ["100", "1"]
    assert first[1].shade == pytest.approx(1 / 101)
    assert (second[1].look, second[0].look) == ("right", "wrong")
    assert second[1].shade == 1
    assert second[1].small == ("100 %",)


def test_many_classes_are_told_by_their_most_frequent_mistakes() -> None:
    many, few = content(confusion.LARGEST_MATRIX + 1), content(3)
    assert confusion.matrix(counted(many), many) == []
    assert confusion.confusions(counted(many), many, 2)[0][:3] == ["c39", "c40", "40"]
    assert len(confusion.confusions(counted(many), many, 2)) == 2
    assert confusion.confusions(counted(few), few, 2) == []


def test_only_scores_that_are_shown_are_explained() -> None:
    assert [name for name, _ in reported.glossary(content(2))] == ["Dice", "HD95 (pixels)"]


def test_numbers_follow_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_LANG", "fr")
    assert (number(0.5), short(1.25), percent(0.012)) == ("0,500", "1,25", "1,2 %")
    assert number(math.nan) == "–"
    assert whole(1234567) == "1\u202f234\u202f567"


def test_long_names_keep_both_ends() -> None:
    assert len(elide("folder/" + "x" * 80 + ".png", 30)) == 30
    assert elide("folder/" + "x" * 80 + ".png", 30).endswith(".png")
    assert elide("a/very/long/path/to/an/image.png", 20) == "image.png"


def test_a_score_without_an_interval_shows_a_dash_and_its_reason() -> None:
    none = replace(interval(0.5, 4), low=math.nan, high=math.nan, reason="few", of="c1")
    for one, shown in ((none, "–"), (interval(0.5, 4), "0.500 – 0.500")):
        scores = content(2, scores={"dice": one})
        (score,) = reported.overall(scores)
        assert (score.shown, score.interval, score.bar is None) == ("0.500", shown, one is none)
        assert bool(score.why) == bool(reported.without(scores)) == (one is none)
    assert "4" in reported.without(content(2, scores={"dice": none, "iou": none}))


def test_the_area_of_a_class_comes_with_its_interval() -> None:
    rare = replace(interval(0.9, 2), low=math.nan, high=math.nan, reason="few", of="c1")
    scores = content(2, scores={"roc_auc/c0": interval(0.5), "roc_auc/c1": rare})
    assert [reported.area(scores, "roc_auc", c) for c in ("c0", "c1")] == ["0.500 [0.500 – 0.500]", "0.900"]
    assert reported.area(scores, "pr_auc", "c0") == "–"


def test_classes_that_hold_together_are_each_a_yes_or_no() -> None:
    each = (((90, 2), (1, 7)), ((0, 0), (3, 1)))
    several = content(2, figures=(Confusion(each=each, support=(8, 4)),))
    first, second = map(cells, confusion.yes_no(counted(several), several))
    assert [(c.text, c.look) for c in first] == [("7", "right"), ("1", "wrong"), ("2", "wrong"), ("90", "right")]
    assert [c.shade for c in first] == pytest.approx([7 / 8, 1 / 8, 2 / 92, 90 / 92])
    assert [c.small for c in second] == [("25 %",), ("75 %",), ("–",), ("–",)]
    assert confusion.matrix(counted(several), several) == []
    assert confusion.yes_no(counted(content(2)), content(2)) == []


def test_a_score_that_may_exceed_one_has_no_bar() -> None:
    (score,) = reported.overall(content(2, scores={"log_loss": interval(0.5)}))
    assert (score.name, score.bar) == ("Log loss", None)

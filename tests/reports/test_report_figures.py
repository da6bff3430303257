"""Figures inside a page."""

from __future__ import annotations

import re

import pytest

from lamelle.reports import figures

HISTORY = [
    {"epoch": 1.0, "lr": 0.001, "train_loss": 1.0, "train_score": None, "loss": None, "score": None},
    {"epoch": 2.0, "lr": 0.0005, "train_loss": 0.5, "train_score": 0.5, "loss": 0.75, "score": 0.5},
]
CURVE = {"roc": {"x": [0, 0, 1], "y": [0, 1, 1]}, "pr": {"x": [0, 1], "y": [1, 0.5]}}
DRAWN = {
    "training": lambda: figures.training(HISTORY, score="Dice $_", best=2.0),
    "nothing measured": lambda: figures.training(HISTORY[:1], score="Dice", best=None),
    "curves": lambda: figures.curves({f"$class_{i}": CURVE for i in range(20)}),
    "threshold": lambda: figures.threshold(
        {"thresholds": [0.1, 0.9], "precision": [0.5, None], "recall": [1.0, 0.1], "f1": [0.6, None]}, 0.4
    ),
    "strip": lambda: figures.strip([(0, 5, 0), (6, 6, -1), (7, 9, 2)], first=0, last=9),
    "brightness": lambda: figures.brightness([[1.0, 2.0, 9.0], [4.0], []]),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_belongs_to_its_page(name: str) -> None:
    svg = DRAWN[name]()
    assert svg == DRAWN[name](), "the same numbers, the same bytes"
    assert svg.startswith('<svg class="figure" viewBox="0 0 ')
    assert svg.rstrip().endswith("</svg>")
    assert not re.search(r"http|<style|<metadata|xlink|<\?xml|#0102", svg)
    assert "var(--muted)" in svg


def test_colours_follow_the_page_and_text_stays_text() -> None:
    svg = DRAWN["training"]()
    assert {"var(--c1)", "var(--c2)", "var(--c3)", "var(--line)"} <= set(re.findall(r"var\(--\w+\)", svg))
    assert ">Learning rate</text>" in svg
    assert "Dice $_" in svg


def test_lines_of_many_classes_differ_by_colour_or_dash() -> None:
    assert len({figures.legend(i) for i in range(3 * figures.SERIES)}) == 3 * figures.SERIES


def test_each_figure_has_names_of_its_own() -> None:
    svg = DRAWN["curves"]()
    first, second = (figures.own_ids(svg, prefix) for prefix in ("f1", "f2"))
    ids = [set(re.findall(r'\sid="([^"]+)"', s)) for s in (first, second)]
    assert not ids[0] & ids[1]
    assert set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", first)) <= ids[0]


def test_french_figures_have_decimal_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_LANG", "fr")
    svg = DRAWN["threshold"]()
    assert ">0,5</text>" in svg or ">0,4</text>" in svg
    assert not re.search(r">[\d]+\.\d+</text>", svg)
    assert ">Seuil</text>" in svg

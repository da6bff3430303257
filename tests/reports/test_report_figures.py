"""Figures inside a page."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from typing import Literal

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from lamelle.reports import figures, study_figures, training
from lamelle.results.history import Epoch
from lamelle.results.scores import Curve, Score

HISTORY = [
    Epoch(epoch=1, step=5, lr=0.001, train_loss=1.0),
    Epoch(epoch=2, step=9, lr=0.0005, train_loss=0.5, loss=0.75, train={"dice": 0.5}, validation={"dice": 0.5}),
]
CURVE: dict[Literal["roc", "pr"], Curve] = {
    "roc": Curve(x=(0, 0, 1), y=(0, 1, 1)),
    "pr": Curve(x=(0, 1), y=(1, 0.5)),
}
BANDED: dict[Literal["roc", "pr"], Curve] = {
    name: found.model_copy(update={"low": (0.0,) * len(found.x), "high": (1.0,) * len(found.x)})
    for name, found in CURVE.items()
}
_KNOWN = Score(0.5, 0.4, 0.7, 9, "image")
VARIANTS = [
    {"dice": _KNOWN, "iou": _KNOWN},
    {"dice": replace(_KNOWN, low=math.nan, high=math.nan), "iou": replace(_KNOWN, value=math.nan)},
]
DRAWN = {
    "training": lambda: training.overview(HISTORY, monitor="dice", best=2.0),
    "nothing measured": lambda: training.overview(HISTORY[:1], monitor="dice", best=None),
    "scores of epochs": lambda: training.grid(
        HISTORY, [("Dice $_", ["train_dice", "dice"]), ("x", ["loss"])], best=1.0, apart=False
    ),
    "scores of classes": lambda: training.grid(
        HISTORY, [(f"{i}", ["dice", "loss", "none"]) for i in range(6)], best=None, apart=True
    ),
    "side by side": lambda: study_figures.side_by_side(VARIANTS, ["dice", "iou"]),
    "curves": lambda: figures.curves([CURVE] * 20, bands=False),
    "bands": lambda: figures.curves([BANDED, CURVE], bands=True),
    "one class": lambda: figures.curve(BANDED, 3, share=0.25),
    "histogram": lambda: figures.histogram([0.0, 1.0, 2.0], [[0.25, 0.75], [], [1.0, 0.0]]),
    "threshold": lambda: figures.threshold([0.1, 0.9], [[0.5, None], [1.0, 0.1], [0.6, None]], chosen=0.4),
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
    assert ">Dice</text>" in svg
    assert "Dice $_" in DRAWN["scores of epochs"]()


def test_bands_are_drawn_where_they_are_known_and_asked_for() -> None:
    assert DRAWN["bands"]().count("opacity: 0.16") == 2
    assert DRAWN["one class"]().count("opacity: 0.16") == 2
    assert "opacity: 0.16" not in figures.curves([BANDED], bands=False)
    assert "opacity: 0.16" not in figures.curves([CURVE], bands=True)


def simulated(colours: list[str]) -> Iterator[np.ndarray]:
    """The colours in L*a*b* [n, 3] as normal, protanope and deuteranope eyes see them (doi:10.1109/TVCG.2009.113)."""
    matrices = (
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    )
    srgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colours])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    for matrix in matrices:
        seen = np.clip(linear @ np.array(matrix).T, 0, 1)
        seen = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
        yield rgb2lab(seen[None])[0]


def test_colours_of_lines_are_told_apart_by_every_eye() -> None:
    style = (files("lamelle.reports") / "templates" / "style.css").read_text()
    palettes = {tuple(p) for p in re.findall(r"\s+".join(rf"--c{i}: (#\w+);" for i in range(1, 9)), style)}
    assert len(palettes) == 2, "on screen by day and night; paper takes the one of the day"
    for palette in palettes:
        for lab in simulated(list(palette)):
            apart = [deltaE_ciede2000(lab[i], lab[j]) for i in range(8) for j in range(i)]
            assert min(apart) > 12


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

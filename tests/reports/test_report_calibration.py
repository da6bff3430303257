"""The page says what was done to probabilities, and shows whether they come true."""

from __future__ import annotations

from dataclasses import replace

import pytest
from page_blocks import every, paragraphs, texts
from support import made_scores

from lamelle.messages import catalogue, language
from lamelle.reports import calibration, methods
from lamelle.reports.blocks import Block, Plot, TableBlock
from lamelle.results.fitted import Sweep
from lamelle.results.scores import Bins, Confusion, Figure, Reliability, Score, Scores
from lamelle.runs.bundle import open_bundle
from lamelle.runs.folder import RunFolder

LINE = Bins(confidence=(0.3, None, 0.9), accuracy=(0.4, None, 0.8), count=(10, 0, 30))


def content(*others: Figure, exclusive: bool = True, temperature: float | None = None, n: int | None = None) -> Scores:
    score = Score(0.2, 0.1, 0.3, 40, "image")
    scores = {"ece": score, "brier": score}
    if temperature is not None:
        scores["ece_uncalibrated"] = replace(score, value=0.5, low=0.4, high=0.6)
        others = (*others, Sweep(name="temperature", chosen=temperature, by="log_loss", n=n))
    drawn = Reliability(bins=3, after=LINE, before=LINE if "ece_uncalibrated" in scores else None, exclusive=exclusive)
    return made_scores(scores=scores, figures=(*others, drawn))


def drawn(scores: Scores) -> list[Block]:
    figure = scores.figure(Reliability)
    assert figure is not None
    return calibration.draw(figure, scores)


def legend(blocks: list[Block]) -> list[str]:
    return [name for name, *_ in every(blocks, Plot)[0].legend]


def test_before_and_after_stand_side_by_side_with_intervals() -> None:
    found = drawn(content(temperature=1.5, n=30))
    assert texts(every(found, TableBlock)[0].rows) == [
        ["Brier score", "0.200 [0.100 – 0.300]"],
        ["Expected calibration error (ECE)", "0.500 [0.400 – 0.600]", "0.200 [0.100 – 0.300]"],
    ]
    assert "T = 1.50" in paragraphs(found)
    assert "30 images" in paragraphs(found)
    assert "overconfident" in paragraphs(found)
    assert legend(found) == ["before calibration", "after calibration"]
    assert "3 bins of equal width" in every(found, Plot)[0].caption


@pytest.mark.parametrize(("temperature", "said"), [(0.5, "underconfident"), (1.0, "cannot tell")])
def test_what_the_temperature_means_is_said(temperature: float, said: str) -> None:
    assert said in paragraphs(drawn(content(temperature=temperature)))


def test_probabilities_that_were_not_calibrated_are_said_to_be_so() -> None:
    found = drawn(content())
    assert "not calibrated" in paragraphs(found)
    assert legend(found) == ["as the network gives them"]
    calibrated = content(temperature=2.0)
    folds = calibrated.model_copy(update={"figures": calibrated.figures[1:]})
    assert "Each fold" in paragraphs(drawn(folds))


@pytest.mark.parametrize("kind", ["labels", "pixels", "pixel_classes"])
def test_what_is_counted_is_named(kind: str) -> None:
    one = content()
    if kind == "labels":
        one = content(Confusion(each=(((1, 0), (0, 1)),) * 2))
    else:
        classes = ("a", "b", "c")[: 2 if kind == "pixels" else 3]
        one = one.model_copy(update={"counted": "pixel", "classes": classes})
    caption = catalogue(language(), "report")[f"reliability_{kind}"].format(bins=3)
    assert every(drawn(one), Plot)[0].caption == caption


def test_a_run_shows_its_own(classify_run: RunFolder) -> None:
    page = classify_run.report.read_text(encoding="utf-8")
    assert 'id="calibration"' in page
    scores = classify_run.read_scores()
    assert [one.chosen for one in scores.sweeps if one.name == "temperature"] == [scores.fitted["temperature"]]
    assert {"ece", "ece_uncalibrated", "brier_uncalibrated"} <= set(scores.scores)
    assert any("temperature" in value for _, value in methods.method(open_bundle(classify_run)))

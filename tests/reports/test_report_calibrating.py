"""The page says what was done to probabilities, and shows whether they come true."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import made_scores

from lamelle.messages import catalogue, language
from lamelle.reports import calibrating, methods
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


def test_before_and_after_stand_side_by_side_with_intervals() -> None:
    found = calibrating.section(content(temperature=1.5, n=30))
    assert found["calibration_rows"] == [
        ["Brier score", "0.200 [0.100 – 0.300]"],
        ["Expected calibration error (ECE)", "0.500 [0.400 – 0.600]", "0.200 [0.100 – 0.300]"],
    ]
    assert "T = 1.50" in found["calibration"]
    assert "30 images" in found["calibration"]
    assert "overconfident" in found["calibration"]
    assert [name for name, *_ in found["reliability_legend"]] == ["before calibration", "after calibration"]
    assert "3 bins of equal width" in found["reliability_caption"]


@pytest.mark.parametrize(("temperature", "said"), [(0.5, "underconfident"), (1.0, "cannot tell")])
def test_what_the_temperature_means_is_said(temperature: float, said: str) -> None:
    assert said in calibrating.section(content(temperature=temperature))["calibration"]


def test_probabilities_that_were_not_calibrated_are_said_to_be_so() -> None:
    found = calibrating.section(content())
    assert "not calibrated" in found["calibration"]
    assert [name for name, *_ in found["reliability_legend"]] == ["as the network gives them"]
    assert calibrating.section(made_scores()) == {}, "older runs have no bins"
    calibrated = content(temperature=2.0)
    folds = calibrated.model_copy(update={"figures": calibrated.figures[1:]})
    assert "Each fold" in calibrating.section(folds)["calibration"]


@pytest.mark.parametrize("kind", ["labels", "pixels", "pixel_classes"])
def test_what_is_counted_is_named(kind: str) -> None:
    one = content()
    if kind == "labels":
        one = content(Confusion(each=(((1, 0), (0, 1)),) * 2))
    else:
        classes = ("a", "b", "c")[: 2 if kind == "pixels" else 3]
        one = one.model_copy(update={"task": "segment", "classes": classes})
    caption = catalogue(language(), "report")[f"reliability_{kind}"].format(bins=3)
    assert calibrating.section(one)["reliability_caption"] == caption


def test_a_run_shows_its_own(classify_run: RunFolder) -> None:
    page = classify_run.report.read_text(encoding="utf-8")
    assert 'id="calibration"' in page
    scores = classify_run.read_scores()
    assert [one.chosen for one in scores.sweeps if one.name == "temperature"] == [scores.fitted["temperature"]]
    assert {"ece", "ece_uncalibrated", "brier_uncalibrated"} <= set(scores.scores)
    assert any("temperature" in value for _, value in methods.method(open_bundle(classify_run)))

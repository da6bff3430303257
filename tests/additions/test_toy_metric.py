"""A metric is added by its function and one row, and then stands wherever scores do; nothing else is touched."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reference.pages import metrics
from support import Quiet

from lamelle import verbs
from lamelle.metrics import regions
from lamelle.metrics.metric import Metric
from lamelle.metrics.table import METRICS

SMALL = ("model=cnn1", "resize=16", "epochs=1", "batch=8", "threads=1", "workers=0", "precision=32", "resamples=200")


def youden(matrix: np.ndarray) -> np.ndarray:
    """Youden's J of each class [..., K] of confusion matrices [..., K, K]."""
    return regions.recall(matrix) + regions.specificity(matrix) - 1


ROW = Metric(
    "youden",
    label="Youden's J",
    of=("confusion", "questions"),
    value=youden,
    per_class=True,
    quick=True,
    bounds=(-1.0, 1.0),
    about="Recall plus specificity minus one: what is gained over a guess.",
    reference="Youden (1950), doi:10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3",
)


def shades(root: Path) -> Path:
    """Dark and bright images, in folders of their classes."""
    rng = np.random.default_rng(0)
    for name, level in (("dark", 90), ("bright", 130)):
        (root / name).mkdir(parents=True)
        for i in range(30):
            image = rng.normal(level, 40, (20, 20)).clip(0, 255).astype(np.uint8)
            Image.fromarray(image).save(root / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two small trainings side by side, decided by a metric that is in the table as long as this lasts."""
    root = tmp_path_factory.mktemp("toy")
    data = shades(root / "shades")
    with METRICS.added(ROW), pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMELLE_HOME", str(root / "home"))
        patch.setenv("LAMELLE_LANG", "en")
        patch.chdir(root)
        pairs = [*SMALL, "lr=0.01,0.001"]
        study = verbs.compare(data, overrides=pairs, seeds=1, objective="youden", runs=root / "runs", progress=Quiet())
        yield study.path


@pytest.fixture
def run(compared: Path) -> Path:
    return next(compared.glob("lr*/seed0"))


def test_scores_hold_it_with_intervals_and_for_each_class(run: Path) -> None:
    found = json.loads((run / "scores.json").read_text())
    classes, scores = found["classes"], found["scores"]
    recall = {c: scores[f"recall/{c}"]["value"] + scores[f"specificity/{c}"]["value"] - 1 for c in classes}
    assert {c: scores[f"youden/{c}"]["value"] for c in classes} == pytest.approx(recall)
    assert scores["youden"]["value"] == pytest.approx(np.mean(list(recall.values())))
    assert -1 <= scores["youden"]["low"] <= scores["youden"]["value"] <= scores["youden"]["high"] <= 1
    assert scores["youden"]["low"] < scores["youden"]["high"]
    with (run / "classes.csv").open() as file:
        assert {"youden", "youden_low", "youden_high"} <= set(csv.DictReader(file).fieldnames or ())


def test_the_history_holds_it_of_both_sets(run: Path) -> None:
    with (run / "history.csv").open() as file:
        row = next(csv.DictReader(file))
    assert -1 <= float(row["youden"]) <= 1
    assert -1 <= float(row["train_youden"]) <= 1


def test_the_page_names_and_explains_it(run: Path) -> None:
    page = (run / "report.html").read_text()
    assert "Youden&#39;s J" in page or "Youden's J" in page
    assert ROW.about in page


def test_a_comparison_is_decided_by_it(compared: Path) -> None:
    found = json.loads((compared / "scores.json").read_text())
    assert found["score"] == "youden"
    assert all("youden" in line["scores"] for line in found["lines"])
    assert found["differences"][0]["score"] == "youden"
    assert "Youden" in (compared / "report.html").read_text()
    with (compared / "table.csv").open() as file:
        assert "youden" in (csv.DictReader(file).fieldnames or ())


def test_a_search_looks_for_it(compared: Path) -> None:
    pytest.importorskip("optuna")
    root = compared.parents[1]
    pairs = [*SMALL, "lr=0.01,0.003"]
    folder = verbs.tune(root / "shades", overrides=pairs, objective="youden", runs=root / "runs", progress=Quiet()).path
    found = json.loads((folder / "scores.json").read_text())
    assert found["objective"] == "youden"
    assert {trial["state"] for trial in found["trials"]} == {"done"}
    assert found["direction"] == "maximize"


def test_the_documentation_lists_it(compared: Path) -> None:
    assert "| `youden`, `youden/class` | Youden's J | -1 to 1, high | classes, labels, objects |" in metrics()

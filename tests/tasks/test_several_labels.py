"""Several labels an image: from a table with ``a|b`` to frozen thresholds, a sampled training and its scores."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Quiet

from lamelle import verbs
from lamelle.data.samples import Reader
from lamelle.evaluation.measure import measure, summarise
from lamelle.prediction.predictor import of_package
from lamelle.results.scores import Confusion, Curves
from lamelle.runs import fit as session
from lamelle.runs import layers
from lamelle.runs import plan as plans
from lamelle.runs.evaluate import interval_options
from lamelle.runs.folder import RunFolder
from lamelle.runs.initial_model import build
from lamelle.runs.saved_plan import save_plan
from lamelle.tasks.thresholds import FittedClasses

SMALL = (
    *("model.kind=cnn", "model.name=cnn1", "data.resize=[16,16]", "data.channels=1", "batch=8", "epochs=12", "lr=2e-3"),
    *("precision=32", "threads=1", "workers=0", "rotate=0", "shift=0", "zoom=[1,1]", "brightness=0", "contrast=0"),
    *("flip=false", "train.patience=0", "split.train=0.5", "split.validation=0.25", "split.test=0.25"),
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """48 grey images: ``left`` and ``top`` say which halves are bright; ``bright`` is rare."""
    root, rng = tmp_path / "data", np.random.default_rng(0)
    (root / "images").mkdir(parents=True)
    with (root / "labels.csv").open("w", newline="") as lines:
        rows = csv.writer(lines)
        rows.writerow(["image", "label"])
        for i in range(48):
            names = [n for n, there in (("left", i % 3 != 0), ("top", i % 2 == 0), ("bright", i % 8 == 3)) if there]
            pixels = rng.integers(0, 40, (16, 16))
            pixels[:, :8] += 100 * ("left" in names)
            pixels[:8] += 70 * ("top" in names)
            pixels[12:, 12:] += 120 * ("bright" in names)
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(root / "images" / f"{i:02d}.png")
            rows.writerow([f"images/{i:02d}.png", "|".join(names or ["left"])])
    return root


def test_several_labels_from_table_to_scores(table: Path, tmp_path: Path) -> None:
    store = verbs.open_store()
    plan = plans.make_plan(table, layers.parse_overrides((*SMALL, "remedy=oversample")), store, accelerator=False)
    assert plan.recipe.task.model_dump()["loss"] == {"name": "bce"}
    assert plan.recipe.task.model_dump()["threshold"] == "f1"
    sampling = plan.task.sampling(plan.of("train"))
    assert sampling is not None
    rare = np.array(["bright" in r.names for r in plan.of("train")])
    assert sampling[rare].min() > sampling[~rare].max()
    run = RunFolder.create(tmp_path, "run")
    save_plan(run, plan)
    quiet = Quiet()
    package = session.train(plan, build(plan), run, store, quiet, resume=False)
    assert isinstance(package.fitted, FittedClasses)
    thresholds = package.fitted.thresholds or ()
    assert len(thresholds) == 3
    assert all(0 < t < 1 for t in thresholds)
    assert quiet.rows[-1]["train_loss"] < 0.6 * quiet.rows[0]["train_loss"]
    assert quiet.rows[-1]["loss"] < quiet.rows[0]["loss"], "the loss of validation is measured with the right logits"
    reader = Reader(store, package.task.targets, package.preparation)
    rows = measure(plan.of("test"), of_package(package), reader, package.fitted, None)
    scores = summarise(package.task, rows, interval_options(plan.recipe), split="test", fitted=package.fitted)
    assert scores.scores["macro_f1"].value > 0.7
    assert {"brier", "log_loss", "roc_auc", "pr_auc"} <= set(scores.scores)
    confusion, drawn = scores.figure(Confusion), scores.figure(Curves)
    assert confusion is not None
    assert drawn is not None
    assert np.shape(confusion.each) == (3, 2, 2)
    assert all("|".join(sorted((i.truth or "").split("|"))) for i in scores.items)
    assert len(drawn.classes["left"]["roc"].x) == len(drawn.classes["left"]["roc"].y) > 0

"""A comparison says what is noise and what is not, and goes on where it was stopped."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import signal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import made_tasks
import numpy as np
import pytest
from support import Quiet

from lamelle import verbs
from lamelle.errors import RequestError
from lamelle.io.atomic import plain
from lamelle.metrics.intervals import IntervalOptions, why_none
from lamelle.reports.study import sentences, terminal
from lamelle.results import history
from lamelle.results.history import Epoch
from lamelle.results.items import ItemStats
from lamelle.results.scores import Score
from lamelle.results.studies import Comparison
from lamelle.runs.folder import RunFolder
from lamelle.specimens.write import write_demo
from lamelle.studies import table
from lamelle.studies.variants import named, parse, together
from lamelle.tasks.classify import Classify
from lamelle.training.loop import Interrupted

SMALL = ("model=cnn1", "resize=16", "epochs=2", "batch=8", "threads=1", "workers=0", "precision=32", "resamples=200")
OPTIONS = IntervalOptions(level=0.95, resamples=1000, seed=0)


@pytest.fixture(scope="module")
def tissue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small synthetic patches of tissue."""
    return write_demo("tissue", tmp_path_factory.mktemp("data") / "tissue", seed=4, count=48, size=32)


def written(folder: Path, right: float, *, seed: int, n: int = 300) -> RunFolder:
    """A run as far as a comparison reads it, whose classifier is right for a share of the items."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 2
    hit = rng.random(n) < right
    sure = np.where(hit, truth, 1 - truth)
    rows = [
        ItemStats(
            str(i), {"truth": t, "chosen": s, "probabilities": np.array([0.9 - 0.8 * s, 0.1 + 0.8 * s])}, f"p{i // 5}"
        )
        for i, (t, s) in enumerate(zip(truth, sure, strict=True))
    ]
    run = RunFolder.create(folder, "run")
    run.write_stats(rows)
    run.model.mkdir()
    about = {
        "seconds": 2.0,
        "epochs": 1,
        "best_epoch": 1,
        "trainable": 5,
        "parameters": 9,
        "parameters_with_statistics": 11,
    }
    (run.model / "model.json").write_text(json.dumps({"provenance": about}))
    known = {"train": {"accuracy": 0.8}, "validation": {"accuracy": 0.7}}
    epoch = Epoch(epoch=1, step=1, lr=0.1, train_loss=0.5, loss=0.6, **known)
    run.write_text(run.history, history.to_csv([epoch]))
    return run


def task() -> Classify:
    return made_tasks.classify(counts=(10, 10))


def compared(folder: Path, **rights: float) -> Comparison:
    runs = {
        name: [written(folder / f"{name}{s}", right, seed=sum(name.encode()) + s) for s in range(3)]
        for name, right in rights.items()
    }
    return table.compare(task(), runs, scores=["accuracy", "macro_f1"], decides="macro_f1", options=OPTIONS)


def test_a_real_difference_is_told_from_noise(tmp_path: Path) -> None:
    found = compared(tmp_path, a=0.75, b=0.75, c=0.95)
    same, better = found.differences
    assert (found.unit, found.n) == ("group", 60)
    assert same.noise
    assert not better.noise
    assert better.low > 0.1
    assert better.p < 0.05 <= same.p
    assert Comparison.model_validate(json.loads(json.dumps(plain(found.model_dump(mode="json"))))) == found
    said = " ".join(sentences(found))
    assert "no more than noise" in said
    assert "c is better than a" in said
    assert len(terminal(found)) > 5
    for line in found.lines:  # three trainings leave much to chance, but no share lies beyond 0 and 1
        bounds = [(one.low, one.value, one.high) for one in line.scores.values()]
        assert all(0 <= low <= value <= high <= 1 for low, value, high in bounds if low == low)
    written = table.to_csv(found)
    assert "nan" not in written
    head = next(csv.reader(written.splitlines()))
    assert len(set(head)) == len(head), "accuracy of the test set, and of validation, have names of their own"
    assert {"train_loss", "validation_accuracy", "validation_loss"} <= set(head)
    lines = list(csv.DictReader(written.splitlines()))
    assert [line["variant"] for line in lines] == ["a", "b", "c"]
    assert float(lines[2]["macro_f1"]) == pytest.approx(found.lines[2].scores["macro_f1"].value, rel=1e-5)


def _one(value: float, low: float, n: int, reason: str = "") -> Score:
    return Score(value, low, 1.0 if low == low else math.nan, n, "slice", "", 0.95, reason, "b" if reason else "")


def test_what_one_seed_lacks_is_said_with_the_reason_and_the_number_of_seeds() -> None:
    whole, few, never = _one(0.5, 0.1, 6), _one(0.0, math.nan, 4, "few"), _one(math.nan, math.nan, 0, "unpredicted")
    mean = table._over_seeds("f1/b", [whole, few])
    assert mean.value == pytest.approx(0.25)
    assert mean.n == 4
    assert why_none(mean) == "no interval: 4 slices of b; 5 are needed (in 1 of 2 seeds)"
    assert why_none(table._over_seeds("f1/b", [few, few])) == "no interval: 4 slices of b; 5 are needed"
    none = table._over_seeds("precision/b", [whole, few, never])
    assert math.isnan(none.value)
    assert why_none(none) == "b was never predicted (in 1 of 3 seeds)"
    assert why_none(table._over_seeds("f1/b", [whole, whole])) == ""


def test_a_line_alone_or_without_an_interval_says_so_with_the_reason(tmp_path: Path) -> None:
    runs = {"a": [written(tmp_path / f"{s}", 0.8, seed=s, n=12) for s in range(2)]}
    found = table.compare(task(), runs, scores=["accuracy", "macro_f1"], decides="macro_f1", options=OPTIONS)
    lines = terminal(found)
    assert "[–, –]" not in "".join(lines)
    assert "3 groups" in lines[1]
    assert " 2 " in lines[1], "the seeds stand in the table"
    said = " ".join(sentences(found))
    assert "no interval: 3 groups" in said
    assert "Highest" not in said
    row = next(csv.DictReader(table.to_csv(found).splitlines()))
    assert row["macro_f1_n"] == "3"
    assert row["macro_f1_reason"].startswith("no interval")


def test_equal_variants_are_rarely_called_different(tmp_path: Path) -> None:
    """The error rate of the whole procedure, on variants that do not differ: about 5 %, here at most 3 of 20."""
    wrong = 0
    for k in range(20):
        runs = {
            name: [written(tmp_path / f"{k}{name}{s}", 0.8, seed=1000 * k + 10 * i + s, n=120) for s in range(2)]
            for i, name in enumerate("ab")
        }
        found = table.compare(task(), runs, scores=["accuracy"], decides="accuracy", options=OPTIONS)
        wrong += not found.differences[0].noise
    assert wrong <= 3


def test_runs_on_other_items_are_not_compared(tmp_path: Path) -> None:
    runs = {"a": [written(tmp_path / "a", 0.8, seed=1)], "b": [written(tmp_path / "b", 0.8, seed=1, n=310)]}
    with pytest.raises(RequestError, match="not scored on the same images"):
        table.compare(task(), runs, scores=["accuracy"], decides="accuracy", options=OPTIONS)


def test_pairs_become_variants() -> None:
    shared, variants = parse(["epochs=3", "augment=none,default", "resize=[8,8],[9,9]"])
    assert shared == ["epochs=3"]
    assert [v.name for v in variants] == [
        f"augment={a} resize={r}" for a in ("none", "default") for r in ("[8,8]", "[9,9]")
    ]
    asked = together({"augment": {"rotate": 5}}, variants[3], seed=7)
    assert asked == {"augment": {"rotate": 5}, "data": {"resize": [9, 9]}, "train": {"seed": 7}}
    assert together({"augment": {"rotate": 5}}, variants[0], seed=7)["augment"]["rotate"] == 0
    with pytest.raises(RequestError):
        parse(["lrate=1,2"])
    for pairs in (["train.seed=0,1"], ["lr=1,2", "train.seed=3"], ["data.path=a,b"]):
        with pytest.raises(RequestError, match="tells no variants apart"):
            parse(pairs)
    with pytest.raises(RequestError, match=r"train\.seed tells no variants apart.*--seeds"):
        named({"a": ["train.seed=1"], "b": {"train": {"lr": 1}}})
    with pytest.raises(RequestError, match="names"):
        named({"a b": ["lr=1"], "a_b": ["lr=2"]})


def ask(data: Path, runs: Path, *pairs: str, quiet: Quiet | None = None, **options: Any) -> Path:
    options |= {"seeds": 2, "runs": runs, "progress": quiet or Quiet()}
    return verbs.compare(data, overrides=(*SMALL, *pairs), **options).path


def test_a_study_that_was_stopped_gives_the_same_table(tissue: Path, tmp_path: Path) -> None:
    whole = ask(tissue, tmp_path / "whole", "remedy=none,weights")

    def stop(step: int) -> None:
        if step == 10:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        ask(tissue, tmp_path / "stopped", "remedy=none,weights", quiet=Quiet(stop))
    rest = Quiet()
    stopped = ask(tissue, tmp_path / "stopped", "remedy=none,weights", quiet=rest)
    assert _numbers(stopped) == _numbers(whole)
    again = Quiet()
    ask(tissue, tmp_path / "stopped", "remedy=none,weights", quiet=again)
    assert again.steps == 0 < rest.steps
    found = verbs.verify_runs(stopped)
    assert {"study.json", "table.csv", "scores.json", "report.html"} <= set(found[0].files)
    assert all(one.whole for one in found)
    page = (stopped / "report.html").read_text(encoding="utf-8")
    assert "remedy=weights" in page
    links = re.findall(r'href="([^"#]+)"', page)
    assert len(links) == 4
    assert all((stopped / unquote(link)).samefile(stopped / unquote(link)) for link in links), "of each run"
    assert "<svg" in page[page.index('id="scores"') : page.index('id="training"')]
    with (stopped / "table.csv").open(encoding="utf-8", newline="") as lines:
        (first, _) = csv.DictReader(lines)
    classes = json.loads((stopped / "remedy_none" / "seed0" / "scores.json").read_text())["classes"]
    each = {f"{score}/{name}" for score in ("precision", "recall", "f1") for name in classes}
    assert {*each, "weighted_f1", "macro_f1", "accuracy", "validation_loss", "train_loss"} <= set(first)
    assert all(name in page[page.index("By class") :] for name in classes)
    chosen = ask(tissue, tmp_path / "stopped", "remedy=none,weights", objective=f"recall/{classes[1]}")
    assert json.loads((chosen / "scores.json").read_text())["score"] == f"recall/{classes[1]}"
    with pytest.raises(RequestError, match="no such score"):
        ask(tissue, tmp_path / "never", "remedy=none,weights", objective="recal")
    assert not (tmp_path / "never").exists()
    with pytest.raises(RequestError, match="--name"):
        ask(tissue, tmp_path / "stopped", "remedy=none,oversample")


def test_variants_are_cross_validated_on_all_images(tissue: Path, tmp_path: Path) -> None:
    def stop(step: int) -> None:
        if step == 20:  # in a later fold of the second variant
            os.kill(os.getpid(), signal.SIGINT)

    once = verbs.compare(
        tissue, overrides=(*SMALL, "folds=3", "lr=0.01,0.001"), seeds=1, runs=tmp_path, progress=Quiet()
    ).path
    with pytest.raises(Interrupted):
        ask(tissue, tmp_path / "stopped", "folds=3", "lr=0.01,0.001", quiet=Quiet(stop))
    rest = Quiet()
    twice = ask(tissue, tmp_path / "stopped", "folds=3", "lr=0.01,0.001", quiet=rest)
    scores = json.loads((once / "scores.json").read_text())
    assert (scores["unit"], len(scores["lines"])) == ("group", 2)
    runs = [once / name / "seed0" for name in ("lr_0.01", "lr_0.001")]
    pooled = [json.loads((run / "scores.json").read_text()) for run in runs]
    for line, one in zip(scores["lines"], pooled, strict=True):
        assert len({item["id"] for item in one["items"]}) == one["n"] == 48, "every image, once"
        assert line["scores"]["macro_f1"]["value"] == pytest.approx(one["scores"]["macro_f1"]["value"])
    for name in ("lr_0.01", "lr_0.001"):  # stopped and gone on with: the same weights
        for fold in range(3):
            weights = Path(name, "seed0", f"fold{fold}", "model", "model.safetensors")
            assert (once / weights).read_bytes() == (twice / weights).read_bytes()
    found = verbs.compare_runs(runs)
    assert found.result.differences[0].value == pytest.approx(scores["differences"][0]["value"])


def test_what_would_not_be_paired_or_not_be_used_is_refused_before_any_training(tissue: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"split\.seed cannot differ"):
        ask(tissue, tmp_path, "split.seed=0,1")
    with pytest.raises(RequestError, match="one split"):
        verbs.tune(tissue, overrides=(*SMALL, "folds=3", "lr=0.1,0.2"), runs=tmp_path, progress=Quiet())
    with pytest.raises(RequestError, match=r"split\.folds"):
        verbs.train(tissue, overrides=(*SMALL, "folds=many"), runs=tmp_path, progress=Quiet())
    quiet = Quiet()
    with pytest.raises(RequestError, match=r"variant model=unet: model\.kind=unet cannot classify"):
        ask(tissue, tmp_path, "model=cnn1,unet", quiet=quiet)
    assert not quiet.rows
    assert not list(tmp_path.iterdir())


def test_equal_variants_have_no_winner(tmp_path: Path) -> None:
    runs = {name: [written(tmp_path / f"{name}{s}", 0.8, seed=s) for s in range(2)] for name in "ab"}
    found = table.compare(task(), runs, scores=["accuracy"], decides="accuracy", options=OPTIONS)
    said = " ".join(sentences(found))
    assert "None is ahead of the others: a, b have the same Accuracy" in said
    assert "Highest" not in said


def test_processes_do_the_same_as_one(tissue: Path, tmp_path: Path) -> None:
    one = ask(tissue, tmp_path / "one", "lr=0.01,0.001", name="study")
    two = ask(tissue, tmp_path / "two", "lr=0.01,0.001", name="study", jobs=2)
    assert _numbers(one) == _numbers(two)


def test_one_variant_is_nothing_to_compare(tissue: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="nothing to compare"):
        ask(tissue, tmp_path, "lr=0.1")


def _numbers(study: Path) -> list[dict[str, str]]:
    with (study / "table.csv").open(encoding="utf-8", newline="") as lines:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(lines)]

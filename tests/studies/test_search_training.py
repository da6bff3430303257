"""A search that trains: every trial afresh, judged by the validation set at its best epoch."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support import Quiet

from lamelle import verbs
from lamelle.cli.main import lamelle
from lamelle.errors import RequestError
from lamelle.runs import evaluate as evaluation
from lamelle.specimens.write import write_demo
from lamelle.training.loop import Interrupted

pytest.importorskip("optuna")
SMALL = (
    *("model=cnn1", "resize=16", "epochs=3", "batch=8", "threads=1", "workers=0", "precision=32", "resamples=200"),
    *("schedule=constant", "warmup=0"),
)


@pytest.fixture(scope="module")
def tissue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small synthetic patches of tissue."""
    return write_demo("tissue", tmp_path_factory.mktemp("data") / "tissue", seed=4, count=48, size=32)


def ask(data: Path, runs: Path, *pairs: str, quiet: Quiet | None = None, **options: Any) -> Path:
    return verbs.tune(data, overrides=(*SMALL, *pairs), runs=runs, progress=quiet or Quiet(), **options).path


def table(study: Path) -> list[dict[str, str]]:
    with (study / "table.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def history(study: Path, trial: dict[str, str]) -> list[dict[str, str]]:
    with (study / "trials" / trial["folder"] / "history.csv").open(encoding="utf-8", newline="") as lines:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(lines)]


def test_trials_begin_afresh_and_are_judged_by_validation_at_their_best_epoch(
    tissue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: set[str | None] = set()
    measure = evaluation.measure

    def watched(records: Any, *rest: Any) -> Any:
        measured.update(r.split for r in records)
        return measure(records, *rest)

    monkeypatch.setattr(evaluation, "measure", watched)
    study = ask(tissue, tmp_path, "lr=0.02,0.020,0.0005")  # the same value twice, spelt in two ways
    assert measured == {"validation"}
    first, other, last = table(study)
    assert history(study, first) == history(study, other) != history(study, last)
    assert first["macro_f1"] == other["macro_f1"]
    for trial in (first, last):
        rows = history(study, trial)
        best = next(row for row in rows if row["epoch"] == trial["best_epoch"])
        assert float(trial["macro_f1"]) == pytest.approx(max(float(row["macro_f1"]) for row in rows), rel=1e-5)
        assert float(trial["macro_f1"]) == pytest.approx(float(best["macro_f1"]), rel=1e-5)
        assert float(trial["validation_loss"]) == pytest.approx(float(best["loss"]), rel=1e-5)
        ends = [name.removesuffix("_reason") for name in trial if name.endswith("_reason")]
        assert {"macro_f1", "accuracy", "weighted_f1"} <= set(ends)
        for name in ends:
            assert int(trial[f"{name}_n"]) >= 0
            assert trial[f"{name}_unit"]
            assert bool(trial[f"{name}_low"]) == (trial[f"{name}_reason"] == ""), "bounds, or the reason"
        assert int(trial["parameters_with_statistics"]) >= int(trial["parameters"]) > 0
        folder = study / "trials" / trial["folder"]
        scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
        for name in (f"{score}/{c}" for c in scores["classes"] for score in ("precision", "recall", "f1")):
            value = scores["scores"][name]["value"]
            assert trial[name] == ("" if value is None else f"{value:.6g}")
        assert not (folder / "predictions.csv").exists()
        assert not (folder / "checkpoints").exists()
        assert (folder / "model" / "model.json").is_file()
    # and the proof sees the last epoch taken for the best one
    assert any(history(study, t)[-1]["epoch"] != t["best_epoch"] for t in (first, last))
    said = CliRunner().invoke(lamelle, ["tune", str(tissue), *SMALL, "lr=0.02,0.020,0.0005", "--runs", str(tmp_path)])
    accuracy = float(first["accuracy"])
    assert re.search(rf"{accuracy:.3f} (\[|\(no interval)", said.output), "no score stands bare in the table"


def test_a_search_goes_on_where_it_was_stopped(tissue: Path, tmp_path: Path) -> None:
    def stop(step: int) -> None:
        if step == 10:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        ask(tissue, tmp_path, "lr=0.02,0.002", quiet=Quiet(stop))
    rest = Quiet()
    study = ask(tissue, tmp_path, "lr=0.02,0.002", quiet=rest)
    assert [row["state"] for row in table(study)] == ["done", "done"]
    again = Quiet()
    assert ask(tissue, tmp_path, "lr=0.02,0.002", quiet=again) == study
    assert again.steps == 0 < rest.steps
    with pytest.raises(RequestError, match="--name"):
        ask(tissue, tmp_path, "lr=0.02,0.003")
    (of_study, *_) = found = verbs.verify_runs(study)
    assert all(one.whole for one in found)
    assert of_study.files["trials.db"] == "whole"
    trials = study / "trials.db"
    content = bytearray(trials.read_bytes())
    content[len(content) // 2] ^= 1
    trials.write_bytes(content)
    with pytest.raises(RequestError, match=r"trials\.db: this file is no longer what the study wrote"):
        ask(tissue, tmp_path, "lr=0.02,0.002")


def test_processes_find_what_one_finds_and_the_best_is_trained_again(tissue: Path, tmp_path: Path) -> None:
    name = "study"
    one = ask(tissue, tmp_path / "one", "lr=0.02,0.0005", name=name)
    two = ask(tissue, tmp_path / "two", "lr=0.02,0.0005", name=name, jobs=2, retrain=1, objective="macro_f1")
    assert all(found.whole for found in verbs.verify_runs(two))
    kept = ("state", "train.lr", "macro_f1", "best_epoch")
    assert [[row[k] for k in kept] for row in table(one)] == [[row[k] for k in kept] for row in table(two)]
    content = json.loads((two / "scores.json").read_text(encoding="utf-8"))
    run = two / f"best-trial-{content['best']:04d}" / "seed0"
    tested = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    assert tested["split"] == "test"
    value = content["test"]["lines"][0]["scores"]["macro_f1"]["value"]
    assert value == pytest.approx(tested["scores"]["macro_f1"]["value"])
    page = (two / "report.html").read_text(encoding="utf-8")
    assert "on the test set" in page
    assert f"★</th><td>{content['trials'][content['best']]['params']['train.lr']}" in page


def test_a_score_or_a_value_that_cannot_be_is_refused_before_any_training(tissue: Path, tmp_path: Path) -> None:
    quiet = Quiet()
    with pytest.raises(RequestError, match="recall/"):
        ask(tissue, tmp_path, "lr=0.1,0.01", objective="recall", quiet=quiet)
    with pytest.raises(RequestError, match="lr"):
        ask(tissue, tmp_path, "lr=0.1,-1", quiet=quiet)
    with pytest.raises(RequestError, match="nothing to search"):
        ask(tissue, tmp_path, quiet=quiet)
    with pytest.raises(RequestError, match="--trials"):
        ask(tissue, tmp_path, "lr=0.1,0.01", trials=3, quiet=quiet)
    assert quiet.steps == 0


def test_the_command_prints_the_best_trial(tissue: Path, tmp_path: Path) -> None:
    words = ["tune", str(tissue), *SMALL, "lr=1e-4..1e-1", "--trials", "2", "--runs", str(tmp_path), "--objective"]
    done = CliRunner().invoke(lamelle, [*words, "log_loss"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "Best on validation: trial" in done.output
    rows = table(tmp_path / "tune-tissue")
    assert len({row["train.lr"] for row in rows}) == 2
    content = json.loads((tmp_path / "tune-tissue" / "scores.json").read_text(encoding="utf-8"))
    assert float(rows[content["best"]]["log_loss"]) == min(float(row["log_loss"]) for row in rows)

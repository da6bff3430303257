"""Runs that are there: compared where that is fair, exported as they are; and all of it on the command line."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from support import Quiet

from lamelle import verbs
from lamelle.cli.main import main
from lamelle.errors import RequestError
from lamelle.runs.folder import RunFolder
from lamelle.specimens.write import write_demo

SMALL = ("model=cnn1", "resize=16", "epochs=2", "batch=8", "threads=1", "workers=0", "precision=32", "resamples=100")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of one recipe, another recipe, and one with another split."""
    work = tmp_path_factory.mktemp("work")
    data = write_demo("tissue", work / "tissue", seed=4, count=48, size=32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMELLE_HOME", str(work / "home"))
        for name, more in {
            "a": ["train.seed=0"],
            "a-again": ["train.seed=1"],
            "fast": ["lr=0.01"],
            "other": ["split.seed=5"],
        }.items():
            verbs.train(data, overrides=[*SMALL, *more], name=name, runs=work / "runs", progress=Quiet())
    return work / "runs"


def call(*words: object) -> int:
    """The exit code of a command."""
    try:
        main([str(word) for word in words])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_seeds_of_one_recipe_are_one_line(runs: Path) -> None:
    found = verbs.compare_runs([runs / "a", runs / "a-again", runs / "fast"])
    assert [(line.name, line.seeds) for line in found.result.lines] == [("a", 2), ("fast", 1)]
    (difference,) = found.result.differences
    scores = [
        json.loads((runs / n / "scores.json").read_text())["scores"]["macro_f1"]["value"]
        for n in ("a", "a-again", "fast")
    ]
    assert difference.value == pytest.approx(scores[2] - (scores[0] + scores[1]) / 2)


def test_runs_that_do_not_share_what_they_must_are_refused_with_the_reason(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="in different splits"):
        verbs.compare_runs([runs / "a", runs / "other"])
    with pytest.raises(RequestError, match="two or more"):
        verbs.compare_runs([runs / "a"])
    for twice in (runs / "a", copied(runs / "a", tmp_path / "moved")):
        with pytest.raises(RequestError, match=r"are one training.*name it once"):
            verbs.compare_runs([runs / "a", runs / "fast", twice])
    for what, said in {
        "classes": "the classes are",
        "split": "scored on",
        "pixels": "have changed",
        "rows": "item_stats.json: this file is missing",
    }.items():
        copy = RunFolder(copied(runs / "fast", tmp_path / what))
        if what == "pixels":
            audit = copy.read_json(copy.audit)
            audit["rows"][0]["pixels"] = "0"
            copy.write_json(copy.audit, audit)
        elif what == "rows":
            copy.item_stats.unlink()
        else:
            scores = copy.read_json(copy.scores)
            copy.write_json(copy.scores, scores | {what: ["x", "y"] if what == "classes" else "folds"})
        with pytest.raises(RequestError, match=said):
            verbs.compare_runs([runs / "a", copy.path])
    copy = RunFolder(copied(runs / "fast", tmp_path / "images"))
    copy.write_text(copy.split, "\n".join(copy.split.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(RequestError, match="only in one of them"):
        verbs.compare_runs([runs / "a", copy.path])


def copied(run: Path, to: Path) -> Path:
    return Path(shutil.copytree(run, to))


def test_a_damaged_run_is_named_by_every_reader(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the file that is wrong, whatever is done to it; and never scored, predicted with or listed as done."""
    whole = RunFolder(runs / "a")

    def flip(name: str) -> None:
        content = bytearray((run.path / name).read_bytes())
        content[len(content) // 2] ^= 1
        (run.path / name).write_bytes(content)

    def swap(name: str) -> None:
        shutil.rmtree(run.model)
        shutil.copytree(runs / "fast" / "model", run.model)

    def lose(name: str) -> None:
        (run.path / name).unlink()

    def forge(name: str) -> None:
        (run.path / name).unlink()
        run.scores.write_text(run.scores.read_text().replace('"value": 0.', '"value": 0.9'))

    image = next(p for p in (runs.parent / "tissue").rglob("*.png"))
    readers = {
        "doctor": lambda: call("doctor", run.path),
        "compare": lambda: call("runs", "--compare", run.path, runs / "fast"),
        "export": lambda: call("runs", run.path, "--to", "tensorboard"),
        "predict": lambda: call("predict", run.path, image, "-o", tmp_path / "out"),
        "evaluate": lambda: call("evaluate", run.path, runs.parent / "tissue"),
        "explain": lambda: call("explain", run.path, "-o", tmp_path / "why"),
        "report": lambda: call("report", run.path),
        "from": lambda: call("train", runs.parent / "tissue", "--from", run.path, "--runs", tmp_path / "new"),
    }
    of_the_model = {"doctor", "compare", "export", "predict", "evaluate", "explain", "from"}
    for name, damage, by in (
        ("manifest.json", forge, readers.keys()),
        ("model/model.", swap, of_the_model),
        ("model/model.safetensors", flip, of_the_model),
        ("history.csv", lose, {"doctor", "compare", "export"}),
        ("scores.json", lose, {"doctor", "compare", "export"}),
    ):
        run = RunFolder(copied(whole.path, tmp_path / damage.__name__ / name / "one"))
        damage(name)
        for reader in sorted(by):
            capsys.readouterr()
            code, said = readers[reader](), capsys.readouterr()
            assert (code > 0, f"one/{name}" in said.err) == (True, True), (name, reader, code, said)
        (listed,) = verbs.list_runs(run.path)
        assert (listed.state, listed.value, f"one/{name}" in listed.why) == ("damaged", None, True), name


def test_the_command_lists_compares_and_prunes(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("runs", runs, "lr=0.01") == 0
    shown = capsys.readouterr().out
    assert "fast" in shown
    assert "other" not in shown
    assert call("runs", runs, "--csv", "--sort", "name") == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["name"] for row in rows] == ["a", "a-again", "fast", "other"]
    assert call("runs", "--compare", runs / "a", runs / "fast", "-o", tmp_path / "page.html") == 0
    assert "Differences are paired" in capsys.readouterr().out
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "runs --compare" in page
    for name in ("a", "fast"):
        (link,) = re.findall(rf'href="([^"]*{name}/report.html)"', page)
        assert (tmp_path / link).is_file(), "as seen from the page"
    copied(runs / "fast", tmp_path / "few" / "fast")
    assert call("runs", tmp_path / "few", "--prune", "checkpoints") == 0
    assert "--yes" in capsys.readouterr().out
    assert call("runs", tmp_path / "few", "--prune", "runs", "--keep", "0", "--yes") == 0
    assert not (tmp_path / "few" / "fast").exists()
    capsys.readouterr()
    for wrong in (["--yes"], ["--compare", "--prune", "runs"], [runs], ["--prune", "runs"], ["--to", "paper"]):
        assert call("runs", runs / "a", *wrong) == 2, wrong
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_curves_and_scores_go_to_tensorboard(runs: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    ((_, where),) = verbs.export_run(runs / "a", to="tensorboard", store=str(tmp_path / "tb")).places
    found = EventAccumulator(where)
    found.Reload()
    run = RunFolder(runs / "a")
    losses = [float(row["loss"]) for row in run.read_table(run.history)]
    assert [e.value for e in found.Scalars("loss")] == pytest.approx(losses)
    scores = run.read_json(run.scores)["scores"]
    assert found.Scalars("test/accuracy")[0].value == pytest.approx(scores["accuracy"]["value"])
    bounds = {name for name, one in scores.items() if one["low"] is not None}
    tags = found.Tags()["scalars"]
    assert {t.removeprefix("test/").removesuffix("/low") for t in tags if t.endswith("/low")} == bounds


@pytest.mark.skipif(find_spec("mlflow") is None, reason="MLflow, an extra of 87 packages, is not installed")
def test_all_of_a_run_goes_to_mlflow_and_nothing_to_anyone_else(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    ((_, said),) = verbs.export_run(runs / "a", to="mlflow", store=store).places
    from mlflow import MlflowClient  # pyright: ignore[reportMissingImports]

    client = MlflowClient(tracking_uri=store)
    experiment = client.get_experiment_by_name("tissue")
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.run_id in said
    assert (found.info.run_name, found.info.status) == ("a", "FINISHED")
    run = RunFolder(runs / "a")
    assert found.data.params["train.lr"] == "0.001"
    assert found.data.params["model.name"] == "cnn1"
    scores = run.read_json(run.scores)["scores"]
    assert found.data.metrics["test/accuracy"] == pytest.approx(scores["accuracy"]["value"])
    losses = [(m.step, m.value) for m in client.get_metric_history(found.info.run_id, "loss")]
    assert losses == [(int(r["epoch"]), pytest.approx(float(r["loss"]))) for r in run.read_table(run.history)]
    kept = {f.path for f in client.list_artifacts(found.info.run_id)}
    assert {"report.html", "scores.json", "recipe.yaml", "model"} <= kept
    assert found.data.tags["lamelle.path"] == str(run.path.resolve())
    assert not list((tmp_path / "home").rglob("telemetry*")), "it tells nobody that it is used"


def test_without_mlflow_the_cure_is_named(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(RequestError, match=r"pip install 'lamelle\[mlflow\]'"):
        verbs.export_run(runs / "a", to="mlflow")


def test_what_is_not_finished_is_not_exported(runs: Path, tmp_path: Path) -> None:
    copy = RunFolder(copied(runs / "a", tmp_path / "a"))
    for path in (copy.scores, copy.report):
        path.unlink()
    for to in ("mlflow", "tensorboard"):
        with pytest.raises(RequestError, match="not finished"):
            verbs.export_run(copy.path, to=to)

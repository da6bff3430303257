"""What a person does in a day: train, look, evaluate elsewhere, predict new images, go on from an old model."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
from collections.abc import Iterator
from html import escape
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from support import TINY, Quiet

import lamelle
from lamelle import verbs
from lamelle.errors import DataError, RequestError
from lamelle.io.images import read, read_labels
from lamelle.metrics.names import name_of
from lamelle.runs.folder import RunFolder
from lamelle.runs.saved_plan import open_plan
from lamelle.runs.scored_images import ScoredImages
from lamelle.training.loop import Interrupted

FAST = (*TINY, "epochs=1", "evaluate.resamples=100")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("verbs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMELLE_HOME", str(folder / "home"))
        yield folder


@pytest.fixture(scope="module")
def nuclei(home: Path) -> Path:
    return lamelle.demo("nuclei", home / "nuclei", seed=1, count=12, size=96).path


@pytest.fixture(scope="module")
def run(home: Path, nuclei: Path) -> lamelle.Run:
    """A network that has seen next to nothing."""
    return lamelle.train(nuclei, overrides=FAST, runs=home / "runs", progress=Quiet())


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_a_run_holds_all_that_it_promises(run: lamelle.Run) -> None:
    folder = run.folder
    written = (
        folder.recipe,
        folder.environment,
        folder.plan,
        folder.split,
        folder.audit,
        folder.history,
        folder.scores,
    )
    for path in (*written, folder.predictions_table, folder.report, folder.log, folder.model / "model.json"):
        assert path.is_file(), path.name
    assert folder.altered() == {}
    assert sum(row["split"] == "test" for row in rows(folder.split)) == run.scores.n
    assert {row["image"] for row in rows(folder.predictions_table)} == {i.id for i in run.scores.items}
    plan = json.loads(folder.plan.read_text())
    assert plan["split_by"] == "record"
    assert "train.lr" in plan["planned"]
    log = folder.log.read_text(encoding="utf-8")
    assert "Dice" in log
    assert "Independence is not verified" in log, "what the scores cannot say stands beside them"


def test_what_comes_back_says_itself_and_shows_in_a_notebook(run: lamelle.Run, inputs: Path, tmp_path: Path) -> None:
    shown, said = run._repr_html_(), str(run)
    dice = run.scores["dice"]
    for written in (shown, said):
        assert "Dice" in written
        assert f"{dice.value:.3f}" in written
        assert "report.html" in written
    assert "<table>" in shown
    evaluation = run.evaluate()
    assert str(evaluation).splitlines()[-1].endswith("report.html")
    predictions = run.predict(inputs / "grey.png", tmp_path / "out")
    assert predictions.labels == [tmp_path / "out" / "labels" / "grey.png"]
    for result in (evaluation, predictions, run.report(), run.diagnose(), lamelle.list_runs(run.path.parent)):
        assert str(result)
        assert escape(str(result)) in result._repr_html_()


def test_evaluating_again_gives_the_same_scores(run: lamelle.Run) -> None:
    before = run.scores
    assert run.evaluate().scores.scores == before.scores


def test_changed_data_are_said_and_never_scored_as_the_runs_own(nuclei: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(nuclei, data)
    run = lamelle.train(data, overrides=FAST, runs=tmp_path / "runs", progress=Quiet())
    split = {row["id"]: row["split"] for row in rows(run.folder.split)}
    tested, trained = (next(i for i, s in split.items() if s == name) for name in ("test", "train"))
    before = run.folder.scores.read_bytes()
    assert run.evaluate().scores.notes == run.scores.notes
    for one in (trained, tested):
        path = next(p for p in data.rglob("*.png") if p.stem in one and p.parent.name == "images")
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
        with pytest.raises(RequestError, match="to go on would train on two data sets") as caught:
            lamelle.train(resume=run.path, progress=Quiet())
        assert one in str(caught.value)
        if one is trained:
            assert "split.changed_images" in {note.code for note in run.evaluate().scores.notes}
            page = run.folder.report.read_text(encoding="utf-8")
            assert "1 image(s) have changed since the data were split" in page
            assert one in page[: page.index('class="cards"')]
            before = run.folder.scores.read_bytes()
    with pytest.raises(RequestError, match=r"of the test set are no longer") as caught:
        run.evaluate()
    assert tested in str(caught.value)
    assert f"lamelle evaluate {run.path} {data}" in str(caught.value)
    assert run.folder.scores.read_bytes() == before
    gone = next(i for i, s in split.items() if s == "train" and i != trained)
    for path in [p for p in data.rglob("*.png") if p.stem in gone and p.parent.name == "images"]:
        path.unlink()
    for verb in (run.evaluate, lambda: lamelle.train(resume=run.path, progress=Quiet())):
        with pytest.raises(RequestError, match=r"1 record\(s\) of this split.*2 of the others") as caught:
            verb()
        assert all(one in str(caught.value) for one in (gone, trained, tested)), "what is gone hides no change"
    shutil.rmtree(data)
    assert "<img" in run.report().path.read_text(encoding="utf-8"), "the page needs no data"


def test_a_split_that_was_edited_is_not_relied_on(run: lamelle.Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "run")
    split = tmp_path / "run" / "split.csv"
    split.write_text(split.read_text().replace(",train,", ",test,", 1))
    with pytest.raises(RequestError, match=r"split\.csv: this file is no longer what the run wrote"):
        lamelle.evaluate(tmp_path / "run")


def test_another_folder_is_scored_with_the_frozen_threshold(run: lamelle.Run, tmp_path: Path) -> None:
    other = lamelle.demo("nuclei", tmp_path / "other", seed=9, count=4, size=96).path
    scores = run.evaluate(other, out=tmp_path / "scores.json").scores
    assert scores.n == 4
    assert scores.fitted == run.scores.fitted
    assert json.loads((tmp_path / "scores.json").read_text())["n"] == 4
    assert "evaluate.seen" not in {note.code for note in scores.notes}


def test_of_the_training_folder_only_the_test_images_are_scored(run: lamelle.Run, nuclei: Path) -> None:
    notes = {note.code: note.values for note in run.evaluate(nuclei).scores.notes}
    assert notes["evaluate.seen"]["n"] == 12 - run.scores.n
    assert notes["evaluate.own_test"] == {"n": run.scores.n}


def test_a_folder_for_another_task_and_a_broken_one_are_refused(run: lamelle.Run, tmp_path: Path) -> None:
    classes = lamelle.demo("thorax-classes", tmp_path / "classes", count=20, size=64).path
    with pytest.raises(RequestError, match="laid out for classify"):
        run.evaluate(classes)
    other = lamelle.demo("nuclei", tmp_path / "other", seed=9, count=4, size=96).path
    for path in (broken := sorted(other.glob("*/images/*.png"))[:2]):
        path.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        run.evaluate(other)
    assert len(caught.value.problems) == 2
    assert all(path.name in str(caught.value) for path in broken)


@pytest.fixture(scope="module")
def inputs(home: Path) -> Path:
    """One image of each kind that a person might have."""
    folder, rng = home / "inputs", np.random.default_rng(0)
    folder.mkdir()
    grey = rng.integers(0, 256, (50, 70), dtype=np.uint8)
    Image.fromarray(grey).save(folder / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 200).save(folder / "deep.png")
    Image.fromarray(np.dstack([grey] * 3)).save(folder / "colour.jpg")
    Image.fromarray(grey[:5, :7]).save(folder / "tiny.png")
    about = {"imagej": True, "resolution": (250.0, 250.0)}
    tifffile.imwrite(folder / "plane.tif", grey, metadata={"unit": "um"}, **about)
    stack = rng.integers(0, 4000, (4, 40, 60)).astype(np.uint16)
    tifffile.imwrite(folder / "stack.tif", stack, metadata={"axes": "ZYX", "unit": "um", "spacing": 0.05}, **about)
    (folder / "list.csv").write_text("image,patient\ngrey.png,1\ndeep.png,2\n")
    return folder


def test_predictions_are_as_large_as_their_images_and_keep_their_pixel_size(
    run: lamelle.Run, inputs: Path, tmp_path: Path
) -> None:
    table = rows(run.predict(inputs, tmp_path / "out", probabilities=True, overlays=True).table)
    assert len(table) == 5 + 4
    for row in table:
        source, found = inputs / row["image"].partition("#")[0], tmp_path / "out" / row["file"]
        image, labels = read(source), read_labels(found)
        assert labels.array.shape == image.array.shape[1:], row["image"]
        assert labels.spacing == (pytest.approx(image.spacing) if image.spacing else None)
        assert set(np.unique(labels.array)) <= {0, 1}
        assert sum(float(row[f"share:{c}"]) for c in ("background", "foreground")) == pytest.approx(1)
    with tifffile.TiffFile(tmp_path / "out" / "labels" / "stack.tif") as tif:
        assert (tif.is_imagej, tif.series[0].axes) == (True, "ZYX")
    assert read(tmp_path / "out" / "probabilities" / "stack.tif").array.dtype == np.float32
    assert len(list((tmp_path / "out" / "overlays").iterdir())) == len(table)


def test_every_table_of_predictions_has_the_same_columns(run: lamelle.Run, inputs: Path, tmp_path: Path) -> None:
    folder = run.folder
    new, inner = rows(run.predict(inputs / "grey.png", tmp_path / "out").table), folder.predictions / "predictions.csv"
    for table in (inner, folder.predictions_table):
        found = rows(table)
        assert list(found[0])[: len(new[0])] == list(new[0])
        assert {"quality", "dice/foreground"} <= set(found[0]), "and what is known where the truth is known"
        assert all((table.parent / row["file"]).is_file() for row in found), "files are named from where the table lies"
    assert list(rows(inner)[0]) == list(rows(folder.predictions_table)[0])
    sealed = {name for name, state in folder.states().items() if state == "whole"}
    written = {folder.relative(path) for path in folder.predictions.rglob("*") if path.is_file()}
    assert any(name.startswith("predictions/labels/") for name in written)
    assert {"predictions.csv", *written} <= sealed, "tables and label images alike"


def test_how_to_predict_can_be_said_of_a_finished_model(run: lamelle.Run, inputs: Path, tmp_path: Path) -> None:
    whole = run.predict(inputs / "grey.png", tmp_path / "a", probabilities=True).table
    field = run.predict(
        inputs / "grey.png", tmp_path / "b", overrides=["tile=32", "overlap=field"], probabilities=True
    ).table
    small = run.predict(
        inputs / "grey.png", tmp_path / "c", overrides=["tile=16", "overlap=0"], probabilities=True
    ).table
    maps = [read(next((p.parent / "probabilities").iterdir())).array for p in (whole, field, small)]
    np.testing.assert_allclose(maps[1], maps[0], atol=1e-5)
    assert np.abs(maps[2] - maps[0]).max() > 1e-3, "small tiles without overlap show"
    with pytest.raises(RequestError, match=r"train\.lr says nothing here; allowed are evaluate\.tile"):
        run.predict(inputs / "grey.png", tmp_path / "d", overrides=["lr=1"])
    with pytest.raises(RequestError, match="as many sizes"):
        run.predict(inputs / "grey.png", tmp_path / "d", overrides=["tile=[8, 16, 16]"])
    with pytest.raises(RequestError, match="name the folder to be scored"):
        run.evaluate(overrides=["overlap=0.5"])


def test_a_table_or_one_file_or_several_can_be_predicted(run: lamelle.Run, inputs: Path, tmp_path: Path) -> None:
    assert len(rows(run.predict(inputs / "list.csv", tmp_path / "a").table)) == 2
    assert len(rows(verbs.predict(run.folder.model, inputs / "grey.png", tmp_path / "b").table)) == 1
    assert len(rows(run.predict([inputs / "grey.png", inputs / "stack.tif"], tmp_path / "c").table)) == 5
    with pytest.raises(RequestError, match="nothing is overwritten"):
        run.predict(inputs, tmp_path / "a")
    with pytest.raises(RequestError, match="no such file"):
        run.predict(inputs / "nix.png", tmp_path / "d")


def test_what_cannot_be_read_is_named_and_the_rest_predicted(run: lamelle.Run, inputs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "good.png").write_bytes((inputs / "grey.png").read_bytes())
    (folder / "bad.png").write_bytes((inputs / "grey.png").read_bytes()[:300])
    (folder / "none.png").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        run.predict(folder, tmp_path / "out")
    assert {Path(p.where).name for p in caught.value.problems} == {"bad.png", "none.png"}
    assert str(caught.value).startswith("1 image(s) predicted")
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match="no folder can be made"):
        run.predict(folder, tmp_path / "file" / "below")
    assert [row["image"] for row in rows(tmp_path / "out" / "predictions.csv")] == ["good.png"]


def test_a_person_is_warned_of_another_magnification(run: lamelle.Run, inputs: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from lamelle.prediction import package
    from lamelle.prediction.apply import predict_files

    known = package.load(run.path)
    assert known.profile is not None
    known = replace(known, profile=known.profile.model_copy(update={"finest": (0.5, 0.5), "coarsest": (0.5, 0.5)}))
    said: list[str] = []
    predict_files(known, [inputs / "plane.tif"], tmp_path, store=verbs.open_store(), say=said.append)
    (line,) = [line for line in said if "0.5 × 0.5 µm" in line]
    assert "0.004 × 0.004 µm" in line


def test_fine_tuning_takes_the_network_over_and_leaves_the_head_where_classes_differ(
    run: lamelle.Run, nuclei: Path, home: Path
) -> None:
    quiet = Quiet()
    again = lamelle.train(nuclei, start=run.path, overrides=FAST[1:], runs=home / "runs", name="more", progress=quiet)
    assert any("tensors taken over; new: –" in line for line in quiet.lines)
    assert again.path.name == "more"
    volumes = lamelle.demo("em-organelles", home / "organelles", count=3, size=64).path
    quiet = Quiet()
    options = (*FAST[1:], "data.dims=2", "patch=16")
    five = lamelle.train(volumes, start=run.path, overrides=options, runs=home / "runs", name="five", progress=quiet)
    assert any("new: head.weight, head.bias" in line for line in quiet.lines)
    assert len(five.scores.classes) == 5
    scores = five.evaluate(volumes, overrides=["evaluate.keep_seen=true"]).scores
    assert scores.n == sum(len(read(p).array[0]) for p in (volumes / "images").iterdir()), "read as slices again"


def test_a_model_cannot_start_another_task(run: lamelle.Run, home: Path, tmp_path: Path) -> None:
    classes = lamelle.demo("thorax-classes", tmp_path / "classes", count=20, size=64).path
    with pytest.raises(RequestError, match="laid out for classify, the model was trained to segment"):
        lamelle.train(classes, start=run.path, runs=tmp_path / "runs", progress=Quiet())
    assert not (tmp_path / "runs").exists()


def test_a_finished_run_can_be_resumed_and_stays_as_it_is(run: lamelle.Run) -> None:
    before = run.folder.model.joinpath("model.safetensors").read_bytes()
    quiet = Quiet()
    again = lamelle.train(resume=run.path, progress=quiet)
    assert quiet.steps == 0
    assert again.path == run.path
    assert run.folder.model.joinpath("model.safetensors").read_bytes() == before


def test_folds_score_every_image_once(nuclei: Path, tmp_path: Path) -> None:
    options = (*FAST, "samples=4", "folds=3")
    whole = lamelle.train(nuclei, overrides=options, runs=tmp_path / "runs", name="cv", progress=Quiet())
    assert whole.scores.n == 12
    assert len({i.id for i in whole.scores.items}) == 12
    folds = sorted(p.name for p in whole.path.iterdir() if (p / "recipe.yaml").is_file())
    table = rows(whole.path / "predictions.csv")
    assert len(table) == 12
    for row in table:
        assert float(row["share:background"]) + float(row["share:foreground"]) == pytest.approx(1, abs=1e-5)
        assert read_labels(whole.path / row["file"]).array.shape == (96, 96)
    assert folds == ["fold0", "fold1", "fold2"]
    headline = whole.scores.headline[0]
    each = [json.loads((whole.path / fold / "scores.json").read_text())["scores"][headline]["value"] for fold in folds]
    between = next(n.values["scores"] for n in whole.scores.notes if n.code == "evaluate.between_folds")
    assert f"{name_of(headline)} {min(each):.3f} – {max(each):.3f}" in between
    assert whole.folder.report.is_file()

    def stop(step: int) -> None:
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    options = (*options, "batch=2")  # more than one step in each fold
    with pytest.raises(Interrupted):
        lamelle.train(nuclei, overrides=options, runs=tmp_path / "stopped", name="cv", progress=Quiet(stop))
    stopped = tmp_path / "stopped" / "cv-folds"
    assert not (stopped / "scores.json").exists()
    rest = Quiet()
    again = lamelle.train(resume=stopped, progress=rest)
    assert again.scores.n == 12
    with pytest.raises(RequestError, match="name a fold"):
        lamelle.predict(stopped, [nuclei], out=tmp_path / "out")
    once = Quiet()
    lamelle.train(resume=stopped, progress=once)
    assert once.steps == 0 < rest.steps, "what is done is not done again"
    shutil.rmtree(stopped / "fold1")
    lost = lamelle.train(resume=stopped, progress=(more := Quiet()))
    assert lost.scores.n == 12
    assert 0 < more.steps < rest.steps + 3, "only the fold that was lost"


def test_folds_over_the_slices_of_one_volume_are_pooled_and_shown(home: Path, tmp_path: Path) -> None:
    stack = lamelle.demo("em-stack", tmp_path / "stack", seed=1, count=20, size=64).path
    options = (*FAST, "samples=4", "folds=3", "data.dims=2")
    whole = lamelle.train(stack, overrides=options, runs=tmp_path / "runs", progress=Quiet())
    plan = open_plan(whole.folder)
    images = ScoredImages(whole.folder, plan, verbs.open_store())
    tested = [r for r in plan.records if r.id in images.predicted]
    assert len(tested) == whole.scores.n > 10
    for record in tested:  # each slice's own prediction, though the file of each fold has the same name
        where = images.predicted[record.id]
        slices = sorted(r.image.index or 0 for r in tested if images.predicted[r.id].folder == where.folder)
        written = read_labels(where.folder / where.row["file"]).array
        found = images._labels(record)
        assert found is not None
        assert np.array_equal(found, written[slices.index(record.image.index or 0)])
    assert whole.folder.report.is_file()


def test_what_only_some_folds_lack_is_said_of_them(home: Path, tmp_path: Path) -> None:
    data = lamelle.demo("nuclei", tmp_path / "rare", seed=3, count=9, size=64).path
    for masks in sorted(data.glob("*/masks"))[1:]:
        for file in masks.iterdir():
            Image.fromarray(np.zeros((64, 64), np.uint8)).save(file)
    quiet = Quiet()
    options = (*FAST, "samples=4", "folds=3", "task=segment")
    whole = lamelle.train(data, overrides=options, runs=tmp_path / "runs", progress=quiet)
    lacking = [line for line in quiet.lines if "training pixel" in line or "validation pixel" in line]
    assert lacking
    page = whole.folder.report.read_text(encoding="utf-8")
    assert not any(line.removeprefix("warning: ") in page for line in lacking)
    logs = [(whole.path / f"fold{k}" / "log.txt").read_text(encoding="utf-8") for k in range(3)]
    assert any(line in log for line in lacking for log in logs)
    assert len({line in log for log in logs for line in lacking[:1]}) == 2, "not of every fold"


def test_the_same_demo_is_made_once(home: Path, nuclei: Path, tmp_path: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in nuclei.rglob("*.png")}
    lamelle.demo("nuclei", nuclei, seed=1, count=12, size=96)
    assert {p: p.stat().st_mtime_ns for p in nuclei.rglob("*.png")} == before
    with pytest.raises(RequestError):
        lamelle.demo("nuclei", nuclei, seed=2, count=12, size=96)


def test_a_run_opens_by_its_path_alone(run: lamelle.Run, tmp_path: Path) -> None:
    assert lamelle.Run.open(str(run.path)).scores == run.scores
    assert repr(run) == f"Run({str(run.path)!r})"
    with pytest.raises(RequestError, match="not a run"):
        lamelle.Run.open(tmp_path)
    assert isinstance(RunFolder.open(run.path), RunFolder)
    assert run.report().path == run.folder.report

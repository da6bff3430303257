"""From one volume to a report: cut into blocks for 3D, with neighbouring slices in 2.5D, with a few labelled pixels."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from support import Quiet

import lamelle
from lamelle import verbs
from lamelle.data import split, sub_volumes
from lamelle.data.split import GAP
from lamelle.data.splits.options import Split
from lamelle.data.store import Store
from lamelle.data.sub_volumes import cut
from lamelle.errors import DataError, FileError, RequestError
from lamelle.prediction.package import load
from lamelle.results.scores import Confusion
from lamelle.runs import layers
from lamelle.runs import plan as plans
from lamelle.runs.saved_plan import open_plan
from lamelle.specimens.write import write_demo
from lamelle.types import LabelImage, Record, Source

SMALL = (
    *("filters=[4,8]", "samples=4", "batch=2", "epochs=1", "precision=32", "threads=1", "workers=0"),
    *("evaluate.resamples=100", "model.kernel=3", "model.pool=2", "evaluate.flips=false", "classes=[a,b]"),
)


def volume(folder: Path, depth: int = 14, size: int = 40) -> Path:
    """A stack of blobs and its label stack; each slice has its own grey value."""
    random = np.random.default_rng(0)
    labels = np.zeros((depth, size, size), np.uint8)
    for y, x in random.integers(5, size - 5, (12, 2)):
        labels[:, y - 3 : y + 3, x - 3 : x + 3] = 1
    image = 60 + 90 * labels + random.integers(0, 30, labels.shape, dtype=np.uint8)
    folder.mkdir(parents=True)
    spacing: dict[str, Any] = {"imagej": True, "metadata": {"axes": "ZYX", "spacing": 0.05, "unit": "um"}}
    for name, array in (("train-volume.tif", image), ("train-labels.tif", labels)):
        tifffile.imwrite(folder / name, array.astype(np.uint8), resolution=(100, 100), **spacing)
    return folder


def options(**changes: Any) -> Split:
    return Split(**{"by": "block"} | changes)


def test_every_slice_of_a_volume_is_in_one_block(tmp_path: Path) -> None:
    folder = volume(tmp_path / "v")
    whole = Record(
        "v.tif", Source(folder / "train-volume.tif"), LabelImage(Source(folder / "train-labels.tif")), group="v"
    )
    parts = cut([whole], options())
    assert [r.split for r in parts] == ["train", GAP, "validation", GAP, "test"]
    assert [z for r in parts if r.image.span for z in range(*r.image.span)] == list(range(14))
    assert parts[0].id == "v.tif#00-07"
    assert all(r.group is None and r.labels and r.labels.sources[0].span == r.image.span for r in parts)
    by_hand = cut([whole], options(blocks={"train": "0-3,10-13", "validation": "5", "test": "7-8"}))
    spans = [(r.split, r.image.span) for r in by_hand if r.split != GAP]
    assert spans == [("train", (0, 4)), ("validation", (5, 6)), ("test", (7, 9)), ("train", (10, 14))]
    with pytest.raises(RequestError, match="too few"):
        cut([whole], options(gap=7))


def test_a_part_of_a_volume_is_read_as_a_volume(tmp_path: Path) -> None:
    folder = volume(tmp_path / "v")
    store = Store(tmp_path / "store", budget=1 << 26)
    image, labels = (tifffile.imread(folder / f"train-{n}.tif") for n in ("volume", "labels"))
    source = Source(folder / "train-volume.tif", span=(3, 9))
    assert str(source).endswith("train-volume.tif#3-8")
    np.testing.assert_array_equal(store.image(source)[0], image[3:9])
    target = Source(folder / "train-labels.tif", span=(3, 9))
    np.testing.assert_array_equal(store.labels([target], objects=False), labels[3:9])
    np.testing.assert_array_equal(store.labels([target], objects=True) > 0, labels[3:9] > 0)
    one = Source(folder / "train-labels.tif", None, 5)
    np.testing.assert_array_equal(store.labels([one], objects=True) > 0, labels[5] > 0)
    assert store.spacing(source) == pytest.approx((0.05, 0.01, 0.01))
    assert store.resized(source, size=(6, 20, 20)).shape == (1, 6, 20, 20)
    with pytest.raises(FileError, match="plane 14 is asked for but the file has 14"):
        store.image(Source(folder / "train-volume.tif", span=(3, 15)))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("volumes")


def test_one_volume_is_trained_on_in_3d(home: Path) -> None:
    folder = volume(home / "one")
    asked = (*SMALL, "data.dims=3", "patch=[4,16,16]", "train.foreground=0.5", "data.context=0")
    run = lamelle.train(folder, overrides=asked, runs=home / "runs", name="cube", progress=Quiet())
    rows = list(csv.DictReader((run.path / "split.csv").open()))
    assert [r["split"] for r in rows] == ["train", "gap", "validation", "gap", "test"]
    scores = json.loads((run.path / "scores.json").read_text())
    assert scores["scores"]["dice"]["unit"] == "block"
    assert scores["scores"]["dice"]["low"] < scores["scores"]["dice"]["high"]
    assert scores["scores"]["image_dice"]["unit"] == "volume"
    assert scores["scores"]["image_dice"]["n"] == 1
    assert "report.one_volume" in {note["code"] for note in scores["notes"]}
    (written,) = (run.path / "predictions").rglob("*.tif")
    first, stop = open_plan(run.folder).of("test")[0].image.span or (0, 0)
    assert tifffile.imread(written).shape == (stop - first, 40, 40)
    assert (run.path / "report.html").is_file()
    out = lamelle.predict(run.path, folder / "train-volume.tif", home / "all").table
    assert tifffile.imread(next(iter(out.parent.rglob("*.tif")))).shape == (14, 40, 40)


def test_a_large_volume_is_scored_in_pieces(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of a volume are one volume: the scores of all voxels agree with those of the whole, and n stays 1."""
    folder = volume(home / "large", depth=40)
    asked = (*SMALL, "dims=3", "patch=[4,16,16]", "split.blocks={train: 0-17, validation: 19-26, test: 28-39}")
    runs = {}
    for name, most in (("whole", sub_volumes.PIECE), ("pieces", 4 * 40 * 40)):
        monkeypatch.setattr(sub_volumes, "PIECE", most)
        runs[name] = lamelle.train(folder, overrides=asked, runs=home / "runs", name=name, progress=Quiet())
    parts = runs["pieces"]
    with parts.folder.split.open(newline="") as lines:
        rows = {row["id"].partition("#")[2]: row["split"] for row in csv.DictReader(lines)}
    assert [s for s in rows if rows[s] == "test"] == ["28-31", "32-35", "36-39"]
    assert [s for s in rows if rows[s] == "validation"] == ["19-22", "23-26"]
    assert [s for s in rows if rows[s] == "train"] == ["00-17"]
    scores = {name: run.scores.scores for name, run in runs.items()}
    assert scores["pieces"]["dice"].value == pytest.approx(scores["whole"]["dice"].value, abs=0.05)
    for name in ("dice", "image_dice"):
        assert [getattr(scores[r][name], k) for r in runs for k in ("n", "unit")] == [
            getattr(scores["whole"][name], k) for k in ("n", "unit")
        ] * 2
    again = open_plan(parts.folder).of("test")
    assert [r.image.span for r in again] == [(28, 32), (32, 36), (36, 40)]
    assert parts.evaluate().scores["dice"] == scores["pieces"]["dice"]
    assert len(list((parts.path / "predictions").rglob("*.tif"))) == 3
    with pytest.raises(RequestError, match="all 1 images of this folder are training images"):
        parts.evaluate(folder)  # of which a part trained
    elsewhere = parts.evaluate(folder, overrides=["evaluate.keep_seen=true"])
    assert (len(elsewhere.scores.items), elsewhere.scores["image_dice"].n) == (10, 1)
    cleaned = plans.make_plan(
        folder, layers.parse_overrides([*asked, "largest=true"]), verbs.open_store(), accelerator=False
    )
    assert len(cleaned.of("test")) == 1, "the largest part must not be cut"


def test_pieces_of_several_volumes_are_of_their_volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sub_volumes, "PIECE", 6 * 40 * 40)
    records = []
    for name in ("a", "b"):
        folder = volume(tmp_path / name)
        target = LabelImage(Source(folder / "train-labels.tif"))
        records.append(Record(f"{name}.tif", Source(folder / "train-volume.tif"), target, split="test"))
    parts = sub_volumes.pieces(records)
    assert [(r.id, r.group) for r in parts[:3]] == [
        ("a.tif#00-04", "a.tif"),
        ("a.tif#05-08", "a.tif"),
        ("a.tif#09-13", "a.tif"),
    ]
    assert {r.columns["volume"] for r in parts} == {"a.tif", "b.tif"}
    thin = replace(records[0], image=replace(records[0].image, span=(0, 3)))
    assert sub_volumes.pieces([thin]) == (thin,)
    target = LabelImage(Source(tmp_path / "a" / "train-labels.tif", None, 3))
    plane = Record("p", replace(records[0].image, index=3), target)
    assert sub_volumes.pieces([plane]) == (plane,)


def test_slices_are_trained_on_and_predicted_with_their_neighbours(home: Path, tmp_path: Path) -> None:
    folder = volume(home / "slices")
    asked = (*SMALL, "patch=16", "data.context=2")
    with pytest.raises(RequestError, match=r"split.gap=2"):
        lamelle.train(folder, overrides=asked, runs=home / "runs", progress=Quiet())
    run = lamelle.train(folder, overrides=(*asked, "split.gap=2"), runs=home / "runs", name="25d", progress=Quiet())
    package = load(run.path)
    assert (package.preparation.context, package.architecture.inputs) == (2, 5)
    out = lamelle.predict(run.path, folder / "train-volume.tif", tmp_path / "p", probabilities=True).table
    (path,) = (out.parent / "probabilities").rglob("*.tif")
    before = tifffile.imread(path)
    image = tifffile.imread(folder / "train-volume.tif")
    image[6] = 255 - image[6]
    tifffile.imwrite(tmp_path / "changed.tif", image, imagej=True, metadata={"axes": "ZYX"})
    out = lamelle.predict(run.path, tmp_path / "changed.tif", tmp_path / "q", probabilities=True).table
    after = tifffile.imread(next((out.parent / "probabilities").rglob("*.tif")))
    moved = np.abs(after.reshape(14, -1) - before.reshape(14, -1)).max(1) > 1e-6
    assert np.flatnonzero(moved).tolist() == [4, 5, 6, 7, 8]  # a slice changes its neighbours, and no others
    tifffile.imwrite(tmp_path / "single.tif", image[0])
    with pytest.raises(DataError, match="a single plane"):
        lamelle.predict(run.path, tmp_path / "single.tif", tmp_path / "r")


def test_context_needs_slices_and_a_segmentation(home: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store", budget=1 << 26)
    folder = volume(home / "cubes")
    with pytest.raises(RequestError, match="is not a slice of a stack"):
        plans.make_plan(folder, {"data": {"dims": 3, "context": 1}}, store, accelerator=False)


def test_two_percent_of_the_labels_train(home: Path) -> None:
    """The organelles of the demo with 98 % of their labels taken away: planned, trained and scored on what is left."""
    folder = write_demo("em-organelles", home / "sparse", seed=0, count=3, size=64)
    random = np.random.default_rng(0)
    for path in (folder / "labels").iterdir():
        labels = tifffile.imread(path)
        tifffile.imwrite(path, np.where(random.random(labels.shape) < 0.02, labels, 255).astype(np.uint8))
    quiet = Quiet()
    asked = ("ignore=[255]", "filters=[4,8]", "samples=8", "epochs=2", "threads=1", "workers=0", "batch=2")
    more = ("data.dims=2", "patch=32", "precision=32", "evaluate.resamples=100")
    run = lamelle.train(folder, overrides=(*asked, *more), runs=home / "runs", name="few", progress=quiet)
    recipe = run.folder.recipe.read_text()
    assert "foreground: 1.0" in recipe
    assert all(np.isfinite(row["loss"]) for row in quiet.rows)
    confusion = run.folder.read_scores().figure(Confusion)
    assert confusion is not None
    scored = np.sum(confusion.counts)
    test = split.of_split(open_plan(run.folder).records, "test")
    assert 0 < scored < 0.03 * len(test) * 64 * 64

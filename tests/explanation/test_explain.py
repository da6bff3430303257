"""The verb: from a run to overlays, maps, a table and a page; several models, masks, and what is refused."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from PIL import Image
from support import Quiet

from lamelle import verbs
from lamelle.cli.command import build
from lamelle.data.store import Store
from lamelle.errors import RequestError
from lamelle.prediction.package import load
from lamelle.prediction.predictor import of_package
from lamelle.runs.folder import RunFolder
from lamelle.specimens.write import write_demo
from lamelle.tasks.question import channel_of
from lamelle.types import Source
from lamelle.verbs import COMMANDS

QUICK = ("epochs=2", "threads=1", "workers=0", "precision=32", "resamples=100", "train.seed=0")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classifiers and a segmenter of small synthetic chests: ``one``, ``two``, ``lungs``."""
    folder = tmp_path_factory.mktemp("explain")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMELLE_HOME", str(folder / "home"))
        patch.setenv("LAMELLE_LANG", "en")
        chests = write_demo("thorax-classes", folder / "chests", seed=0, count=30, size=64)
        lungs = write_demo("thorax", folder / "thorax", seed=0, count=20, size=64)
        small = ("resize=[32,32]", *QUICK)
        verbs.train(chests, overrides=("model=cnn2", *small), runs=folder, name="one")
        verbs.train(chests, overrides=("model=resnet10t", *small), runs=folder, name="two")
        segment = ("filters=[4,8,8]", "patch=[64,64]", "samples=32", "batch=4", *QUICK)
        verbs.train(lungs, overrides=segment, runs=folder, name="lungs")
    return folder


def rows_of(out: Path) -> list[dict[str, str]]:
    with (out / "attributions.csv").open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


def test_cases_of_the_test_set_are_explained_as_they_were_predicted(made: Path, tmp_path: Path) -> None:
    page = verbs.explain(made / "one", out=tmp_path / "out", cases=1, check=True).path
    rows = rows_of(tmp_path / "out")
    predicted = {i["id"]: i for i in RunFolder(made / "one").read_json(made / "one" / "scores.json")["items"]}
    assert rows
    for row in rows:
        item = predicted[row["image"]]
        assert (row["predicted"], row["truth"]) == (item["predicted"], item["truth"])
        assert (row["kind"] == "wrong") <= (not item["correct"])
        assert float(row["probability"]) == pytest.approx(item["confidence"], abs=1e-5)
        assert row["explained"] == row["predicted"]
        assert row["layer"].startswith("encoder")
        assert -1 <= float(row["random_weights"] or 0) < 0.9
        values = tifffile.imread(tmp_path / "out" / row["map"])
        assert (values.dtype, values.shape) == (np.float32, (64, 64))
        assert values.min() >= 0
        with Image.open(tmp_path / "out" / row["overlay"]) as overlay:
            assert overlay.size[0] > 2 * 64  # the image and the map
    headings = {row["shown_under"] for row in rows}
    assert len(list((tmp_path / "out" / "sheets").glob("*.png"))) == len(headings)
    shown = page.read_text(encoding="utf-8")
    assert shown.count("<img") == 2 * len(rows)
    assert not re.search(r'(src|href)="(?!#|data:)', shown)
    assert "Can it be believed?" in shown


def test_the_input_is_that_of_prediction(made: Path, tmp_path: Path) -> None:
    package = load(made / "two")
    predictor, store = of_package(package), Store(tmp_path / "store", budget=2**28)
    path = sorted((made / "chests").rglob("*.png"))[0]
    image = np.asarray(store.image(Source(path)))
    again = predictor.run(predictor.prepared(image, bits=None)[None])[0]
    np.testing.assert_allclose(again, predictor.probabilities(image, bits=None), atol=1e-6)


def test_models_stand_side_by_side_and_are_asked_the_same(made: Path, tmp_path: Path) -> None:
    images = sorted((made / "chests").rglob("*.png"))[:2]
    out = tmp_path / "out"
    page = verbs.explain(made / "one", images, out=out, method="gradcam++", against=[made / "two", made / "one"]).path
    rows = rows_of(out)
    assert [row["model"] for row in rows] == ["one", "two", "one-2"] * 2
    for first in (rows[:3], rows[3:]):
        assert len({row["explained"] for row in first}) == 1
        assert len({row["overlay"] for row in first}) == 1
        assert first[0]["map"] != first[2]["map"]
        one, same = (tifffile.imread(out / row["map"]) for row in (first[0], first[2]))
        np.testing.assert_allclose(one, same, atol=1e-6)
    assert page.read_text(encoding="utf-8").count("<img") == 2 * 4


def test_the_share_inside_the_lungs_is_said_by_class(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMELLE_LANG", "fr")
    heard = Quiet()
    scores = RunFolder(made / "one").read_json(made / "one" / "scores.json")
    asked = scores["items"][0]["truth"]
    options = {"cases": 1, "everything": True, "segmenter": made / "lungs", "target": asked}
    page = verbs.explain(made / "one", out=tmp_path / "out", progress=heard, **options).path
    rows = rows_of(tmp_path / "out")
    assert len({row["image"] for row in rows}) == scores["n"]
    assert {row["explained"] for row in rows} == {asked}
    for row in rows:
        if row["inside"]:
            assert float(row["ratio"]) == pytest.approx(float(row["inside"]) / float(row["area"]), rel=1e-4)
    assert any(row["kind"] == "other" and not row["map"] for row in rows)
    shown = page.read_text(encoding="utf-8")
    assert "Dans les masques" in shown
    assert "toutes les classes" in shown
    assert any("de la carte dans le masque" in line for line in heard.lines)


@pytest.mark.parametrize("method", ["gradcam", "integrated-gradients"])
def test_segmenters_are_asked_about_what_they_find(made: Path, tmp_path: Path, method: str) -> None:
    verbs.explain(made / "lungs", out=tmp_path / "out", cases=1, method=method)
    rows = rows_of(tmp_path / "out")
    assert {row["kind"] for row in rows} == {"best", "worst"}
    assert all(tifffile.imread(tmp_path / "out" / row["map"]).shape == (64, 64) for row in rows)


@pytest.mark.parametrize(("classes", "outputs", "expected"), [
    (3, 3, [(0, 1), (1, 1), (2, 1)]), (2, 1, [(0, -1), (0, 1)]), (2, 3, [(0, -1), (0, 1)]),
    (4, 3, [None, (0, 1), (1, 1), (2, 1)]),
])  # fmt: skip
def test_each_class_is_asked_of_its_own_output(classes: int, outputs: int, expected: list[Any]) -> None:
    for number, channel in enumerate(expected):
        if channel is None:
            with pytest.raises(RequestError, match="a: this model has no output for its background"):
                channel_of(number, classes="abcd"[:classes], outputs=outputs)
        else:
            assert channel_of(number, classes="abcd"[:classes], outputs=outputs) == channel


def test_a_region_of_ones_own(made: Path, tmp_path: Path) -> None:
    image = sorted((made / "thorax").rglob("images/*.png"))[0]
    corner = np.zeros((64, 64), np.uint8)
    corner[:16, :16] = 1
    (tmp_path / "regions").mkdir()
    Image.fromarray(corner).save(tmp_path / "regions" / image.name)
    options = {"method": "integrated-gradients", "target": load(made / "lungs").task.classes[1]}
    verbs.explain(made / "lungs", image, out=tmp_path / "out", region=tmp_path / "regions", **options)
    found = tifffile.imread(tmp_path / "out" / rows_of(tmp_path / "out")[0]["map"])
    assert np.abs(found[:32, :32]).sum() > 20 * np.abs(found[48:, 48:]).sum()  # out of its field of view


WRONG = {
    "unknown class": ({"target": "Gout"}, "one knows no such class; it knows"),
    "unknown layer": ({"layer": "encoder.77"}, "layers a map can be taken from: encoder"),
    "layer of pixels": ({"method": "occlusion", "layer": "encoder"}, "leave out --layer"),
    "unknown method": ({"method": "lime"}, "choose one of gradcam"),
    "no cases": ({"cases": 0}, "give 1 or more"),
    "two sources of masks": ({"masks": "x", "segmenter": "y"}, "give one of them"),
    "masks nowhere": ({"masks": "x"}, "no folder with masks"),
    "masks from a classifier": ({"segmenter": "two"}, "the task of this one is classify"),
    "models of two kinds": ({"against": ["lungs"]}, "cannot be compared"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_refused_before_anything_is_written(
    made: Path, tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, said = WRONG[case]
    monkeypatch.chdir(made)
    with pytest.raises(RequestError, match=re.escape(said)):
        verbs.explain("one", out=tmp_path / "out", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_package_has_no_test_set_to_choose_from(made: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="name the images to explain"):
        verbs.explain(made / "one" / "model", out=tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(RequestError, match="holds something already"):
        verbs.explain(made / "one", out=tmp_path / "full")


def test_the_command_says_where_its_page_is(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = str(sorted((made / "chests").rglob("*.png"))[0])
    command = build("explain", COMMANDS["explain"])
    answer = CliRunner().invoke(command, [str(made / "one"), image, "--method", "occlusion", "-o", str(tmp_path / "o")])
    assert answer.exit_code == 0, answer.output
    assert "explain.html" in answer.output

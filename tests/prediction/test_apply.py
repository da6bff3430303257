"""All that can be read is predicted, all else is named; a classifier also answers as its training table spells."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_tasks
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from lamelle.data.layouts.table_spelling import Naming
from lamelle.data.preparation import Preparation
from lamelle.data.store import Store
from lamelle.data.targets.values import ValueMap
from lamelle.errors import DataError, FileError, RequestError
from lamelle.io.axes import arrange
from lamelle.messages import LANGUAGES
from lamelle.models.freezable import Freezable
from lamelle.prediction import apply as applying
from lamelle.prediction.apply import SomeUnread, predict_files
from lamelle.prediction.output import Wanted
from lamelle.prediction.package import Package
from lamelle.verbs.common import PREDICTION_KEYS, allowed_overrides

CLASSES = ("dark", "grey", "-1")


class Brightness(Freezable):
    """A third of the grey scale for each class."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        middles = torch.tensor([1 / 6, 1 / 2, 5 / 6], device=x.device)
        return -40 * (x.mean((1, 2, 3))[:, None] - middles).abs()


class Threshold(Freezable):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 20 * (x - 0.5)


def classifier(naming: Naming | None = None, *, multi_label: bool = False) -> Package:
    task = made_tasks.classify(CLASSES, multi_label=multi_label)
    return Package(
        task, {}, Brightness(), Preparation(1, (8, 8), "unit", (), ()), 2, None, 0.25, False, None, task.Fitted(),
        {"precision": "32"}, naming=naming,
    )  # fmt: skip


def segmenter() -> Package:
    values = ValueMap(("background", "cell"), {0: 0, 1: 1})
    task = made_tasks.segment(values, loss="ce")
    plain = Preparation(1, None, "unit", (), ())
    return Package(
        task, {}, Threshold(), plain, 2, None, 0.25, False, None, task.Fitted(threshold=0.5), {"precision": "32"}
    )  # fmt: skip


def grey(value: int, size: tuple[int, int] = (12, 10)) -> np.ndarray:
    return np.full(size, value, np.uint8)


def png(path: Path, value: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grey(value)).save(path)
    return path


Predict = Callable[..., Path]


@pytest.fixture
def predict(tmp_path: Path) -> Predict:
    numbers = itertools.count()

    def run(package: Package, *paths: Path, probabilities: bool = False, said: list[str] | None = None) -> Path:
        out = tmp_path / f"out{next(numbers)}"
        store = Store(tmp_path / "store", budget=1 << 24)
        say = None if said is None else said.append
        predict_files(package, paths, out, store=store, wanted=Wanted(probabilities=probabilities), say=say)
        return out

    return run


def table(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.reader(lines))


# what cannot be read


def _noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)


def _encoded(suffix: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(_noise()).save(stream, format=suffix)
    return stream.getvalue()


def _tiff(**options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.stack([_noise()] * 3), photometric="minisblack", **options)
    return stream.getvalue()


def _dicom() -> bytes:
    return b"\0" * 128 + b"DICM" + bytes(range(256)) * 2


def _npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, _noise())
    return stream.getvalue()


BROKEN = {
    "cut.png": lambda: _encoded("PNG")[:700],
    "zero.png": lambda: b"",
    "zero.tif": lambda: b"",
    "garbage.tif": lambda: b"II*\0" + bytes([255, 7, 9, 200]) * 40,
    "magic.tif": lambda: b"II*\0",
    "cut.tif": lambda: _tiff()[:2000],
    "packed.tif": lambda: _tiff(compression="zlib")[:2500],
    "cut.jpg": lambda: _encoded("JPEG")[:600],
    "zero.jpg": lambda: b"",
    "text.tif": lambda: b"this was never an image\n" * 5,
    "page.png": lambda: b"<!DOCTYPE html><html>404</html>",
    "broken.dcm": _dicom,
    "zero.dcm": lambda: b"",
    "cut.npy": lambda: _npy()[:300],
    "cut.npz": lambda: b"PK\x03\x04" + b"\1" * 80,
    "cut.bmp": lambda: _encoded("BMP")[:200],
    "cut.nii": lambda: b"\x5c\1\0\0" + b"\0" * 200,
    "cut.nii.gz": lambda: b"\x1f\x8b\x08\0" + b"\0" * 20,
}


@pytest.mark.parametrize("package", [classifier, segmenter])
@pytest.mark.parametrize("name", BROKEN)
def test_one_broken_file_stops_nothing(
    name: str, package: Callable[[], Package], predict: Predict, tmp_path: Path
) -> None:
    folder = png(tmp_path / "new" / "a.png", 20).parent
    png(folder / "z.png", 230)
    (folder / name).write_bytes(BROKEN[name]())
    with pytest.raises(SomeUnread) as caught:
        predict(package(), folder)
    assert caught.value.exit_code == 1
    assert [Path(p.where).name for p in caught.value.problems] == [name]
    assert "2 image(s) predicted" in str(caught.value)
    assert [row[0] for row in table(tmp_path / "out0" / "predictions.csv")] == ["image", "a.png", "z.png"]


@pytest.mark.parametrize("there", [False, True])
def test_of_two_that_begin_at_once_one_is_refused(
    predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    new, out, look = png(tmp_path / "new" / "a.png", 40), tmp_path / "out0", applying.readable
    if there:
        out.mkdir()

    def overtaken(*asked: Any) -> Any:
        (out / "labels").mkdir(parents=True)
        return look(*asked)

    monkeypatch.setattr(applying, "readable", overtaken)
    with pytest.raises(RequestError, match="holds something already"):
        predict(segmenter(), new)
    assert [path.name for path in out.iterdir()] == ["labels"], "nothing of the second is in there"


def test_all_broken_files_of_a_folder_are_named_at_once(predict: Predict, tmp_path: Path) -> None:
    folder = png(tmp_path / "new" / "good.png", 20).parent
    for name, content in BROKEN.items():
        (folder / name).write_bytes(content())
    (folder / "dead.zarr").mkdir()
    with pytest.raises(SomeUnread) as caught:
        predict(classifier(), folder)
    assert {Path(p.where).name for p in caught.value.problems} == {*BROKEN, "dead.zarr"}
    assert len(caught.value.problems) == len(BROKEN) + 1, "a broken stack is named once, not once a slice"
    assert table(tmp_path / "out0" / "submission.csv") == [["image", "label"], ["good.png", "dark"]]
    assert "unread.csv" in str(caught.value)
    header, *unread = table(tmp_path / "out0" / "unread.csv")
    assert header == ["file", "problem"]
    assert sorted(row[0] for row in unread) == sorted(p.where for p in caught.value.problems)
    assert all(row[1] for row in unread)


def test_where_nothing_at_all_can_be_opened_nothing_is_made(predict: Predict, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "garbage.tif").write_bytes(BROKEN["garbage.tif"]())
    with pytest.raises(DataError) as caught:
        predict(classifier(), tmp_path / "new")
    assert not isinstance(caught.value, SomeUnread)
    assert not (tmp_path / "out0").exists()


def test_images_the_network_cannot_take_are_named_and_the_rest_predicted(predict: Predict, tmp_path: Path) -> None:
    folder = png(tmp_path / "new" / "a.png", 20).parent
    tifffile.imwrite(folder / "two.tif", np.zeros((2, 12, 10), np.uint8), imagej=True, metadata={"axes": "CYX"})
    tifffile.imwrite(folder / "stack.tif", np.zeros((4, 12, 10), np.uint8), photometric="minisblack")
    with pytest.raises(SomeUnread) as caught:
        predict(classifier(), folder)
    assert [(p.code, Path(p.where).name) for p in caught.value.problems] == [("data.channels", "two.tif")]
    assert len(table(tmp_path / "out0" / "predictions.csv")) == 1 + 5
    listed = tmp_path / "new" / "list.csv"
    listed.write_text("image\na.png\nstack.tif\n")
    with pytest.raises(SomeUnread) as caught:
        predict(classifier(), listed)
    assert [(p.code, Path(p.where).name) for p in caught.value.problems] == [("predict.dims", "stack.tif")]
    with pytest.raises(DataError) as caught:
        predict(replace(classifier(), dims=3), folder / "a.png")
    assert not isinstance(caught.value, SomeUnread)
    assert caught.value.problems[0].values == {"have": 2, "want": 3}
    assert not (tmp_path / "out2").exists(), "where nothing is predicted no folder says that something was"


# labels


def test_label_stacks_are_left_out_and_said(predict: Predict, tmp_path: Path) -> None:
    folder = tmp_path / "isbi"
    (folder / "deep").mkdir(parents=True)
    for name in ("train-volume", "train-labels", "test-volume", "deep/volume", "deep/labels"):
        tifffile.imwrite(folder / f"{name}.tif", np.stack([grey(200)] * 3), photometric="minisblack")
    said: list[str] = []
    out = predict(segmenter(), folder, said=said)
    assert sorted(p.name for p in (out / "labels").rglob("*.tif")) == [
        "test-volume.tif", "train-volume.tif", "volume.tif"
    ]  # fmt: skip
    assert len(said) == 2
    assert "before packages said" in said[1]
    assert "2 file(s) are labels" in said[0]
    assert "train-labels.tif" in said[0]
    out = predict(segmenter(), folder / "train-labels.tif", said=said)
    assert sum("are labels" in line for line in said) == 1
    assert (out / "labels" / "train-labels.tif").is_file(), "what is named itself is predicted"


# submissions


def names_of(path: Path) -> list[str]:
    return [row[0] for row in table(path)[1:]]


def test_a_submission_is_spelt_as_the_training_table(predict: Predict, tmp_path: Path) -> None:
    folder = tmp_path / "test"
    for name, value in (("b10", 240), ("b9", 20), ("sub/c", 128)):
        png(folder / f"{name}.png", value)
    bare = Naming("file", "class", folder=False, suffix=False, separator="|")
    out = predict(classifier(bare), folder)
    assert (out / "submission.csv").read_bytes() == b"file,class\nb9,dark\nb10,-1\nc,grey\n"
    assert not (out / "submission_probabilities.csv").exists()
    whole = Naming("file", "class", folder=True, suffix=True, separator="|")
    assert names_of(predict(classifier(whole), folder) / "submission.csv") == [
        "sub/c.png",
        "test/b9.png",
        "test/b10.png",
    ]
    plain = table(predict(classifier(), folder) / "submission.csv")
    assert plain == [["image", "label"], ["b9.png", "dark"], ["b10.png", "-1"], ["sub/c.png", "grey"]]


def test_probabilities_have_a_column_for_each_class(predict: Predict, tmp_path: Path) -> None:
    png(tmp_path / "test" / "a.png", 128)
    naming = Naming("id", "dx", folder=False, suffix=False, separator="|")
    out = predict(classifier(naming), tmp_path / "test", probabilities=True)
    head, row = table(out / "submission_probabilities.csv")
    assert head == ["id", *CLASSES]
    assert row[0] == "a"
    assert sum(float(p) for p in row[1:]) == pytest.approx(1, abs=2e-6)
    assert float(row[2]) > 0.9
    said = dict(zip(*table(out / "predictions.csv"), strict=True))
    assert [said[f"probability:{c}"] for c in CLASSES] == row[1:]


def test_a_table_keeps_its_order_its_spelling_and_its_rows(predict: Predict, tmp_path: Path) -> None:
    for number in range(4):
        png(tmp_path / "test" / f"{number:03d}.png", 60 * number + 10)
        png(tmp_path / "train" / f"{number:03d}.png", 255)
    (tmp_path / "sample_submission.csv").write_text("image,label\n003.png,x\n001,x\n001.png,x\n000.png,x\n")
    naming = Naming("image", "label", folder=True, suffix=True, separator="|")
    out = predict(classifier(naming), tmp_path / "sample_submission.csv")
    assert table(out / "submission.csv") == [
        ["image", "label"], ["003.png", "-1"], ["001", "dark"], ["001.png", "dark"], ["000.png", "dark"]
    ]  # fmt: skip
    assert len(table(out / "predictions.csv")) == 1 + 3


def test_a_row_without_file_is_named_and_the_others_answered(predict: Predict, tmp_path: Path) -> None:
    png(tmp_path / "a.png", 20)
    (tmp_path / "test.csv").write_text("image\nlost.png\na.png\n")
    with pytest.raises(SomeUnread, match=r"lost\.png"):
        predict(classifier(), tmp_path / "test.csv")
    assert names_of(tmp_path / "out0" / "submission.csv") == ["a.png"]


def test_two_images_never_bear_one_name(predict: Predict, tmp_path: Path) -> None:
    for place in ("one/x/a.png", "one/y/a.png", "one/b.png", "two/b.png"):
        png(tmp_path / place, 20)
    naming = Naming("image", "label", folder=False, suffix=False, separator="|")
    out = predict(classifier(naming), tmp_path / "one", tmp_path / "two")
    names = names_of(out / "submission.csv")
    assert {"x/a.png", "y/a.png"} < set(names)
    assert len(set(names)) == 4
    again = predict(classifier(naming), tmp_path / "one", tmp_path / "one" / "b.png")
    assert names_of(again / "submission.csv").count("b") == 1


def test_planes_of_a_stack_are_told_apart(predict: Predict, tmp_path: Path) -> None:
    stack = np.stack([grey(v) for v in (10, 120, 250)])
    tifffile.imwrite(tmp_path / "s.tif", stack, photometric="minisblack")
    naming = Naming("image", "label", folder=False, suffix=False, separator="|")
    rows = table(predict(classifier(naming), tmp_path / "s.tif") / "submission.csv")[1:]
    assert rows == [["s#0", "dark"], ["s#1", "grey"], ["s#2", "-1"]]


def test_several_labels_are_joined_as_in_the_table(predict: Predict, tmp_path: Path) -> None:
    png(tmp_path / "new" / "a.png", 85)  # between the first two classes
    package = classifier(Naming("image", "finding", folder=False, suffix=True, separator="; "), multi_label=True)

    class Two(Freezable):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[4.0, 4.0, -4.0]]).expand(len(x), 3)

    out = predict(replace(package, model=Two()), tmp_path / "new")
    assert (out / "submission.csv").read_text() == "image,finding\na.png,dark; grey\n"


def test_a_segmenter_makes_no_submission(predict: Predict, tmp_path: Path) -> None:
    png(tmp_path / "new" / "a.png", 85)
    out = predict(segmenter(), tmp_path / "new", probabilities=True)
    assert not list(out.glob("submission*"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_cure_of_an_unread_axis_exists(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    for axes, letter, cures in (("TYX", "T", ["ZYX"]), ("EYX", "E", ["CYX", "ZYX"])):
        with pytest.raises(FileError) as caught:
            arrange(Path("a.tif"), axes, (3, 40, 50))
        assert (caught.value.values["axis"], caught.value.values["length"]) == (letter, 3)
        assert re.findall(r"data\.axes=(\w+)", str(caught.value)) == cures
        for cure in cures:
            assert allowed_overrides([f"data.axes={cure}"], allowed=PREDICTION_KEYS) == {"data": {"axes": cure}}
            assert arrange(Path("a.tif"), cure, (3, 40, 50)).plane == (1, 2)

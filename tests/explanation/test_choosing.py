"""Cases of each class, and how much of a map lies inside a mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lamelle.errors import FileError, RequestError
from lamelle.explanation.choosing import choose
from lamelle.explanation.inside import Share, by_class, checked, from_folder, share_inside, summarise
from lamelle.results.scores import Item
from lamelle.types import Record, Source


def record(name: str) -> Record:
    return Record(name, Source(Path("/data") / name))


def classified(*rows: tuple[str, str, float]) -> tuple[list[Item], dict[str, Record]]:
    items = [
        Item(id=f"{i}.png", truth=t, predicted=p, correct=t == p, confidence=c) for i, (t, p, c) in enumerate(rows)
    ]
    return items, {item.id: record(item.id) for item in items}


def test_the_surest_and_the_least_sure_of_each_class_are_chosen() -> None:
    rows = [("a", "a", 0.9), ("a", "a", 0.8), ("a", "b", 0.7), ("a", "b", 0.95), ("a", "a", 0.5), ("b", "b", 0.6)]
    items, records = classified(*rows)
    cases = choose(items, records, ["a", "b"], number=1, only=None)
    assert [(c.heading, c.kind, c.record.id) for c in cases] == [
        ("a", "right", "0.png"),
        ("a", "wrong", "3.png"),
        ("a", "uncertain", "4.png"),
        ("b", "right", "5.png"),
    ]
    assert {c.explained for c in cases} == {None}  # what was predicted, also where that is wrong
    assert [c.truth for c in cases] == ["a", "a", "a", "b"]
    more = choose(items, records, ["a", "b"], number=2, only="a")
    assert [c.record.id for c in more] == ["0.png", "1.png", "3.png", "2.png", "4.png"]
    assert {c.explained for c in more} == {"a"}


def test_records_that_are_gone_are_no_cases() -> None:
    items, records = classified(("a", "a", 0.9), ("a", "a", 0.8))
    del records["0.png"]
    assert [c.record.id for c in choose(items, records, ["a"], number=1, only=None)] == ["1.png"]


def test_with_several_labels_each_class_is_asked_about_itself() -> None:
    items, records = classified(("a|b", "b", 0.9), ("", "a", 0.8), ("b", "b", 0.7))
    cases = choose(items, records, ["a", "b"], number=3, only=None)
    assert [(c.heading, c.kind, c.record.id, c.explained) for c in cases] == [
        ("a", "wrong", "0.png", "a"),
        ("b", "right", "0.png", "b"),
        ("b", "right", "2.png", "b"),
    ]


def test_of_a_segmenter_the_best_and_the_worst_are_chosen() -> None:
    items = [Item(id=f"{i}.png", scores={"dice/sky": 1.0, "dice/cell": d}) for i, d in enumerate([0.5, None, 0.9, 0.1])]
    records = {item.id: record(item.id) for item in items}
    cases = choose(items, records, ["sky", "cell"], number=1, only=None)
    assert [(c.heading, c.kind, c.record.id, c.explained) for c in cases] == [
        ("cell", "best", "2.png", "cell"),
        ("cell", "worst", "3.png", "cell"),
    ]
    assert len(choose(items, records, ["sky", "cell"], number=5, only=None)) == 3  # none is shown twice


def test_a_map_without_preference_has_the_share_of_the_area() -> None:
    random = np.random.default_rng(0)
    mask = random.random((200, 200)) < 0.3
    found = share_inside(random.random((200, 200)), mask)
    assert found.inside == pytest.approx(found.area, abs=0.01)
    assert share_inside(np.where(mask, 1.0, -1.0), mask).inside == 1
    assert np.isnan(share_inside(np.full((200, 200), -1.0), mask).inside)
    with pytest.raises(ValueError, match="mask"):
        share_inside(np.zeros((4, 4)), np.zeros((4, 5), bool))


def test_means_have_intervals_of_the_largest_known_unit() -> None:
    random = np.random.default_rng(1)
    shares = [Share(float(v), 0.25) for v in random.normal(0.5, 0.05, 60)]
    options = {"level": 0.95, "resamples": 500, "seed": 0}
    found = summarise(shares, [None] * 60, **options)
    assert found["inside"].low < 0.5 < found["inside"].high
    assert found["inside"].high - found["inside"].low == pytest.approx(2 * 1.96 * 0.05 / np.sqrt(60), rel=0.3)
    assert found["ratio"].value == pytest.approx(found["inside"].value / 0.25)
    assert (found["inside"].n, found["inside"].unit) == (60, "image")
    grouped = summarise(shares, [f"p{i // 6}" for i in range(60)], **options)
    assert (grouped["inside"].n, grouped["inside"].unit) == (10, "group")
    assert summarise([Share(float("nan"), 0.2)], [None], **options) == {}


def test_classes_are_kept_apart_and_together() -> None:
    assert by_class(["x", "x"]) == {"x": [0, 1]}
    assert list(by_class(["x", "y"])) == ["x", "y", ""]


def mask_file(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)


def test_masks_are_found_by_the_name_of_the_image(tmp_path: Path) -> None:
    half = np.zeros((4, 6))
    half[:2] = 3
    mask_file(tmp_path / "x_mask.png", half)
    mask_file(tmp_path / "a" / "y.png", half)
    mask_file(tmp_path / "b" / "y.png", 1 - half.clip(0, 1))
    masks = from_folder(tmp_path)
    found = masks(record("images/x.jpg"))
    assert found is not None
    assert np.array_equal(found, half > 0)
    assert masks(record("z.png")) is None
    other = masks(record("b/images/y.tif"))
    assert other is not None
    assert np.array_equal(other, half == 0)
    with pytest.raises(FileError, match=r"could both be the mask of c/y\.png"):
        masks(record("c/y.png"))
    with pytest.raises(FileError, match="the mask has 4 × 6 pixels, the image 4 × 5"):
        checked(found, record("x.jpg"), (4, 5))
    with pytest.raises(RequestError, match="nowhere"):
        from_folder(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="no folder with masks"):
        from_folder(tmp_path / "empty")

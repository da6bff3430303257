"""Boxes and outlines in text files: YOLO and COCO, as formats, as targets in every view, as folders, as trainings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.draw import polygon2mask
from support import Quiet, look

from lamelle import verbs
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.shapes import SHAPES, Shape, boxes_of, drawn, read_coco
from lamelle.data.store import Store
from lamelle.data.targets.box_view import BoxView
from lamelle.data.targets.values import ValueMap
from lamelle.data.targets.views import LabelView, ObjectView
from lamelle.errors import FileError, RequestError
from lamelle.tasks.table import task_of, tasks_for
from lamelle.types import IGNORE, Record, Shapes, Source

SIZE = (40, 60)
RNG = np.random.default_rng(4)


def image(path: Path, size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 255, size, dtype=np.uint8)).save(path)


def labels(format: str, shapes: list[Shape], *, objects: bool = False) -> np.ndarray:
    return next(iter(drawn(format, shapes, SIZE, objects=objects).pieces))[1]


def test_an_outline_is_filled_as_another_program_does() -> None:
    for _ in range(20):
        corners = RNG.uniform(0, SIZE, (RNG.integers(3, 9), 2)) + 1e-3
        mine = labels("yolo_outlines", [Shape(1, (0, 0, 1, 1), (corners,))])
        np.testing.assert_array_equal(mine, polygon2mask(SIZE, corners - 0.5))


def test_rectangles_have_the_pixels_of_their_boxes() -> None:
    outline = np.array([[3, 5], [3, 20], [11, 20], [11, 5]], float)
    mine = labels("coco_outlines", [Shape(2, (3, 5, 11, 20), (outline,))])
    assert (mine[3:11, 5:20] == 2).all()
    assert (mine > 0).sum() == 8 * 15


def compressed(mask: np.ndarray) -> str:
    """COCO's text of run lengths, written as the reference implementation does."""
    flat = np.r_[0, mask.T.ravel().astype(int), 1 - int(mask.T.ravel()[-1])]
    runs = np.diff(np.r_[0, np.flatnonzero(np.diff(flat)), len(flat) - 2]).tolist()
    text = ""
    for i, run in enumerate(runs):
        value, more = run - (runs[i - 2] if i > 2 else 0), True
        while more:
            bits = value & 31
            value >>= 5
            more = value != (-1 if bits & 16 else 0)
            text += chr((bits | (32 if more else 0)) + 48)
    return text


def coco(path: Path, annotations: list[dict[str, object]], names: tuple[str, ...] = ("1.png", "2.png")) -> Path:
    images = [{"id": 10 + i, "file_name": n, "height": SIZE[0], "width": SIZE[1]} for i, n in enumerate(names)]
    kinds = [{"id": 7, "name": "yeast"}, {"id": 3, "name": "worm"}]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "categories": kinds, "annotations": annotations}))
    return path


def test_coco_is_read_with_polygons_runs_and_crowds(tmp_path: Path) -> None:
    mask = np.zeros(SIZE, bool)
    mask[20:30, 40:55] = True
    flat = mask.T.ravel()
    runs = np.diff(np.r_[0, np.flatnonzero(np.diff(flat.astype(int))) + 1, len(flat)]).tolist()
    path = coco(tmp_path / "a.json", [
        {"image_id": 10, "category_id": 3, "bbox": [5, 3, 15, 8], "segmentation": [[5, 3, 20, 3, 20, 11, 5, 11]]},
        {"image_id": 10, "category_id": 7, "bbox": [40, 20, 15, 10], "segmentation": {"counts": runs, "size": SIZE}},
        {"image_id": 11, "category_id": 7, "bbox": [40, 20, 15, 10],
         "segmentation": {"counts": compressed(mask), "size": SIZE}},
        {"image_id": 11, "category_id": 7, "iscrowd": 1, "segmentation": [[0, 0, 4, 0, 4, 4, 0, 4]]},
        {"image_id": 11, "category_id": 3, "bbox": [10, 30, 5, 5]},
    ])  # fmt: skip
    found = read_coco(path)
    assert (dict(found.names), found.outlines) == ({1: "worm", 2: "yeast"}, True)
    first, second = (list(SHAPES["coco_outlines"].read(path, n, SIZE)) for n in ("1.png", "2.png"))
    one = labels("coco_outlines", first)
    assert ((one == 2) == mask).all()
    assert (one[3:11, 5:20] == 1).all()
    two = labels("coco_outlines", second)
    assert ((two == 2) == mask).all()
    assert (two[:4, :4] == IGNORE).all()
    assert (two[30:35, 10:15] == IGNORE).all(), "a box among outlines"
    assert labels("coco_outlines", second, objects=True).max() == 1
    assert boxes_of(second, SIZE).corners.tolist() == [[[20, 40], [30, 55]], [[30, 10], [35, 15]]]
    with pytest.raises(FileError, match="40 × 60"):
        SHAPES["coco_outlines"].read(path, "1.png", (60, 40))


@pytest.mark.parametrize(
    "wrong",
    [{"image_id": 99, "category_id": 3, "bbox": [0, 0, 1, 1]}, {"image_id": 10, "category_id": 8, "bbox": [0, 0, 1, 1]},
     {"image_id": 10, "category_id": 3}, {"image_id": 10, "category_id": 3, "bbox": [0, 0, "x", 1]},
     {"image_id": 10, "category_id": 3, "bbox": [0, 0, 1, 1], "segmentation": {"counts": [3, 4], "size": SIZE}}],
)  # fmt: skip
def test_a_broken_annotation_is_named(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(FileError, match=r"annotations\[0\]"):
        read_coco(coco(tmp_path / "a.json", [wrong]))


@pytest.mark.parametrize(
    "line", ["x 0.5 0.5 0.1 0.1", "0 0.5 0.5 0.1", "0 5 5 2 2", "-1 0.5 0.5 0.1 0.1", "0 .1 .1 .2 .2 .3"]
)
def test_a_line_that_is_none_of_yolo_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.txt").write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(FileError, match="line 2"):
        SHAPES["yolo_boxes"].read(tmp_path / "a.txt", None, SIZE)


OUTLINE = "1 0.1 0.1 0.4 0.1 0.4 0.5 0.1 0.5\n"


def test_outlines_are_seen_as_labels_objects_and_boxes(tmp_path: Path) -> None:
    image(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text(OUTLINE + "0 0.5 0.5 0.9 0.5 0.9 0.9 0.5 0.9\n")
    record = Record("a", Source(tmp_path / "a.png"), Shapes(Source(tmp_path / "a.txt"), "yolo_outlines"))
    store = Store(tmp_path / "store", budget=1 << 24)
    values = ValueMap(("background", "a", "b"), {0: 0, 1: 1, 2: 2})
    view = LabelView(values)
    seen = view.window(view.read(record, store), None, None)
    assert (seen[4:20, 6:24] == 2).all()
    assert (seen[20:36, 30:54] == 1).all()
    objects = ObjectView(("background", "a"), parts=False)
    numbers = objects.window(objects.read(record, store), None, None)
    assert sorted(np.unique(numbers).tolist()) == [0, 1, 2]
    boxes = BoxView(values, objects=False).read(record, store)
    np.testing.assert_allclose(boxes.corners, [[[4, 6], [20, 24]], [[20, 30], [36, 54]]], atol=1e-4)
    assert boxes.classes.tolist() == [2, 1]


def test_boxes_alone_are_no_labels(tmp_path: Path) -> None:
    image(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    record = Record("a", Source(tmp_path / "a.png"), Shapes(Source(tmp_path / "a.txt"), "yolo_boxes"))
    store = Store(tmp_path / "store", budget=1 << 24)
    values = ValueMap(("background", "a"), {0: 0, 1: 1})
    for view in (LabelView(values), ObjectView(("background", "a"), parts=False)):
        with pytest.raises(RequestError, match="boxes or outlines"):
            view.read(record, store)
    assert BoxView(values, objects=False).read(record, store).corners.tolist() == [[[10, 15], [30, 45]]]


@pytest.mark.parametrize(
    ("images", "texts"),
    [("images/{}.png", "labels/{}.txt"), ("images/{split}/{}.png", "labels/{split}/{}.txt"),
     ("{split}/images/{}.png", "{split}/labels/{}.txt"), ("{}.png", "{}.txt")],
)  # fmt: skip
@pytest.mark.parametrize("line", [OUTLINE, "1 0.5 0.5 0.2 0.2\n"])
def test_folders_of_yolo(tmp_path: Path, images: str, texts: str, line: str) -> None:
    for n, split in enumerate(("train", "train", "train", "val", "val")):
        image(tmp_path / images.format(n, split=split))
        (path := tmp_path / texts.format(n, split=split)).parent.mkdir(parents=True, exist_ok=True)
        if n:
            path.write_text("" if n == 1 else line)
    (tmp_path / "data.yaml").write_text("nc: 2\nnames: [worm, yeast]\n")
    index = read_folder(tmp_path, options=LayoutOptions())
    assert (index.layout, len(index.records)) == ("yolo", 5)
    assert index.names is not None
    assert index.names.known == {0: "background", 1: "worm", 2: "yeast"}
    assert {r.split for r in index.records} == ({"train", "validation"} if "{split}" in images else {None})
    assert [p.code for p in index.problems if p.severity != "note"] == []
    assert [p.values["count"] for p in index.problems if p.code == "layouts.yolo_empty"] == [1]
    assert tasks_for(index) == (("segment", "instances") if line == OUTLINE else ())


def test_folders_of_coco(tmp_path: Path) -> None:
    drawing = {"category_id": 3, "bbox": [5, 3, 15, 8], "segmentation": [[5, 3, 20, 3, 20, 11, 5, 11]]}
    for part, names in (("train2017", ("1.png", "2.png")), ("val2017", ("3.png", "4.png"))):
        for name in names:
            image(tmp_path / part / name)
        coco(tmp_path / "annotations" / f"instances_{part}.json", [{"image_id": 10, **drawing}], names)
    index = read_folder(tmp_path, options=LayoutOptions())
    assert (index.layout, task_of(index)) == ("coco", "segment")
    assert {r.id: r.split for r in index.records} == {
        **dict.fromkeys(("train2017/1.png", "train2017/2.png"), "train"),
        **dict.fromkeys(("val2017/3.png", "val2017/4.png"), "validation"),
    }
    assert [p for p in index.problems if p.severity != "note"] == []
    assert "*.json" not in index.skipped


def objects(folder: Path, count: int = 12) -> list[tuple[str, list[list[float]]]]:
    """Images with a bright disc or two, and their outlines (x, y) in pixels."""
    found, random = [], np.random.default_rng(8)
    (folder / "images").mkdir(parents=True)
    for n in range(count):
        y, x = np.mgrid[:64, :64]
        array, outlines = random.normal(60, 6, (64, 64)), []
        for cy, cx in ((18, 20), (44, 42))[: 1 + n % 2]:
            cy, cx, r = cy + random.integers(-4, 4), cx + random.integers(-4, 4), random.integers(7, 11)
            array[(y - cy) ** 2 + (x - cx) ** 2 < r**2] += 90
            turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
            outlines.append(np.stack([cx + 0.5 + r * np.cos(turn), cy + 0.5 + r * np.sin(turn)], 1).ravel().tolist())
        Image.fromarray(array.clip(0, 255).astype(np.uint8)).save(folder / "images" / f"{n:02}.png")
        found.append((f"{n:02}", outlines))
    return found


FEW = ("filters=[4,8]", "patch=32", "samples=8", "batch=4", "epochs=2", "threads=1", "workers=0", "resamples=100")


@pytest.mark.parametrize("task", ["segment", "instances"])
@pytest.mark.parametrize("kind", ["yolo", "coco"])
def test_outlines_are_learnt(tmp_path: Path, kind: str, task: str) -> None:
    made = objects(tmp_path / "data")
    if kind == "yolo":
        (tmp_path / "data" / "labels").mkdir()
        for name, outlines in made:
            lines = (f"0 {' '.join(f'{v / 64:.5f}' for v in o)}\n" for o in outlines)
            (tmp_path / "data" / "labels" / f"{name}.txt").write_text("".join(lines))
    else:
        images = [{"id": i, "file_name": f"{n}.png", "height": 64, "width": 64} for i, (n, _) in enumerate(made)]
        said = [{"image_id": i, "category_id": 1, "segmentation": [o]} for i, (_, os) in enumerate(made) for o in os]
        plain = {"images": images, "categories": [{"id": 1, "name": "disc"}], "annotations": said}
        (tmp_path / "data" / "images" / "_annotations.coco.json").write_text(json.dumps(plain))
    run = verbs.train(tmp_path / "data", overrides=(f"task={task}", *FEW, "precision=32"), runs=tmp_path / "runs",
                      progress=Quiet())  # fmt: skip
    assert run.scores.task == task
    assert (run.folder.audit.read_text().count('"objects": 2') > 0) == (task == "instances")


def test_boxes_alone_are_checked_and_no_task_learns_them(tmp_path: Path) -> None:
    for name, outlines in objects(tmp_path / "data"):
        (tmp_path / "data" / "labels").mkdir(exist_ok=True)
        lines = "".join("0 0.3 0.3 0.2 0.2\n" for _ in outlines)
        (tmp_path / "data" / "labels" / f"{name}.txt").write_text(lines)
    index, audit, outlook = look(tmp_path / "data")
    assert (index.layout, len(audit.rows)) == ("yolo", 12)
    assert "no task learns boxes yet" in str(outlook.problems[0].values["reason"])
    with pytest.raises(RequestError, match="no task learns boxes yet"):
        verbs.train(tmp_path / "data", runs=tmp_path / "runs")

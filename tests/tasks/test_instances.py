"""Instances: maps of numbered objects, the watershed back, the search on validation, tiles, scores and files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import made_tasks
import numpy as np
import pytest
import torch
from skimage.draw import disk
from skimage.measure import regionprops

from lamelle import verbs
from lamelle.data.layouts.detect import read_folder
from lamelle.data.targets.reading import connected, numbered
from lamelle.errors import RequestError
from lamelle.io.images import read_labels
from lamelle.metrics.instances import instance_row
from lamelle.metrics.table import METRICS
from lamelle.prediction import tiles
from lamelle.prediction.files import PredictionFolder
from lamelle.prediction.output import Wanted
from lamelle.runs import plan as plans
from lamelle.runs.saved_plan import open_plan
from lamelle.tasks.data_facts import Labels
from lamelle.tasks.instances import DECIDED, FittedObjects, Instances, SettledObjects
from lamelle.tasks.watershed import maps_of, objects_from, rows_of
from lamelle.types import IGNORE, Grid, Index, ObjectMap, Record, Source

FULL = {"foreground": 0.5, "seed": 0.5, "min_size": 1}


def task(**known: Any) -> Instances:
    return made_tasks.instances(**known)


def discs(size: int = 96, count: int = 12, seed: int = 0) -> np.ndarray:
    """Discs that touch one another, but do not cover another's middle."""
    rng, labels, middles = np.random.default_rng(seed), np.zeros((size, size), np.int64), list[np.ndarray]()
    while len(middles) < count:
        middle = rng.integers(0, size, 2)
        if all(np.linalg.norm(middle - other) > 15 for other in middles):
            middles.append(middle)
            labels[disk(tuple(middle), int(rng.integers(6, 10)), shape=labels.shape)] = len(middles)
    return labels


def score(truth: np.ndarray, said: np.ndarray, name: str = "ap50") -> float:
    return float(METRICS[name].value(instance_row(truth, said)))


def test_objects_come_back_from_their_own_maps() -> None:
    for seed in range(4):
        truth = discs(seed=seed)
        said = objects_from(maps_of(truth), **FULL)
        assert (score(truth, said), score(truth, said, "ap")) == (1.0, pytest.approx(1.0, abs=0.1))
        assert ((said > 0) == (truth > 0)).all()
        assert said.dtype == np.uint32
        assert set(np.unique(said)) == set(range(int(said.max()) + 1))


def test_touching_objects_are_one_part_of_the_foreground_but_not_one_object() -> None:
    truth = discs(count=20)
    assert connected(truth > 0)[1] < 20, "some touch, or this test says nothing"
    assert objects_from(maps_of(truth), **FULL).max() == 20


def test_distance_is_one_in_the_middle_of_each_object_and_knows_no_edge_of_the_image() -> None:
    truth = np.zeros((20, 30), np.int64)
    truth[:9, 5:14] = 4  # cut by the edge above: the rim is at the other three sides
    truth[14, 20] = 9
    foreground, border, distance = maps_of(truth)
    assert ((foreground == 1) == (truth > 0)).all()
    assert distance[0, 9] == distance[14, 20] == distance.max() == 1
    assert distance[8, 9] == distance[0, 5] == pytest.approx(0.2)
    assert (distance[truth == 0] == 0).all()
    assert not border.any(), "they are far from each other"
    assert maps_of(np.array([[1, 1, 0, 2, 2, 0, 0, 0]]))[1].tolist() == [[0, 1, 1, 1, 0, 0, 0, 0]]
    assert maps_of(np.full((4, 4), 3))[2].min() == 1, "nothing but one object"
    assert maps_of(np.array([[IGNORE, 1, 1, 1, 0]]))[2, 0] == pytest.approx([0, 1, 2 / 3, 1 / 3, 0])
    assert maps_of(np.array([[0, 1, 1, 1, IGNORE]]))[2, 0] == pytest.approx([0, 1 / 3, 2 / 3, 1, 0])


def test_specks_in_the_distance_cut_no_object_into_pieces() -> None:
    truth = np.zeros((60, 60), np.int64)
    truth[disk((30, 30), 25)] = 1
    maps = maps_of(truth)
    maps[2] = np.clip(maps[2] + np.random.default_rng(0).normal(0, 0.08, truth.shape), 0, 1)
    rough = connected((maps[0] >= 0.5) & (maps[2] >= 0.5))[1]
    assert (objects_from(maps, **FULL).max(), rough > 5) == (1, True)


def test_volumes_go_the_same_way() -> None:
    truth = np.zeros((8, 24, 24), np.int64)
    truth[1:6, 2:9, 2:9], truth[1:6, 9:16, 2:9] = 1, 2
    said = objects_from(maps_of(truth), **FULL)
    assert score(truth, said) == 1.0
    row = rows_of(said, np.ones(said.shape))[0]
    assert (row.area, row.centroid[0], row.start[0], row.stop[1]) == (5 * 7 * 7, 3.0, 1, 9)


def test_small_objects_are_left_out_and_a_part_without_seed_is_an_object() -> None:
    truth = np.zeros((20, 20), np.int64)
    truth[2:8, 2:8], truth[15, 15] = 1, 2
    maps = maps_of(truth)
    assert objects_from(maps, foreground=0.5, seed=0.5, min_size=2).max() == 1
    maps[2] *= 0.1
    assert score(truth, objects_from(maps, **FULL)) == 1.0
    assert objects_from(np.zeros((3, 5, 5)), **FULL).max() == 0


def test_the_rows_of_objects_agrees_with_scikit_image() -> None:
    truth = discs(seed=3)
    probability = np.random.default_rng(0).random(truth.shape)
    rows = rows_of(truth, probability)
    found = regionprops(truth, probability)
    assert [r.number for r in rows] == [p.label for p in found]
    for row, props in zip(rows, found, strict=True):
        assert row.area == props.area
        assert row.centroid == pytest.approx(props.centroid, abs=1e-3)
        assert (*row.start, *row.stop) == props.bbox
        assert row.probability == pytest.approx(props.intensity_mean, abs=1e-5)


def test_ignored_pixels_have_no_gradient_and_no_score() -> None:
    truth = torch.from_numpy(discs())[None]
    truth[:, :40] = IGNORE
    output = torch.zeros(1, 3, 96, 96, requires_grad=True)
    (gradient,) = torch.autograd.grad(task().loss(output, truth), output)
    assert not gradient[:, :, :40].any()
    assert gradient[:, :, 40:].any(1).all()
    nothing = torch.full_like(truth, IGNORE)
    assert float(task().loss(output, nothing).detach()) == 0
    maps = maps_of(truth[0].numpy())
    maps[:, :40] = np.random.default_rng(0).random((3, 40, 96))
    row = task().row(maps, truth[0].numpy(), FittedObjects(min_size=1))
    pooled = task().summarise(task().table([row]), np.ones((1, 1)))
    assert pooled["dice"][0] == 1.0
    assert pooled["object_recall"][0] >= 0.9


def test_the_search_takes_what_is_best_on_validation() -> None:
    rng, search = np.random.default_rng(0), task().fitter()
    some = []
    for seed in range(3):
        truth = discs(seed=seed)
        maps = maps_of(truth)
        maps[0] = np.clip(maps[0] * 0.45 + 0.2 * rng.random(truth.shape), 0, 1)  # objects lie at 0.45 … 0.65
        maps[0, :4, :4] = 0.9  # specks
        maps[2] *= 0.6
        some.append((maps, truth))
        search.add(maps, truth)
    fitted, sweeps = search.done()
    assert task().restore_fitted(json.loads(json.dumps(fitted.decided()))) == fitted
    chosen, first = (
        sum(task().row(m, t, f)["objects"][0] for m, t in some) for f in (fitted, FittedObjects(min_size=1))
    )
    assert fitted.mask_threshold in (0.3, 0.4)
    assert fitted.min_size in (32, 64)
    assert chosen == sum(t.max() for _, t in some) > first
    counted = np.sum([task().row(m, t, fitted)["objects"] for m, t in some], axis=0)
    best = float(METRICS["ap50"].value(counted))
    assert [one.name for one in sweeps] == list(DECIDED)
    for one in sweeps:
        scores = [value for value in one.scores["ap50"] if value is not None]
        assert (one.chosen, one.by, one.undecided) == (getattr(fitted, one.name), "ap50", False)
        assert scores[one.points.index(one.chosen)] == pytest.approx(best) == max(scores)
        assert min(scores) < best
    usual, lacking = task().fitter().done()
    assert usual == FittedObjects(), "no image: what is usual"
    assert [(one.name, one.of, one.undecided) for one in lacking] == [(name, "cell", True) for name in DECIDED]
    fixed = task(mask_threshold=0.35, seed_threshold=0.45, min_size=7).fitter()
    fixed.add(*some[0])
    assert fixed.done() == (FittedObjects(mask_threshold=0.35, seed_threshold=0.45, min_size=7), ())


def test_an_object_across_tiles_is_one_object() -> None:
    truth = np.zeros((100, 120), np.int64)
    truth[disk((50, 60), 40)] = 1
    truth[disk((50, 60), 15)] = 0
    truth[2:10, 2:10] = 2
    maps = maps_of(truth)
    found = tiles.merge(
        maps, lambda x: x, tile=(40, 40), overlap=0.25, batch=4, prepare=lambda window: np.asarray(window)
    )
    said = task().decode(found, FittedObjects(min_size=1), None)
    assert isinstance(said, ObjectMap)
    assert said.labels[50, 25] == said.labels[50, 95] == said.labels[15, 60], "one ring, though no tile holds it"
    np.testing.assert_array_equal(said.labels, objects_from(maps, **FULL))


def test_targets_are_read_as_objects() -> None:
    assert numbered(np.array([[0, 70_000, 5, 0, -1]])).tolist() == [[0, 2, 1, 0, -1]]
    assert task(ignore=(255,)).targets.window(np.array([[0, 9, 255]], np.uint8), None, None).tolist() == [[0, 1, -1]]
    assert task(parts=True).targets.window(np.array([[255, 255, 0, 255]], np.uint8), None, None).tolist() == [
        [1, 1, 0, 2]
    ]
    index = Index(Path(), "x", ())
    assert task().adapt(index, Labels({0: 1, 255: 2}, None, (), (7,))).settled.parts
    with pytest.raises(RequestError, match="one kind of object"):
        Instances(Instances.Options(), SettledObjects(classes=("a", "b", "c"), ignore=(), parts=False))


@pytest.mark.parametrize(
    ("name", "folder"),
    [("A/images/A.png", "A"), ("b.tif#3", "b_3"), ("x/../../c.png", "x/c"), ("A/images/B.png", "A/B")],
)
def test_each_object_is_written_as_a_mask(name: str, folder: str, tmp_path: Path) -> None:
    index = int(name.partition("#")[2]) if "#" in name else None
    record = Record(name, Source(tmp_path / name.partition("#")[0], index=index))
    labels = discs().astype(np.uint32)
    said = ObjectMap(labels, rows_of(labels, np.ones(labels.shape)))
    out = PredictionFolder(tmp_path / "out", ("background", "cell"), planes={}, wanted=Wanted(masks=True))
    row = out.add(record, np.zeros((1, *labels.shape), np.uint8), said, Grid(record.image.path, "png"))
    out.close()
    files = sorted((tmp_path / "out" / "masks" / folder / "masks").glob("*.png"))
    assert len(files) == labels.max() == int(row["predicted_objects"])
    again = sum(((read_labels(f).array > 0) * (i + 1) for i, f in enumerate(files)), np.zeros(labels.shape))
    np.testing.assert_array_equal(again, labels)
    table = list(csv.DictReader((tmp_path / "out" / "objects.csv").open()))
    assert [int(r["object"]) for r in table] == list(range(1, int(labels.max()) + 1))
    assert {r["image"] for r in table} == {name}
    assert float(row["share:cell"]) == pytest.approx((labels > 0).mean(), abs=1e-6)


def test_many_objects_of_a_stack_keep_their_numbers(tmp_path: Path) -> None:
    stack = tmp_path / "a.tif"
    out = PredictionFolder(
        tmp_path / "out", ("background", "cell"), wanted=Wanted(overlays=True), planes={Source(stack): range(2)}
    )
    planes = [np.array([[0, 1], [2, 3]], np.uint32), np.arange(400, dtype=np.uint32).reshape(20, 20)[:2, :2] + 300]
    for i, labels in enumerate(planes):
        rows = rows_of(labels, np.ones(labels.shape))
        out.add(
            Record(f"a.tif#{i}", Source(stack, index=i)),
            np.zeros((1, 2, 2)),
            ObjectMap(labels, rows),
            Grid(stack, "npy"),
        )
    np.testing.assert_array_equal(read_labels(tmp_path / "out" / "labels" / "a.tif").array, np.stack(planes))


def test_from_a_folder_of_masks_to_a_folder_of_masks(tmp_path: Path) -> None:
    data = verbs.demo("nuclei", tmp_path / "nuclei", seed=3, count=12, size=96).path
    few = ("filters=[4,8]", "patch=64", "samples=8", "batch=4", "epochs=2", "threads=1", "workers=0", "resamples=100")
    run = verbs.train(data, overrides=("task=instances", *few, "precision=32"), runs=tmp_path / "runs")
    assert run.scores.task == "instances"
    assert set(run.scores.headline) == {"ap50", "ap", "pq", "dice"}
    assert set(DECIDED) == set(run.scores.fitted)
    out = tmp_path / "out"
    run.predict(next(data.glob("*/images")), out, masks=True)
    assert list(out.glob("masks/*/masks"))
    elsewhere = run.evaluate(data, overrides=["evaluate.keep_seen=true"]).scores
    assert elsewhere["ap50"].n == 12
    opened, known = open_plan(run.folder).task.describe(), task().describe()
    assert opened.options == known.options
    assert opened.settled == known.settled | {"classes": ["background", "object"]}
    if masks := list(out.glob("masks/*/masks/*.png")):
        assert read_labels(masks[0]).array.max() == 255
    assert read_folder(data, options=plans.layout_options({"task": {"name": "instances"}})).numbers_objects

"""Rows of a segmentation: each score against its metric, empty masks, sparse annotation, small and fast."""

from __future__ import annotations

import json
import time
from typing import Any

import made_tasks
import numpy as np
import pytest
from scipy.ndimage import binary_erosion, gaussian_filter
from scipy.spatial import KDTree
from skimage.measure import label

from lamelle.data.targets.values import ValueMap
from lamelle.io.atomic import plain
from lamelle.metrics import boundary, centrelines, clustering, instances
from lamelle.metrics.pairs import PixelPair
from lamelle.metrics.statistics import measured
from lamelle.metrics.table import METRICS
from lamelle.tasks.segment import Segment
from lamelle.types import IGNORE

NAMES = ("background", "cell")


def segment(**options: Any) -> Segment:
    values = ValueMap(NAMES, {0: 0, 1: 1})
    return made_tasks.segment(values, **{"loss": "bce"} | options)


def masks(seed: int, size: int = 48) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(size=(size, size)), 3)
    other = field + 0.3 * gaussian_filter(rng.normal(size=(size, size)), 2)
    return (field > 0.03).astype(np.int64), (other > 0.03).astype(np.int64)


SHAPES = ("confusion", "outlines", "hd95_um", "lines", "components")


def row(target: np.ndarray, said: np.ndarray, **options: Any) -> dict[str, Any]:
    return measured(SHAPES, PixelPair(target, said, 2, **options))


def scores(*rows: dict[str, Any]) -> dict[str, float]:
    task, again = segment(), json.loads(json.dumps(plain(rows)))
    found = task.summarise(task.table(again), np.ones((1, len(rows))))
    return {name: float(value[0]) for name, value in found.items()}


def numbered(mask: np.ndarray) -> np.ndarray:
    return label(mask, connectivity=1, return_num=False)


def test_scores_are_those_of_their_metrics() -> None:
    some = [masks(seed) for seed in range(3)]
    found = scores(*(row(t, s) for t, s in some))
    for name in ("boundary_f", "nsd", "hd95", "one_empty"):
        each = [boundary.boundary_scores(t == 1, s == 1, tolerance=2.0, spacing=(1, 1))[name] for t, s in some]
        assert found[name] == pytest.approx(np.mean(each))
    lines = [centrelines.centreline_row(t == 1, s == 1) for t, s in some]
    assert found["cldice"] == pytest.approx(float(centrelines.cldice_of(np.sum(lines, axis=0))))
    assert found["image_cldice"] == pytest.approx(np.mean([centrelines.cldice_of(x) for x in lines]))
    parts = [instances.instance_row(*(numbered(x) for x in pair)) for pair in some]
    for name in ("ap50", "pq", "aji"):
        score = METRICS[name].value
        assert found[f"component_{name}"] == pytest.approx(float(score(np.sum(parts, axis=0))))
        assert found[f"image_component_{name}"] == pytest.approx(np.mean([score(x) for x in parts]))


@pytest.mark.parametrize("spacing", [(0.05, 0.01, 0.02), (0.3, 0.3, 0.3), (9.0, 0.05, 0.01, 0.02)])
def test_distances_of_volumes_follow_the_voxels(spacing: tuple[float, ...]) -> None:
    rng = np.random.default_rng(5)
    truth = (gaussian_filter(rng.normal(size=(8, 24, 20)), (0.7, 3, 2)) > 0.05).astype(np.int64)
    said = (gaussian_filter(rng.normal(size=truth.shape), (0.7, 3, 2)) > 0.05).astype(np.int64)
    edges = np.array(spacing[-3:])

    def to(places: np.ndarray, others: np.ndarray) -> np.ndarray:
        return KDTree(np.argwhere(others) * edges).query(np.argwhere(places) * edges)[0]

    def outline(mask: np.ndarray) -> np.ndarray:
        on = np.concatenate([mask[:1], mask, mask[-1:]])  # a volume goes on beyond its first and last slice
        return (on & ~np.asarray(binary_erosion(on), bool))[1:-1]

    outlines = [outline(m) for m in (truth == 1, said == 1)]
    ways = [to(*outlines), to(*outlines[::-1])]
    found = scores(row(truth, said, spacing=spacing, tolerance=3.0))
    assert found["hd95_um"] == pytest.approx(max(np.percentile(way, 95) for way in ways))
    assert found["hd95"] == pytest.approx(found["hd95_um"] / edges.min())
    assert found["nsd"] == pytest.approx((np.concatenate(ways) <= 3 * edges.min() + 1e-9).mean())
    plain = scores(row(truth, said, tolerance=3.0))
    assert "hd95_um" not in plain
    same = found["hd95"] == pytest.approx(plain["hd95"]) and found["boundary_f"] == plain["boundary_f"]
    assert same == (len(set(spacing)) == 1), "voxels alike along all axes are counted as before"


def test_micrometres_are_said_where_every_image_has_a_pixel_size() -> None:
    truth, said = masks(0)
    known, unknown = row(truth, said, spacing=(0.5, 0.5)), row(truth, said)
    assert scores(known)["hd95_um/cell"] == pytest.approx(scores(known)["hd95/cell"] / 2)
    assert "hd95_um" not in scores(known, unknown)
    assert "hd95_um" not in scores(unknown, known)
    few = np.where(np.arange(truth.size).reshape(truth.shape) < 9, truth, IGNORE)
    assert np.isnan(scores(row(few, said, spacing=(0.5, 0.5)))["hd95_um"])


def test_the_adapted_rand_error_stands_beside_v_rand() -> None:
    task = segment(also=["cells"])
    truth, said = masks(0)
    found = task.row(said[None].astype(np.float32), truth)
    table = task.table([found])
    value = {k: float(v[0]) for k, v in task.summarise(table, np.ones((1, 1))).items()}
    assert value["are"] == pytest.approx(clustering.adapted_rand_error(truth == 0, said == 0, thin=True))
    assert value["are"] + value["v_rand"] == pytest.approx(1)


def test_targets_that_count_objects_have_scores_of_parts() -> None:
    truth, said = masks(1)
    p = said[None].astype(np.float32)
    assert "components" in segment(objects=True).row(p, truth)
    assert "components" not in segment().row(p, truth)
    assert "lines" not in segment().row(p, truth)


def test_empty_masks_follow_the_rule() -> None:
    empty, full = np.zeros((9, 9), np.int64), np.pad(np.ones((5, 5), np.int64), 2)
    none = scores(row(empty, empty))
    assert all(np.isnan(none[f"{name}/cell"]) for name in ("dice", "iou", "boundary_f", "nsd", "hd95", "image_dice"))
    assert np.isnan([none["cldice"], none["component_ap50"], none["component_aji"]]).all()
    one = scores(row(full, empty))
    names = ("dice", "iou", "boundary_f", "nsd", "cldice", "component_ap50", "component_pq", "component_aji")
    assert [one[name] for name in names] == [0] * len(names)
    assert np.isnan(one["hd95"])
    assert one["one_empty"] == 1
    both = scores(row(full, full), row(empty, empty), row(full, empty))
    assert both["image_dice"] == pytest.approx(0.5), "the empty image is left out"
    assert both["hd95"] == 0
    assert both["one_empty/cell"] == pytest.approx(1 / 3)


def test_what_is_ignored_decides_nothing() -> None:
    truth, said = masks(2)
    truth[:, 30:] = IGNORE
    other = said.copy()
    other[:, 30:] = 1 - other[:, 30:]
    assert plain(row(truth, said)) == plain(row(truth, other))


def test_strokes_score_their_pixels_and_no_shapes() -> None:
    rng = np.random.default_rng(3)
    dense, said = masks(3)
    sparse = np.where(rng.random(dense.shape) < 0.02, dense, IGNORE)
    found, kept = scores(row(sparse, said)), sparse != IGNORE
    hits = ((dense == 1) & (said == 1) & kept).sum()
    assert 0 < kept.mean() < 0.04
    assert found["dice"] == pytest.approx(2 * hits / (dense[kept].sum() + said[kept].sum()))
    assert found["accuracy"] == pytest.approx((dense == said)[kept].mean())
    assert np.isnan([found[n] for n in ("boundary_f", "nsd", "hd95", "cldice", "component_pq")]).all()
    p = said[None].astype(np.float32)
    assert not any(segment(also=["cells"]).row(p, sparse)["cells"])
    matrix = np.sum(segment().quick_row(p, sparse)["confusion"])
    assert matrix == kept.sum()


def test_rows_stay_small_and_quick() -> None:
    truth, said = masks(4, size=512)
    task = segment(objects=True, min_size=20, fill_holes=20)
    p = said[None].astype(np.float32)
    task.row(p[:, :16, :16], truth[:16, :16])
    before = time.process_time()
    found = task.row(p, truth)
    assert time.process_time() - before < 1.0, "about 0.2 s where nothing else runs"
    assert len(json.dumps(plain(found))) < 4000

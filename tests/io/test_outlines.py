"""Outlines fill to the labels they are of, and other programs' libraries read them back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.path import Path as Curve

from lamelle.io.outlines import Outline, outlines, write_geojson, write_rois

roifile = pytest.importorskip("roifile")


def filled(polygons: list[list[np.ndarray]], shape: tuple[int, ...]) -> np.ndarray:
    """The pixels whose centres lie in the outer rings and in none of their holes."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    centres = np.c_[x.ravel() + 0.5, y.ravel() + 0.5]
    mask = np.zeros(shape, bool)
    for outer, *holes in polygons:
        inside = Curve(outer).contains_points(centres).reshape(shape)
        for hole in holes:
            inside &= ~Curve(hole).contains_points(centres).reshape(shape)
        mask |= inside
    return mask


def area(ring: np.ndarray) -> float:
    x, y = ring.T
    return 0.5 * float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def blobs() -> np.ndarray:
    """Three labels: one with a hole, one in two parts, one that touches the border."""
    labels = np.zeros((20, 30), np.uint16)
    labels[2:10, 2:10], labels[4:6, 5:8] = 7, 0
    labels[12:15, 4:9], labels[15:18, 9:12] = 300, 300
    labels[:5, 25:] = 2
    return labels


def rings_of(found: Outline) -> list[list[np.ndarray]]:
    return [list(part) for part in found.polygons]


@pytest.mark.parametrize("seed", range(30))
def test_an_outline_fills_to_its_label_and_has_its_area(seed: int):
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, 3, rng.integers(1, 10, 2))
    found = list(outlines(labels))
    assert sorted(one.label for one in found) == sorted(set(labels[labels > 0].tolist()))
    for one in found:
        assert np.array_equal(filled(rings_of(one), labels.shape), labels == one.label)
        assert sum(area(ring) for part in one.polygons for ring in part) == (labels == one.label).sum()
        assert all(area(outer) > 0 > max((area(h) for h in holes), default=-1) for outer, *holes in one.polygons)


@pytest.mark.parametrize("seed", range(20))
def test_holes_that_meet_at_corners_are_rings_of_their_own(seed: int):
    """Dense masks: on both diagonals, and where the first corner of a ring is one that two rings share."""
    mask = (np.random.default_rng(seed).random((12, 15)) < 0.75).astype(int)
    mask[4:8, 4:8] = [[1, 1, 1, 1], [1, 1, 0, 1], [1, 0, 1, 1], [1, 1, 1, 1]]
    for labels in (mask, mask[:, ::-1]):
        [one] = outlines(labels)
        assert np.array_equal(filled(rings_of(one), labels.shape), labels > 0)
        assert sum(area(ring) for part in one.polygons for ring in part) == labels.sum()


def test_corners_on_a_line_are_left_out():
    [one] = outlines(np.ones((3, 5), int))
    assert sorted(map(tuple, one.polygons[0][0].tolist())) == [(0, 0), (0, 3), (5, 0), (5, 3)]


def test_geojson_has_a_feature_for_each_with_its_class(tmp_path: Path):
    labels = blobs()
    write_geojson(tmp_path / "a.geojson", outlines(labels), class_of=lambda n: f"kind {n}", objects=False)
    read = json.loads((tmp_path / "a.geojson").read_text(encoding="utf-8"))
    assert read["type"] == "FeatureCollection"
    kinds = {}
    for feature in read["features"]:
        geometry, properties = feature["geometry"], feature["properties"]
        parts = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
        assert all(ring[0] == ring[-1] for part in parts for ring in part)
        kinds[properties["classification"]["name"]] = filled([list(map(np.array, p)) for p in parts], labels.shape)
        assert properties["objectType"] == "annotation"
    assert set(kinds) == {"kind 2", "kind 7", "kind 300"}
    assert all(np.array_equal(mask, labels == int(name.split()[1])) for name, mask in kinds.items())
    assert len({feature["id"] for feature in read["features"]}) == 3


def test_objects_are_detections_with_numbers_and_slices_have_their_plane(tmp_path: Path):
    volume = np.stack([blobs(), np.zeros_like(blobs()), blobs()])
    write_geojson(tmp_path / "a.geojson", outlines(volume), class_of=lambda n: "nucleus", objects=True)
    features = json.loads((tmp_path / "a.geojson").read_text())["features"]
    assert sorted((f["geometry"]["plane"]["z"], f["properties"]["name"]) for f in features) == sorted(
        (z, str(n)) for z in (0, 2) for n in (2, 7, 300)
    )
    assert {f["properties"]["objectType"] for f in features} == {"detection"}


def test_rois_are_read_back_as_the_labels(tmp_path: Path):
    labels = blobs()
    write_rois(tmp_path / "a.zip", outlines(labels), class_of=lambda n: "nucleus", objects=True)
    read = roifile.roiread(tmp_path / "a.zip")
    assert sorted(roi.name for roi in read) == ["nucleus-2", "nucleus-300", "nucleus-7"]
    for roi in read:
        mask, number = np.zeros(labels.shape, bool), int(roi.name.split("-")[1])
        for path in roi.coordinates(multi=True) if roi.composite else [roi.coordinates()]:
            mask ^= filled([[path]], labels.shape)  # a path in another is its hole: the rule of even and odd
        assert np.array_equal(mask, labels == number)
        assert (roi.left, roi.top) == tuple(np.argwhere(labels == number).min(0)[::-1])


def test_rois_of_a_volume_have_their_slice(tmp_path: Path):
    volume = np.stack([np.zeros_like(blobs()), blobs()])
    write_rois(tmp_path / "a.zip", outlines(volume), class_of=lambda n: "membrane", objects=False)
    read = roifile.roiread(tmp_path / "a.zip")
    assert {roi.position for roi in read} == {2}
    assert [roi.name for roi in read] == ["membrane-z2", "membrane-z2-2", "membrane-z2-3"]

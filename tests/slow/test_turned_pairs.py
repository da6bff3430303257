"""One model, one set of volumes stored in 48 ways: the same scores, and labels on the image in nibabel."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest

import lamelle

nibabel = pytest.importorskip("nibabel")
pytestmark = pytest.mark.slow

AFFINE = np.array([[-0.9, 0, 0, 100], [0, -0.9, 0, 80], [0, 0, 2.5, -40], [0, 0, 0, 1]])
SIGNS = list(product((1, -1), repeat=3))
WAYS = [np.array(list(zip(axes, signs, strict=True))) for axes in permutations(range(3)) for signs in SIGNS]
FAST = ("epochs=3", "batch=4", "precision=32", "threads=1", "workers=0", "resamples=100", "flips=false", "elastic=0")


def pair(seed: int) -> tuple[nibabel.Nifti1Image, nibabel.Nifti1Image]:
    """A ball away from the middle, and its label."""
    rng = np.random.default_rng(seed)
    x, y, z = np.mgrid[:32, :28, :8]
    ball = (x - rng.integers(8, 12)) ** 2 + (y - rng.integers(9, 20)) ** 2 + 4 * (z - 3) ** 2 <= 40
    image = (rng.normal(100, 8, ball.shape) + 90 * ball).astype(np.int16)
    return nibabel.Nifti1Image(image, AFFINE), nibabel.Nifti1Image(ball.astype(np.uint8), AFFINE)


def save(image: nibabel.Nifti1Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)


@pytest.mark.parametrize("dims", [2, 3])
def test_48_ways_of_storing_give_one_dice(tmp_path: Path, dims: int) -> None:
    for i in range(6):
        for name, one in zip(("images", "labels"), pair(i), strict=True):
            save(one, tmp_path / "data" / name / f"p{i}.nii.gz")
    size = "patch=16" if dims == 2 else "patch=[8,16,16]"
    settings = (f"data.dims={dims}", "filters=[4,8]", size, "samples=24", "lr=0.01", *FAST)
    run = lamelle.train(tmp_path / "data", overrides=settings, runs=tmp_path / "runs")
    image, label = pair(50)
    scores = set()
    for i, way in enumerate(WAYS):
        folder = tmp_path / f"w{i}"
        save(image.as_reoriented(WAYS[(11 * i + 5) % 48]), folder / "images" / "q.nii.gz")
        save(label.as_reoriented(way), folder / "labels" / "q.nii.gz")
        scores.add(lamelle.evaluate(run.path, folder).scores["dice"].value)
        run.predict(folder / "images", out=folder / "out")
        written = nibabel.load(folder / "out" / "labels" / "q.nii.gz")
        given = nibabel.load(folder / "images" / "q.nii.gz")
        assert written.shape == given.shape
        assert np.array_equal(written.affine, given.affine)
        found = np.asarray(nibabel.as_closest_canonical(written).dataobj)
        if i == 0:
            first = found
        assert np.array_equal(found, first)
    assert len(scores) == 1
    assert scores.pop() > 0.5

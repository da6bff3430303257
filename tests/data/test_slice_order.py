"""Images that follow each other are noticed, and kept together when it is asked for."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from lamelle import verbs
from lamelle.data.audit.inspect import inspect
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.slice_order import in_order, sequence_problems
from lamelle.data.store import Store
from lamelle.errors import sentence
from lamelle.io.images import planes
from lamelle.runs import layers
from lamelle.runs import plan as plans
from lamelle.types import Record, Source


def saved(root: Path, stack: np.ndarray, names: str = "slice{}.png") -> Path:
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
    for z, plane in enumerate(stack):
        scaled = (plane - stack.min()) / (stack.max() - stack.min())
        Image.fromarray((scaled * 255).astype(np.uint8)).save(root / "images" / names.format(z))
        Image.fromarray(np.where(plane > plane.mean(), np.uint8(255), np.uint8(0))).save(
            root / "masks" / names.format(z)
        )
    return root


def block(sigma_z: float, depth: int = 24) -> np.ndarray:
    """Slices of a volume, which resemble their neighbours if it is smooth along Z."""
    return gaussian_filter(np.random.default_rng(0).standard_normal((depth, 64, 64)), (sigma_z, 4, 4))


def warned(root: Path, tmp_path: Path) -> list[str]:
    index = read_folder(root, options=LayoutOptions())
    audit = inspect(index, Store(tmp_path / "store", budget=1 << 26), declared=None, ignore=(), workers=1)
    return [f"{p.where}: {sentence(p)}" for p in audit.problems if p.code == "audit.sequence"]


def test_slices_saved_one_by_one_are_noticed(tmp_path: Path) -> None:
    (said,) = warned(saved(tmp_path / "data", block(2.0)), tmp_path)
    assert said.startswith("images: ")
    assert "split.by=block" in said
    assert warned(saved(tmp_path / "apart", block(0.0)), tmp_path) == []
    shuffled = block(2.0)[np.random.default_rng(1).permutation(24)]
    assert warned(saved(tmp_path / "shuffled", shuffled), tmp_path) == [], "names that say no order hide it"
    assert warned(saved(tmp_path / "few", block(2.0, depth=8)), tmp_path) == []


def test_what_is_known_to_belong_together_is_not_warned_of() -> None:
    small = block(2.0).reshape(24, 64, 64)
    small = (small - small.mean((1, 2), keepdims=True)) / small.std((1, 2), keepdims=True)
    names = [f"images/{z:02d}.png" for z in range(24)]
    free = [Record(n, Source(Path(n))) for n in names]
    assert len(sequence_problems(free, small)) == 1
    assert sequence_problems([Record(r.id, r.image, group="p") for r in free], small) == []
    assert sequence_problems([Record(r.id, r.image, position=1) for r in free], small) == []


def test_a_split_by_block_takes_the_order_of_the_names(tmp_path: Path) -> None:
    data = saved(tmp_path / "data", block(2.0))
    asked = layers.parse_overrides(["split.blocks={train: 0-13, validation: 15-17, test: 19-23}"])
    plan = plans.make_plan(data, asked, verbs.open_store(), accelerator=False)
    placed = {int(Path(r.id).stem.removeprefix("slice")): r.split for r in plan.records}
    assert [placed[z] for z in (0, 2, 10, 13, 14, 15, 17, 18, 19, 23)] == [
        *(["train"] * 4), "gap", "validation", "validation", "gap", "test", "test"
    ]  # fmt: skip
    alone = plans.make_plan(data, layers.parse_overrides(["split.by=block"]), verbs.open_store(), accelerator=False)
    order = [r.split for r in sorted(alone.records, key=lambda r: r.position or 0)]
    assert sum(a != b for a, b in pairwise(order)) == 4, "three blocks and two gaps"


def test_places_that_are_known_stay() -> None:
    known = [Record("a", Source(Path("a")), position=5), Record("b", Source(Path("b")))]
    assert in_order(known) == tuple(known)


@pytest.mark.real
@pytest.mark.parametrize("name", ["isbi2012/train-volume.tif", "vnc-sstem"])
def test_real_stacks_are_noticed(name: str, real_data: Path, tmp_path: Path) -> None:
    path = real_data / name
    path = path if path.is_file() else next(p for p in sorted(path.rglob("*.tif")) if "label" not in p.name)
    (said,) = warned(saved(tmp_path / "data", np.stack([plane[0] for plane in planes(path)]).astype(float)), tmp_path)
    assert "images: " in said


@pytest.mark.real
@pytest.mark.parametrize("name", ["lungs", "dsb2018/stage1_train", "histology"])
def test_real_collections_are_not(name: str, real_data: Path, tmp_path: Path) -> None:
    index = read_folder(real_data / name, options=LayoutOptions())
    audit = inspect(index, Store(tmp_path / "store", budget=1 << 30), declared=None, ignore=(), workers=1)
    assert [p for p in audit.problems if p.code == "audit.sequence"] == []

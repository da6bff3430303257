"""Data that changed after they were split: what is noticed, and what is no change."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from lamelle.data.audit.inspect import inspect
from lamelle.data.changed_files import Changes, changes, contents
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.store import Store
from lamelle.errors import RequestError
from lamelle.results.audit import Audit
from lamelle.types import Index


def pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (40, 48), dtype=np.uint8)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    for i in range(4):
        for kind, array in (("images", pixels(i)), ("masks", (pixels(i) > 100).astype(np.uint8))):
            (tmp_path / "d" / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(tmp_path / "d" / kind / f"{i}.png")
    return tmp_path / "d"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "t").mkdir()
    for i in range(4):
        Image.fromarray(pixels(i)).save(tmp_path / "t" / f"{i}.png")
    (tmp_path / "t" / "labels.csv").write_text("image,label\n0.png,a\n1.png,b\n2.png,a\n3.png,b\n")
    return tmp_path / "t"


class Kept:
    """A folder as it was when it was split, and what has changed in it since."""

    def __init__(self, folder: Path, home: Path, parts: Mapping[str, str] | None = None) -> None:
        self.folder, self.home = folder, home
        index, self.audit = self._read()
        self.records = tuple(replace(r, split=(parts or {}).get(r.id, "train")) for r in index.records)
        self.before, self.ids = contents(self.records, self._store()), {r.id for r in self.records}

    def _store(self) -> Store:
        return Store(self.home / "store", budget=1 << 30)

    def _read(self) -> tuple[Index, Audit]:
        index = read_folder(self.folder, options=LayoutOptions())
        return index, inspect(index, self._store(), declared=None, ignore=(), workers=1)

    def now(self) -> Changes:
        index = read_folder(self.folder, options=LayoutOptions())
        return changes(self.before, self.records, index.records, self.audit.rows, self._store())


def test_what_is_as_it_was_is_no_change(pairs: Path, table: Path, tmp_path: Path) -> None:
    for name, folder in (("a", pairs), ("b", table)):
        (tmp_path / name).mkdir()
        kept = Kept(folder, tmp_path / name)
        for path in folder.rglob("*.png"):
            os.utime(path, ns=(1, 1))
        assert kept.now() == Changes()
        assert kept.now().problems() == ()


def test_other_pixels_are_a_change_and_another_compression_is_none(pairs: Path, tmp_path: Path) -> None:
    kept = Kept(pairs, tmp_path)
    for kind in ("images", "masks"):
        path = pairs / kind / "0.png"
        before = path.read_bytes()
        Image.open(path).save(path, compress_level=1, pnginfo=None)
        assert path.read_bytes() != before
    assert kept.now() == Changes()
    Image.fromarray(255 - pixels(1)).save(pairs / "images" / "1.png")
    Image.fromarray(np.roll(pixels(2) > 100, 3, 1).astype(np.uint8)).save(pairs / "masks" / "2.png")
    found = kept.now()
    assert (found.images, found.labels) == (("images/1.png",), ("images/2.png",))
    assert found.altered == ("images/1.png", "images/2.png")
    assert [p.values["names"] for p in found.problems()] == ["images/1.png", "images/2.png"]


def test_one_pixel_and_a_lost_mask_are_seen(pairs: Path, tmp_path: Path) -> None:
    kept = Kept(pairs, tmp_path)
    array = pixels(3)
    array[0, 0] += 1
    Image.fromarray(array).save(pairs / "images" / "3.png")
    assert kept.now() == Changes(images=("images/3.png",))
    (pairs / "masks" / "0.png").unlink()
    assert kept.now() == Changes(images=("images/3.png",), gone=("images/0.png",))


def test_of_a_stack_only_the_slices_that_differ_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    stack = np.stack([pixels(i) for i in range(5)])
    tifffile.imwrite(folder / "train-volume.tif", stack, photometric="minisblack")
    tifffile.imwrite(folder / "train-labels.tif", (stack > 100).astype(np.uint8), photometric="minisblack")
    kept = Kept(folder, tmp_path)
    stack[2] = 255 - stack[2]
    tifffile.imwrite(folder / "train-volume.tif", stack, photometric="minisblack", compression="zlib")
    assert kept.now().images == (sorted(kept.ids)[2],)
    assert kept.now().labels == ()


def test_another_class_in_a_table_is_a_changed_label_and_a_row_more_is_added(table: Path, tmp_path: Path) -> None:
    kept = Kept(table, tmp_path)
    Image.fromarray(pixels(9)).save(table / "9.png")
    (table / "labels.csv").write_text("image,label\n0.png,b\n1.png,b\n2.png,a\n3.png,b\n9.png,a\n")
    found = kept.now()
    assert (found.images, found.labels, found.added) == ((), ("0.png",), ("9.png",))
    with pytest.raises(RequestError, match=r"1 image\(s\) or label\(s\) of the test set are no longer"):
        found.refuse("split.changed_test", among=["0.png", "1.png"], run=Path("runs/a"), data="d")
    found.refuse("split.changed_test", among=["1.png"], run=Path("runs/a"), data="d")


def test_a_group_that_came_to_lie_in_several_splits_is_said(table: Path, tmp_path: Path) -> None:
    rows = ["0.png,a,p0", "1.png,b,p1", "2.png,a,p2", "3.png,b,p3"]
    path = table / "labels.csv"
    path.write_text("\n".join(["image,label,patient", *rows]))
    parts = dict(zip(("0.png", "1.png", "2.png", "3.png"), ("train", "train", "validation", "test"), strict=True))
    kept = Kept(table, tmp_path, parts)
    path.write_text("\n".join(["image,label,patient", *rows]).replace("p1", "p9"))
    assert kept.now() == Changes(), "another name for the same"
    path.write_text("\n".join(["image,label,patient", *rows]).replace("p3", "p0"))
    assert kept.now() == Changes(groups=("0.png", "3.png"))
    assert [p.code for p in kept.now().problems()] == ["split.changed_groups"]

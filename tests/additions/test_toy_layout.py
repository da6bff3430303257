"""A layout of folders is added by one file with one row: images whose class is the colour in a file ``key.toy``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lamelle.data.layouts.common import Layout, LayoutMatch, LayoutOptions, lacks
from lamelle.data.layouts.detect import LAYOUTS, read_folder
from lamelle.data.layouts.listing import Listing
from lamelle.data.targets.views import LabelView
from lamelle.errors import RequestError
from lamelle.tasks.table import task_of
from lamelle.types import ClassNames, Index, Record, Source

# ---- the file: data/layouts/toy.py


def match(listing: Listing, options: LayoutOptions) -> LayoutMatch:
    """A file ``key.toy``."""
    return LayoutMatch(1.0) if any(e.rel == "key.toy" for e in listing.entries) else lacks(0.05, "npz")


def read(listing: Listing, options: LayoutOptions) -> Index:
    """Each image with the word behind its name in the file."""
    words = dict(line.split() for line in (listing.root / "key.toy").read_text().splitlines())
    records = [Record(e.id, Source(listing.path(e)), ClassNames((words[e.name],))) for e in listing.images]
    return Index(listing.root, "toy", tuple(records))


LAYOUT = Layout(
    name="toy", yields=(ClassNames,), match=match, read=read, wants="images beside key.toy, NAME CLASS a line"
)

# ---- what follows from it


@pytest.fixture(autouse=True)
def added() -> Iterator[None]:
    with LAYOUTS.added(LAYOUT):
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for n in range(6):
        Image.fromarray(np.full((8, 8), 30 * n, np.uint8)).save(tmp_path / f"{n}.png")
    (tmp_path / "key.toy").write_text("".join(f"{n}.png {('red', 'blue')[n % 2]}\n" for n in range(6)))
    return tmp_path


def test_it_is_recognised_and_its_task_follows(folder: Path) -> None:
    index = read_folder(folder, options=LayoutOptions())
    assert (index.layout, index.classes, len(index.records)) == ("toy", ("blue", "red"), 6)
    assert task_of(index) == "classify"


def test_it_has_a_name_for_the_recipe(folder: Path) -> None:
    assert read_folder(folder, options=LayoutOptions(layout="toy")).layout == "toy"
    with pytest.raises(RequestError, match=r"did you mean toy\?.*medmnist, yolo, coco, toy"):
        read_folder(folder, options=LayoutOptions(layout="toys"))


def test_an_unknown_folder_is_told_of_it(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(RequestError, match=r"toy: images beside key\.toy, NAME CLASS a line"):
        read_folder(tmp_path, options=LayoutOptions())


def test_it_is_listed() -> None:
    assert list(LAYOUTS)[-1] == "toy"
    assert LAYOUTS["toy"].help == LAYOUT.wants


def test_another_task_is_refused(folder: Path) -> None:
    with pytest.raises(
        RequestError, match=r"data\.layout=toy: this layout has names of classes, of which the task segment"
    ):
        read_folder(folder, options=LayoutOptions(layout="toy", task="segment", learnt=LabelView.sees))

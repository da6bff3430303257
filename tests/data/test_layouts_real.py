"""Every real folder is read as what it is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.layouts.listing import TABLE_SUFFIXES
from lamelle.data.layouts.unlabelled import read_unlabelled
from lamelle.tasks.table import task_of

FOLDERS = [
    ("isbi2012", "stack_pair", "segment", 30, 0),
    ("dsb2018/stage1_train", "folder_per_image", "segment", 160, 0),
    ("vnc-sstem", "stack_pair", "segment", 16, 0),
    ("vnc-patches", "table", "classify", 3000, 5),
    ("histology", "table", "classify", 3032, 2),
    ("cxr-4class", "class_folders", "classify", 890, 4),
    ("lungs", "image_mask_folders", "segment", 44, 0),
]


@pytest.mark.real
@pytest.mark.parametrize(("folder", "layout", "task", "count", "classes"), FOLDERS, ids=[f[0] for f in FOLDERS])
def test_real_folders(real_data: Path, folder: str, layout: str, task: str, count: int, classes: int) -> None:
    index = read_folder(real_data / folder, options=LayoutOptions())
    assert (index.layout, task_of(index), len(index.records), len(index.classes)) == (layout, task, count, classes)
    assert [p for p in index.problems if p.severity != "note"] == []
    assert len({r.id for r in index.records}) == count
    assert all(r.image.path.is_file() and r.target for r in index.records)
    assert not any(r.image.path.suffix in TABLE_SUFFIXES for r in index.records)


@pytest.mark.real
def test_real_groups_positions_and_objects(real_data: Path) -> None:
    histology = read_folder(real_data / "histology", options=LayoutOptions())
    assert len({r.group for r in histology.records}) == 108
    patches = read_folder(real_data / "vnc-patches", options=LayoutOptions())
    assert {r.position for r in patches.records} <= set(range(16))
    assert set(patches.records[0].columns) == {"slice", "y", "x", "volume"}
    assert {r.image.path.parent.name for r in patches.records} == {"train"}
    nuclei = read_folder(real_data / "dsb2018" / "stage1_train", options=LayoutOptions())
    assert nuclei.numbers_objects
    assert sum(len(r.labels.sources) for r in nuclei.records if r.labels) > 5000
    lungs = read_folder(real_data / "lungs", options=LayoutOptions())
    assert all(r.group and r.columns["licence"] for r in lungs.records)
    chests = read_folder(real_data / "cxr-4class", options=LayoutOptions())
    assert Counter(r.stratum for r in chests.records) == {"COVID": 225, "Normal": 375, "TB": 200, "Viral Pneumonia": 90}
    slices = read_folder(real_data / "isbi2012", options=LayoutOptions()).records
    assert [(r.id, r.position) for r in slices[:1]] == [("train-volume.tif#00", 0)]


@pytest.mark.real
def test_real_input_for_prediction(real_data: Path) -> None:
    assert len(read_unlabelled([real_data / "isbi2012" / "test-volume.tif"], dims=2).records) == 30
    assert len(read_unlabelled([real_data / "isbi2012" / "test-volume.tif"], dims=3).records) == 1
    assert len(read_unlabelled([real_data / "vnc-patches" / "test"], dims=2).records) == 1000
    assert len(read_unlabelled([real_data / "lungs"], dims=2).records) == 44

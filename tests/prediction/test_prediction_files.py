"""Prediction files: as large as the input, with its pixel size, and never outside the folder they belong to."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import openpyxl
import pytest
import roifile
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from lamelle.data.store import Store
from lamelle.io.images import read, read_labels
from lamelle.prediction.files import PredictionFolder
from lamelle.prediction.output import Wanted
from lamelle.prediction.tables import items_csv, unquoted
from lamelle.prediction.writers import WRITERS
from lamelle.tasks.watershed import rows_of
from lamelle.types import Boxes, ClassScores, Grid, LabelMap, ObjectMap, Prediction, Record, Source, Spacing

IMAGE = np.zeros((1, 6, 8), np.uint8)


def grid(path: str | Path, spacing: Spacing | None = None) -> Grid:
    """A file that is not looked at: of a TIFF, its way of stating sizes would be."""
    return Grid(Path(path), "png" if Path(path).suffix != ".tif" else "npy", spacing)


def folder(out: Path, planes: dict[Source, Sequence[int]] | None = None, **options: bool) -> PredictionFolder:
    return PredictionFolder(out, ("background", "cell", "wall"), planes=planes or {}, wanted=Wanted(**options))


def answer(value: int = 1, shape: tuple[int, ...] = (6, 8)) -> LabelMap:
    return LabelMap(np.full(shape, value, np.int64), np.full((1, *shape), value / 2, np.float32))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_a_png_gives_a_png_and_a_tiff_a_tiff_with_its_pixel_size(tmp_path: Path) -> None:
    found = folder(tmp_path, probabilities=True, overlays=True)
    found.add(Record("a.png", Source(Path("a.png"))), IMAGE, answer(), grid("a.png"))
    found.add(Record("sub/b.tif", Source(Path("sub/b.tif"))), IMAGE, answer(0), grid("b.tif", (0.5, 0.25)))
    table = rows(found.close())
    assert [r["file"] for r in table] == ["labels/a.png", "labels/sub/b.tif"]
    assert [r["share:cell"] for r in table] == ["1.000000", "0.000000"]
    assert read(tmp_path / "labels/sub/b.tif").spacing == pytest.approx((0.5, 0.25))
    assert read(tmp_path / "probabilities/sub/b.tif").array.dtype == np.float32
    assert read_labels(tmp_path / "labels/a.png").array.tolist() == answer().labels.tolist()
    assert (tmp_path / "overlays/sub/b.png").is_file()


def test_boxes_are_numbers_before_the_image_too(tmp_path: Path) -> None:
    corners = np.array([[[-0.5, -1.25], [3, 4]], [[1, 2], [5, 8]]], np.float32)
    found = folder(tmp_path)
    found.add(Record("a.png", Source(Path("a.png"))), IMAGE, Boxes(corners, np.array([1, 2]), (6, 8)), grid("a.png"))
    found.close()
    first, second = rows(tmp_path / "boxes.csv")
    assert (first["start_y"], first["start_x"], first["score"]) == ("-0.5", "-1.25", "")
    assert [float(second[k]) for k in ("start_y", "start_x", "stop_y", "stop_x")] == [1, 2, 5, 8]


def test_a_table_of_boxes_says_its_columns_where_no_box_was_found(tmp_path: Path) -> None:
    found = folder(tmp_path)
    none = Boxes(np.zeros((0, 2, 2), np.float32), np.zeros(0, np.int64), (6, 8))
    found.add(Record("a.png", Source(Path("a.png"))), IMAGE, none, grid("a.png"))
    (row,) = rows(found.close())
    assert row == {"image": "a.png", "predicted_boxes": "0"}
    header = (tmp_path / "boxes.csv").read_text(encoding="utf-8")
    assert header == "image,class,score,start_y,start_x,stop_y,stop_x\n"


def test_every_type_of_prediction_has_a_writer() -> None:
    assert set(WRITERS) == set(get_args(Prediction))


def test_planes_of_a_stack_become_one_stack_again(tmp_path: Path) -> None:
    path = Path("x/stack.ome.tif")
    found = folder(tmp_path, {Source(path): range(3)}, probabilities=True)
    spacing = (0.05, 0.004, 0.004)
    for z in (2, 0, 1):  # in any order
        found.add(Record(f"x/stack.ome.tif#{z}", Source(path, None, z)), IMAGE, answer(z), grid(path, spacing))
    table = rows(found.close())
    file = tmp_path / table[0]["file"]
    assert len({r["file"] for r in table}) == 1
    image = read(file)
    assert image.array[0, :, 0, 0].tolist() == [0, 1, 2]
    assert image.spacing == pytest.approx(spacing)
    with tifffile.TiffFile(file) as tif:
        assert (tif.is_ome, tif.is_imagej, tif.series[0].axes, tif.series[0].shape) == (True, False, "ZYX", (3, 6, 8))
        assert 'PhysicalSizeZ="0.05"' in (tif.ome_metadata or "")
    assert read(next((tmp_path / "probabilities").rglob("*.tif"))).array.shape == (1, 3, 6, 8)


def test_stacks_of_one_name_in_two_folders_do_not_overwrite_each_other(tmp_path: Path) -> None:
    paths = [Path("one/s.tif"), Path("two/s.tif")]
    found = folder(tmp_path, dict.fromkeys(map(Source, paths), range(2)))
    for value, path in enumerate(paths):
        for z in range(2):
            found.add(Record(f"{path}#{z}", Source(path, None, z)), IMAGE, answer(value), grid(path))
    files = [r["file"] for r in rows(found.close())]
    assert len(set(files)) == 2
    assert [read_labels(tmp_path / f).array.max() for f in dict.fromkeys(files)] == [0, 1]


def test_images_that_differ_in_suffix_or_in_a_hash_get_files_of_their_own(tmp_path: Path) -> None:
    found = folder(tmp_path, overlays=True)
    names = ["a.png", "a.jpg", "a#1.png", "a#2.png", "b.tif", "b.png"]
    for name in names:
        found.add(Record(name, Source(Path(name))), IMAGE, answer(), grid(name))
    files = [r["file"] for r in rows(found.close())]
    assert len(set(files)) == len(names)
    assert all((tmp_path / f).is_file() for f in files)
    assert len(list((tmp_path / "overlays").iterdir())) == len(names)


parts = st.lists(st.sampled_from(["..", ".", "a", "b.png", "#", "c#3", "ü x", "=d", "~"]), min_size=1, max_size=5)


@given(names=parts, absolute=st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_name_leads_out_of_the_folder(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], absolute: bool
) -> None:
    base = tmp_path_factory.mktemp("out")
    inside = base / "inside"
    found = folder(inside)
    name = ("/" if absolute else "") + "/".join(names)
    found.add(Record(name, Source(Path("x.png"))), IMAGE, answer(), grid("x.png"))
    file = inside / rows(found.close())[0]["file"]
    assert file.is_file()
    assert file.resolve().is_relative_to(inside.resolve())
    assert [p.name for p in base.iterdir()] == ["inside"], "nothing beside it"


@pytest.mark.parametrize("name", ["=1+1.png", "+a.png", "@SUM(A1).png", "-2+3.png", "\t=1.png", "\r=1.png"])
def test_a_spreadsheet_runs_no_name_as_a_formula(name: str) -> None:
    cell = items_csv([{"image": name, "n": -3}]).split("\n", 1)[1]
    assert cell.lstrip('"').startswith("'")
    assert "-3" in items_csv([{"image": "a", "n": -3}]), "numbers stay numbers"


def test_a_table_has_every_column_of_every_item() -> None:
    assert items_csv([{"a": 1}, {"a": 2, "b": 3}]).splitlines() == ["a,b", "1,", "2,3"]
    assert items_csv([]) == "image\n"


def test_classes_are_named_with_their_probabilities(tmp_path: Path) -> None:
    found = folder(tmp_path)
    p = np.array([0.2, 0.75, 0.05], np.float32)
    found.add(Record("a.png", Source(Path("a.png"))), IMAGE, ClassScores(p, (1,)), grid("a.png"))
    found.add(Record("b.png", Source(Path("b.png"))), IMAGE, ClassScores(p, (0, 1)), grid("b.png"))
    table = rows(found.close())
    assert [r["label"] for r in table] == ["cell", "background|cell"]
    assert table[0]["probability:cell"] == "0.750000"


def test_pictures_of_planes_are_named_so_that_they_sort(tmp_path: Path) -> None:
    path = Path("x/stack.tif")
    found = folder(tmp_path, {Source(path): range(12)}, overlays=True)
    for z in range(12):
        found.add(Record(f"x/stack.tif#{z:02d}", Source(path, None, z)), IMAGE, answer(), grid(path))
    found.close()
    names = sorted(p.name for p in (tmp_path / "overlays/x").iterdir())
    assert names == [f"stack_{z:02d}.png" for z in range(12)]


def test_outlines_and_a_workbook_are_written_where_they_are_wanted(tmp_path: Path) -> None:
    labels = np.zeros((6, 8), np.int64)
    labels[1:3, 2:5], labels[4, 4:] = 1, 2
    found = folder(tmp_path, geojson=True, rois=True, workbook=True)
    found.add(Record("sub/a.png", Source(Path("sub/a.png"))), IMAGE, LabelMap(labels, None), grid("a.png"))
    numbers = labels.astype(np.uint32)
    objects = ObjectMap(numbers, rows_of(numbers, np.ones(labels.shape)))
    found.add(Record("b.png", Source(Path("b.png"))), IMAGE, objects, grid("b.png"))
    found.close()
    features = json.loads((tmp_path / "geojson/sub/a.geojson").read_text())["features"]
    assert [f["properties"]["classification"]["name"] for f in features] == ["cell", "wall"]
    numbered = json.loads((tmp_path / "geojson/b.geojson").read_text())["features"]
    assert [f["properties"]["classification"]["name"] for f in numbered] == ["cell", "cell"]
    assert [f["properties"]["name"] for f in numbered] == ["1", "2"]
    assert sorted(roi.name for roi in roifile.roiread(tmp_path / "rois/b.zip")) == ["cell-1", "cell-2"]
    book = openpyxl.load_workbook(tmp_path / "predictions.xlsx")
    assert book.sheetnames == ["predictions", "objects"]
    sheet, written = [[c.value for c in row] for row in book["objects"].rows], rows(tmp_path / "objects.csv")
    assert sheet[0] == list(written[0])
    assert [row[0] for row in sheet[1:]] == ["b.png", "b.png"]
    assert [row[sheet[0].index("area")] for row in sheet[1:]] == [6, 4]


def test_outlines_of_a_stack_are_of_all_its_planes(tmp_path: Path) -> None:
    stack = Source(Path("s.tif"))
    found = folder(tmp_path, planes={stack: range(2)}, geojson=True)
    for index in range(2):
        record = Record(f"s.tif#{index}", replace(stack, index=index))
        found.add(record, IMAGE, answer(index), grid("s.tif"))
    found.close()
    [feature] = json.loads((tmp_path / "geojson/s.geojson").read_text())["features"]
    assert feature["geometry"]["plane"]["z"] == 1


def test_outlines_are_in_the_voxels_of_the_labels_that_are_written(tmp_path: Path) -> None:
    """NIfTI is written in the order in which it is stored; outlines, as objects and boxes, are of that file."""
    nibabel = pytest.importorskip("nibabel")
    array = np.zeros((9, 7, 5), np.int16)
    array[1:4, 2:5, 3], array[6, 1, 0] = 700, 700
    nibabel.save(nibabel.Nifti1Image(array, np.diag([-1.0, 2.0, 3.0, 1.0])), tmp_path / "a.nii.gz")
    store = Store(tmp_path / "store", budget=1 << 26)
    record = Record("a.nii.gz", Source(tmp_path / "a.nii.gz"))
    found = folder(tmp_path / "out", geojson=True)
    labels = (store.image(record.image)[0] > 0).astype(np.int64)
    found.add(record, store.image(record.image), LabelMap(labels, None), store.grid(record.image))
    found.close()
    stored = np.asarray(nibabel.load(tmp_path / "out/labels/a.nii.gz").dataobj).T
    assert not np.array_equal(stored, labels), "what is stored is turned"
    features = json.loads((tmp_path / "out/geojson/a.geojson").read_text())["features"]
    drawn = {f["geometry"]["plane"]["z"]: f["geometry"]["coordinates"] for f in features}
    assert set(drawn) == set(np.flatnonzero(stored.any((1, 2))).tolist())
    for z, rings in drawn.items():
        y, x = np.nonzero(stored[z])
        corners = np.array(rings[0])
        assert corners.min(0).tolist() == [x.min(), y.min()]
        assert corners.max(0).tolist() == [x.max() + 1, y.max() + 1]


@pytest.mark.parametrize("name", ["=a.png", "+a.png", "-a.png", "@a.png", "\ta.png", "'s.png", "a.png"])
def test_a_name_that_looks_like_a_formula_is_found_again(name: str) -> None:
    [row] = csv.DictReader(items_csv([{"image": name}]).splitlines())
    assert unquoted(row["image"]) == name

"""Each layout on a small folder of its kind, with its own errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from layout_reading import read_index
from PIL import Image as Pillow

from lamelle.data.layouts.unlabelled import read_unlabelled
from lamelle.data.targets.views import ClassView
from lamelle.errors import FileError, RequestError
from lamelle.tasks.table import task_of
from lamelle.types import Index, LabelImage, ObjectMasks, Record, Source

Put = Callable[..., Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Write images of zeros, planes by default, at paths below the folder."""

    def write(*names: str, shape: tuple[int, ...] = (6, 8)) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            array = np.zeros(shape, np.uint8)
            if name.endswith((".tif", ".tiff")):
                tifffile.imwrite(path, array, photometric="minisblack")
            elif name.endswith((".nii", ".nii.gz")):
                import nibabel

                nibabel.nifti1.Nifti1Image(array.T, np.eye(4)).to_filename(path)
            else:
                Pillow.fromarray(array).save(path)
        return tmp_path

    return write


def _said(index: Index, severity: str = "error") -> set[tuple[str, str]]:
    return {(p.code.removeprefix("layouts."), p.where) for p in index.problems if p.severity == severity}


def _by_id(index: Index) -> dict[str, Record]:
    assert len({r.id for r in index.records}) == len(index.records)
    return {r.id: r for r in index.records}


def _mask(record: Record) -> Source:
    assert record.labels
    (source,) = record.labels.sources
    assert isinstance(source, Source)
    return source


def _csv(folder: Path, text: str, name: str = "labels.csv") -> None:
    (folder / name).write_text(text, encoding="utf-8")


# class folders


@pytest.mark.parametrize("inner", ["", "images/"])
def test_class_folders(put: Put, inner: str) -> None:
    index = read_index(put(*(f"{c}/{inner}{i}.png" for c in ("tumour", "benign") for i in (2, 10))))
    assert (index.layout, task_of(index), index.classes) == ("class_folders", "classify", ("benign", "tumour"))
    assert [r.id for r in index.records] == [f"{c}/{inner}{i}.png" for c in ("benign", "tumour") for i in (2, 10)]
    assert next((r.names, r.stratum, r.split) for r in index.records) == (("benign",), "benign", None)
    assert index.problems == ()


def test_class_folders_below_splits(put: Put) -> None:
    put(*(f"{s}/{c}/{i}.png" for s in ("train", "valid", "test") for c in "ab" for i in (1, 2)))
    index = read_index(put("test/unknown.png"))
    assert {(r.id.partition("/")[0], r.split) for r in index.records} == {
        ("train", "train"), ("valid", "validation"), ("test", "test")
    }  # fmt: skip
    assert index.classes == ("a", "b")
    assert _said(index, "note") == {("not_used", "test")}


def test_train_alone_gives_no_split(put: Put) -> None:
    index = read_index(put(*(f"train/{c}/{i}.png" for c in "ab" for i in (1, 2))))
    assert {r.split for r in index.records} == {None}


def test_defects_of_class_folders(put: Put) -> None:
    put("a/1.png", "a/1.tif", "a/B.png", "a/b.png", "a/2.png", "b/1.png", "c/1.png", "c/2.png", "c/deep/3.png")
    root = put("top.png")
    (root / "empty").mkdir()
    index = read_index(root)
    assert _said(index) == {("twins", "a/1.png"), ("twins", "a/B.png"), ("empty_class", "empty"), ("lone_sample", "b")}
    assert _said(index, "warning") == {("too_deep", "c/deep"), ("not_used", ".")}


def test_a_single_class_is_an_error(put: Put) -> None:
    index = read_index(put("cells/1.png", "cells/2.png"))
    assert [(p.code, p.values["name"]) for p in index.problems] == [("layouts.one_class", "cells")]


@pytest.mark.parametrize("name", ["{}", "{}.png", "cells/{}.png"])
def test_a_table_that_names_the_images_of_one_folder_is_asked_about(put: Put, name: str) -> None:
    root = put(*(f"cells/{1000 + i}.png" for i in range(6)))
    rows = "".join(f"{name.format(1000 + i)},{'LR'[i % 2]},{i % 3},P{i // 2}\n" for i in range(6))
    _csv(root, f"uid,laterality,birads,anon_mrn\n{rows}")
    with pytest.raises(RequestError, match=r"labels\.csv lacks a column of classes .*data\.label=birads"):
        read_index(root)


# tables


def test_a_table_beside_images(put: Put) -> None:
    root = put("images/a.png", "images/b.png", "images/c.png", "images/d.png")
    _csv(root, "image,label,patient,split,slice,age\nimages/a.png,x,p1,train,3,40\nimages/b.png,y,p2,test,4,\n"
               "images/c.png,x,p1,val,5,9\nimages/d.png,y|x,NA,test,5,9\n")  # fmt: skip
    index = read_index(root)
    assert (index.layout, index.classes) == ("table", ("x", "y"))
    first = _by_id(index)["images/a.png"]
    assert (first.names, first.group, first.split, first.position) == (("x",), "p1", "train", 3)
    assert dict(first.columns) == {"patient": "p1", "split": "train", "slice": "3", "age": "40"}
    assert [r.split for r in index.records] == ["train", "test", "validation", "test"]
    assert index.records[3].names == ("y", "x")
    assert index.records[3].group == "images/d.png", "nobody knows whose it is: a group of its own"
    assert _said(index, "warning") == {("groups.blank", "")}
    assert _said(index, "note") == {("groups.taken_column", ""), ("split_taken", "labels.csv")}


@pytest.mark.parametrize("names", ["a.png b.png c.png d.png", "a b c d", "./a.png .\\b.png c.png d"])
@pytest.mark.parametrize("folder", ["", "images/", "train/"])
def test_where_a_table_looks_for_its_files(put: Put, names: str, folder: str) -> None:
    root = put(*(f"{folder}{n}.png" for n in "abcd"), "other/a.png", "other/b.png")
    _csv(root, "id,class\n" + "".join(f"{n},{i % 2}\n" for i, n in enumerate(names.split())), "train.csv")
    index = read_index(root)
    assert [r.id for r in index.records] == [f"{folder}{n}.png" for n in "abcd"]
    assert {s for s, w in _said(index, "note")} == {"not_used"}
    assert _said(index) == set()


def test_defects_of_a_table_are_all_named(put: Put) -> None:
    root = put("a.png", "b.png", "c.png", "d.png", "e.png", "e.tif", "left.png", "f.png")
    _csv(root, "image,label,split\na.png,x,\na.png,x,\nb.png,y,\nb.png,x,\nc.png,,\nd.png,NA,\ngone.png,x,\n"
               "lost.png,y,\ne,x,\nf.png,y,soon\nf.png\n")  # fmt: skip
    index = read_index(root)
    assert _said(index) == {
        ("conflict", "labels.csv:5"), ("blank_label", "labels.csv:6"), ("blank_label", "labels.csv:7"),
        ("listed_missing", "labels.csv:8"), ("listed_missing", "labels.csv:9"), ("listed_doubtful", "labels.csv:10"),
        ("bad_split", "labels.csv:11"), ("ragged", "labels.csv:12"), ("lone_sample", "x"),
    }  # fmt: skip
    assert _said(index, "warning") == {("same_row", "labels.csv:3"), ("unlisted", ".")}
    (unlisted,) = [p for p in index.problems if p.code == "layouts.unlisted"]
    assert "left.png" in str(unlisted.values["names"])


def test_named_columns_win_over_usual_names(put: Put) -> None:
    root = put(*(f"{n}.png" for n in "abcd"))
    _csv(root, "image,label,grade,patient,mouse\n" + "".join(f"{n}.png,x,{n in 'ab'},1,{n}\n" for n in "abcd"))
    index = read_index(root, label="grade", group="mouse")
    assert index.classes == ("False", "True")
    assert [r.group for r in index.records] == list("abcd")
    assert index.records[0].columns["label"] == "x"
    with pytest.raises(RequestError, match=r"data\.label=grad: labels\.csv has no such column"):
        read_index(root, label="grad")


def test_accents_match_however_they_are_composed(put: Put) -> None:
    root = put("gele\u0301.png", "b.png", "c.png", "d.png")
    _csv(root, "image,label\ngel\u00e9.png,x\nb.png,x\nc.png,y\nd.png,y\n")
    assert len(read_index(root).records) == 4


def test_tables_called_after_splits(put: Put) -> None:
    root = put(*(f"images/{n}.png" for n in "abcdef"))
    _csv(root, "image,label\na.png,x\nb.png,y\n", "train.csv")
    _csv(root, "image,label\nc.png,x\nd.png,y\n", "val.csv")
    _csv(root, "image\ne.png\n", "test.csv")
    index = read_index(root)
    assert [(r.id[-5], r.split) for r in index.records] == [
        ("a", "train"), ("b", "train"), ("c", "validation"), ("d", "validation")
    ]  # fmt: skip
    assert ("table_unused", "test.csv") in _said(index, "note")
    _csv(root, "image,label\na.png,y\nb.png,y\n", "second.csv")
    with pytest.raises(RequestError, match=r"several tables hold labels \(second\.csv, train\.csv, val\.csv\)"):
        read_index(root)
    assert len(read_index(root / "train.csv").records) == 2


def test_the_same_image_in_two_splits_is_an_error(put: Put) -> None:
    root = put(*(f"{n}.png" for n in "abcd"))
    _csv(root, "image,label\na.png,x\nb.png,y\nc.png,x\n", "train.csv")
    _csv(root, "image,label\na.png,x\nd.png,y\n", "test.csv")
    assert ("in_two_tables", "a.png") in _said(read_index(root))


def test_an_unreadable_table_is_named_with_its_line(put: Put) -> None:
    root = put("a.png", "b.png")
    (root / "labels.csv").write_bytes(b"image,label\na.png,\x81\n")
    with pytest.raises(FileError, match=r"labels\.csv: line 2 is not UTF-8"):
        read_index(root)


# images and masks


@pytest.mark.parametrize("masks", ["masks", "Labels", "gt", "annotations"])
@pytest.mark.parametrize("ending", ["", "_mask", "-seg", "_label"])
def test_images_and_masks(put: Put, masks: str, ending: str) -> None:
    index = read_index(put("images/a.png", "images/b.jpg", f"{masks}/a{ending}.png", f"{masks}/b{ending}.tif"))
    assert (index.layout, task_of(index), index.numbers_objects) == ("image_mask_folders", "segment", False)
    pairs = {r.id: _mask(r).path.name for r in index.records}
    assert pairs == {"images/a.png": f"a{ending}.png", "images/b.jpg": f"b{ending}.tif"}
    assert index.problems == ()


@pytest.mark.parametrize("pattern", ["{split}/{kind}/{split}.png", "{kind}/{split}/1.png"])
def test_images_and_masks_with_splits(put: Put, pattern: str) -> None:
    names = [pattern.format(split=s, kind=k) for s in ("train", "val", "test") for k in ("images", "masks")]
    index = read_index(put(*names))
    assert sorted(str(r.split) for r in index.records) == ["test", "train", "validation"]
    assert {_mask(r).path.relative_to(index.root).as_posix() for r in index.records} == {
        n for n in names if "masks" in n
    }


def test_missing_orphan_and_doubtful_masks_are_all_listed(put: Put) -> None:
    put("images/a.png", "images/b.png", "images/c.png", "images/d.png", "images/d.tif")
    index = read_index(put("masks/a.png", "masks/d.png", "masks/d_mask.png", "masks/x.png", "masks/y.png"))
    assert _said(index) == {
        ("missing_mask", "images/b.png"), ("missing_mask", "images/c.png"), ("twins", "images/d.png"),
        ("two_masks", "images/d.png"), ("orphan_mask", "masks/x.png"), ("orphan_mask", "masks/y.png"),
    }  # fmt: skip
    assert ("two_mask_folders", "masks") in _said(read_index(put("labels/a.png")))


def test_a_manifest_beside_adds_columns(put: Put) -> None:
    root = put(*(f"{kind}/{n}.png" for kind in ("images", "masks") for n in "abc"))
    rows = "images/a.png,7,Brest\nimages/c.png,9,Brest\nimages/gone.png,8,Lille\n"
    _csv(root, f"image,patient,site\n{rows}", "manifest.csv")
    index = read_index(root)
    record = _by_id(index)["images/a.png"]
    assert (record.group, dict(record.columns)) == ("7", {"patient": "7", "site": "Brest"})
    assert _mask(record).path.name == "a.png"
    assert _said(index) == {("listed_missing", "manifest.csv:4")}
    assert _said(index, "warning") == {("no_row", "images/b.png"), ("groups.blank", "")}


def test_a_column_without_a_table_is_refused(put: Put) -> None:
    with pytest.raises(RequestError, match="the column patient was named, but there is no table"):
        read_index(put("images/a.png", "masks/a.png"), group="patient")


def test_one_folder_per_image(put: Put) -> None:
    put("one/images/one.png", "one/masks/o2.png", "one/masks/o10.png", "two/images/two.png", "two/masks/x.png")
    index = read_index(put("bare/images/bare.png", "many/images/1.png", "many/images/2.png", "many/masks/1.png"))
    assert (index.layout, index.numbers_objects) == ("folder_per_image", True)
    target = _by_id(index)["one/images/one.png"].target
    assert isinstance(target, ObjectMasks)
    names = [t.path.name for t in target.sources]
    assert names == ["o2.png", "o10.png"]
    assert _said(index) == {("no_objects", "bare/images/bare.png"), ("one_image_each", "many")}
    (index.root / "bare" / "masks").mkdir()
    empty = _by_id(read_index(index.root))["bare/images/bare.png"]
    assert empty.target == ObjectMasks(()), "an empty folder of masks: nothing is there"


def test_class_folders_with_masks(put: Put) -> None:
    root = put(*(f"{c}/{k}/{i}.png" for c in ("ill", "well") for k in ("images", "masks") for i in (1, 2)))
    index = read_index(root)
    assert (index.layout, task_of(index), index.classes) == ("class_mask_folders", "segment", ())
    assert [(r.id, r.stratum, _mask(r).path.parent.name) for r in index.records][:1] == [
        ("ill/images/1.png", "ill", "masks")
    ]
    classify = read_index(root, task="classify", learnt=ClassView.sees)
    assert (task_of(classify), classify.classes) == ("classify", ("ill", "well"))
    assert classify.records[0].names == ("ill",)
    put("ill/images/3.png", "well/masks/4.png", "other/images/1.png")
    assert _said(read_index(root)) == {
        ("missing_mask", "ill/images/3.png"), ("orphan_mask", "well/masks/4.png"),
        ("missing_mask", "other/images/1.png"),
    }  # fmt: skip


# stacks and volumes


@pytest.mark.parametrize(
    ("volume", "labels"),
    [("train-volume", "train-labels"), ("volume", "labels"), ("image", "mask"), ("raw", "gt"), ("s1", "s1_labels"),
     ("volume", "volume_masks")],
)  # fmt: skip
def test_stack_pairs(put: Put, volume: str, labels: str) -> None:
    put("test-volume.tif", shape=(4, 6, 8))
    root = put(f"{volume}.tif", f"{labels}.tif", shape=(12, 6, 8))
    index = read_index(root)
    assert (index.layout, task_of(index), len(index.records)) == ("stack_pair", "segment", 12)
    record = index.records[7]
    assert (record.id, record.position, record.group) == (f"{volume}.tif#07", 7, None)
    assert record.image == Source(root / f"{volume}.tif", None, 7)
    assert record.target == LabelImage(Source(root / f"{labels}.tif", None, 7))
    assert dict(record.columns) == {"volume": f"{volume}.tif"}
    assert _said(index, "note") == {("unlabelled_volume", "test-volume.tif")}
    assert _said(index) == set()
    (whole,) = read_index(root, dims=3).records
    assert (whole.id, whole.image.index, whole.group) == (f"{volume}.tif", None, f"{volume}.tif")
    assert len(read_index(root / f"{volume}.tif").records) == 12


def test_stacks_of_two_splits(put: Put) -> None:
    names = [f"{s}-{k}.tif" for s in ("train", "test") for k in ("volume", "labels")]
    index = read_index(put(*names, shape=(3, 6, 8)))
    assert {(r.columns["volume"], r.split) for r in index.records} == {
        ("train-volume.tif", "train"), ("test-volume.tif", "test")
    }  # fmt: skip


def test_stacks_of_other_sizes_are_an_error(put: Put) -> None:
    put("volume.tif", shape=(3, 6, 8))
    index = read_index(put("labels.tif", shape=(4, 6, 8)))
    assert _said(index) == {("sizes_differ", "volume.tif")}
    assert index.problems[0].values["label_size"] == "4 × 6 × 8"


def test_a_stack_without_labels_is_told_so(put: Put) -> None:
    with pytest.raises(RequestError, match=r"stack_pair; it lacks labels beside the stacks \(volume\.tif\)"):
        read_index(put("volume.tif", shape=(3, 6, 8)))


def test_volumes_in_two_folders(put: Put) -> None:
    root = put(*(f"{k}/{n}.tif" for k in ("images", "labels") for n in "ab"), shape=(3, 6, 8))
    index = read_index(root)
    assert (index.layout, [r.group for r in index.records]) == ("volume_pairs", ["images/a.tif", "images/b.tif"])
    _csv(root, "image,patient\nimages/a.tif,p1\nimages/b.tif,p2\n", "manifest.csv")
    slices = read_index(root, dims=2)
    assert [(r.group, r.position) for r in slices.records] == [(p, z) for p in ("p1", "p2") for z in range(3)]
    assert dict(slices.records[5].columns) == {"volume": "images/b.tif", "patient": "p2"}


@pytest.mark.parametrize("folder", ["", "case1/"])
def test_volumes_beside_their_labels(put: Put, folder: str) -> None:
    put("a.nii.gz", "b.nii.gz", "b_seg.nii.gz", shape=(3, 6, 8))
    index = read_index(put(f"{folder}c.nii.gz", f"{folder}c_seg.nii.gz", f"{folder}d_seg.nii.gz", shape=(3, 6, 8)))
    assert index.layout == "volume_pairs"
    assert {r.id: _mask(r).path.name for r in index.records} == {
        "b.nii.gz": "b_seg.nii.gz", f"{folder}c.nii.gz": "c_seg.nii.gz"
    }  # fmt: skip
    assert _said(index) == {("missing_mask", "a.nii.gz"), ("orphan_mask", f"{folder}d_seg.nii.gz")}


def test_zarr_volumes_are_one_entry_each(tmp_path: Path) -> None:
    import zarr

    for kind in ("images", "labels"):
        zarr.save_array(tmp_path / kind / "a.zarr", np.zeros((3, 6, 8), np.uint8))
    (record,) = read_index(tmp_path).records
    assert (record.id, _mask(record).path) == ("images/a.zarr", tmp_path / "labels" / "a.zarr")
    assert len(read_unlabelled([tmp_path / "images" / "a.zarr"], dims=2).records) == 3


def _nnunet(put: Put, said: object) -> Path:
    names = ["imagesTr/c1_0000.nii.gz", "imagesTr/c2_0000.nii.gz", "labelsTr/c1.nii.gz", "labelsTr/c2.nii.gz"]
    root = put(*names, shape=(3, 6, 8))
    (root / "dataset.json").write_text(json.dumps(said), encoding="utf-8")
    return root


@pytest.mark.parametrize("labels", [{"background": 0, "liver": 1, "ignore": 2}, {"0": "background", "1": "liver"}])
def test_nnunet(put: Put, labels: dict[str, object]) -> None:
    index = read_index(_nnunet(put, {"labels": labels}))
    assert (index.layout, index.classes) == ("nnunet", ("background", "liver"))
    assert [(r.group, r.columns["channels"]) for r in index.records] == [
        ("imagesTr/c1_0000.nii.gz", "1"), ("imagesTr/c2_0000.nii.gz", "1")
    ]  # fmt: skip
    assert _said(index, "note") == ({("json_ignore", "dataset.json")} if "ignore" in labels else set())


def test_defects_of_nnunet(put: Put) -> None:
    root = _nnunet(put, {"labels": {"background": 0, "liver": 2}})
    put("imagesTr/c1_0001.nii.gz", "imagesTr/c3_0000.nii.gz", "labelsTr/c4.nii.gz", shape=(3, 6, 8))
    assert _said(read_index(root)) == {
        ("channel_files", "imagesTr/c1_0000.nii.gz"), ("missing_mask", "imagesTr/c3_0000.nii.gz"),
        ("orphan_mask", "labelsTr/c4.nii.gz"), ("json_gaps", "dataset.json"),
    }  # fmt: skip
    assert ("json_regions", "dataset.json") in _said(read_index(_nnunet(put, {"labels": {"a": 0, "whole": [1, 2]}})))
    (root / "dataset.json").write_text("{", encoding="utf-8")
    with pytest.raises(FileError, match=r"dataset\.json: not a dataset\.json"):
        read_index(root)


def test_cellpose(put: Put) -> None:
    put("a.tif", "a_masks.tif", "b.png", "b_cp_masks.png", "000_img.png", "000_masks.png", "c.png", "x_masks.png")
    root = put()
    (root / "a_seg.npy").write_bytes(b"pickle")
    index = read_index(root)
    assert (index.layout, index.numbers_objects) == ("cellpose", True)
    assert {r.id: _mask(r).path.name for r in index.records} == {
        "000_img.png": "000_masks.png", "a.tif": "a_masks.tif", "b.png": "b_cp_masks.png"
    }  # fmt: skip
    assert _said(index) == {("missing_mask", "c.png"), ("orphan_mask", "x_masks.png")}
    assert _said(index, "note") == {("seg_npy", "a_seg.npy")}


def test_cellpose_stacks_are_not_a_stack_pair(put: Put) -> None:
    index = read_index(put("cells.tif", "cells_masks.tif", shape=(3, 6, 8)))
    assert (index.layout, index.numbers_objects) == ("cellpose", True)


# MedMNIST


def _medmnist(path: Path, labels: np.ndarray, **changes: np.ndarray) -> Path:
    arrays = {
        f"{s}_{k}": v for s in ("train", "val", "test") for k, v in (("images", _rows(labels)), ("labels", labels))
    }
    np.savez(path, **{**arrays, **changes})  # type: ignore[arg-type]
    return path


def _rows(labels: np.ndarray) -> np.ndarray:
    return np.zeros((len(labels), 4, 4), np.uint8)


def test_medmnist_as_file_and_in_a_folder(tmp_path: Path) -> None:
    path = _medmnist(tmp_path / "blood.npz", np.array([[0], [10], [2]], np.uint8))
    for index in (read_index(path), read_index(tmp_path)):
        assert (index.layout, index.classes, len(index.records)) == ("medmnist", ("0", "2", "10"), 9)
        assert index.records[4].id == "blood.npz:val_images#1"
        assert index.records[4].image == Source(path, "val_images", 1)
        assert [r.split for r in index.records[::3]] == ["train", "validation", "test"]
        assert index.problems == ()


def test_medmnist_with_several_labels(tmp_path: Path) -> None:
    index = read_index(_medmnist(tmp_path / "chest.npz", np.array([[0, 1, 1], [0, 0, 0], [1, 0, 0]], np.uint8)))
    assert [r.names for r in index.records[:3]] == [("1", "2"), ("none",), ("0",)]
    assert [(p.code, p.values["count"]) for p in index.problems] == [("layouts.none_class", 3)]


class _Harmful:
    """Writes a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


def test_no_program_hidden_in_an_npz_is_run(tmp_path: Path) -> None:
    labels = np.array([[_Harmful(tmp_path / "harm")], [0]], dtype=object)
    with pytest.raises(FileError, match="not a MedMNIST file"):
        read_index(_medmnist(tmp_path / "blood.npz", np.array([[0], [1]], np.uint8), val_labels=labels))
    assert not (tmp_path / "harm").exists()


def test_medmnist_that_does_not_fit(tmp_path: Path) -> None:
    labels = np.array([[0], [1]], np.uint8)
    with pytest.raises(FileError, match=r"blood\.npz: not a MedMNIST file"):
        read_index(_medmnist(tmp_path / "blood.npz", labels, val_images=np.zeros((3, 4, 4), np.uint8)))
    with pytest.raises(FileError, match="not a MedMNIST file"):
        read_index(_medmnist(tmp_path / "blood.npz", labels, val_labels=np.array([{}, {}])))
    volumes = read_index(_medmnist(tmp_path / "blood.npz", labels, val_images=np.zeros((2, 9, 9, 9), np.uint8)))
    assert _said(volumes) == {("npz_volumes", "blood.npz")}


@pytest.mark.parametrize(
    ("cells", "measured"),
    [
        ([f"{30 + 0.7 * i:.1f}" for i in range(20)], True),
        ([f"{30 + 0.7 * i:.1f}".replace(".", ",") for i in range(20)], True),
        ([f"{12 + i} mm" for i in range(18)] + ["unknown", "< 5 mm"], True),
        ([str(i % 10) for i in range(20)], False),  # digits
        ([f"patient{i}" for i in range(20)], False),
        (["3+4", "4+3", "3+3", "4+4"] * 5, False),
        ([str(20 + i % 12) for i in range(24)], False),
    ],
)
def test_measured_numbers_are_no_classes(put: Put, cells: list[str], measured: bool) -> None:
    root = put(*(f"{i}.png" for i in range(len(cells))))
    rows = "".join(f'{i}.png,"{cell}"\n' for i, cell in enumerate(cells))
    (root / "labels.csv").write_text(f"image,label\n{rows}", encoding="utf-8")
    codes = [code for code, _ in _said(read_index(root))]
    assert ("measured" in codes) == measured
    assert not (measured and "lone_sample" in codes)

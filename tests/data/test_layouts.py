"""Walking a folder, choosing its layout, listing what to predict on; the catalogues of the sentences."""

from __future__ import annotations

import os
import re
import string
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from lamelle.data.layouts import detect, pairing, unread_files
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import LAYOUTS, read_folder
from lamelle.data.layouts.listing import list_folder, natural
from lamelle.data.layouts.unlabelled import read_unlabelled
from lamelle.data.targets.views import ClassView, LabelView
from lamelle.errors import DataError, RequestError, sentence
from lamelle.io.formats.table import FORMATS
from lamelle.messages import LANGUAGES, catalogue

CODES = re.compile(r'"layouts\.([a-z0-9_]+)"')


def _touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return root


def _stack(path: Path, depth: int) -> Path:
    tifffile.imwrite(path, np.zeros((depth, 6, 8), np.uint8), photometric="minisblack")
    return path


# the walk


def test_names_are_in_natural_order(tmp_path: Path) -> None:
    _touch(tmp_path, "slice10.png", "slice2.png", "b/1.png", "a10/1.png", "a9/1.png", "slice02.png")
    listing = list_folder(tmp_path)
    assert [e.rel for e in listing.entries] == [
        "a9/1.png", "a10/1.png", "b/1.png", "slice02.png", "slice2.png", "slice10.png"
    ]  # fmt: skip
    assert sorted(["9" * 5000, "1" * 5001, "x"], key=natural) == ["9" * 5000, "1" * 5001, "x"]


def test_junk_is_skipped_and_counted(tmp_path: Path) -> None:
    _touch(tmp_path, "a/1.png", "a/2.png", "a/._1.png", "a/.DS_Store", "b/.DS_Store", "b/1.png", "b/2.png")
    _touch(tmp_path, ".ipynb_checkpoints/1-checkpoint.png", ".git/config", "notes.docx")
    index = read_folder(tmp_path, options=LayoutOptions())
    assert len(index.records) == 4
    assert index.classes == ("a", "b")
    assert sorted(index.skipped.values()) == [1, 1, 1, 1, 2]
    assert index.skipped["*.docx"] == 1
    assert index.problems == ()


@pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")
def test_links_pipes_and_loops(tmp_path: Path) -> None:
    root = _touch(tmp_path / "data", "real/1.png", "real/2.png", "other/1.png")
    _touch(tmp_path / "far", "3.png", "4.png")
    (root / "other" / "3.png").symlink_to(tmp_path / "far" / "3.png")
    (root / "linked").symlink_to(tmp_path / "far", target_is_directory=True)
    (root / "other" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (root / "other" / "loop").symlink_to(root, target_is_directory=True)
    (root / "again").symlink_to(root / "real", target_is_directory=True)
    (root / "self.png").symlink_to(root / "self.png")
    os.mkfifo(root / "real" / "pipe.png")
    index = read_folder(root, options=LayoutOptions())
    assert [r.id for r in index.records] == [
        "linked/3.png", "linked/4.png", "other/1.png", "other/3.png", "real/1.png", "real/2.png"
    ]  # fmt: skip
    assert {(p.code, p.where, p.severity) for p in index.problems} == {
        ("layouts.dangling", "other/gone.png", "error"),
        ("layouts.unreadable", "self.png", "error"),
        ("layouts.link_seen", "other/loop", "warning"),
        ("layouts.link_seen", "again", "warning"),
        ("layouts.not_a_file", "real/pipe.png", "warning"),
    }


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_a_real_folder_comes_before_every_link_to_it(tmp_path: Path) -> None:
    _touch(tmp_path, "m/deep/1.png")
    for name in "abcdefghnopqrstu":
        (tmp_path / name).symlink_to(tmp_path / "m" / "deep", target_is_directory=True)
    listing = list_folder(tmp_path)
    assert [e.rel for e in listing.entries] == ["m/deep/1.png"]
    assert [p.where for p in listing.problems] == list("abcdefghnopqrstu")


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX")
def test_names_that_are_not_utf8_are_kept_and_shown_escaped(tmp_path: Path) -> None:
    for folder in (b"a", b"b"):
        os.makedirs(os.path.join(os.fsencode(tmp_path), folder))
        for name in (b"caf\xe9.png", b"\xffx.png", "gelée \n1.png".encode()):
            with open(os.path.join(os.fsencode(tmp_path), folder, name), "wb"):
                pass
    index = read_folder(tmp_path, options=LayoutOptions())
    assert len(index.records) == 6
    assert all(r.image.path.exists() for r in index.records)
    assert "a/caf\\udce9.png" in {r.id for r in index.records}
    assert "a/gelée \\n1.png" in {r.id for r in index.records}
    for record in index.records:
        record.id.encode("utf-8")


# the choice


def test_an_unknown_folder_lists_what_was_found_and_what_is_wanted(tmp_path: Path) -> None:
    _touch(tmp_path, "images/a.png", "images/b.png", "notes.txt")
    with pytest.raises(RequestError) as caught:
        read_folder(tmp_path, options=LayoutOptions())
    said = str(caught.value)
    assert caught.value.exit_code == 2
    assert "2 .png, 1 .txt; images/a.png, images/b.png, notes.txt; images/" in said
    assert "Nearest layout: image_mask_folders; it lacks a folder masks/" in said
    for name in LAYOUTS:
        assert f"  {name}: " in said


@pytest.mark.parametrize(
    ("names", "nearest"),
    [
        (("1.png", "2.png"), "class_folders"),
        (("a/images/1.png", "b/images/1.png", "c/images/1.png"), "class_folders"),
        (("masks/1.png",), "image_mask_folders"),
        (("a.nii.gz", "b.nii.gz"), "volume_pairs"),
        (("imagesTr/a_0000.nii.gz", "dataset.json"), "volume_pairs"),
    ],
)
def test_the_nearest_layout(tmp_path: Path, names: tuple[str, ...], nearest: str) -> None:
    with pytest.raises(RequestError, match=f"Nearest layout: {nearest};"):
        read_folder(_touch(tmp_path, *names), options=LayoutOptions())


def test_a_table_without_labels_or_files_is_the_nearest(tmp_path: Path) -> None:
    _touch(tmp_path, "a.png")
    (tmp_path / "t.csv").write_text("image,age\na.png,4\n", encoding="utf-8")
    with pytest.raises(
        RequestError, match=r"table; t\.csv lacks a column of classes named label \(columns: image, age\)"
    ):
        read_folder(tmp_path, options=LayoutOptions())
    (tmp_path / "t.csv").write_text("image,label\nb.png,4\n", encoding="utf-8")
    with pytest.raises(RequestError, match=r"none of the 1 files that t\.csv lists was found \(the first: b\.png\)"):
        read_folder(tmp_path, options=LayoutOptions())


def test_a_folder_one_level_down_is_pointed_out(tmp_path: Path) -> None:
    _touch(tmp_path, "archive/images/1.png", "archive/masks/1.png", "1.png", "2.png")
    with pytest.raises(RequestError, match=f"One folder deeper would do: give {tmp_path}/archive"):
        read_folder(tmp_path, options=LayoutOptions())


def test_classes_in_the_only_folder_are_read(tmp_path: Path) -> None:
    _touch(tmp_path, "archive/x/1.png", "archive/x/2.png", "archive/y/1.png", "archive/y/2.png", "cover.png")
    index = read_folder(tmp_path, options=LayoutOptions())
    assert (index.classes, [p.code for p in index.problems]) == (("x", "y"), ["layouts.not_used"])


def test_two_readings_are_ambiguous_until_one_is_named(tmp_path: Path) -> None:
    _touch(tmp_path, *(f"{k}/{n}.png" for k in ("images", "masks") for n in "ab"))
    rows = "image,label\nimages/a.png,x\nimages/b.png,y\n"
    (tmp_path / "labels.csv").write_text(rows, encoding="utf-8")
    with pytest.raises(RequestError, match=r"\(table, image_mask_folders\)(.|\n)*data\.layout=table"):
        read_folder(tmp_path, options=LayoutOptions())
    for options, layout in (
        (LayoutOptions(layout="image_mask_folders"), "image_mask_folders"),
        (LayoutOptions(layout="table"), "table"),
        (LayoutOptions(task="segment", learnt=LabelView.sees), "image_mask_folders"),
        (LayoutOptions(task="classify", learnt=ClassView.sees), "table"),
        (LayoutOptions(label="label"), "table"),
    ):
        assert read_folder(tmp_path, options=options).layout == layout


def test_masks_beside_images_outweigh_a_column_of_findings(tmp_path: Path) -> None:
    _touch(tmp_path, *(f"{k}/{n}.png" for k in ("images", "masks") for n in "ab"))
    rows = "image,patient,finding\nimages/a.png,1,ARDS\nimages/b.png,2,pneumonia\n"
    (tmp_path / "manifest.csv").write_text(rows, encoding="utf-8")
    index = read_folder(tmp_path, options=LayoutOptions())
    assert (index.layout, [r.group for r in index.records]) == ("image_mask_folders", ["1", "2"])
    assert read_folder(tmp_path, options=LayoutOptions(task="classify", learnt=ClassView.sees)).classes == (
        "ARDS",
        "pneumonia",
    )


def test_a_folder_beside_the_splits_is_one_or_is_named(tmp_path: Path) -> None:
    for other, split in (("essai", "test"), ("Prüfung", "test"), ("external", None), ("test_new", None)):
        root = tmp_path / other
        _touch(root, *(f"{part}/{c}/{n}.png" for part in ("train", "val", other) for c in "xy" for n in "12"))
        index = read_folder(root, options=LayoutOptions())
        assert {r.split for r in index.records} == {"train", "validation", split} - {None}
        named = [p for p in index.problems if p.code == "layouts.beside_splits"]
        assert [(p.severity, p.values["folder"], p.values["count"]) for p in named] == (
            [] if split else [("warning", f"{other}/", 4)]
        )


def test_folders_of_splits_may_be_numbered(tmp_path: Path) -> None:
    parts = ("1_train", "2_val", "3_test")
    _touch(tmp_path, *(f"{part}/{c}/{n}.png" for part in parts for c in "xy" for n in "12"))
    index = read_folder(tmp_path, options=LayoutOptions())
    assert {r.split for r in index.records} == {"train", "validation", "test"}
    assert index.classes == ("x", "y")


def test_a_second_table_tells_patients_and_splits(tmp_path: Path) -> None:
    _touch(tmp_path, *(f"{n}.png" for n in range(6)))
    (tmp_path / "labels.csv").write_text("image,label\n" + "".join(f"{n}.png,{'ab'[n % 2]}\n" for n in range(6)))
    parts = ("train", "train", "train", "train", "val", "test")
    rows = "".join(f"{n}.png,P{n // 2},{parts[n]}\n" for n in range(6))
    (tmp_path / "split.csv").write_text("image,patient_id,split\n" + rows)
    index = read_folder(tmp_path, options=LayoutOptions())
    assert [r.group for r in index.records] == ["P0", "P0", "P1", "P1", "P2", "P2"]
    assert [r.split for r in index.records] == [*("train",) * 4, "validation", "test"]
    assert not [p for p in index.problems if p.code == "layouts.table_unused"]


def test_named_layouts_that_cannot_be(tmp_path: Path) -> None:
    _touch(tmp_path, "a/1.png", "a/2.png", "b/1.png", "b/2.png")
    with pytest.raises(RequestError, match="did you mean class_folders"):
        read_folder(tmp_path, options=LayoutOptions(layout="class_folder"))
    with pytest.raises(RequestError, match=r"data\.layout=cellpose does not fit; it lacks files ending in _masks"):
        read_folder(tmp_path, options=LayoutOptions(layout="cellpose"))
    with pytest.raises(RequestError, match="of which the task segment learns nothing"):
        read_folder(tmp_path, options=LayoutOptions(layout="class_folders", task="segment", learnt=LabelView.sees))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="there is no such file or folder"):
        read_folder(tmp_path / "none", options=LayoutOptions())
    with pytest.raises(RequestError, match=r"no image in it \(found: nothing\)"):
        read_folder(tmp_path, options=LayoutOptions())


def test_a_folder_of_many_data_sets_is_no_data_set(tmp_path: Path) -> None:
    _touch(tmp_path, "x/images/1.png", "x/images/2.png", "x/masks/1.png", "x/masks/2.png", "y/1.png", "z/q/1.png")
    with pytest.raises(RequestError, match="is laid out in no way"):
        read_folder(tmp_path, options=LayoutOptions())


# for prediction


def test_what_to_predict_on(tmp_path: Path) -> None:
    _touch(tmp_path, "d/b10.png", "d/b9.png", "d/b9_mask.png", "e/images/1.png", "e/masks/1.png", "f/b9.png")
    ids = [r.id for r in read_unlabelled([tmp_path / "d", tmp_path / "e"], dims=2).records]
    assert ids == ["b9.png", "b10.png", "images/1.png"]
    both = read_unlabelled([tmp_path / "d", tmp_path / "f" / "b9.png", tmp_path / "d" / "b10.png"], dims=2).records
    assert [r.id for r in both] == [str(tmp_path / "d/b9.png"), "b10.png", str(tmp_path / "f/b9.png")]
    assert all(r.target is None for r in both)


def test_stacks_to_predict_on(tmp_path: Path) -> None:
    stack = _stack(tmp_path / "new.tif", 12)
    records = read_unlabelled([stack], dims=2).records
    assert [(r.id, r.image.index, r.position) for r in records[6:7]] == [("new.tif#06", 6, 6)]
    assert len(records) == 12
    (whole,) = read_unlabelled([stack], dims=3).records
    assert (whole.id, whole.image.index) == ("new.tif", None)
    Pillow.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / "plane.tif")
    assert [r.id for r in read_unlabelled([tmp_path / "plane.tif"], dims=2).records] == ["plane.tif"]


def test_tables_and_arrays_to_predict_on(tmp_path: Path) -> None:
    _touch(tmp_path, "test/a.png", "test/b.png")
    (tmp_path / "test.csv").write_text("image,slice\na.png,3\nb.png,4\n", encoding="utf-8")
    records = read_unlabelled([tmp_path / "test.csv"], dims=2).records
    assert [(r.id, r.target, r.position) for r in records] == [("test/a.png", None, 3), ("test/b.png", None, 4)]
    (tmp_path / "test.csv").write_text("image\na.png\nc.png\nd.png\n", encoding="utf-8")
    found = read_unlabelled([tmp_path / "test.csv"], dims=2)
    assert [r.id for r in found.records] == ["test/a.png"]
    assert [p.where for p in found.problems] == ["test.csv:3", "test.csv:4"]
    np.savez(tmp_path / "m.npz", test_images=np.zeros((11, 4, 4), np.uint8), test_labels=np.zeros((11, 1), np.uint8))
    rows = read_unlabelled([tmp_path / "m.npz"], dims=2).records
    assert (len(rows), rows[10].id, rows[10].image.key) == (11, "m.npz:test_images#10", "test_images")


def test_nothing_to_predict_on(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no image"):
        read_unlabelled([tmp_path], dims=2)
    (tmp_path / "broken.tif").write_bytes(b"II*\0")
    (tmp_path / "empty.tif").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        read_unlabelled([tmp_path], dims=2)
    assert {Path(p.where).name for p in caught.value.problems} == {"broken.tif", "empty.tif"}


# the table of layouts and its sentences


def test_every_layout_is_complete() -> None:
    for name, layout in LAYOUTS.items():
        assert name == layout.name
        assert layout.yields
        for language in LANGUAGES:
            assert f"wants_{name}" in catalogue(language, "layouts")


def test_every_sentence_is_there_in_every_language_and_used() -> None:
    folder = Path(detect.__file__).parent
    sources = [p.read_text(encoding="utf-8") for p in (*folder.glob("*.py"), *folder.parent.glob("[cdost]*.py"),
               *folder.parent.glob("targets/*.py"))]  # fmt: skip
    code = "\n".join(sources)
    used = set(CODES.findall(code)) | {"same_row", "conflict"} | {f"wants_{n}" for n in LAYOUTS}
    used |= {f"lacks_{n}" for n in re.findall(r'lacks\([^"]*?"([a-z_]+)"', code)}
    cures = {row.cure for row in FORMATS.unread() if row.suffixes} | {"spreadsheet"}
    used |= {f"passed_{n}" for n in (*cures, *unread_files.OUTLINES, "archives", "lists")}
    english, french = (catalogue(language, "layouts") for language in ("en", "fr"))
    assert set(english) == set(french)
    assert used == set(english)
    for key in english:
        assert _fields(english[key]) == _fields(french[key]), key


def _fields(said: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(said) if name}


def test_places_are_not_repeated(tmp_path: Path) -> None:
    (problem,) = pairing.twins(list_folder(_touch(tmp_path, "a/x.png", "a/x.tif")).entries)
    assert sentence(problem).startswith("a/x.png: another file has the same name but for suffix or case (x.tif)")

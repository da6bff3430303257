"""Stacks with class names, a slice each or asked about; axes that are declared once reach everything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import lamelle
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.store import Store
from lamelle.errors import DataError
from lamelle.prediction import package
from lamelle.types import Record

FAST = (
    "model.kind=cnn", "model.name=cnn1", "resize=32", "epochs=1", "batch=4", "workers=0", "threads=1",
    "evaluate.resamples=100",
)  # fmt: skip
RNG = np.random.default_rng(3)


def stacks(folder: Path, shape: tuple[int, ...] = (3, 24, 32), count: int = 4, **options) -> Path:
    for kind in (0, 1):
        for i in range(count):
            path = folder / "ab"[kind] / f"s{i}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            array = (RNG.integers(0, 60, shape) + 120 * kind).astype(np.uint8)
            tifffile.imwrite(path, array, photometric="minisblack", **options)
    return folder


def records(folder: Path, **options) -> tuple[Record, ...]:
    return read_folder(folder, options=LayoutOptions(**options)).records


def test_stacks_with_classes_are_asked_about(tmp_path: Path) -> None:
    folder = stacks(tmp_path / "d", imagej=True, metadata={"axes": "ZYX"})
    (found,) = [p for p in lamelle.check(folder).problems if p.severity == "error"]
    assert (found.code, found.where) == ("audit.stacks_with_classes", "a/s0.tif")
    assert found.values == {"count": 8, "all": 8, "depth": 3, "size": "24 × 32"}
    with pytest.raises(DataError, match=r"data\.dims=2"):
        lamelle.train(folder, overrides=FAST, runs=tmp_path / "runs")


@pytest.mark.parametrize("layout", ["folders", "table"])
def test_each_slice_has_the_class_of_its_stack(tmp_path: Path, layout: str) -> None:
    folder = stacks(tmp_path / "d", imagej=True, metadata={"axes": "ZYX"})
    Image.fromarray(np.zeros((24, 32), np.uint8)).save(folder / "a" / "flat.png")
    if layout == "table":
        rows = [f"{p.relative_to(folder).as_posix()},{p.parent.name}" for p in sorted(folder.rglob("*.*"))]
        (folder / "labels.csv").write_text("\n".join(["image,label", *rows]))
    name = "table" if layout == "table" else "class_folders"
    found = records(folder, dims=2, layout=name)
    assert len(found) == 25
    assert {r.columns["volume"] for r in found} == {"a/flat.png", *(f"{c}/s{i}.tif" for c in "ab" for i in range(4))}
    first = [r for r in found if r.columns["volume"] == "b/s1.tif"]
    assert [(r.id, r.image.index, r.position, r.names) for r in first] == [
        (f"b/s1.tif#{z}", z, z, ("b",)) for z in range(3)
    ]
    assert all(r.position == 0 for r in found if r.id == "a/flat.png")
    assert len(records(folder, layout=name)) == 9, "nobody asked for slices"


def test_slices_of_one_stack_stay_in_one_split_and_are_evaluated_elsewhere(tmp_path: Path) -> None:
    folder = stacks(tmp_path / "d", count=6, imagej=True, metadata={"axes": "ZYX"})
    run = lamelle.train(folder, overrides=(*FAST, "data.dims=2"), runs=tmp_path / "runs")
    lines = [line.split(",") for line in run.folder.split.read_text().splitlines()]
    at, place = lines[0].index("id"), lines[0].index("split")
    by_stack: dict[str, set[str]] = {}
    for line in lines[1:]:
        by_stack.setdefault(line[at].partition("#")[0], set()).add(line[place])
    assert len(by_stack) == 12
    assert all(len(names) == 1 for names in by_stack.values())
    other = stacks(tmp_path / "other", imagej=True, metadata={"axes": "ZYX"})
    assert run.evaluate(other).scores.n == 24


def test_declared_axes_reach_training_prediction_and_evaluation(tmp_path: Path) -> None:
    folder = stacks(tmp_path / "d", (6, 24, 32), count=6, metadata={"axes": "EYX"})
    errors = [p for p in lamelle.check(folder).problems if p.severity == "error"]
    assert {p.code for p in errors} == {"files.unknown_axis"}
    run = lamelle.train(folder, overrides=(*FAST, "data.axes=cyx"), runs=tmp_path / "runs")
    assert package.load(run.path).axes == "CYX"
    assert package.load(run.path).preparation.channels == 6
    table = run.predict(folder / "a", tmp_path / "out").table
    assert len(table.read_text().splitlines()) == 7
    assert run.evaluate(stacks(tmp_path / "other", (6, 24, 32), metadata={"axes": "EYX"})).scores.n == 8
    run.report()
    with pytest.raises(DataError, match=r"data\.axes"):
        run.predict(folder / "a", tmp_path / "wrong", overrides=["data.axes=CZYX"])


def test_the_store_keeps_one_file_under_several_axes_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, RNG.integers(0, 9, (3, 24, 32), np.uint8), photometric="minisblack", compression="zlib")
    for _ in range(2):  # built, then found again
        store = Store(tmp_path / "store", budget=1 << 20)
        (channels,) = {store.image(r.image).shape for r in records_of(path, "CYX")}
        (slices,) = {store.image(r.image).shape for r in records_of(path, "ZYX")}
        assert (channels, slices) == ((3, 24, 32), (1, 3, 24, 32))


def records_of(path: Path, axes: str) -> tuple[Record, ...]:
    from lamelle.data.layouts.unlabelled import read_unlabelled

    return read_unlabelled([path], dims=3, axes=axes).records


@pytest.mark.parametrize("last", [True, False])
def test_two_channels_beside_masks_of_one_plane(tmp_path: Path, last: bool) -> None:
    for i in range(8):
        image = RNG.integers(0, 99, (64, 72, 2), np.uint8)
        for name, array in (("images", image if last else np.moveaxis(image, -1, 0)), ("masks", image[..., 0] > 50)):
            path = tmp_path / "d" / name / f"{i}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, np.ascontiguousarray(array))
    audit = lamelle.check(tmp_path / "d")
    if not last:
        assert {p.code for p in audit.errors} == {"layouts.first_axis"}
        audit = lamelle.check(tmp_path / "d", overrides=["data.axes=CYX"])
    assert audit.errors == ()
    assert {row.shape for row in audit.rows} == {(2, 64, 72)}


def test_few_slices_with_labels_of_the_same_size_are_not_doubted(tmp_path: Path) -> None:
    for i in range(4):
        for name in ("images", "labels"):
            path = tmp_path / "d" / name / f"{i}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, RNG.integers(0, 3, (4, 64, 72), np.uint8), photometric="minisblack")
    audit = lamelle.check(tmp_path / "d")
    assert "files.maybe_channels" not in {p.code for p in audit.problems}
    assert audit.errors == ()


@pytest.mark.parametrize("dims", [None, 2])
def test_a_volume_of_one_slice_is_a_plane(tmp_path: Path, dims: int | None) -> None:
    """As NIfTI holds planes: ``(X, Y, 1)``; beside a true stack only that one is asked about."""
    folder = tmp_path / "d"
    nibabel = pytest.importorskip("nibabel")
    for name in ("a/1", "a/2", "b/1", "b/2"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        array = RNG.integers(0, 900, (20, 24, 1), np.int16)
        nibabel.save(nibabel.Nifti1Image(array, np.diag([1, 1, 2.5, 1])), folder / f"{name}.nii.gz")
    keys = [] if dims is None else [f"data.dims={dims}"]
    result = lamelle.check(folder, overrides=keys)
    assert [p for p in result.problems if p.severity == "error"] == []
    found = records(folder, dims=dims)
    assert [(r.id, r.position) for r in found] == [(f"{n}.nii.gz", None) for n in ("a/1", "a/2", "b/1", "b/2")]
    assert Store(tmp_path / "store", budget=1 << 26).image(found[0].image).shape == (1, 24, 20)
    stack = nibabel.Nifti1Image(RNG.integers(0, 900, (20, 24, 3), np.int16), np.eye(4))
    nibabel.save(stack, folder / "b" / "3.nii.gz")
    errors = [p for p in lamelle.check(folder).problems if p.severity == "error"]
    assert [(p.code, p.where) for p in errors] == [("audit.stacks_with_classes", "b/3.nii.gz")]

"""Predictions lie on their images in other programs: the same grid, place, pixel size and format as what came in."""

from __future__ import annotations

import csv
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from dicom_series import AXIAL, CORONAL, OBLIQUE, SAGITTAL, affine_of, write_series
from PIL import Image as Pillow

from lamelle.data.layouts.unlabelled import read_unlabelled
from lamelle.data.layouts.volumes import slice_records
from lamelle.data.store import Store
from lamelle.data.targets.boxes import around
from lamelle.io.images import header, read, read_labels
from lamelle.io.streams import Form, write_zarr
from lamelle.prediction.files import PredictionFolder
from lamelle.prediction.output import Wanted
from lamelle.prediction.output_places import planes_of
from lamelle.prediction.writers import object_cells
from lamelle.tasks.watershed import rows_of
from lamelle.types import LabelMap, ObjectMap, Record, Source

nibabel = pytest.importorskip("nibabel")
pytest.importorskip("pydicom")

RNG = np.random.default_rng(5)
VOLUME = RNG.integers(0, 900, (12, 10, 6)).astype(np.int16)  # X, Y, Z
AFFINE = np.array([[-0.5, 0, 0, 11], [0, -0.75, 0, 7], [0, 0, 2, -30], [0, 0, 0, 1]])
SIGNS = list(product((1, -1), repeat=3))
WAYS = [np.array(list(zip(axes, signs, strict=True))) for axes in permutations(range(3)) for signs in SIGNS]


def answer(image: np.ndarray, *, classes: int = 2) -> LabelMap:
    """Labels [(Z,) Y, X] that can be told from the image, with probabilities."""
    labels = np.digitize(image[0], np.linspace(300, 600, classes - 1)).astype(np.int64)
    return LabelMap(labels, np.stack([labels / 2, 1 - labels / 2]).astype(np.float32)[: classes - 1])


def predicted(path: Path, out: Path, *, dims: int, only: slice = slice(None), **options) -> Path:
    """A folder of predictions of one file: of its volume, or of its slices (in another order)."""
    store = Store(out.parent / "store", budget=1 << 26)
    records = read_unlabelled([path], dims=dims, volumes=True).records[only]
    wanted = Wanted(**({"probabilities": True} | options))
    folder = PredictionFolder(out, ("background", "cell"), planes=planes_of(records), wanted=wanted)
    for record in records[::-1]:
        folder.add(record, store.image(record.image), answer(store.image(record.image)), store.grid(record.image))
    folder.close()
    return out


def same_place(one: Any, other: Any) -> None:
    assert one.shape == other.shape
    assert np.array_equal(one.affine, other.affine)
    for name in ("sform_code", "qform_code", "xyzt_units"):
        assert one.header[name] == other.header[name]
    assert np.array_equal(one.get_qform(), other.get_qform())
    assert one.header.get_zooms() == other.header.get_zooms()


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_predictions_of_48_orders_lie_on_their_image_in_nibabel(tmp_path: Path, dims: int, kind: type) -> None:
    rotation, _ = np.linalg.qr(np.eye(3) + 0.1 * RNG.normal(size=(3, 3)))
    oblique = AFFINE.copy()
    oblique[:3, :3] = rotation @ np.diag(np.sign(np.diag(rotation))) @ AFFINE[:3, :3]
    for i, way in enumerate(WAYS):
        made = kind(VOLUME, oblique if i % 2 else AFFINE)
        made.set_qform(made.affine, 1)
        path = tmp_path / f"{i}.nii{'.gz' * (i % 3 > 0)}"
        nibabel.save(made.as_reoriented(way), path)
        image, out = nibabel.load(path), predicted(path, tmp_path / f"out{i}", dims=dims)
        labels = nibabel.load(out / "labels" / f"{i}.nii.gz")
        same_place(labels, image)
        assert isinstance(labels, kind)
        assert labels.get_data_dtype() == np.uint8
        assert np.array_equal(np.asarray(labels.dataobj), np.asarray(image.dataobj) >= 300)
        one, other = nibabel.as_closest_canonical(labels), nibabel.as_closest_canonical(image)
        assert np.array_equal(np.asarray(one.dataobj), np.asarray(other.dataobj) >= 300)
        same_place(nibabel.load(out / "probabilities" / f"{i}.nii.gz"), image)
        assert np.array_equal(read_labels(out / "labels" / f"{i}.nii.gz").array, read(path).array[0] >= 300)


def placed_series(folder: Path, way: Any, **about: Any) -> Any:
    """A DICOM series, and the NIfTI of the same scan."""
    slices = np.ascontiguousarray(VOLUME.T.astype(np.uint16))
    write_series(folder, slices, directions=way, names=lambda z: f"1.2.{(5 * z) % 7}", **about)
    return nibabel.Nifti1Image(VOLUME, affine_of(way))


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("directions", [AXIAL, CORONAL, SAGITTAL, OBLIQUE])
def test_predictions_of_a_dicom_series_lie_on_the_scan(tmp_path: Path, directions: Any, dims: int) -> None:
    scan = placed_series(tmp_path / "1.2.840.7", directions)
    out = predicted(tmp_path / "1.2.840.7", tmp_path / "out", dims=dims)
    for name in ("labels", "probabilities"):
        (file,) = (out / name).iterdir()
        assert file.name == "1.2.840.7.nii.gz"
        made = nibabel.load(file)
        assert made.shape == scan.shape
        assert made.affine == pytest.approx(scan.affine, abs=1e-4)
        assert b"SECRET" not in made.header.binaryblock
    assert np.array_equal(np.asarray(nibabel.load(out / "labels" / file.name).dataobj), VOLUME >= 300)


@pytest.mark.parametrize("dims", [2, 3])
def test_two_series_of_one_folder_do_not_overwrite_each_other(tmp_path: Path, dims: int) -> None:
    placed_series(tmp_path / "p0", AXIAL, number=1)
    slices = np.full((4, 5, 8), 700, np.uint16)
    write_series(tmp_path / "p0", slices, directions=CORONAL, number=2, uid="1.2", names="b{}".format)
    out = predicted(tmp_path / "p0", tmp_path / "out", dims=dims)
    made = {p.relative_to(out).as_posix(): nibabel.load(p).shape for p in (out / "labels").rglob("*.nii.gz")}
    assert made == {"labels/p0/1.nii.gz": VOLUME.shape, "labels/p0/2.nii.gz": (8, 5, 4)}


def nifti(path: Path, array: np.ndarray = VOLUME, *, sform: int = 1, qform: int = 0, **options) -> Path:
    image = nibabel.Nifti1Image(array, None)
    image.header.set_xyzt_units(options.get("unit", "mm"))
    image.set_sform(options.get("affine", AFFINE), sform)
    image.set_qform(options.get("other", AFFINE), qform)
    image.header["descrip"], image.header["aux_file"] = b"SECRET^PATIENT", b"SECRET"
    nibabel.save(image, path)
    return path


OTHERS = {
    "sform only": {},
    "qform only": {"sform": 0, "qform": 1},
    "both, contradicting": {"qform": 1, "other": AFFINE @ np.diag([-1, 1, 1, 1])},
    "none": {"sform": 0},
    "atlas": {"sform": 4, "qform": 1},
    "metres": {"unit": "meter", "affine": AFFINE / 1e3},
    "microns": {"unit": "micron", "affine": AFFINE * 1e3},
    "flat": {"affine": np.diag([0.0, 1, 1, 1])},
    "one time point": {"array": VOLUME[..., None]},
    "one slice": {"array": VOLUME[:, :, :1]},
    "no slice": {"array": VOLUME[:, :, 0]},
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_a_header_says_of_its_place_is_kept_and_nothing_else(tmp_path: Path, kind: str) -> None:
    path = nifti(tmp_path / "a.nii", **OTHERS[kind])
    image = nibabel.load(path)
    file = predicted(path, tmp_path / "out", dims=len(header(path).shape) - 1) / "labels" / "a.nii.gz"
    labels = nibabel.load(file)
    assert np.array_equal(np.asarray(labels.dataobj), np.asarray(image.dataobj).reshape(labels.shape) >= 300)
    assert np.array_equal(labels.affine, image.affine)
    for name in ("sform_code", "qform_code", "srow_x", "quatern_b", "qoffset_x"):
        assert np.array_equal(labels.header[name], image.header[name])
    assert labels.header.get_xyzt_units()[0] == image.header.get_xyzt_units()[0]
    assert labels.header["cal_max"] == 1
    assert b"SECRET" not in labels.header.binaryblock


@pytest.mark.parametrize("way", [WAYS[0], WAYS[19], WAYS[46]])
def test_some_slices_lie_where_they_were_cut_out(tmp_path: Path, way: np.ndarray) -> None:
    path = tmp_path / "a.nii.gz"
    made = nibabel.Nifti1Image(VOLUME, AFFINE).as_reoriented(way)
    made.set_qform(made.affine, 1)
    nibabel.save(made, path)
    part = nibabel.load(predicted(path, tmp_path / "out", dims=2, only=slice(2, 5)) / "labels" / "a.nii.gz")
    spatial = nibabel.as_closest_canonical(part)
    whole = nibabel.as_closest_canonical(nibabel.load(path))
    assert np.array_equal(np.asarray(spatial.dataobj), np.asarray(whole.dataobj)[..., 2:5] >= 300)
    assert spatial.affine == pytest.approx(whole.slicer[..., 2:5].affine, abs=1e-4)
    assert part.get_qform() == pytest.approx(part.affine, abs=1e-4)
    store = Store(tmp_path / "store", budget=1 << 26)
    folder = PredictionFolder(tmp_path / "span", ("a", "b"), planes={})
    record = Record("a.nii.gz#2-4", Source(path, span=(2, 5)))
    folder.add(record, store.image(record.image), answer(store.image(record.image)), store.grid(record.image))
    again = nibabel.load(next((tmp_path / "span" / "labels").iterdir()))
    assert np.array_equal(np.asarray(again.dataobj), np.asarray(part.dataobj))
    assert np.array_equal(again.affine, part.affine)


def test_slices_with_gaps_between_them_are_a_tiff(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii.gz")
    out = predicted(path, tmp_path / "out", dims=2, only=slice(0, 5, 2))
    assert [p.name for p in (out / "labels").iterdir()] == ["a.tif"]
    assert read_labels(out / "labels" / "a.tif").array.shape == (3, 10, 12)


# TIFF: the size of a pixel as it was stated

PICTURE = np.ascontiguousarray(VOLUME[..., 0].T.astype(np.uint16))
STACK = np.ascontiguousarray(VOLUME.T.astype(np.uint16))
TIFFS = {
    "inch": (PICTURE, {"resolution": (5080, 2540), "resolutionunit": "INCH"}),
    "cm": (PICTURE, {"resolution": (40000, 20000), "resolutionunit": "CENTIMETER"}),
    "none": (PICTURE, {"resolution": (3, 4), "resolutionunit": "NONE"}),
    "print": (PICTURE, {"resolution": (300, 300), "resolutionunit": "INCH"}),
    "nothing": (PICTURE, {}),
    "stack, cm": (STACK, {"resolution": (40000, 20000), "resolutionunit": 3, "photometric": "minisblack"}),
    "ImageJ nm": (
        STACK,
        {"imagej": True, "resolution": (0.25, 0.2), "metadata": {"axes": "ZYX", "unit": "nm", "spacing": 50.0}},
    ),
    "ImageJ micron": (PICTURE, {"imagej": True, "resolution": (2.0, 2.0), "metadata": {"unit": "micron"}}),
    "ImageJ mm": (
        STACK,
        {"imagej": True, "resolution": (20.0, 20.0), "metadata": {"axes": "ZYX", "unit": "mm", "spacing": 0.1}},
    ),
    "ImageJ inch": (PICTURE, {"imagej": True, "resolution": (3000.0, 2000.0), "metadata": {"unit": "inch"}}),
    "ImageJ without": (PICTURE, {"imagej": True}),
}


@pytest.mark.parametrize("kind", TIFFS)
@pytest.mark.parametrize("dims", [2, 3])
def test_a_tiff_states_its_pixel_size_as_the_image_does(tmp_path: Path, kind: str, dims: int) -> None:
    pixels, options = TIFFS[kind]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, **options)
    out = predicted(path, tmp_path / "out", dims=dims if pixels.ndim == 3 else 2)
    for name in ("labels", "probabilities"):
        with tifffile.TiffFile(path) as before, tifffile.TiffFile(out / name / "a.tif") as after:
            tags, kept = before.pages.first.tags, after.pages.first.tags
            for tag in ("XResolution", "YResolution", "ResolutionUnit"):
                if tag in tags and not kind.endswith("without"):
                    assert kept[tag].value == pytest.approx(tags[tag].value) or (
                        kept[tag].value[0] / kept[tag].value[1]
                        == pytest.approx(tags[tag].value[0] / tags[tag].value[1], rel=1e-6)
                    )
            about, known = before.imagej_metadata or {}, after.imagej_metadata or {}
            assert known.get("unit") == about.get("unit")
            assert known.get("spacing", 1.0) == about.get("spacing", 1.0)
    spacing = header(path).spacing
    assert header(out / "labels" / "a.tif").spacing == (spacing and pytest.approx(spacing, rel=1e-6))
    assert np.array_equal(read_labels(out / "labels" / "a.tif").array, pixels >= 300)


def test_an_ome_tiff_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    about = {"axes": "ZYX", "PhysicalSizeX": 4.0, "PhysicalSizeY": 5.0, "PhysicalSizeZ": 0.05}
    units = {"PhysicalSizeXUnit": "nm", "PhysicalSizeYUnit": "nm"}
    tifffile.imwrite(path, STACK, ome=True, metadata=about | units)
    found = header(predicted(path, tmp_path / "out", dims=3) / "labels" / "a.ome.tif")
    assert found.spacing == pytest.approx((0.05, 0.005, 0.004))
    with tifffile.TiffFile(tmp_path / "out" / "labels" / "a.ome.tif") as tif:
        assert tif.is_ome


# OME-Zarr


def transformations(path: Path) -> Any:
    attributes: Any = zarr.open_group(str(path), mode="r").attrs
    return attributes["multiscales"][0]["datasets"][0]["coordinateTransformations"]


@pytest.mark.parametrize("dims", [2, 3])
def test_an_ome_zarr_comes_back_as_one_with_scale_and_translation(tmp_path: Path, dims: int) -> None:
    path, spacing = tmp_path / "a.ome.zarr", (2.0, 0.75, 0.5)
    write_zarr(path, Form((1, *STACK.shape), STACK.dtype, spacing), STACK[:, None], name="a", offset=(100.0, 7.0, 11.0))
    out = predicted(path, tmp_path / "out", dims=dims)
    made = out / "labels" / "a.ome.zarr"
    assert [p.name for p in (out / "labels").iterdir()] == ["a.ome.zarr"]
    assert np.array_equal(zarr.open_array(str(made / "0"), mode="r")[...], STACK >= 300)
    moves = transformations(made)
    assert moves == [{"type": "scale", "scale": [2, 0.75, 0.5]}, {"type": "translation", "translation": [100, 7, 11]}]
    assert header(made).spacing == spacing
    assert read(out / "probabilities" / "a.ome.zarr").array.dtype == np.float32
    if dims == 2:
        part = predicted(path, tmp_path / "part", dims=2, only=slice(3, 5)) / "labels" / "a.ome.zarr"
        moves = transformations(part)
        assert moves[1]["translation"] == [106, 7, 11]


# pictures


def test_small_labels_can_be_seen_and_stay_what_they_are(tmp_path: Path) -> None:
    Pillow.fromarray((PICTURE // 4).astype(np.uint8)).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "b.tif", PICTURE, resolution=(118, 118), resolutionunit=3)
    tifffile.imwrite(tmp_path / "c.tif", PICTURE, imagej=True)
    for name in ("a.png", "b.tif", "c.tif"):
        file = predicted(tmp_path / name, tmp_path / name.replace(".", "_"), dims=2) / "labels" / name
        assert set(np.unique(read_labels(file).array)) <= {0, 1}
        if name != "c.tif":
            seen = np.asarray(Pillow.open(file).convert("RGB"))
            assert int(seen.max()) - int(seen.min()) > 200 or (name == "a.png" and not read_labels(file).array.any())
            assert set(np.unique(np.asarray(Pillow.open(file)))) <= {0, 1}, "an array of values, not of colours"
        else:
            with tifffile.TiffFile(file) as tif:
                assert (tif.imagej_metadata or {})["max"] == 1.0


def test_objects_have_sizes_in_micrometres() -> None:
    labels = np.zeros((2, 4, 5), np.uint32)
    labels[0, :2, :3] = 1
    flat = rows_of(labels[0], np.ones((4, 5)), (2.0, 0.5, 0.25))[0]
    assert (flat.area, flat.area_um2, flat.volume_um3) == (6, 0.75, None)
    thick = rows_of(labels, np.ones((2, 4, 5)), (2.0, 0.5, 0.25))[0]
    assert (thick.area, thick.volume_um3, thick.area_um2) == (6, 1.5, None)
    unknown = rows_of(labels, np.ones((2, 4, 5)))[0]
    assert (unknown.area_um2, unknown.volume_um3) == (None, None)
    assert not {"area_um2", "volume_um3"} & set(object_cells(unknown))


def test_masks_of_objects_lie_on_their_volume(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii.gz", affine=AFFINE @ np.diag([-1, 1, 1, 1]))
    store = Store(tmp_path / "store", budget=1 << 26)
    folder = PredictionFolder(tmp_path / "out", ("background", "cell"), planes={}, wanted=Wanted(masks=True))
    record = Record("a.nii.gz", Source(path))
    found = answer(store.image(record.image))
    objects = ObjectMap(found.labels, rows_of(found.labels, np.ones(found.labels.shape)))
    folder.add(record, store.image(record.image), objects, store.grid(record.image))
    (mask,) = (tmp_path / "out" / "masks").rglob("*.nii.gz")
    image = nibabel.load(path)
    assert np.array_equal(np.asarray(nibabel.load(mask).dataobj) > 0, np.asarray(image.dataobj) >= 300)
    assert np.array_equal(nibabel.load(mask).affine, image.affine)


def test_a_volume_is_unpacked_slice_by_slice() -> None:
    records = slice_records("a.nii.gz", Path("a.nii.gz"), 12, target=None, split=None)
    assert planes_of(records[3:6]) == {Source(Path("a.nii.gz")): (3, 4, 5)}


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("way", [WAYS[0], WAYS[7], WAYS[19], WAYS[46]])
def test_objects_are_listed_in_the_voxels_of_the_labels_that_are_written(
    tmp_path: Path, way: np.ndarray, dims: int
) -> None:
    path = tmp_path / "a.nii.gz"
    array = np.zeros((12, 10, 6), np.int16)
    array[1:4, 2:4, 4] = 700
    array[8:9, 6:9, 1] = 700
    nibabel.save(nibabel.Nifti1Image(array, AFFINE).as_reoriented(way), path)
    store = Store(tmp_path / "store", budget=1 << 26)
    records = read_unlabelled([path], dims=dims).records
    folder = PredictionFolder(tmp_path / "out", ("a", "b"), planes=planes_of(records))
    for record in records:
        labels = store.image(record.image)[0] // 700
        if dims == 3:
            labels = labels * np.where(np.arange(6) == 1, 2, 1)[:, None, None]
        answer = ObjectMap(labels.astype(np.uint32), rows_of(labels.astype(np.uint32), np.ones(labels.shape)))
        folder.add(record, store.image(record.image), answer, store.grid(record.image))
    folder.close()
    written = np.asarray(nibabel.load(tmp_path / "out" / "labels" / "a.nii.gz").dataobj)
    with (tmp_path / "out" / "objects.csv").open() as lines:
        table = list(csv.DictReader(lines))
    assert len(table) == 2
    for row in table:
        if dims == 2 and not row.get("start_z"):  # nothing is turned: the plane is in the name
            z = int(row["image"].rpartition("#")[2])
            row |= {"start_z": z, "stop_z": z + 1, "centroid_z": z}
        box = tuple(slice(int(row[f"start_{a}"]), int(row[f"stop_{a}"])) for a in "xyz")
        assert (written[box] == int(row["object"])).all()
        assert written[box].size == int(row["area"])
        for a, part in zip("xyz", box, strict=True):
            assert float(row[f"centroid_{a}"]) == (part.start + part.stop - 1) / 2


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("way", [WAYS[0], WAYS[7], WAYS[19], WAYS[46]])
def test_boxes_are_listed_in_the_voxels_of_the_file(tmp_path: Path, way: np.ndarray, dims: int) -> None:
    path = tmp_path / "a.nii.gz"
    array = np.zeros((12, 10, 6), np.int16)
    array[1:4, 2:4, 4] = 700
    array[8:9, 6:9, 1] = 300
    nibabel.save(nibabel.Nifti1Image(array, AFFINE).as_reoriented(way), path)
    store = Store(tmp_path / "store", budget=1 << 26)
    records = read_unlabelled([path], dims=dims).records
    folder = PredictionFolder(tmp_path / "out", ("a", "b", "c"), planes=planes_of(records))
    for record in records:
        image = store.image(record.image)[0]
        boxes = around({k: image == value for k, value in ((1, 700), (2, 300)) if (image == value).any()}, image.shape)
        folder.add(record, image[None], boxes, store.grid(record.image))
    folder.close()
    stored = np.asarray(nibabel.load(path).dataobj)
    with (tmp_path / "out" / "boxes.csv").open() as lines:
        table = list(csv.DictReader(lines))
    assert [row["class"] for row in table] in (["b", "c"], ["c", "b"])
    for row in table:
        if dims == 2 and not row.get("start_z"):  # nothing is turned: the plane is in the name
            z = int(row["image"].rpartition("#")[2])
            row |= {"start_z": z, "stop_z": z + 1}
        box = tuple(slice(int(float(row[f"start_{a}"])), int(float(row[f"stop_{a}"]))) for a in "xyz")
        value = {"b": 700, "c": 300}[row["class"]]
        assert (stored[box] == value).all()
        assert stored[box].size == (stored == value).sum()

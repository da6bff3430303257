"""A conversion gives the same pixels in another format, or nothing and a sentence."""

from __future__ import annotations

import hashlib
import json
import os
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import lamelle
from lamelle.cli import main as entry
from lamelle.conversion import source
from lamelle.conversion.apply import Converted
from lamelle.conversion.target import check_holds, target_of
from lamelle.errors import DataError, FileError, RequestError, sentence
from lamelle.io import atomic
from lamelle.io.formats.table import FORMATS
from lamelle.io.images import header, read
from lamelle.io.output_form import Form
from lamelle.io.writers import write_image

SPACING = (0.05, 0.0046, 0.004)
TARGETS: dict[str, dict[str, Any]] = {
    "a.tif": {},
    "a.ome.tif": {},
    "a.npy": {},
    "a.ome.zarr": {},
    "a.nii": {},
    "a.nii.gz": {},
    "pngs": {"to": "png"},
    "tifs": {"to": "tif"},
}


def volume(shape: tuple[int, ...], dtype: str = "uint16", seed: int = 0) -> np.ndarray:
    top = {"uint8": 256, "int8": 128, "int16": 2**15}.get(dtype, 2**16)
    return np.random.default_rng(seed).integers(0, top, shape).astype(dtype)


def stored(folder: Path, array: np.ndarray, spacing: tuple[float, ...] | None = SPACING) -> Path:
    path = folder / "em.tif"
    write_image(path, array, spacing=spacing)
    return path


def series(folder: Path, planes: dict[str, np.ndarray]) -> Path:
    folder.mkdir()
    for name, plane in planes.items():
        write_image(folder / name, plane, spacing=None)
    return folder


def codes(done: Converted) -> list[str]:
    assert all(sentence(p) for p in done.problems)
    return [p.code for p in done.problems]


def nothing_left(folder: Path, *known: str) -> None:
    assert sorted(os.listdir(folder)) == sorted(known)


def test_there_and_back_through_every_format(tmp_path: Path) -> None:
    stack = volume((1, 12, 40, 30))
    at = stored(tmp_path, stack)
    wanted = hashlib.sha256(stack.tobytes()).hexdigest()
    for name, options in [*TARGETS.items(), ("end.tif", {})]:
        done = lamelle.convert(at, tmp_path / name, **options)
        assert (done.sha256, done.shape, done.dtype) == (wanted, (1, 12, 40, 30), "uint16")
        assert done.spacing == pytest.approx(SPACING, rel=1e-6)
        assert codes(done) == []
        at = tmp_path / name
    assert np.array_equal(read(at).array, stack)
    assert header(at).spacing == pytest.approx(SPACING, rel=1e-6)


def test_other_programs_read_the_same(tmp_path: Path) -> None:
    import zarr

    stack = volume((1, 11, 40, 30))
    at = stored(tmp_path, stack)
    for name, options in TARGETS.items():
        lamelle.convert(at, tmp_path / name, **options)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        meta = tif.imagej_metadata or {}
        page = tif.pages.first
        assert tif.is_imagej
        assert (meta["slices"], meta["unit"], meta["spacing"]) == (11, "um", 0.05)
        x, y = page.tags["XResolution"].value, page.tags["YResolution"].value
        assert (x[1] / x[0], y[1] / y[0]) == pytest.approx((0.004, 0.0046), rel=1e-6)
        assert np.array_equal(tif.asarray(), stack[0])
    assert np.array_equal(np.load(tmp_path / "a.npy"), stack[0])
    group = zarr.open_group(str(tmp_path / "a.ome.zarr"), mode="r")
    about: Any = dict(group.attrs)
    multiscale = about["multiscales"][0]
    assert [a["name"] for a in multiscale["axes"]] == ["z", "y", "x"]
    assert {a["unit"] for a in multiscale["axes"]} == {"micrometer"}
    assert multiscale["datasets"][0]["coordinateTransformations"] == [{"type": "scale", "scale": list(SPACING)}]
    assert np.array_equal(np.asarray(group["0"]), stack[0])
    for folder, suffix in (("pngs", ".png"), ("tifs", ".tif")):
        names = sorted(n for n in os.listdir(tmp_path / folder) if n.endswith(suffix))
        assert names == [f"em_{z:02d}{suffix}" for z in range(11)]
        assert np.array_equal(np.stack([np.asarray(Image.open(tmp_path / folder / n)) for n in names]), stack[0])


def test_types_that_imagej_lacks_become_ome(tmp_path: Path) -> None:
    stack = volume((2, 4, 20, 30), "int16") - 2**14
    lamelle.convert(stored(tmp_path, stack), tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert 'PhysicalSizeZ="0.05"' in (tif.ome_metadata or "")
        assert tif.series[0].axes == "ZCYX"
        assert np.array_equal(tif.asarray().swapaxes(0, 1), stack)


@pytest.mark.parametrize("shape", [(1, 7, 20, 30), (2, 7, 20, 30), (1, 20, 30)])
def test_a_target_named_ome_gets_its_metadata_and_comes_back(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array, spacing = volume(shape), SPACING[-(len(shape) - 1) :]
    there = lamelle.convert(stored(tmp_path, array, spacing), tmp_path / "b.ome.tif")
    with tifffile.TiffFile(tmp_path / "b.ome.tif") as tif:
        assert not tif.is_imagej
        assert f'PhysicalSizeX="{spacing[-1]}"' in (tif.ome_metadata or "")
    back = lamelle.convert(tmp_path / "b.ome.tif", tmp_path / "c.tif")
    assert (back.sha256, back.shape, back.dtype) == (there.sha256, shape, "uint16")
    assert header(tmp_path / "b.ome.tif").spacing == pytest.approx(spacing)
    with tifffile.TiffFile(tmp_path / "c.tif") as tif:
        assert tif.is_imagej


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_array_is_kept_or_refused(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]))
    sizes = data.draw(st.tuples(st.integers(1, 6), st.integers(1, 12), st.integers(1, 7), st.integers(1, 7)))
    name = data.draw(st.sampled_from(list(TARGETS)))
    elements: Any = {"elements": {"allow_nan": False, "allow_infinity": False}} if dtype[0] == "f" else {}
    array = data.draw(hnp.arrays(dtype, sizes, **elements))
    with TemporaryDirectory() as place:
        folder = Path(place)
        write_zarr_of(folder / "in.ome.zarr", array)
        form = header(folder / "in.ome.zarr")
        done, refused = asked(folder / "in.ome.zarr", folder / name, **TARGETS[name])
        if refused is not None:
            assert refused.code == ("convert.no_axes" if name.endswith(".npy") else "convert.cannot_hold")
            assert "zarr" in str(refused.values["formats"]).split(", ")
            nothing_left(folder, "in.ome.zarr")
            return
        assert done is not None
        back = source.open_stack(folder / name, key=None, axes=None, labels=False)
        planes = np.stack(list(back.planes()))
        assert back.form.dtype == array.dtype == np.dtype(done.dtype)
        assert planes.tobytes() == array.swapaxes(0, 1).tobytes()
        assert form.spacing is not None
        assert back.form.spacing == (pytest.approx(form.spacing[-len(back.form.shape) + 1 :], rel=1e-6))


def asked(at: Path, out: Path, **options: Any) -> tuple[Converted | None, RequestError | None]:
    """What came of it, or why it was refused."""
    try:
        return lamelle.convert(at, out, **options), None
    except RequestError as error:
        return None, error


def write_zarr_of(path: Path, array: np.ndarray) -> None:
    from lamelle.io.streams import write_zarr

    write_zarr(path, Form(array.shape, array.dtype, SPACING), array.swapaxes(0, 1), name="a")


@pytest.mark.parametrize(
    ("shape", "dtype", "target", "able"),
    [
        ((1, 3, 8, 9), "float32", "pngs", ["tif", "npy", "zarr", "nii"]),
        ((1, 3, 8, 9), "int16", "pngs", ["tif", "npy", "zarr", "nii"]),
        ((2, 3, 8, 9), "uint8", "pngs", ["tif", "npy", "zarr", "nii"]),
        ((5, 3, 8, 9), "uint8", "a.npy", ["tif", "zarr", "nii"]),
        ((1, 3, 8, 9), "int64", "a.tif", ["npy", "zarr", "nii"]),
        ((1, 3, 8, 9), "float16", "tifs", ["npy", "zarr"]),
    ],
)
def test_what_a_format_cannot_hold_is_refused(
    tmp_path: Path, shape: tuple[int, ...], dtype: str, target: str, able: list[str]
) -> None:
    write_zarr_of(tmp_path / "in.ome.zarr", volume(shape, dtype))
    with pytest.raises(RequestError) as caught:
        lamelle.convert(tmp_path / "in.ome.zarr", tmp_path / target, **TARGETS[target])
    assert str(caught.value.values["formats"]).split(", ") == able
    assert dtype in str(caught.value)
    nothing_left(tmp_path, "in.ome.zarr")


@pytest.mark.parametrize(("language", "rule"), [("en", "does not say which"), ("fr", "ne dit pas lesquels")])
@pytest.mark.parametrize(("dtype", "better"), [("uint16", "a.tif"), ("int64", "a.ome.zarr")])
def test_an_array_whose_axes_npy_would_not_tell_names_the_rule_and_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str, rule: str, dtype: str, better: str
) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    image = Form((5, 96, 96), np.dtype(dtype), None)
    with pytest.raises(RequestError) as caught:
        check_holds(tmp_path / "a.npy", target_of(tmp_path / "a.npy", None), image)
    said = str(caught.value)
    assert rule in said
    assert f"{dtype} [5 × 96 × 96]" in said
    assert str(tmp_path / better) in said
    for channels in range(1, 5):
        check_holds(
            tmp_path / "a.npy", target_of(tmp_path / "a.npy", None), Form((channels, 96, 96), image.dtype, None)
        )
    for channels in range(1, 5):
        stack = Form((channels, 5, 96, 96), image.dtype, None)
        check_holds(tmp_path / "a.npy", target_of(tmp_path / "a.npy", None), stack)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_colours_stay_colours(tmp_path: Path, dtype: str) -> None:
    planes = {f"{z}.png": volume((3, 8, 9), dtype, seed=z) for z in range(3)}
    folder = series(tmp_path / "rgb", planes)
    first = lamelle.convert(folder, tmp_path / "a.tif")
    assert first.shape == (3, 3, 8, 9)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.pages.first.photometric == (2 if dtype == "uint8" else 1)
    for name in ("a.npy", "a.ome.zarr", "pngs", "tifs"):
        assert lamelle.convert(tmp_path / "a.tif", tmp_path / name, **TARGETS[name]).sha256 == first.sha256
    assert np.array_equal(read(tmp_path / "pngs" / "a_1.png").array, planes["1.png"])


def test_one_plane_is_one_file(tmp_path: Path) -> None:
    image = volume((1, 20, 30))
    at = stored(tmp_path, image, SPACING[1:])
    done = lamelle.convert(at, tmp_path / "a.png")
    assert (done.shape, done.dtype, codes(done)) == ((1, 20, 30), "uint16", [])
    assert header(tmp_path / "a.png").spacing == pytest.approx(SPACING[1:], rel=1e-6)
    assert np.asarray(Image.open(tmp_path / "a.png")).max() > 255
    assert lamelle.convert(tmp_path / "a.png", tmp_path / "b.tif").sha256 == done.sha256
    dpi = lamelle.convert(at, tmp_path / "c.png", spacing=(25400 / 300, 25400 / 300))
    assert codes(dpi) == ["convert.spacing_lost"]
    write_zarr_of(tmp_path / "v.ome.zarr", volume((1, 4, 8, 9)))
    with pytest.raises(RequestError, match="there are 4"):
        lamelle.convert(tmp_path / "v.ome.zarr", tmp_path / "v.png")


@pytest.mark.parametrize("shape", [(1, 3, 40, 50), (1, 30, 40, 3), (1, 4, 40, 4), (3, 5, 40, 50), (3, 40, 50)])
def test_an_npy_is_understood_without_its_sidecar(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = volume(shape)
    lamelle.convert(stored(tmp_path, array, None), tmp_path / "a.npy")
    (tmp_path / "a.npy.json").unlink()
    assert np.array_equal(read(tmp_path / "a.npy").array, array)


def test_slices_are_taken_in_natural_order(tmp_path: Path) -> None:
    planes = {f"s{z}.png": np.full((1, 8, 9), z, np.uint8) for z in (1, 2, 10, 9, 11, 3, 4, 5, 6, 7, 8)}
    folder = series(tmp_path / "in", planes)
    done = lamelle.convert(folder, tmp_path / "a.npy")
    assert np.load(tmp_path / "a.npy")[:, 0, 0].tolist() == list(range(1, 12))
    assert (done.spacing, codes(done)) == (None, [])
    lamelle.convert(folder, tmp_path / "tifs", to="tif")
    assert sorted(os.listdir(tmp_path / "tifs"))[:2] == ["in_00.tif", "in_01.tif"]
    (folder / "s4.png").unlink()
    assert codes(lamelle.convert(folder, tmp_path / "b.npy")) == ["convert.gaps"]


def test_names_that_sort_are_kept(tmp_path: Path) -> None:
    folder = series(tmp_path / "in", {f"ctrl-{z:03d}.png": volume((1, 8, 9), seed=z) for z in range(3)})
    lamelle.convert(folder, tmp_path / "tifs", to="tif")
    assert sorted(os.listdir(tmp_path / "tifs")) == [f"ctrl-{z:03d}.tif" for z in range(3)] + ["series.json"]


def test_all_that_is_wrong_with_a_folder_is_said(tmp_path: Path) -> None:
    planes = {f"{z}.png": volume((1, 8, 9), "uint8") for z in range(4)}
    folder = series(tmp_path / "in", planes | {"4.png": volume((1, 9, 9), "uint8"), "5.png": volume((1, 8, 9))})
    write_image(folder / "6.tif", volume((1, 2, 8, 9), "uint8"), spacing=None)
    write_image(folder / "0.tif", planes["0.png"], spacing=None)
    (folder / "7.png").write_bytes((folder / "0.png").read_bytes()[:-20])
    with pytest.raises(DataError) as caught:
        lamelle.convert(folder, tmp_path / "a.npy")
    found = {(Path(p.where).name, p.code) for p in caught.value.problems}
    assert found >= {
        ("4.png", "convert.mixed"),
        ("5.png", "convert.mixed"),
        ("6.tif", "convert.stack_inside"),
        ("0", "convert.twice"),
        ("7.png", "files.truncated"),
    }
    assert not {"1.png", "2.png", "3.png"} & {name for name, _ in found}
    assert "uint8 1 × 9 × 9" in str(caught.value)
    nothing_left(tmp_path, "in")


def test_a_slice_that_breaks_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    folder = series(tmp_path / "in", {f"{z}.png": volume((1, 40, 40), seed=z) for z in range(4)})
    data = bytearray((folder / "2.png").read_bytes())
    data[len(data) // 2] ^= 255
    (folder / "2.png").write_bytes(data)
    for name, options in TARGETS.items():
        with pytest.raises(FileError, match=r"2\.png"):
            lamelle.convert(folder, tmp_path / name, spacing=SPACING, **options)
        nothing_left(tmp_path, "in")


def flipped(write: Callable[..., object]) -> Callable[..., object]:
    """A writer that changes one bit of the last plane."""

    def wrong(path: Path, form: object, planes: Any, out: Path) -> object:
        def stream():
            for plane in planes:
                changed = plane.copy()
                changed[0, -1, -1] ^= plane.max() == 65535
                yield changed

        return write(path, form, stream(), out)

    return wrong


@pytest.mark.parametrize("name", list(TARGETS))
def test_a_copy_that_differs_by_one_bit_is_removed(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = volume((1, 4, 20, 30)) // 2
    stack[0, 3, 0, 0] = 65535
    at = stored(tmp_path, stack)
    rows = {
        name: replace(row, write=replace(row.write, planes=flipped(row.write.planes))) if row.write else row
        for name, row in FORMATS.items()
    }
    monkeypatch.setattr(FORMATS, "_rows", rows)
    with pytest.raises(FileError) as caught:
        lamelle.convert(at, tmp_path / name, **TARGETS[name])
    assert caught.value.code == "convert.differs"
    nothing_left(tmp_path, "em.tif")


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    at = stored(tmp_path, volume((1, 4, 20, 30)))
    monkeypatch.setattr(atomic, "_sync", full)
    for name, options in TARGETS.items():
        with pytest.raises(FileError, match="No space left"):
            lamelle.convert(at, tmp_path / name, **options)
        nothing_left(tmp_path, "em.tif")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    at = stored(tmp_path, volume((1, 4, 8, 9)))
    (tmp_path / "empty").mkdir()
    assert lamelle.convert(at, tmp_path / "empty", to="png").files == 4
    (tmp_path / "a.npy.json").write_text("mine")
    (tmp_path / "b.npy").mkdir()
    for out, to in (("empty", "tif"), ("em.tif", None), ("a.npy", None), ("b.npy", None)):
        with pytest.raises(RequestError, match="nothing is overwritten"):
            lamelle.convert(at, tmp_path / out, to=to)
    assert (tmp_path / "a.npy.json").read_text() == "mine"


@pytest.mark.parametrize("name", list(TARGETS))
def test_memory_holds_a_few_planes_whatever_the_depth(tmp_path: Path, name: str) -> None:
    """40 planes of half a mebibyte, compressed, so that no file is mapped."""
    stack = np.broadcast_to(volume((1, 1, 512, 512)), (1, 40, 512, 512))
    at = stored(tmp_path, stack)
    lamelle.convert(stored_small(tmp_path), tmp_path / f"warm-{name}", **TARGETS[name])
    tracemalloc.start()
    try:
        lamelle.convert(at, tmp_path / name, **TARGETS[name])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20, f"{peak / 2**20:.1f} MiB of {stack.nbytes / 2**20:.0f}"


def stored_small(folder: Path) -> Path:
    """Something to import every library with."""
    path = folder / "small.tif"
    write_image(path, volume((1, 2, 8, 9)), spacing=SPACING)
    return path


def paletted(path: Path) -> np.ndarray:
    indices = volume((8, 9), "uint8") % 5
    image = Image.fromarray(indices)
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128])
    image.save(path)
    return indices


def test_labels_keep_the_indices_of_a_palette(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    wanted = [paletted(tmp_path / "masks" / f"{z}.png") for z in range(3)]
    done = lamelle.convert(tmp_path / "masks", tmp_path / "labels.tif", labels=True)
    assert (done.shape, codes(done)) == ((1, 3, 8, 9), [])
    assert np.array_equal(read(tmp_path / "labels.tif").array[0], np.stack(wanted))
    colours = lamelle.convert(tmp_path / "masks", tmp_path / "colours.tif")
    assert (colours.shape[0], codes(colours)) == (3, ["convert.palette"] * 3)
    one = lamelle.convert(tmp_path / "masks" / "1.png", tmp_path / "one.npy", labels=True)
    assert one.shape == (1, 8, 9)
    assert np.array_equal(np.load(tmp_path / "one.npy"), wanted[1])


def test_a_sidecar_is_believed_only_where_it_fits(tmp_path: Path) -> None:
    at = stored(tmp_path, volume((1, 4, 8, 9)))
    lamelle.convert(at, tmp_path / "pngs", to="png")
    lamelle.convert(at, tmp_path / "a.npy")
    folder, beside = tmp_path / "pngs", tmp_path / "pngs" / "series.json"
    text = beside.read_text()
    write_image(folder / "em_2.png", volume((1, 8, 9), seed=9), spacing=None)
    assert codes(lamelle.convert(folder, tmp_path / "b.npy")) == ["convert.changed"]
    (folder / "em_3.png").rename(tmp_path / "em_4.png")
    with pytest.raises(FileError, match=r"missing: em_3\.png"):
        lamelle.convert(folder, tmp_path / "c.npy")
    (tmp_path / "em_4.png").rename(folder / "em_3.png")
    for broken in (text[:-30], text.replace("0.05", "-1"), text.replace('"shape"', '"sharp"')):
        beside.write_text(broken)
        with pytest.raises(FileError) as caught:
            lamelle.convert(folder, tmp_path / "c.npy")
        assert caught.value.code == "convert.sidecar"
    beside.write_text(json.dumps({"another": "program"}))
    assert codes(lamelle.convert(folder, tmp_path / "c.npy")) == ["convert.z_unknown"]
    np.save(tmp_path / "a.npy", volume((5, 8, 9)))
    with pytest.raises(FileError) as caught:
        lamelle.convert(tmp_path / "a.npy", tmp_path / "d.npy")
    assert caught.value.code == "convert.sidecar_other"


def test_what_would_lose_something_is_refused_or_said(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "two.tif") as tif:
        tif.write(volume((8, 9)))
        tif.write(volume((10, 9)))
    tifffile.imwrite(tmp_path / "time.tif", volume((5, 8, 9)), imagej=True, metadata={"axes": "TYX"})
    for name in ("two.tif", "time.tif"):
        with pytest.raises(FileError):
            lamelle.convert(tmp_path / name, tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", one=volume((5, 8, 9)), two=volume((4, 8, 9)))
    with pytest.raises(RequestError, match="--key"):
        lamelle.convert(tmp_path / "a.npz", tmp_path / "a.npy")
    assert lamelle.convert(tmp_path / "a.npz", tmp_path / "a.npy", key="two").shape == (1, 4, 8, 9)
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    write_image(tmp_path / "outer" / "inner" / "a.png", volume((1, 8, 9)), spacing=None)
    with pytest.raises(RequestError, match="in it: inner"):
        lamelle.convert(tmp_path / "outer", tmp_path / "b.npy")


@pytest.mark.parametrize(
    ("out", "options", "code"),
    [
        ("a", {}, "convert.which_format"),
        ("a.jpg", {}, "convert.which_format"),
        ("a", {"to": "npy"}, "convert.needs_suffix"),
        ("a.tif", {"to": "npy"}, "convert.contradiction"),
        ("a", {"to": "gif"}, "convert.unknown_format"),
        ("a.npy", {"spacing": (1.0, 2.0)}, "convert.spacing"),
        ("a.npy", {"spacing": (0.0, 1.0, 2.0)}, "convert.spacing"),
    ],
)
def test_requests_that_mean_nothing(tmp_path: Path, out: str, options: dict[str, Any], code: str) -> None:
    at = stored(tmp_path, volume((1, 4, 8, 9)))
    with pytest.raises(RequestError) as caught:
        lamelle.convert(at, tmp_path / out, **options)
    assert caught.value.code == code
    assert str(caught.value)
    nothing_left(tmp_path, "em.tif")


def test_medical_volumes_come_in(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    voxels = volume((9, 8, 5), "int16")
    image = nibabel.Nifti1Image(voxels, np.diag([-0.5, -0.25, 2.0, 1.0]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "ct.nii.gz")
    done = lamelle.convert(tmp_path / "ct.nii.gz", tmp_path / "ct.tif")
    assert (done.shape, done.spacing) == ((1, 5, 8, 9), (2000.0, 250.0, 500.0))
    assert np.array_equal(read(tmp_path / "ct.tif").array[0], voxels.T)
    nibabel.save(nibabel.Nifti1Image(voxels[..., :1], np.eye(4)), tmp_path / "flat.nii")
    assert lamelle.convert(tmp_path / "flat.nii", tmp_path / "flat.tif").shape == (1, 8, 9)


def test_the_command_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stored(tmp_path, volume((1, 12, 8, 9)))
    run = CliRunner().invoke
    said = run(entry.lamelle, ["convert", "em.tif", "pngs", "--to", "png", "--spacing", "0.05,0.004,0.004"])
    assert said.exit_code == 0
    assert "1 × 12 × 8 × 9 uint16, pixel size 0.05 × 0.004 × 0.004 µm, SHA-256" in said.output
    assert header(tmp_path / "pngs" / "em_00.png").spacing == pytest.approx((0.004, 0.004))
    wrong = run(entry.lamelle, ["convert", "em.tif", "b.tif", "--spacing", "0.05;0.004"])
    assert wrong.exit_code == 2
    assert "0.05;0.004" in wrong.output
    (tmp_path / "pngs" / "series.json").unlink()
    assert "--spacing" in run(entry.lamelle, ["convert", "pngs", "b.tif"]).output


@pytest.mark.real
def test_real_stacks_go_round(real_data: Path, tmp_path: Path) -> None:
    at, wanted = real_data / "isbi2012" / "train-volume.tif", (0.05, 0.004, 0.004)
    before = hashlib.sha256(np.ascontiguousarray(tifffile.imread(at)).tobytes()).hexdigest()
    first = lamelle.convert(at, tmp_path / "pngs", to="png", spacing=wanted)
    for come, go in (("pngs", "a.tif"), ("a.tif", "a.ome.zarr"), ("a.ome.zarr", "a.npy"), ("a.npy", "b.tif")):
        done = lamelle.convert(tmp_path / come, tmp_path / go)
        assert (done.sha256, done.spacing) == (first.sha256, pytest.approx(wanted, rel=1e-6))
    assert before == first.sha256
    assert hashlib.sha256(tifffile.imread(tmp_path / "b.tif").tobytes()).hexdigest() == before

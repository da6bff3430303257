"""Writers give back each value, and the one way of writing survives failures."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import struct
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image as Pillow

from lamelle.errors import FileError
from lamelle.io import atomic, streams
from lamelle.io.images import header, read, read_labels
from lamelle.io.writers import write_image, write_labels, write_rgb

DTYPES = ["u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8"]
FINITE = {"allow_nan": False, "allow_infinity": False}
SPACING = st.tuples(*[st.floats(1e-4, 1e4)] * 3)


@st.composite
def images(draw: st.DrawFn) -> np.ndarray:
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = (
        draw(st.integers(1, 5)),
        *draw(st.sampled_from([(), (2,), (5,)])),
        *draw(st.tuples(*[st.integers(1, 20)] * 2)),
    )
    elements = {"elements": st.floats(width=8 * dtype.itemsize, **FINITE)} if dtype.kind == "f" else {}
    return draw(hnp.arrays(dtype, shape, **elements))


@settings(max_examples=80, deadline=None)
@given(images(), SPACING)
def test_tiff_round_trip(array: np.ndarray, spacing: tuple[float, ...]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.tif")
        wanted = spacing[-(array.ndim - 1) :]
        write_image(path, array, spacing=wanted)
        image = read(path)
        assert image.array.dtype == array.dtype
        assert np.array_equal(image.array, array)
        assert image.spacing == pytest.approx(wanted, rel=1e-6)
        assert image.problems == ()
        assert os.listdir(folder) == ["a.tif"]


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(st.sampled_from([np.uint8, np.uint16]), st.tuples(st.sampled_from([1, 3]), *[st.integers(1, 20)] * 2))
)
def test_png_round_trip(array: np.ndarray) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.png")
        write_image(path, array, spacing=(0.004, 0.005))
        image = read(path)
        assert image.array.dtype == array.dtype
        assert np.array_equal(image.array, array)
        assert image.spacing == pytest.approx((0.004, 0.005), rel=1e-6)


@settings(max_examples=80, deadline=None)
@given(
    hnp.arrays(
        np.int64,
        hnp.array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=9),
        elements=st.one_of(st.integers(-1, 300), st.integers(-(2**31), 2**31 - 1)),
    )
)
def test_labels_round_trip(labels: np.ndarray) -> None:
    with TemporaryDirectory() as folder:
        write_labels(Path(folder, "a.tif"), labels, spacing=None)
        found = read_labels(Path(folder, "a.tif")).array
        assert np.array_equal(found, labels)
        smaller = [
            t for t in ("u1", "u2", "i1", "i2") if np.iinfo(t).min <= labels.min() and labels.max() <= np.iinfo(t).max
        ]
        assert found.dtype.itemsize == min((np.dtype(t).itemsize for t in smaller), default=4)


@pytest.mark.parametrize(("top", "dtype"), [(1, "u1"), (255, "u1"), (256, "u2"), (65535, "u2"), (65536, "u4")])
def test_smallest_type(tmp_path: Path, top: int, dtype: str) -> None:
    write_labels(tmp_path / "a.tif", np.array([[0, top]]), spacing=(1.0, 1.0))
    assert read_labels(tmp_path / "a.tif").array.dtype == np.dtype(dtype)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.is_imagej or dtype == "u4"
        assert tif.pages[0].compression == 8


def test_ignored_pixels_keep_their_minus_one(tmp_path: Path) -> None:
    labels = np.array([[-1, 0], [3, 1]])
    write_labels(tmp_path / "a.tif", labels, spacing=None)
    assert np.array_equal(read_labels(tmp_path / "a.tif").array, labels)


@pytest.mark.parametrize("name", ["a.ome.tif", "A.OME.TIFF"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4", "i2"])
@pytest.mark.parametrize("shape", [(1, 8, 9), (3, 8, 9), (1, 5, 8, 9), (2, 5, 8, 9), (2, 1, 8, 9)])
def test_a_name_that_promises_ome_is_kept(tmp_path: Path, name: str, dtype: str, shape: tuple[int, ...]) -> None:
    array = (np.arange(np.prod(shape)).reshape(shape) % 100).astype(dtype)
    spacing = (0.05, 0.004, 0.005)[-(len(shape) - 1) :]
    write_image(tmp_path / name, array, spacing=spacing)
    image = read(tmp_path / name)
    assert np.array_equal(image.array.reshape(shape), array)
    assert image.array.dtype == array.dtype
    assert image.spacing == pytest.approx(spacing[-(image.array.ndim - 1) :])
    with tifffile.TiffFile(tmp_path / name) as tif:
        assert (tif.is_ome, tif.is_imagej) == (True, False)
        pixels = tifffile.xml2dict(tif.ome_metadata or "")["OME"]["Image"]["Pixels"]
        assert [pixels[f"PhysicalSize{axis}"] for axis in "ZYX"[-len(spacing) :]] == pytest.approx(spacing)
        assert {pixels[f"PhysicalSize{axis}Unit"] for axis in "ZYX"[-len(spacing) :]} == {"µm"}
        assert (pixels["SizeC"], pixels["SizeZ"]) == (shape[0], shape[1] if len(shape) == 4 else 1)
        long = [(a, n) for a, n in zip("CZYX" if len(shape) == 4 else "CYX", shape, strict=True) if n > 1]
        assert sorted(zip(tif.series[0].axes, tif.series[0].shape, strict=True)) == sorted(long)


def test_colours_in_ome_stay_colours_and_planes_are_written_as_they_come(tmp_path: Path) -> None:
    random, depth, peak = np.random.default_rng(0), 40, 0
    stack = random.integers(0, 256, (depth, 3, 200, 210), np.uint8)
    tracemalloc.start()
    try:
        form = streams.Form((3, depth, 200, 210), stack.dtype, (2.0, 0.5, 0.5), colours=True)
        streams.write_tiff(tmp_path / "a.ome.tif", form, (plane.copy() for plane in stack), ome=True)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < stack.nbytes / 3
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert tif.pages.first.photometric == 2
        assert tif.series[0].axes == "ZYXS"
    image = read(tmp_path / "a.ome.tif")
    assert np.array_equal(image.array, stack.swapaxes(0, 1))
    assert image.spacing == (2.0, 0.5, 0.5)


def test_imagej_axes(tmp_path: Path) -> None:
    write_image(tmp_path / "a.tif", np.zeros((2, 5, 8, 9), np.uint16), spacing=(0.05, 0.004, 0.005))
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        meta = tif.imagej_metadata or {}
        assert (meta["channels"], meta["slices"], meta["unit"], meta["spacing"]) == (2, 5, "um", 0.05)
        assert tif.series[0].axes == "ZCYX"


def test_over_four_gigabytes_is_bigtiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "CLASSIC_BYTES", 1000)
    array = np.arange(2000, dtype=np.uint16).reshape(1, 5, 20, 20)
    write_image(tmp_path / "a.tif", array, spacing=(1.0, 2.0, 3.0))
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.is_bigtiff
    assert np.array_equal(read(tmp_path / "a.tif").array, array)
    assert header(tmp_path / "a.tif").spacing == (1.0, 2.0, 3.0)


def test_colours(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (3, 20, 30), np.uint8)
    for name in ("a.png", "a.tif"):
        write_rgb(tmp_path / name, array)
        assert np.array_equal(read(tmp_path / name).array, array)
        assert np.array_equal(np.moveaxis(np.asarray(Pillow.open(tmp_path / name)), -1, 0), array)


@pytest.mark.parametrize(
    ("name", "array", "code"),
    [
        ("a.png", np.zeros((1, 8, 9), np.float32), "files.cannot_store"),
        ("a.png", np.zeros((2, 8, 9), np.uint8), "files.cannot_store"),
        ("a.png", np.zeros((1, 4, 8, 9), np.uint8), "files.cannot_store"),
        ("a.tif", np.zeros((1, 8, 9), np.complex64), "files.cannot_store"),
        ("a.tif", np.full((1, 8, 9), 2**40), "files.cannot_store"),
        ("a.jpg", np.zeros((1, 8, 9), np.uint8), "files.no_writer"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(tmp_path: Path, name: str, array: np.ndarray, code: str) -> None:
    with pytest.raises(FileError) as caught:
        write_image(tmp_path / name, array, spacing=None)
    assert caught.value.code == code
    assert str(caught.value)
    assert os.listdir(tmp_path) == []


def test_wrong_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="C, "):
        write_image(tmp_path / "a.tif", np.zeros((8, 9)), spacing=None)
    with pytest.raises(ValueError, match="spacing"):
        write_image(tmp_path / "a.tif", np.zeros((1, 8, 9)), spacing=(1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="integers"):
        write_labels(tmp_path / "a.tif", np.zeros((8, 9)), spacing=None)


def test_write_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    atomic.write_json(
        path, {"b": 1, "a": [np.float32(0.5), np.int64(3), float("nan"), -np.inf, np.array([1.0, np.nan])]}
    )
    atomic.write_json(
        path, {"b": 1, "a": [np.float32(0.5), float("nan"), np.array([1.0, np.nan]), Path("x")], "é": None}
    )
    assert path.read_text("utf-8").index('"b"') < path.read_text("utf-8").index('"a"')
    assert json.loads(path.read_text("utf-8")) == {"b": 1, "a": [0.5, None, [1.0, None], "x"], "é": None}
    atomic.write_text(tmp_path / "b.txt", "a\r\né\n")
    assert (tmp_path / "b.txt").read_bytes() == b"a\r\n\xc3\xa9\n"
    assert sorted(os.listdir(tmp_path)) == ["a.json", "b.txt"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("where", ["fsync", "replace", "body"])
def test_full_disk_keeps_the_old_file(tmp_path: Path, where: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.bin"
    atomic.write_bytes(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    if where != "body":
        monkeypatch.setattr(os, where, fail)
    with pytest.raises(FileError) as caught, atomic.writing(path) as temporary:  # noqa: PT012
        assert temporary.parent == path.parent
        assert temporary.suffix == path.suffix
        temporary.write_bytes(b"newer")
        if where == "body":
            fail()
    monkeypatch.undo()
    assert caught.value.code == "files.cannot_write"
    assert (caught.value.values["reason"], caught.value.values["written"]) == (os.strerror(number), 5)
    assert str(path) in str(caught.value)
    assert os.listdir(tmp_path) == ["a.bin"]
    assert path.read_bytes() == b"old"


def test_an_interruption_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    atomic.write_bytes(path, b"old")
    with pytest.raises(KeyboardInterrupt), atomic.writing(path) as temporary:  # noqa: PT012
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["a.bin"]
    assert path.read_bytes() == b"old"


def test_order_is_flush_rename_flush_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda d: (calls.append(os.path.isdir(f"/proc/self/fd/{d}")), fsync(d)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b)))
    atomic.write_bytes(tmp_path / "a", b"x")
    assert calls == [False, "replace", True]


def test_missing_folder_and_sums(tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught:
        atomic.write_bytes(tmp_path / "none" / "a", b"x")
    assert caught.value.code == "files.cannot_write"
    data = os.urandom(3 << 20)
    atomic.write_bytes(tmp_path / "a", data)
    assert atomic.sha256(tmp_path / "a") == hashlib.sha256(data).hexdigest()
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "none", "."):
        with pytest.raises(FileError):
            atomic.sha256(tmp_path / name)


def test_png_spacing_is_where_the_standard_wants_it(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.zeros((1, 8, 9), np.uint8), spacing=(0.5, 0.25))
    data = (tmp_path / "a.png").read_bytes()
    at = data.index(b"pHYs") + 4
    assert struct.unpack(">IIB", data[at : at + 9]) == (4_000_000, 2_000_000, 1)
    assert at < data.index(b"IDAT")
    Pillow.open(tmp_path / "a.png").load()

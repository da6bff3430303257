"""A file format is added by one file with one row: MRC, of which everything the project knows stands here.

MRC2014 (Cheng et al. 2015, doi:10.1016/j.jsb.2015.04.002): a header of 1024 bytes, then planes, rows and columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from format_contract import agree, cut_off

import lamelle
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.store import Store
from lamelle.errors import FileError, RequestError
from lamelle.io.axes import checked_spacing
from lamelle.io.common import Header, ReadOptions, size_of
from lamelle.io.files import is_image_name
from lamelle.io.format import Format, Writer
from lamelle.io.formats.table import FORMATS
from lamelle.io.images import format_of, read, window
from lamelle.io.output_form import Form
from lamelle.io.pixels import native
from lamelle.io.writers import write_image, write_labels
from lamelle.types import Image, Source

# ---- the file: io/formats/mrc.py

_MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2"}
_MARK, _LITTLE = b"MAP ", b"\x44\x44\0\0"
_ANGSTROM = 1e-4


def _mapped(path: Path) -> tuple[np.ndarray, tuple[float, ...] | None]:
    """Planes [Z, Y, X] where they lie, and the size of a voxel in µm."""
    head = path.open("rb").read(1024)
    if len(head) < 1024:
        raise FileError("files.truncated", path)
    order = "<" if head[212:213] == _LITTLE[:1] else ">"
    x, y, z, mode, *_ = (int(v) for v in np.frombuffer(head, f"{order}i4", 10))
    cell = np.frombuffer(head, f"{order}f4", 3, offset=40)
    counts, more = np.frombuffer(head, f"{order}i4", 3, offset=28), np.frombuffer(head, f"{order}i4", 1, offset=92)
    dtype, offset = np.dtype(order + _MODES[mode]), 1024 + int(more[0])
    if offset + x * y * z * dtype.itemsize > size_of(path):
        raise FileError("files.truncated", path)
    spacing = tuple(float(c) / n * _ANGSTROM for c, n in zip(cell[::-1], counts[::-1], strict=True) if n)
    return np.memmap(path, dtype, "r", offset, (z, y, x)), checked_spacing(spacing) if len(spacing) == 3 else None


def header(path: Path, wanted: ReadOptions) -> Header:
    array, spacing = _mapped(path)
    shape = (1, *array.shape) if len(array) > 1 else array.shape
    return Header("mrc", shape, array.dtype.newbyteorder("="), spacing and spacing[1 - len(shape) :])


def read_mrc(path: Path, wanted: ReadOptions) -> Image:
    array = _mapped(path)[0]
    return Image(native(path, array[None] if len(array) > 1 else array), header(path, wanted).spacing)


def planes(path: Path, wanted: ReadOptions) -> Iterator[np.ndarray]:
    yield from (native(path, plane[None]) for plane in _mapped(path)[0])


def window_of(path: Path, wanted: ReadOptions, start: Sequence[int], size: Sequence[int]) -> np.ndarray:
    array = _mapped(path)[0]
    where = tuple(slice(s, s + n) for s, n in zip(start, size, strict=True))
    return native(path, array[None][(slice(None), *where)] if len(where) == 3 else array[(slice(None), *where)])


def write(path: Path, form: Form, planes: Iterable[np.ndarray], out: Path) -> None:
    mode = next(number for number, kind in _MODES.items() if np.dtype(kind) == form.dtype)
    size = (form.shape[-1], form.shape[-2], form.depth)
    head = np.zeros(256, "<i4")
    head[:4], head[7:10], head[16:19] = (*size, mode), size, (1, 2, 3)
    steps = ((1.0,) if len(form.shape) == 3 else ()) + (form.spacing or ())
    if form.spacing:
        head[10:13].view("<f4")[:] = [n * s / _ANGSTROM for n, s in zip(size, reversed(steps), strict=True)]
    data = bytearray(head.tobytes())
    data[208:216] = _MARK + _LITTLE
    with path.open("wb") as file:
        file.write(data)
        for plane in planes:
            file.write(np.ascontiguousarray(plane, form.dtype.newbyteorder("<")).data)


FORMAT = Format(
    "mrc",
    "MRC",
    (".mrc", ".rec"),
    recognise=lambda head: head[208:212] == _MARK,
    header=header,
    read=read_mrc,
    planes=planes,
    window=window_of,
    in_place=True,
    write=Writer("mrc", (".mrc",), write, lambda form: form.dtype in ("i1", "i2", "f4", "u2") and form.shape[0] == 1),
)

# ---- what follows from its row

SPACING = (0.004, 0.001, 0.001)


@pytest.fixture(autouse=True)
def added() -> Iterator[None]:
    with FORMATS.added(FORMAT):
        yield


def made(path: Path, array: np.ndarray, spacing: tuple[float, ...] | None = SPACING) -> Path:
    write_image(path, array, spacing=spacing and spacing[-(array.ndim - 1) :])
    return path


@pytest.mark.parametrize("kind", ["i1", "i2", "f4", "u2"])
@pytest.mark.parametrize("depth", [1, 5])
@pytest.mark.parametrize("order", ["<", ">"])
def test_it_keeps_the_contract_of_every_format(tmp_path: Path, kind: str, depth: int, order: str) -> None:
    array = np.random.default_rng(1).integers(0, 100, (depth, 60, 40)).astype(kind)
    array = array[None] if depth > 1 else array
    path = made(tmp_path / "a.mrc", array)
    if order == ">":
        data = path.read_bytes()
        words = np.frombuffer(data[:208], "<i4").astype(">i4").tobytes()
        pixels = np.frombuffer(data[1024:], f"<{kind}").astype(f">{kind}").tobytes()
        path.write_bytes(words + _MARK + b"\x11\x11\0\0" + data[216:1024] + pixels)
    agree(path, array)
    assert np.allclose(read(path).spacing or (), SPACING[-(array.ndim - 1) :])
    cut_off(path)


def test_it_is_recognised_by_content_and_named(tmp_path: Path) -> None:
    path = made(tmp_path / "a.mrc", np.zeros((1, 5, 60, 40), np.uint16))
    other = path.rename(tmp_path / "b.tif")
    assert format_of(other) is FORMAT
    assert [p.values["format"] for p in read(other).problems] == ["MRC"]
    assert is_image_name("a.rec")
    assert not is_image_name("a.st")
    assert FORMATS.listing()["mrc"] == "MRC .mrc .rec"
    with pytest.raises(RequestError, match=r"\.mrc"):
        lamelle.convert(other, tmp_path / "a")
    with pytest.raises(RequestError, match="mrc"):
        lamelle.convert(other, tmp_path / "a", to="nothing")


def test_before_it_was_added_it_was_known_and_not_read() -> None:
    assert FORMATS["mrc"] is FORMAT
    with pytest.raises(ValueError, match="two rows"), FORMATS.added(FORMAT):
        pass


def test_it_lies_in_place_and_gives_windows(tmp_path: Path) -> None:
    array = np.random.default_rng(2).integers(0, 99, (1, 9, 100, 80)).astype(np.uint16)
    path = made(tmp_path / "a.mrc", array)
    store = Store(tmp_path / "store", budget=1 << 30)
    assert np.array_equal(store.image(Source(path)), array)
    assert store.entry(Source(path)).format == "mrc"
    assert list((tmp_path / "store").glob("**/*.npy")) == []
    assert np.array_equal(window(path, (2, 10, 20), (3, 40, 50)), array[:, 2:5, 10:50, 20:70])


def test_it_is_converted_to_and_from(tmp_path: Path) -> None:
    array = np.random.default_rng(3).integers(0, 999, (1, 5, 60, 40)).astype(np.uint16)
    path = made(tmp_path / "a.mrc", array)
    there = lamelle.convert(path, tmp_path / "b.tif")
    back = lamelle.convert(there.path, tmp_path / "c.mrc", to="mrc")
    assert there.sha256 == back.sha256
    assert np.array_equal(read(back.path).array, array)
    assert np.allclose(read(back.path).spacing or (), SPACING)
    with pytest.raises(RequestError, match="formats that can: tif, npy, zarr"):
        lamelle.convert(made(tmp_path / "colours.tif", np.zeros((2, 20, 30), np.uint16), None), tmp_path / "d.mrc")


def test_it_is_trained_on_and_predicted(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    for n in range(8):
        mask = np.zeros((48, 48), np.uint8)
        y, x = rng.integers(8, 30, 2)
        mask[y : y + 10, x : x + 10] = 1
        for folder in ("images", "masks"):
            (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
        image = (rng.normal(1000, 50, (1, 48, 48)) + 500.0 * mask).astype(np.int16)
        made(tmp_path / "data" / "images" / f"{n}.mrc", image)
        write_labels(tmp_path / "data" / "masks" / f"{n}.png", mask, spacing=None)
    index = read_folder(tmp_path / "data", options=LayoutOptions())
    assert (len(index.records), index.problems) == (8, ())
    small = ["model.kind=unet", "model.filters=[4,8]", "train.patch=32", "train.epochs=1", "train.workers=0"]
    run = lamelle.train(tmp_path / "data", overrides=small, name="toy", runs=tmp_path / "runs")
    lamelle.predict(run.path, tmp_path / "data" / "images", tmp_path / "out")
    assert len(list((tmp_path / "out" / "labels").glob("*.tif"))) == 8

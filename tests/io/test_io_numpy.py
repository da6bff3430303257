"""NPY and NPZ: axes, MedMNIST keys, order, safety."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lamelle.errors import FileError
from lamelle.io import common
from lamelle.io.images import header, planes, read, read_labels

RNG = np.random.default_rng(2)


def refused(path: Path, function=read, **options) -> FileError:
    with pytest.raises(FileError) as caught:
        function(path, **options)
    return caught.value


def same(path: Path, expected: np.ndarray, key: str | None = None) -> None:
    image, head = read(path, key=key), header(path, key=key)
    assert np.array_equal(image.array, expected)
    assert image.array.dtype == head.dtype == expected.dtype.newbyteorder("=")
    assert head.shape == expected.shape
    stacked = np.stack(list(planes(path, key=key)), axis=1)
    assert np.array_equal(stacked, expected if expected.ndim == 4 else expected[:, None])


@pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((20, 30), (None, 0, 1)),
        ((5, 20, 30), (None, 0, 1, 2)),
        ((4, 20, 30), (None, 0, 1, 2)),
        ((20, 30, 3), (2, 0, 1)),
        ((20, 30, 4), (2, 0, 1)),
        ((3, 20, 30), (0, 1, 2)),
        ((1, 20, 30), (0, 1, 2)),
        ((3, 9, 30), (None, 0, 1, 2)),
        ((7, 20, 30, 3), (3, 0, 1, 2)),
        ((2, 7, 20, 30), (0, 1, 2, 3)),
    ],
)
@pytest.mark.parametrize("variant", ["npy", "fortran", "big-endian", "npz", "savez_compressed"])
def test_plain_axes(tmp_path: Path, shape: tuple, order: tuple, variant: str) -> None:
    array = RNG.integers(0, 999, shape).astype(">i2" if variant == "big-endian" else np.int16)
    path = tmp_path / ("a.npz" if "z" in variant else "a.npy")
    if "z" in variant:
        (np.savez if variant == "npz" else np.savez_compressed)(path, images=array)
    else:
        np.save(path, np.asfortranarray(array) if variant == "fortran" else array)
    kept = [a for a in order if a is not None]
    expected = array.transpose(kept)
    same(path, expected[None] if order[0] is None else expected)


@pytest.mark.parametrize("shape", [(3, 30, 3), (4, 30, 3), (3, 20, 30, 3)])
def test_ambiguous_channels_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape))
    assert refused(tmp_path / "a.npy").code == "files.ambiguous_axes"
    assert refused(tmp_path / "a.npy", header).code == "files.ambiguous_axes"


@pytest.mark.parametrize("shape", [(), (5,), (0, 5), (2, 3, 4, 5, 6), (9, 28, 28, 28)])
def test_other_shapes_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.zeros(shape))
    assert refused(tmp_path / "a.npy").code == "files.axes"


def test_npy_is_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((5, 20, 30), np.uint16))
    array = read(tmp_path / "a.npy").array
    assert isinstance(array, np.memmap)
    assert array.filename == tmp_path / "a.npy"


def test_boolean_is_zero_and_one(tmp_path: Path) -> None:
    mask = RNG.random((20, 30)) > 0.5
    np.save(tmp_path / "a.npy", mask)
    assert np.array_equal(read_labels(tmp_path / "a.npy").array, mask.astype(np.uint8))
    assert read(tmp_path / "a.npy").array.dtype == np.uint8


@pytest.mark.parametrize("colour", [(), (3,)])
def test_medmnist(tmp_path: Path, colour: tuple[int, ...]) -> None:
    images = RNG.integers(0, 256, (40, 28, 28, *colour), np.uint8)
    labels = RNG.integers(0, 9, (40, 1))
    path = tmp_path / "pathmnist.npz"
    np.savez_compressed(path, train_images=images, train_labels=labels)
    assert header(path).keys == ("train_images", "train_labels")
    assert header(path).shape == ()
    same(path, images.transpose(3, 0, 1, 2) if colour else images[None], key="train_images")
    error = refused(path)
    assert (error.code, error.values["keys"]) == ("files.which_array", "train_images, train_labels")
    assert refused(path, key="test_images").code == "files.no_such_array"


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[{}, 1]], object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", np.array([[{}, 1]], object), allow_pickle=True)
    assert refused(tmp_path / "a.npy").code == "files.dtype"
    assert refused(tmp_path / "a.npz").code in ("files.dtype", "files.which_array")
    for array in (np.array([["a", "b"]]), np.zeros((2, 2), complex), np.zeros((2, 2), [("r", "u1")])):
        np.save(tmp_path / "b.npy", array)
        assert refused(tmp_path / "b.npy").code == "files.dtype"


def test_truncated(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((20, 30)))
    path.write_bytes(path.read_bytes()[:-1])
    assert refused(path).code == "files.truncated"
    np.savez_compressed(tmp_path / "a.npz", RNG.random((20, 30)))
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-30])
    assert refused(tmp_path / "a.npz").code == "files.cannot_decode"


def test_bombs_are_refused_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "BOMB_BYTES", 1 << 20)
    np.savez_compressed(tmp_path / "a.npz", np.zeros((2000, 2000)))
    assert refused(tmp_path / "a.npz").code == "files.bomb"
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)})
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("a.npy", head.getvalue() + bytes(100))
    assert refused(tmp_path / "b.npz").code == "files.truncated"
    (tmp_path / "b.npy").write_bytes(head.getvalue() + bytes(100))
    assert refused(tmp_path / "b.npy").code == "files.truncated"


def test_float_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([[0.0, -1.0], [300.0, 2.0]]))
    labels = read_labels(path).array
    assert labels.tolist() == [[0, -1], [300, 2]]
    assert labels.dtype.kind == "i"
    np.save(path, np.array([[0.0, 1.5]]))
    error = refused(path, read_labels)
    assert (error.code, error.values["value"]) == ("files.float_labels", "1.5")
    np.save(path, np.array([[0.0, np.nan]]))
    assert refused(path, read_labels).code == "files.not_finite"
    np.save(path, np.zeros((20, 30, 4), np.uint8))
    assert refused(path, read_labels).code == "files.label_channels"

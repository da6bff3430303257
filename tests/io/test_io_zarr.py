"""Zarr v2 and v3, OME-Zarr 0.4 and 0.5."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import zarr

from lamelle.errors import FileError
from lamelle.io import common
from lamelle.io.formats import zarr as zarr_format
from lamelle.io.images import header, planes, read, read_labels
from lamelle.io.streams import Form, write_zarr

RNG = np.random.default_rng(4)
VOLUME = RNG.integers(0, 60000, (2, 7, 20, 30), np.uint16)  # C, Z, Y, X


def array_at(path: Path, array: np.ndarray, *, version: int, chunks: tuple[int, ...] | None = None) -> Path:
    stored = zarr.create_array(
        str(path), shape=array.shape, dtype=array.dtype, chunks=chunks or array.shape, zarr_format=version
    )
    stored[...] = array
    return path


def ome(path: Path, *, version: int, unit: str = "nanometer", labels: bool = True) -> Path:
    """A pyramid of two levels, and a label image."""
    axes = [{"name": "c", "type": "channel"}, *({"name": a, "type": "space", "unit": unit} for a in "zyx")]
    group = zarr.open_group(str(path), mode="w", zarr_format=version)

    def multiscale(array: np.ndarray, where: str, axes: list) -> dict:
        datasets = []
        for level, step in ((1, 2), (0, 1)):  # the finest is not the first
            small = array[..., ::step, ::step]
            array_at(path / where / str(level), small, version=version, chunks=(*small.shape[:-3], 3, 16, 16))
            scale = [1.0, 50.0, 4.0 * step, 5.0 * step][-array.ndim :]
            datasets.append({"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
        return {"version": "0.4", "axes": axes, "datasets": datasets}

    def write(where: str, scale: dict) -> None:
        node = group if not where else zarr.open_group(str(path / where), mode="a", zarr_format=version)
        found = {"multiscales": [scale]}
        node.attrs.update({"ome": {"version": "0.5", **found}} if version == 3 else found)

    write("", multiscale(VOLUME, "", axes))
    if labels:
        group.create_group("labels")
        write("labels/cells", multiscale(VOLUME[0] % 5, "labels/cells", axes[1:]))
    return path


def refused(path: Path, function=read, **options) -> FileError:
    with pytest.raises(FileError) as caught:
        function(path, **options)
    return caught.value


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("chunks", [(7, 20, 30), (1, 20, 30), (3, 8, 8)])
def test_plain_array(tmp_path: Path, version: int, chunks: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    path = array_at(tmp_path / "a.zarr", VOLUME[0], version=version, chunks=chunks)
    assert np.array_equal(read(path).array, VOLUME[:1])
    assert (header(path).shape, header(path).dtype) == ((1, 7, 20, 30), np.uint16)
    for limit in (zarr_format._SLAB_BYTES, 1):
        monkeypatch.setattr(zarr_format, "_SLAB_BYTES", limit)
        assert np.array_equal(np.stack(list(planes(path)), axis=1), VOLUME[:1])


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(("unit", "factor"), [("nanometer", 1e-3), ("micrometer", 1), ("millimeter", 1e3)])
def test_ome_highest_level_spacing_and_labels(tmp_path: Path, version: int, unit: str, factor: float) -> None:
    path = ome(tmp_path / "a.ome.zarr", version=version, unit=unit)
    image, head = read(path), header(path)
    assert np.array_equal(image.array, VOLUME)
    assert image.spacing == head.spacing == pytest.approx((50 * factor, 4 * factor, 5 * factor))
    assert head.keys == ("labels/cells",)
    assert head.shape == VOLUME.shape
    assert np.array_equal(read_labels(path, key="labels/cells").array, VOLUME[0] % 5)
    assert np.array_equal(np.stack(list(planes(path)), axis=1), VOLUME)
    assert np.array_equal(read(path, key="1").array, VOLUME[..., ::2, ::2])


def test_unit_missing_means_no_spacing(tmp_path: Path) -> None:
    assert read(ome(tmp_path / "a.zarr", version=3, unit="pixel")).spacing is None


def test_named_dimensions(tmp_path: Path) -> None:
    stored = zarr.create_array(
        str(tmp_path / "a.zarr"), shape=(20, 30, 2), dtype="u1", dimension_names=["y", "x", "c"], zarr_format=3
    )
    stored[...] = 1
    assert read(tmp_path / "a.zarr").array.shape == (2, 20, 30)
    stored = zarr.create_array(
        str(tmp_path / "b.zarr"), shape=(4, 20, 30), dtype="u1", dimension_names=["t", "y", "x"], zarr_format=3
    )
    assert refused(tmp_path / "b.zarr").code == "files.time_axis"


@pytest.mark.parametrize("version", [2, 3])
def test_group_of_arrays(tmp_path: Path, version: int) -> None:
    path = tmp_path / "a.zarr"
    zarr.open_group(str(path), mode="w", zarr_format=version)
    assert refused(path).code == "files.no_arrays"
    array_at(path / "raw", VOLUME[0], version=version)
    assert np.array_equal(read(path).array, VOLUME[:1])
    array_at(path / "truth", VOLUME[1], version=version)
    assert header(path).keys == ("raw", "truth")
    assert refused(path).values["keys"] == "raw, truth"
    assert np.array_equal(read(path, key="truth").array, VOLUME[1:])
    for key in ("none", "../a.zarr", "/etc"):
        assert refused(path, key=key).code == "files.no_such_array"


def test_code_hidden_in_a_codec_never_runs(tmp_path: Path) -> None:
    path = array_at(tmp_path / "a.zarr", VOLUME[0], version=2)
    meta = json.loads((path / ".zarray").read_text())
    for change in ({"filters": [{"id": "pickle"}]}, {"compressor": {"id": "pickle"}}):
        (path / ".zarray").write_text(json.dumps(meta | change))
        assert refused(path).values["codec"] == "pickle"
        assert refused(path, header).code == "files.unsafe_codec"


def test_giant_and_big_chunks_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = array_at(tmp_path / "a.zarr", VOLUME[0], version=3, chunks=(1, 20, 30))
    monkeypatch.setattr(common, "MAX_BYTES", VOLUME[0].nbytes - 1)
    assert refused(path).code == "files.too_large"
    assert len(list(planes(path))) == 7
    monkeypatch.setattr(common, "MAX_BYTES", VOLUME[0, 0].nbytes - 1)
    assert refused(path, lambda p: list(planes(p))).code == "files.too_large"


def test_broken_metadata_and_chunk(tmp_path: Path) -> None:
    path = array_at(tmp_path / "a.zarr", VOLUME[0], version=3)
    chunk = next(p for p in (path / "c").rglob("*") if p.is_file())
    chunk.write_bytes(chunk.read_bytes()[:20])
    assert refused(path).code == "files.cannot_decode"
    (path / "zarr.json").write_text("{")
    assert refused(path).code == "files.cannot_decode"
    (path / "zarr.json").write_text("[]")
    assert refused(path).code == "files.cannot_decode"


def written(path: Path) -> Path:
    """What is written here: one channel, six planes."""
    form = Form((1, 6, 20, 30), np.dtype(np.uint16), (0.5, 0.1, 0.1))
    write_zarr(path, form, iter(VOLUME[0, :6, None]), name="a")
    return path


def files(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file())


def test_a_flipped_bit_in_any_file_that_was_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    path, random = written(tmp_path / "a.ome.zarr"), np.random.default_rng(3)
    for file in files(path):
        whole = file.read_bytes()
        for bit in random.integers(8 * len(whole), size=6):
            flipped = bytearray(whole)
            flipped[bit // 8] ^= 1 << (int(bit) % 8)
            file.write_bytes(flipped)
            assert refused(path).problem.where == str(file)
        file.write_bytes(whole)
    assert np.array_equal(read(path).array[0], VOLUME[0, :6])


def test_a_lost_chunk_is_an_error_and_not_black(tmp_path: Path) -> None:
    path = written(tmp_path / "a.ome.zarr")
    chunk = path / "0" / "3" / "0" / "0"
    chunk.unlink()
    assert refused(path).problem.where == str(chunk)
    assert refused(path, lambda p: list(planes(p))).code == "files.chunk_missing"


def test_what_was_written_without_sums_is_read_and_so_is_what_others_add(tmp_path: Path) -> None:
    path = written(tmp_path / "a.ome.zarr")
    array_at(path / "labels" / "cells", VOLUME[0] % 5, version=2)
    (path / "labels" / ".zgroup").write_text('{"zarr_format": 2}')
    assert np.array_equal(read(path, key="labels/cells").array[0], VOLUME[0] % 5)
    assert np.array_equal(read(path).array, read(path / "0").array)
    (path / "0" / "sha256.json").unlink()
    (path / "0" / "3" / "0" / "0").unlink()
    assert read(path).array[0, 3].max() == 0


def test_other_programs_read_what_was_written_without_a_word(tmp_path: Path) -> None:
    path = written(tmp_path / "a.ome.zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        group = zarr.open_group(str(path), mode="r")
        assert [name for name, _ in group.members()] == ["0"]
    assert np.array_equal(group["0"][...], VOLUME[0, :6])

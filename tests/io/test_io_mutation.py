"""Broken files never give a traceback, never hang, never take much memory: seeded mutations of one file per format."""

from __future__ import annotations

import gzip
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image as Pillow

from lamelle.errors import FileError
from lamelle.io.images import header, planes, read, read_labels

MUTATIONS = 300
SECONDS = 10
MEMORY = 1 << 30
RNG = np.random.default_rng(5)
GREY = RNG.integers(0, 256, (24, 32), np.uint8)
STACK = RNG.integers(0, 9, (4, 24, 32), np.uint16)


def _pillow(image: Pillow.Image, **options) -> Callable[[Path], object]:
    return lambda path: image.save(path, **options)


def _tiff(**options) -> Callable[[Path], object]:
    return lambda path: tifffile.imwrite(path, STACK, photometric="minisblack", **options)


def _nifti(path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    nibabel.save(nibabel.Nifti1Image(STACK.T, np.eye(4)), path)


def _dicom(path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    from pydicom.data import get_testdata_file

    path.write_bytes(Path(str(get_testdata_file("CT_small.dcm"))).read_bytes())
    data = pydicom.dcmread(path)
    data.Rows = data.Columns = 16
    data.PixelData = bytes(512)
    data.save_as(path)


def _compressed(name: str) -> Callable[[Path], object]:
    """A DICOM file that pydicom brings along."""

    def write(path: Path) -> None:
        pydicom = pytest.importorskip("pydicom")
        path.write_bytes((Path(pydicom.__file__).parent / "data" / "test_files" / name).read_bytes())

    return write


def _zarr(path: Path) -> None:
    stored = zarr.create_array(str(path), shape=STACK.shape, dtype=STACK.dtype, chunks=(1, 24, 32))
    stored[...] = STACK


WRITERS: dict[str, Callable[[Path], object]] = {
    "a.png": _pillow(Pillow.fromarray(GREY)),
    "p.png": _pillow(Pillow.fromarray(GREY).convert("P"), transparency=0),
    "d.png": _pillow(Pillow.fromarray(STACK[0])),
    "a.jpg": _pillow(Pillow.fromarray(GREY)),
    "a.bmp": _pillow(Pillow.fromarray(GREY)),
    "a.tif": _tiff(),
    "z.tif": _tiff(compression="zlib", metadata=None),
    "l.tif": _tiff(compression="lzw", predictor=True, tile=(16, 16)),
    "i.tif": _tiff(imagej=True, compression="zlib", metadata={"axes": "ZYX", "unit": "um"}),
    "o.tif": _tiff(ome=True, metadata={"axes": "ZYX"}),
    "a.npy": lambda path: np.save(path, STACK),
    "a.npz": lambda path: np.savez_compressed(path, STACK),
    "a.nii": _nifti,
    "a.nii.gz": _nifti,
    "a.dcm": _dicom,
    "jpeg2000.dcm": _compressed("MR_small_jp2klossless.dcm"),
    "jpegls.dcm": _compressed("MR_small_jpeg_ls_lossless.dcm"),
    "jpeg.dcm": _compressed("SC_rgb_jpeg_dcmtk.dcm"),
    "lossless.dcm": _compressed("SC_rgb_jpeg_gdcm.dcm"),
    "rle.dcm": _compressed("SC_rgb_rle_16bit_2frame.dcm"),
    "deflated.dcm": _compressed("image_dfl.dcm"),
    "a.zarr": _zarr,
}


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes changed, most of them near the head, where the structure is; or a piece cut out, doubled or lost."""
    broken = bytearray(data)
    kind = rng.integers(6)
    if kind == 0:
        return bytes(broken[: rng.integers(len(broken))])
    if kind == 1:
        start, length = rng.integers(len(broken)), rng.integers(1, 64)
        return bytes(broken[:start] + broken[start + length :])
    if kind == 2:
        start, length = rng.integers(len(broken)), rng.integers(1, 64)
        return bytes(broken[: start + length] + broken[start:])
    for _ in range(rng.integers(1, 8)):
        place = rng.integers(min(len(broken), 400)) if rng.random() < 0.7 else rng.integers(len(broken))
        broken[place] = rng.choice([0, 1, 127, 128, 255, rng.integers(256)])
    return bytes(broken)


class Late(BaseException):
    """A broken file took too long; no reader catches this."""


def _late(*_: object) -> None:
    raise Late


def _all_planes(path: Path) -> list[tuple[int, ...]]:
    return [plane.shape for plane in planes(path)]


@pytest.mark.parametrize("name", WRITERS)
def test_mutated_files(tmp_path: Path, name: str) -> None:
    original = tmp_path / name
    WRITERS[name](original)
    target = original
    if original.is_dir():
        target = original / "zarr.json"
    data = target.read_bytes()
    unpacked = gzip.decompress(data) if name.endswith(".gz") else None
    rng = np.random.default_rng(sum(name.encode()))
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(next(n for n in Path("/proc/self/status").read_text().splitlines() if n.startswith("VmSize")).split()[1])
    errors: list[str] = []
    previous = signal.signal(signal.SIGALRM, _late)
    resource.setrlimit(resource.RLIMIT_AS, ((used << 10) + MEMORY, limits[1]))
    try:
        for number in range(MUTATIONS):
            if unpacked and number % 3:
                target.write_bytes(gzip.compress(mutated(unpacked, rng), 1))
            else:
                target.write_bytes(mutated(data, rng))
            for function in (header, (read, read_labels, _all_planes)[number % 3]):
                signal.alarm(SECONDS)
                try:
                    function(original)
                except FileError as error:
                    errors.append(str(error))
                finally:
                    signal.alarm(0)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.signal(signal.SIGALRM, previous)
    assert len(errors) > MUTATIONS // 10
    assert all(len(error) < 1000 and "\n" not in error for error in errors)

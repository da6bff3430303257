"""Header, read, planes and labels of one file agree, in every format, depth, byte order and colour space."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from dicom_series import AXIAL, CORONAL, SAGITTAL, write_series
from format_contract import agree
from PIL import Image as Pillow

from lamelle.errors import FileError
from lamelle.io.images import read

RNG = np.random.default_rng(11)
STACK = RNG.integers(0, 120, (5, 40, 50), np.uint8)
PLANE = STACK[0]
COLOURS = RNG.integers(0, 256, (40, 50, 3), np.uint8)
Case = tuple[Callable[[Path], object], np.ndarray | None]
"""What writes the file, and what it holds as [C, (Z,) Y, X]; None where a decoder changes values."""
TYPES = ("u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8")


def tif(array: np.ndarray, wanted: np.ndarray | None, **options) -> Case:
    return lambda path: tifffile.imwrite(path, array, **options), wanted


def tiffs() -> dict[str, Case]:
    found: dict[str, Case] = {}
    for order in "<>":
        for compression in (None, "zlib"):
            name, how = f"{order}{compression}", {"byteorder": order, "compression": compression}
            for kind in TYPES:
                array = STACK.astype(kind)
                found[f"{name} {kind}"] = tif(array, array[None], photometric="minisblack", **how)
            white = {"photometric": "miniswhite", **how}
            found[f"{name} white is zero"] = tif(STACK, 255 - STACK[None], **white)
            found[f"{name} white is zero 16"] = tif(STACK.astype("u2"), 65535 - STACK[None].astype("u2"), **white)
            bits = STACK > 60
            found[f"{name} 1 bit"] = tif(bits, bits[None].astype("u1"), photometric="minisblack", **how)
            found[f"{name} 1 bit white"] = tif(~bits, bits[None].astype("u1"), **white, software="a microscope")
            for planar, rgb in (("contig", COLOURS), ("separate", np.moveaxis(COLOURS, -1, 0))):
                shown = np.moveaxis(COLOURS, -1, 0)
                found[f"{name} rgb {planar}"] = tif(rgb, shown, photometric="rgb", planarconfig=planar, **how)
            colormap = RNG.integers(0, 256, (3, 256)).astype("u2") * 257
            lut = (colormap // 257).astype("u1")[:, STACK]
            found[f"{name} palette"] = tif(STACK, lut, photometric="palette", colormap=colormap, **how)
            hyper = RNG.integers(0, 9, (5, 2, 40, 50), np.uint16)
            for kind in ("imagej", "ome"):
                if kind == "imagej" and order == "<":
                    continue  # ImageJ writes big-endian
                options = {kind: True, "metadata": {"axes": "ZCYX"}, "photometric": "minisblack", **how}
                found[f"{name} {kind}"] = tif(hyper, hyper.swapaxes(0, 1), **options)
    for bits in (2, 4, 10, 12):
        array = (STACK[0].astype("u2") * 31 % (1 << bits)).astype("u1" if bits < 8 else "u2")
        found[f"{bits} bits"] = tif(array, array[None], bitspersample=bits, photometric="minisblack")
    return found


def arrays() -> dict[str, Case]:
    found: dict[str, Case] = {}
    for kind in TYPES:
        for order in "<>":
            array = STACK.astype(f"{order}{kind}")
            found[f"{order}{kind}.npy"] = lambda path, a=array: np.save(path, a), STACK[None].astype(kind)
            found[f"{order}{kind}.npz"] = lambda path, a=array: np.savez_compressed(path, a), STACK[None].astype(kind)
            for version in (2, 3):
                if kind == "f2" and version == 3 and order == ">":
                    continue
                found[f"{order}{kind}.v{version}.zarr"] = (
                    lambda path, a=array, v=version: zarr.create_array(str(path), data=a, zarr_format=v),
                    STACK[None].astype(kind),
                )
    found["fortran.npy"] = lambda path: np.save(path, np.asfortranarray(STACK)), STACK[None]
    found["bool.npy"] = lambda path: np.save(path, STACK > 60), (STACK > 60)[None].astype("u1")
    found["colours.npy"] = lambda path: np.save(path, COLOURS), np.moveaxis(COLOURS, -1, 0)
    return found


def rasters() -> dict[str, Case]:
    found: dict[str, Case] = {}

    def saved(image: Pillow.Image, **options) -> Callable[[Path], object]:
        return lambda path: image.save(path, **options)

    shown = np.moveaxis(COLOURS, -1, 0)
    for suffix in ("png", "bmp", "jpg"):
        exact = suffix != "jpg"
        found[f"grey.{suffix}"] = saved(Pillow.fromarray(PLANE)), PLANE[None] if exact else None
        found[f"colour.{suffix}"] = saved(Pillow.fromarray(COLOURS)), shown if exact else None
    for suffix in ("png", "bmp"):
        found[f"one.{suffix}"] = saved(Pillow.fromarray(PLANE > 60)), (PLANE > 60)[None].astype("u1")
    found["deep.png"] = saved(Pillow.fromarray(PLANE.astype("u2") * 300)), PLANE[None].astype("u2") * 300
    opaque = np.dstack([COLOURS, np.full(PLANE.shape, 255, "u1")])
    found["alpha.png"] = saved(Pillow.fromarray(opaque)), shown
    for bits in (1, 2, 4, 8):
        indices, palette = PLANE & ((1 << bits) - 1), RNG.integers(0, 256, (1 << bits, 3), np.uint8)
        image = Pillow.fromarray(indices, "P")
        image.putpalette(palette.reshape(-1).tolist())
        found[f"palette{bits}.png"] = saved(image, bits=bits), np.moveaxis(palette[indices], -1, 0)
    return found


CASES = {f"{name}.tif": case for name, case in tiffs().items()} | arrays() | rasters()


@pytest.mark.parametrize("name", CASES)
def test_header_read_planes_and_labels_agree(tmp_path: Path, name: str) -> None:
    write, wanted = CASES[name]
    path = tmp_path / name.replace("<", "l").replace(">", "b").replace(" ", "_")
    write(path)
    agree(path, wanted)


@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["u1", "u2", "i2", "f4", "f8"])
def test_nifti_agrees(tmp_path: Path, suffix: str, order: str, kind: str) -> None:
    nibabel = pytest.importorskip("nibabel")
    head = nibabel.Nifti1Header(endianness=order)
    head.set_data_dtype(np.dtype(kind))
    nibabel.save(
        nibabel.Nifti1Image(STACK.T.astype(kind), np.diag([-1, -1, 1, 1]), header=head), tmp_path / f"a.{suffix}"
    )
    agree(tmp_path / f"a.{suffix}", None)


def dicoms() -> list[Path]:
    """The images that pydicom brings along, of every transfer syntax and kind."""
    try:
        import pydicom
    except ImportError:
        return []
    return sorted((Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm"))


@pytest.mark.parametrize("path", dicoms(), ids=lambda p: p.stem)
def test_dicom_agrees(path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    try:
        read(path)
    except FileError:
        return  # no pixels, or damaged on purpose: how many are is counted below
    agree(path, None)
    data = pydicom.dcmread(path, force=True)
    if len(read(path).array) == 1 and "RescaleSlope" not in data and data.PhotometricInterpretation == "MONOCHROME2":
        data.file_meta.setdefault("TransferSyntaxUID", pydicom.uid.ImplicitVRLittleEndian)
        from lamelle.io.dicom_codecs import plugin_of

        data.pixel_array_options(decoding_plugin=plugin_of(data.file_meta.TransferSyntaxUID))
        assert np.array_equal(read(path).array[0], data.pixel_array)


@pytest.mark.parametrize("kind", ["u1", "u2", "i1", "i2"])
@pytest.mark.parametrize("directions", [AXIAL, CORONAL, SAGITTAL])
def test_a_dicom_series_agrees(tmp_path: Path, kind: str, directions: tuple[float, ...]) -> None:
    pytest.importorskip("pydicom")
    path = write_series(tmp_path / "p0", STACK.astype(kind), directions=directions, names=lambda z: f"{(3 * z) % 5}")
    agree(path, STACK[None].astype(kind) if directions == AXIAL else None)


def test_most_of_the_dicom_files_are_images() -> None:
    pytest.importorskip("pydicom")
    good = 0
    for path in dicoms():
        try:
            read(path)
            good += 1
        except FileError:
            continue
    assert good > 40


@pytest.mark.parametrize("kind", [">u1", "<u1", ">i1", ">b1", ">u2", ">f4"])
def test_ome_zarr_whose_types_have_a_byte_order(tmp_path: Path, kind: str) -> None:
    array = (STACK > 60) if "b" in kind else STACK
    level = tmp_path / "a.ome.zarr" / "0"
    level.mkdir(parents=True)
    about = {"zarr_format": 2, "shape": [5, 40, 50], "chunks": [5, 40, 50], "dtype": kind, "compressor": None}
    about |= {"fill_value": 0, "order": "C", "filters": None, "dimension_separator": "/"}
    (level / ".zarray").write_text(json.dumps(about))
    (level / "0" / "0").mkdir(parents=True)
    (level / "0" / "0" / "0").write_bytes(array.astype(kind).tobytes())
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    scale = [{"type": "scale", "scale": [1.0, 1.0, 1.0]}]
    multiscale = {"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    (level.parent / ".zgroup").write_text('{"zarr_format": 2}')
    (level.parent / ".zattrs").write_text(json.dumps({"multiscales": [multiscale]}))
    agree(level.parent, array[None].astype(np.dtype(kind).newbyteorder("=")))

"""TIFF: pages, axes, depth, colour, truncation, laziness, pixel size."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from lamelle.errors import FileError
from lamelle.io import common
from lamelle.io.images import header, planes, read, read_labels
from lamelle.types import Image

RNG = np.random.default_rng(1)
STACK = RNG.integers(0, 60000, (5, 20, 30), np.uint16)
RGB = RNG.integers(0, 256, (20, 30, 3), np.uint8)


def tif(path: Path, array: np.ndarray, **options) -> Path:
    tifffile.imwrite(path, array, **options)
    return path


def checked(path: Path) -> Image:
    image, head = read(path), header(path)
    assert (head.shape, head.dtype, head.bits, head.spacing) == (
        image.array.shape,
        image.array.dtype,
        image.bits,
        image.spacing,
    )
    stacked = np.stack(list(planes(path)), axis=1)
    assert np.array_equal(stacked, image.array if image.array.ndim == 4 else image.array[:, None])
    assert stacked.dtype == image.array.dtype
    return image


def refused(path: Path, function=read, **options) -> FileError:
    with pytest.raises(FileError) as caught:
        function(path, **options)
    return caught.value


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "deflate", "packbits", "zstd"])
@pytest.mark.parametrize("layout", ["shaped", "pages", "imagej", "ome", "bigtiff", "big-endian", "tiled", "single"])
def test_stack_in_each_variant(tmp_path: Path, compression: str | None, layout: str) -> None:
    options = {
        "shaped": {},
        "pages": {"metadata": None},
        "imagej": {"imagej": True, "metadata": {"axes": "ZYX"}},
        "ome": {"ome": True, "metadata": {"axes": "ZYX"}},
        "bigtiff": {"bigtiff": True},
        "big-endian": {"byteorder": ">"},
        "tiled": {"tile": (16, 16)},
    }
    path = tmp_path / "a.tif"
    if layout == "single":
        with tifffile.TiffWriter(path) as writer:
            for plane in STACK:
                writer.write(plane, compression=compression, contiguous=False)
    else:
        tif(path, STACK, compression=compression, photometric="minisblack", **options[layout])
    image = checked(path)
    assert np.array_equal(image.array, STACK[None])
    assert image.array.dtype == np.uint16
    assert image.problems == ()


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8"])
def test_dtype_stays(tmp_path: Path, dtype: str) -> None:
    array = STACK[0].astype(dtype)
    image = checked(tif(tmp_path / "a.tif", array, byteorder=">"))
    assert image.array.dtype == np.dtype(dtype)
    assert np.array_equal(image.array[0], array)


def test_one_bit_is_zero_and_one(tmp_path: Path) -> None:
    mask = STACK[0] > 30000
    path = tif(tmp_path / "a.tif", mask)
    assert np.array_equal(read_labels(path).array, mask.astype(np.uint8))
    assert checked(path).array.dtype == np.uint8


def test_twelve_bits(tmp_path: Path) -> None:
    packed = tif(tmp_path / "a.tif", STACK[0] % 4096, bitspersample=12)
    assert checked(packed).bits == 12
    declared = tif(tmp_path / "b.tif", STACK[0] % 4096, extratags=[(281, 3, 1, 4095, True)])
    assert checked(declared).bits == 12
    assert checked(tif(tmp_path / "c.tif", STACK[0])).bits is None


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_white_is_zero_is_read_as_it_is_shown(tmp_path: Path, byteorder: str, compression: str | None) -> None:
    options = {"photometric": "miniswhite", "byteorder": byteorder, "compression": compression}
    for array, most in ((RGB[..., 0], 255), (STACK, 65535), (STACK[0] % 4096, 65535)):
        path = tif(tmp_path / "a.tif", array, **options)
        wanted = most - array.reshape(-1, *array.shape[-2:])
        assert np.array_equal(checked(path).array.reshape(wanted.shape), wanted)
        assert np.array_equal(read_labels(path).array.reshape(wanted.shape), wanted)
        assert np.array_equal(np.concatenate(list(planes(path, labels=True))), wanted)
    signed = STACK[0].astype(np.int16)
    assert np.array_equal(checked(tif(tmp_path / "s.tif", signed, **options)).array[0], ~signed)
    shades = (STACK[0] / 7).astype(np.float32)
    assert np.array_equal(checked(tif(tmp_path / "f.tif", shades, **options)).array[0], -shades)


@pytest.mark.parametrize("compression", [None, "zlib", "packbits", "ccittfax4"])
def test_one_bit_masks_are_the_same_whichever_colour_is_zero(tmp_path: Path, compression: str | None) -> None:
    mask = np.zeros((20, 37), bool)
    mask[3:9, 4:30] = True
    found = []
    for name, stored, photometric in (("a.tif", ~mask, "miniswhite"), ("b.tif", mask, "minisblack")):
        path = tmp_path / name
        if compression == "ccittfax4":  # Pillow alone writes it
            Pillow.fromarray(mask).save(path, compression="group4")
        else:
            tif(path, stored, photometric=photometric, compression=compression, software="a microscope")
        assert np.array_equal(np.asarray(Pillow.open(path)), mask), "what a viewer shows"
        found.append(read_labels(path).array)
        assert np.array_equal(checked(path).array[0], mask)
    assert np.array_equal(found[0], mask)
    assert np.array_equal(found[1], mask)


def test_bool_arrays_as_tifffile_writes_them_keep_their_values(tmp_path: Path) -> None:
    mask = STACK[0] > 30000  # called WhiteIsZero by default, and read back by every Python library as it was
    path = tif(tmp_path / "a.tif", mask)
    with tifffile.TiffFile(path) as file:
        assert int(file.pages[0].photometric) == 0  # type: ignore[union-attr]
    assert np.array_equal(read_labels(path).array, mask)


def test_colour_alpha_and_palette(tmp_path: Path) -> None:
    assert np.array_equal(checked(tif(tmp_path / "a.tif", RGB, photometric="rgb")).array, RGB.transpose(2, 0, 1))
    rgba = np.dstack([RGB, np.full(RGB.shape[:2], 255, np.uint8)])
    assert checked(tif(tmp_path / "b.tif", rgba, photometric="rgb")).array.shape == (3, 20, 30)
    rgba[0, 0, 3] = 0
    assert refused(tif(tmp_path / "c.tif", rgba, photometric="rgb")).code == "files.alpha_or_channel"
    colormap = RNG.integers(0, 256, (3, 256), np.uint16) * 257
    path = tif(tmp_path / "d.tif", RGB[..., 0], photometric="palette", colormap=colormap)
    assert np.array_equal(checked(path).array, (colormap // 257).astype(np.uint8)[:, RGB[..., 0]])
    assert np.array_equal(read_labels(path).array, RGB[..., 0])
    ramp = np.tile(np.arange(256, dtype=np.uint16) * 257, (3, 1))
    assert checked(tif(tmp_path / "e.tif", RGB[..., 0], photometric="palette", colormap=ramp)).array.shape[0] == 1


@pytest.mark.parametrize("space", ["separated", "cielab"])
def test_other_colour_spaces_are_refused(tmp_path: Path, space: str) -> None:
    array = np.dstack([RGB, RGB[..., :1]]) if space == "separated" else RGB
    assert refused(tif(tmp_path / "a.tif", array, photometric=space)).code == "files.colour_space"


def test_three_slices_tagged_rgb_are_a_warning(tmp_path: Path) -> None:
    path = tif(tmp_path / "a.tif", STACK[:3].astype(np.uint8), photometric="rgb", planarconfig="separate")
    image = checked(path)
    assert image.array.shape == (3, 20, 30)
    assert [p.code for p in image.problems] == ["files.maybe_stack"]


def test_hyperstack_and_time(tmp_path: Path) -> None:
    array = RNG.integers(0, 99, (4, 2, 20, 30), np.uint16)
    path = tif(tmp_path / "a.tif", array, imagej=True, metadata={"axes": "ZCYX"}, compression="zlib")
    assert np.array_equal(checked(path).array, array.swapaxes(0, 1))
    path = tif(tmp_path / "b.tif", array[:, 0], imagej=True, metadata={"axes": "TYX"})
    error = refused(path)
    assert (error.code, error.values["axis"], error.values["length"]) == ("files.time_axis", "T", 4)
    assert refused(path, header).code == "files.time_axis"


def test_images_of_several_sizes_are_a_warning(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(STACK[0])
        writer.write(STACK[0, :9, :9])
    assert [p.code for p in checked(tmp_path / "a.tif").problems] == ["files.several_images"]


def test_ome_that_contradicts_its_pages(tmp_path: Path) -> None:
    path = tif(tmp_path / "a.ome.tif", STACK, ome=True, metadata={"axes": "ZYX"}, compression="zlib")
    assert checked(path).array.shape == (1, 5, 20, 30)
    data = path.read_bytes()
    for old, new in ((b'SizeZ="5"', b'SizeZ="7"'), (b'SizeX="30"', b'SizeX="31"'), (b'SizeZ="5"', b'SizeZ="3"')):
        path.write_bytes(data.replace(old, new))
        assert refused(path).code == "files.contradiction"


def test_ome_set_with_a_missing_or_outside_file(tmp_path: Path) -> None:
    path = tif(tmp_path / "a.ome.tif", STACK, ome=True, metadata={"axes": "ZYX"})
    xml = tifffile.tiffcomment(path)
    for name, code in (("b.ome.tif", "files.ome_missing"), ("../b.ome.tif", "files.ome_outside")):
        blocks = "".join(
            f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1"><UUID FileName="{n}">urn:uuid:{z}</UUID></TiffData>'
            for z, n in enumerate(["a.ome.tif", name])
        )
        start, end = xml.index("<TiffData"), xml.index("</Pixels>")
        tif(tmp_path / "a.ome.tif", STACK[0], description=(xml[:start] + blocks + xml[end:]).encode(), metadata=None)
        error = refused(path)
        assert (error.code, error.values["name"]) == (code, name)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("metadata", [{}, {"metadata": None}, {"imagej": True}])
def test_every_truncation_is_found(tmp_path: Path, compression: str | None, metadata: dict) -> None:
    path = tif(tmp_path / "a.tif", STACK, photometric="minisblack", compression=compression, **metadata)
    data = path.read_bytes()
    with tifffile.TiffFile(path) as whole:
        pixels = max(o + n for p in whole.pages for o, n in zip(p.dataoffsets, p.databytecounts, strict=True))
    for length in (*range(8, 200, 16), *range(200, len(data), 997), pixels - 1):
        path.write_bytes(data[:length])
        assert refused(path).code in ("files.truncated", "files.cannot_decode", "files.contradiction"), length


def test_pages_whose_chain_breaks_are_not_lost_silently(tmp_path: Path) -> None:
    path = tif(tmp_path / "a.tif", STACK, photometric="minisblack", compression="zlib", metadata=None)
    with tifffile.TiffFile(path) as whole:
        cut = whole.pages[3].offset
    path.write_bytes(path.read_bytes()[:cut])
    assert refused(path).code == "files.truncated"


@pytest.mark.parametrize("tag", ["StripOffsets", "StripByteCounts"])
def test_missing_strip_is_not_read_as_zeros(tmp_path: Path, tag: str) -> None:
    path = tif(tmp_path / "a.tif", STACK[0], compression="zlib", rowsperstrip=10, metadata=None)
    with tifffile.TiffFile(path, mode="r+") as file:
        values = list(file.pages[0].tags[tag].value)
        file.pages[0].tags[tag].overwrite([values[0], 0])
    assert not tifffile.imread(path)[10:].any()  # what the library makes of it
    assert refused(path).code == "files.truncated"
    assert refused(path, lambda p: list(planes(p))).code == "files.truncated"


def test_circular_chain(tmp_path: Path) -> None:
    path = tif(tmp_path / "a.tif", STACK[0], metadata=None)
    data = bytearray(path.read_bytes())
    (at,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[at : at + 2])
    data[at + 2 + 12 * count : at + 6 + 12 * count] = struct.pack("<I", at)
    path.write_bytes(data)
    assert refused(path).code == "files.cannot_decode"


def test_bomb_is_refused_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "BOMB_BYTES", 1 << 20)
    path = tif(tmp_path / "a.tif", np.zeros((2000, 2000), np.uint8), compression="zlib", rowsperstrip=2000)
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", lambda self: pytest.fail("decoded"))
    assert refused(path).code == "files.bomb"
    monkeypatch.setattr(common, "MAX_BYTES", 1000)
    assert refused(path).code in ("files.bomb", "files.too_large")


IN_THE_FILE = """
import resource, sys
from pathlib import Path
import numpy as np
from lamelle.io.images import planes, read
path = Path(sys.argv[1])
read(path)  # what is imported by this is no pixel
line = next(ln for ln in Path("/proc/self/status").read_text().splitlines() if ln.startswith("VmData"))
limit = (int(line.split()[1]) << 10) + (32 << 20)  # the pixels are 128 MiB
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
array = read(path).array
assert isinstance(array, np.memmap)
assert int(array[0, 63, 512, 9]) == 7
assert not array.flags.writeable
assert sum(int(plane[0, 0, 0]) for plane in planes(path)) == 7 * 64
try:
    np.array(array)
except MemoryError:
    print("the limit does bite")
"""


def test_uncompressed_pixels_stay_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    mapped = tifffile.memmap(path, shape=(64, 1024, 1024), dtype=np.uint16, photometric="minisblack")
    mapped[:, ::512] = 7
    mapped.flush()
    del mapped
    # a process of its own: in this one, memory that other tests have freed would hide what is taken
    done = subprocess.run([sys.executable, "-c", IN_THE_FILE, str(path)], capture_output=True, text=True, check=False)
    assert done.stdout == "the limit does bite\n", done.stderr


def test_not_a_number_is_refused_with_its_place(tmp_path: Path) -> None:
    array = STACK.astype(np.float32)
    array[2, 3, 4] = np.nan
    for compression in (None, "zlib"):
        path = tif(tmp_path / "a.tif", array, photometric="minisblack", compression=compression)
        assert refused(path).values["place"] == "2, 3, 4"
        assert refused(path, lambda p: list(planes(p))).code == "files.not_finite"
    array[2, 3, 4] = np.inf
    assert refused(tif(tmp_path / "b.tif", array, photometric="minisblack")).code == "files.not_finite"


def test_complex_and_lossy_and_float_masks_are_refused(tmp_path: Path) -> None:
    assert refused(tif(tmp_path / "a.tif", STACK[0].astype(np.complex64))).code == "files.dtype"
    path = tif(tmp_path / "b.tif", RGB[..., 0], compression="jpeg")
    assert refused(path, read_labels).code == "files.lossy_labels"
    assert refused(tif(tmp_path / "c.tif", STACK[0].astype(np.float32)), read_labels).code == "files.float_labels"


def test_orientation(tmp_path: Path) -> None:
    path = tif(tmp_path / "a.tif", STACK[0], extratags=[(274, 3, 1, 6, True)])
    assert np.array_equal(checked(path).array[0], np.rot90(STACK[0], -1))


@pytest.mark.parametrize(("unit", "factor"), [("um", 1), ("micron", 1), ("\\u00B5m", 1), ("nm", 1e-3), ("mm", 1e3)])
def test_imagej_spacing(tmp_path: Path, unit: str, factor: float) -> None:
    options = {
        "imagej": True,
        "metadata": {"axes": "ZYX", "spacing": 47.5, "unit": unit},
        "resolution": (1 / 4.0, 1 / 5.0),
    }
    path = tif(tmp_path / "a.tif", STACK, **options)
    assert checked(path).spacing == pytest.approx((47.5 * factor, 5 * factor, 4 * factor))


def test_ome_and_baseline_spacing(tmp_path: Path) -> None:
    meta = {
        "axes": "ZYX",
        "PhysicalSizeX": 4.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 5.0,
        "PhysicalSizeYUnit": "nm",
    }
    path = tif(tmp_path / "a.tif", STACK, ome=True, metadata=meta | {"PhysicalSizeZ": 0.05, "PhysicalSizeZUnit": "µm"})
    assert checked(path).spacing == pytest.approx((0.05, 0.005, 0.004))
    assert checked(tif(tmp_path / "b.tif", STACK, ome=True, metadata=meta)).spacing is None
    path = tif(tmp_path / "c.tif", STACK[0], resolution=(20000, 10000), resolutionunit="CENTIMETER")
    assert checked(path).spacing == pytest.approx((1.0, 0.5))
    path = tif(tmp_path / "d.tif", STACK[0], resolution=(72, 72), resolutionunit="INCH")
    assert checked(path).spacing is None


@pytest.mark.real
def test_real_stacks(real_data: Path) -> None:
    image = checked(real_data / "isbi2012" / "train-volume.tif")
    assert (image.array.shape, image.array.dtype, image.spacing) == ((1, 30, 512, 512), np.uint8, None)
    assert set(np.unique(read_labels(real_data / "isbi2012" / "train-labels.tif").array)) == {0, 255}
    volume = checked(real_data / "vnc-sstem" / "volume.tif")
    assert volume.array.shape == (1, 16, 1024, 1024)
    assert volume.spacing == pytest.approx((0.0475, 0.0046, 0.0046))
    labels = read_labels(real_data / "vnc-sstem" / "labels.tif")
    assert (labels.array.shape, labels.spacing) == ((16, 1024, 1024), volume.spacing)
    assert set(np.unique(labels.array)) == {0, 1, 2, 3, 4}


def ome_set(folder: Path) -> list[Path]:
    """Five files, each with one plane of one image."""
    names = [f"s{z}.ome.tif" for z in range(len(STACK))]
    blocks = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1"><UUID FileName="{n}">urn:uuid:{z}</UUID></TiffData>'
        for z, n in enumerate(names)
    )
    pixels = (
        '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="30" SizeY="20" '
        f'SizeZ="5" SizeC="1" SizeT="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{blocks}</Pixels></Image>'
    )
    for z, name in enumerate(names):
        head = '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        xml = f'{head}UUID="urn:uuid:{z}">{pixels}</OME>'
        tif(folder / name, STACK[z], description=xml.encode(), metadata=None, compression="zlib")
    return [folder / name for name in names]


def test_ome_set_of_several_files_is_read_from_each_and_said(tmp_path: Path) -> None:
    for path in ome_set(tmp_path):
        image = checked(path)
        assert np.array_equal(image.array, STACK[None])
        assert [(p.code, p.values["count"]) for p in image.problems] == [("files.ome_set", 5)]


def test_ome_whose_metadata_lie_elsewhere(tmp_path: Path) -> None:
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><BinaryOnly MetadataFile='
    )
    path = tif(tmp_path / "a.ome.tif", STACK[0], description=f'{xml}"x.ome" UUID="u"/></OME>'.encode(), metadata=None)
    error = refused(path)
    assert (error.code, error.values["name"]) == ("files.ome_companion", "x.ome")

"""PNG, JPEG, BMP: depth, colour, transparency, orientation; bad inputs 16 to 30 and 46 to 55 for them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image as Pillow

from lamelle.errors import FileError
from lamelle.io.images import header, planes, read, read_labels
from lamelle.types import Image

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (20, 30), np.uint8)
RGB = RNG.integers(0, 256, (20, 30, 3), np.uint8)


def saved(path: Path, image: Pillow.Image, **options) -> Path:
    image.save(path, **options)
    return path


def checked(path: Path) -> Image:
    """Read; header and planes must tell the same."""
    image, head = read(path), header(path)
    assert (head.shape, head.dtype, head.bits, head.spacing) == (
        image.array.shape,
        image.array.dtype,
        image.bits,
        image.spacing,
    )
    assert np.array_equal(next(planes(path)), image.array)
    return image


def refused(path: Path, function=read, **options) -> FileError:
    with pytest.raises(FileError) as caught:
        function(path, **options)
    return caught.value


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(path: Path, width: int, height: int, depth: int, colour: int, rows: bytes, extra: bytes = b"") -> Path:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + extra + body)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_grey_and_colour_keep_each_value(tmp_path: Path, suffix: str) -> None:
    assert np.array_equal(checked(saved(tmp_path / f"g.{suffix}", Pillow.fromarray(GREY))).array, GREY[None])
    image = checked(saved(tmp_path / f"c.{suffix}", Pillow.fromarray(RGB)))
    assert np.array_equal(image.array, RGB.transpose(2, 0, 1))
    assert image.array.flags.c_contiguous


def test_jpeg_agrees_with_pillow(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", Pillow.fromarray(RGB))
    assert np.array_equal(checked(path).array, np.moveaxis(np.asarray(Pillow.open(path)), -1, 0))
    assert checked(saved(tmp_path / "g.jpg", Pillow.fromarray(GREY))).array.shape == (1, 20, 30)


def test_progressive_jpeg_with_thumbnail_and_trailing_bytes(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", Pillow.fromarray(RGB), progressive=True)
    path.write_bytes(path.read_bytes() + b"\0" * 20)
    assert checked(path).array.shape == (3, 20, 30)


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3)])
def test_sixteen_bits_stay(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = RNG.integers(0, 65536, shape, np.uint16)
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(array))
    image = checked(path)
    assert image.array.dtype == np.uint16
    assert np.array_equal(image.array, array[None] if array.ndim == 2 else array.transpose(2, 0, 1))


def test_significant_bits_of_twelve_in_sixteen(tmp_path: Path) -> None:
    rows = b"".join(b"\0" + struct.pack(">3H", 0, 4095, 17) for _ in range(2))
    image = checked(png_of(tmp_path / "a.png", 3, 2, 16, 0, rows, chunk(b"sBIT", b"\x0c")))
    assert (image.bits, image.array[0, 0].tolist()) == (12, [0, 4095, 17])


@pytest.mark.parametrize(
    ("depth", "byte", "values"), [(1, 0b10100000, [1, 0, 1]), (2, 0b00011011, [0, 1, 2]), (4, 0x3F, [3, 15])]
)
def test_few_bits_are_not_stretched(tmp_path: Path, depth: int, byte: int, values: list[int]) -> None:
    path = png_of(tmp_path / "a.png", len(values), 1, depth, 0, bytes([0, byte]))
    image = checked(path)
    assert (image.array.tolist(), image.bits, image.array.dtype) == ([[values]], depth, np.uint8)
    assert read_labels(path).array.tolist() == [values]


def test_one_bit_bmp(tmp_path: Path) -> None:
    image = checked(saved(tmp_path / "a.bmp", Pillow.fromarray(GREY > 99)))
    assert np.array_equal(image.array[0], (GREY > 99).astype(np.uint8))


def paletted(path: Path, **options) -> Path:
    image = Pillow.fromarray(GREY % 4).convert("P")
    image.putdata((GREY % 4).ravel().tolist())
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    return saved(path, image, **options)


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_palette_becomes_colours_and_labels_its_indices(tmp_path: Path, suffix: str) -> None:
    path = paletted(tmp_path / f"a.{suffix}")
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    assert np.array_equal(checked(path).array, colours[GREY % 4].transpose(2, 0, 1))
    assert np.array_equal(read_labels(path).array, GREY % 4)
    table = {(0, 0, 0): 0, (255, 0, 0): 7, (0, 255, 0): 8, (0, 0, 255): 300}
    assert np.array_equal(read_labels(path, colours=table).array, np.array([0, 7, 8, 300])[GREY % 4])


def test_opaque_alpha_is_dropped_and_varying_refused(tmp_path: Path) -> None:
    rgba = np.dstack([RGB, np.full(GREY.shape, 255, np.uint8)])
    assert np.array_equal(checked(saved(tmp_path / "a.png", Pillow.fromarray(rgba))).array, RGB.transpose(2, 0, 1))
    la = np.dstack([GREY, np.full(GREY.shape, 255, np.uint8)])
    assert np.array_equal(checked(saved(tmp_path / "b.png", Pillow.fromarray(la, "LA"))).array, GREY[None])
    rgba[3, 4, 3] = 254
    error = refused(saved(tmp_path / "c.png", Pillow.fromarray(rgba)))
    assert (error.code, error.values["share"]) == ("files.alpha", "0.167")
    deep = np.dstack([RGB.astype(np.uint16) * 257, np.full(GREY.shape, 65535, np.uint16)])
    (tmp_path / "d.png").write_bytes(imagecodecs.png_encode(deep))
    assert checked(tmp_path / "d.png").array.dtype == np.uint16
    assert refused(paletted(tmp_path / "e.png", transparency=2)).code == "files.alpha"
    assert (
        refused(saved(tmp_path / "f.png", Pillow.fromarray(GREY), transparency=int(GREY[0, 0]))).code == "files.alpha"
    )


def test_cmyk_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", Pillow.fromarray(RGB).convert("CMYK"))
    assert "CMYK" in str(refused(path))
    assert refused(path, header).code == "files.colour_space"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_exif_orientation_as_pillow_turns_it(tmp_path: Path, orientation: int, suffix: str) -> None:
    from PIL import ImageOps

    exif = Pillow.Exif()
    exif[274] = orientation
    path = saved(tmp_path / f"a.{suffix}", Pillow.fromarray(RGB), exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Pillow.open(path)))
    assert np.array_equal(checked(path).array, np.moveaxis(upright, -1, 0))


def test_bomb_and_giant_are_refused_from_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pillow.Image, "load", lambda self: pytest.fail("decoded"))
    giant = png_of(tmp_path / "a.png", 100_000, 100_000, 8, 0, bytes(1000))
    assert refused(giant).code == "files.too_large"
    bomb = png_of(tmp_path / "b.png", 12_000, 12_000, 8, 2, bytes(1000))
    assert refused(bomb).code == "files.bomb"
    assert header(bomb).nbytes == 432_000_000


def test_animated_png_is_a_warning(tmp_path: Path) -> None:
    image = Pillow.fromarray(GREY)
    path = saved(tmp_path / "a.png", image, save_all=True, append_images=[Pillow.fromarray(255 - GREY)])
    assert [p.code for p in checked(path).problems] == ["files.animated"]


def test_print_resolution_is_no_pixel_size(tmp_path: Path) -> None:
    assert checked(saved(tmp_path / "a.png", Pillow.fromarray(GREY), dpi=(300, 300))).spacing is None
    path = saved(tmp_path / "b.png", Pillow.fromarray(GREY), dpi=(25400 / 0.5, 25400 / 0.25))
    assert checked(path).spacing == pytest.approx((0.25, 0.5))


def test_masks(tmp_path: Path) -> None:
    mask = (GREY % 3).astype(np.uint8)
    assert np.array_equal(read_labels(saved(tmp_path / "a.png", Pillow.fromarray(mask))).array, mask)
    grey = saved(tmp_path / "b.png", Pillow.fromarray(np.dstack([mask] * 3)))
    assert np.array_equal(read_labels(grey).array, mask)
    assert refused(saved(tmp_path / "c.jpg", Pillow.fromarray(mask)), read_labels).code == "files.lossy_labels"


def test_coloured_mask_names_its_colours(tmp_path: Path) -> None:
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)
    path = saved(tmp_path / "a.png", Pillow.fromarray(colours[GREY % 3]))
    assert "(0, 0, 0), (0, 0, 255), (255, 0, 0)" in str(refused(path, read_labels))
    labels = read_labels(path, colours={(0, 0, 0): 0, (255, 0, 0): 1, (0, 0, 255): -1}).array
    assert np.array_equal(labels, np.array([0, 1, -1])[GREY % 3])
    error = refused(path, read_labels, colours={(0, 0, 0): 0, (255, 0, 0): 1})
    assert (error.code, error.values["colours"]) == ("files.unknown_colours", "(0, 0, 255)")


@pytest.mark.real
def test_real_images(real_data: Path) -> None:
    for path in sorted(real_data.glob("dsb2018/stage1_train/*/images/*.png"))[:5]:
        rgba = np.asarray(Pillow.open(path))
        assert rgba.shape[-1] == 4
        assert np.array_equal(checked(path).array, np.moveaxis(rgba[..., :3], -1, 0))
        for mask in sorted((path.parents[1] / "masks").iterdir())[:2]:
            assert set(np.unique(read_labels(mask).array)) == {0, 255}
    jpegs = sorted(real_data.glob("cxr-4class/TB/images/*.j*"))[:5]
    for path in jpegs:
        image = checked(path)
        assert image.array.shape[1:] == (256, 256)
        assert header(path).format == "jpeg"
    assert jpegs


@pytest.mark.parametrize("light_first", [True, False])
def test_of_two_greys_the_lighter_is_the_object(tmp_path: Path, light_first: bool) -> None:
    mask = np.zeros((20, 37), np.uint8)
    mask[3:9, 4:30] = 1
    image = Pillow.fromarray(1 - mask if light_first else mask, "P")
    image.putpalette([255] * 3 + [0] * 3 if light_first else [0] * 3 + [255] * 3)
    path = saved(tmp_path / "a.png", image, bits=1)
    assert np.array_equal(np.asarray(Pillow.open(path).convert("L")) > 0, mask > 0), "what a viewer shows"
    assert np.array_equal(read_labels(path).array, mask)

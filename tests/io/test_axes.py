"""Which axis is which: said by the file, told by its shape, declared by the user, or asked for."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from lamelle.errors import FileError, sentence
from lamelle.io.axes import checked_letters, choices
from lamelle.io.images import header, planes, read, read_labels
from lamelle.types import Image

RNG = np.random.default_rng(7)
PLANE = (64, 72)


def pixels(*shape: int) -> np.ndarray:
    return RNG.integers(0, 200, shape, np.uint8)


def npy(path: Path, array: np.ndarray) -> Path:
    np.save(path.with_suffix(".npy"), array)
    return path.with_suffix(".npy")


def tif(path: Path, array: np.ndarray, **options) -> Path:
    tifffile.imwrite(path.with_suffix(".tif"), array, **options)
    return path.with_suffix(".tif")


def pages(path: Path, array: np.ndarray) -> Path:
    return tif(path, array, photometric="minisblack", metadata=None)


def zarrs(path: Path, array: np.ndarray) -> Path:
    zarr.create_array(str(path.with_suffix(".zarr")), data=array)
    return path.with_suffix(".zarr")


ARRAYS = {"npy": npy, "zarr": zarrs, "tif": lambda p, a: tif(p, a, photometric="minisblack"), "pages": pages}
"""Writers of arrays without a word about their axes."""


def checked(path: Path, axes: str | None = None) -> Image:
    image, head = read(path, axes=axes), header(path, axes=axes)
    assert (head.shape, head.dtype) == (image.array.shape, image.array.dtype)
    assert head.problems == image.problems
    stacked = np.stack(list(planes(path, axes=axes)), axis=1)
    assert np.array_equal(stacked, image.array if image.array.ndim == 4 else image.array[:, None])
    return image


def refused(path: Path, function=read, **options) -> FileError:
    with pytest.raises(FileError) as caught:
        function(path, **options)
    return caught.value


def declarations(problem) -> list[str]:
    """The values of data.axes that a sentence offers."""
    return re.findall(r"data\.axes=(\w+)", sentence(problem))


@pytest.mark.parametrize("writer", ARRAYS)
@pytest.mark.parametrize("count", [2, 3, 4])
def test_channels_last_are_channels(tmp_path: Path, writer: str, count: int) -> None:
    array = pixels(*PLANE, count)
    image = checked(ARRAYS[writer](tmp_path / "a", array))
    assert np.array_equal(image.array, np.moveaxis(array, -1, 0))
    assert image.problems == ()


@pytest.mark.parametrize("writer", ARRAYS)
def test_several_channels_last_are_asked_for_and_the_answers_work(tmp_path: Path, writer: str) -> None:
    array = pixels(*PLANE, 6)
    path = ARRAYS[writer](tmp_path / "a", array)
    error = refused(path)
    assert refused(path, header).code == error.code == "files.ambiguous_axes"
    assert declarations(error.problem) == ["YXC", "ZYX"]
    assert np.array_equal(checked(path, "YXC").array, np.moveaxis(array, -1, 0))
    assert np.array_equal(checked(path, "ZYX").array, array[None])
    assert np.array_equal(read_labels(path).array, array), "labels have no channels"


@pytest.mark.parametrize("writer", ["npy", "zarr", "tif", "pages"])
@pytest.mark.parametrize("count", [2, 4])
def test_few_planes_are_read_as_slices_and_doubted(tmp_path: Path, writer: str, count: int) -> None:
    array = pixels(count, *PLANE)
    path = ARRAYS[writer](tmp_path / "a", array)
    image = checked(path)
    assert image.array.shape == (1, *array.shape)
    assert [p.code for p in image.problems] == ["files.maybe_channels"]
    assert declarations(image.problems[0]) == ["CYX", "ZYX"]
    assert np.array_equal(checked(path, "CYX").array, array)
    assert checked(path, "CYX").problems == checked(path, "ZYX").problems == ()
    assert read_labels(path).problems == ()


@pytest.mark.parametrize("writer", ARRAYS)
def test_stacks_without_a_word_are_slices(tmp_path: Path, writer: str) -> None:
    array = pixels(20, 64, 48)
    image = checked(ARRAYS[writer](tmp_path / "a", array))
    assert (image.array.shape, image.problems) == ((1, 20, 64, 48), ())


@pytest.mark.parametrize("writer", ["npy", "zarr", "tif"])
def test_four_axes(tmp_path: Path, writer: str) -> None:
    last = pixels(5, *PLANE, 2)
    assert np.array_equal(checked(ARRAYS[writer](tmp_path / "a", last)).array, np.moveaxis(last, -1, 0))
    first = pixels(2, 9, *PLANE)
    assert np.array_equal(checked(ARRAYS[writer](tmp_path / "b", first)).array, first)
    unknown = pixels(9, 2, *PLANE)
    path = ARRAYS[writer](tmp_path / "c", unknown)
    assert declarations(refused(path).problem) == ["ZCYX", "CZYX"]
    assert np.array_equal(checked(path, "ZCYX").array, unknown.swapaxes(0, 1))


def test_what_a_tiff_says_goes_before_its_shape(tmp_path: Path) -> None:
    for number, (options, array, wanted) in enumerate(
        [
            ({"imagej": True, "metadata": {"axes": "CYX"}}, pixels(2, *PLANE), (2, *PLANE)),
            ({"imagej": True, "metadata": {"axes": "ZCYX"}}, pixels(5, 2, *PLANE), (2, 5, *PLANE)),
            ({"imagej": True, "metadata": {"axes": "ZYX"}}, pixels(3, *PLANE), (1, 3, *PLANE)),
            ({"ome": True, "metadata": {"axes": "CYX"}}, pixels(7, *PLANE), (7, *PLANE)),
            ({"ome": True, "metadata": {"axes": "CZYX"}}, pixels(2, 5, *PLANE), (2, 5, *PLANE)),
            ({"metadata": {"axes": "YXC"}}, pixels(*PLANE, 6), (6, *PLANE)),
            ({"photometric": "minisblack", "planarconfig": "separate"}, pixels(6, *PLANE), (6, *PLANE)),
            ({"photometric": "minisblack", "planarconfig": "contig"}, pixels(*PLANE, 6), (6, *PLANE)),
        ]
    ):
        image = checked(tif(tmp_path / str(number), array, **options))
        assert (image.array.shape, image.problems) == (wanted, ())


@pytest.mark.parametrize("options", [{"imagej": True}, {"ome": True}])
def test_channels_that_a_writer_took_for_pages_are_asked_for(tmp_path: Path, options: dict) -> None:
    array = pixels(*PLANE, 2)  # 64 pages of 72 × 2, called channels
    path = tif(tmp_path / "a", array, **options)
    assert declarations(refused(path).problem) == ["YXC", "ZYX"]
    assert np.array_equal(checked(path, "YXC").array, np.moveaxis(array, -1, 0))


@pytest.mark.parametrize("letter", ["E", "P", "A", "R", "L", "H"])
def test_an_axis_of_unknown_meaning_is_asked_for(tmp_path: Path, letter: str) -> None:
    array = pixels(6, *PLANE)
    path = tif(tmp_path / "a", array, photometric="minisblack", metadata={"axes": f"{letter}YX"})
    error = refused(path)
    assert (error.code, error.values["axis"], error.values["length"]) == ("files.unknown_axis", letter, 6)
    assert declarations(error.problem) == ["CYX", "ZYX"]
    for axes, wanted in (("CYX", array), ("ZYX", array[None])):
        assert np.array_equal(checked(path, axes).array, wanted)


def test_time_may_be_read_as_slices(tmp_path: Path) -> None:
    array = pixels(6, *PLANE)
    path = tif(tmp_path / "a", array, imagej=True, metadata={"axes": "TYX"})
    assert declarations(refused(path).problem) == ["ZYX"]
    assert np.array_equal(checked(path, "ZYX").array, array[None])


def test_a_declaration_that_does_not_fit(tmp_path: Path) -> None:
    assert refused(npy(tmp_path / "a", pixels(2, *PLANE)), axes="CZYX").code == "files.declared_axes"
    assert checked(npy(tmp_path / "b", pixels(*PLANE)), "YXC").array.shape == (1, *PLANE), "one plane has no more axes"
    colours = tif(tmp_path / "c", pixels(*PLANE, 3), photometric="rgb")
    error = refused(colours, axes="ZYX")
    assert (error.code, declarations(error.problem)) == ("files.declared_samples", ["ZYX", "YXC"])
    for wrong in ("YX2", "YYX", "CZ", "QYX", ""):
        with pytest.raises(ValueError, match="X, Y, Z, C, T"):
            checked_letters(wrong)


@pytest.mark.parametrize("shape", [(64, 72, 2), (64, 72, 9), (3, 64, 4), (5, 64, 72), (5, 2, 64, 72), (5, 64, 72, 9)])
def test_every_choice_that_is_offered_can_be_read(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = npy(tmp_path / "a", pixels(*shape))
    for axes in re.findall(r"=(\w+)", choices(shape)):
        assert checked(path, axes).array.size == np.prod(shape)


EXTRA = {"unspecified": 0, "assocalpha": 1, "unassalpha": 2}


@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("kind", EXTRA)
@pytest.mark.parametrize(("photometric", "colours"), [("rgb", 3), ("minisblack", 1)])
def test_only_the_tags_say_what_is_alpha(
    tmp_path: Path, photometric: str, colours: int, kind: str, dtype: str, planarconfig: str
) -> None:
    array = pixels(*PLANE, colours + 1).astype(dtype)
    array[..., -1] = 1 if dtype == "f4" else np.iinfo(dtype).max
    for opaque in (True, False):
        if not opaque:
            array[3:40, :, -1] = 0
        stored = array if planarconfig == "contig" else np.moveaxis(array, -1, 0)
        options = {"photometric": photometric, "planarconfig": planarconfig, "extrasamples": [kind]}
        path = tif(tmp_path / "a", stored, **options)
        whole = np.moveaxis(array, -1, 0)
        if not EXTRA[kind]:
            assert np.array_equal(checked(path).array, whole)
        elif opaque:
            assert np.array_equal(checked(path).array, whole[:colours])
        else:
            error = refused(path)
            assert error.code == "files.alpha_or_channel"
            (axes,) = declarations(error.problem)
            assert np.array_equal(checked(path, axes).array, whole)


def test_several_extra_samples(tmp_path: Path) -> None:
    array = pixels(*PLANE, 6)
    array[..., 4] = 255
    kinds = ["unspecified", "unassalpha", "unspecified"]
    image = checked(tif(tmp_path / "a", array, photometric="rgb", extrasamples=kinds))
    assert np.array_equal(image.array, np.moveaxis(np.delete(array, 4, axis=-1), -1, 0))

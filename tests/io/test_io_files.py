"""Bad inputs 1 to 12: files that are none, cut off, misnamed, or must not be opened."""

from __future__ import annotations

import os
import re
import tomllib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from lamelle.errors import FileError, printable
from lamelle.io.files import is_image_name
from lamelle.io.formats.table import FORMATS
from lamelle.io.images import header, planes, read, read_labels
from lamelle.io.paths import junk

GREY = np.arange(48 * 40, dtype=np.uint8).reshape(48, 40)


def failure(path: Path, function=read, **options) -> FileError:
    with pytest.raises(FileError) as caught:
        list(planes(path, **options)) if function is planes else function(path, **options)
    assert caught.value.problem.where == str(path)
    assert str(caught.value).startswith(printable(str(path)))
    return caught.value


def png(path: Path, array: np.ndarray = GREY, **options) -> Path:
    Pillow.fromarray(array).save(path, format="PNG", **options)
    return path


def jpeg(path: Path, array: np.ndarray = GREY, **options) -> Path:
    Pillow.fromarray(array).save(path, format="JPEG", **options)
    return path


@pytest.mark.parametrize("function", [read, header, planes, read_labels])
def test_empty_file(tmp_path: Path, function) -> None:
    path = tmp_path / "a.png"
    path.touch()
    assert failure(path, function).code == "files.empty"


def test_missing_dangling_and_looping_links(tmp_path: Path) -> None:
    assert failure(tmp_path / "none.png").code == "files.missing"
    (tmp_path / "dangling.png").symlink_to(tmp_path / "gone.png")
    assert failure(tmp_path / "dangling.png").code == "files.dangling_link"
    (tmp_path / "a.png").symlink_to(tmp_path / "b.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    assert failure(tmp_path / "a.png").code == "files.link_loop"
    assert failure(tmp_path / "nul\0.png").code == "files.missing"


def test_pipe_and_device_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.png")  # opening it would wait forever
    for path in (tmp_path / "pipe.png", Path("/dev/zero")):
        for function in (read, header, planes, read_labels):
            assert failure(path, function).code == "files.not_regular"


def test_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = png(tmp_path / "a.png")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert "Permission denied" in str(failure(path))


def test_folder(tmp_path: Path) -> None:
    assert failure(tmp_path).code == "files.folder"


@pytest.mark.parametrize("save", [png, jpeg])
def test_every_truncation_is_found(tmp_path: Path, save) -> None:
    data = save(tmp_path / "whole", GREY).read_bytes()
    path = tmp_path / "cut"
    for length in (*range(1, 40), *range(40, len(data), 37), len(data) - 8, len(data) - 2, len(data) - 1):
        path.write_bytes(data[:length])
        assert failure(path).code in ("files.truncated", "files.unknown_format", "files.is_text"), length
        if length > 40:
            assert failure(path).code == "files.truncated", length


def test_truncated_bmp(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    Pillow.fromarray(GREY).save(path)
    path.write_bytes(path.read_bytes()[:-10])
    assert failure(path).code == "files.truncated"


def test_png_with_a_flipped_bit_in_its_pixels(tmp_path: Path) -> None:
    for level in (0, 9):  # stored pixels decode to other ones without any complaint
        data = bytearray(png(tmp_path / "a.png", compress_level=level).read_bytes())
        data[data.index(b"IDAT") + 30] ^= 1
        (tmp_path / "a.png").write_bytes(data)
        assert failure(tmp_path / "a.png").code == "files.cannot_decode"


def test_content_decides_and_a_wrong_suffix_is_a_warning(tmp_path: Path) -> None:
    path = jpeg(tmp_path / "a.png")
    image = read(path)
    assert [(p.code, p.severity, p.values["suffix"]) for p in image.problems] == [
        ("files.wrong_suffix", "warning", ".png")
    ]
    assert image.array.shape == (1, 48, 40)
    assert header(path).format == "jpeg"
    assert header(path).problems == image.problems
    assert read(png(tmp_path / "b.PNG")).problems == ()
    assert read(png(tmp_path / "no_suffix")).problems == ()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"<!DOCTYPE html><html><body>404</body></html>", "files.is_html"),
        (b"\xef\xbb\xbf \n<html>", "files.is_html"),
        (b"image,label\na.png,1\n", "files.is_text"),
        (b"<?xml version='1.0'?><svg/>", "files.is_text"),
        (b"GIF89a" + bytes(50), "files.unsupported"),
        (b"%PDF-1.4\n" + bytes(50), "files.unsupported"),
        (b"RIFF\x10\0\0\0WEBPVP8 " + bytes(50), "files.unsupported"),
        (b"\x80\x04\x95" + bytes(50), "files.unsupported"),
        (b"PK\x05\x06" + bytes(18), "files.unsupported"),
        (bytes(5000), "files.unknown_format"),
        (b"BM is how this text starts", "files.is_text"),
    ],
)
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    assert failure(path).code == code
    assert failure(path, header).code == code


@pytest.mark.parametrize(
    "name", ["Zelle ä ö.png", "zelle a\u0308.png", b"latin-\xe9.png".decode("utf-8", "surrogateescape")]
)
def test_odd_names(tmp_path: Path, name: str) -> None:
    assert read(png(tmp_path / name)).array.shape == (1, 48, 40)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(FileError) as caught:
        read(tmp_path / name)
    str(caught.value).encode("utf-8")  # a terminal can print it


def test_junk_and_names() -> None:
    for name in ("._x.png", ".DS_Store", "Thumbs.db", "a/.ipynb_checkpoints/x.png", "__MACOSX/x.png", ".tmp-12ab.png"):
        assert junk(name), name
        assert not is_image_name(name)
    assert junk("x.png") is None
    for row in FORMATS.readable():
        assert row.suffixes or row.is_folder, "a folder has no suffix"
        assert all(is_image_name(f"scan{suffix.upper()}") for suffix in row.suffixes)
    assert not any(is_image_name(f"scan{suffix}") for row in FORMATS.unread() for suffix in row.suffixes)
    assert not is_image_name("labels.csv")


def test_both_languages_have_each_sentence_with_the_same_values() -> None:
    spoken = [
        tomllib.loads((files("lamelle.messages") / language / "files.toml").read_text("utf-8"))
        for language in ("en", "fr")
    ]
    assert spoken[0].keys() == spoken[1].keys()
    for name in spoken[0]:
        english, french = ({*re.findall(r"{(\w+)}", catalogue[name])} for catalogue in spoken)
        assert english == french, name
    sources = "".join(p.read_text("utf-8") for p in Path(str(files("lamelle.io"))).rglob("*.py"))
    cures = {f"cure_{row.cure}" for row in FORMATS.unread()}
    assert set(re.findall(r'"files\.(\w+)"', sources)) | cures == set(spoken[0])

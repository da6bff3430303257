"""One folder with every defect at once: each is named, with its file, and training does not start."""

from __future__ import annotations

import os
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from support import look

from lamelle import verbs
from lamelle.errors import DataError, LamelleError, sentence
from lamelle.results.audit import Audit


def grey(seed: int, size: tuple[int, int] = (48, 48)) -> np.ndarray:
    """Smooth pixels uint8 [Y, X] that resemble no other image's."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 12)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC))


def mask(seed: int, size: tuple[int, int] = (48, 48)) -> np.ndarray:
    return np.where(grey(seed + 1000, size) > 128, 255, 0).astype(np.uint8)


class Pairs:
    """A folder images/ + masks/ to which one defective pair after another is added."""

    def __init__(self, root: Path) -> None:
        self.images, self.masks = root / "images", root / "masks"
        self.images.mkdir(parents=True)
        self.masks.mkdir()
        self._seed = 0

    def good(self, name: str) -> None:
        self._seed += 1
        Image.fromarray(grey(self._seed)).save(self.images / f"{name}.png")
        Image.fromarray(mask(self._seed)).save(self.masks / f"{name}.png")

    def image(self, name: str) -> Path:
        """Path of a pair's image, for something else to be put there; its mask is good."""
        self.good(Path(name).stem)
        (self.images / f"{Path(name).stem}.png").unlink()
        return self.images / name

    def mask(self, name: str) -> Path:
        self.good(Path(name).stem)
        (self.masks / f"{Path(name).stem}.png").unlink()
        return self.masks / name


def cut(path: Path, share: float) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def png_claiming(width: int, height: int) -> bytes:
    """A colour PNG whose header claims a size; its pixels are a few bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + pixels + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder, and code → file of every defect in it."""
    root = tmp_path_factory.mktemp("defects") / "data"
    pairs = Pairs(root)
    for i in range(6):
        pairs.good(f"good{i}")
    plant_files(pairs)
    plant_pixels(pairs)
    plant_masks(pairs)
    return root, EXPECTED


def plant_files(pairs: Pairs) -> None:
    pairs.image("zero.png").write_bytes(b"")
    Image.fromarray(grey(50)).save(path := pairs.image("cutpng.png"))
    cut(path, 0.6)
    tifffile.imwrite(path := pairs.image("cuttif.tif"), grey(51), compression="zlib")
    cut(path, 0.5)
    Image.fromarray(grey(55)).save(path := pairs.image("cutjpg.jpg"))
    cut(path, 0.7)
    pairs.image("html.png").write_text("<!DOCTYPE html><html><body>404 not found</body></html>")
    pairs.image("text.png").write_text("this is no image, merely words\n" * 20)
    Image.fromarray(grey(52)).save(pairs.image("suffix.png"), format="JPEG")
    pairs.image("dangling.png").symlink_to(pairs.images / "nowhere.png")
    os.mkfifo(pairs.images / "pipe.png")
    (pairs.images / "loop").symlink_to(pairs.images, target_is_directory=True)
    (pairs.images / "._good0.png").write_bytes(b"\0\5\x16\7")
    (pairs.images / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    pairs.good("twin")
    tifffile.imwrite(pairs.images / "twin.tif", grey(53))
    pairs.image("bomb.png").write_bytes(png_claiming(10_000, 10_000))
    pairs.image("huge.png").write_bytes(png_claiming(100_000, 100_000))


def plant_pixels(pairs: Pairs) -> None:
    shutil.copy(pairs.images / "good1.png", pairs.image("copy.png"))
    Image.fromarray(np.full((48, 48), 77, np.uint8)).save(pairs.image("constant.png"))
    floats = grey(54).astype(np.float32)
    floats[3, 4] = np.nan
    tifffile.imwrite(pairs.image("nan.tif"), floats)
    rgba = np.dstack([grey(60), grey(61), grey(62), grey(63)])
    Image.fromarray(rgba).save(pairs.image("alpha.png"))
    Image.fromarray(np.dstack([grey(64), grey(65), grey(66), grey(67)]), mode="CMYK").save(pairs.image("cmyk.jpg"))
    Image.fromarray(np.dstack([grey(68), grey(69), grey(70)])).save(pairs.image("colour.png"))
    tifffile.imwrite(pairs.image("complex.tif"), grey(71).astype(np.complex64))


def plant_masks(pairs: Pairs) -> None:
    Image.fromarray(mask(80, (40, 44))).save(pairs.mask("size.png"))
    Image.fromarray(mask(81)).save(pairs.mask("lossy.jpg"))
    tifffile.imwrite(pairs.mask("float.tif"), (mask(82) / 255 * 0.5).astype(np.float32))
    strange = mask(83)
    strange[:5, :5] = 7
    Image.fromarray(strange).save(pairs.mask("strange.png"))
    pairs.mask("nomask.png")
    Image.fromarray(mask(84)).save(pairs.masks / "orphan.png")
    Image.fromarray(np.zeros((48, 48), np.uint8)).save(pairs.mask("empty.png"))
    pairs.mask("zeromask.png").write_bytes(b"")


EXPECTED = {
    "files.empty images/zero.png": "error",
    "files.empty masks/zeromask.png": "error",
    "files.truncated images/cutpng.png": "error",
    "files.truncated images/cuttif.tif": "error",
    "files.truncated images/cutjpg.jpg": "error",
    "files.is_html images/html.png": "error",
    "files.is_text images/text.png": "error",
    "files.wrong_suffix images/suffix.png": "warning",
    "layouts.dangling images/dangling.png": "error",
    "layouts.not_a_file images/pipe.png": "warning",
    "layouts.link_seen images/loop": "warning",
    "layouts.twins images/twin.png": "error",
    "files.bomb images/bomb.png": "error",
    "files.too_large images/huge.png": "error",
    "audit.constant images/constant.png": "warning",
    "files.not_finite images/nan.tif": "error",
    "files.alpha images/alpha.png": "error",
    "files.colour_space images/cmyk.jpg": "error",
    "audit.mixed_channels ": "warning",
    "files.dtype images/complex.tif": "error",
    "audit.size_mismatch masks/size.png": "error",
    "files.lossy_labels masks/lossy.jpg": "error",
    "files.float_labels masks/float.tif": "error",
    "layouts.missing_mask images/nomask.png": "error",
    "layouts.orphan_mask masks/orphan.png": "error",
    "audit.empty_mask masks/empty.png": "warning",
}


def found_in(audit: Audit) -> dict[str, str]:
    return {f"{p.code} {p.where}": p.severity for p in audit.problems}


def test_every_defect_of_a_folder_of_pairs_is_named_at_once(planted: tuple[Path, dict[str, str]]) -> None:
    root, expected = planted
    index, audit, _ = look(root)
    found = found_in(audit)
    assert {k: found.get(k) for k in expected} == expected
    said = "\n".join(sentence(p) for p in audit.problems)
    assert "values 0, 7, 255" in said, "a label value that is no class"
    duplicates = [sentence(p) for p in audit.problems if p.code.startswith("audit.duplicate")]
    assert any("copy.png" in line and "good1.png" in line for line in duplicates)
    assert sum(index.skipped.values()) >= 2, "._good0.png and .DS_Store are counted"
    named = {p.where.rpartition("/")[2].partition(".")[0] for p in audit.problems if p.severity == "error"}
    assert not any(name.startswith("good0") or name in {"good2", "good3", "good4", "good5"} for name in named)


def test_training_refuses_with_all_of_them(planted: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    root, expected = planted
    with pytest.raises(DataError) as caught:
        verbs.train(root, runs=tmp_path / "runs")
    codes = {f"{p.code} {p.where}" for p in caught.value.problems}
    assert {k for k, severity in expected.items() if severity == "error"} <= codes
    assert not (tmp_path / "runs").exists(), "nothing was begun"


def table(root: Path, lines: list[str]) -> Path:
    (root / "labels.csv").write_bytes(("\ufeff" + "\n".join(lines) + "\n").encode())
    return root


def test_every_defect_of_a_table_is_named_at_once(tmp_path: Path) -> None:
    for i in range(12):
        Image.fromarray(grey(200 + i)).save(tmp_path / f"p{i}.png")
    shutil.copy(tmp_path / "p0.png", tmp_path / "again.png")
    shutil.copy(tmp_path / "p1.png", tmp_path / "other.png")
    rows = [f"p{i}.png;{'ab'[i % 2]}" for i in range(10)]
    rows += ["again.png;a", "other.png;a"]  # the same pixels: once with the same label, once with another
    rows += ["gone.png;a", "lost.png;b", "p10.png;", "p2.png;b", "p3.png;NA", "lone.png;c"]
    Image.fromarray(grey(300)).save(tmp_path / "lone.png")
    audit = verbs.check(table(tmp_path, ["image;label", *rows]))
    said = "\n".join(sentence(p) for p in audit.problems)
    codes = [p.code for p in audit.problems]
    assert codes.count("layouts.listed_missing") == 2
    assert "gone.png" in said
    assert "lost.png" in said
    assert codes.count("layouts.conflict") >= 1, "p2.png is a in one row and b in another"
    assert codes.count("layouts.blank_label") >= 1
    assert "layouts.dialect" in codes, "the semicolon is said"
    assert "layouts.lone_sample" in codes
    assert {"audit.duplicate", "audit.duplicate_conflict"} <= set(codes)
    assert any(p.code == "layouts.unlisted" and "p11.png" in sentence(p) for p in audit.problems)
    assert "image" not in {r.id for r in audit.rows}, "the byte order mark is no part of a name"


def test_a_table_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    Image.fromarray(grey(1)).save(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_bytes(b"image,label\na.png,caf\x81\n")
    with pytest.raises(LamelleError, match="line 2 is not UTF-8"):
        verbs.check(tmp_path)


def test_class_folders_with_an_empty_and_a_lone_class(tmp_path: Path) -> None:
    for name, count in (("a", 4), ("b", 4), ("lone", 1), ("empty", 0)):
        (tmp_path / name).mkdir()
        for i in range(count):
            Image.fromarray(grey(i + 10 * len(name) + ord(name[0]))).save(tmp_path / name / f"{i}.png")
    found = found_in(verbs.check(tmp_path))
    assert {"layouts.empty_class empty", "layouts.lone_sample lone"} <= set(found), found


def test_one_class_alone_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    for i in range(4):
        Image.fromarray(grey(i)).save(tmp_path / "only" / f"{i}.png")
    with pytest.raises(LamelleError, match=r"one class|class_folders"):
        raise DataError(verbs.check(tmp_path).errors)

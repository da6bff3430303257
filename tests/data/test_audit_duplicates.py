"""Copies are found, however they were saved again; look-alikes are not taken for copies."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from lamelle.data.audit.duplicates import candidates, find_copies, hashes, oriented
from lamelle.data.audit.inspect import inspect
from lamelle.data.audit.leaks import leaks
from lamelle.data.audit.results import Audit
from lamelle.data.audit.signatures import Signature, sign
from lamelle.data.store import Store
from lamelle.errors import sentence
from lamelle.types import Index, Record, Source

Change = Callable[[Image.Image], Image.Image]


def compressed(image: Image.Image, quality: int) -> Image.Image:
    held = io.BytesIO()
    image.save(held, "JPEG", quality=quality)
    return Image.open(held)


def scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BILINEAR)


COPIES: dict[str, Change] = {
    "jpeg": lambda i: compressed(i, 90),
    "jpeg70": lambda i: compressed(i, 70),
    "half": lambda i: scaled(i, 0.5),
    "larger": lambda i: scaled(i, 1.6),
    "mirrored": ImageOps.mirror,
    "upside down": ImageOps.flip,
    "turned": lambda i: i.transpose(Image.Transpose.ROTATE_90),
    "turned, mirrored, jpeg": lambda i: compressed(ImageOps.mirror(i.transpose(Image.Transpose.ROTATE_270)), 90),
    "darker": lambda i: i.point([round(v * 0.7 + 10) for v in range(256)] * len(i.getbands())),
}


def tissue(seed: int, size: int = 96) -> np.ndarray:
    """Blurred noise with cells, uint8 [size, size]; images of one kind, as of one microscope."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    total = sum(gaussian_filter(rng.normal(size=(size, size)), s) * s for s in (1, 2, 5, 9))
    return np.clip(128 + 60 * np.asarray(total), 0, 255).astype(np.uint8)


def look(root: Path, records: list[Record], store: Path) -> Audit:
    index = Index(root, "class_folders", "classify", tuple(records))
    return inspect(index, Store(store, budget=1 << 30), declared=None, ignore=(), workers=2)


def planted(root: Path, originals: list[Image.Image], change: Change) -> list[Record]:
    root.mkdir(parents=True, exist_ok=True)
    records = []
    for n, image in enumerate(originals):
        image.save(root / f"{n:03}.png")
        records.append(Record(f"{n:03}", Source(root / f"{n:03}.png"), ("a",)))
    for n, image in enumerate(originals):
        change(image).save(root / f"{n:03}copy.png")
        records.append(Record(f"{n:03}copy", Source(root / f"{n:03}copy.png"), ("a",)))
    return records


def found_and_false(audit: Audit) -> tuple[int, int]:
    right = sum(p.second == f"{p.first}copy" for p in audit.pairs)
    return right, len(audit.pairs) - right


@pytest.mark.parametrize("name", COPIES)
def test_planted_copies_are_found_and_nothing_else(tmp_path: Path, name: str) -> None:
    originals = [Image.fromarray(tissue(n)) for n in range(30)]
    audit = look(tmp_path, planted(tmp_path / "data", originals, COPIES[name]), tmp_path / "store")
    assert found_and_false(audit) == (30, 0)
    assert {p.kind for p in audit.pairs} == {"near"}
    assert sum(p.code == "audit.near_duplicate" for p in audit.problems) == 30


def test_a_reencoded_file_of_the_same_pixels_is_exact(tmp_path: Path) -> None:
    records = []
    for n, suffix in enumerate(("png", "bmp", "tif")):
        Image.fromarray(tissue(1)).save(tmp_path / f"{n}.{suffix}")
        records.append(Record(f"{n}", Source(tmp_path / f"{n}.{suffix}"), ("a",)))
    Image.fromarray(np.stack([tissue(1)] * 3, axis=-1)).save(tmp_path / "3.png")
    records.append(Record("3", Source(tmp_path / "3.png"), ("a",)))
    audit = look(tmp_path, records, tmp_path / "store")
    assert [(p.first, p.second, p.kind) for p in audit.pairs] == [(("0"), n, "exact") for n in "123"]
    (problem,) = [p for p in audit.problems if p.code == "audit.duplicate"]
    assert problem.values == {"others": "1, 2, 3", "count": 3}
    assert problem.severity == "warning"


def test_copies_with_different_classes(tmp_path: Path) -> None:
    image = Image.fromarray(tissue(1))
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.png", compress_level=1)
    scaled(image, 0.5).save(tmp_path / "c.png")
    records = [Record(n, Source(tmp_path / f"{n}.png"), (c,)) for n, c in (("a", "sick"), ("b", "well"), ("c", "sick"))]
    audit = look(tmp_path, records, tmp_path / "store")
    (exact,) = [p for p in audit.problems if p.code == "audit.duplicate_conflict"]
    assert (exact.severity, exact.where, exact.values["labels"]) == ("error", "a", "sick, well")
    (near,) = [p for p in audit.problems if p.code == "audit.near_duplicate_conflict"]
    assert near.severity == "warning"
    assert sentence(exact)
    assert sentence(near)


def test_the_same_image_with_two_masks(tmp_path: Path) -> None:
    records = []
    for name, width in (("a", 20), ("b", 20), ("c", 30)):
        mask = np.zeros((96, 96), np.uint8)
        mask[:, :width] = 1
        Image.fromarray(tissue(1)).save(tmp_path / f"{name}.png")
        Image.fromarray(mask).save(tmp_path / f"{name}_mask.png")
        records.append(Record(name, Source(tmp_path / f"{name}.png"), (Source(tmp_path / f"{name}_mask.png"),)))
    for chosen, code, severity in (
        (records[:2], "audit.duplicate", "warning"),
        (records, "audit.duplicate_masks", "error"),
    ):
        audit = look(tmp_path, chosen, tmp_path / "store")
        (problem,) = [p for p in audit.problems if "duplicate" in p.code]
        assert (problem.code, problem.severity) == (code, severity)


def test_constant_images_are_not_copies(tmp_path: Path) -> None:
    records = []
    for n in range(3):
        Image.fromarray(np.full((50, 50), 0 if n else 3, np.uint8)).save(tmp_path / f"{n}.png")
        records.append(Record(str(n), Source(tmp_path / f"{n}.png"), ("a",)))
    assert look(tmp_path, records, tmp_path / "store").pairs == ()


def test_neighbouring_slices_of_one_volume_are_not_copies(tmp_path: Path) -> None:
    first = tissue(1).astype(float)
    stack = np.stack([first + 0.02 * z * tissue(2) for z in range(4)]).clip(0, 255).astype(np.uint8)
    np.save(tmp_path / "v.npy", stack)
    one = [Record(f"v#{z}", Source(tmp_path / "v.npy", index=z), position=z) for z in range(4)]
    assert look(tmp_path, one, tmp_path / "store").pairs == ()
    apart = [Record(r.id, r.image) for r in one]  # the control: nothing says that they are one volume
    assert len(look(tmp_path, apart, tmp_path / "store").pairs) == 3


def test_hashes_of_orientations_agree_with_turned_images() -> None:
    squares = np.stack([tissue(n, 32) for n in range(5)]).astype(np.float32)
    codes = hashes(squares)
    assert codes.shape == (8, 5)
    for turn, turned in enumerate(oriented(squares)):
        assert (np.bitwise_count(hashes(np.ascontiguousarray(turned))[0] ^ codes[turn]) <= 1).all()


def test_candidates_agree_with_counting_bits_one_by_one() -> None:
    codes = np.random.default_rng(0).integers(0, 2**63, (8, 40), dtype=np.uint64)
    codes[:, 30:] = codes[:, :10]
    first, second, turn = candidates(codes, bits=20)
    expected = {
        (i, j, t)
        for t in range(8)
        for i in range(40)
        for j in range(i + 1, 40)
        if bin(int(codes[0, i]) ^ int(codes[t, j])).count("1") <= 20
    }
    assert set(zip(first.tolist(), second.tolist(), turn.tolist(), strict=True)) == expected
    assert (0, 30, 0) in expected


# ---- between splits


def placed(name: str, split: str, *, group: str | None = None, **columns: str) -> Record:
    return Record(name, Source(Path(name)), ("a",), group=group, split=split, columns=columns)


def row_audit(tmp_path: Path, changes: dict[str, Change | None]) -> tuple[list[Record], Audit]:
    records = []
    for name, change in changes.items():
        image = Image.fromarray(tissue(ord(name[0])))
        (change(image) if change else image).save(tmp_path / f"{name}.png")
        records.append(Record(name, Source(tmp_path / f"{name}.png"), ("a",)))
    return records, look(tmp_path, records, tmp_path / "store")


def test_copies_in_two_splits(tmp_path: Path) -> None:
    images = {"a1": None, "a2": None, "b1": None, "b2": COPIES["jpeg"], "c1": None, "d1": None, "d2": None}
    records, audit = row_audit(tmp_path, images)
    splits = dict(zip(images, ("train", "test", "train", "validation", "test", "train", "train"), strict=True))
    split = [Record(r.id, r.image, r.target, split=splits[r.id]) for r in records]
    problems = leaks(split, audit)
    assert [(p.code, p.where, p.severity) for p in problems] == [
        ("audit.pixels_in_splits", "a1", "error"),
        ("audit.near_in_splits", "b1", "warning"),
    ]
    assert "a2 (test)" in sentence(problems[0])
    assert leaks([Record(r.id, r.image, r.target, split="train") for r in records], audit) == ()
    assert leaks(records, audit) == ()  # not split


def test_a_group_in_two_splits(tmp_path: Path) -> None:
    _, audit = row_audit(tmp_path, {"a": None})
    records = [placed("1", "train", group="p1"), placed("2", "test", group="p1"), placed("3", "test", group="p2")]
    (problem,) = leaks(records, audit)
    assert (problem.code, problem.severity) == ("audit.group_in_splits", "error")
    assert problem.values == {"group": "p1", "splits": "test: 1, train: 1"}


def test_overlapping_patches_of_one_slice(tmp_path: Path) -> None:
    corners = {"a": ("0", 0), "b": ("0", 95), "c": ("0", 96), "d": ("1", 0), "e": ("0", 40)}
    records, audit = row_audit(tmp_path, dict.fromkeys(corners))
    splits = {"a": "train", "b": "test", "c": "test", "d": "test", "e": "train"}
    patches = [
        Record(r.id, r.image, r.target, split=splits[r.id], columns={"slice": z, "y": "7", "x": str(x)})
        for r, (z, x) in zip(records, corners.values(), strict=True)
    ]
    (problem,) = leaks(patches, audit)
    assert (problem.code, problem.severity) == ("audit.patches_overlap", "warning")
    expected = {"pairs": 3, "first": "test", "second": "train", "one": "b", "other": "a"}  # a-b, e-b, e-c
    assert problem.values == expected
    assert sentence(problem)


# ---- real images


def real(folder: Path, pattern: str, count: int) -> list[Path]:
    paths = sorted(folder.glob(pattern))
    return paths[:: max(1, len(paths) // count)][:count]


@pytest.mark.real
@pytest.mark.parametrize(
    ("pattern", "least"),
    [("cxr-4class/*/images/*", 0.98), ("vnc-patches/train/*.png", 0.98), ("histology/images/*", 0.9)],
)
def test_copies_of_real_images(real_data: Path, tmp_path: Path, pattern: str, least: float) -> None:
    originals = [Image.open(p).convert("RGB") for p in real(real_data, pattern, 30)]
    right = false = 0
    for n, change in enumerate((COPIES["jpeg"], COPIES["half"], COPIES["turned, mirrored, jpeg"])):
        audit = look(tmp_path, planted(tmp_path / f"data{n}", originals, change), tmp_path / "store")
        found = found_and_false(audit)
        right, false = right + found[0], false + found[1]
    assert right >= least * 90
    assert false == 0


@pytest.mark.real
def test_chest_x_rays_look_alike_but_are_not_copies(real_data: Path, tmp_path: Path) -> None:
    """In the whole set two pairs are found, both the same film cut out twice."""
    paths = [p for p in sorted((real_data / "cxr-4class").glob("*/images/*")) if p.stem.endswith(("2", "3", "7"))]
    records = [Record(p.name, Source(p), (p.parts[-3],)) for p in paths]
    pairs = look(real_data / "cxr-4class", records, tmp_path / "store").pairs
    assert {frozenset((p.first, p.second)) for p in pairs} <= {
        frozenset(("COVID-1002.png", "COVID-322.png")),
        frozenset(("COVID-1427.png", "COVID-1433.png")),
    }
    assert len(pairs) >= 1


# ---- against images seen before


def test_copies_of_images_seen_before_are_found_by_their_signatures() -> None:
    old = [sign(f"old{n}", tissue(n)[None]) for n in range(20)]
    held = [Signature.from_json(json.loads(json.dumps(s.to_json()))) for s in old]
    same, mirrored = sign("same", tissue(3)[None]), sign("mirrored", tissue(5)[None, :, ::-1])
    pairs = find_copies([sign("other", tissue(99)[None]), same, mirrored], held)
    assert [(p.first, p.second, p.kind) for p in pairs] == [("old3", "same", "exact"), ("old5", "mirrored", "near")]
    assert "mirrored" in pairs[1].turned

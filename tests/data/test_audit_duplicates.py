"""Copies are found, however they were saved again; look-alikes are not taken for copies."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from lamelle.data.audit import fingerprints, registration
from lamelle.data.audit.alignment import starts
from lamelle.data.audit.buckets import meetings
from lamelle.data.audit.candidates import SmallPictures, Waves, candidates, described, turned
from lamelle.data.audit.duplicates import find_copies
from lamelle.data.audit.inspect import inspect
from lamelle.data.audit.leaks import leaks
from lamelle.data.audit.signatures import sign
from lamelle.data.store import Store
from lamelle.errors import sentence
from lamelle.io.atomic import plain
from lamelle.results.audit import Audit, from_json
from lamelle.specimens import write_demo
from lamelle.types import ClassNames, Index, LabelImage, Record, Source

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
    "gamma": lambda i: i.point([round(255 * (v / 255) ** 0.6) for v in range(256)] * len(i.getbands())),
    "inverted": lambda i: i.point([255 - v for v in range(256)] * len(i.getbands())),
    "cropped": lambda i: i.crop((2, 12, round(0.82 * i.width) + 2, round(0.85 * i.height) + 12)),
    "cropped, mirrored, jpeg": lambda i: compressed(ImageOps.mirror(i.crop((9, 3, i.width, i.height - 8))), 80),
    "black border": lambda i: ImageOps.expand(i, (9, 14, 3, 7), fill=0),
    "white border": lambda i: ImageOps.expand(i, (4, 0, 14, 11), fill="white"),
    "rotated by 3": lambda i: i.rotate(3, Image.Resampling.BILINEAR),
    "rotated by -8": lambda i: i.rotate(-8, Image.Resampling.BILINEAR),
    "rotated by 9, larger": lambda i: i.rotate(9, Image.Resampling.BILINEAR, expand=True),
    "cropped, rotated by 4": lambda i: cut(i, 0.08, 0.05).rotate(4, Image.Resampling.BILINEAR),
    "label burnt in": lambda i: burnt(i),
}


def cut(image: Image.Image, left: float, top: float, kept: float = 0.87) -> Image.Image:
    at = (round(left * image.width), round(top * image.height))
    return image.crop((*at, at[0] + round(kept * image.width), at[1] + round(kept * image.height)))


def burnt(image: Image.Image) -> Image.Image:
    changed = image.copy()
    changed.paste("white", (0, 0, image.width // 3, image.height // 10))
    return changed


def tissue(seed: int, size: int = 96) -> np.ndarray:
    """Blurred noise with cells, uint8 [size, size]; images of one kind, as of one microscope."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    total = sum(gaussian_filter(rng.normal(size=(size, size)), s) * s for s in (1, 2, 5, 9))
    return np.clip(128 + 60 * np.asarray(total), 0, 255).astype(np.uint8)


def smear(seed: int, size: int = 96) -> np.ndarray:
    """A dozen grey cells on a bright ground, uint8 [size, size]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    cells = [np.exp(-((np.hypot(y - v, x - u) / (0.07 * size)) ** 6)) for v, u in rng.uniform(0, size, (12, 2))]
    return np.clip(225 - 60 * np.sum(cells, axis=0), 0, 255).astype(np.uint8)


def look(root: Path, records: list[Record], store: Path) -> Audit:
    index = Index(root, "class_folders", tuple(records))
    return inspect(index, Store(store, budget=1 << 30), declared=None, ignore=(), workers=2)


def planted(root: Path, originals: list[Image.Image], change: Change) -> list[Record]:
    root.mkdir(parents=True, exist_ok=True)
    records = []
    for n, image in enumerate(originals):
        image.save(root / f"{n:03}.png")
        records.append(Record(f"{n:03}", Source(root / f"{n:03}.png"), ClassNames(("a",))))
    for n, image in enumerate(originals):
        change(image).save(root / f"{n:03}copy.png")
        records.append(Record(f"{n:03}copy", Source(root / f"{n:03}copy.png"), ClassNames(("a",))))
    return records


def found_and_false(audit: Audit) -> tuple[int, int]:
    right = sum(p.second == f"{p.first}copy" for p in audit.pairs)
    return right, len(audit.pairs) - right


@pytest.mark.parametrize("name", COPIES)
def test_planted_copies_are_found_and_nothing_else(tmp_path: Path, name: str) -> None:
    originals = [Image.fromarray(tissue(n)) for n in range(12)]
    audit = look(tmp_path, planted(tmp_path / "data", originals, COPIES[name]), tmp_path / "store")
    assert found_and_false(audit) == (12, 0)
    assert {p.kind for p in audit.pairs} == {"near"}
    assert sum(p.code == "audit.near_duplicate" for p in audit.problems) == 12


def test_a_reencoded_file_of_the_same_pixels_is_exact(tmp_path: Path) -> None:
    records = []
    for n, suffix in enumerate(("png", "bmp", "tif")):
        Image.fromarray(tissue(1)).save(tmp_path / f"{n}.{suffix}")
        records.append(Record(f"{n}", Source(tmp_path / f"{n}.{suffix}"), ClassNames(("a",))))
    Image.fromarray(np.stack([tissue(1)] * 3, axis=-1)).save(tmp_path / "3.png")
    records.append(Record("3", Source(tmp_path / "3.png"), ClassNames(("a",))))
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
    records = [
        Record(n, Source(tmp_path / f"{n}.png"), ClassNames((c,)))
        for n, c in (("a", "sick"), ("b", "well"), ("c", "sick"))
    ]
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
        records.append(
            Record(name, Source(tmp_path / f"{name}.png"), LabelImage(Source(tmp_path / f"{name}_mask.png")))
        )
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
        records.append(Record(str(n), Source(tmp_path / f"{n}.png"), ClassNames(("a",))))
    assert look(tmp_path, records, tmp_path / "store").pairs == ()


def test_neighbouring_slices_of_one_volume_are_not_copies(tmp_path: Path) -> None:
    first = tissue(1).astype(float)
    stack = np.stack([first + 0.02 * z * tissue(2) for z in range(4)]).clip(0, 255).astype(np.uint8)
    np.save(tmp_path / "v.npy", stack)
    one = [Record(f"v#{z}", Source(tmp_path / "v.npy", index=z), position=z) for z in range(4)]
    assert look(tmp_path, one, tmp_path / "store").pairs == ()
    apart = [Record(r.id, r.image) for r in one]  # the control: nothing says that they are one volume
    assert len(look(tmp_path, apart, tmp_path / "store").pairs) == 3


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("turned", {"angle": -90, "mirrored": False}),
        ("mirrored", {"angle": 0, "mirrored": True}),
        ("rotated by -8", {"angle": 8, "mirrored": False, "inverted": False}),
        ("inverted", {"inverted": True, "of_first": 1, "of_second": 1}),
        ("cropped", {"angle": 0, "of_first": 0.82 * 0.85, "of_second": 1}),
        ("black border", {"of_first": 1, "of_second": 96 * 96 / (108 * 117)}),
    ],
)
def test_a_pair_says_how_the_copy_differs(tmp_path: Path, change: str, expected: dict[str, float]) -> None:
    audit = look(tmp_path, planted(tmp_path / "data", [Image.fromarray(tissue(1))], COPIES[change]), tmp_path / "store")
    (pair,) = audit.pairs
    assert from_json(plain(audit)).pairs == audit.pairs
    for name, value in expected.items():
        assert getattr(pair, name) == pytest.approx(value, abs=1.0 if name == "angle" else 0.06), name


@pytest.mark.parametrize(("kind", "count"), [("thorax", 60), ("nuclei", 16), ("tissue", 60)])
def test_specimens_of_one_kind_are_no_copies(tmp_path: Path, kind: str, count: int) -> None:
    folder = write_demo(kind, tmp_path / kind, seed=0, count=count, size=96)
    paths = sorted(p for p in folder.rglob("*.png") if "mask" not in p.parent.name)
    assert len(paths) >= count
    records = [Record(str(p), Source(p), ClassNames(("a",))) for p in paths]
    assert look(folder, records, tmp_path / "store").pairs == ()


def test_waves_of_orientations_agree_with_turned_pictures() -> None:
    squares = np.stack([tissue(n, 32) for n in range(5)]).astype(np.float32)
    expected = fingerprints.oriented_waves(fingerprints.waves_of(squares)[:, 0])
    place = (np.arange(32) + 0.5) / 16 - 1
    y, x = np.meshgrid(place, place, indexing="ij")
    for turn in range(8):
        across, down = np.tensordot(fingerprints.turn_matrix(turn), np.stack([x, y]), 1)
        columns, rows = (np.rint((z + 1) * 16 - 0.5).astype(int) for z in (across, down))
        assert np.allclose(fingerprints.waves_of(squares[:, rows, columns])[:, 0], expected[:, turn], atol=1e-5)


def test_views_are_what_a_crop_looks_like() -> None:
    fine = tissue(4, 320).astype(np.float32)
    whole = fine.reshape(32, 10, 32, 10).mean((1, 3))
    number = next(n for n, v in enumerate(fingerprints.views()) if np.allclose(v, [[0.9, 0, 0.1], [0, 0.8, 0]]))
    crop = fine[32:288, 32:320].reshape(32, 8, 32, 9).mean((1, 3))
    seen, expected = fingerprints.waves_of(whole[None])[0, number], fingerprints.waves_of(crop[None])[0, 0]
    assert float(seen @ expected) > 0.97


def test_pictures_that_met_are_compared_by_their_waves_less_what_all_have_in_common() -> None:
    found = described_tissue(20)
    mean, part = found.common[0], fingerprints.parts()[0]
    asked, held = Waves.of(found.waves[:, part], mean), Waves.of(turned(found.waves[:, part.start]), mean)
    rng = np.random.default_rng(3)
    rows, numbers = rng.integers(len(asked.waves), size=200), rng.integers(2 * len(held.waves), size=200)
    sign = np.where(numbers % 2, -1.0, 1.0)[:, None]
    ours, theirs = asked.waves[rows] - mean, sign * held.waves[numbers // 2] - mean
    expected = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert np.abs(asked.alike(rows, held, numbers) - expected).max() < 1e-4
    assert np.ptp(expected) > 0.5


def met(count: int) -> tuple[set[int], int]:
    rng = np.random.default_rng(count)
    codes = rng.integers(0, 2**63, count, dtype=np.uint64)
    flips = (np.uint64(1) << rng.integers(0, 63, (count, 4), dtype=np.uint64)).sum(axis=1, dtype=np.uint64)
    found, compared = set(), 0
    for queries, entries in meetings(codes, codes ^ flips, each=50):
        compared += len(queries)
        found |= set(queries[queries == entries].tolist())
    return found, compared


def test_codes_that_differ_in_some_bits_meet_and_the_work_grows_as_their_number() -> None:
    small, large = met(2_000), met(16_000)
    assert len(small[0]) >= 0.99 * 2_000
    assert len(large[0]) >= 0.99 * 16_000
    assert large[1] < 2.5 * 8 * small[1]  # as the square it would be 64 times


def test_many_equal_codes_do_not_make_the_work_grow_as_their_square() -> None:
    codes = np.full(20_000, 12345, np.uint64)
    assert sum(len(q) for q, _ in meetings(codes, codes, each=50)) < 20_000**2 / 100


def described_tissue(count: int, change: Change = lambda i: i) -> SmallPictures:
    images = [change(Image.fromarray(tissue(n))) for n in range(count)]
    signed = [sign(str(n), np.asarray(image)[None]) for n, image in enumerate(images)]
    return described(np.array([s.small for s in signed]), np.array([s.size for s in signed]))


@pytest.mark.parametrize(
    ("change", "turn"),
    [("cropped", (False, 1, 1)), ("cropped, mirrored, jpeg", (False, -1, 1)), ("turned", (True, 1, -1))],
)
def test_of_a_pair_the_orientation_of_the_copy_is_tried_first(change: str, turn: tuple[bool, int, int]) -> None:
    old, new = described_tissue(20), described_tissue(20, COPIES[change])
    ways = starts(old, new, (np.arange(20), np.arange(20)), 3)
    swap, x, y = turn
    back = (swap, y, x) if swap else turn  # as the copy sees the first picture
    told = [
        fingerprints.TURNS[t] == (back if swapped else turn)
        for t, swapped in zip(ways.turn[:, 0], ways.swapped[:, 0], strict=True)
    ]
    assert np.mean(told) >= 0.95
    assert (np.diff(ways.alike, axis=1) <= 0).all()
    assert all(
        len({*zip(t, w, strict=True)}) == 3 for t, w in zip(ways.turn.tolist(), ways.swapped.tolist(), strict=True)
    )


def test_pictures_brought_over_a_crop_with_empty_corners_come_to_lie_where_they_belong() -> None:
    """The corners, and the pixels half empty along the sides, do not draw the movement away."""
    rotated = [cut(Image.fromarray(smear(n)), 0.08, 0.05).rotate(4, Image.Resampling.BILINEAR) for n in range(16)]
    small = np.array([sign("", np.asarray(i)[None]).small for i in rotated])
    whole = np.array([sign("", smear(n)[None]).small for n in range(16)])
    side = round(0.87 * 96)
    a, middle = np.radians(4), np.array([round(0.08 * 96), round(0.05 * 96)]) * 2 / 96 + side / 96 - 1
    true = np.eye(3)
    true[:2, :2] = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) * side / 96
    true[:2, 2] = middle
    warps = np.tile(true, (16, 1, 1))
    warps[:, :2] += np.array([[0.08, 0.12, -0.12], [-0.12, 0.08, 0.12]])
    moving, fixed = registration.Squares.of(whole), registration.Squares.of(small)
    for _ in range(3):
        warps = registration.register(moving.smaller(2), fixed.smaller(2), warps, fine=0.8, coarse=4.0, steps=3)
    off = np.abs(warps - true)[:, :2].max(axis=(1, 2))
    assert np.quantile(off, 0.75) < 0.015  # 0.005; 0.029 by the slopes of one picture alone


def test_of_a_crowd_few_pairs_are_chosen_for_each_picture_and_copies_are_among_them() -> None:
    rng = np.random.default_rng(3)
    crowd = np.clip(tissue(0, 64) + 12 * rng.normal(size=(800, 64, 64)), 0, 255).astype(np.uint8)
    other = np.array([np.asarray(Image.fromarray(tissue(n)).resize((64, 64))) for n in range(1, 41)])
    copies = np.array([np.asarray(cut(Image.fromarray(z), 0.05, 0.1).resize((64, 64))) for z in other])
    small = np.concatenate([crowd, other, copies])
    pictures = described(small, np.full((len(small), 2), 96))
    first, second = candidates(pictures, pictures, lambda i, j: i != j, 4)
    assert (first < second).all()
    assert len({*zip(first.tolist(), second.tolist(), strict=True)}) == len(first) <= 4 * len(small)
    found = {*zip(first.tolist(), second.tolist(), strict=True)}
    assert sum((n, n + 40) in found for n in range(800, 840)) >= 39


# ---- between splits


def placed(name: str, split: str, *, group: str | None = None, **columns: str) -> Record:
    return Record(name, Source(Path(name)), ClassNames(("a",)), group=group, split=split, columns=columns)


def row_audit(tmp_path: Path, changes: dict[str, Change | None]) -> tuple[list[Record], Audit]:
    records = []
    for name, change in changes.items():
        image = Image.fromarray(tissue(ord(name[0])))
        (change(image) if change else image).save(tmp_path / f"{name}.png")
        records.append(Record(name, Source(tmp_path / f"{name}.png"), ClassNames(("a",))))
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


# ---- against images seen before


def test_copies_of_images_seen_before_are_found_by_their_signatures() -> None:
    old = [sign(f"old{n}", tissue(n)[None]) for n in range(20)]
    new = {"other": tissue(99), "same": tissue(3), "mirrored": tissue(5)[:, ::-1], "cropped": tissue(7)[12:, :84]}
    pairs = find_copies([sign(name, image[None]) for name, image in new.items()], old)
    expected = [("old3", "same", "exact"), ("old5", "mirrored", "near"), ("old7", "cropped", "near")]
    assert [(p.first, p.second, p.kind) for p in pairs] == expected
    assert pairs[1].mirrored
    assert pairs[2].of_first == pytest.approx(0.875**2, abs=0.03)


def test_corners_that_a_rotation_left_black_make_no_copies_of_even_tissue(tmp_path: Path) -> None:
    from scipy.ndimage import gaussian_filter

    even = [150 + 2 * np.random.default_rng(n).normal(size=(96, 96)) + tissue(n) / 40 for n in range(8)]
    pictures = [Image.fromarray(gaussian_filter(e, 1).astype(np.uint8)).rotate(8) for e in even]
    records = planted(tmp_path / "data", pictures, lambda i: i.rotate(90))
    audit = look(tmp_path, records, tmp_path / "store")
    assert all(p.second == f"{p.first}copy" for p in audit.pairs)


# ---- real images


def real(folder: Path, pattern: str, count: int) -> list[Path]:
    paths = sorted(folder.glob(pattern))
    return paths[:: max(1, len(paths) // count)][:count]


@pytest.mark.real
@pytest.mark.parametrize(
    ("pattern", "least"),
    [("cxr-4class/*/images/*", 0.95), ("vnc-patches/train/*.png", 0.95), ("histology/images/*", 0.95)],
)
def test_copies_of_real_images(real_data: Path, tmp_path: Path, pattern: str, least: float) -> None:
    originals = [Image.open(p).convert("RGB") for p in real(real_data, pattern, 30)]
    right = false = 0
    kinds = ("jpeg", "half", "turned, mirrored, jpeg", "cropped", "rotated by -8", "inverted", "black border")
    for n, change in enumerate(COPIES[kind] for kind in kinds):
        audit = look(tmp_path, planted(tmp_path / f"data{n}", originals, change), tmp_path / "store")
        found = found_and_false(audit)
        right, false = right + found[0], false + found[1]
    assert right >= least * 30 * len(kinds)
    assert false == 0


@pytest.mark.real
def test_chest_x_rays_look_alike_but_are_not_copies(real_data: Path, tmp_path: Path) -> None:
    """Of 247 X-rays three pairs are found, looked at, and each is one film cut out or toned twice."""
    paths = [p for p in sorted((real_data / "cxr-4class").glob("*/images/*")) if p.stem.endswith(("2", "3", "7"))]
    records = [Record(p.name, Source(p), ClassNames((p.parts[-3],))) for p in paths]
    pairs = look(real_data / "cxr-4class", records, tmp_path / "store").pairs
    same = ("COVID-1002.png", "COVID-322.png"), ("COVID-1427.png", "COVID-1433.png"), ("TB.522.jpg", "TB.567.jpg")
    assert {frozenset((p.first, p.second)) for p in pairs} <= {frozenset(pair) for pair in same}
    assert len(pairs) >= 1

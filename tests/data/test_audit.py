"""The audit names every planted defect, and its numbers are those of the pixels."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from lamelle.data.audit.inspect import inspect
from lamelle.data.audit.measure import count_labels, measure, thumbnail
from lamelle.data.audit.shortcuts import association
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.store import Store
from lamelle.errors import sentence
from lamelle.io.atomic import plain
from lamelle.results.audit import Audit, from_json
from lamelle.types import ClassNames, Index, LabelImage, Problem, Record, Source

Rule = dict[int, int] | None


def texture(seed: int, size: tuple[int, int] = (64, 64)) -> np.ndarray:
    """Blobs of many sizes, uint8 [Y, X]: no two seeds alike."""
    rng = np.random.default_rng(seed)
    total = np.zeros(size)
    for cell in (4, 8, 16):
        coarse = rng.normal(size=(size[0] // cell + 1, size[1] // cell + 1))
        total += np.kron(coarse, np.ones((cell, cell)))[: size[0], : size[1]]
    return np.clip(128 + 30 * total, 0, 255).astype(np.uint8)


def save(path: Path, array: np.ndarray) -> Source:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return Source(path)


def audit(index: Index, *, declared: Rule = None, ignore: tuple[int, ...] = (), named: bool = False) -> Audit:
    store = Store(index.root.parent / "store", budget=1 << 30)
    return inspect(index, store, declared=declared, ignore=ignore, named=named, workers=2)


def segmentation(root: Path, masks: dict[str, np.ndarray], *, instances: bool = False) -> Index:
    records = []
    for n, (name, mask) in enumerate(masks.items()):
        image = save(root / "images" / f"{name}.png", texture(n))
        label = save(root / "masks" / f"{name}.png", mask)
        records.append(Record(f"images/{name}.png", image, LabelImage(label, "objects" if instances else None)))
    return Index(root, "image_mask_folders", tuple(records))


def classes(root: Path, names: dict[str, str], suffix: str = ".png") -> list[Record]:
    return [
        Record(f"{name}{suffix}", save(root / f"{name}{suffix}", texture(n)), ClassNames((target,)), stratum=target)
        for n, (name, target) in enumerate(names.items())
    ]


def said(found: Audit, code: str) -> Problem:
    (problem,) = [p for p in found.problems if p.code == code]
    assert sentence(problem)
    return problem


# ---- defects


def test_every_broken_file_is_named_not_the_first_only(tmp_path: Path) -> None:
    root = tmp_path / "data"
    records = classes(root, {f"{n}": "ab"[n % 2] for n in range(6)})
    (root / "1.png").write_bytes(b"")
    (root / "3.png").write_bytes((root / "3.png").read_bytes()[:-300])
    (root / "4.png").write_text("<html><body>not found</body></html>")
    found = audit(Index(root, "class_folders", tuple(records), ("a", "b")))
    assert [(p.where, p.code) for p in found.errors] == [
        ("1.png", "files.empty"),
        ("3.png", "files.truncated"),
        ("4.png", "files.is_html"),
    ]
    assert [r.id for r in found.rows] == ["0.png", "2.png", "5.png"]


def test_masks(tmp_path: Path) -> None:
    cell = np.zeros((64, 64), np.uint8)
    cell[10:30, 10:30] = 1
    index = segmentation(tmp_path / "data", {"good": cell, "empty": cell * 0, "turned": cell[:40], "strange": cell * 7})
    Image.fromarray(cell * 200).save(tmp_path / "data" / "masks" / "jpeg.jpg")
    image = save(tmp_path / "data" / "images" / "jpeg.png", texture(9))
    lossy = Record("images/jpeg.png", image, LabelImage(Source(tmp_path / "data" / "masks" / "jpeg.jpg")))
    index = Index(index.root, index.layout, (*index.records, lossy))
    found = audit(index)
    assert said(found, "audit.empty_mask").where == "masks/empty.png"
    mismatch = said(found, "audit.size_mismatch")
    assert mismatch.where == "masks/turned.png"
    assert "the mask is 40 × 64 but its image images/turned.png is 64 × 64" in sentence(mismatch)
    assert said(found, "files.lossy_labels").where == "masks/jpeg.jpg"
    assert "1 (2); 7 (1)" in sentence(said(found, "audit.values_by_turns"))
    declared = audit(index, declared={0: 0, 1: 1})
    assert "7" in sentence(said(declared, "layouts.values_unexpected"))
    ignored = audit(index, ignore=(7,))
    assert not [p for p in ignored.problems if p.code.startswith("layouts.")]
    assert {r.id: dict(r.labels) for r in found.rows}["images/strange.png"] == {0: 3696, 7: 400}


def test_images(tmp_path: Path) -> None:
    root = tmp_path / "data"
    colour = np.stack([texture(n) for n in range(3)], axis=-1)
    records = classes(root, {f"{n}": "ab"[n % 2] for n in range(4)})
    flat = Record("flat.png", save(root / "flat.png", np.full((64, 64), 9, np.uint8)), ClassNames(("a",)))
    rgb = Record("rgb.png", save(root / "rgb.png", colour), ClassNames(("b",)))
    deep = [
        Record(f"deep{n}.png", save(root / f"deep{n}.png", texture(50 + n).astype(np.uint16)), ClassNames(("a",)))
        for n in (0, 1)
    ]
    found = audit(Index(root, "class_folders", (*records, flat, rgb, *deep), ("a", "b")))
    constant = said(found, "audit.constant")
    assert (constant.where, constant.values["value"]) == ("flat.png", "9")
    assert said(found, "audit.mixed_channels").values["found"] == "1 (7), 3 (1)"
    assert said(found, "audit.mixed_dtypes").values["found"] == "uint8 (6), uint16 (2)"
    assert said(found, "audit.few_bits").values["count"] == 2
    assert said(found, "audit.spacing_unknown").severity == "note"
    assert found.errors == ()


def test_pixel_sizes(tmp_path: Path) -> None:
    records = []
    for n, size in enumerate((0.5, 0.5, 0.25, None)):
        path = tmp_path / "data" / f"{n}.tif"
        path.parent.mkdir(exist_ok=True)
        options = (
            {} if size is None else {"imagej": True, "resolution": (1 / size, 1 / size), "metadata": {"unit": "um"}}
        )
        tifffile.imwrite(path, texture(n), **options)
        records.append(Record(path.name, Source(path), ClassNames(("a",))))
    found = audit(Index(tmp_path / "data", "class_folders", tuple(records), ("a",)))
    assert said(found, "audit.spacing_missing").values == {"count": 1, "all": 4, "example": "3.tif"}
    assert said(found, "audit.spacing_differs").values["found"] == "0.5 × 0.5 (2), 0.25 × 0.25 (1)"
    assert found.statistics.spacings == (((0.5, 0.5), 2), ((0.25, 0.25), 1))


def test_what_the_index_knew_is_kept_and_said_once(tmp_path: Path) -> None:
    stack = np.stack([texture(n) for n in range(4)])
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "stack.png"
    tifffile.imwrite(path, stack, photometric="minisblack", compression="zlib")
    records = [Record(f"stack#{z}", Source(path, index=z), position=z) for z in range(4)]
    known = Problem("layouts.single_sample", "", "error", {"name": "a"})
    found = audit(Index(tmp_path / "data", "stack_pair", tuple(records), problems=(known,)))
    assert found.problems[0] == known
    assert said(found, "files.wrong_suffix").where == "stack.png"  # not once per plane


def test_objects_are_counted(tmp_path: Path) -> None:
    cells = np.zeros((64, 64), np.uint16)
    for n in range(5):
        cells[10 * n : 10 * n + 5, 3:9] = n + 1
    found = audit(segmentation(tmp_path / "data", {"a": cells, "b": np.where(cells > 2, 0, cells)}, instances=True))
    assert [r.objects for r in found.rows] == [5, 2]
    assert found.statistics.objects == (2, 3.5, 5)
    assert found.rows[0].labels == {0: 64 * 64 - 150, 1: 150}
    assert not found.errors


# ---- shortcuts


def test_a_format_that_gives_the_class_away(tmp_path: Path) -> None:
    root = tmp_path / "data"
    names = {f"{n}": "sick" if n < 15 else "well" for n in range(40)}
    records = [
        Record(r.id, r.image, r.target)
        for n, (name, target) in enumerate(names.items())
        for r in [
            Record(f"{name}", save(root / f"{name}.{'bmp' if n < 14 else 'png'}", texture(n)), ClassNames((target,)))
        ]
    ]
    found = audit(Index(root, "class_folders", tuple(records), ("sick", "well")))
    values = said(found, "audit.class_equals_format").values
    assert (values["name"], values["value"], values["here"], values["there"]) == ("sick", "bmp", 93, 0)


def test_a_format_that_says_little_is_not_flagged(tmp_path: Path) -> None:
    root = tmp_path / "data"
    records = [
        Record(
            f"{n}",
            save(root / f"{n}.{'bmp' if n % 3 else 'png'}", texture(n)),
            ClassNames(("sick" if n % 2 else "well",)),
        )
        for n in range(40)
    ]
    found = audit(Index(root, "class_folders", tuple(records), ("sick", "well")))
    assert not [p for p in found.problems if p.code.startswith("audit.class_equals")]


def test_association_of_independent_things_is_small() -> None:
    rng = np.random.default_rng(0)
    strengths = [
        association(list(rng.choice(list("abcd"), 100)), list(rng.choice(list("xyz"), 100))) for _ in range(200)
    ]
    assert np.mean(strengths) < 0.08
    assert np.max(strengths) < 0.4


# ---- numbers


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32", "float32", "bool"])
@pytest.mark.parametrize("shape", [(1, 70, 90), (3, 70, 90), (2, 5, 40, 30)])
def test_measures_are_those_of_the_pixels(dtype: str, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    low, high = {"uint8": (0, 256), "int8": (-128, 128), "bool": (0, 2)}.get(dtype, (-30000, 30000))
    low = 0 if dtype == "uint16" else low
    array = np.random.default_rng(0).integers(low, high, shape).astype(dtype)
    monkeypatch.setattr("lamelle.data.audit.measure.SLAB", 3000)  # many slabs
    found = measure(array)
    flat = array.reshape(len(array), -1).astype(np.float64)
    assert (found.minimum, found.maximum) == (flat.min(), flat.max())
    assert found.mean == pytest.approx(flat.mean(1))
    assert found.std == pytest.approx(flat.std(1))
    for channel, values in zip(found.distributions, flat, strict=True):
        expected = np.quantile(values, [0.01, 0.5, 0.99], method="inverted_cdf")
        assert channel.quantiles(0.01, 0.5, 0.99) == pytest.approx(tuple(expected))
    grey = array.astype(np.float64).mean(0)
    grey = grey if grey.ndim == 2 else grey.mean(0)
    assert found.thumbnail.mean() == pytest.approx(grey.mean(), rel=1e-3, abs=1e-2)
    whole = np.kron(grey, np.ones((64, 64))).reshape(64, grey.shape[0], 64, grey.shape[1]).mean((1, 3))
    assert np.allclose(found.thumbnail, whole, rtol=1e-3, atol=0.5)
    monkeypatch.undo()
    assert measure(array).pixels == found.pixels  # does not depend on the slabs


def test_the_hash_of_pixels() -> None:
    array = np.random.default_rng(0).integers(0, 256, (1, 30, 40), np.uint8)
    same = measure(array).pixels
    assert measure(np.repeat(array, 3, axis=0)).pixels == same  # grey as RGB
    assert not measure(np.repeat(array, 3, axis=0)).coloured
    changed = array.copy()
    changed[0, 29, 39] ^= 1
    assert measure(changed).pixels != same
    assert measure(array.reshape(1, 40, 30)).pixels != same
    assert measure(array.astype(np.uint16)).pixels != same
    colour = np.stack([array[0], array[0], changed[0]])
    assert measure(colour).coloured
    assert measure(colour[::-1]).pixels != measure(colour).pixels


def test_the_thumbnail_of_a_turned_image_is_the_turned_thumbnail() -> None:
    array = texture(3, (70, 91))[None]
    side = thumbnail(array, 20)
    assert np.allclose(thumbnail(np.rot90(array, 1, (1, 2)), 20), np.rot90(side), atol=1e-2)
    assert np.allclose(thumbnail(array[:, :, ::-1], 20), side[:, ::-1], atol=1e-2)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64", "bool"])
def test_labels_are_counted(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 9, (6, 30, 20)).astype(dtype)
    if dtype == "int64":
        labels[0, 0, 0] = -1
    if dtype == "uint32":
        labels[0, 0, 0] = 4_000_000_000
    monkeypatch.setattr("lamelle.data.audit.measure.SLAB", 1000)
    counts, _ = count_labels(labels)
    assert counts == dict(Counter(labels.astype(np.int64).ravel().tolist()))


def test_statistics_pool_all_pixels_and_survive_json(tmp_path: Path) -> None:
    root = tmp_path / "data"
    arrays = [texture(n, (40 + 8 * n, 64)) for n in range(5)]
    records = [
        Record(f"{n}", save(root / f"{n}.png", a), ClassNames(("ab"[n % 2],)), group=str(n // 2), split="train")
        for n, a in enumerate(arrays)
    ]
    found = audit(Index(root, "class_folders", tuple(records), ("a", "b")))
    pooled = np.concatenate([a.ravel() for a in arrays])
    statistics = found.statistics
    assert statistics.mean == pytest.approx((pooled.mean(),))
    assert statistics.std == pytest.approx((pooled.std(),))
    assert statistics.low == (np.quantile(pooled, 0.01, method="inverted_cdf"),)
    assert statistics.high == (np.quantile(pooled, 0.99, method="inverted_cdf"),)
    assert (statistics.size_min, statistics.size_median, statistics.size_max) == ((40, 64), (56, 64), (72, 64))
    assert (statistics.records, statistics.groups, statistics.bytes) == (5, 3, len(pooled))
    assert found.totals["classes"] == {"a": 3, "b": 2}
    assert found.totals["splits"] == {"train": 5}
    assert from_json(json.loads(json.dumps(plain(found), allow_nan=False))) == found


def test_a_volume_is_looked_at_whole(tmp_path: Path) -> None:
    volume = np.random.default_rng(0).normal(100, 5, (6, 40, 30)).astype(np.float32)
    labels = (volume > 100).astype(np.uint8)
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data" / "v.npy", volume)
    tifffile.imwrite(tmp_path / "data" / "l.tif", labels, compression="zlib", photometric="minisblack")
    target = LabelImage(Source(tmp_path / "data" / "l.tif"))
    record = Record("v.npy", Source(tmp_path / "data" / "v.npy"), target)
    found = audit(Index(tmp_path / "data", "volume_pairs", (record,)))
    assert found.rows[0].shape == (1, 6, 40, 30)
    assert found.statistics.dims == 3
    assert found.statistics.labels == {0: int((labels == 0).sum()), 1: int(labels.sum())}
    assert found.statistics.mean[0] == pytest.approx(volume.mean(), rel=1e-5)
    assert said(found, "audit.spacing_missing").severity == "warning"
    assert not found.errors


def test_an_empty_index_has_an_empty_audit(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    found = audit(Index(tmp_path / "data", "table", ()))
    assert found.rows == ()
    assert found.statistics.records == 0
    assert from_json(json.loads(json.dumps(plain(found)))).rows == ()


# ---- real images


@pytest.mark.real
def test_the_source_of_the_tuberculosis_images_is_flagged(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "cxr-4class"
    records = tuple(
        Record(p.relative_to(folder).as_posix(), Source(p), ClassNames((p.parts[-3],)))
        for name in sorted(folder.iterdir())
        for p in sorted((name / "images").iterdir())[::4]
    )
    found = inspect(
        Index(folder, "class_folders", records), Store(tmp_path / "store", budget=1 << 30),
        declared=None, ignore=(), workers=2,
    )  # fmt: skip
    values = said(found, "audit.class_equals_format").values
    assert (values["name"], values["value"]) == ("TB", "jpeg")
    assert not found.errors


def test_a_stray_label_value_is_said_with_the_file_that_holds_it(tmp_path: Path) -> None:
    for part in ("images", "masks"):
        (tmp_path / "data" / part).mkdir(parents=True)
    for i in range(4):
        grey = np.random.default_rng(i).integers(0, 255, (32, 32), dtype=np.uint8)
        Image.fromarray(grey).save(tmp_path / "data" / "images" / f"{i}.png")
        mask = np.zeros((32, 32), np.uint8)
        mask[4:9] = 255
        mask[20, 20] = 7 if i == 2 else 0
        Image.fromarray(mask).save(tmp_path / "data" / "masks" / f"{i}.png")
    index = read_folder(tmp_path / "data", options=LayoutOptions())
    found = inspect(index, Store(tmp_path / "store", budget=1 << 24), declared=None, ignore=(), workers=1)
    assert [p.where for p in found.errors] == ["masks/2.png"]
    assert "(7 has 1 pixel(s) in all) say 'data.ignore=[7]'" in sentence(found.errors[0])


def _grains(count: int, *, parts: int = 1) -> np.ndarray:
    """A label image of 64 × 64 with ``count`` numbered squares, each in so many parts."""
    labels = np.zeros((64, 64), np.uint16)
    for i in range(count * parts):
        y, x = divmod(i, 8)
        labels[8 * y + 1 : 8 * y + 6, 8 * x + 1 : 8 * x + 6] = i % count + 1
    return labels


def test_numbers_of_objects_are_not_taken_for_classes(tmp_path: Path) -> None:
    """A few nuclei an image: 1, 2, 3 … could be classes, were they not anew in each image."""
    numbers = {f"im{n}": _grains(n) for n in (3, 5, 12, 1, 0)}
    index = segmentation(tmp_path / "numbers", numbers)
    found = said(audit(index), "audit.values_objects")
    assert (found.severity, found.where) == ("error", "masks/im12.png")
    assert "from 0 to 12" in sentence(found)
    assert "task=instances" in sentence(found)
    codes = [p.code for p in (*audit(index, named=True).problems, *audit(index, declared={0: 0, 1: 1}).problems)]
    assert "audit.values_objects" not in codes


@pytest.mark.parametrize(
    "masks",
    [
        {"a": _grains(3), "b": _grains(2), "c": _grains(1)},
        {"a": _grains(6), "b": _grains(6), "c": _grains(5)},
        {"a": _grains(6), "b": _grains(5, parts=2), "c": _grains(4)},
        {"a": _grains(6), "b": _grains(5), "c": np.where(_grains(4) == 2, 0, _grains(4))},
    ],
    ids=["three organs", "always the same classes", "one in two parts", "one is skipped"],
)
def test_classes_are_not_taken_for_numbers_of_objects(tmp_path: Path, masks: dict[str, np.ndarray]) -> None:
    index = segmentation(tmp_path / "classes", masks)
    assert "audit.values_objects" not in [p.code for p in audit(index).problems]


SCALES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray], str]] = {
    "10 and 16 bits": (lambda a: a.astype(np.uint16) * 4, lambda a: a.astype(np.uint16) * 257, "uint16/10"),
    "12 and 16 bits": (lambda a: a.astype(np.uint16) * 16, lambda a: a.astype(np.uint16) * 257, "uint16/12"),
    "14 and 16 bits": (lambda a: a.astype(np.uint16) * 64, lambda a: a.astype(np.uint16) * 257, "uint16/14"),
    "8 and 16 bits": (lambda a: a.astype(np.uint16), lambda a: a.astype(np.uint16) * 257, "uint16/8"),
    "fractions and bytes": (lambda a: np.float32(a / 255), lambda a: np.float32(a), "float32/0 … 1"),
    "fractions and 16 bits": (lambda a: np.float32(a / 255), lambda a: np.float32(a) * 257, "float32/0 … 1"),
    "percent and fractions": (lambda a: np.float32(a / 255), lambda a: np.float32(a / 2.55), "float32/0 … 1"),
}


@pytest.mark.parametrize("name", SCALES)
def test_images_of_two_scales_in_one_folder_are_named(tmp_path: Path, name: str) -> None:
    small, large, value = SCALES[name]
    records = []
    for n in range(24):
        image = (large if n % 2 else small)(texture(n))
        records.append(Record(f"{n}.tif", save(tmp_path / f"{n}.tif", image), ClassNames(("ab"[n % 2],))))
    found = audit(Index(tmp_path, "class_folders", tuple(records), ("a", "b")))
    values = said(found, "audit.several_scales").values
    ranges = [
        f"{min(i.min() for i in each):.6g} … {max(i.max() for i in each):.6g}"
        for each in ([(large if k else small)(texture(n)) for n in range(k, 24, 2)] for k in (0, 1))
    ]
    names = "0.tif, 2.tif, 4.tif … (+9)", "1.tif, 3.tif, 5.tif … (+9)"
    assert values["scales"] == f"12 × {ranges[0]} ({names[0]}); 12 × {ranges[1]} ({names[1]})"
    assert values["n"] == 2
    assert said(found, "audit.class_equals_dtype").values["value"] == value


@pytest.mark.parametrize(
    "other",
    [lambda a: np.float32(a / 127.5 - 1), lambda a: a.astype(np.int16) * 8 - 1024],
    ids=["from -1 to 1", "without the intercept"],
)
def test_values_below_zero_that_go_with_the_class_are_named(tmp_path: Path, other: Callable[..., np.ndarray]) -> None:
    for part, told in ((lambda n: n % 2, True), (lambda n: n // 2 % 2, False)):
        records = []
        for n in range(24):
            image = other(texture(n))
            image = image if part(n) else image - image.min()
            records.append(Record(f"{n}.tif", save(tmp_path / f"{n}.tif", image), ClassNames(("ab"[n % 2],))))
        problems = audit(Index(tmp_path, "class_folders", tuple(records), ("a", "b"))).problems
        assert [p.values["value"] for p in problems if p.code == "audit.class_equals_sign"] == ["≥ 0"] * told


def test_hot_pixels_make_no_scale(tmp_path: Path) -> None:
    """All of 12 bits, and in half of them one pixel of 16."""
    records = []
    for n in range(24):
        image = texture(n).astype(np.uint16) * 16
        image[0, 0] = 60000 if n % 2 else 0
        records.append(Record(f"{n}.png", save(tmp_path / f"{n}.png", image), ClassNames(("ab"[n % 2],))))
    codes = {p.code for p in audit(Index(tmp_path, "class_folders", tuple(records), ("a", "b"))).problems}
    assert not codes & {"audit.several_scales", "audit.class_equals_dtype"}

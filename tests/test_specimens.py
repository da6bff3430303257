"""Synthetic specimens: equal seeds give equal pixels, truth is exact, no threshold is enough, folders are readable."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lamelle.data.layouts.detect import LayoutOptions, read_folder
from lamelle.errors import FileError, RequestError
from lamelle.io.images import read, read_labels
from lamelle.messages import LANGUAGES, catalogue
from lamelle.specimens import DEMOS, Specimen, em, make_em, make_nuclei, make_thorax, make_tissue, write_demo
from lamelle.specimens.specimen import smooth_noise
from lamelle.specimens.thorax import CLASS_NAMES
from lamelle.specimens.write import apportion, patch_block
from lamelle.tasks.table import task_of

SPACING = (0.025, 0.005, 0.005)
SMALL = {
    "em-stack": (3, 64),
    "em-organelles": (2, 64),
    "em-patches": (90, 32),
    "nuclei": (3, 64),
    "thorax": (20, 64),
    "thorax-classes": (20, 64),
    "tissue": (48, 32),
}
LAYOUTS = {
    "em-stack": ("stack_pair", "segment", 3),
    "em-organelles": ("volume_pairs", "segment", 2),
    "em-patches": ("table", "classify", 90),
    "nuclei": ("folder_per_image", "segment", 3),
    "thorax": ("class_mask_folders", "segment", 20),
    "thorax-classes": ("class_folders", "classify", 20),
    "tissue": ("table", "classify", 48),
}
MAKERS: dict[str, Callable[[int], Specimen]] = {
    "em": lambda seed: make_em(seed=seed, shape=(3, 64, 80), spacing=SPACING),
    "nuclei": lambda seed: make_nuclei(seed=seed, size=64),
    "thorax": lambda seed: make_thorax(seed=seed, size=64, class_="COVID"),
    "tissue": lambda seed: make_tissue(seed=seed, size=48, carcinoma=bool(seed % 2), patient=seed),
}


def _print(specimen: Specimen) -> str:
    return hashlib.sha256(specimen.image.tobytes() + specimen.labels.tobytes()).hexdigest()


def _folder_print(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def _best_threshold(values: np.ndarray, truth: np.ndarray, *, dark: bool) -> float:
    """Greatest Dice (= F1) that one threshold over all pixels reaches."""
    values = 255 - values if not dark else values
    below = np.bincount(values.ravel(), minlength=256).cumsum()
    hits = np.bincount(values[truth], minlength=256).cumsum()
    return float((2 * hits / (below + truth.sum())).max())


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("demos")
    return {k: write_demo(k, root / k, seed=3, count=n, size=s) for k, (n, s) in SMALL.items()}


def test_every_demo_is_tested() -> None:
    assert set(DEMOS) == set(SMALL) == set(LAYOUTS)


@pytest.mark.parametrize("kind", MAKERS)
def test_equal_seeds_give_equal_pixels_and_others_do_not(kind: str) -> None:
    prints = [_print(MAKERS[kind](seed)) for seed in (1, 1, 2, 3)]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


@pytest.mark.parametrize("kind", MAKERS)
def test_a_specimen_has_the_arrays_it_promises(kind: str) -> None:
    specimen = MAKERS[kind](5)
    assert specimen.image.dtype == np.uint8
    assert specimen.image.shape[1:] == specimen.labels.shape
    assert specimen.labels.dtype == (np.uint32 if kind in ("nuclei", "tissue") else np.int64)
    assert specimen.image.std() > 3
    assert specimen.spacing == (SPACING if kind == "em" else None)


def test_tissue_block_holds_every_class_in_plausible_amounts() -> None:
    specimen = make_em(seed=0, shape=(10, 192, 192), spacing=SPACING)
    shares = {n: float((specimen.labels == v).mean()) for v, n in enumerate(specimen.classes)}
    assert set(np.unique(specimen.labels)) == {0, 1, 2, 3, 4}
    assert 0.10 < shares["cell membrane"] < 0.30
    assert all(0.003 < shares[n] < 0.15 for n in specimen.classes[2:])


def test_membranes_close_every_cell() -> None:
    """Truth is the geometry itself: two cells never touch without membrane between them."""
    rng = np.random.default_rng([4, 1])
    tissue = em._grow(rng, (4, 128, 128), 5.0)
    membrane = em._truth(tissue) == em.MEMBRANE
    for axis in (1, 2):
        cell, wall = np.moveaxis(tissue.cell, axis, 0), np.moveaxis(membrane, axis, 0)
        touching = (cell[:-1] != cell[1:]) & ~wall[:-1] & ~wall[1:]
        assert touching.mean() < 1e-4


def test_no_threshold_finds_membranes() -> None:
    blocks = [make_em(seed=s, shape=(6, 160, 160), spacing=SPACING) for s in range(4)]
    values = np.stack([b.image[0] for b in blocks])
    truth = np.stack([b.labels == em.MEMBRANE for b in blocks])
    assert values[truth].mean() < values[~truth].mean() - 20
    assert _best_threshold(values, truth, dark=True) < 0.6


def test_no_threshold_finds_nuclei() -> None:
    specimens = [make_nuclei(seed=s, size=128) for s in range(24)]
    values = np.stack([s.image.mean(0).astype(np.uint8) for s in specimens])
    truth = np.stack([s.labels > 0 for s in specimens])
    assert max(_best_threshold(values, truth, dark=dark) for dark in (True, False)) < 0.8
    kinds = Counter("dark field" if np.median(v) < 100 else "light field" for v in values)
    assert set(kinds) == {"dark field", "light field"}


def test_objects_are_numbered_without_gaps() -> None:
    for seed in range(6):
        labels = make_nuclei(seed=seed, size=96).labels
        assert np.array_equal(np.unique(labels)[1:], np.arange(1, labels.max() + 1))


@pytest.mark.parametrize("class_", CLASS_NAMES)
def test_thorax_has_two_lungs_darker_than_the_rest(class_: str) -> None:
    from scipy.ndimage import label

    for seed in range(4):
        chest = make_thorax(seed=seed, size=96, class_=class_)
        regions, count = label(chest.labels)
        sizes = np.bincount(regions.ravel())[1:]
        assert (sizes > 0.03 * chest.labels.size).sum() == 2, (seed, count, sizes)
        middle = chest.image[0, 20:80, 10:86], chest.labels[20:80, 10:86]
        assert middle[0][middle[1] == 1].mean() < middle[0][middle[1] == 0].mean() - 15


def test_class_adds_shadow_to_the_lungs_only() -> None:
    """Same seed, same patient: the lungs' outline does not tell the class, their grey does."""
    chests = {c: [make_thorax(seed=s, size=64, class_=c) for s in range(8)] for c in CLASS_NAMES}
    for class_ in CLASS_NAMES:
        assert all(np.array_equal(a.labels, b.labels) for a, b in zip(chests["Normal"], chests[class_], strict=True))
    assert not np.array_equal(chests["Normal"][0].image, chests["COVID"][0].image)


def test_unknown_thorax_class_lists_the_known() -> None:
    with pytest.raises(ValueError, match="Lung_Opacity"):
        make_thorax(seed=0, size=64, class_="Flu")


@pytest.mark.parametrize("kind", DEMOS)
def test_folder_is_reproducible_and_read_by_its_layout(kind: str, folders: dict[str, Path], tmp_path: Path) -> None:
    count, size = SMALL[kind]
    again = write_demo(kind, tmp_path / "new" / "again", seed=3, count=count, size=size)
    other = write_demo(kind, tmp_path / "other", seed=4, count=count, size=size)
    first = _folder_print(folders[kind])
    assert _folder_print(again) == first
    assert not set(first.values()) & {v for k, v in _folder_print(other).items() if "mask" not in k}
    layout, task, records = LAYOUTS[kind]
    index = read_folder(folders[kind], options=LayoutOptions())
    assert (index.layout, task_of(index), len(index.records)) == (layout, task, records)
    assert DEMOS[kind].task == task
    assert not [p for p in index.problems if p.severity == "error"]


def test_stack_is_written_as_isbi(folders: dict[str, Path]) -> None:
    volume, labels = (
        read(folders["em-stack"] / "train-volume.tif"),
        read_labels(folders["em-stack"] / "train-labels.tif"),
    )
    truth = make_em(seed=3_000_000, shape=(3, 64, 64), spacing=SPACING)
    assert np.array_equal(volume.array, truth.image)
    assert np.array_equal(labels.array == 0, truth.labels == em.MEMBRANE)
    assert set(np.unique(labels.array)) == {0, 255}
    assert volume.spacing == pytest.approx(SPACING)


def test_organelles_keep_labels_and_spacing(folders: dict[str, Path]) -> None:
    labels = read_labels(folders["em-organelles"] / "labels" / "block-2.tif")
    truth = make_em(seed=3_000_001, shape=(8, 64, 64), spacing=SPACING)
    assert np.array_equal(labels.array, truth.labels)
    assert labels.spacing == pytest.approx(SPACING)


def test_patches_have_the_class_of_their_central_pixel(folders: dict[str, Path]) -> None:
    folder = folders["em-patches"]
    rows = list(csv.DictReader((folder / "train.csv").open()))
    blocks = {f"block-{n + 1}": patch_block(3_000_000, n, 32) for n in range(6)}
    for row in rows:
        block, z, y, x = blocks[row["volume"]], *(int(row[k]) for k in ("slice", "y", "x"))
        assert block.classes[block.labels[z, y, x]] == row["label"]
        pixels = np.asarray(Image.open(folder / "train" / row["image"]))
        assert np.array_equal(pixels, block.image[0, z, y - 16 : y + 16, x - 16 : x + 16])
    assert Counter(r["volume"] for r in rows) == dict.fromkeys(blocks, 15)
    assert Counter(r["label"] for r in rows)["other"] > 2 * Counter(r["label"] for r in rows)["mitochondrion"] > 0
    assert len(list((folder / "test").iterdir())) == 22


def test_every_nucleus_has_its_own_mask(folders: dict[str, Path]) -> None:
    for number in range(3):
        name = f"nuclei-{number:04d}"
        truth = make_nuclei(seed=3_000_000 + number, size=64)
        image = np.asarray(Image.open(folders["nuclei"] / name / "images" / f"{name}.png"))
        masks = [np.asarray(Image.open(p)) for p in sorted((folders["nuclei"] / name / "masks").iterdir())]
        assert np.array_equal(np.moveaxis(image, -1, 0), truth.image)
        assert len(masks) == truth.labels.max()
        assert all(np.array_equal(m == 255, truth.labels == n) for n, m in enumerate(masks, 1))


def test_thorax_folders_keep_class_proportions_and_masks(folders: dict[str, Path]) -> None:
    wanted = {"COVID": 5, "Lung_Opacity": 4, "Normal": 8, "Viral Pneumonia": 3}
    assert {p.name: len(list(p.iterdir())) for p in folders["thorax-classes"].iterdir()} == wanted
    for name, count in wanted.items():
        images = {p.name for p in (folders["thorax"] / name / "images").iterdir()}
        assert len(images) == count
        assert images == {p.name for p in (folders["thorax"] / name / "masks").iterdir()}
    mask = np.asarray(Image.open(folders["thorax"] / "COVID" / "masks" / "COVID-1.png"))
    assert np.array_equal(mask == 255, make_thorax(seed=3_000_000, size=64, class_="COVID").labels == 1)


def test_histology_is_imbalanced_with_patients(folders: dict[str, Path]) -> None:
    rows = list(csv.DictReader((folders["tissue"] / "labels.csv").open()))
    assert Counter(r["label"] for r in rows) == {"benign": 34, "carcinoma": 14}
    assert len({r["patient"] for r in rows}) >= 4
    assert all((folders["tissue"] / r["image"]).is_file() for r in rows)
    index = read_folder(folders["tissue"], options=LayoutOptions())
    assert {r.group for r in index.records} == {r["patient"] for r in rows}


def test_a_demo_never_mixes_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(RequestError, match="not empty") as caught:
        write_demo("nuclei", tmp_path, seed=0, count=1, size=64)
    assert caught.value.exit_code == 2
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(RequestError, match="is a file"):
        write_demo("nuclei", tmp_path / "mine.txt", seed=0, count=1, size=64)


@pytest.mark.parametrize(
    ("kind", "seed", "count", "size", "said"),
    [
        ("cells", 0, None, None, "em-stack"),
        ("nuclei", 0, 0, None, "count=0"),
        ("thorax", 0, 19, None, "from 20"),
        ("nuclei", 0, None, 8, "size=8"),
        ("nuclei", -1, None, None, "seed=-1"),
    ],
)
def test_a_wrong_request_writes_nothing(
    kind: str, seed: int, count: int | None, size: int | None, said: str, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match=said):
        write_demo(kind, tmp_path / "out", seed=seed, count=count, size=size)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="could not be written"):
        write_demo("nuclei", tmp_path / "file" / "below", seed=0, count=1, size=64)


def test_smooth_noise_is_standardised_at_any_scale() -> None:
    rng = np.random.default_rng(0)
    for scale in (1.5, 4.0, 16.0):
        field = smooth_noise(rng, (256, 256), scale)
        assert abs(float(field.mean())) < 0.3
        assert 0.7 < float(field.std()) < 1.3
        assert float(np.abs(np.diff(field)).mean()) < 1.7 / scale


@pytest.mark.parametrize("count", [1, 7, 96, 960])
def test_apportioned_numbers_add_up(count: int) -> None:
    shares = [0.42, 0.25, 0.10, 0.13, 0.10]
    parts = apportion(count, shares)
    assert sum(parts) == count
    assert all(abs(p - s * count) < 1 for p, s in zip(parts, shares, strict=True))


def test_both_languages_have_the_same_sentences() -> None:
    english, french = (catalogue(language, "demo") for language in LANGUAGES)
    assert english.keys() == french.keys()

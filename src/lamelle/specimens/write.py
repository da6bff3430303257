"""Folders of synthetic specimens, laid out as real data sets are."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from lamelle.errors import FileError, RequestError
from lamelle.io.atomic import write_text
from lamelle.io.writers import write_image, write_labels
from lamelle.specimens import em
from lamelle.specimens.nuclei import make_nuclei
from lamelle.specimens.thorax import CLASS_NAMES, make_thorax
from lamelle.specimens.tissue import make_tissue

_SPACING = (0.025, 0.005, 0.005)
_THORAX_SHARES = (0.25, 0.20, 0.40, 0.15)  # in the order of CLASS_NAMES
_CARCINOMA_SHARE = 270 / 960
_PATCH_SHARES = (0.42, 0.25, 0.10, 0.13, 0.10)  # in the order of em.CLASSES
_PATCH_BLOCKS, _PATCH_SECTIONS = 6, 8
_MAX_SPECIMENS = 1_000_000  # specimens of one folder: the distance between the seeds of two folders


@dataclass(frozen=True, slots=True)
class Demo:
    """One kind of folder: how it is written and what it holds unless told otherwise."""

    write: Callable[[Path, int, int, int], None]
    """Called with the folder, the seed, the count and the size."""
    task: str
    count: int
    """Images; of ``em-stack`` sections, of ``em-organelles`` volumes, of ``em-patches`` labelled patches."""
    size: int
    """Rows and columns of an image."""
    least: tuple[int, int]
    """Smallest count and size."""


def write_demo(kind: str, folder: Path, *, seed: int, count: int | None, size: int | None) -> Path:
    """Write a folder of synthetic specimens with exact truth.

    Args:
        kind: A key of ``DEMOS``.
        folder: Created; if it exists it must be empty.
        seed: Equal arguments give equal pixels.
        count: How many; the table's number if not given.
        size: Rows and columns; the table's number if not given.

    Returns:
        The folder.

    Raises:
        RequestError: If the kind is unknown, the folder is not an empty one, or a number is out of range.
        FileError: If the system cannot write.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     made = write_demo("nuclei", Path(folder), seed=0, count=1, size=64)
        ...     sorted(str(p.relative_to(made)) for p in made.glob("*/images/*"))
        ['nuclei-0000/images/nuclei-0000.png']
    """
    if kind not in DEMOS:
        raise RequestError("demo.unknown", kind=kind, kinds=", ".join(DEMOS))
    demo = DEMOS[kind]
    count = demo.count if count is None else count
    size = demo.size if size is None else size
    for name, value, least in (("count", count, demo.least[0]), ("size", size, demo.least[1]), ("seed", seed, 0)):
        if not least <= value <= _MAX_SPECIMENS:
            raise RequestError("demo.range", kind=kind, name=name, value=value, least=least, most=_MAX_SPECIMENS)
    if folder.exists() and not folder.is_dir():
        raise RequestError("demo.not_a_folder", folder=folder)
    try:
        if folder.exists() and any(folder.iterdir()):
            raise RequestError("demo.not_empty", folder=folder)
        folder.mkdir(parents=True, exist_ok=True)
        demo.write(folder, seed * _MAX_SPECIMENS, count, size)
    except OSError as error:
        raise FileError("demo.cannot_write", error.filename or folder, reason=error.strerror or str(error)) from error
    return folder


def _em_stack(folder: Path, seed: int, count: int, size: int) -> None:
    """Two stacks as in ISBI 2012: 0 = membrane of a cell, 255 = everything else."""
    block = em.make_em(seed=seed, shape=(count, size, size), spacing=_SPACING)
    write_image(folder / "train-volume.tif", block.image, spacing=block.spacing)
    cells = np.where(block.labels == em.MEMBRANE, 0, 255)
    write_labels(folder / "train-labels.tif", cells, spacing=block.spacing)


def _em_organelles(folder: Path, seed: int, count: int, size: int) -> None:
    """Volumes beside volumes of labels 0 ... 4."""
    for number in range(count):
        block = em.make_em(seed=seed + number, shape=(max(8, size // 10), size, size), spacing=_SPACING)
        name = f"block-{number + 1}.tif"
        for kind in ("images", "labels"):
            (folder / kind).mkdir(exist_ok=True)
        write_image(folder / "images" / name, block.image, spacing=block.spacing)
        write_labels(folder / "labels" / name, block.labels, spacing=block.spacing)


def _em_patches(folder: Path, seed: int, count: int, size: int) -> None:
    """Patches with the class of the pixel [size // 2, size // 2], and as many quarters again without it."""
    rng = np.random.default_rng([seed, 5])
    rows: list[tuple[np.ndarray, list[object]]] = []
    for number, wanted in enumerate(apportion(count, [1] * _PATCH_BLOCKS)):
        rows += _patches(rng, patch_block(seed, number, size), f"block-{number + 1}", wanted, size)
    blind = _patches(rng, patch_block(seed, _PATCH_BLOCKS, size), "", max(1, count // 4), size)
    table: list[list[object]] = [["image", "label", "volume", "slice", "y", "x"]]
    for number, row in enumerate(rng.permutation(len(rows))):
        pixels, cells = rows[row]
        _png(folder / "train" / f"{number:05d}.png", pixels)
        table.append([f"{number:05d}.png", *cells])
    for number, row in enumerate(rng.permutation(len(blind))):
        _png(folder / "test" / f"{number:05d}.png", blind[row][0])
    _csv(folder / "train.csv", table)


def patch_block(seed: int, number: int, size: int) -> em.Specimen:
    """The block of tissue from which the patches of one volume are cut; 2.5 patches wide at least."""
    side = max(128, size * 5 // 2)
    return em.make_em(seed=seed + number, shape=(_PATCH_SECTIONS, side, side), spacing=_SPACING)


def _patches(
    rng: np.random.Generator, block: em.Specimen, volume: str, count: int, size: int
) -> list[tuple[np.ndarray, list[object]]]:
    """Patches [size, size] and their columns; a class that is too rare here leaves its places to the first."""
    before, after = size // 2, size - size // 2
    inner = block.labels[:, before : block.labels.shape[1] - after + 1, before : block.labels.shape[2] - after + 1]
    made: list[tuple[np.ndarray, list[object]]] = []
    shares = apportion(count, _PATCH_SHARES)
    for label in reversed(range(len(shares))):
        places = np.argwhere(inner == label)
        wanted = count - len(made) if label == 0 else min(shares[label], len(places))
        for z, y, x in places[rng.choice(len(places), wanted, replace=wanted > len(places))]:
            pixels = block.image[0, z, y : y + size, x : x + size]
            made.append((pixels, [em.CLASSES[label], volume, int(z), int(y) + before, int(x) + before]))
    return made


def _nuclei(folder: Path, seed: int, count: int, size: int) -> None:
    """One folder per image, one mask per nucleus."""
    for number in range(count):
        specimen = make_nuclei(seed=seed + number, size=size)
        name = f"nuclei-{number:04d}"
        _png(folder / name / "images" / f"{name}.png", specimen.image)
        (folder / name / "masks").mkdir()  # empty where no nucleus is
        for nucleus in range(1, int(specimen.labels.max()) + 1):
            mask = np.where(specimen.labels == nucleus, np.uint8(255), np.uint8(0))
            _png(folder / name / "masks" / f"{name}-{nucleus:03d}.png", mask)


def _thorax(folder: Path, seed: int, count: int, size: int, *, masks: bool = True) -> None:
    """One folder per class, with images/ and masks/ inside, or with the images only."""
    number = 0
    for name, wanted in zip(CLASS_NAMES, apportion(count, _THORAX_SHARES), strict=True):
        for place in range(1, wanted + 1):
            specimen = make_thorax(seed=seed + number, size=size, class_=name)
            file = f"{name}-{place}.png"
            _png(folder / name / "images" / file if masks else folder / name / file, specimen.image)
            if masks:
                _png(folder / name / "masks" / file, np.where(specimen.labels == 1, np.uint8(255), np.uint8(0)))
            number += 1


def _thorax_classes(folder: Path, seed: int, count: int, size: int) -> None:
    _thorax(folder, seed, count, size, masks=False)


def _tissue(folder: Path, seed: int, count: int, size: int) -> None:
    """Colour patches, a table with the patient; the proportion of carcinoma varies between patients."""
    rng = np.random.default_rng([seed, 6])
    sick = rng.permutation(count) < round(count * _CARCINOMA_SHARE)
    patients = max(6, count // 20)
    extent = rng.beta(1.2, 1.6, patients) + 0.05
    weights = {True: extent / extent.sum(), False: (1.1 - extent) / (1.1 - extent).sum()}
    table: list[list[object]] = [["image", "label", "patient"]]
    for number, carcinoma in enumerate(sick.tolist()):
        patient = int(rng.choice(patients, p=weights[carcinoma]))
        specimen = make_tissue(seed=seed + number, size=size, carcinoma=carcinoma, patient=seed + patient)
        file = f"images/{number:05d}.png"
        _png(folder / file, specimen.image)
        table.append([file, "carcinoma" if carcinoma else "benign", f"P{patient + 1:03d}"])
    _csv(folder / "labels.csv", table)


def apportion(count: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers that add up to ``count``, as near to the shares as can be (largest remainders).

    Example:
        >>> apportion(10, [0.25, 0.2, 0.4, 0.15])
        [3, 2, 4, 1]
    """
    exact = np.asarray(shares, float) / np.sum(shares) * count
    parts = np.floor(exact + 1e-9).astype(int)
    parts[np.argsort(parts - exact, kind="stable")[: count - parts.sum()]] += 1
    return [int(p) for p in parts]


def _png(path: Path, pixels: np.ndarray) -> None:
    """Write uint8 [Y, X], [1, Y, X] or [3, Y, X]; the file says that nobody was imaged."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    note = PngInfo()
    note.add_text("Description", "synthetic specimen drawn by lamelle demo")
    path.parent.mkdir(parents=True, exist_ok=True)
    if pixels.ndim == 3:
        pixels = np.moveaxis(pixels, 0, -1) if len(pixels) == 3 else pixels[0]
    Image.fromarray(pixels).save(path, pnginfo=note, compress_level=3)


def _csv(path: Path, rows: Sequence[Sequence[object]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_text(path, text.getvalue())


DEMOS: Mapping[str, Demo] = MappingProxyType(
    {
        "em-stack": Demo(_em_stack, "segment", 20, 256, (2, 64)),
        "em-organelles": Demo(_em_organelles, "segment", 6, 160, (1, 64)),
        "em-patches": Demo(_em_patches, "classify", 1500, 96, (60, 16)),
        "nuclei": Demo(_nuclei, "segment", 40, 256, (1, 64)),
        "thorax": Demo(_thorax, "segment", 160, 128, (20, 64)),
        "thorax-classes": Demo(_thorax_classes, "classify", 400, 128, (20, 64)),
        "tissue": Demo(_tissue, "classify", 960, 96, (20, 32)),
    }
)
"""Every kind of folder, by name."""

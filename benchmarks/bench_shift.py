"""How often new images are called unlike the training images: of the same kind (to be at most 2 %), and changed.

    LAMELLE_REAL_DATA=FOLDER python benchmarks/bench_shift.py [SETS] [KIND ...]

Each row is one kind of image, a number of training images and one of new ones, both drawn anew SETS times from separate
images, patients or slices; each column is what was done to the new images. Without the folder, synthetic images alone.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from lamelle.data.appearance import look
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.outliers import outlying
from lamelle.data.shift import LEVEL
from lamelle.io import readers
from lamelle.specimens.nuclei import make_nuclei

Images = list[np.ndarray]
MOST = 600
"""Images of a kind that are used."""
SIZES = ((12, 1), (12, 3), (12, 10), (30, 10), (100, 1), (100, 10), (100, 30), (300, 100))
"""Training images and new images."""


def byte(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def noisy(image: np.ndarray) -> np.ndarray:
    draw = np.random.default_rng(int(image[:, :8, :8].astype(int).sum()))
    return byte(image + draw.normal(0, 20, image.shape))


def stained(image: np.ndarray) -> np.ndarray:
    """Another strength of each dye: optical density times a factor of each colour."""
    density = -np.log(np.clip(image / 255, 1 / 255, 1))
    return byte(255 * np.exp(-density * np.array([1.35, 0.8, 1.25])[:, None, None]))


def half(image: np.ndarray) -> np.ndarray:
    height, width = (n // 2 * 2 for n in image.shape[1:])
    return byte(image[:, :height, :width].reshape(len(image), height // 2, 2, width // 2, 2).mean((2, 4)))


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "same": lambda a: a,
    "inverted": lambda a: 255 - a,
    "gamma 0.5": lambda a: byte(255 * (a / 255) ** 0.5),
    "gamma 2": lambda a: byte(255 * (a / 255) ** 2),
    "x 1.5": lambda a: byte(a * 1.5),
    "x 0.6": lambda a: byte(a * 0.6),
    "blurred": lambda a: byte(gaussian_filter(a.astype(float), (0, 2, 2))),
    "half size": half,
    "twice": lambda a: byte(zoom(a.astype(float), (1, 2, 2), order=1)),
    "noise": noisy,
    "stain": stained,
}


def real(folder: Path) -> Iterator[tuple[str, Images, list[str] | None]]:
    """Kind, images and the group of each where there is one."""
    draw = np.random.default_rng(0)
    for name, inside, column in (
        ("dsb2018", "dsb2018/stage1_train", None),
        ("cxr", "cxr-4class", None),
        ("histology", "histology", "patient"),
        ("vnc-patches", "vnc-patches", "slice"),
        ("lungs", "lungs", "patient"),
    ):
        records = read_folder(folder / inside, options=LayoutOptions()).records
        chosen = [records[i] for i in draw.permutation(len(records))[:MOST]]
        images = [readers.read(r.image.path).array for r in chosen]
        groups = [r.group or r.columns.get(column, r.id) for r in chosen] if column else None
        yield name, images, groups
        if name == "dsb2018":
            fluorescence = [i for i in images if np.ptp(i.astype(int), axis=0).max() < 8 and i.mean() < 128]
            yield "dsb fluorescence", fluorescence, None
        if name == "cxr":
            yield "cxr normal", [i for i, r in zip(images, chosen, strict=True) if r.target == ("Normal",)], None
    for name, files in (
        ("isbi2012", [folder / "isbi2012" / f"{part}-volume.tif" for part in ("train", "test")]),
        ("bccd", sorted((folder / "bccd/JPEGImages").iterdir())),
    ):
        arrays = [readers.read(file).array for file in files]
        yield name, [plane for a in arrays for plane in (a.swapaxes(0, 1) if a.ndim == 4 else [a])], None


def synthetic() -> Iterator[tuple[str, Images, None]]:
    yield "demo nuclei", [make_nuclei(seed=i, size=128).image for i in range(250)], None


def measured(images: Images, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return np.array([look(change(image)).measures((0, 255)) for image in images])


def drawn(groups: np.ndarray, draw: np.random.Generator, known: int, new: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Training images of some groups, and new ones of all others."""
    order = draw.permutation(groups.max() + 1)
    training = np.isin(groups, order[: max(2, int(0.7 * len(order)))])
    some, others = (draw.permutation(np.flatnonzero(mask)) for mask in (training, ~training))
    return (some[:known], others[:new]) if len(some) >= known and len(others) >= new else None


def main(sets: int, only: list[str]) -> None:
    folder = os.environ.get("LAMELLE_REAL_DATA")
    kinds = [*(real(Path(folder)) if folder else ()), *synthetic()]
    print(f"{'share of data sets that it speaks of, %':40s}", *(f"{name:>9s}" for name in CHANGES))
    false, shown, seconds, looked = [], [], 0.0, 0
    for name, images, names in kinds:
        if only and name not in only:
            continue
        colour = len(images[0]) == 3
        start = time.perf_counter()
        tables = {"same": measured(images, CHANGES["same"])}
        seconds, looked = seconds + time.perf_counter() - start, looked + len(images)
        tables |= {c: measured(images, f) for c, f in CHANGES.items() if c not in ("same", "stain")}
        tables |= {"stain": measured(images, stained)} if colour else {}
        groups = np.unique(names or np.arange(len(images)), return_inverse=True)[1]
        for known, new in SIZES:
            spoken: dict[str, list[bool]] = {change: [] for change in tables}
            for seed in range(sets):
                found = drawn(groups, np.random.default_rng(seed), known, new)
                for change, table in tables.items() if found else ():
                    some, others = found
                    if change == "same" or seed < sets // 5:
                        result = outlying(tables["same"][some], groups[some], table[others], None)
                        spoken[change].append(result.p < LEVEL)
            if spoken["same"]:
                rates = {change: 100 * np.mean(each) for change, each in spoken.items()}
                false.append(rates["same"])
                shown += [r for c, r in rates.items() if c != "same" and new >= 10 and known >= 100]
                cells = (f"{rates[c]:9.1f}" if c in rates else " " * 9 for c in CHANGES)
                print(f"{name:20s} {known:4d} trained, {new:3d} new", *cells, flush=True)
    print(f"same kind: mean {np.mean(false):.2f} %, most {np.max(false):.1f} %")
    print(f"changed, 100 or more trained, 10 or more new: mean {np.mean(shown):.1f} %, 95 % reached in ", end="")
    print(f"{np.mean(np.array(shown) >= 95):.0%} of {len(shown)}; {1000 * seconds / looked:.1f} ms an image")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300, sys.argv[2:])

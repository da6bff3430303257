"""How often new images are called unlike the training images: of the same kind (to be at most 2 %), and changed.

    LAMELLE_REAL_DATA=FOLDER python benchmarks/bench_shift.py [SETS] [KIND ...]

Each row is one kind of image, a number of training images and one of new ones, both drawn anew SETS times from separate
images, patients or slices; each column is what was done to the new images. ``one class``: unchanged images of one class
alone, of which it should not speak either. Before these rows stand others, of sets of which only some images are
changed: how often one of them is named with the right word, and which share of them and of the others is. Rows
``named`` say of new images which patient or slice they are of. Beneath a row stands, for what is found in fewer than
95 % of its sets, how often a test finds it that knows the change. The last line says how often one of the kinds of
difference that are named is the right one. Without the folder, synthetic images alone.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from lamelle.data.appearance import MEASURES, NAMES, look
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.profile import Profile
from lamelle.data.shift import Shift, shift_of
from lamelle.data.units import PixelKind
from lamelle.io import images
from lamelle.specimens.nuclei import make_nuclei

Images = list[np.ndarray]
MOST = 600
"""Images of a kind that are used."""
SIZES = ((12, 1), (12, 3), (12, 10), (30, 10), (100, 1), (100, 10), (100, 30), (300, 100))
"""Training images and new images."""
SIZES_OF_PARTS = ((30, 24), (100, 24), (300, 24))
"""The same, where only some of the new images are changed."""
SOME = (1, 3, 5, 12)
PARTLY = ("inverted", "blurred", "noise", "stain")


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
    "twice": lambda a: byte(np.asarray(zoom(a.astype(float), (1, 2, 2), order=1))),
    "noise": noisy,
    "stain": stained,
}


TONES = {"brightness", "contrast", "tone", "polarity"}
RIGHT: dict[str, set[str]] = {
    "inverted": {"inverted", "polarity"},
    "gamma 0.5": TONES,
    "gamma 2": TONES,
    "x 1.5": {"brightness", "contrast"},
    "x 0.6": {"brightness", "contrast"},
    "blurred": {"sharpness"},
    "half size": {"sharpness"},
    "twice": {"sharpness"},
    "noise": {"noise"},
    "stain": {"colour"},
}
"""Kinds of difference of which one should be named."""


class Pool(NamedTuple):
    """Images of one kind, of each its group and class where there are any."""

    name: str
    images: Images
    groups: list[str] | None = None
    classes: list[str] | None = None


def real(folder: Path, wanted: Callable[[str], bool]) -> Iterator[Pool]:
    draw = np.random.default_rng(0)
    for name, inside, column, part in (
        ("dsb2018", "dsb2018/stage1_train", None, "dsb fluorescence"),
        ("cxr", "cxr-4class", None, "cxr normal"),
        ("histology", "histology", "patient", ""),
        ("vnc-patches", "vnc-patches", "slice", ""),
        ("lungs", "lungs", "patient", ""),
    ):
        layout = "image_mask_folders" if name == "lungs" else None
        records = read_folder(folder / inside, options=LayoutOptions(layout=layout)).records
        chosen = [records[i] for i in draw.permutation(len(records))[:MOST]]
        if not wanted(name) and not wanted(part):
            continue
        images = [images.read(r.image.path).array for r in chosen]
        groups = [r.group or r.columns.get(column, r.id) for r in chosen] if column else None
        classes = None if name == "lungs" else [str(r.names) for r in chosen]
        if name == "dsb2018":
            dark = [np.ptp(i.astype(int), axis=0).max() < 8 and i.mean() < 128 for i in images]
            classes = ["fluorescence" if d else "other" for d in dark]
        yield Pool(name, images, groups, classes)
        if part:
            one = "fluorescence" if name == "dsb2018" else str(("Normal",))
            yield Pool(part, [i for i, c in zip(images, classes or (), strict=True) if c == one])
    for name, files in (
        ("isbi2012", [folder / "isbi2012" / f"{part}-volume.tif" for part in ("train", "test")]),
        ("bccd", sorted((folder / "bccd/JPEGImages").iterdir())),
    ):
        arrays = [images.read(file).array for file in files if wanted(name)]
        if arrays:
            yield Pool(name, [plane for a in arrays for plane in (a.swapaxes(0, 1) if a.ndim == 4 else [a])])


def synthetic() -> Iterator[Pool]:
    yield Pool("demo nuclei", [make_nuclei(seed=i, size=128).image for i in range(250)])


def measured(images: Images, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return np.array([look(change(image)).measures((0, 255)) for image in images])


def drawn(groups: np.ndarray, draw: np.random.Generator, known: int, new: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Training images of some groups, and new ones of all others."""
    order = draw.permutation(groups.max() + 1)
    training = np.isin(groups, order[: max(2, int(0.7 * len(order)))])
    some, others = (draw.permutation(np.flatnonzero(mask)) for mask in (training, ~training))
    return (some[:known], others[:new]) if len(some) >= known and len(others) >= new else None


def knowing(same: np.ndarray, changed: np.ndarray, groups: np.ndarray, new: int) -> float:
    """Share of sets of ``new`` images, all from different places, in which a test speaks that has seen both: Fisher's
    discriminant of three fifths of the groups, its mean over images of the others, silent in 98 % of unchanged sets.
    """
    found = []
    for seed in range(5):
        draw = np.random.default_rng(seed)
        order = draw.permutation(groups.max() + 1)
        learnt = np.isin(groups, order[: int(0.6 * len(order))])
        middle, spread = same[learnt].mean(0), same[learnt].std(0) + 1e-6
        first, second = (same - middle) / spread, (changed - middle) / spread
        within = np.cov(first[learnt].T) + np.cov(second[learnt].T) + 0.05 * np.eye(len(spread))
        along = np.linalg.solve(within, (second[learnt] - first[learnt]).mean(0))
        sets = [[draw.choice(t[~learnt] @ along, new).mean() for _ in range(300)] for t in (first, second)]
        found.append(np.mean(np.array(sets[1]) > np.quantile(sets[0], 0.98)))
    return float(np.mean(found))


def compared(known: np.ndarray, groups: np.ndarray, new: np.ndarray, of_new: np.ndarray | None = None) -> Shift:
    """What is said of new images, as `lamelle predict` says it."""
    about = PixelKind(
        dtype="uint8", images=len(known), minimum=0, maximum=255, low=0, high=255, narrowest=0, whole=True
    )
    rows = tuple(map(tuple, known.tolist()))
    profile = Profile(
        kinds=(about,), measures=NAMES, images=rows, groups=tuple(groups.tolist()), smallest=(1, 1), largest=(1, 1)
    )
    named = [None] * len(new) if of_new is None else [str(group) for group in of_new]
    return shift_of(profile, new, names=[""] * len(new), groups=named, comparable=True, evened=False)


def named_right(found: Shift, change: str) -> bool:
    """Whether one of the kinds of difference that are named is the one that was made."""
    kinds = {m.name: m.kind for m in MEASURES}
    codes = [problem.code.removeprefix("shift.") for problem in found.problems]
    return bool(RIGHT[change] & {kinds.get(code.rsplit("_", 1)[0], code) for code in codes})


def parts(pool: Pool, tables: Mapping[str, np.ndarray], sets: int) -> None:
    """Print what is found where only some of the new images are changed: share of sets in which one of them is named
    with the right word, of such images that are named, and of the other images that are.
    """
    groups = np.unique(pool.groups or np.arange(len(pool.images)), return_inverse=True)[1]
    for known, new in SIZES_OF_PARTS:
        for change in (c for c in PARTLY if c in tables):
            rows: dict[int, list[tuple[float, float, float]]] = {}
            for seed, some in ((s, n) for s in range(sets) for n in SOME if n < new):
                if not (places := drawn(groups, np.random.default_rng(seed), known, new)):
                    continue
                mixed = np.concatenate([tables[change][places[1][:some]], tables["same"][places[1][some:]]])
                found = compared(tables["same"][places[0]], groups[places[0]], mixed)
                marked = np.array([bool(words) for words in found.words])
                right = bool(marked[:some].any()) and named_right(found, change)
                rows.setdefault(some, []).append((right, marked[:some].mean(), marked[some:].mean()))
            cells = (f"{n}: {' '.join(f'{100 * v:5.1f}' for v in np.mean(r, axis=0))}" for n, r in rows.items())
            if rows:
                print(f"{pool.name:20s} {known:4d} trained, of {new:2d} new {change:9s}", " | ".join(cells), flush=True)


class Tally:
    """What all rows showed."""

    def __init__(self) -> None:
        self.false: list[float] = []
        self.shown: list[float] = []
        self.one: list[bool] = []
        self.right: dict[str, list[bool]] = {change: [] for change in RIGHT}


def row(
    pool: Pool, tables: Mapping[str, np.ndarray], size: tuple[int, int], sets: int, named: bool, all_: Tally
) -> None:
    """Print one row, and count it."""
    groups = np.unique(pool.groups or np.arange(len(pool.images)), return_inverse=True)[1]
    known, new = size
    spoken: dict[str, list[bool]] = {change: [] for change in (*tables, "one class")}
    for seed in range(sets):
        found = drawn(groups, np.random.default_rng(seed), known, new)
        if not found:
            continue
        some, others = found
        of_new = groups[others] if named else None
        for change, table in tables.items():
            if change == "same" or seed < sets // 5:
                what = compared(tables["same"][some], groups[some], table[others], of_new)
                spoken[change].append(bool(what.problems))
                if what.problems and change != "same" and size == (100, 10) and not named:
                    all_.right[change].append(named_right(what, change))
        if pool.classes and new >= 10 and not named and seed < sets // 2:
            classes = np.array(pool.classes)
            chosen = np.unique(classes)[seed % len(set(pool.classes))]
            rest = np.flatnonzero((classes == chosen) & ~np.isin(groups, groups[some]))[:new]
            if len(rest) >= 10:
                what = compared(tables["same"][some], groups[some], tables["same"][rest])
                spoken["one class"].append(bool(what.problems))
    if not spoken["same"]:
        return
    rates = {change: 100 * float(np.mean(each)) for change, each in spoken.items() if each}
    cells = (f"{rates[c]:9.1f}" if c in rates else " " * 9 for c in (*CHANGES, "one class"))
    print(f"{pool.name:20s} {known:4d} trained, {new:3d} {'named' if named else 'new':5s}", *cells, flush=True)
    if named:
        return
    all_.false.append(rates["same"])
    all_.one += spoken["one class"]
    if new >= 10 and known >= 30:
        weak = [c for c in tables if c != "same" and rates[c] < 95]
        best = (f"{c} {100 * knowing(tables['same'], tables[c], groups, new):.0f}" for c in weak)
        print(
            *(["   found by a test that knows the change, %:", ", ".join(best)] if weak else []),
            end="\n" if weak else "",
        )
    if new >= 10 and known >= 100:
        all_.shown += [r for c, r in rates.items() if c not in ("same", "one class")]


def main(sets: int, only: list[str]) -> None:
    def wanted(name: str) -> bool:
        return not only or name in only

    folder = os.environ.get("LAMELLE_REAL_DATA")
    print(f"{'share of data sets that it speaks of, %':42s}", *(f"{name:>9s}" for name in (*CHANGES, "one class")))
    all_, seconds, looked = Tally(), 0.0, 0
    for pool in (*(real(Path(folder), wanted) if folder else ()), *synthetic()):
        if not wanted(pool.name):
            continue
        start = time.process_time()
        tables = {"same": measured(pool.images, CHANGES["same"])}
        seconds, looked = seconds + time.process_time() - start, looked + len(pool.images)
        tables |= {c: measured(pool.images, f) for c, f in CHANGES.items() if c not in ("same", "stain")}
        tables |= {"stain": measured(pool.images, stained)} if len(pool.images[0]) == 3 else {}
        parts(pool, tables, sets // 5)
        for size in SIZES:
            row(pool, tables, size, sets, False, all_)
            if pool.groups and size[0] >= 30 and size[1] >= 10:
                row(pool, tables, size, sets, True, all_)
    print(f"same kind: mean {np.mean(all_.false):.2f} %, most {np.max(all_.false):.1f} %")
    if all_.one:
        print(f"same kind, one class alone: {100 * np.mean(all_.one):.1f} %")
    if all_.shown:
        shown = np.array(all_.shown)
        print(f"changed, 100 or more trained, 10 or more new: mean {shown.mean():.1f} %, 95 % reached in ", end="")
        print(f"{np.mean(shown >= 95):.0%} of {len(shown)}; {1000 * seconds / looked:.1f} ms of processor an image")
    rights = (f"{change} {100 * np.mean(each):.0f}" for change, each in all_.right.items() if each)
    print("found at 100 trained, 10 new, and rightly named, %:", ", ".join(rights))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300, sys.argv[2:])

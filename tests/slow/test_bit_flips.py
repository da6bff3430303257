"""10,000 bits flipped over all files of a run, a package, the store and a converted Zarr: each one is noticed.

``python tests/slow/test_bit_flips.py`` prints the counts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import lamelle
from lamelle.data.store import Store
from lamelle.errors import LamelleError
from lamelle.io.images import read
from lamelle.prediction import package
from lamelle.runs.bundle import open_bundle
from lamelle.runs.folder import RunFolder
from lamelle.studies.verification import verify
from lamelle.types import Source

SMALL = (
    *("filters=[4,8]", "patch=32", "samples=8", "batch=4", "epochs=2", "threads=1", "workers=0", "tensorboard=true"),
    *("resamples=100", "augment=none", "precision=32"),
)
LEAST = 8
"""Bits of each file, however small."""
SHARES = {"run": 4000, "package": 2000, "store": 2000, "zarr": 2000}
SPOKEN = 8
"""Flips in each place that are also given to the command line."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("flips"))


def made(folder: Path) -> Path:
    """A run with an evaluation on another folder, its package by itself, a store, and a Zarr."""
    data = lamelle.demo("nuclei", folder / "data", seed=1, count=12, size=64).path
    other = lamelle.demo("nuclei", folder / "other", seed=9, count=4, size=64).path
    run = lamelle.train(data, overrides=SMALL, runs=folder / "runs", name="run")
    run.evaluate(other)
    shutil.copytree(run.path / "model", folder / "package")
    for image in images(folder):
        Store(folder / "store", budget=1 << 30).image(Source(image))
    volume = np.random.default_rng(0).integers(0, 4000, (12, 48, 64)).astype(np.uint16)
    np.save(folder / "v.npy", volume)
    lamelle.convert(folder / "v.npy", folder / "v.ome.zarr", spacing=(0.1, 0.05, 0.05))
    return folder


def images(folder: Path) -> list[Path]:
    return sorted((folder / "data").rglob("*.png"))[:8]


def files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.stat().st_size)


def bits(folder: Path, count: int) -> Iterator[tuple[Path, int]]:
    """So many bits of the files of a folder, by their size, and no file without some."""
    random, known = np.random.default_rng(7), files(folder)
    sizes = np.array([p.stat().st_size for p in known], float)
    spread = random.multinomial(count - LEAST * len(known), sizes / sizes.sum())
    for path, more in zip(known, spread, strict=True):
        for bit in random.integers(8 * path.stat().st_size, size=LEAST + more):
            yield path, int(bit)


@contextmanager
def flipped(path: Path, bit: int) -> Iterator[None]:
    """A file with one bit turned and the time it had, and then as it was."""
    whole, status = path.read_bytes(), path.stat()
    content = bytearray(whole)
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    try:
        yield
    finally:
        path.write_bytes(whole)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def refused(path: Path, reads: Callable[[], object]) -> bool:
    """Whether a reader ends in a sentence that names the file."""
    try:
        reads()
    except LamelleError as error:
        return path.name in str(error)
    return False


def in_run(folder: Path, path: Path) -> bool:
    """Every file by `verify`; what the page is made from also by its reader."""
    run = RunFolder(folder / "runs" / "run")
    wrong = [
        one.path / name for one in verify(run.path) for name, s in one.files.items() if s in ("changed", "missing")
    ]
    read_by_page = (
        run.recipe,
        run.environment,
        run.split,
        run.audit,
        run.history,
        run.scores,
        run.baseline,
        run.model / "model.json",
    )
    page = path not in (*read_by_page, run.manifest) or refused(path, lambda: open_bundle(run))
    # a checkpoint whose own description is damaged tells nothing of what belongs to it
    return path in wrong and page


def in_package(folder: Path, path: Path) -> bool:
    return refused(path, lambda: package.load(folder / "package"))


def in_store(folder: Path, path: Path) -> bool:
    """Said, and decoded again; a remembered hash is forgotten, and the file hashed again."""
    said, right = list[str](), True
    store = Store(folder / "store", budget=1 << 30, say=said.append)
    for image in images(folder):
        source = Source(image)
        right &= bool(np.array_equal(store.image(source), read(image).array))
    return right and (path.name == "contents.jsonl" or any(path.name in line for line in said))


def in_zarr(folder: Path, path: Path) -> bool:
    return refused(path, lambda: read(folder / "v.ome.zarr"))


NOTICED = {"run": in_run, "package": in_package, "store": in_store, "zarr": in_zarr}
FOLDERS = {"run": "runs/run", "package": "package", "store": "store", "zarr": "v.ome.zarr"}


def flips(folder: Path, name: str) -> tuple[Counter[str], list[str]]:
    """How many bits of each file were flipped, and those that nobody noticed."""
    counts, missed = Counter[str](), list[str]()
    root = folder / FOLDERS[name]
    for path, bit in list(bits(root, SHARES[name])):
        if not path.is_file():
            continue
        with flipped(path, bit):
            counts[path.relative_to(root).as_posix()] += 1
            if not NOTICED[name](folder, path):
                missed.append(f"{path.relative_to(root)} bit {bit}")
    return counts, missed


def spoken(folder: Path) -> list[str]:
    """What the command line did not say of some flips."""
    run, out = folder / "runs" / "run", folder / "out"
    random, missed = np.random.default_rng(3), list[str]()
    asked = {
        "run": (
            [run / n for n in ("history.csv", "scores.json", "audit.json", "plan.json", "pictures.json")],
            ("report", run),
        ),
        "all": (
            [run / n for n in ("log.txt", "item_stats.json", "predictions.csv", "manifest.json")],
            ("runs", "verify", run),
        ),
        "package": (files(folder / "package"), ("predict", folder / "package", folder / "other", "-o", out)),
        "zarr": (files(folder / "v.ome.zarr"), ("convert", folder / "v.ome.zarr", folder / "out.npy")),
    }
    for paths, command in asked.values():
        for k in range(SPOKEN):
            path = paths[k % len(paths)]
            with flipped(path, int(random.integers(8 * path.stat().st_size))):
                done = subprocess.run(
                    [sys.executable, "-m", "lamelle", *map(str, command)], capture_output=True, text=True, check=False
                )
            if not done.returncode or path.name not in done.stderr or "Traceback" in done.stderr:
                missed.append(f"{command[0]} {path}: {done.returncode} {done.stderr[-300:]}")
    return missed


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTICED)
def test_every_flipped_bit_is_noticed(place: Path, name: str) -> None:
    counts, missed = flips(place, name)
    assert missed == []
    assert counts.total() == SHARES[name]
    assert min(counts.values()) >= LEAST


@pytest.mark.slow
def test_the_command_line_names_the_file(place: Path) -> None:
    assert spoken(place) == []


if __name__ == "__main__":
    where = made(Path(sys.argv[1]))
    for each in NOTICED:
        found, lost = flips(where, each)
        print(
            f"{each}: {found.total()} bits in {len(found)} files, {found.total() - len(lost)} noticed",
            *lost[:20],
            sep="\n  ",
        )
    print("command line:", len(silent := spoken(where)), "not named", *silent, sep="\n  ")

"""How many copies are found, by kind of change and of image, how many look-alikes are taken for copies, and how long it
takes.

    LAMELLE_REAL_DATA=… python benchmarks/bench_likeness.py            # all tables
    LAMELLE_REAL_DATA=… python benchmarks/bench_likeness.py cxr thorax # some collections only
    python benchmarks/bench_likeness.py time                           # seconds and memory by number of images

Constants were chosen on the images with ``--half 0``; ``--half 1`` are the others (by a hash of their names). Of each
collection up to 60 images are copied in each way and looked for among all of its images. Pairs found among the
images themselves are listed with ``--pairs`` so that somebody can look at them: some collections do hold copies.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import resource
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from lamelle.data.audit.duplicates import find_copies, find_pairs
from lamelle.data.audit.signatures import SIDE, Signature, sign
from lamelle.results.audit import ImageMeasures, ImagePair
from lamelle.specimens import write_demo
from lamelle.types import Record, Source

Named = list[tuple[str, Image.Image]]
Change = Callable[[Image.Image, np.random.Generator], Image.Image]
COPIED = 60


# ---- collections


def _opened(paths: list[Path], most: int = 1000) -> Named:
    step = max(1, len(paths) / most)
    chosen = [paths[int(i * step)] for i in range(min(most, len(paths)))]
    return [(p.name, _plain(Image.open(p))) for p in chosen]


def _plain(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, np.float32)
        return Image.fromarray((255 * (values - values.min()) / max(np.ptp(values), 1e-6)).astype(np.uint8))
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _planes(path: Path) -> Named:
    import tifffile

    return [(f"{path.stem}#{z}", Image.fromarray(plane)) for z, plane in enumerate(tifffile.imread(path))]


def _by_patient(root: Path) -> Named:
    with (root / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    first = {row["patient"]: row["image"] for row in reversed(rows)}
    found = [root / name if (root / name).exists() else root / "images" / name for name in sorted(first.values())]
    return _opened(found)


def real(root: Path) -> dict[str, Callable[[], Named]]:
    return {
        "cxr": lambda: _opened(sorted((root / "cxr-4class").glob("*/images/*"))),
        "lungs": lambda: _opened(sorted((root / "lungs/images").iterdir())),
        "histology, patients": lambda: _by_patient(root / "histology"),
        "histology": lambda: _opened(sorted((root / "histology/images").iterdir())),
        "nuclei": lambda: _opened(sorted((root / "dsb2018/stage1_train").glob("*/images/*.png"))),
        "vnc-patches": lambda: _opened(sorted((root / "vnc-patches/train").iterdir())),
        "isbi2012": lambda: _planes(root / "isbi2012/train-volume.tif") + _planes(root / "isbi2012/test-volume.tif"),
        "vnc-sstem": lambda: _planes(root / "vnc-sstem/volume.tif"),
        "blood": lambda: _opened(sorted((root / "bccd/JPEGImages").iterdir())),
    }


def demo(kind: str) -> Named:
    with tempfile.TemporaryDirectory() as held:
        folder = write_demo(kind, Path(held) / kind, seed=0, count=None, size=None)
        pictures = sorted(p for p in folder.rglob("*.png") if "mask" not in p.parts[-2] and "label" not in p.parts[-2])
        stacks = sorted(p for p in folder.rglob("*.tif") if "label" not in p.name and p.parent.name != "labels")
        return _opened(pictures) if pictures else [named for path in stacks for named in _planes(path)]


DEMOS = ("thorax", "thorax-classes", "nuclei", "tissue", "em-patches", "em-stack", "em-organelles")


# ---- changes


def _jpeg(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    held = io.BytesIO()
    image.save(held, "JPEG", quality=int(rng.integers(70, 96)))
    return Image.open(held).convert(image.mode)


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BILINEAR)


def _tone(image: Image.Image, curve: Callable[[np.ndarray], np.ndarray]) -> Image.Image:
    return Image.fromarray(np.clip(255 * curve(np.asarray(image) / 255), 0, 255).astype(np.uint8))


def _gamma(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    power = float(rng.choice([0.6, 0.75, 1.4, 1.7]))
    return _tone(image, lambda v: v**power)


def _contrast(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    gain, shift = rng.uniform(0.5, 1.4), rng.uniform(-0.1, 0.1)
    return _tone(image, lambda v: (v - 0.5) * gain + 0.5 + shift)


def _crop(image: Image.Image, rng: np.random.Generator, kept: tuple[float, float]) -> Image.Image:
    width, height = (round(side * rng.uniform(*kept)) for side in image.size)
    left, top = (int(rng.integers(0, room + 1)) for room in (image.width - width, image.height - height))
    return image.crop((left, top, left + width, top + height))


def _pad(image: Image.Image, rng: np.random.Generator, mode: str) -> Image.Image:
    values = np.asarray(image)
    sides = [tuple(rng.integers(0, 1 + round(0.15 * n), 2).tolist()) for n in values.shape[:2]]
    sides += [(0, 0)] * (values.ndim - 2)
    if mode == "edge":
        return Image.fromarray(np.pad(values, sides, "edge"))
    return Image.fromarray(np.pad(values, sides, constant_values=0 if mode == "black" else 255))


def _rotate(image: Image.Image, rng: np.random.Generator, low: float, high: float, *, grown: bool) -> Image.Image:
    angle = rng.uniform(low, high) * rng.choice([-1, 1])
    return image.rotate(angle, Image.Resampling.BILINEAR, expand=grown)


def _text(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    words = Image.new("L", (40, 12))
    ImageDraw.Draw(words).text((1, 0), f"L {rng.integers(1000, 9999)}", fill=255)
    words = words.resize((max(1, round(image.width * 0.3)), max(1, round(image.height * 0.1))))
    changed = image.copy()
    corner = (0 if rng.random() < 0.5 else image.width - words.width, 0 if rng.random() < 0.5 else 4)
    changed.paste(255 if image.mode == "L" else (255, 255, 255), corner, words)
    return changed


_TURNS = [Image.Transpose(n) for n in range(7)]
CHANGES: dict[str, Change] = {
    "JPEG 70–95": _jpeg,
    "half size": lambda i, _: _scaled(i, 0.5),
    "double size": lambda i, _: _scaled(i, 2.0),
    "mirrored, 90°": lambda i, rng: i.transpose(_TURNS[rng.integers(7)]),
    "contrast": _contrast,
    "gamma": _gamma,
    "inverted": lambda i, _: _tone(i, lambda v: 1 - v),
    "crop 80–97 %": lambda i, rng: _crop(i, rng, (0.8, 0.97)),
    "crop 80 %": lambda i, rng: _crop(i, rng, (0.8, 0.8)),
    "black border": lambda i, rng: _pad(i, rng, "black"),
    "white border": lambda i, rng: _pad(i, rng, "white"),
    "edge border": lambda i, rng: _pad(i, rng, "edge"),
    "rotated 1–5°": lambda i, rng: _rotate(i, rng, 1, 5, grown=False),
    "rotated 5–10°": lambda i, rng: _rotate(i, rng, 5, 10, grown=False),
    "rotated, grown": lambda i, rng: _rotate(i, rng, 2, 10, grown=True),
    "text": _text,
    "crop, turn, JPEG": lambda i, rng: _jpeg(_crop(i, rng, (0.8, 0.97)).transpose(_TURNS[rng.integers(7)]), rng),
    "inverted crop": lambda i, rng: _tone(_crop(i, rng, (0.8, 0.97)), lambda v: 1 - v),
    "crop, rotated 1–5°": lambda i, rng: _rotate(_crop(i, rng, (0.85, 0.97)), rng, 1, 5, grown=False),
}


def signed(named: Named) -> list[Signature]:
    return [sign(name, _array(image)) for name, image in named]


def _array(image: Image.Image) -> np.ndarray:
    values = np.asarray(image)
    return values[None] if values.ndim == 2 else values.transpose(2, 0, 1)


def copies_of(named: Named, change: Change) -> tuple[list[str], list[Signature]]:
    """Names of some images, and the signatures of a changed copy of each."""
    rng = np.random.default_rng(7)
    chosen = named[:: max(1, len(named) // COPIED)][:COPIED]
    return [name for name, _ in chosen], signed([(f"{name} copy", change(image, rng)) for name, image in chosen])


def family(old: list[Signature]) -> dict[str, str]:
    """Image → one image for all that are copies of each other within the collection."""
    groups = {s.id: s.id for s in old}
    for pair in within(old):
        groups = {k: groups[pair.first] if v == groups[pair.second] else v for k, v in groups.items()}
    return groups


def within(old: list[Signature]) -> tuple[ImagePair, ...]:
    """Copies among the images of a collection, as ``lamelle check`` finds them."""
    sizes = [ImageMeasures(s.id, "", (1, *s.size), "", None, None, False, 0, 1, (), (), (), (), s.pixels) for s in old]
    records = [Record(s.id, Source(Path(s.id))) for s in old]
    return find_pairs(sizes, records, np.array([s.small for s in old]))


def table(name: str, named: Named, *, pairs: bool) -> None:
    """Found and false copies of one collection, line by line."""
    old = signed(named)
    found = within(old)
    print(f"\n{name}: {len(old)} images, {len(found)} pairs among them ({len(found) / len(old):.2%} of the images)")
    for pair in found if pairs else ():
        print(f"    {pair}")
    groups = family(old)
    for kind, change in CHANGES.items():
        names, new = copies_of(named, change)
        told = {p.second: p.first for p in find_copies(new, old)}
        right = sum(groups.get(told.get(s.id, "")) == groups[n] for n, s in zip(names, new, strict=True))
        print(f"  {kind:20} found {right / len(new):6.1%} of {len(new)}, false {len(told) - right}", flush=True)


def read(count: int = 200) -> None:
    """Seconds to decode and to sign files, which no comparison is part of."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as held:
        paths = [Path(held) / f"{n}.png" for n in range(count)]
        for path in paths:
            smooth = Image.fromarray(rng.integers(0, 255, (40, 40), np.uint8)).resize((256, 256))
            smooth.save(path)
        worked = time.process_time()
        signed(_opened(paths))
        print(f"{1000 * (time.process_time() - worked) / count:.1f} s of processor to read 1 000 PNG of 256 × 256")


def timed(count: int) -> None:
    """Seconds and memory for signatures of synthetic pictures of one kind, 2 % of them cropped copies."""
    rng = np.random.default_rng(count)
    base = rng.normal(size=(count, 12, 12)).astype(np.float32)
    grow = np.kron(np.eye(12, dtype=np.float32), np.ones((1, 6), np.float32)) / 2
    small = np.empty((count, SIDE, SIDE), np.uint8)
    for start in range(0, count, 4096):
        part = slice(start, start + 4096)
        fine = rng.normal(size=(len(base[part]), 72, 72)).astype(np.float32)
        picture = 128 + 40 * (grow.T @ base[part] @ grow) + 12 * fine
        small[part] = np.clip(picture[:, 4:68, 4:68], 0, 255)
    copied = rng.choice(count, count // 50, replace=False)
    for source, target in copied.reshape(-1, 2) if len(copied) % 2 == 0 else copied[:-1].reshape(-1, 2):
        crop = Image.fromarray(small[source]).crop((2, 5, 58, 61)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        small[target] = np.asarray(crop)
    old = [Signature(str(n), str(n), (256, 256), picture) for n, picture in enumerate(small)]
    began, worked = time.perf_counter(), time.process_time()
    found = within(old)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{count:7} images: {time.perf_counter() - began:6.1f} s ({time.process_time() - worked:.1f} s of processor), "
        f"{len(found)} of {len(copied) // 2} copies, peak {peak:.2f} GB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collections", nargs="*", help="parts of names, or time; all collections if none is given")
    parser.add_argument("--pairs", action="store_true", help="list the pairs found among the images themselves")
    parser.add_argument("--half", type=int, choices=(0, 1), help="one half of the images only")
    asked = parser.parse_args()
    if "time" in asked.collections:
        read()
        for count in (1_000, 10_000, 30_000, 100_000):
            timed(count)
        return
    folder = os.environ.get("LAMELLE_REAL_DATA")
    every = real(Path(folder)) if folder else {}
    every |= {f"demo {kind}": lambda kind=kind: demo(kind) for kind in DEMOS}
    for name, opened in every.items():
        if not asked.collections or any(part in name for part in asked.collections):
            named = [n for n in opened() if asked.half in (None, zlib.crc32(n[0].encode()) % 2)]
            table(name, named, pairs=asked.pairs)


if __name__ == "__main__":
    main()

"""Whether a change of the code changes what it computes: four tiny trainings, with the code before and after it.

    python tests/golden_runs.py OUT                 trains with the code that is imported, and writes OUT/golden.json
    python tests/golden_runs.py BEFORE AFTER        compares two: weights to the bit, scores and losses to 1e-12

To be run on one machine: weights differ between processors, so that no test can hold them. With another checkout's
code: ``PYTHONPATH=OTHER/src``.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image
from safetensors.numpy import load_file

COMMON = ("epochs=2", "threads=1", "workers=0", "train.precision=32", "train.device=cpu")
SMALL = ("patch=32", "samples=12", "batch=4", "filters=[4,8]")
KNOWN = ("epoch", "step", "lr", "seconds", "best")
"""Columns of a history that are no result."""


def run(out: Path, *words: str) -> None:
    """The command line with the code that is imported; nothing of the user's home is read."""
    around = {**os.environ, "OMP_NUM_THREADS": "1", "LAMELLE_LANG": "en", "LAMELLE_HOME": str(out / "home")}
    subprocess.run([sys.executable, "-m", "lamelle", *words], check=True, env=around, capture_output=True)


def data(out: Path) -> None:
    """Nuclei, three classes of blobs, and a volume."""
    run(out, "demo", "nuclei", "-o", str(out / "nuclei"))
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:40, :40]
    for n, name in enumerate("abc"):
        (out / "classes" / name).mkdir(parents=True)
        for i in range(9 + 3 * n):
            where = (y - 20 + rng.normal()) ** 2 + (x - 20 + rng.normal()) ** 2
            blob = 90 * np.exp(-where / (30 + 90 * n)) + 60 + rng.normal(0, 8, (40, 40))
            Image.fromarray(blob.clip(0, 255).astype(np.uint8)).save(out / "classes" / name / f"i{n}{i:02}.png")
    volume, mask = rng.normal(100, 20, (16, 64, 64)), np.zeros((16, 64, 64), np.uint8)
    mask[:, 16:40, 10:50] = 255
    volume[mask > 0] += 60
    for folder, array in (("images", volume.clip(0, 255)), ("masks", mask)):
        (out / "volumes" / folder).mkdir(parents=True)
        tifffile.imwrite(out / "volumes" / folder / "v.tif", array.astype(np.uint8))


def trained(out: Path) -> dict[str, dict[str, Any]]:
    """What each training came to, by its name."""
    wanted = {
        "segment": ("nuclei", *SMALL, "task=segment", "augment.elastic=2", "augment.rotate=20", "task.min_size=auto"),
        "instances": ("nuclei", *SMALL, "task=instances"),
        "classify": ("classes", "model=cnn2", "data.resize=32", "batch=8", "split.test=0.3", "augment.rotate=10"),
        "volume": ("volumes", "data.dims=3", "filters=[4,8]", "patch=[4,32,32]", "samples=6", "batch=2", "rotate=10"),
    }
    for name, (folder, *pairs) in wanted.items():
        run(out, "train", str(out / folder), "--runs", str(out / "runs"), "--name", name, *COMMON, *pairs)
    return {name: dict(values(out / "runs" / name)) for name in wanted}


def values(folder: Path) -> Iterator[tuple[str, Any]]:
    """Everything of a run that must not change, each under a name."""
    tensors = load_file(next(folder.rglob("model.safetensors"))).values()
    digests = sorted(hashlib.sha256(tensor.tobytes()).digest() for tensor in tensors)
    yield "weights", hashlib.sha256(b"".join(digests)).hexdigest()
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    for name, score in scores["scores"].items():
        yield from ((f"score/{name}/{key}", score[key]) for key in ("value", "low", "high", "n"))
    yield from ((f"item/{item['id']}", item["quality"]) for item in scores["items"])
    with (folder / "history.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            yield from ((f"epoch {row['epoch']}/{k}", float(v)) for k, v in row.items() if v and k not in KNOWN)
    with (folder / "split.csv").open(encoding="utf-8", newline="") as lines:
        yield from ((f"split/{row['id']}", row["split"]) for row in csv.DictReader(lines))


def differing(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """What the code before said otherwise; what it did not say is no difference."""
    for key, was in before.items():
        now = after.get(key, "absent")
        close = isinstance(was, int | float) and isinstance(now, int | float) and math.isclose(was, now, rel_tol=1e-12)
        if was != now and not close:
            yield f"{key}: {was} → {now}"


def main(*folders: str) -> int:
    """Train, or compare; the exit code says whether there is a difference."""
    if len(folders) == 2:
        before, after = (json.loads((Path(f) / "golden.json").read_text(encoding="utf-8")) for f in folders)
        found = [f"{name} {one}" for name in before for one in differing(before[name], after[name])]
        print("\n".join(found) or f"the same: {sum(map(len, before.values()))} values")
        return bool(found)
    out = Path(folders[0])
    data(out)
    (out / "golden.json").write_text(json.dumps(trained(out), indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""A data set larger than memory: made in a minute, trained on in a process of its own that is watched."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

SIDE, STRIP = 4096, 64
_POOL = 96
"""Strips of which the planes are put together, each time in another order: no two planes are alike."""


def make(folder: Path, *, planes: int, compressed: str) -> int:
    """A stack of 8-bit planes 4096 × 4096 and one of their labels; the other one of the two lies raw on disk.

    Args:
        compressed: ``volume`` or ``labels``.

    Returns:
        Bytes of all pixels.
    """
    from tifffile import imwrite

    folder.mkdir(parents=True)
    order = [np.random.default_rng(plane).permutation(_POOL)[: SIDE // STRIP] for plane in range(planes)]
    for name, pool in zip(("volume", "labels"), _strips(), strict=True):
        more: dict[str, object] = {}
        if name == compressed:
            encoded = [zlib.compress(strip.tobytes(), 1) for strip in pool]
            data: Iterator[object] = (encoded[i] for chosen in order for i in chosen)
            more = {"compression": "zlib", "rowsperstrip": STRIP}
        else:
            data = (np.concatenate([pool[i] for i in chosen]) for chosen in order)
        shape = (planes, SIDE, SIDE)
        imwrite(folder / f"train-{name}.tif", data, shape=shape, dtype=np.uint8, bigtiff=True,
                photometric="minisblack", **more)  # fmt: skip
    return 2 * planes * SIDE * SIDE


def _strips() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Strips [64, 4096] of bright blobs in noise, and which pixels are blobs."""
    from scipy.ndimage import gaussian_filter

    draw = np.random.default_rng(0)
    images, labels = [], []
    for _ in range(_POOL):
        field = gaussian_filter(draw.standard_normal((STRIP, SIDE)).astype(np.float32), 8)
        inside = field > field.std()
        grey = 60 + 70 * inside + 4 * draw.integers(0, 8, inside.shape)
        images.append(grey.astype(np.uint8))
        labels.append(inside.astype(np.uint8))
    return images, labels


@dataclass(slots=True)
class Watched:
    """What a process took."""

    code: int | None = None
    """Exit code; None if it was stopped at the limit."""
    seconds: float = 0.0
    peaks: dict[str, int] = field(default_factory=dict)
    """Bytes of memory that no file stands behind, at most, by phase."""

    @property
    def peak(self) -> int:
        return max(self.peaks.values(), default=0)

    def table(self) -> str:
        return "\n".join(f"{name:12s} {peak / 1e6:8.0f} MB" for name, peak in self.peaks.items())


def watch(data: Path, home: Path, *overrides: str, everything: bool, limit: int | None) -> Watched:
    """Train, evaluate and report in a process of its own; look at its memory every 50 ms.

    Args:
        everything: Load all images first: the control.
        limit: Bytes at which the process is stopped.
    """
    phases, began, found = home / "phases.log", time.monotonic(), Watched()
    home.mkdir(parents=True, exist_ok=True)
    phases.write_text("import\n")
    environment = os.environ | {"LAMELLE_HOME": str(home), "LAMELLE_LANG": "en", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    with (home / "output.log").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, __file__, str(data), str(home), str(int(everything)), *overrides],
            env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        while (code := process.poll()) is None:
            phase = phases.read_text().split()[-1]
            found.peaks[phase] = max(found.peaks.get(phase, 0), anonymous(process.pid))
            if limit is not None and found.peak > limit:
                process.kill()
                process.wait()
                break
            time.sleep(0.05)
    found.code, found.seconds = code, time.monotonic() - began
    return found


def anonymous(process: int) -> int:
    """Bytes in memory that no file stands behind; 0 if the process is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("RssAnon", "RssShmem")))


def main(data: Path, home: Path, *overrides: str, everything: bool) -> None:
    """The process that is watched."""
    import lamelle
    from lamelle.reports import finish
    from lamelle.runs import fit, plan, train
    from lamelle.training.loop import Training

    def told(module: object, name: str, phase: str) -> None:
        work = getattr(module, name)

        def also(*given: object, **more: object) -> object:
            with (home / "phases.log").open("a") as log:
                log.write(f"{phase}\n")
            return work(*given, **more)

        setattr(module, name, also)

    for module, name, phase in (
        *((plan, "make_plan", "audit"), (train, "save_data_pictures", "pictures"), (fit, "train", "begin")),
        *((Training, "_epoch", "train"), (Training, "_validate", "validate"), (fit, "fit", "threshold")),
        *((train, "score_run", "evaluate"), (train, "save_scored_pictures", "cases"), (finish, "finish", "report")),
    ):
        told(module, name, phase)
    if everything:
        learn = fit.train

        def loaded(found: plan.Plan, run: object, store: object, *rest: object, **more: object) -> object:
            kept = [np.array(store.image(r.image)) for r in found.records]  # type: ignore[attr-defined]
            return learn(found, run, store, *rest, **more) if kept else None  # type: ignore[arg-type]

        fit.train = loaded  # type: ignore[assignment]
    run = lamelle.train(data, overrides=overrides, runs=home / "runs", name="large")
    print(run.scores["dice"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[4:], everything=sys.argv[3] == "1")

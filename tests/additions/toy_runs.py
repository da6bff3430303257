"""A training of seconds on images of two classes, for what is added in a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Quiet

from lamelle import verbs
from lamelle.runs.folder import RunFolder

SMALL = ("resize=16", "epochs=1", "batch=8", "threads=1", "workers=0", "precision=32", "resamples=100")


def shades(root: Path, *, bright: int = 30) -> Path:
    """Dark and bright images, in folders of their classes."""
    rng = np.random.default_rng(0)
    for name, level, count in (("dark", 90, 30), ("bright", 130, bright)):
        (root / name).mkdir(parents=True)
        for i in range(count):
            image = rng.normal(level, 40, (20, 20)).clip(0, 255).astype(np.uint8)
            Image.fromarray(image).save(root / name / f"{i}.png")
    return root


@contextmanager
def trained(root: Path, *pairs: str, model: str = "cnn1", bright: int = 30) -> Iterator[tuple[RunFolder, str]]:
    """The run of a small training, and its page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMELLE_HOME", str(root / "home"))
        patch.setenv("LAMELLE_LANG", "en")
        data = shades(root / "shades", bright=bright)
        run = verbs.train(
            data, overrides=[f"model={model}", *SMALL, *pairs], runs=root / "runs", name="toy", progress=Quiet()
        )
        yield run.folder, run.folder.report.read_text(encoding="utf-8")

"""One architecture of each family of timm, from the plan to the scores: trained, or refused before the first step."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import timm
from networks import architecture
from PIL import Image
from support import Quiet

from lamelle import verbs
from lamelle.errors import RequestError
from lamelle.models.build import sketch
from lamelle.prediction import package
from lamelle.runs import layers
from lamelle.runs import plan as plans
from lamelle.runs import train as course
from lamelle.runs.evaluate import interval_options, score_run
from lamelle.runs.input_size import fitted

CLASSIFIED, SEGMENTED = (52, 45), (100, 90)
"""Sizes of the images, which are no multiple of anything."""
FAST = (
    *("batch=2", "samples=2", "epochs=1", "precision=32", "threads=1", "workers=0", "rotate=0", "zoom=[1,1]"),
    *("evaluate.flips=false", "evaluate.resamples=100"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an encoder."""

    state: Literal["trained", "refused", "crashed"]
    about: str
    """The sizes that were planned, or what was said."""


def folders(root: Path, kind: str) -> Path:
    """Twelve images with their classes, or eight with their masks."""
    draw = np.random.default_rng(0)
    if kind == "timm":
        for split, each in (("train", 2), ("val", 2), ("test", 2)):
            for name, level in (("dark", 60), ("light", 180)):
                for i in range(each):
                    pixels = draw.integers(level - 40, level + 40, CLASSIFIED).astype(np.uint8)
                    save(root / split / name / f"{i}.png", pixels)
        return root
    for split, each in (("train", 2), ("val", 1), ("test", 1)):
        for i in range(each):
            mask = np.zeros(SEGMENTED, np.uint8)
            mask[20 + 5 * i : 70, 30:60] = 255
            noise = draw.integers(0, 60, SEGMENTED)
            save(root / split / "images" / f"{i}.png", (mask // 2 + noise).astype(np.uint8))
            save(root / split / "masks" / f"{i}.png", mask)
    return root


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def smallest(family: str) -> str:
    """The architecture with the fewest parameters; none is built in memory."""
    sizes = {}
    for name in timm.list_models(module=family):
        try:
            net = sketch(architecture("timm", name=name, inputs=3))
        except RequestError:  # more parameters than any network may have
            continue
        sizes[name] = sum(p.numel() for p in net.parameters())
    return min(sizes, key=lambda name: (sizes[name], name))


def attempt(name: str, kind: str, data: Path, runs: Path, *overrides: str) -> Outcome:
    """Plan, train one step, save, load and score."""
    asked = layers.parse_overrides((f"model.kind={kind}", f"model.name={name}", *FAST, *overrides))
    store = verbs.open_store()
    try:
        plan = fitted(plans.make_plan(data, asked, store, accelerator=False))
    except RequestError as error:
        return Outcome("refused", str(error))
    recipe = plan.recipe
    about = f"resize={recipe.data.resize} patch={recipe.train.patch} tile={recipe.evaluate.tile}"
    shutil.rmtree(runs / "run", ignore_errors=True)
    try:
        run, _ = course.trial(plan, runs, "run", store, Quiet())
        rows = score_run(run, package.load(run.path), plan.of("test"), store, interval_options(recipe))
        assert rows, "nothing was scored"
    except Exception as error:  # whatever it is: after the plan, nothing may go wrong
        return Outcome("crashed", f"{about}: {type(error).__name__}: {' '.join(str(error).split())[:300]}")
    return Outcome("trained", about)

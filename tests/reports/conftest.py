"""Small runs to report on, trained once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamelle import verbs
from lamelle.runs.folder import RunFolder
from lamelle.specimens.write import write_demo

NASTY = "<script>alert(1)&amp;.png"
"""A file name that would be a program if a page did not escape it."""
QUICK = ("train.seed=0", "evaluate.resamples=100", "threads=1", "train.precision=32")


@pytest.fixture(scope="session")
def _settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMELLE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("LAMELLE_LANG", "en")
        patch.chdir(tmp_path_factory.mktemp("work"))
        yield Path.cwd()


@pytest.fixture(scope="session")
def segment_run(_settings: Path) -> RunFolder:
    """A run on a stack of slices, split by blocks."""
    write_demo("em-stack", _settings / "em", seed=0, count=14, size=64)
    settings = ["epochs=2", "samples=8", "filters=[4,8]", "patch=[32,32]", "batch=4", *QUICK]
    return verbs.train(_settings / "em", overrides=settings, runs=_settings / "runs").folder


@pytest.fixture(scope="session")
def class_data(_settings: Path) -> Path:
    """Class folders, one image of which has a nasty name."""
    folder = write_demo("thorax-classes", _settings / "thorax", seed=0, count=30, size=64)
    first = sorted(folder.glob("*/*.png"))[0]
    first.rename(first.with_name(NASTY))
    return folder


@pytest.fixture(scope="session")
def classify_run(class_data: Path, _settings: Path) -> RunFolder:
    """A run on class folders."""
    settings = [
        "epochs=4",
        "validate_every=4",
        "lr=0.02",
        "model.name=resnet10t",
        "resize=[32,32]",
        "normalise=imagenet",
        *QUICK,
    ]
    return verbs.train(class_data, overrides=settings, runs=_settings / "runs").folder

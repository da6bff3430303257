"""A training small enough to be run many times."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import TINY, Quiet, Trainer

from lamelle import verbs
from lamelle.prediction.package import Package
from lamelle.runs import fit as session
from lamelle.runs import plan as plans
from lamelle.runs.folder import RunFolder
from lamelle.runs.initial_model import build
from lamelle.runs.saved_plan import open_plan, save_plan
from lamelle.specimens.write import write_demo


@pytest.fixture(scope="session")
def nuclei(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve small synthetic images of nuclei."""
    return write_demo("nuclei", tmp_path_factory.mktemp("data") / "nuclei", seed=1, count=12, size=96)


@pytest.fixture
def trained(nuclei: Path, tmp_path: Path) -> Trainer:
    """Trains on the nuclei, or goes on with a run."""

    def train(
        *overrides: str, quiet: Quiet | None = None, resume: RunFolder | None = None
    ) -> tuple[RunFolder, Package]:
        from lamelle.runs import layers

        store = verbs.open_store()
        if resume is not None:
            plan, run = open_plan(resume), resume
        else:
            asked = layers.merge(layers.parse_overrides(TINY), layers.parse_overrides(overrides))
            plan = plans.make_plan(nuclei, asked, store, accelerator=False)
            run = RunFolder.create(tmp_path, "run")
            save_plan(run, plan)
        return run, session.train(plan, build(plan), run, store, quiet or Quiet(), resume=resume is not None)

    return train

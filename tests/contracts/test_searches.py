"""What holds for every row of the tables of samplers and pruners of a search."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest
from click.testing import CliRunner

from lamelle.cli.main import lamelle
from lamelle.studies.search.algorithms import PRUNERS, SAMPLERS, Pruner, Sampler

samplers = pytest.mark.parametrize("row", SAMPLERS.values(), ids=SAMPLERS)
pruners = pytest.mark.parametrize("row", PRUNERS.values(), ids=PRUNERS)


@samplers
def test_a_sampler_draws_the_same_from_the_same_seed(row: Sampler) -> None:
    optuna = pytest.importorskip("optuna")

    def draw(seed: int) -> list[float]:
        study = optuna.create_study(sampler=row.make(seed))
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=5)
        return [trial.params["x"] for trial in study.get_trials()]

    assert draw(1) == draw(1) != draw(2)


@pruners
def test_a_pruner_ends_hopeless_trials_unless_it_says_that_it_ends_none(row: Pruner) -> None:
    optuna = pytest.importorskip("optuna")
    study = optuna.create_study(pruner=row.make(27), direction="maximize")

    def score(trial: object) -> float:
        for epoch in range(1, 28):
            trial.report(1 / (1 + trial.number), epoch)  # type: ignore[attr-defined]
            if trial.should_prune():  # type: ignore[attr-defined]
                raise optuna.TrialPruned
        return 1 / (1 + trial.number)  # type: ignore[attr-defined]

    study.optimize(score, n_trials=30)
    assert bool(study.get_trials(states=(optuna.trial.TrialState.PRUNED,))) == row.prunes


@pytest.mark.parametrize("row", [*SAMPLERS.values(), *PRUNERS.values()], ids=lambda row: row.name)
def test_a_row_says_what_it_does_and_the_command_offers_it(row: Sampler | Pruner) -> None:
    assert row.about.endswith(".")
    assert row.name in CliRunner().invoke(lamelle, ["tune", "--help"]).output


def test_every_sampler_has_its_french_name() -> None:
    french = tomllib.loads((files("lamelle.messages") / "fr" / "search.toml").read_text(encoding="utf-8"))
    assert set(french) == {f"sampler_{name}" for name in SAMPLERS}

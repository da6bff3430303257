"""One trial: a point of the search trained afresh, and scored on the validation set."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lamelle.data.store import Store
from lamelle.errors import DataError, RequestError
from lamelle.io.atomic import plain
from lamelle.messages import text
from lamelle.prediction.package import DESCRIPTION
from lamelle.results.base import Result
from lamelle.results.history import Epoch, kept
from lamelle.results.studies import Dimension, Direction, EpochScore
from lamelle.runs import plan as plans
from lamelle.runs import train as training
from lamelle.runs.folder import RunFolder
from lamelle.runs.input_size import fitted
from lamelle.runs.plan import Plan
from lamelle.runs.recipe import Section
from lamelle.studies.search.algorithms import PRUNERS, SAMPLERS
from lamelle.studies.search.dimensions import suggest, variant
from lamelle.studies.search.points import ERROR, FOLDER, POINT, WORKER, Worker
from lamelle.studies.variants import together
from lamelle.training import resources
from lamelle.training.loop import NonFinite
from lamelle.training.progress import Progress

if TYPE_CHECKING:
    from optuna import Study, Trial

TRAINING = ("epochs", "best_epoch", "seconds", "trainable", "parameters", "parameters_with_statistics")
"""What of a training stands in the table of trials; attributes of a trial."""
SCORE, OTHER_SCORES, LOSS, BEST = "score", "other_scores", "loss", "best"
"""Attributes of a trial: the objective, other scores and the loss on validation; the best epoch so far, which is all
that is known of a trial that was stopped."""


class Refused(Exception):
    """A point that cannot be trained; why is an attribute of its trial."""


class Stopped(Exception):
    """A trial that is not worth going on with."""


class SearchSetting(Result):
    """What all trials of a search share: the content of its ``study.json``."""

    data: Path
    common: Section
    """Keys of the recipe that all trials share."""
    dimensions: tuple[Dimension, ...]
    sampler: str
    pruner: str
    objective: str
    direction: Direction
    epochs: int
    """Passes of the first point, for the rungs of Hyperband."""
    seed: int
    split: int = 0
    """CRC-32 of the split, which all machines must share."""

    @property
    def sign(self) -> int:
        """What makes a score of which more is better from one in the direction of the search."""
        return -1 if self.direction == "minimize" else 1


class Reporting:
    """Tells the search of each epoch, and ends the training when the search has seen enough."""

    def __init__(self, progress: Progress, trial: Trial, *, sign: int, pruned: bool) -> None:
        self._progress, self._trial, self._sign, self._pruned = progress, trial, sign, pruned
        self._best: float | None = None
        self.last: int | None = None
        """The epoch with which the training ends; then nothing is saved by stopping it."""

    def say(self, line: str) -> None:
        self._progress.say(line)

    def step(self, *, epoch: int, done: float, loss: float) -> None:
        self._progress.step(epoch=epoch, done=done, loss=loss)

    def epoch(self, row: Epoch, *, monitor: str) -> None:
        """One epoch is done.

        Raises:
            Stopped: If others did clearly better by this epoch.
        """
        self._progress.epoch(row, monitor=monitor)
        score = row.score(monitor)
        if not self._pruned or score is None:
            return
        if self._best is None or score > self._best:
            self._best = score
            self._trial.set_user_attr(BEST, EpochScore(score=score, epoch=row.epoch).model_dump())
        self._trial.set_user_attr("epochs", row.epoch)
        self._trial.report(self._sign * score, row.epoch)
        if row.epoch != self.last and self._trial.should_prune():
            raise Stopped

    def close(self) -> None:
        self._progress.close()


def plan_of(setting: SearchSetting, params: Mapping[str, str | int | float], store: Store) -> Plan:
    """The plan of one point."""
    seed = int(setting.common.get("train", {}).get("seed", 0))
    recipe = together(setting.common, variant(params), seed=seed)
    if "train.seed" in params:
        recipe["train"]["seed"] = int(params["train.seed"])
    resources.device_of(training.training_keys(recipe))
    return fitted(plans.make_plan(setting.data, recipe, store, accelerator=resources.has_accelerator()))


class Objective:
    """What Optuna calls for each trial."""

    def __init__(self, setting: SearchSetting, study: Study, folder: Path, store: Store, progress: Progress) -> None:
        self.setting, self.study, self.folder = setting, study, folder
        self.store, self.progress = store, progress
        self.worker: Worker | None = None

    def __call__(self, trial: Trial) -> float:
        """The score of a trial.

        Raises:
            Refused: If its point cannot be trained.
            TrialPruned: If it was stopped since others do better.
        """
        import optuna

        if self.worker is not None:
            trial.set_user_attr(WORKER, self.worker.about)
        if POINT not in trial.user_attrs:  # another worker was faster: this trial stands for nothing
            raise Refused
        # drawn from the point's own seed, so that the same search tries the same points, stopped or not
        self.study.sampler = SAMPLERS[self.setting.sampler].make(self._seed(trial.user_attrs[POINT]))
        for dimension in self.setting.dimensions:
            suggest(dimension, trial)
        about = " ".join(f"{key}={value}" for key, value in trial.params.items())
        self.progress.say(text("tune.trial", number=trial.number, about=about))
        reporting = Reporting(self.progress, trial, sign=self.setting.sign, pruned=PRUNERS[self.setting.pruner].prunes)
        try:
            value = self._score(trial, reporting)
        except Stopped:
            self.progress.say(text("tune.stopped", number=trial.number))
            raise optuna.TrialPruned from None
        except (NonFinite, RequestError, DataError) as error:
            if isinstance(error, NonFinite):
                error.values["kept"] = text("tune.nothing_kept")  # its checkpoints are gone
            trial.set_user_attr(ERROR, str(error).splitlines()[0])
            self.progress.say(text("tune.refused", number=trial.number, reason=error))
            raise Refused from error
        self.progress.say(text("tune.scored", number=trial.number, score=self.setting.objective, value=f"{value:.4f}"))
        return value

    def _seed(self, point: int) -> int:
        return zlib.crc32(f"{self.setting.seed}/{point}".encode())

    def _score(self, trial: Trial, progress: Reporting) -> float:
        plan = plan_of(self.setting, trial.params, self.store)
        progress.last = plan.recipe.train.epochs
        runs = self.folder / "trials"
        trial.set_user_attr(FOLDER, name := f"{trial.number:04d}")
        shutil.rmtree(runs / name, ignore_errors=True)
        try:
            run, scores = training.trial(plan, runs, name, self.store, progress)
        finally:
            shutil.rmtree(RunFolder(runs / name).checkpoints, ignore_errors=True)  # no trial is gone on with
        score = scores.scores.get(self.setting.objective)
        if score is None or not score.defined:
            raise RequestError("tune.undefined", score=self.setting.objective)
        about = run.read_json(run.model / DESCRIPTION)["provenance"]
        others = [name for name in (plan.task.monitor, *plan.task.tabled) if name in scores.scores]
        facts = {key: about.get(key) for key in TRAINING}
        facts |= {SCORE: asdict(score), OTHER_SCORES: {name: asdict(scores.scores[name]) for name in others}}
        facts[LOSS] = kept(run.read_history(), about["best_epoch"]).loss
        for key, value in facts.items():
            trial.set_user_attr(key, plain(value))
        return score.value

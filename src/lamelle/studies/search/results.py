"""What came of a search: its trials in order, which keys matter, and the best one with what its score is worth."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lamelle.io.atomic import cell
from lamelle.messages import text
from lamelle.metrics.intervals import COLUMNS, cells
from lamelle.results.scores import Score
from lamelle.results.studies import SearchResult, Trial
from lamelle.studies.search.dimensions import written
from lamelle.studies.search.objective import BEST, LOSS, OTHER_SCORES, SCORE, TRAINING, SearchSetting
from lamelle.studies.search.points import ATTEMPTS, ERROR, FOLDER, POINT, WORKER, died

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

_MIN_TRIALS = 8
"""Trials below which nothing is said about the importance of keys."""
_STATES = {"COMPLETE": "done", "PRUNED": "stopped", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting"}


def collect(study: Study, setting: SearchSetting, points: Sequence[Mapping[str, str]]) -> SearchResult:
    """What came of a search, without the scores of runs that were trained again."""
    tried: dict[int, list[FrozenTrial]] = {}
    for trial in study.get_trials(deepcopy=False):
        if (point := trial.user_attrs.get(POINT)) is not None:
            tried.setdefault(point, []).append(trial)
    trials = [_trial(point, tried.get(point, []), params) for point, params in enumerate(points)]
    trials.sort(key=lambda one: (one.trial is None, one.trial))
    scored = [(one, one.score) for one in trials if one.score is not None]
    best, score = min(scored, key=lambda s: (-setting.sign * s[1].value, s[0].trial), default=(None, None))
    return SearchResult(
        objective=setting.objective,
        direction=setting.direction,
        sampler=setting.sampler,
        pruner=setting.pruner,
        dimensions=setting.dimensions,
        trials=tuple(trials),
        best=best and best.trial,
        within_interval=sum(score.low <= one.value <= score.high for _, one in scored) if score else 0,
        importance=importance(study) if len(scored) >= _MIN_TRIALS else {},
    )


def _trial(point: int, trials: Sequence[FrozenTrial], params: Mapping[str, str]) -> Trial:
    """One point: of its trials the one that stands, which is the last unless an earlier one was done."""
    alive = [t for t in trials if not died(t)]
    trial = alive[0] if alive else trials[-1] if trials else None
    if trial is None:
        return Trial(point=point, state="waiting", params=dict(params))
    about = trial.user_attrs
    state, reason = _STATES[trial.state.name], about.get(ERROR)
    if died(trial):
        state, reason = "waiting", text("tune.died", n=len(trials)) if len(trials) >= ATTEMPTS else None
    others = {name: Score.read(one) for name, one in about.get(OTHER_SCORES, {}).items()}
    facts = {
        "point": point,
        "trial": trial.number,
        "state": state,
        "params": {key: trial.params.get(key, params.get(key)) for key in {**params, **trial.params}},
        "score": Score.read(about[SCORE]) if state == "done" else None,
        "other_scores": others,
        "loss": about.get(LOSS),
        **{key: about.get(key) for key in TRAINING},
        "best_so_far": about.get(BEST) if state == "stopped" else None,
        "reason": reason,
        "folder": about.get(FOLDER),
        "host": about.get(WORKER, {}).get("host"),
    }
    return Trial.model_validate(facts)


def importance(study: Study) -> dict[str, float]:
    """Share of each key in what tells good trials from the others; the shares add up to one.

    Reference: Watanabe, Bansal, Hutter (2023), PED-ANOVA, doi:10.24963/ijcai.2023/488
    """
    import optuna

    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {key: float(value) for key, value in shares.items()}


def to_csv(result: SearchResult) -> str:
    """One line for each point."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    keys, others = [d.key for d in result.dimensions], result.other_scores
    heads = [f"{name}{end}" for name in (result.objective, *others) for end in COLUMNS]
    writer.writerow(["trial", "state", *keys, *heads, "validation_loss", *TRAINING, "reason", "folder"])
    for one in result.trials:
        values: list[object] = [one.trial, one.state, *(written(one.params.get(key, "")) for key in keys)]
        for score in (one.score, *(one.other_scores.get(name) for name in others)):
            values += cells(score)
        values += [one.loss, *(getattr(one, key) for key in TRAINING), one.reason, one.folder]
        writer.writerow([cell(value) for value in values])
    return out.getvalue()

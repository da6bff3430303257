"""What a search found: its trials in order, which keys matter, and the best one with what its score is worth."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lamelle.io.atomic import cell
from lamelle.messages import text
from lamelle.metrics.intervals import COLUMNS, cells
from lamelle.reports.searching import LOSS
from lamelle.results.scores import Score
from lamelle.studies.search.dimensions import written
from lamelle.studies.search.points import ATTEMPTS, ERROR, FOLDER, POINT, WORKER, died
from lamelle.studies.search.trying import BEST, KEPT, Setting

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

_FEWEST = 8
"""Trials below which nothing is said about the importance of keys."""


def collect(study: Study, setting: Setting, points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The content of ``scores.json``, without the scores of runs that were trained again."""
    standing: dict[int, list[FrozenTrial]] = {}
    for trial in study.get_trials(deepcopy=False):
        if (point := trial.user_attrs.get(POINT)) is not None:
            standing.setdefault(point, []).append(trial)
    rows = [_row(point, standing.get(point, []), params) for point, params in enumerate(points)]
    rows.sort(key=lambda row: (row["trial"] is None, row["trial"]))
    done = [row for row in rows if row["state"] == "done"]
    best = min(done, key=lambda row: (-setting.sign * row["value"], row["trial"])) if done else None
    return {
        "objective": setting.objective,
        "less": setting.less,
        "sampler": setting.sampler,
        "pruner": setting.pruner,
        "dimensions": [d.describe() | {"log": d.log} for d in setting.dimensions],
        "trials": rows,
        "best": best["trial"] if best else None,
        "alike": sum(_alike(row, best) for row in done) if best else 0,
        "importance": importance(study) if len(done) >= _FEWEST else {},
        "beside": [name for name in _beside(rows) if name != setting.objective],
        "test": None,
        "seeds": 0,
    }


def _row(point: int, trials: Sequence[FrozenTrial], params: Mapping[str, Any]) -> dict[str, Any]:
    """One point: of its trials the one that stands, which is the last unless an earlier one was done."""
    known = [t for t in trials if not died(t)]
    trial = known[0] if known else trials[-1] if trials else None
    if trial is None:
        return {"point": point, "trial": None, "state": "waiting", "params": dict(params), "value": None}
    about = trial.user_attrs
    names = {"COMPLETE": "done", "PRUNED": "stopped", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting"}
    state, reason = names[trial.state.name], about.get(ERROR)
    if died(trial):
        state, reason = "waiting", text("tune.died", n=len(trials)) if len(trials) >= ATTEMPTS else None
    score = about.get("score") or {}
    return {
        "point": point,
        "trial": trial.number,
        "state": state,
        "params": {key: trial.params.get(key, params.get(key)) for key in {**params, **trial.params}},
        "value": trial.value if state == "done" else None,
        **{key: score.get(key) for key in ("low", "high", "n", "unit", "level", "of")},
        "without": score.get("reason"),
        **{key: about.get(key) for key in KEPT},
        "until": about.get(BEST) if state == "stopped" else None,
        "beside": about.get("beside") or {},
        "reason": reason,
        "folder": about.get(FOLDER),
        "host": (about.get(WORKER) or {}).get("host"),
    }


def _alike(row: Mapping[str, Any], best: Mapping[str, Any]) -> bool:
    """Whether a trial's score lies in the interval of the best one's."""
    return best["low"] is not None and best["low"] <= row["value"] <= best["high"]


def importance(study: Study) -> dict[str, float]:
    """Share of each key in what tells good trials from the others; the shares add up to one.

    Reference: Watanabe, Bansal, Hutter (2023), PED-ANOVA, doi:10.24963/ijcai.2023/488
    """
    import optuna

    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {key: float(value) for key, value in found.items()}


def _beside(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Scores that are shown beside that of the search."""
    return list(dict.fromkeys(name for row in rows for name in row.get("beside") or {}))


def to_csv(content: Mapping[str, Any]) -> str:
    """One line for each point."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    keys = [d["key"] for d in content["dimensions"]]
    beside = content["beside"]
    heads = [f"{name}{end}" for name in (content["objective"], *beside) for end in ([""] if name == LOSS else COLUMNS)]
    writer.writerow(["trial", "state", *keys, *heads, *KEPT, "reason", "folder"])
    for row in content["trials"]:
        params = [written(row["params"][k]) if k in row["params"] else "" for k in keys]
        scored = {**row, "reason": row["without"]} if row["value"] is not None else {}
        values = [row["trial"], row["state"], *params, *cells(Score.read(scored) if scored else None)]
        for name in beside:
            one = (row.get("beside") or {}).get(name) or {}
            values += [one.get("value")] if name == LOSS else cells(Score.read(one) if one else None)
        values += [row.get(k) for k in KEPT]
        values += [row.get("reason"), row.get("folder")]
        writer.writerow([cell(v) for v in values])
    return out.getvalue()

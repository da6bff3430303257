"""The numbers of a comparison: each variant with its interval, each difference with the answer whether it is noise."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from lamelle.errors import RequestError
from lamelle.evaluation import IntervalOptions, Units, units_of
from lamelle.metrics.intervals import bootstrap_weights
from lamelle.package import DESCRIPTION
from lamelle.run import RunFolder
from lamelle.tasks.base import Row, Task

_HISTORY = ("train_accuracy", "train_loss", "accuracy", "loss")


@dataclass(frozen=True, slots=True)
class Line:
    """One variant: means over its seeds."""

    name: str
    seeds: int
    scores: Mapping[str, Mapping[str, Any]]
    """Score → value, low, high, n, unit, and ``spread``: standard deviation over the seeds."""
    history: Mapping[str, float | None]
    """Accuracy and loss of training and validation at the epoch that was kept."""
    seconds: float | None
    epochs: float | None
    trainable: int | None
    parameters: int | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One variant against the first one, on the same items."""

    name: str
    reference: str
    score: str
    value: float
    low: float
    high: float
    p: float
    """Corrected for the number of comparisons (Holm)."""
    noise: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that the pages and tables of a study show."""

    score: str
    """The score that decides."""
    lines: tuple[Line, ...]
    differences: tuple[Difference, ...]
    unit: str
    n: int
    level: float


def compare(
    task: Task,
    runs: Mapping[str, Sequence[RunFolder]],
    *,
    scores: Sequence[str],
    decides: str,
    options: IntervalOptions,
) -> Comparison:
    """Means over seeds with intervals, and paired differences to the first variant.

    Items (or groups, slices, blocks: what the scores of one run resample) are drawn once for all runs, and with them
    seeds are drawn within each variant, so that an interval holds both kinds of chance. p is twice the share of
    draws on the other side of nought, corrected by Holm's method over the variants.

    Raises:
        RequestError: If the runs were not scored on the same images.

    Reference: Holm (1979), Scand. J. Statist. 6, 65–70; Davison and Hinkley (1997), chapter 4
    """
    tables = {name: [_rows(run) for run in each] for name, each in runs.items()}
    first = next(iter(tables.values()))[0]
    units = units_of(first)
    items = [row["id"] for row in units.rows]
    prepared: dict[str, list[Any]] = {}
    for name, each in tables.items():
        prepared[name] = [_table(task, rows, items) for rows in each]
    names = [s for s in scores if not (units.unit == "block" and s.startswith("image_"))]
    drawn: dict[str, list[np.ndarray]] = {}
    statistic = partial(_statistic, task, prepared, names, decides, drawn)
    m = max(1, len(runs) - 1)
    shared = {"n": len(units.rows), "groups": units.groups, "resamples": options.resamples, "seed": options.seed}
    found = bootstrap_weights(statistic, level=options.level, method="percentile", unit=units.unit, **shared)
    drawn.clear()
    # Bonferroni's level for the intervals of the differences; Holm's for their p
    wide = bootstrap_weights(
        statistic, level=1 - (1 - options.level) / m, method="percentile", unit=units.unit, **shared
    )
    lines = []
    for name, each in runs.items():
        per_seed = [task.summarise(table, np.ones((1, len(items)))) for table in prepared[name]]
        scored = {
            s: asdict(found[f"{name}\0{s}"]) | {"spread": _spread([float(p[s][0]) for p in per_seed])} for s in names
        }
        lines.append(_line(name, each, scored))
    differences = _differences(wide, drawn, list(runs), decides, 1 - options.level)
    some = next(iter(found.values()))
    return Comparison(decides, tuple(lines), differences, some.unit, some.n, options.level)


def _statistic(
    task: Task,
    prepared: Mapping[str, Sequence[Any]],
    names: Sequence[str],
    decides: str,
    drawn: dict[str, list[np.ndarray]],
    weights: np.ndarray,
) -> dict[str, np.ndarray]:
    """Every score [B] of every variant, and differences to the first, which are also kept in ``drawn``."""
    found: dict[str, np.ndarray] = {}
    for variant, each in prepared.items():
        scored = [task.summarise(table, weights) for table in each]
        chosen = _seeds(len(each), len(weights), variant)
        for score in names:
            values = np.stack([s[score] for s in scored])
            found[f"{variant}\0{score}"] = np.take_along_axis(values, chosen, 0).mean(0)
    reference = next(iter(prepared))
    for variant in list(prepared)[1:]:
        found[f"{variant}\0−"] = found[f"{variant}\0{decides}"] - found[f"{reference}\0{decides}"]
        drawn.setdefault(variant, []).append(found[f"{variant}\0−"])
    return found


def _differences(
    wide: Mapping[str, Any], drawn: Mapping[str, list[np.ndarray]], names: Sequence[str], score: str, alpha: float
) -> tuple[Difference, ...]:
    raw = {}
    for name in names[1:]:
        draws = np.concatenate(drawn[name][1:])  # the first is the value itself
        draws = draws[~np.isnan(draws)]
        tail = min((draws <= 0).sum(), (draws >= 0).sum())
        raw[name] = min(1.0, 2 * (tail + 1) / (len(draws) + 1)) if len(draws) else math.nan
    corrected = holm(raw)
    found = []
    for name in names[1:]:
        one = wide[f"{name}\0−"]
        sure = corrected[name] < alpha and not (one.low <= 0 <= one.high)
        found.append(Difference(name, names[0], score, one.value, one.low, one.high, corrected[name], not sure))
    return tuple(found)


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """p values corrected for their number, never smaller than those before them.

    Example:
        >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
        {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    corrected, largest = {}, 0.0
    for rank, name in enumerate(sorted(p, key=lambda k: p[k])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[name]))
        corrected[name] = largest
    return {name: corrected[name] for name in p}


def to_csv(comparison: Comparison) -> str:
    """One line for each variant."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    scores = list(comparison.lines[0].scores)
    head = ["variant", "seeds"]
    for score in scores:
        head += [score, f"{score}_low", f"{score}_high", f"{score}_spread"]
    writer.writerow([*head, *_HISTORY, "seconds", "epochs", "trainable", "parameters", "difference", "p", "noise"])
    against = {d.name: d for d in comparison.differences}
    for line in comparison.lines:
        row: list[Any] = [line.name, line.seeds]
        for score in scores:
            one = line.scores[score]
            row += [one["value"], one["low"], one["high"], one["spread"]]
        row += [line.history.get(key) for key in _HISTORY]
        row += [line.seconds, line.epochs, line.trainable, line.parameters]
        d = against.get(line.name)
        row += [d.value, d.p, d.noise] if d else ["", "", ""]
        writer.writerow(["" if v is None else f"{v:.6g}" if isinstance(v, float) else v for v in row])
    return out.getvalue()


def _rows(run: RunFolder) -> list[Row]:
    return list(run.read_json(run.rows))


def _table(task: Task, rows: list[Row], items: Sequence[str]) -> Any:
    units: Units = units_of(rows)
    if [row["id"] for row in units.rows] != list(items):
        raise RequestError("study.other_images")
    return task.table(units.rows)


def _seeds(seeds: int, draws: int, variant: str) -> np.ndarray:
    """Which seeds each draw takes [seeds, draws]; each once for the value itself."""
    if draws == 1 or seeds == 1:
        return np.repeat(np.arange(seeds)[:, None], draws, axis=1)
    random = np.random.default_rng([seeds, draws, *variant.encode()])
    return random.integers(0, seeds, (seeds, draws))


def _spread(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _line(name: str, runs: Sequence[RunFolder], scores: Mapping[str, Any]) -> Line:
    kept, about = [], []
    for run in (part for each in runs for part in each.parts()):
        about.append(json.loads((run.model / DESCRIPTION).read_text(encoding="utf-8"))["provenance"])
        with run.history.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        best = [row for row in rows if row["epoch"] == str(about[-1]["best_epoch"])]
        kept.append((best or rows)[-1])

    def mean(values: Sequence[Any]) -> float | None:
        known = [float(v) for v in values if v not in (None, "")]
        return sum(known) / len(known) if known else None

    return Line(
        name,
        len(runs),
        scores,
        {key: mean([row.get(key) for row in kept]) for key in _HISTORY},
        mean([a.get("seconds") for a in about]),
        mean([a.get("epochs") for a in about]),
        about[0].get("trainable"),
        about[0].get("parameters"),
    )

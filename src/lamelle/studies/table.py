"""The numbers of a comparison: each variant with its interval, each difference with the answer whether it is noise."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from lamelle.errors import RequestError
from lamelle.evaluation.measure import units_of
from lamelle.io.atomic import cell
from lamelle.metrics.differences import Paired, holm, paired, with_seeds
from lamelle.metrics.intervals import COLUMNS, IntervalOptions, Units, cells
from lamelle.metrics.names import limits, of_images
from lamelle.prediction.package import DESCRIPTION
from lamelle.results import history
from lamelle.results.items import ItemStats
from lamelle.results.scores import MeanScore, Score
from lamelle.results.studies import EPOCH_COLUMNS, Comparison, ComparisonLine, Difference
from lamelle.runs.folder import RunFolder
from lamelle.tasks.base import Task
from lamelle.tasks.scoring import Table

_COUNTS = ("trainable", "parameters", "parameters_with_statistics")


def compare(
    task: Task,
    runs: Mapping[str, Sequence[RunFolder]],
    *,
    scores: Sequence[str],
    decides: str,
    options: IntervalOptions,
    seen_from: Path = Path(),
) -> Comparison:
    """Means over seeds with intervals, and paired differences to the first variant.

    The units are those of one run's intervals. Several seeds of a variant add what they differ by to the variance. Each
    difference has an interval and a p of the exchange test, corrected by Holm's method over the variants.

    Args:
        seen_from: The folder of the table, from which the runs are named.

    Raises:
        RequestError: If the runs were not scored on the same images.

    Reference: Holm (1979), Scand. J. Statist. 6, 65–70
    """
    read = {name: [run.read_stats() for run in each] for name, each in runs.items()}
    shared = units_of(next(iter(read.values()))[0])
    items = [one.id for one in shared.items]
    tables = {name: [_table(task, stats, items) for stats in each] for name, each in read.items()}
    names = [s for s in scores if not (shared.unit == "block" and of_images(s))]
    units = Units.of(len(items), shared.groups, shared.unit)
    lines = []
    for name, each in tables.items():
        made = [task.intervals(table, units=units, options=options) for table in each]
        lines.append(_line(name, runs[name], {s: _over_seeds(s, [m[s] for m in made]) for s in names}, seen_from))
    return Comparison(
        score=decides,
        lines=tuple(lines),
        differences=_differences(task, tables, decides, units, options),
        unit=units.name,
        n=units.n,
        level=options.level,
    )


def _over_seeds(score: str, made: Sequence[Score]) -> MeanScore:
    """One score of all trainings of a variant: the mean, an interval of both kinds of chance, and the spread.

    What one training lacks, the mean lacks: it has the n and the reason of that one, and how many are ``lacking`` it.
    """
    without = [one for one in made if math.isnan(one.value)] or [one for one in made if math.isnan(one.low)]
    least = min(without or made, key=lambda one: one.n)
    values = [one.value for one in made]
    mean = float(np.mean(values))
    low, high = (float(np.mean([getattr(one, end) for one in made])) for end in ("low", "high"))
    if len(made) > 1 and not math.isnan(low):
        low, high = with_seeds(mean, (low, high), least.n, [values], least.level)
        low, high = (float(np.clip(end, *limits(score))) for end in (low, high))
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    about = {"spread": spread, "seeds": len(made), "lacking": len(without)}
    return MeanScore(**asdict(replace(least, value=mean, low=low, high=high)), **about)


def _differences(
    task: Task, tables: Mapping[str, Sequence[Table]], score: str, units: Units, options: IntervalOptions
) -> tuple[Difference, ...]:
    """Each variant against the first one; Bonferroni's level for the intervals, Holm's correction for p."""
    reference, *names = tables
    wide = replace(options, level=1 - (1 - options.level) / max(1, len(names)))
    pairs = {name: _paired(task, tables[name], tables[reference], score, units, wide) for name in names}
    corrected = holm({name: one.p for name, one in pairs.items()})
    return tuple(
        Difference(
            name=name,
            reference=reference,
            score=score,
            value=one.value,
            low=one.low,
            high=one.high,
            p=corrected[name],
            noise=not corrected[name] < 1 - options.level,
            n=one.n,
        )
        for name, one in pairs.items()
    )


def _paired(
    task: Task, of_a: Sequence[Table], of_b: Sequence[Table], score: str, units: Units, options: IntervalOptions
) -> Paired:
    """One variant minus another: each training of one beside one of the other, as often as it takes."""
    count = math.lcm(len(of_a), len(of_b))
    beside = [(of_a[i % len(of_a)], of_b[i % len(of_b)]) for i in range(count)]
    both = [{key: np.concatenate([a[key], b[key]]) for key in a} for a, b in beside]

    def scored(for_a: np.ndarray, for_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sides = [(task.summarise(t, for_a)[score], task.summarise(t, for_b)[score]) for t in both]
        return np.stack([a for a, _ in sides], axis=1), np.stack([b for _, b in sides], axis=1)

    once = np.ones((1, len(units.member)))
    seeds = tuple([float(task.summarise(table, once)[score][0]) for table in side] for side in (of_a, of_b))
    imagined = task.imagined(score, beside[0], units)
    return paired(scored, units=units, options=options, imagined=imagined, seeds=(seeds[0], seeds[1]))


def to_csv(comparison: Comparison) -> str:
    """One line for each variant; no two columns have one name."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    scores = list(comparison.lines[0].scores)
    head = ["variant", "seeds"]
    for score in scores:
        head += [*(f"{score}{end}" for end in COLUMNS), f"{score}_spread"]
    epoch = [name if name.startswith("train_") else f"validation_{name}" for name in EPOCH_COLUMNS]
    writer.writerow([*head, *epoch, "seconds", "epochs", *_COUNTS, "difference", "p", "noise"])
    against = {d.name: d for d in comparison.differences}
    for line in comparison.lines:
        row: list[object] = [line.name, line.seeds]
        for score in scores:
            one = line.scores[score]
            row += [*cells(one), one.spread]
        row += [line.history.get(key) for key in EPOCH_COLUMNS]
        row += [line.seconds, line.epochs, *(getattr(line, key) for key in _COUNTS)]
        d = against.get(line.name)
        row += [d.value, d.p, d.noise] if d else ["", "", ""]
        writer.writerow([cell(v) for v in row])
    return out.getvalue()


def _seen(path: Path, place: Path) -> str:
    """A path as seen from a folder; the whole path where it lies on another drive."""
    try:
        return Path(os.path.relpath(path, place)).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def _table(task: Task, stats: Sequence[ItemStats], items: Sequence[str]) -> Table:
    units = units_of(stats)
    if [one.id for one in units.items] != list(items):
        raise RequestError("study.other_images")
    return task.table([one.values for one in units.items])


def _line(name: str, runs: Sequence[RunFolder], scores: Mapping[str, MeanScore], seen_from: Path) -> ComparisonLine:
    kept, about = [], []
    for run in (part for each in runs for part in each.parts()):
        about.append(run.read_json(run.model / DESCRIPTION)["provenance"])
        kept.append(history.kept(run.read_history(), about[-1]["best_epoch"]))
    return ComparisonLine(
        name=name,
        seeds=len(runs),
        scores=dict(scores),
        history={key: _mean([epoch.column(key) for epoch in kept]) for key in EPOCH_COLUMNS},
        seconds=_mean([a.get("seconds") for a in about]),
        epochs=_mean([a.get("epochs") for a in about]),
        runs=tuple(_seen(run.path, seen_from) for run in runs),
        **{key: about[0].get(key) for key in _COUNTS},
    )


def _mean(values: Sequence[float | None]) -> float | None:
    numbers = [float(v) for v in values if v is not None]
    return sum(numbers) / len(numbers) if numbers else None

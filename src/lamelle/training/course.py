"""The whole course of a training: written down, trained, scored on the test set, reported; once, or for each fold."""

from __future__ import annotations

import sys
from collections import Counter
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from lamelle import plan as plans
from lamelle.data import split
from lamelle.data.store import Store
from lamelle.doctor.diagnosis import in_short
from lamelle.evaluation import headline, interval_options, score_run, score_validation, write_scores
from lamelle.messages import text
from lamelle.plan import Plan
from lamelle.recipe import Section, merge
from lamelle.reports.page import write_report
from lamelle.run import RunFolder, environment
from lamelle.tasks.base import Row
from lamelle.training import resources, session
from lamelle.training.loop import NonFinite
from lamelle.training.network import Built, build
from lamelle.training.progress import Progress


def write_down(run: RunFolder, plan: Plan) -> None:
    """What the run is about, before it starts."""
    run.write_text(run.recipe, plan.recipe.to_yaml())
    run.write_text(run.split, split.to_csv(plan.records))
    run.write_json(run.audit, plan.audit.to_json())
    about = environment(resolved={"seed": plan.recipe.train.seed}, argv=sys.argv[1:])
    run.write_json(run.environment, about | {"split_by": plan.split_by, "planned": dict(plan.planned)})


def begin(plan: Plan, runs: Path, name: str, store: Store, progress: Progress) -> RunFolder:
    """A new Run of a plan, from its first file to its report."""
    for line in (lines := describe(plan)):
        progress.say(line)
    built = build(plan)  # before there is a folder: what cannot be built leaves none
    run = RunFolder.create(runs, name)
    write_down(run, plan)
    for line in lines:
        run.note(line)
    work(plan, built, run, store, progress, resume=False)
    return run


def describe(plan: Plan) -> list[str]:
    """The plan in a few lines for people."""
    n = Counter(r.split for r in plan.records)
    statistics = plan.audit.statistics
    size, classes = "×".join(map(str, statistics.size_median)), ", ".join(plan.task.classes)
    counts = {name: n[name] for name in ("train", "validation", "test", "gap")}
    about = {"layout": plan.index.layout, "task": plan.task.name, "size": size, "classes": classes}
    lines = [
        text("verbs.plan_data", n=len(plan.records), **about),
        text("verbs.plan_split", by=text(f"verbs.by_{plan.split_by}"), **counts),
    ]
    if plan.planned:
        by_section: dict[str, list[str]] = {}
        for key, value in plan.planned.items():
            section, _, name = key.partition(".")
            by_section.setdefault(section, []).append(f"{name}={_short(value)}")
        lines += [text("verbs.plan_keys", section=s, keys=" ".join(each)) for s, each in by_section.items()]
    return lines


def _short(value: object) -> str:
    return str(value).replace(" ", "")


def work(plan: Plan, built: Built, run: RunFolder, store: Store, progress: Progress, *, resume: bool) -> list[Row]:
    """Train, evaluate on the test set, report.

    Returns:
        The rows of the test set.
    """
    with run.held():
        try:
            package = session.train(plan, built, run, store, progress, resume=resume)
            rows = score_run(run, package, plan.of("test"), store, interval_options(plan.recipe))
        except NonFinite as error:
            run.write_json(run.stopped, {"code": error.code, "values": error.values})
            raise
        finally:
            progress.close()
        write_report(run, store)
    for line in [*headline(run.read_json(run.scores)), *in_short(run)]:
        progress.say(line)
        run.note(line)
    return rows


def try_out(plan: Plan, runs: Path, name: str, store: Store, progress: Progress) -> tuple[RunFolder, dict[str, Any]]:
    """Train a plan afresh and score its best epoch on the validation set; the test set is not opened.

    Returns:
        The Run, which has a model and no predictions, and the content of its ``scores.json``.
    """
    built = build(plan)
    run = RunFolder.create(runs, name)
    write_down(run, plan)
    with run.held():
        try:
            package = session.train(plan, built, run, store, progress, resume=False)
        finally:
            progress.close()
    return run, score_validation(run, package, plan.of("validation"), store, interval_options(plan.recipe))


def cross_validate(
    data: Path, asked: Section, folds: int, name: str, runs: Path, store: Store, progress: Progress
) -> RunFolder:
    """Train each fold as a run of its own, and pool the scores of what each has not seen.

    Returns:
        The folder of all folds, with the pooled scores.
    """
    whole = RunFolder.create(runs, f"{name}-folds")
    rows: list[Row] = []
    plan = None
    for fold in range(folds):
        one = merge(deepcopy(asked), {"split": {"fold": fold}})
        plan = plans.make(data, one, store, accelerator=resources.has_accelerator())
        run = RunFolder.create(whole.path, f"fold{fold}")
        write_down(run, plan)
        progress.say(text("verbs.fold", fold=fold + 1, folds=folds))
        rows += work(plan, build(plan), run, store, progress, resume=False)
    assert plan is not None  # plans.make refuses fewer than three folds
    unfolded = plan.recipe.model_copy(update={"split": plan.recipe.split.model_copy(update={"fold": None})})
    write_down(whole, replace(plan, recipe=unfolded))
    scores = write_scores(whole, plan.task, rows, interval_options(plan.recipe), split="folds", fitted={})
    for line in headline(scores):
        progress.say(line)
    write_report(whole, store)
    return whole

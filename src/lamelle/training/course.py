"""The whole course of a training: written down, trained, scored on the test set, reported; once, or for each fold."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from lamelle import plan as plans
from lamelle import recipe as recipes
from lamelle.data import seen, split
from lamelle.data.groups.decide import said_of_split
from lamelle.data.store import Store
from lamelle.doctor.diagnosis import in_short
from lamelle.durations import spelled
from lamelle.errors import graded, sentence
from lamelle.evaluation import headline, interval_options, read_rows, score_run, score_validation, write_scores
from lamelle.keys import TrainKeys
from lamelle.messages import text
from lamelle.package import Package
from lamelle.plan import Plan
from lamelle.recipe import Section, merge, validate
from lamelle.reports.page import write_report
from lamelle.run import RunFolder, environment
from lamelle.tasks.base import Row
from lamelle.training import resources, session
from lamelle.training.loop import NonFinite
from lamelle.training.network import Built, build
from lamelle.training.progress import Progress
from lamelle.training.request import differing
from lamelle.training.sizing import fitted


def write_down(run: RunFolder, plan: Plan) -> None:
    """What the run is about, before it starts."""
    run.write_text(run.recipe, plan.recipe.to_yaml())
    run.write_text(run.split, split.to_csv(plan.records, plan.contents))
    run.write_json(run.audit, plan.audit.to_json())
    about = environment(resolved={"seed": plan.recipe.train.seed}, argv=sys.argv[1:])
    run.write_json(run.environment, about | {"split_by": plan.split_by, "planned": dict(plan.planned)})


def start(data: Path, asked: Section, runs: Path, name: str, store: Store, progress: Progress) -> RunFolder:
    """A new Run of a request; of a cross-validation, one Run for each fold inside of it, and their pooled scores."""
    if folds_of(asked):
        return _cross_validate(data, asked, runs, name, store, progress)
    plan = _plan(data, asked, store)
    return begin(plan, _say(describe(plan), progress), runs, name, store, progress)


def go_on(run: RunFolder, store: Store, progress: Progress) -> None:
    """Finish a Run that was stopped, from where it stands.

    Raises:
        RequestError: If images or labels are no longer what they were when the data were split.
    """
    if not run.begun and not folds_of(asked := run.read_recipe()):
        plan = _plan(Path(asked["data"]["path"]), asked, store)
        write_down(run, plan)
        _say([text("train.begun_anew")], progress)
        work(plan, build(plan), run, store, progress, resume=False)
        return
    plan = plans.reopen(run, store)
    changes = plans.changed(plan, store)
    changes.refuse("split.changed_resume", among=plan.contents, run=run.path, data=plan.recipe.data.path)
    _say([sentence(problem) for problem in changes.problems()], progress)
    if folds_of(run.read_recipe()):
        _each_fold(run, store, progress)
        return
    work(plan, build(plan), run, store, progress, resume=True)


def folds_of(asked: Section) -> int:
    """Over how many folds a request is cross-validated; 0 = it is about one split, or one fold.

    Raises:
        RequestError: If what it says of the split cannot be.
    """
    keys = validate({"split": asked.get("split", {})}).split
    return keys.folds if keys.fold is None else 0


def training_keys(asked: Section) -> TrainKeys:
    """What a request says of the training, before the data say anything.

    Raises:
        RequestError: If a key breaks its rule.
    """
    return validate({"train": asked.get("train", {})}).train


def _plan(data: Path, asked: Section, store: Store) -> Plan:
    resources.device_of(training_keys(asked))
    return fitted(plans.make(data, asked, store, accelerator=resources.has_accelerator()))


def begin(plan: Plan, said: Sequence[str], runs: Path, name: str, store: Store, progress: Progress) -> RunFolder:
    """A new Run of a plan, from its first file, with what was said of the plan in its log, to its report."""
    built = build(plan)  # before there is a folder: what cannot be built leaves none
    run = RunFolder.create(runs, name)
    write_down(run, plan)
    for line in said:
        run.note(line)
    work(plan, built, run, store, progress, resume=False)
    return run


def _say(lines: list[str], progress: Progress) -> list[str]:
    for line in lines:
        progress.say(line)
    return lines


def describe(plan: Plan) -> list[str]:
    """The plan in a few lines for people."""
    n, keys = Counter(r.split for r in plan.records), plan.recipe.train
    statistics = plan.audit.statistics
    size, classes = "×".join(map(str, statistics.size_median)), ", ".join(plan.task.classes)
    counts = {name: n[name] for name in ("train", "validation", "test", "gap")}
    about = {"layout": plan.index.layout, "task": plan.task.name, "size": size, "classes": classes}
    lines = [
        text("verbs.plan_data", n=len(plan.records), **about),
        text("verbs.plan_split", by=text(f"verbs.by_{plan.split_by}"), **counts),
        *graded(said_of_split(plan.audit.problems)),
    ]
    if keys.budget is not None and not keys.knots:
        lines.append(text("verbs.plan_budget", budget=spelled(keys.budget)))
    lines += differing(plan.recipe)
    if plan.planned:
        by_section: dict[str, list[str]] = {}
        for key, value in plan.planned.items():
            section, _, name = key.partition(".")
            by_section.setdefault(section, []).append(f"{name}={_short(value)}")
        lines += [text("verbs.plan_keys", section=s, keys=" ".join(each)) for s, each in by_section.items()]
    return [*lines, *graded(plan.problems, least="warning")]


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
            learnt = [record for name in seen.LEARNT for record in plan.of(name)]
            run.write_bytes(run.signatures, seen.to_bytes(seen.signatures_of(learnt, plan.audit.rows, store)))
            rows = _scored(run, package, plan, store)
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


def _scored(run: RunFolder, package: Package, plan: Plan, store: Store) -> list[Row]:
    options = interval_options(plan.recipe)
    return score_run(run, package, plan.of(plan.judged), store, options, split=plan.judged)


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


def _cross_validate(data: Path, asked: Section, runs: Path, name: str, store: Store, progress: Progress) -> RunFolder:
    """Write down what all folds share, as the first fold plans it, and train them."""
    plan = _plan(data, merge(deepcopy(asked), {"split": {"fold": 0}}), store)
    _say(describe(plan), progress)
    build(plan)  # before there is a folder: what cannot be built leaves none
    whole = RunFolder.create(runs, name)
    shared = plan.recipe.model_copy(update={"split": plan.recipe.split.model_copy(update={"fold": None})})
    problems = tuple(p for p in plan.audit.problems if not p.code.startswith(plans.OF_ONE_SPLIT))
    write_down(whole, replace(plan, recipe=shared, audit=replace(plan.audit, problems=problems)))
    _each_fold(whole, store, progress, first=plan)
    return whole


def _each_fold(whole: RunFolder, store: Store, progress: Progress, *, first: Plan | None = None) -> None:
    """Train what is not done, each fold as a Run of its own, and pool the scores of what each has not seen.

    Args:
        first: Plan of the first fold, of which all has been said.
    """
    asked = whole.read_recipe()
    folds, rows, each = folds_of(asked), list[Row](), list[dict[str, Any]]()
    with whole.held():
        for fold in range(folds):
            progress.say(text("verbs.fold", fold=fold + 1, folds=folds))
            run = RunFolder(whole.path / f"fold{fold}")
            if not run.begun:
                shutil.rmtree(run.path, ignore_errors=True)  # what a kill left before it was written down
                again = merge(deepcopy(asked), {"split": {"fold": fold}})
                plan = first if first and fold == 0 else _plan(Path(asked["data"]["path"]), again, store)
                said = describe(plan) if plan is first else _say(describe(plan), progress)
                begin(plan, said, whole.path, run.path.name, store, progress)
            elif not run.done:
                go_on(run, store, progress)
            rows += read_rows(run)
            each.append(run.read_json(run.scores))
        pooled, options = plans.reopen(whole), interval_options(recipes.validate(asked))
        scores = write_scores(whole, pooled.task, rows, options, split="folds", fitted={}, folds=each)
        write_report(whole, store)
    for line in headline(scores):
        progress.say(line)

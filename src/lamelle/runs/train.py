"""The whole course of a training: plan saved, trained, scored on the test set; once, or for each fold.

What is made of a scored Run (its page, what the doctor says) is made by rooms above: `Finish` hears of each.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

from lamelle.data import training_overlap
from lamelle.data.groups.decide import problems_of_split
from lamelle.data.store import Store
from lamelle.durations import spelled
from lamelle.errors import graded, sentence
from lamelle.messages import text
from lamelle.prediction.package import Package
from lamelle.results.items import Failure, ItemStats
from lamelle.results.scores import Scores
from lamelle.runs import fit
from lamelle.runs import plan as plans
from lamelle.runs import recipe as recipes
from lamelle.runs.baseline import save_baseline
from lamelle.runs.data_pictures import save_data_pictures
from lamelle.runs.evaluate import headline, interval_options, read_items, score_run, score_validation, write_scores
from lamelle.runs.folder import RunFolder
from lamelle.runs.initial_model import InitialModel, build
from lamelle.runs.input_size import fitted
from lamelle.runs.layers import merge
from lamelle.runs.plan import Plan
from lamelle.runs.recipe import Section, validate
from lamelle.runs.request import differing
from lamelle.runs.saved_plan import data_changes, open_plan, save_plan
from lamelle.runs.scored_pictures import save_scored_pictures
from lamelle.training import resources
from lamelle.training.loop import NonFinite
from lamelle.training.options import Train
from lamelle.training.progress import Progress

Finish = Callable[[RunFolder], list[str]]
"""Hears of each Run that was scored, while it is locked; what it answers is said, and stands in the log of the Run."""


def start(
    data: Path, request: Section, runs: Path, name: str, store: Store, progress: Progress, finish: Finish
) -> RunFolder:
    """A new Run of a request; of a cross-validation, one Run for each fold inside of it, and their pooled scores."""
    if folds_of(request):
        return _cross_validate(data, request, runs, name, store, progress, finish)
    plan = planned(data, request, store)
    return start_planned(plan, _say(describe(plan), progress), runs, name, store, progress, finish)


def resume(run: RunFolder, store: Store, progress: Progress, finish: Finish) -> None:
    """Finish a Run that was stopped, from where it stands.

    Raises:
        RequestError: If images or labels are no longer what they were when the data were split.
    """
    if not run.begun and not folds_of(request := run.read_recipe()):
        plan = planned(Path(request["data"]["path"]), request, store)
        save_plan(run, plan)
        _say([text("train.begun_anew")], progress)
        train_and_score(plan, build(plan), run, store, progress, finish, resume=False)
        return
    plan = open_plan(run)
    changes = data_changes(run, plan, store)
    changes.refuse("split.changed_resume", among=plan.contents, run=run.path, data=plan.recipe.data.path)
    _say([sentence(problem) for problem in changes.problems()], progress)
    if folds_of(run.read_recipe()):
        _each_fold(run, store, progress, finish)
        return
    train_and_score(plan, build(plan), run, store, progress, finish, resume=True)


def folds_of(request: Section) -> int:
    """Over how many folds a request is cross-validated; 0 = it is about one split, or one fold.

    Raises:
        RequestError: If what it says of the split cannot be.
    """
    keys = validate({"split": request.get("split", {})}).split
    return keys.folds if keys.fold is None else 0


def training_keys(request: Section) -> Train:
    """What a request says of the training, before the data say anything.

    Raises:
        RequestError: If a key breaks its rule.
    """
    return validate({"train": request.get("train", {})}).train


def planned(data: Path, request: Section, store: Store) -> Plan:
    """The plan of a training of this request on this machine.

    Raises:
        RequestError: If the request cannot be met.
        DataError: If the data has errors; all are named.
    """
    resources.device_of(training_keys(request))
    return fitted(plans.make_plan(data, request, store, accelerator=resources.has_accelerator()))


def start_planned(
    plan: Plan, notes: Sequence[str], runs: Path, name: str, store: Store, progress: Progress, finish: Finish
) -> RunFolder:
    """A new Run of a plan, from its first file, with what was said of the plan in its log, to its report."""
    built = build(plan)  # before there is a folder: what cannot be built leaves none
    run = RunFolder.create(runs, name)
    save_plan(run, plan)
    for line in notes:
        run.note(line)
    train_and_score(plan, built, run, store, progress, finish, resume=False)
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
        *graded(problems_of_split(plan.audit.problems)),
    ]
    if keys.budget is not None and not keys.schedule_points:
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


def train_and_score(
    plan: Plan, built: InitialModel, run: RunFolder, store: Store, progress: Progress, finish: Finish, *, resume: bool
) -> list[ItemStats]:
    """Train, evaluate on the test set, finish.

    Returns:
        Statistics of the items of the test set.
    """
    with run.locked():
        if not run.pictures_list.is_file():
            save_data_pictures(run, plan, store)
        try:
            package = fit.train(plan, built, run, store, progress, resume=resume)
            learnt = [record for name in training_overlap.LEARNT for record in plan.of(name)]
            run.write_bytes(
                run.signatures,
                training_overlap.to_bytes(training_overlap.signatures_of(learnt, plan.audit.rows, store)),
            )
            items = _scored(run, package, plan, store)
            save_baseline(run, plan, package, store)
            save_scored_pictures(run, plan, run.read_scores().items, store)
        except NonFinite as error:
            run.write_failure(Failure(code=error.code, values=error.values))
            raise
        finally:
            progress.close()
        remarks = finish(run)
    for line in [*headline(run.read_scores()), *remarks]:
        progress.say(line)
        run.note(line)
    return items


def _scored(run: RunFolder, package: Package, plan: Plan, store: Store) -> list[ItemStats]:
    options = interval_options(plan.recipe)
    return score_run(run, package, plan.of(plan.judged), store, options, split=plan.judged)


def trial(plan: Plan, runs: Path, name: str, store: Store, progress: Progress) -> tuple[RunFolder, Scores]:
    """Train a plan afresh and score its best epoch on the validation set; the test set is not opened.

    Returns:
        The Run, which has a model and no predictions, and the content of its ``scores.json``.
    """
    built = build(plan)
    run = RunFolder.create(runs, name)
    save_plan(run, plan)
    with run.locked():
        try:
            package = fit.train(plan, built, run, store, progress, resume=False)
        finally:
            progress.close()
    return run, score_validation(run, package, plan.of("validation"), store, interval_options(plan.recipe))


def _cross_validate(
    data: Path, request: Section, runs: Path, name: str, store: Store, progress: Progress, finish: Finish
) -> RunFolder:
    """Write down what all folds share, as the first fold plans it, and train them."""
    plan = planned(data, merge(deepcopy(request), {"split": {"fold": 0}}), store)
    _say(describe(plan), progress)
    build(plan)  # before there is a folder: what cannot be built leaves none
    whole = RunFolder.create(runs, name)
    shared = plan.recipe.model_copy(update={"split": plan.recipe.split.model_copy(update={"fold": None})})
    problems = tuple(p for p in plan.audit.problems if not p.code.startswith(plans.OF_ONE_SPLIT))
    save_plan(whole, replace(plan, recipe=shared, audit=replace(plan.audit, problems=problems)))
    _each_fold(whole, store, progress, finish, first=plan)
    return whole


def _each_fold(
    whole: RunFolder, store: Store, progress: Progress, finish: Finish, *, first: Plan | None = None
) -> None:
    """Train what is not done, each fold as a Run of its own, and pool the scores of what each has not seen.

    Args:
        first: Plan of the first fold, of which all has been said.
    """
    request = whole.read_recipe()
    folds, items, each = folds_of(request), list[ItemStats](), list[Scores]()
    with whole.locked():
        for fold in range(folds):
            progress.say(text("verbs.fold", fold=fold + 1, folds=folds))
            run = RunFolder(whole.path / f"fold{fold}")
            if not run.begun:
                shutil.rmtree(run.path, ignore_errors=True)  # what a kill left before it was written down
                again = merge(deepcopy(request), {"split": {"fold": fold}})
                plan = first if first and fold == 0 else planned(Path(request["data"]["path"]), again, store)
                notes = describe(plan) if plan is first else _say(describe(plan), progress)
                start_planned(plan, notes, whole.path, run.path.name, store, progress, finish)
            elif not run.done:
                resume(run, store, progress, finish)
            items += read_items(run)
            each.append(run.read_scores())
        pooled, options = open_plan(whole), interval_options(recipes.validate(request))
        scores = write_scores(whole, pooled.task, items, options, split="folds", folds=each)
        save_data_pictures(whole, pooled, store)
        save_scored_pictures(whole, pooled, scores.items, store)
        finish(whole)
    for line in headline(scores):
        progress.say(line)

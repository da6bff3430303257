"""From models and images to explained cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lamelle.data.layouts.unlabelled import read_unlabelled
from lamelle.data.store import Store
from lamelle.errors import DataError, RequestError
from lamelle.explanation.choosing import ChosenCase, choose
from lamelle.explanation.explain import Attribution, ExplainedModel, ExplainOptions, explain
from lamelle.explanation.inside import Masks, checked, share_inside
from lamelle.messages import text
from lamelle.prediction.apply import readable
from lamelle.prediction.comparing import compare
from lamelle.runs.folder import RunFolder
from lamelle.runs.saved_plan import open_plan
from lamelle.types import Record

_SAID_EVERY = 20
"""Images between two lines about progress."""


@dataclass(frozen=True, slots=True)
class ExplainedCase:
    """One case with the maps of every model, and its mask."""

    case: ChosenCase
    maps: list[Attribution]
    mask: np.ndarray | None


def check_class_exists(subjects: Sequence[ExplainedModel], name: str) -> None:
    """See that every model knows a class.

    Raises:
        RequestError: If one does not.
    """
    for subject in subjects:
        subject.class_number(name)


def cases_of(
    run: Path,
    images: Sequence[Path],
    subject: ExplainedModel,
    store: Store,
    *,
    name: str | None,
    number: int,
    everything: bool,
) -> list[ChosenCase]:
    """The images that were named, else some of the Run's test set; see `given_cases` and `chosen_cases`."""
    if images:
        return given_cases(images, subject, store, name=name)
    return chosen_cases(run, subject, number=number, name=name, everything=everything)


def given_cases(paths: Sequence[Path], subject: ExplainedModel, store: Store, *, name: str | None) -> list[ChosenCase]:
    """Images that were named by whoever asks.

    Raises:
        RequestError: If nothing is found.
        DataError: If images cannot be read; all are named.
    """
    unlabelled = read_unlabelled(
        paths, dims=subject.package.dims, axes=subject.package.axes, volumes=subject.package.volumes
    )
    records, _, problems = readable(unlabelled.records, store, subject.package)
    if problems := [*unlabelled.problems, *problems]:
        raise DataError(problems)
    return [ChosenCase(record, "", "given", "", name) for record in records]


def chosen_cases(
    run: Path, subject: ExplainedModel, *, number: int, name: str | None, everything: bool
) -> list[ChosenCase]:
    """Right, wrong and uncertain images of a Run's test set; with ``everything`` all others after them.

    Raises:
        RequestError: If there is no finished Run (a package has no test set), its data is gone, or it has no case.
    """
    try:
        folder = RunFolder.open(run)
    except RequestError as error:
        raise RequestError("explain.no_run", path=run) from error
    items, plan = folder.read_scores().items, open_plan(folder)
    records = {record.id: record for record in plan.of(plan.judged)}
    cases = choose(items, records, subject.package.task.classes, number=number, only=name)
    if not cases:
        raise RequestError("explain.no_cases", name=name or "–", run=run)
    if everything:
        chosen = {case.record.id for case in cases}
        cases += [ChosenCase(r, "", "other", _truth(r), name) for i, r in records.items() if i not in chosen]
    return cases


def explain_cases(
    cases: Sequence[ChosenCase],
    subjects: Sequence[ExplainedModel],
    store: Store,
    options: ExplainOptions,
    *,
    masks: Masks | None,
    regions: Masks | None,
    say: Callable[[str], None] | None,
) -> Iterator[ExplainedCase]:
    """Explain each case by every model; all are asked about the class that the first is asked about.

    Args:
        masks: Of which the share of each map inside is taken.
        regions: What segmenters are asked about, instead of what they predict as the class.

    Raises:
        RequestError: If a model does not know a class, or there is no such layer.
        DataError: If nothing says what the values of some images mean to a model.
        FileError: If an image cannot be read, or a mask has another size than its image.
    """
    if given := [case.record for case in cases if case.kind == "given"]:
        for subject in subjects:
            compared = compare(subject.package, given, store, stated=None)
            subject.predictor.units = compared.units
            if say:
                for line in compared.lines():
                    say(line)
    for i, case in enumerate(cases):
        shape = store.image(case.record.image).shape[1:]
        region = checked(regions(case.record), case.record, shape) if regions else None
        mask = checked(masks(case.record), case.record, shape) if masks else None
        maps: list[Attribution] = []
        name = case.explained
        for subject in subjects:
            one = explain(subject, case.record, store, options, name=name, region=region, seed=i)
            name = one.explained
            maps.append(one if mask is None else replace(one, share=share_inside(one.values, mask)))
        if case.kind == "other":  # it is counted, not drawn: its pixels are not kept
            maps = [replace(one, image=np.empty(0), values=np.empty(0)) for one in maps]
        yield ExplainedCase(case, maps, mask)
        if say and ((i + 1) % _SAID_EVERY == 0 or i + 1 == len(cases)):
            say(text("explain.progress", done=i + 1, all=len(cases)))


def _truth(record: Record) -> str:
    return "|".join(record.names)

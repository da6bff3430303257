"""The table of the sections of a Run's page, in the order of the page; a new one is a row here and its function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from lamelle.messages import translated
from lamelle.registry import Registry
from lamelle.reports import (
    again,
    cases,
    dataset,
    drawers,
    external_evaluation,
    remarks,
    scores,
    summary,
    training,
    verdict,
)
from lamelle.reports.blocks import Block
from lamelle.reports.html import DrawnSection
from lamelle.runs.bundle import RunBundle

What = TypeVar("What")


@dataclass(frozen=True, slots=True)
class Section(Generic[What]):
    """One section of a page."""

    name: str
    """Its anchor."""
    title: str
    """In English; French stands in ``messages/fr/sections.toml`` under the kind of its table and its name."""
    draw: Callable[[What], Sequence[Block]]
    """What it shows; nothing, and it is left out."""
    needs: tuple[str, ...] = ()
    """Parts of what the page is about without which it is left out."""
    about: str = ""
    plain: bool = False
    """Whether it stands on top without a title of its own."""


def drawn(table: Registry[Section[What]], what: What) -> list[DrawnSection]:
    """The sections that have something to show.

    Args:
        what: What the page is about: of a Run its bundle.
    """
    found = []
    for row in table.values():
        if all(getattr(what, need) for need in row.needs) and (blocks := row.draw(what)):
            title = translated("sections", f"{table.kind}_{row.name}", row.title)
            found.append(DrawnSection(row.name, title, blocks, row.plain))
    return found


SECTIONS: Registry[Section[RunBundle]] = Registry(
    "section",
    Section("summary", "Summary", summary.draw, plain=True, about="what must be known, and the first scores"),
    Section(
        "beside",
        "Compared with its own test set",
        external_evaluation.beside,
        needs=("elsewhere",),
        about="each score on another folder and on the model's own test set",
    ),
    Section(
        "seen",
        "Images that the model has seen before",
        external_evaluation.seen,
        needs=("elsewhere",),
        about="training images among those of another folder",
    ),
    Section(
        "matched",
        "Classes",
        external_evaluation.matched,
        needs=("elsewhere",),
        about="which class of another folder is which of the model",
    ),
    Section("data", "Data", dataset.data, needs=("audit",), about="files, classes, grey levels, some images"),
    Section("split", "Split", dataset.split, needs=("split_by",), about="which images train, validate and test"),
    Section("scores", "Scores", scores.draw, needs=("scores",), about="all scores with intervals, also by class"),
    Section(
        "confusion",
        "Confusion matrix",
        drawers.figures_of("confusion"),
        needs=("scores",),
        about="figures: how often each class was taken for each",
    ),
    Section(
        "curves",
        "Curves",
        drawers.figures_of("curves"),
        needs=("scores",),
        about="figures: ROC, precision-recall, and what validation decided",
    ),
    Section(
        "calibration",
        "Calibration",
        drawers.figures_of("calibration"),
        needs=("scores",),
        about="figures: whether probabilities come true",
    ),
    Section("remarks", "Error patterns", remarks.draw, needs=("scores",), about="what the errors have in common"),
    Section("cases", "Best and worst cases", cases.draw, needs=("scores",), about="with truth and prediction"),
    Section("slices", "Slice by slice", cases.slices, needs=("scores",), about="volumes to look through"),
    Section(
        "errors", "Most confident errors", cases.errors, needs=("scores",), about="images that were classified wrongly"
    ),
    Section("doctor", "What the curves say", verdict.draw, about="what the doctor found"),
    Section(
        "training",
        "Training",
        training.draw,
        needs=("history", "plan"),
        about="loss and scores over the epochs, and what was done",
    ),
    Section(
        "warnings", "Warnings about the data", dataset.warnings, needs=("audit",), about="what is wrong with the data"
    ),
    Section("repeat", "How to reproduce it", again.draw, about="commands, machine, versions, recipe"),
)

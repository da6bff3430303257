"""The table of the sections of a Run's page, in the order of the page; a new one is a row here and its function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from lamelle.messages import translated
from lamelle.registry import Registry
from lamelle.reports import again, cases, dataset, remarks, scores, splits, summary, training, verdict
from lamelle.reports import external_evaluation as other
from lamelle.reports.blocks import Block
from lamelle.reports.drawers import figures_of
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
    sections = []
    for row in table.values():
        if all(getattr(what, need) for need in row.needs) and (blocks := row.draw(what)):
            title = translated("sections", f"{table.kind}_{row.name}", row.title)
            sections.append(DrawnSection(row.name, title, blocks, row.plain))
    return sections


_SCORES, _ELSEWHERE = ("scores",), ("elsewhere",)
SECTIONS: Registry[Section[RunBundle]] = Registry(
    "section",
    Section("summary", "Summary", summary.draw, about="what must be known, and the first scores", plain=True),
    Section("beside", "Compared with its own test set", other.beside, _ELSEWHERE, "scores there and here"),
    Section("seen", "Images that the model has seen before", other.seen, _ELSEWHERE, "training images found there"),
    Section("matched", "Classes", other.matched, _ELSEWHERE, "which class there is which of the model"),
    Section("data", "Data", dataset.draw, ("audit",), "files, classes, grey levels, some images"),
    Section("split", "Split", splits.draw, ("split_by",), "which images train, validate and test"),
    Section("scores", "Scores", scores.draw, _SCORES, "all scores with intervals, also of each class"),
    Section("confusion", "Confusion matrix", figures_of("confusion"), _SCORES, "which class was taken for which"),
    Section("curves", "Curves", figures_of("curves"), _SCORES, "ROC, precision-recall, and what validation decided"),
    Section("calibration", "Calibration", figures_of("calibration"), _SCORES, "whether probabilities come true"),
    Section("remarks", "Error patterns", remarks.draw, _SCORES, "what the errors have in common"),
    Section("cases", "Best and worst cases", cases.draw, _SCORES, "images with truth and prediction"),
    Section("slices", "Slice by slice", cases.slices, _SCORES, "volumes to look through"),
    Section("errors", "Most confident errors", cases.errors, _SCORES, "images that were classified wrongly"),
    Section("doctor", "What the curves say", verdict.draw, about="what the doctor finds in the training"),
    Section("training", "Training", training.draw, ("history", "plan"), "loss and scores of each epoch, what was done"),
    Section("warnings", "Warnings about the data", dataset.warnings, ("audit",), "what is wrong with the data"),
    Section("repeat", "How to reproduce it", again.draw, about="commands, machine, versions, recipe"),
)

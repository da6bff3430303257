"""Submissions: a table with one answer for each image, spelt as the table that the model was trained on.

``submission.csv`` holds the name and the class, ``submission_probabilities.csv`` the name and a column for each class.
Names and classes stand there exactly as they are spelt, since another program will compare them.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lamelle.data.layouts.listing import natural
from lamelle.data.layouts.table_spelling import Naming
from lamelle.data.layouts.unlabelled import InputImage
from lamelle.io import atomic
from lamelle.types import ClassScores, Source

CLASSES, PROBABILITIES = "submission.csv", "submission_probabilities.csv"
_PLAIN = Naming("image", "label", folder=False, suffix=True, separator="|")


@dataclass(frozen=True, slots=True)
class Submission:
    """What was to be predicted, and how it is named."""

    images: Sequence[InputImage]
    """Rows of a table keep their order and spelling, files come in natural order."""
    naming: Naming | None
    """How the training table spells; None = columns ``image`` and ``label``, paths below the given folder."""


def write_submission(
    folder: Path,
    submission: Submission,
    answers: Mapping[Source, ClassScores],
    *,
    classes: Sequence[str],
    probabilities: bool,
) -> list[Path]:
    """Write the answers; images without one are left out.

    Args:
        answers: Of each image.
        probabilities: Also write the table of probabilities.

    Returns:
        The files written.
    """
    naming = submission.naming or _PLAIN
    named = [(name, one.record.image) for name, one in names(submission.images, submission.naming)]
    rows = [(name, answers[image]) for name, image in named if image in answers]
    lines = [[name, naming.separator.join(classes[i] for i in answer.chosen)] for name, answer in rows]
    written = [folder / CLASSES]
    atomic.write_text(written[0], _csv([[naming.image, naming.label], *lines]))
    if probabilities:
        written.append(folder / PROBABILITIES)
        shares = [[name, *(f"{p:.6f}" for p in answer.probabilities)] for name, answer in rows]
        atomic.write_text(written[1], _csv([[naming.image, *classes], *shares]))
    return written


def names(images: Sequence[InputImage], naming: Naming | None) -> list[tuple[str, InputImage]]:
    """What each image is called; two images never bear one name, be it at the price of another spelling.

    Example:
        >>> from lamelle.types import Record
        >>> there = [InputImage(Record(n, Source(Path(n))), n, "test") for n in ("b10.png", "b9.png")]
        >>> [name for name, _ in names(there, Naming("id", "label", folder=False, suffix=False, separator="|"))]
        ['b9', 'b10']
    """
    spelt = [one.listed or _spell(one, naming) for one in images]
    for longer in (lambda one: one.path, lambda one: one.record.id):
        owners = Counter(name for name, _ in {(n, a.record.image) for n, a in zip(spelt, images, strict=True)})
        spelt = [n if a.listed or owners[n] == 1 else longer(a) for n, a in zip(spelt, images, strict=True)]
    named = list(zip(spelt, images, strict=True))
    listed = any(one.listed for one in images)
    return named if listed else sorted(named, key=lambda pair: natural(pair[0]))


def _spell(one: InputImage, naming: Naming | None) -> str:
    if naming is None or one.record.image.key is not None:
        return one.path
    if one.record.image.index is None:
        return naming.spell(one.path, folder=one.folder)
    path, _, plane = one.path.rpartition("#")
    return f"{naming.spell(path, folder=one.folder)}#{plane}"


def _csv(rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()

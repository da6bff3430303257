"""Which images of a test set are worth a look: right, wrong and uncertain ones of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lamelle.results.scores import Item
from lamelle.types import Record


@dataclass(frozen=True, slots=True)
class ChosenCase:
    """One image that is explained."""

    record: Record
    heading: str
    """The class under which it is shown; empty if it was named by whoever asks."""
    kind: str
    """``right``, ``wrong``, ``uncertain``; of a segmenter ``best``, ``worst``; ``given``; ``other`` is not drawn."""
    truth: str
    """Classes of the image, joined by ``|``; empty if unknown, or if the truth is an image."""
    explained: str | None
    """The class that is asked about; None = the one that is predicted."""


def choose(
    items: Sequence[Item],
    records: Mapping[str, Record],
    classes: Sequence[str],
    *,
    number: int,
    only: str | None,
) -> list[ChosenCase]:
    """Cases of each class: the surest right ones, the surest wrong ones, and those the model was least sure of.

    No image is shown twice under one class. Of a segmenter the best and the worst of each class, without the
    background.

    Args:
        items: ``items`` of a Run's ``scores.json``.
        records: The Run's test records by id.
        number: Of each kind and class.
        only: The only class that is asked about.

    Example:
        >>> items = [Item(id=f"{i}", truth="a", predicted=p, correct=p == "a", confidence=c)
        ...          for i, (p, c) in enumerate([("a", 0.9), ("a", 0.99), ("b", 0.8), ("a", 0.51)])]
        >>> records = {f"{i}": Record(f"{i}", None) for i in range(4)}
        >>> [(case.record.id, case.kind) for case in choose(items, records, ["a", "b"], number=1, only=None)]
        [('1', 'right'), ('2', 'wrong'), ('3', 'uncertain')]
    """
    scored = [item for item in items if item.id in records]
    if scored and scored[0].confidence is None:
        return _segmented(scored, records, classes, number, only)
    several = any("|" in (item.truth or "") or not item.truth for item in scored)
    cases: list[ChosenCase] = []
    for name in classes if only is None else [only]:
        taken: set[str] = set()
        for kind, ranked in _ranked(scored, name).items():
            some = [item for item in ranked if item.id not in taken][:number]
            taken |= {item.id for item in some}
            explained = only or (name if several else None)
            cases += [ChosenCase(records[i.id], name, kind, i.truth or "", explained) for i in some]
    return cases


def _ranked(items: Sequence[Item], name: str) -> dict[str, list[Item]]:
    """Items that concern a class, for each kind the most telling first."""
    own = [item for item in items if name in _names(item.truth)]
    right = [item for item in own if name in _names(item.predicted)]
    wrong = [item for item in own if name not in _names(item.predicted)]
    return {
        "right": sorted(right, key=lambda item: -(item.confidence or 0.0)),
        "wrong": sorted(wrong, key=lambda item: -(item.confidence or 0.0)),
        "uncertain": sorted(own, key=lambda item: item.confidence or 0.0),
    }


def _segmented(
    items: Sequence[Item],
    records: Mapping[str, Record],
    classes: Sequence[str],
    number: int,
    only: str | None,
) -> list[ChosenCase]:
    """The best and the worst of each class by Dice, or by the task's own quality."""
    cases: list[ChosenCase] = []
    for name in classes[1:] if only is None else [only]:
        scored = [(item.scores.get(f"dice/{name}", item.quality), item.id) for item in items]
        ranked = [i for _, i in sorted((score, i) for score, i in scored if score is not None)]
        worst = ranked[:number]
        best = [i for i in reversed(ranked) if i not in worst][:number]
        cases += [
            ChosenCase(records[i], name, kind, "", name)
            for kind, some in (("best", best), ("worst", worst))
            for i in some
        ]
    return cases


def _names(joined: object) -> list[str]:
    return str(joined).split("|")

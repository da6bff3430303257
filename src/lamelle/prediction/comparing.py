"""New images beside those of the training, before they are predicted: are they in the same units, are they alike?

It is asked once for a prediction and an evaluation alike; the images have been decoded for it anyway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from lamelle.data.appearance import MEASURES, Look, Span
from lamelle.data.profile import look_at
from lamelle.data.shift import shift_of, spacing_shift
from lamelle.data.store import Store
from lamelle.data.units import Kind, Match, Name, Units, kinds_of, match
from lamelle.errors import DataError, RequestError, sentence
from lamelle.messages import text
from lamelle.package import Package
from lamelle.types import Problem, Record

_FREE = "image"
"""The normalisation that makes black and white irrelevant."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What the comparison with the training images showed."""

    units: Mapping[Name, Units] = field(default_factory=lambda: MappingProxyType({}))
    """How values of other types become those of the training."""
    problems: tuple[Problem, ...] = ()
    """Warnings, and notes of what was done."""
    words: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Record → codes of the words for what is unlike in its image; nothing of those that are alike."""

    def lines(self) -> list[str]:
        """A line for people of each problem, that begins with how grave it is."""
        return [text(f"shift.{problem.severity}", said=sentence(problem)) for problem in self.problems]

    def columns(self, record: Record) -> dict[str, str]:
        """The column ``shift`` of a table of predictions; none where all images are alike."""
        if not self.words:
            return {}
        return {"shift": "; ".join(text(code) for code in self.words.get(record.id, ()))}

    def noted(self, scores: dict[str, Any]) -> dict[str, Any]:
        """Scores of these images with what is unlike in them: among the notes, and of each item (``shift``)."""
        notes = [{"code": p.code, "values": dict(p.values)} for p in self.problems]
        items = [i | ({"shift": list(self.words[i["id"]])} if i["id"] in self.words else {}) for i in scores["items"]]
        return scores | {"notes": [*notes, *scores["notes"]], "items": items}


def compare(
    package: Package, records: Sequence[Record], store: Store, *, said: Span | None, looks: Sequence[Look] | None = None
) -> Compared:
    """Compare the images of some records with those a model was trained on.

    Args:
        said: The values of these images that mean black and white, where somebody said so.
        looks: Of each record what was seen of its image; by default they are looked at now.

    Raises:
        RequestError: If black and white are said of a model that cannot use them.
        DataError: If nothing says what the values of some images mean.
        FileError: If an image cannot be read.
    """
    profile, free = package.profile, package.preparation.normalise == _FREE
    spacings = [store.spacing(record.image) for record in records]
    if profile is None:
        if said is not None:
            raise RequestError("shift.range_unused_old")
        problems, far = spacing_shift(spacings, package.spacing, package.spacing)
        return Compared({}, (Problem("shift.no_profile", severity="note"), *problems), _far_words(records, far))
    if said is not None and free:
        raise RequestError("shift.range_unused")
    looks = look_at(records, store) if looks is None else looks
    kinds = kinds_of(looks)
    matches = {kind.name: match(kind, profile.kinds, own=profile.span, said=said) for kind in kinds}
    unknown = [kind for kind in kinds if matches[kind.name] is None]
    if unknown and not free:
        raise DataError([_unknown(kind, profile.kinds[0], profile.own) for kind in unknown])
    known: dict[Name, Match] = {name: found for name, found in matches.items() if found is not None}
    units = {} if free else {name: found.units for name, found in known.items() if found.units is not None}
    scaled = [_scaled(kind, profile.kinds[0], known[kind.name], profile.own) for kind in kinds if kind.name in units]
    shift = shift_of(
        profile,
        np.array([one.measures(_span(known, one)) for one in looks]).reshape(-1, len(MEASURES)),
        groups=[record.group for record in records],
        comparable=not unknown,
        evened=free,
    )
    problems, far = spacing_shift(spacings, profile.finest, profile.coarsest)
    words = {record.id: each for record, each in zip(records, shift.words, strict=True) if each}
    for name, more in _far_words(records, far).items():
        words[name] = (*words.get(name, ()), *more)
    return Compared(units, (*scaled, *problems, *shift.problems), words)


def _span(known: Mapping[Name, Match], one: Look) -> Span:
    found = known.get((one.dtype, one.bits))
    return found.span if found else (0.0, 1.0)


def _far_words(records: Sequence[Record], far: Sequence[bool]) -> dict[str, tuple[str, ...]]:
    return {r.id: ("shift.word_spacing",) for r, other in zip(records, far, strict=True) if other}


def _unknown(new: Kind, trained: Kind, own: Span) -> Problem:
    values = _ranges(new, trained) | {"likely": _pair(new.likely), "own": _pair(own)}
    code = "shift.range_unsure" if new.likely == own else "shift.range_unknown"
    return Problem(code, severity="error", values=values)


def _scaled(new: Kind, trained: Kind, found: Match, own: Span) -> Problem:
    same = new.name == trained.name or found.span == own
    values = _ranges(new, trained) | {"span": _pair(found.span), "own": _pair(own)}
    return Problem("shift.range_same" if same and found.span == own else "shift.range_scaled", "", "note", values)


def _ranges(new: Kind, trained: Kind) -> dict[str, object]:
    return {
        "count": new.images,
        "dtype": _type(new),
        "low": f"{new.minimum:g}",
        "high": f"{new.maximum:g}",
        "trained_dtype": _type(trained),
        "trained_low": f"{trained.minimum:g}",
        "trained_high": f"{trained.maximum:g}",
    }


def _type(kind: Kind) -> str:
    return kind.dtype if kind.bits is None else f"{kind.dtype} ({kind.bits} bit)"


def _pair(span: Span) -> str:
    return f"[{span[0]:.6g},{span[1]:.6g}]"

"""New images beside those of the training, before they are predicted: are they in the same units, are they alike?

It is asked once for a prediction and an evaluation alike; the images have been decoded for it anyway.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from lamelle.data.appearance import MEASURES, Appearance
from lamelle.data.layouts.pairing import names_of
from lamelle.data.profile import look_at
from lamelle.data.shift import shift_of, spacing_shift
from lamelle.data.store import Store
from lamelle.data.units import Name, PixelKind, Span, UnitChange, ValueMatch, kinds_of, match, proposed
from lamelle.data.value_scales import listed_scales, scales_of, white_of
from lamelle.errors import DataError, RequestError, sentence
from lamelle.messages import text
from lamelle.prediction.package import Package
from lamelle.results.scores import Note, Scores
from lamelle.types import Problem, Record

_NAMED = 5
"""Images that a sentence names; of the others the number is said."""
_FREE = "image"
"""The normalisation that makes black and white irrelevant."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What the comparison with the training images showed."""

    units: Mapping[Name, UnitChange] = field(default_factory=lambda: MappingProxyType({}))
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

    def noted(self, scores: Scores) -> Scores:
        """Scores of these images with what is unlike in them: among the notes, and of each item (``shift``)."""
        notes = (*(Note(code=p.code, values=dict(p.values)) for p in self.problems), *scores.notes)
        items = tuple(i.model_copy(update={"shift": tuple(self.words.get(i.id, ()))}) for i in scores.items)
        return scores.model_copy(update={"notes": notes, "items": items})


def compare(
    package: Package,
    records: Sequence[Record],
    store: Store,
    *,
    stated: Span | None,
    looks: Sequence[Appearance] | None = None,
) -> Compared:
    """Compare the images of some records with those a model was trained on.

    Args:
        stated: The values of these images that mean black and white, where somebody said so.
        looks: Of each record what was seen of its image; by default they are looked at now.

    Raises:
        RequestError: If black and white are said of a model that cannot use them.
        DataError: If nothing says what the values of some images mean.
        FileError: If an image cannot be read.
    """
    profile, free = package.profile, package.preparation.normalise == _FREE
    spacings = [store.spacing(record.image) for record in records]
    if profile is None:
        if stated is not None:
            raise RequestError("shift.range_unused_old")
        problems, far = spacing_shift(spacings, package.spacing, package.spacing)
        return Compared({}, (Problem("shift.no_profile", severity="note"), *problems), _far_words(records, far))
    if stated is not None and free:
        raise RequestError("shift.range_unused")
    looks = look_at(records, store) if looks is None else looks
    flat = [_is_flat(record, one, store) for record, one in zip(records, looks, strict=True)]
    if any(flat) and not all(flat):
        rest = [i for i, one in enumerate(flat) if not one]
        others = compare(package, [records[i] for i in rest], store, stated=stated, looks=[looks[i] for i in rest])
        return _with_flat(others, records, flat)
    if all(flat):
        return _with_flat(Compared(), records, flat)
    if not free and stated is None:
        _check_scales(records, looks, profile.kinds, profile.own)
    kinds = kinds_of(looks)
    matches = {kind.name: match(kind, profile.kinds, own=profile.span, stated=stated) for kind in kinds}
    unknown = [kind for kind in kinds if matches[kind.name] is None]
    if unknown and not free:
        raise DataError([_unknown(kind, profile.kinds[0], profile.own) for kind in unknown])
    matched: dict[Name, ValueMatch] = {name: one for name, one in matches.items() if one is not None}
    units = {} if free else {name: one.units for name, one in matched.items() if one.units is not None}
    scaled = [_scaled(kind, profile.kinds[0], matched[kind.name], profile.own) for kind in kinds if kind.name in units]
    shift = shift_of(
        profile,
        np.array([one.measures(_span(matched, one)) for one in looks]).reshape(-1, len(MEASURES)),
        names=[record.id for record in records],
        groups=[record.group for record in records],
        comparable=not unknown,
        evened=free,
    )
    problems, far = spacing_shift(spacings, profile.finest, profile.coarsest)
    words = {record.id: each for record, each in zip(records, shift.words, strict=True) if each}
    for name, more in _far_words(records, far).items():
        words[name] = (*words.get(name, ()), *more)
    return Compared(units, (*scaled, *problems, *shift.problems), words)


def _is_flat(record: Record, one: Appearance, store: Store) -> bool:
    """Whether an image holds one value everywhere; a look at some of its pixels tells that it does not."""
    if one.minimum != one.maximum:
        return False
    image = store.image(record.image)
    return bool((image == image.flat[0]).all())


def _with_flat(others: Compared, records: Sequence[Record], flat: Sequence[bool]) -> Compared:
    """What the comparison of the other images showed, with what is to be said of those of one value."""
    names = [record.id for record, one in zip(records, flat, strict=True) if one]
    values = {"count": len(names), "n": len(records), "names": names_of(names, most=_NAMED)}
    problem = Problem("shift.constant", severity="warning", values=values)
    words = {**others.words, **dict.fromkeys(names, ("shift.word_constant",))}
    return replace(others, problems=(*others.problems, problem), words=words)


def _check_scales(
    records: Sequence[Record], looks: Sequence[Appearance], trained: Sequence[PixelKind], own: Span
) -> None:
    """Raise a DataError where images of several scales are mixed, which nothing in their files tells apart."""
    if not (scales := scales_of(looks, [record.image.path for record in records], trained)):
        return
    keys = []
    for places in scales:
        kind = kinds_of([looks[i] for i in places])[0]
        keys.append(_key(proposed(kind, own) or (0, white_of([looks[i] for i in places]))))
    shown = listed_scales(scales, looks, [record.id for record in records])
    listed = "; ".join(f"{one}: {key}" for one, key in zip(shown, keys, strict=True))
    raise DataError([Problem("shift.several_scales", "", "error", {"scales": listed, "all": keys[-1]})])


def _span(matches: Mapping[Name, ValueMatch], one: Appearance) -> Span:
    matched = matches.get((one.dtype, one.bits))
    return matched.span if matched else (0.0, 1.0)


def _far_words(records: Sequence[Record], far: Sequence[bool]) -> dict[str, tuple[str, ...]]:
    return {r.id: ("shift.word_spacing",) for r, other in zip(records, far, strict=True) if other}


def _unknown(new: PixelKind, trained: PixelKind, own: Span) -> Problem:
    likely = proposed(new, own)
    values = _ranges(new, trained) | {"own": _pair(own), "key": _key(own)}
    if likely is None or likely == own:
        return Problem("shift.range_unsure", severity="error", values=values)
    return Problem("shift.range_unknown", severity="error", values=values | {"likely": _key(likely)})


def _scaled(new: PixelKind, trained: PixelKind, matched: ValueMatch, own: Span) -> Problem:
    same = new.name == trained.name or matched.span == own
    values = _ranges(new, trained) | {"span": _pair(matched.span), "own": _pair(own)}
    return Problem("shift.range_same" if same and matched.span == own else "shift.range_scaled", "", "note", values)


def _ranges(new: PixelKind, trained: PixelKind) -> dict[str, object]:
    return {
        "count": new.images,
        "dtype": _type(new),
        "low": f"{new.minimum:g}",
        "high": f"{new.maximum:g}",
        "trained_dtype": _type(trained),
        "trained_low": f"{trained.minimum:g}",
        "trained_high": f"{trained.maximum:g}",
    }


def _type(kind: PixelKind) -> str:
    return kind.dtype if kind.bits is None else f"{kind.dtype} ({kind.bits} bit)"


def _pair(span: Span) -> str:
    return f"[{span[0]:.6g},{span[1]:.6g}]"


def _key(span: Span) -> str:
    """What to paste behind a command; quoted, since some shells read brackets as patterns of file names."""
    return shlex.quote(f"data.range={_pair(span)}")

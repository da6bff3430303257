"""How new images differ from those of the training: what is unlike, in how many images, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lamelle.data.appearance import MEASURES
from lamelle.data.layouts.pairing import names_of
from lamelle.data.novel_images import Swapped, far_among, swapped_among
from lamelle.data.outliers import MIN_POINTS, Outlying, outlying
from lamelle.data.profile import Profile
from lamelle.types import Problem, Spacing

LEVEL = 0.015
"""Probability of speaking of all images of a set though they are of the training's kind; with what is asked of each of
them, measured rates stay at 2 %.
"""
MAX_COMPARED = 2048
"""Images that are compared; of more, an even choice."""
_FAR = 1.5
"""Ratio of pixel sizes from which the scale is another one."""
_TELLING = 1.0
"""Least difference that is named, in spreads of the training images."""
_MUCH = 10.0
"""Spreads from which differences count alike when they are compared with each other."""
_BESIDE = 0.1
"""Least share of the largest difference that another one has, to be named as well."""
_SAID = 3
"""Kinds of difference that are named."""
_LISTED = 12
"""Images that a sentence names."""
_EVENED = ("brightness", "contrast")
"""Kinds that normalisation by image evens out."""


@dataclass(frozen=True, slots=True)
class Shift:
    """How a set of images differs."""

    problems: tuple[Problem, ...]
    """One for each kind of difference, with the number of images and figures."""
    words: tuple[tuple[str, ...], ...]
    """Of each image the codes of the words for what is unlike; empty where it is like the training images."""


def shift_of(
    profile: Profile,
    measures: np.ndarray,
    *,
    names: Sequence[str],
    groups: Sequence[str | None],
    comparable: bool,
    evened: bool,
) -> Shift:
    """Compare images by their measures ``[n, F]``.

    Args:
        names: Of each image, for those that are said to be unlike.
        groups: Of each image, None where it is unknown.
        comparable: Black and white are known, so that brightness, contrast and colour can be compared.
        evened: The model evens out the brightness and contrast of each image.
    """
    if len(profile.table) < MIN_POINTS:
        few = {"n": len(profile.table), "least": MIN_POINTS}
        return Shift((Problem("shift.few_known", severity="note", values=few),), ((),) * len(measures))
    places = [i for i, m in enumerate(MEASURES) if m.name in profile.measures and (comparable or not m.absolute)]
    reference = profile.table[:, [profile.measures.index(MEASURES[i].name) for i in places]]
    known_groups = np.array(profile.groups, np.int64)
    new = measures[:, places]
    turned = swapped_among(reference, known_groups, new, [MEASURES[i].name for i in places])
    swapped = turned.which
    rest_outlying = _rest_of(reference, known_groups, new, groups, ~swapped)
    if (
        swapped.any()
        and rest_outlying is not None
        and 4 * rest_outlying.far.sum() > 3 * len(rest_outlying.far) > 3 * swapped.sum()
    ):
        swapped = np.zeros(len(new), bool)  # nearly all differ: in some of them it seems to be polarity
        rest_outlying = _rest_of(reference, known_groups, new, groups, ~swapped)
    words: list[tuple[str, ...]] = [("shift.word_inverted",) if one else () for one in swapped]
    problems: list[Problem] = []
    if swapped.any():
        problems.append(_inverted(turned, names))
    if rest_outlying is None:
        return Shift(tuple(problems), tuple(words))
    rest = np.flatnonzero(~swapped)
    offsets, far = np.zeros((len(new), len(MEASURES))), np.zeros(len(new), bool)
    offsets[np.ix_(rest, np.array(places, np.int64))] = rest_outlying.offsets
    far[rest] = rest_outlying.far
    some = ~swapped if rest_outlying.common else far
    outside = _outside(measures, some, profile, places)
    shown = _named(offsets, some, outside if outside.any() else ~outside)
    problems += [_problem(i, offsets, far, measures, profile, evened) for i in shown]
    if far.sum() < len(rest):
        problems.append(Problem("shift.which", severity="note", values={"names": _names(far, names)}))
    if not outside.any():
        problems.append(Problem("shift.together", severity="note"))
    if evened and any(MEASURES[i].kind in _EVENED for i in shown):
        problems.append(Problem("shift.evened", severity="note"))
    for i in np.flatnonzero(far).tolist():
        words[i] = _words(offsets[i], shown)
    return Shift(tuple(problems), tuple(words))


def _rest_of(
    reference: np.ndarray, groups: np.ndarray, new: np.ndarray, new_groups: Sequence[str | None], some: np.ndarray
) -> Outlying | None:
    """How ``some`` images differ, which are not just inverted: all of them together, or a few; None if they do not."""
    new, new_groups = new[some], [new_groups[i] for i in np.flatnonzero(some).tolist()]
    if not len(new):
        return None
    named = None if None in new_groups else np.unique(np.array(new_groups, str), return_inverse=True)[1]
    far = far_among(reference, groups, new)
    few = far.any() and 2 * far.sum() < len(far)
    rest = ~far if few else np.ones(len(far), bool)
    step = max(1, -(-int(rest.sum()) // MAX_COMPARED))
    chosen = np.flatnonzero(rest)[::step]
    unlike = outlying(reference, groups, new[chosen], named if named is None else named[chosen])
    if unlike.p < LEVEL:
        return unlike if len(chosen) == len(new) else outlying(reference, groups, new, named)
    if not far.any():
        return None
    offsets = np.zeros(new.shape)
    offsets[far] = outlying(reference, groups, new[far], None).offsets
    return Outlying(unlike.p, far, False, offsets)


def _names(some: np.ndarray, names: Sequence[str]) -> str:
    return names_of([names[i] for i in np.flatnonzero(some).tolist()], most=_LISTED)


def _range(i: int, profile: Profile) -> tuple[float, float]:
    """From where to where a measure goes in the training images, which is said beside that of the new ones."""
    low, high = np.quantile(profile.table[:, profile.measures.index(MEASURES[i].name)], [0.05, 0.95])
    return float(low), float(high)


def _outside(measures: np.ndarray, far: np.ndarray, profile: Profile, places: Sequence[int]) -> np.ndarray:
    """Of the measures at ``places`` those whose median lies outside that of the training images, boolean ``[F]``."""
    middle = np.median(measures[far], axis=0)
    outside = np.zeros(len(MEASURES), bool)
    for i in places:
        low, high = _range(i, profile)
        outside[i] = not low <= middle[i] <= high
    return outside


def _named(offsets: np.ndarray, far: np.ndarray, outside: np.ndarray) -> list[int]:
    """Of the measures ``outside`` those that differ most, one of each kind, the largest difference first; plain ones if
    one of them tells.
    """
    middle = np.clip(np.median(offsets[far], axis=0) * outside, -_MUCH, _MUCH)
    plain = middle * [not m.subtle for m in MEASURES]
    middle = plain if np.abs(plain).max() >= _TELLING else middle
    chosen: dict[str, int] = {}
    for i in np.argsort(-np.abs(middle), kind="stable"):
        if not chosen or abs(middle[i]) >= max(_TELLING, _BESIDE * np.abs(middle).max()):
            chosen.setdefault(MEASURES[i].kind, int(i))
    return list(chosen.values())[:_SAID]


def _problem(
    i: int, offsets: np.ndarray, far: np.ndarray, measures: np.ndarray, profile: Profile, evened: bool
) -> Problem:
    some = far if far.any() else np.ones(len(far), bool)
    low, high = _range(i, profile)
    more = "more" if np.median(offsets[some, i]) > 0 else "less"
    values = {
        "count": int(far.sum()),
        "n": len(far),
        "found": f"{np.median(measures[some, i]):.2f}",
        "low": f"{low:.2f}",
        "high": f"{high:.2f}",
    }
    severity = "note" if evened and MEASURES[i].kind in _EVENED else "warning"
    return Problem(f"shift.{MEASURES[i].name}_{more}", severity=severity, values=values)


def _inverted(swapped: Swapped, names: Sequence[str]) -> Problem:
    values = {
        "count": int(swapped.which.sum()),
        "n": len(swapped.which),
        "names": _names(swapped.which, names),
        "found": f"{swapped.apart:.1f}",
        "turned": f"{swapped.turned:.1f}",
        "high": f"{swapped.usual:.1f}",
    }
    return Problem("shift.inverted", severity="warning", values=values)


def _words(offsets: np.ndarray, measures_shown: Sequence[int]) -> tuple[str, ...]:
    """What is unlike in one image, of what is said of all; at least the most."""
    telling = [i for i in measures_shown if abs(offsets[i]) >= _TELLING] or [
        max(measures_shown, key=lambda i: abs(offsets[i]))
    ]
    return tuple(f"shift.word_{MEASURES[i].kind}_{'more' if offsets[i] > 0 else 'less'}" for i in telling)


def spacing_shift(
    spacings: Sequence[Spacing | None], finest: Spacing | None, coarsest: Spacing | None
) -> tuple[list[Problem], list[bool]]:
    """Images whose pixels are far smaller or larger than those of the training.

    Args:
        spacings: Pixel size of each image in µm.
        finest: Least pixel size of the training.

    Returns:
        A problem, if there are any, and which images they are.
    """
    if finest is None or coarsest is None:
        return [], [False] * len(spacings)
    far = [s is not None and _is_far(s[-2:], finest[-2:], coarsest[-2:]) for s in spacings]
    if not any(far):
        return [], far
    sizes = sorted({s[-2:] for s, other in zip(spacings, far, strict=True) if s is not None and other})
    values = {
        "count": sum(far),
        "n": len(far),
        "spacing": _between(sizes[0], sizes[-1]),
        "trained": _between(finest[-2:], coarsest[-2:]),
    }
    return [Problem("shift.spacing", severity="warning", values=values)], far


def _is_far(size: Spacing, finest: Spacing, coarsest: Spacing) -> bool:
    return any(s * _FAR < low or s > _FAR * high for s, low, high in zip(size, finest, coarsest, strict=True))


def _between(first: Spacing, last: Spacing) -> str:
    shown = list(dict.fromkeys(" × ".join(f"{s:.4g}" for s in size) for size in (first, last)))
    return " … ".join(shown)

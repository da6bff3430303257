"""Which flat images are the mask of another one of the set: by a rule that tells their names apart, and by pixels."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from lamelle.data.layouts.listing import FileEntry, natural, same_form
from lamelle.types import Record

_RULES_FROM, _NEAR, _ALIKE = 200, 12, 12
"""Flat images whose names are compared, with how many before and behind, and of one stem or one number."""
_RULES, _MIN_PAIRS = 8, 2
"""Rules at most, and pairs that each has to explain."""
_TESTED, _OTHERS = 64, 8
"""Pairs whose pixels are compared, and images of other pairs that each mask is compared with, too."""
_FITS, _RANK = 0.3, 0.6
"""Usual correlation of a mask and its image, where it is higher than with most other images."""
_MIN_RANKED, _SPREAD = 6, 2.5 * 12**-0.5
"""Pairs from which ranks alone say it, and their spread by chance (2.5 standard deviations), times √pairs."""
_MIN_CORRELATION, _MIN_LEAD = 0.5, 0.1
"""Correlation from which pixels alone tell a pair, and how much higher than with any other image."""
_ASPECT = 0.02
_CHUNK = 2048


@dataclass(frozen=True, slots=True)
class MaskOrImage:
    """An image as far as it may be a mask, or have one."""

    record: Record
    size: tuple[int, ...]
    small: np.ndarray
    """uint8 ``[64, 64]``, as in a signature."""

    @property
    def path(self) -> tuple[tuple[str, ...], str]:
        """The folders and the stem; a slice of a stack as if each had a folder of its own."""
        index = self.record.image.index
        inner = () if index is None else (f"#{index}",)
        stem = same_form(FileEntry("", self.record.image.path.name).stem)
        return (*PurePosixPath(self.record.id).parts[:-1], *inner), stem

    @property
    def order(self) -> tuple[list[str | tuple[int, str]], str]:
        """Its place among others by name."""
        return natural(self.record.id)


@dataclass(frozen=True, slots=True)
class NameRule:
    """How the path of a mask differs from that of its image."""

    folders: tuple[tuple[str, ...], tuple[str, ...], int]
    """Folders of the image, those of the mask in their place, and how many follow."""
    stem: tuple[str, str]
    """What the stem of the image has, and that of the mask in its place."""
    place: int
    """Characters in front of it, or, below 0, ~characters behind it."""

    def image_of(self, path: tuple[tuple[str, ...], str]) -> tuple[tuple[str, ...], str] | None:
        """The path of the image of a mask.

        Example:
            >>> NameRule(((), (), 0), ("1", "2"), ~0).image_of((("abn",), "7_2"))
            (('abn',), '7_1')
        """
        folders, stem = path
        theirs, own, behind = self.folders
        kept = len(folders) - behind - len(own)
        if kept < 0 or folders[kept : kept + len(own)] != own:
            return None
        image, mask = self.stem
        start = self.place if self.place >= 0 else len(stem) - ~self.place - len(mask)
        if start < 0 or start > len(stem) or stem[start : start + len(mask)] != mask:
            return None
        return (*folders[:kept], *theirs, *folders[kept + len(own) :]), stem[:start] + image + stem[start + len(mask) :]


@dataclass(frozen=True, slots=True)
class Partners:
    """Masks with their images, and the rule that explains most of them; None where pixels alone tell."""

    pairs: tuple[tuple[MaskOrImage, MaskOrImage], ...]
    """Mask and image."""
    rule: NameRule | None = None


def partners(flat: Sequence[MaskOrImage], images: Sequence[MaskOrImage]) -> Partners:
    """The flat images that are the mask of another one.

    Names have to differ by a rule, the same for many, and the masks have to fit their images better than other images;
    where no rule is found, each mask has to fit one image much better than all others.

    Args:
        flat: Images of areas of one value each.
        images: All that are no such images.
    """
    if not flat or not images:
        return Partners(())
    by_path = {c.path: c for c in images}
    image_of: dict[int, MaskOrImage] = {}
    first: NameRule | None = None
    for rule in _rules(flat, images):
        new = {i: c for i, f in enumerate(flat) if i not in image_of and (c := _partner(rule, f, by_path))}
        if len(new) >= _MIN_PAIRS:
            image_of |= new
            first = first or rule
    named = [(flat[i], image) for i, image in sorted(image_of.items())]
    if fit(named):
        return Partners(tuple(named), first)
    return Partners(tuple(_by_pixels(flat, images)))


def _partner(
    rule: NameRule, mask: MaskOrImage, images: Mapping[tuple[tuple[str, ...], str], MaskOrImage]
) -> MaskOrImage | None:
    path = rule.image_of(mask.path)
    image = images.get(path) if path else None
    return image if image and _of_one_aspect(mask.size, image.size) else None


def _of_one_aspect(one: Sequence[int], other: Sequence[int]) -> bool:
    return abs(one[-2] * other[-1] - one[-1] * other[-2]) <= _ASPECT * one[-2] * other[-1]


def _rules(flat: Sequence[MaskOrImage], images: Sequence[MaskOrImage]) -> list[NameRule]:
    """How names of flat images differ from those of images near them: what recurs, the most frequent first."""
    ordered = sorted(images, key=lambda c: c.order)
    places = [c.order for c in ordered]
    alike: dict[str, list[MaskOrImage]] = defaultdict(list)
    for image in ordered:
        for key in _keys(image.path[1]):
            alike[key].append(image)
    counts: Counter[NameRule] = Counter()
    step = max(1, len(flat) // _RULES_FROM)
    for mask in flat[::step]:
        here = bisect_left(places, mask.order)
        near = ordered[max(0, here - _NEAR) : here + _NEAR]
        near += [c for key in _keys(mask.path[1]) for c in alike[key][:_ALIKE]]
        counts.update({rule for image in near for rule in _told_apart(image.path, mask.path)})
    recurring = [rule for rule, count in counts.items() if count >= _MIN_PAIRS]
    return sorted(recurring, key=lambda r: (-counts[r], r.place not in (0, ~0)))[:_RULES]


def _keys(stem: str) -> set[str]:
    """By what a partner elsewhere is looked for: the same stem, or the same numbers."""
    return {stem, "#" + "_".join(re.findall(r"\d+", stem))}


def _told_apart(image: tuple[tuple[str, ...], str], mask: tuple[tuple[str, ...], str]) -> tuple[NameRule, ...]:
    """The two ways to say where the paths of an image and a mask differ; numbers stay whole.

    Example:
        >>> [r.place for r in _told_apart((("a",), "I12"), (("a",), "M12"))]
        [0, -3]
    """
    ours, theirs = image[0], mask[0]
    begin = _common(ours, theirs)
    end = _common(ours[begin:][::-1], theirs[begin:][::-1])
    folders = (ours[begin : len(ours) - end], theirs[begin : len(theirs) - end], end)
    one, other = image[1], mask[1]
    head = _common_text(one, other)
    tail = _common_text(one[head:][::-1], other[head:][::-1])
    stem = (one[head : len(one) - tail], other[head : len(other) - tail])
    if stem == ("", ""):
        return (NameRule(folders, stem, 0),)
    return NameRule(folders, stem, head), NameRule(folders, stem, ~tail)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many items two sequences begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _common_text(one: str, other: str) -> int:
    """How many characters two names begin with alike, without a number that goes on in one of them."""
    length = _common(one, other)
    goes_on = any(s[length : length + 1].isdecimal() for s in (one, other))
    return len(re.sub(r"\d+$", "", one[:length])) if goes_on else length


def fit(pairs: Sequence[tuple[MaskOrImage, MaskOrImage]]) -> bool:
    """Whether masks lie on what is seen in their images: they go together better than those of different pairs do."""
    drawn = [(m, i) for m, i in pairs if m.small.any()]
    drawn = drawn[:: max(1, len(drawn) // _TESTED)][:_TESTED]
    if len(drawn) < _MIN_PAIRS:
        return False
    masks, images = _views([m for m, _ in drawn]), _views([i for _, i in drawn])
    own = _likeness(masks, images)
    others = [np.roll(np.arange(len(drawn)), s) for s in range(1, min(_OTHERS, len(drawn) - 1) + 1)]
    rank = float(np.mean([own > _likeness(masks, images[:, o]) for o in others]))
    by_rank = len(drawn) >= _MIN_RANKED and rank >= 0.5 + _SPREAD / len(drawn) ** 0.5
    return by_rank or (float(np.median(own)) >= _FITS and rank >= _RANK)


def _views(pictures: Sequence[MaskOrImage]) -> np.ndarray:
    """Values and edges of small pictures, each with mean 0 and length 1: float32 ``[2, N, 4096]``."""
    small = np.array([c.small for c in pictures], np.float32)
    rows, columns = np.gradient(small, axis=(1, 2))
    both = np.array([small, np.hypot(rows, columns)]).reshape(2, len(small), -1)
    both -= both.mean(-1, keepdims=True)
    return both / np.maximum(np.linalg.norm(both, axis=-1, keepdims=True), 1e-6)


def _likeness(masks: np.ndarray, images: np.ndarray) -> np.ndarray:
    """How much values (whatever their sign) or edges of pairs go together: ``[N]``."""
    agreement = (masks * images).sum(-1)
    return np.maximum(np.abs(agreement[0]), agreement[1])


def _by_pixels(flat: Sequence[MaskOrImage], images: Sequence[MaskOrImage]) -> list[tuple[MaskOrImage, MaskOrImage]]:
    """Pairs of which each mask fits one image much better than all others, and no two the same one."""
    drawn = [m for m in flat if m.small.any()]
    drawn = drawn[:: max(1, len(drawn) // _TESTED)][:_TESTED]
    if len(drawn) < _MIN_RANKED or len(images) < _MIN_RANKED:
        return []
    masks = _views(drawn)[0]
    parts = [images[i : i + _CHUNK] for i in range(0, len(images), _CHUNK)]
    likeness = np.concatenate([np.abs(masks @ _views(part)[0].T) for part in parts], axis=1)
    best = np.argsort(likeness, axis=1)[:, :-3:-1]
    first, second = (np.take_along_axis(likeness, best, 1)[:, i] for i in (0, 1))
    sure = np.flatnonzero((first >= _MIN_CORRELATION) & (first - second >= _MIN_LEAD))
    pairs = [(drawn[k], images[best[k, 0]]) for k in sure if _of_one_aspect(drawn[k].size, images[best[k, 0]].size)]
    return pairs if len({i.record.id for _, i in pairs}) == len(pairs) >= max(_MIN_RANKED, len(drawn) / 2) else []

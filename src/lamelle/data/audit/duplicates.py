"""The same image twice: exactly, or re-encoded, resized, mirrored or turned.

Near duplicates are looked for in three steps, each stricter and dearer than the one before: 64-bit perceptual hashes
(signs of the lowest DCT coefficients) of all eight orientations, correlation of thumbnails, and correlation of the
whole and of the details alone at up to 128 × 128 pixels. The details (what remains after the blurred image is taken
away) are what tells two chest X-rays, or two pieces of one tissue, from two copies of one image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np

from lamelle.data.audit.measure import THUMBNAIL
from lamelle.data.audit.results import Pair, Row
from lamelle.data.audit.signatures import SIDE, Signature
from lamelle.types import Problem, Record

NEAR_BITS = 12
"""Bits in which the hashes of copies may differ; halved or heavily compressed copies stay below."""
COARSE = 0.7
"""Correlation of 16 × 16 thumbnails below which a pair is not looked at again."""
ALIKE = 0.8
"""Correlation, of the whole and of the details, of near duplicates. On real images copies reach 0.9 and more; pairs of
different patients stayed below 0.78."""
MOST = 100_000
"""Candidates verified at most, the most similar first."""
ORIENTATIONS = ("", "mirrored", *(f"rotated {a}{m}" for a in (90, 180, 270) for m in ("", " mirrored")))


def oriented(squares: np.ndarray) -> Iterator[np.ndarray]:
    """The eight orientations of squares ``[N, S, S]``, in the order of ``ORIENTATIONS``."""
    for turns in range(4):
        turned = np.rot90(squares, turns, (1, 2))
        yield turned
        yield turned[:, :, ::-1]


def hashes(thumbnails: np.ndarray) -> np.ndarray:
    """Perceptual hashes uint64 ``[8, N]`` of thumbnails ``[N, 32, 32]`` in the eight orientations.

    A changed brightness or contrast does not change them, since the mean is left out and only signs are kept.

    Reference: Zauner (2010), Implementation and benchmarking of perceptual image hash functions

    Example:
        >>> ramp = np.arange(1024.0).reshape(1, 32, 32)
        >>> bool((hashes(ramp) == hashes(2 * ramp + 1)).all())
        True
    """
    place = np.arange(THUMBNAIL) + 0.5
    waves = np.cos(np.pi / THUMBNAIL * np.arange(8)[:, None] * place).astype(np.float32)
    found = np.empty((8, len(thumbnails)), np.uint64)
    for start in range(0, len(thumbnails), 4096):
        part = slice(start, start + 4096)
        for turn, turned in enumerate(oriented(thumbnails[part].astype(np.float32))):
            low = (waves @ turned @ waves.T).reshape(len(turned), 64)
            low[:, 0] = 0
            bits = low > 1e-4 * np.linalg.norm(low, axis=1, keepdims=True)  # what is nearly zero has no sign
            found[turn, part] = np.packbits(bits, axis=1).view(np.uint64).reshape(-1)
    return found


def candidates(codes: np.ndarray, *, bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs (first, second, orientation of the second) whose hashes ``[8, N]`` differ in at most ``bits`` bits."""
    firsts, seconds, turns = [], [], []
    for start in range(0, codes.shape[1], 512):
        rows = codes[0, start : start + 512, None]
        for turn in range(8):
            near = np.bitwise_count(rows ^ codes[turn, None, start:]) <= bits
            first, second = np.nonzero(np.triu(near, 1))
            firsts.append(first + start)
            seconds.append(second + start)
            turns.append(np.full(len(first), turn))
    return np.concatenate(firsts), np.concatenate(seconds), np.concatenate(turns)


def find_pairs(
    rows: Sequence[Row], records: Sequence[Record], thumbnails: np.ndarray, load: Callable[[int, int], np.ndarray]
) -> tuple[Pair, ...]:
    """Exact and near duplicates; within a group of copies each is paired with one other, not with all.

    Planes of one volume resemble their neighbours by nature and are not compared with each other.

    Args:
        rows: One per record.
        records: In the order of ``rows``.
        thumbnails: ``[N, 32, 32]``, on any scale.
        load: Index and side → the record's image as a grey square float32 ``[side, side]``.
    """
    first_of: dict[str, int] = {}
    pairs = []
    for i, row in enumerate(rows):
        if row.minimum == row.maximum:
            continue  # constant images are all the same
        j = first_of.setdefault(row.pixels, i)
        if j != i:
            pairs.append(Pair(rows[j].id, row.id, "exact", 1.0))
    kept = np.array(sorted(first_of.values()), np.int64)
    if len(kept) > 1:
        pairs += _near(kept, rows, records, thumbnails, load)
    return tuple(pairs)


def _near(
    kept: np.ndarray,
    rows: Sequence[Row],
    records: Sequence[Record],
    thumbnails: np.ndarray,
    load: Callable[[int, int], np.ndarray],
) -> list[Pair]:
    small = thumbnails[kept]
    first, second, turn = candidates(hashes(small), bits=NEAR_BITS)
    if len(first) == 0:
        return []
    coarse = _correlations(small, first, second, turn)
    order = np.argsort(-coarse, kind="stable")
    order = order[coarse[order] >= COARSE][:MOST]
    groups = Groups(len(rows))
    pairs = []

    @lru_cache(maxsize=2048)
    def view(i: int, side: int) -> tuple[np.ndarray, np.ndarray]:
        return _whole_and_details(load(i, side))

    for n in order.tolist():
        i, j = int(kept[first[n]]), int(kept[second[n]])
        if groups.same(i, j) or _one_volume(records[i], records[j]):
            continue
        side = int(np.clip(0.6 * min(*rows[i].size[-2:], *rows[j].size[-2:]), 8, 128))
        mine, its = view(i, side), view(j, side)
        whole, details = (float((a * _turned(b, int(turn[n]))).sum()) for a, b in zip(mine, its, strict=True))
        if whole >= ALIKE and details >= ALIKE:
            groups.join(i, j)
            pairs.append(Pair(rows[i].id, rows[j].id, "near", round(details, 4), ORIENTATIONS[turn[n]]))
    return pairs


def find_copies(new: Sequence[Signature], old: Sequence[Signature]) -> tuple[Pair, ...]:
    """Which images of one set are copies of images of another, by their signatures alone.

    Args:
        new: Images in question.
        old: Images known before.

    Returns:
        One pair for each new image that is a copy: ``first`` the old one that it resembles most, ``second`` the new.

    Example:
        >>> from lamelle.data.audit.signatures import sign
        >>> image = np.random.default_rng(0).integers(0, 255, (1, 80, 80), np.uint8)
        >>> [(p.first, p.second, p.kind) for p in find_copies([sign("n", image)], [sign("o", image)])]
        [('o', 'n', 'exact')]
    """
    known: dict[str, str] = {}
    for signature in old:
        known.setdefault(signature.pixels, signature.id)
    exact = {n: known[s.pixels] for n, s in enumerate(new) if s.pixels in known and s.small.any()}
    found = {n: Pair(first, new[n].id, "exact", 1.0) for n, first in exact.items()}
    every = [*new, *old]
    small = np.array([s.small for s in every], np.float32).reshape(-1, SIDE, SIDE)
    first, second, turn = candidates(hashes(small.reshape(-1, 32, 2, 32, 2).mean((2, 4))), bits=NEAR_BITS)
    for n, o, t in zip(first.tolist(), second.tolist(), turn.tolist(), strict=True):
        if n < len(new) <= o and n not in exact:
            both = zip(_whole_and_details(small[n]), _whole_and_details(small[o]), strict=True)
            whole, details = (float((a * _turned(b, t)).sum()) for a, b in both)
            if whole >= ALIKE and details >= ALIKE and (n not in found or found[n].correlation < details):
                found[n] = Pair(every[o].id, every[n].id, "near", round(details, 4), ORIENTATIONS[t])
    return tuple(found[n] for n in sorted(found))


def _correlations(small: np.ndarray, first: np.ndarray, second: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Correlation of 16 × 16 thumbnails of candidate pairs."""
    half = small.astype(np.float32).reshape(len(small), 16, 2, 16, 2).mean((2, 4))
    plain = _unit(half)
    result = np.empty(len(first), np.float32)
    for number, turned in enumerate(oriented(half)):
        units = _unit(turned)
        (chosen,) = np.nonzero(turn == number)
        for part in np.array_split(chosen, len(chosen) // 65536 + 1):
            result[part] = np.einsum("nk,nk->n", plain[first[part]], units[second[part]])
    return result


def _unit(squares: np.ndarray) -> np.ndarray:
    """Squares ``[N, S, S]`` as vectors of mean 0 and length 1; flat ones as zeros."""
    flat = squares.reshape(len(squares), -1).astype(np.float32)
    flat = flat - flat.mean(1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.where(length > 1e-6, flat / np.maximum(length, 1e-6), 0)


def _whole_and_details(square: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy.ndimage import gaussian_filter

    details = square - gaussian_filter(square, len(square) / 16)
    return _unit(square[None]).reshape(square.shape), _unit(details[None]).reshape(square.shape)


def _turned(square: np.ndarray, turn: int) -> np.ndarray:
    turned = np.rot90(square, turn // 2)
    return turned[:, ::-1] if turn % 2 else turned


def _one_volume(a: Record, b: Record) -> bool:
    if a.position is None or b.position is None:
        return False
    volume = a.columns.get("volume")
    return a.image.path == b.image.path or (volume is not None and volume == b.columns.get("volume"))


class Groups:
    """Which of N things belong together, by union and find.

    Example:
        >>> groups = Groups(3)
        >>> groups.join(0, 2)
        >>> groups.same(2, 0), groups.same(0, 1)
        (True, False)
    """

    def __init__(self, count: int) -> None:
        self._above = list(range(count))

    def _root(self, i: int) -> int:
        while self._above[i] != i:
            self._above[i] = self._above[self._above[i]]
            i = self._above[i]
        return i

    def join(self, i: int, j: int) -> None:
        i, j = self._root(i), self._root(j)
        self._above[max(i, j)] = min(i, j)

    def same(self, i: int, j: int) -> bool:
        return self._root(i) == self._root(j)

    def all(self) -> list[list[int]]:
        """Groups of two and more, in order."""
        found: dict[int, list[int]] = {}
        for i in range(len(self._above)):
            found.setdefault(self._root(i), []).append(i)
        return [g for g in found.values() if len(g) > 1]


def copies(pairs: Sequence[Pair], ids: Sequence[str], *, exact: bool) -> list[list[int]]:
    """Groups of records that are copies of one image: exact copies only, or near ones too."""
    place = {name: i for i, name in enumerate(ids)}
    groups = Groups(len(ids))
    for pair in pairs:
        if (pair.kind == "exact" or not exact) and pair.first in place and pair.second in place:
            groups.join(place[pair.first], place[pair.second])
    return groups.all()


def duplicate_problems(pairs: Sequence[Pair], rows: Sequence[Row]) -> list[Problem]:
    """Copies with different labels (an error if exact), and copies that count twice."""
    ids = [r.id for r in rows]
    problems = []
    exact = copies(pairs, ids, exact=True)
    for group in exact:
        problems.append(_problem("duplicate", group, rows))
    identical = {i: n for n, group in enumerate(exact) for i in group}
    for group in copies(pairs, ids, exact=False):
        if len({identical.get(i, -1 - i) for i in group}) > 1:
            problems.append(_problem("near_duplicate", group, rows))
    return problems


def _problem(code: str, group: Sequence[int], rows: Sequence[Row]) -> Problem:
    others = [rows[i].id for i in group[1:]]
    values: dict[str, object] = {"others": listed(others), "count": len(others)}
    labels = {rows[i].label_pixels for i in group if rows[i].label_pixels is not None}
    if len(labels) < 2:
        return Problem(f"audit.{code}", rows[group[0]].id, "warning", values)
    if all(not rows[i].labels for i in group):  # classes, not label images
        values["labels"] = ", ".join(sorted(str(label) for label in labels))
        return Problem(
            f"audit.{code}_conflict", rows[group[0]].id, "error" if code == "duplicate" else "warning", values
        )
    if code == "duplicate":
        return Problem("audit.duplicate_masks", rows[group[0]].id, "error", values)
    return Problem(f"audit.{code}", rows[group[0]].id, "warning", values)  # turned or resized labels differ by nature


def listed(names: Sequence[str], most: int = 5) -> str:
    """A few names, and how many more there are.

    Example:
        >>> listed(["a", "b", "c"], most=2)
        'a, b … (+1)'
    """
    more = f" … (+{len(names) - most})" if len(names) > most else ""
    return ", ".join(names[:most]) + more

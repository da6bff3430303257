"""The same image twice: exactly, or saved again, resized, mirrored, turned, cropped, with a border, inverted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamelle.data.audit.candidates import SmallPictures, described
from lamelle.data.audit.signatures import SIDE, Signature
from lamelle.data.audit.similarity import SamePicture, matches, shared
from lamelle.results.audit import ImageMeasures, ImagePair
from lamelle.types import Problem, Record


def find_pairs(rows: Sequence[ImageMeasures], records: Sequence[Record], small: np.ndarray) -> tuple[ImagePair, ...]:
    """Exact and near duplicates; within a group of copies each is paired with one other, not with all.

    Planes of one volume resemble their neighbours by nature and are not compared with each other.

    Args:
        rows: One per record.
        records: In the order of ``rows``.
        small: uint8 ``[N, 64, 64]``, as in a signature.
    """
    first_of: dict[str, int] = {}
    pairs = []
    for i, row in enumerate(rows):
        if row.minimum == row.maximum:
            continue  # constant images are all the same
        j = first_of.setdefault(row.pixels, i)
        if j != i:
            pairs.append(ImagePair(rows[j].id, row.id, "exact", 1.0))
    kept = np.array(sorted(first_of.values()), np.int64)
    if len(kept) < 2:
        return tuple(pairs)
    sizes = np.array([rows[i].size[-2:] for i in kept])
    pictures = described(small[kept], sizes)
    volumes = _volumes([records[i] for i in kept])

    def apart(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        return (i != j) & ~((volumes[i] == volumes[j]) & (volumes[i] >= 0)).any(axis=-1)

    groups = Groups(len(kept))
    for match in sorted(matches(pictures, pictures, apart), key=lambda m: (-m.agreement, m.first, m.second)):
        match = match if match.first < match.second else match.swapped()
        i, j = match.first, match.second
        if not groups.same(i, j):
            groups.join(i, j)
            pairs.append(_pair(match, (rows[kept[i]].id, sizes[i]), (rows[kept[j]].id, sizes[j])))
    return tuple(pairs)


def _volumes(records: Sequence[Record]) -> np.ndarray:
    """Numbers ``[N, 2]`` of the file and of the volume that planes belong to; −1 for what is no plane."""
    numbers: dict[object, int] = {}
    numbered = np.full((len(records), 2), -1)
    for n, record in enumerate(records):
        if record.position is not None:
            numbered[n, 0] = numbers.setdefault(record.image.path, len(numbers))
            if (volume := record.columns.get("volume")) is not None:
                numbered[n, 1] = numbers.setdefault(volume, len(numbers))
    return numbered


def find_copies(new: Sequence[Signature], old: Sequence[Signature]) -> tuple[ImagePair, ...]:
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
    by_hash: dict[str, str] = {}
    for signature in old:
        by_hash.setdefault(signature.pixels, signature.id)
    pairs = {n: ImagePair(by_hash[s.pixels], s.id, "exact", 1.0) for n, s in enumerate(new) if s.pixels in by_hash}
    left = [n for n, s in enumerate(new) if n not in pairs and s.small.any()]
    if left and old:
        new_waves, old_waves = _described([new[n] for n in left]), _described(old)
        for match in sorted(matches(old_waves, new_waves), key=lambda m: (-m.agreement, m.first)):
            first, second = old[match.first], new[left[match.second]]
            if left[match.second] not in pairs:
                pairs[left[match.second]] = _pair(match, (first.id, first.size), (second.id, second.size))
    return tuple(pairs[n] for n in sorted(pairs))


def _described(signatures: Sequence[Signature]) -> SmallPictures:
    small = np.array([s.small for s in signatures], np.uint8).reshape(-1, SIDE, SIDE)
    return described(small, np.array([s.size for s in signatures]))


def _pair(match: SamePicture, first: tuple[str, Sequence[int]], second: tuple[str, Sequence[int]]) -> ImagePair:
    """What a match says in words that people use: ids and sizes (rows, columns) of both."""
    (one, (rows, columns)), (two, (its_rows, its_columns)) = first, second
    turn = np.diag([columns, rows]) @ match.warp[:2, :2] @ np.diag([1 / its_columns, 1 / its_rows])
    mirrored = bool(np.linalg.det(turn) < 0)
    if mirrored:
        turn = turn @ np.diag([-1, 1])
    angle = float(np.degrees(np.arctan2(turn[0, 1] - turn[1, 0], turn[0, 0] + turn[1, 1])))
    return ImagePair(
        one,
        two,
        "near",
        round(match.agreement, 4),
        mirrored,
        round(angle, 1) + 0.0,
        match.inverted,
        round(shared(np.linalg.inv(match.warp)), 3),
        round(shared(match.warp), 3),
    )


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
        groups: dict[int, list[int]] = {}
        for i in range(len(self._above)):
            groups.setdefault(self._root(i), []).append(i)
        return [g for g in groups.values() if len(g) > 1]


def copies(pairs: Sequence[ImagePair], ids: Sequence[str], *, exact: bool) -> list[list[int]]:
    """Groups of records that are copies of one image: exact copies only, or near ones too."""
    place = {name: i for i, name in enumerate(ids)}
    groups = Groups(len(ids))
    for pair in pairs:
        if (pair.kind == "exact" or not exact) and pair.first in place and pair.second in place:
            groups.join(place[pair.first], place[pair.second])
    return groups.all()


def duplicate_problems(pairs: Sequence[ImagePair], rows: Sequence[ImageMeasures]) -> list[Problem]:
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


def _problem(code: str, group: Sequence[int], rows: Sequence[ImageMeasures]) -> Problem:
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

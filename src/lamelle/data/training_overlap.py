"""Images that trained a model, found again in another folder: by their pixels, by their file, by their likeness.

A Run keeps a signature of 4 KB of each image that trained it or chose its best epoch. The Package, which is shared,
holds none: a hash would tell whoever has an image that it was among them.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from lamelle.data.audit.duplicates import find_copies
from lamelle.data.audit.measure import thumbnail
from lamelle.data.audit.signatures import SIDE, Signature, shrunk
from lamelle.data.changed_files import Content
from lamelle.data.store import Store
from lamelle.errors import FileError
from lamelle.results.audit import ImageMeasures
from lamelle.types import Record

LEARNT = ("train", "validation")
"""Splits whose images a model has seen: they trained it, or chose its best epoch and its thresholds."""
_THREADS = 8


@dataclass(frozen=True, slots=True)
class KnownImage:
    """An image that a model has seen before."""

    id: str
    like: str
    """The image of the training that it is."""
    kind: str
    """``same``: the same pixels or the same file; ``alike``: re-encoded, resized, turned …"""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a Run knows of the images of its training."""

    pixels: Mapping[str, str]
    """Hash of decoded pixels → id, of images that the model has seen."""
    files: Mapping[str, str]
    """SHA-256 of a file → id, of the same."""
    tested: frozenset[str]
    """Hashes of the pixels of its own test images."""
    signatures: tuple[Signature, ...] | None
    """None in Runs of before there were any: copies that were changed are then not found."""


def remember(split: Sequence[Mapping[str, str]], rows: Sequence[ImageMeasures], signatures: bytes | None) -> Memory:
    """What a Run knows, from its split, its audit and its signatures.

    Args:
        split: Rows of ``split.csv``.
        rows: Of the audit; constant images, which are all alike, are left out.
        signatures: What `to_bytes` gave.
    """
    measured = {row.id: row.pixels for row in rows if row.minimum != row.maximum}
    learnt = [row for row in split if row["split"] in LEARNT]
    tested = {measured[row["id"]] for row in split if row["split"] == "test" and row["id"] in measured}
    pixels = {measured[row["id"]]: row["id"] for row in reversed(learnt) if row["id"] in measured}
    files = {row["image_sha256"]: row["id"] for row in reversed(learnt) if row.get("image_sha256")}
    signed = None if signatures is None else from_bytes(signatures)
    return Memory(pixels, files, frozenset(tested - set(pixels)), signed)


def seen_before(
    records: Sequence[Record],
    rows: Sequence[ImageMeasures],
    contents: Mapping[str, Content],
    memory: Memory,
    store: Store,
) -> tuple[KnownImage, ...]:
    """Which records of another folder a model has seen.

    Args:
        rows: Of the audit of the other folder.
        contents: Content hashes of the records.
    """
    measured = {row.id: row for row in rows if row.minimum != row.maximum}
    matches: dict[str, KnownImage] = {}
    for record in records:
        row, whole = measured.get(record.id), record.image.index is None and record.image.span is None
        like = memory.pixels.get(row.pixels) if row else None
        if like is None and row and whole:  # of a volume that was cut in training, the whole file
            like = memory.files.get(contents[record.id].image)
        if like is not None:
            matches[record.id] = KnownImage(record.id, like, "same")
    rest = [r for r in records if r.id in measured and r.id not in matches]
    if memory.signatures and rest:
        new = signatures_of(rest, rows, store)
        matches |= {p.second: KnownImage(p.second, p.first, "alike") for p in find_copies(new, memory.signatures)}
    return tuple(matches[r.id] for r in records if r.id in matches)


def signatures_of(records: Sequence[Record], rows: Sequence[ImageMeasures], store: Store) -> list[Signature]:
    """Signatures of records whose pixels were measured; what cannot be read any more has none."""
    pixels = {row.id: row.pixels for row in rows if row.minimum != row.maximum}

    def sign(record: Record) -> Signature | None:
        try:
            image = store.image(record.image)
        except FileError:
            return None
        size = (image.shape[-2], image.shape[-1])
        return Signature(record.id, pixels[record.id], size, shrunk(thumbnail(image, SIDE)))

    with ThreadPoolExecutor(_THREADS) as threads:
        return [one for one in threads.map(sign, (r for r in records if r.id in pixels)) if one is not None]


def to_bytes(signatures: Sequence[Signature]) -> bytes:
    """Signatures as an NPZ file without Python objects.

    Example:
        >>> from lamelle.data.audit.signatures import sign
        >>> one = sign("a", np.eye(80, dtype=np.uint8)[None])
        >>> from_bytes(to_bytes([one]))[0].size
        (80, 80)
    """
    out = io.BytesIO()
    np.savez_compressed(
        out,
        ids=np.array([s.id.encode() for s in signatures], dtype=bytes),
        pixels=np.array([s.pixels.encode() for s in signatures], dtype=bytes),
        sizes=np.array([s.size for s in signatures], np.int64).reshape(-1, 2),
        small=np.array([s.small for s in signatures], np.uint8).reshape(-1, SIDE, SIDE),
    )
    return out.getvalue()


def from_bytes(content: bytes) -> tuple[Signature, ...]:
    """The signatures that `to_bytes` wrote."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        ids, pixels, sizes, small = (file[name] for name in ("ids", "pixels", "sizes", "small"))
    return tuple(
        Signature(i.decode(), p.decode(), (int(s[0]), int(s[1])), square)
        for i, p, s, square in zip(ids.tolist(), pixels.tolist(), sizes, small, strict=True)
    )


def pair_shown(match: Mapping[str, str]) -> str:
    """An image and the one of the training that it is, ``=``, or resembles, ``≈``.

    Example:
        >>> pair_shown({"id": "s2/7.jpg", "like": "a/12.png", "kind": "alike"})
        's2/7.jpg ≈ a/12.png'
    """
    return f"{match['id']} {'=' if match['kind'] == 'same' else '≈'} {match['like']}"

"""What ``lamelle check`` shows of a folder, with its pictures: made where pixels are, for a page that opens none."""

from __future__ import annotations

from dataclasses import dataclass

from lamelle.data.store import Store
from lamelle.data.targets.reading import read_labels
from lamelle.errors import FileError
from lamelle.pictures.encode import EncodedPicture, encoded_preview
from lamelle.results.audit import Audit, ImagePair
from lamelle.runs.data_pictures import spread
from lamelle.runs.splitting import Outlook
from lamelle.tasks.table import tasks_for
from lamelle.types import Index, Record

_PREVIEWS, _PAIRS = 24, 12


@dataclass(frozen=True, slots=True)
class CopyPictures:
    """Two images of which one is a copy of the other."""

    pair: ImagePair
    pictures: tuple[EncodedPicture, EncodedPicture]
    labels: tuple[str, str]
    """What each is labelled."""


@dataclass(frozen=True, slots=True)
class CheckedFolder:
    """A folder, looked at."""

    index: Index
    audit: Audit
    outlook: Outlook
    """The split that a training would make."""
    task: str
    """That would learn from it; empty if none can."""
    previews: tuple[tuple[Record, EncodedPicture], ...]
    """Some images, with the contours of their labels."""
    copies: tuple[CopyPictures, ...]


def checked_folder(index: Index, audit: Audit, outlook: Outlook, store: Store) -> CheckedFolder:
    """A folder with pictures of some of its images; what cannot be read is left out, the audit names it."""
    task = next(iter(tasks_for(index)), "")
    return CheckedFolder(index, audit, outlook, task, _previews(index, store), _copies(index, audit, store))


def _previews(index: Index, store: Store) -> tuple[tuple[Record, EncodedPicture], ...]:
    previews = []
    for record in spread(index.records, _PREVIEWS):
        try:
            labels = read_labels(record, store) if record.labels else None
            image = store.image(record.image)
        except FileError:
            continue
        fits = labels is not None and labels.shape == image.shape[1:]
        previews.append((record, encoded_preview(image, labels if fits else None)))
    return tuple(previews)


def _copies(index: Index, audit: Audit, store: Store) -> tuple[CopyPictures, ...]:
    """The first pairs, exact copies before near ones."""
    by_id, pictures = {r.id: r for r in index.records}, []
    ranked = sorted(audit.pairs, key=lambda p: (p.kind != "exact", -p.correlation, p.first, p.second))
    for pair in ranked[:_PAIRS]:
        first, second = by_id[pair.first], by_id[pair.second]
        try:
            both = (encoded_preview(store.image(first.image), None), encoded_preview(store.image(second.image), None))
        except FileError:
            continue
        pictures.append(CopyPictures(pair, both, (", ".join(first.names), ", ".join(second.names))))
    return tuple(pictures)

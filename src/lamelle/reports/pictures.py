"""Pictures inside a page: bounded in number and size, as data in the page itself."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamelle.data.store import Store
from lamelle.data.targets.reading import read_labels
from lamelle.errors import FileError
from lamelle.messages import text
from lamelle.pictures.encode import COARSE, encode
from lamelle.pictures.encode import preview as small_preview
from lamelle.results.pictures import Drawing
from lamelle.runs.bundle import RunBundle
from lamelle.runs.data_pictures import spread
from lamelle.types import Index, Record


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture with what is said about it."""

    uri: str
    alt: str
    caption: str = ""
    detail: str = ""
    good: bool | None = None
    """Whether the detail is good news or bad."""
    coarse: bool = False


def embedded(bundle: RunBundle, drawing: Drawing, *, alt: str, **said: Any) -> Picture:
    """A picture that a Run has saved.

    Args:
        said: Further fields of the `Picture`.
    """
    kind = "jpeg" if drawing.file.endswith(".jpg") else "png"
    return Picture(_uri(bundle.picture(drawing.file), kind), alt, coarse=drawing.coarse, **said)


def uri(picture: np.ndarray, *, lossy: bool) -> str:
    """A picture uint8 [3, Y, X] as a data URI: JPEG, or PNG with few colours."""
    return _uri(encode(picture, lossy=lossy), "jpeg" if lossy else "png")


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def preview(image: np.ndarray, labels: np.ndarray | None, **said: Any) -> Picture:
    """A small picture of an image [C, (Z,) Y, X], with the contours of labels [(Z,) Y, X] if there are any.

    Args:
        said: Fields of the `Picture`.
    """
    return Picture(uri(small_preview(image, labels), lossy=True), coarse=max(image.shape[-2:]) < COARSE, **said)


def previews(records: Sequence[Record], store: Store, *, number: int) -> list[Picture]:
    """Images of a folder with what is said about them; what cannot be read is left out.

    Args:
        number: How many at most.
    """
    found = []
    for record in spread(records, number):
        try:
            labels = read_labels(record, store) if record.labels else None
            image = store.image(record.image)
            if labels is not None and labels.shape != image.shape[1:]:
                labels = None
            label = ", ".join(record.names) or (record.stratum or "")
            said = (
                text("report.alt_label", name=record.id, label=label)
                if label
                else text("report.alt_image", name=record.id)
            )
            found.append(preview(image, labels, alt=said, caption=record.id, detail=label))
        except FileError:
            continue  # the audit names the file
    return found


def pairs(index: Index, ids: Sequence[tuple[str, str, str]], store: Store) -> list[tuple[Picture, Picture, str]]:
    """Two records side by side, and what is said about the pair."""
    known = {r.id: r for r in index.records}
    found = []
    for first, second, said in ids:
        try:
            both = [
                preview(
                    store.image(known[name].image),
                    None,
                    alt=text("report.alt_image", name=name),
                    caption=name,
                    detail=", ".join(known[name].names),
                )
                for name in (first, second)
            ]
        except FileError:
            continue  # the audit names the file
        found.append((both[0], both[1], said))
    return found


def errors(bundle: RunBundle) -> list[Picture]:
    """Wrongly classified images with what they are, what was said, and how surely."""
    items = {item.id: item for item in (bundle.scores.items if bundle.scores else ())}
    several = bundle.plan is not None and bundle.plan.task.describe()["settled"].get("multi_label")
    found = []
    for one in bundle.pictures.scored.wrong:
        item = items[one.id]
        values: dict[str, Any] = {"truth": item.truth or "–", "predicted": item.predicted or "–"}
        if one.confidence is None:
            detail = text("report.error", **values)
        else:
            code = "report.error_labels" if several else "report.error_sure"
            detail = text(code, **values, p=round(100 * one.confidence))
        alt = text("report.alt_label", name=one.id, label=detail)
        found.append(embedded(bundle, one.image, alt=alt, caption=one.id, detail=detail, good=False))
    return found

"""Pictures inside a page: bounded in number and size, as data in the page itself."""

from __future__ import annotations

import base64
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamelle.data.store import Store
from lamelle.data.targets.reading import read_labels
from lamelle.errors import FileError
from lamelle.messages import text
from lamelle.pictures.overlay import draw_contours, shown_plane, to_rgb
from lamelle.reports.held import Held, probability
from lamelle.runs.plan import Plan
from lamelle.types import Index, Record

SMALL, LARGE = 240, 512
"""Pixels along the longer edge, of a preview and of a case that is looked at closely."""
_JPEG = 82
_COLOURS = 64
_COARSE = 96
"""Images smaller than this are shown with their pixels as squares."""


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


def encode(picture: np.ndarray, *, lossy: bool) -> str:
    """A picture uint8 [3, Y, X] as a data URI: JPEG, or PNG with few colours."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(np.moveaxis(picture, 0, -1)))
    out = io.BytesIO()
    if lossy:
        grey = all(np.array_equal(picture[0], c) for c in picture[1:])
        # colours at full resolution: contours are one pixel wide
        (image.convert("L") if grey else image).save(out, "JPEG", quality=_JPEG, subsampling=0)
    else:
        image.quantize(_COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    kind = "jpeg" if lossy else "png"
    return f"data:image/{kind};base64,{base64.b64encode(out.getvalue()).decode('ascii')}"


def preview(image: np.ndarray, labels: np.ndarray | None, **said: Any) -> Picture:
    """A small picture of an image [C, (Z,) Y, X], with the contours of labels [(Z,) Y, X] if there are any.

    Args:
        said: Fields of the `Picture`.
    """
    index = shown_plane(labels) if labels is not None and labels.ndim == 3 else image.shape[1] // 2
    flat = image if image.ndim == 3 else image[:, index]
    step = max(1, min(flat.shape[1:]) // (2 * SMALL))
    shown = shrunk(to_rgb(np.asarray(flat[:, ::step, ::step])), SMALL)
    if labels is not None:  # after shrinking, so that the lines stay visible
        drawn = np.asarray(labels if labels.ndim == 2 else labels[index])
        rows, columns = (np.arange(n) * full // n for n, full in zip(shown.shape[1:], drawn.shape, strict=True))
        shown = draw_contours(shown, drawn[rows][:, columns])
    return Picture(encode(shown, lossy=True), coarse=max(flat.shape[1:]) < _COARSE, **said)


def shrunk(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture uint8 [3, Y, X], made smaller if an edge is longer than ``side``."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(np.moveaxis(picture, 0, -1)))
    image.thumbnail((side, side), Image.Resampling.BOX)
    return np.moveaxis(np.array(image), -1, 0)


def spread(records: Sequence[Record], number: int) -> list[Record]:
    """Some records: of each class in turn, evenly spread over the folder."""
    classes: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        classes[record.stratum or ""].append(record)
    each = max(1, number // max(1, len(classes)))
    chosen: list[Record] = []
    for members in classes.values():
        places = np.linspace(0, len(members) - 1, min(each, len(members))).round().astype(int)
        chosen += [members[p] for p in dict.fromkeys(places.tolist())]
    return chosen[:number]


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


def certainty(held: Held, item: Mapping[str, Any]) -> float | None:
    """The probability that the model gave to what it said of an item; None if it is not known."""
    said = item.get("confidence")
    return float(said) if said is not None else probability(held, item["id"], str(item["predicted"]))


def errors(held: Held, plan: Plan, items: Sequence[Mapping[str, Any]], store: Store) -> list[Picture]:
    """Wrongly classified images with what they are, what was said, and how surely."""
    known = {r.id: r for r in plan.records}
    found = []
    for item in items:
        if (record := known.get(item["id"])) is None:
            continue
        said, truth = str(item["predicted"]) or "–", str(item["truth"]) or "–"
        sure = certainty(held, item)
        values: dict[str, Any] = {"truth": truth, "predicted": said}
        if sure is None:
            detail = text("report.error", **values)
        elif plan.task.describe()["settled"].get("multi_label"):
            detail = text("report.error_labels", **values, p=round(100 * sure))
        else:
            detail = text("report.error_sure", **values, p=round(100 * sure))
        try:
            image = store.image(record.image)
        except FileError:
            continue  # a file that is gone or changed since the run
        alt = text("report.alt_label", name=record.id, label=detail)
        found.append(preview(image, None, alt=alt, caption=record.id, detail=detail, good=False))
    return found

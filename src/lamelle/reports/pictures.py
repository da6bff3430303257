"""Pictures that were saved or handed over, as data in the page itself."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from lamelle.messages import text
from lamelle.reports.blocks import ShownPicture
from lamelle.results.pictures import Drawing
from lamelle.runs.bundle import RunBundle


def embedded(
    bundle: RunBundle, drawing: Drawing, *, alt: str, caption: str = "", detail: str = "", good: bool | None = None
) -> ShownPicture:
    """A picture that a Run has saved."""
    uri = uri_of(bundle.picture(drawing.file), lossy=drawing.file.endswith(".jpg"))
    return ShownPicture(uri, alt, caption, detail, good, drawing.coarse)


def uri_of(content: bytes, *, lossy: bool) -> str:
    """A JPEG (``lossy``) or PNG as an address that holds it.

    Example:
        >>> uri_of(b"abc", lossy=False)
        'data:image/png;base64,YWJj'
    """
    return f"data:image/{'jpeg' if lossy else 'png'};base64,{base64.b64encode(content).decode('ascii')}"


def views(bundle: RunBundle, drawings: Mapping[str, Drawing], *, name: str) -> list[ShownPicture]:
    """Pictures of one image with the words for what they show."""
    pictures = []
    for what, drawing in drawings.items():
        caption = text(f"report.{what}")
        pictures.append(
            embedded(bundle, drawing, alt=text("report.alt_case", what=caption, name=name), caption=caption)
        )
    return pictures

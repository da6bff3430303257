"""Pictures of a segmenter: images beside their masks, best and worst cases, slices of volumes to look through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lamelle.messages import text
from lamelle.metrics.names import metric_of
from lamelle.pictures.encode import CONTOURS
from lamelle.pictures.overlay import CONFUSION, colour
from lamelle.reports import scoring
from lamelle.reports.describing import split_name
from lamelle.reports.html import number, percent
from lamelle.reports.pictures import Picture, embedded
from lamelle.results import pictures as saved
from lamelle.results.scores import Item
from lamelle.runs.bundle import RunBundle
from lamelle.types import SPLITS

_NUMBERS, _MANY = 8, 3
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ShownCase:
    """An image, its truth, its prediction, what is right and wrong in it, and the numbers of it."""

    name: str
    quality: float | None
    pictures: tuple[Picture, ...]
    numbers: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ShownSlide:
    """One slice of a volume."""

    position: int
    said: str
    pictures: tuple[Picture, ...]


def previews(bundle: RunBundle) -> list[tuple[str, list[tuple[str, Picture, Picture]]]]:
    """Of each split some images beside their masks, from each folder in it.

    Returns:
        Name of the split, and of each pair the folder (empty if there is one only), the image and the mask.
    """
    found = []
    for split in SPLITS:
        pairs = [one for one in bundle.pictures.data.masks if one.split == split]
        shown = [(one.folder, *_pictures(bundle, {"image": one.image, "mask": one.mask}, name=one.id)) for one in pairs]
        if shown:
            found.append((split_name(split), shown))
    return found


def section(bundle: RunBundle) -> Values:
    """Best and worst cases among what was scored; empty if nothing was predicted."""
    if bundle.scores is None:
        return {}
    items = {item.id: item for item in bundle.scores.items}
    parts = [(rank, [_case(bundle, one, items[one.id]) for one in bundle.pictures.scored.cases if one.rank == rank])
             for rank in ("worst", "best")]  # fmt: skip
    found = [(text(f"report.{rank}"), i == 0, some) for i, (rank, some) in enumerate(part for part in parts if part[1])]
    if not found:
        return {}
    return {"cases": found, "case_score": scoring.name_of(_quality(bundle.scores.items)), **legends(bundle)}


def _quality(items: Sequence[Item]) -> str:
    """The score that the items are ranked by: the one that their quality equals wherever it is known."""
    known = [i for i in items if i.quality is not None]
    names = list(known[0].scores) if known else []
    same = (k for k in names if all(i.scores.get(k) in (None, i.quality) for i in known))
    return next(same, "dice").partition("/")[0]


def legends(bundle: RunBundle) -> Values:
    """What the colours mean."""
    names = list(bundle.plan.task.classes) if bundle.plan else []
    shown = [n for n in CONFUSION if n != "other" or len(names) >= _MANY]
    return {
        "confusion_legend": [(text(f"report.{n}"), _hex(CONFUSION[n])) for n in shown],
        "contour_legend": [(text(f"report.contour_{n}"), _hex(rgb)) for n, rgb in CONTOURS.items()],
        "class_legend": [(c, _hex(colour(i))) for i, c in enumerate(names)] if len(names) >= _MANY else [],
    }


def browsers(bundle: RunBundle) -> list[tuple[str, list[ShownSlide]]]:
    """Name and evenly spread slices of some of the volumes that were scored."""
    volumes = bundle.pictures.scored.volumes if bundle.scores else ()
    return [(one.name, [_slide(bundle, one.name, each) for each in one.slides]) for one in volumes]


def _slide(bundle: RunBundle, volume: str, one: saved.Slide) -> ShownSlide:
    name = f"{volume}#{one.position}"
    return ShownSlide(one.position, _share(one.wrong), _pictures(bundle, one.views, name=name))


def _case(bundle: RunBundle, one: saved.Case, item: Item) -> ShownCase:
    numbers = [
        *_scores(bundle, item)[:_NUMBERS],
        (text("report.wrong_pixels"), _share(one.wrong)),
        (text("report.area_ratio"), number(one.area_ratio, 2)),
    ]
    return ShownCase(one.id, item.quality, _pictures(bundle, one.views, name=one.id), numbers)


def _scores(bundle: RunBundle, item: Item) -> list[tuple[str, str]]:
    """Scores of one image; those of the background are left out."""
    background = bundle.plan.task.classes[0] if bundle.plan else ""
    rows = []
    for key, value in item.scores.items():
        name, _, of = key.partition("/")
        if value is not None and metric_of(name)[0] is not None and of != background:
            rows.append((scoring.name_of(name) + (f" ({of})" if of else ""), number(value)))
    return rows


def _share(wrong: float | None) -> str:
    return "–" if wrong is None else percent(wrong)


def _pictures(bundle: RunBundle, views: Mapping[str, saved.Drawing], *, name: str) -> tuple[Picture, ...]:
    """Pictures with the words for what they show."""
    found = []
    for what, drawing in views.items():
        said = text(f"report.{what}")
        alt = text("report.alt_case", what=said, name=name)
        found.append(embedded(bundle, drawing, alt=alt, caption=said))
    return tuple(found)


def _hex(rgb: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)

"""Pictures of a segmenter: images beside their masks, best and worst cases, slices of volumes to look through."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lamelle.data.store import Store
from lamelle.errors import FileError
from lamelle.messages import text
from lamelle.metrics.names import metric_of
from lamelle.pictures.overlay import CONFUSION, colour, confusion_picture, label_picture, shown_plane, to_rgb
from lamelle.reports import scoring
from lamelle.reports.describing import split_name
from lamelle.reports.held import Held
from lamelle.reports.html import number, percent
from lamelle.reports.pictures import LARGE, Picture, encode, shrunk, spread
from lamelle.reports.remarks import Scored, place, read
from lamelle.runs.plan import Plan
from lamelle.types import IGNORE, SPLITS, Record

CONTOURS = {"truth": (255, 176, 0), "prediction": (0, 200, 255), "both": (255, 255, 255)}
"""Lines of truth and prediction, and where they run together; told apart with colour-vision deficiencies."""
_EACH, _FOLDERS = 4, 8
"""Pairs of each split, without folders and with."""
_BEST, _SMALL, _SLICE, _FINE = 3, 200, 360, 320
"""Cases; edges of a preview, of a slice and of the smallest picture with contours, in pixels."""
_VOLUMES, _SLICES, _NUMBERS, _COARSE, _MANY = 2, 12, 8, 96, 3
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """An image, its truth, its prediction, what is right and wrong in it, and the numbers of it."""

    name: str
    quality: float | None
    pictures: tuple[Picture, ...]
    numbers: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Slide:
    """One slice of a volume."""

    position: int
    said: str
    pictures: tuple[Picture, ...]


def previews(plan: Plan, store: Store) -> list[tuple[str, list[tuple[str, Picture, Picture]]]]:
    """Of each split some images beside their masks, from each folder in it; what cannot be read is left out.

    Returns:
        Name of the split, and of each pair the folder (empty if there is one only), the image and the mask.
    """
    labelled = [r for r in plan.records if r.labels]
    strata = {r.stratum for r in labelled if r.stratum}
    found = []
    for split in SPLITS:
        chosen = spread([r for r in labelled if r.split == split], _FOLDERS if len(strata) > 1 else _EACH)
        pairs = [(r.stratum or "" if len(strata) > 1 else "", _pair(r, plan, store)) for r in chosen]
        if shown := [(folder, *pair) for folder, pair in pairs if pair]:
            found.append((split_name(split), shown))
    return found


def _pair(record: Record, plan: Plan, store: Store) -> tuple[Picture, Picture] | None:
    try:
        image, raw = store.image(record.image), plan.task.targets.read(record, store)
    except FileError:
        return None  # the audit names the file
    if image.shape[1:] != raw.shape:
        return None
    if raw.ndim == 3:
        step = max(1, len(raw) // 32)
        index = step * shown_plane(plan.task.targets.window(raw[::step, ::4, ::4], None, None))
        image, raw = image[:, index], raw[index]
    raw = np.asarray(raw)
    encoded = plan.task.targets.window(raw, None, None)
    shown = np.where(encoded > 0, raw, encoded) if plan.index.numbers_objects else encoded
    step = max(1, min(raw.shape) // (2 * _SMALL))
    small = shrunk(to_rgb(np.asarray(image[:, ::step, ::step])), _SMALL)
    views = (("image", lambda: small), ("mask", lambda: _coloured(_sampled(shown, small.shape[1:]), plan)))
    coarse = max(raw.shape) < _COARSE
    first, second = (_picture(draw, what, record.id, coarse=coarse) for what, draw in views)
    return first, second


def section(held: Held, store: Store) -> Values:
    """Best and worst cases, and slices of the volumes among what was scored; empty if nothing was predicted."""
    if held.scores is None or held.plan is None or not held.plan.task.spatial:
        return {}
    best, worst = scoring.best_and_worst(held.scores["items"], _BEST)
    parts = [(text(f"report.{name}"), cases(held, held.plan, items, store))
             for name, items in (("worst", worst), ("best", best))]  # fmt: skip
    parts = [part for part in parts if part[1]]
    found = [(heading, i == 0, some) for i, (heading, some) in enumerate(parts)]
    return (
        {"cases": found, "case_score": scoring.name_of(_quality(held.scores["items"])), **legends(held)}
        if found
        else {}
    )


def _quality(items: Sequence[Mapping[str, Any]]) -> str:
    """The score that the items are ranked by: the one that their quality equals wherever it is known."""
    known = [i for i in items if i.get("quality") is not None]
    names = [k for k in (known[0] if known else {}) if k != "quality"]
    same = (k for k in names if all(i.get(k) in (None, i["quality"]) for i in known))
    return next(same, "dice").partition("/")[0]


def legends(held: Held) -> Values:
    """What the colours mean."""
    names = list(held.plan.task.classes) if held.plan else []
    shown = [n for n in CONFUSION if n != "other" or len(names) >= _MANY]
    return {
        "confusion_legend": [(text(f"report.{n}"), _hex(CONFUSION[n])) for n in shown],
        "contour_legend": [(text(f"report.contour_{n}"), _hex(rgb)) for n, rgb in CONTOURS.items()],
        "class_legend": [(c, _hex(colour(i))) for i, c in enumerate(names)] if len(names) >= _MANY else [],
    }


def cases(held: Held, plan: Plan, items: Sequence[Mapping[str, Any]], store: Store) -> list[Case]:
    """Predictions beside their truth, of the items given; what cannot be read is left out."""
    known = {r.id: r for r in plan.records}
    found = []
    for item in items:
        try:
            record = known.get(item["id"])
            one = read(held, plan, record, store) if record else None
            if record is None or one is None or store.image(record.image).shape[1:] != one.target.shape:
                continue
            index = shown_plane(one.target) if one.target.ndim == 3 else None
            image = store.image(record.image)
            pictures = _views(image if index is None else image[:, index], _plane(one, index), plan, side=LARGE)
        except FileError:
            continue  # a file that is gone or changed since the run
        found.append(Case(record.id, item.get("quality"), pictures, _numbers(item, one, plan)))
    return found


def _numbers(item: Mapping[str, Any], found: Scored, plan: Plan) -> list[tuple[str, str]]:
    """What is known about one image: its scores, its wrong pixels, and how much was predicted of what is there."""
    rows = []
    for key, value in item.items():
        name, _, of = key.partition("/")
        if isinstance(value, int | float) and metric_of(name)[0] is not None and of != plan.task.classes[0]:
            rows.append((scoring.name_of(name) + (f" ({of})" if of else ""), number(value)))
    seen, true = found.target != IGNORE, int((found.target > 0).sum())
    said = int(((found.labels > 0) & seen).sum())
    return [
        *rows[:_NUMBERS],
        (text("report.wrong_pixels"), _share(found)),
        (text("report.area_ratio"), number(said / true if true else None, 2)),
    ]


def _share(found: Scored) -> str:
    """Share of the scored pixels that are wrong."""
    seen = found.target != IGNORE
    return percent(float(((found.target != found.labels) & seen).sum() / seen.sum())) if seen.any() else "–"


def browsers(held: Held, store: Store) -> list[tuple[str, list[Slide]]]:
    """Name and evenly spread slices of some of the volumes that were scored."""
    if held.scores is None or held.plan is None or not held.plan.task.spatial:
        return []
    known = {r.id: r for r in held.plan.records}
    volumes: dict[str, list[Record]] = defaultdict(list)
    for item in held.scores["items"]:
        if record := known.get(item["id"]):
            volumes[place(record)[0]].append(record)
    found = []
    for name, records in volumes.items():
        if len(found) < _VOLUMES and (slides := _slides(held, held.plan, records, store)):
            found.append((name, slides))
    return found


def _slides(held: Held, plan: Plan, records: Sequence[Record], store: Store) -> list[Slide]:
    """Slices of one volume: of its records, or of its only record."""
    if len(records) > 1:
        ordered = sorted(records, key=lambda r: r.position or 0)
        slides = [_slide(held, plan, record, store) for record in _some(ordered)]
        return [slide for slide in slides if slide]
    record = records[0]
    try:
        image = store.image(record.image)
        found = read(held, plan, record, store) if image.ndim == 4 else None
    except FileError:
        return []  # a file that is gone or changed since the run
    if found is None or image.shape[1:] != found.target.shape:
        return []
    first = record.image.span[0] if record.image.span else 0
    planes = [(z, _plane(found, z)) for z in _some(range(len(found.target)))]
    return [
        Slide(first + z, _share(flat), _views(image[:, z], flat, plan, side=_SLICE, at=first + z)) for z, flat in planes
    ]


def _slide(held: Held, plan: Plan, record: Record, store: Store) -> Slide | None:
    try:
        image, found = store.image(record.image), read(held, plan, record, store)
    except FileError:
        return None  # a file that is gone or changed since the run
    if found is None or found.target.ndim != 2 or image.shape[1:] != found.target.shape:
        return None
    return Slide(record.position or 0, _share(found), _views(image, found, plan, side=_SLICE))


def _some(these: Sequence[Any]) -> list[Any]:
    places = np.linspace(0, len(these) - 1, min(_SLICES, len(these))).round().astype(int)
    return [these[i] for i in places.tolist()]


def _plane(found: Scored, index: int | None) -> Scored:
    if index is None:
        return found
    numbers = (None if a is None else a[index] for a in (found.numbers, found.predicted_numbers))
    return Scored(found.record, found.target[index], found.labels[index], *numbers)


def _views(image: np.ndarray, found: Scored, plan: Plan, *, side: int, at: int | None = None) -> tuple[Picture, ...]:
    """Pictures of one plane [C, Y, X]: image, truth, prediction, contours, right and wrong."""
    step = max(1, min(found.target.shape) // (2 * side))
    small = shrunk(to_rgb(np.asarray(image[:, ::step, ::step])), side)
    shape = small.shape[1:]
    target, labels = (_sampled(a, shape) for a in (found.target, found.labels))
    truth = target if found.numbers is None else np.where(target > 0, _sampled(found.numbers, shape), target)
    said = labels if found.predicted_numbers is None else _sampled(found.predicted_numbers, shape)
    drawn: dict[str, Callable[[], np.ndarray]] = {
        "image": lambda: small,
        "truth": lambda: _coloured(truth, plan),
        "prediction": lambda: _coloured(said, plan),
        "contours": lambda: contours(small, truth, said),
        "confusion_picture": lambda: confusion_picture(target, labels),
    }
    name = found.record.id if at is None else f"{found.record.id}#{at}"
    coarse = max(found.target.shape) < _COARSE
    return tuple(_picture(draw, what, name, coarse=coarse) for what, draw in drawn.items())


def _picture(draw: Callable[[], np.ndarray], what: str, name: str, *, coarse: bool) -> Picture:
    said = text(f"report.{what}")
    alt = text("report.alt_case", what=said, name=name)
    return Picture(encode(draw(), lossy=what in {"image", "contours"}), alt, said, coarse=coarse)


def contours(picture: np.ndarray, target: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """A picture uint8 [3, Y, X] with the outlines of truth and prediction [Y, X] in the colours of ``CONTOURS``.

    Small pictures are enlarged by a whole number, so that the lines hide little of them.
    """
    times = max(1, _FINE // max(target.shape))
    shown, truth, said = (a.repeat(times, -1).repeat(times, -2) for a in (picture, target, labels))
    lines = [_outline(np.maximum(a, 0)) for a in (truth, said)]
    for name, where in (("truth", lines[0]), ("prediction", lines[1]), ("both", lines[0] & lines[1])):
        shown[:, where] = np.array(CONTOURS[name], np.uint8)[:, None]
    return shown


def _outline(labels: np.ndarray) -> np.ndarray:
    """Labelled pixels [Y, X] beside one of another label."""
    from scipy.ndimage import maximum_filter, minimum_filter

    differs = maximum_filter(labels, size=3, mode="nearest") != minimum_filter(labels, size=3, mode="nearest")
    return differs & (labels > 0)


def _coloured(labels: np.ndarray, plan: Plan) -> np.ndarray:
    """Classes in their colours; objects that are numbered in a colour each."""
    classes = len(plan.task.classes)
    return label_picture(labels.astype(np.int64), classes=classes if labels.max(initial=0) < classes else classes + 1)


def _sampled(labels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Labels [Y, X] at the size of their picture: the nearest pixel of each."""
    rows, columns = ((np.arange(n) * full + full // 2) // n for n, full in zip(shape, labels.shape, strict=True))
    return labels[rows][:, columns]


def _hex(rgb: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)

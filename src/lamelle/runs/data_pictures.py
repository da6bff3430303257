"""Pictures and grey levels of the data of a Run, made when its plan is saved."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lamelle.data.store import Store
from lamelle.data.targets import boxes as of_boxes
from lamelle.errors import FileError
from lamelle.pictures.encode import COARSE, coloured, preview, sampled, small_plane
from lamelle.pictures.overlay import shown_plane
from lamelle.results.audit import Audit
from lamelle.results.pictures import ClassPreview, DataPictures, GreyLevels, MaskPreview
from lamelle.runs.folder import RunFolder
from lamelle.runs.pictures import PictureFolder, write_pictures
from lamelle.runs.plan import Plan
from lamelle.types import SPLITS, Boxes, ClassNames, Record

CLASSES = 40
"""Classes of which there are pictures."""
LINES = 8
"""Classes of which grey levels are kept: more lines could not be told apart."""
SAMPLED = 24
"""Images of a class that its grey levels are taken from."""
_EACH, _FOLDERS = 4, 8
"""Pairs of each split, without folders and with."""
_OF_A_CLASS, _OF_ALL = 6, 48
_SIDE = 200
"""Longest edge of an image beside its mask, in pixels."""
_BINS, _STEP = 64, 256


def save_data_pictures(run: RunFolder, plan: Plan, store: Store) -> None:
    """Write what the page shows of the data; what cannot be read is left out, the audit names it."""
    data = DataPictures(
        masks=tuple(_masks(run, plan, store)),
        classes=tuple(_classes(run, plan, store)),
        grey_levels=_grey_levels(plan, store),
    )
    write_pictures(run, data=data)


def spread(records: Sequence[Record], number: int) -> list[Record]:
    """Some records: of each stratum in turn, evenly spread over the folder.

    Example:
        >>> from pathlib import Path
        >>> from lamelle.types import Source
        >>> records = [Record(str(i), Source(Path("a")), stratum="ab"[i % 2]) for i in range(8)]
        >>> [r.id for r in spread(records, 4)]
        ['0', '6', '1', '7']
    """
    strata: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        strata[record.stratum or ""].append(record)
    each = max(1, number // max(1, len(strata)))
    chosen: list[Record] = []
    for members in strata.values():
        places = np.linspace(0, len(members) - 1, min(each, len(members))).round().astype(int)
        chosen += [members[p] for p in dict.fromkeys(places.tolist())]
    return chosen[:number]


def _masks(run: RunFolder, plan: Plan, store: Store) -> list[MaskPreview]:
    """Of each split some images beside their masks, from each folder in it."""
    folder, previews = PictureFolder(run, "mask"), []
    labelled = [r for r in plan.records if r.labels]
    strata = {r.stratum for r in labelled if r.stratum}
    for split in SPLITS:
        for record in spread([r for r in labelled if r.split == split], _FOLDERS if len(strata) > 1 else _EACH):
            if (pair := _pair(record, plan, store)) is not None:
                image, mask, coarse = pair
                both = (folder.add(image, lossy=True, coarse=coarse), folder.add(mask, lossy=False, coarse=coarse))
                name = record.stratum or "" if len(strata) > 1 else ""
                previews.append(MaskPreview(id=record.id, split=split, folder=name, image=both[0], mask=both[1]))
    return previews


def _pair(record: Record, plan: Plan, store: Store) -> tuple[np.ndarray, np.ndarray, bool] | None:
    """Pictures of an image and of its mask, and whether they are coarse."""
    try:
        image, raw = store.image(record.image), plan.task.targets.read(record, store)
    except FileError:
        return None
    if image.shape[1:] != raw.shape:
        return None

    def encoded_as(labels: np.ndarray) -> np.ndarray:
        return labels if boxes else plan.task.targets.window(labels, None, None)

    boxes = isinstance(raw, Boxes)
    raw = of_boxes.drawn(raw) if isinstance(raw, Boxes) else raw
    if raw.ndim == 3:
        step = max(1, len(raw) // 32)
        index = step * shown_plane(encoded_as(raw[::step, ::4, ::4]))
        image, raw = image[:, index], raw[index]
    raw = np.asarray(raw)
    encoded = encoded_as(raw)
    shown = np.where(encoded > 0, raw, encoded) if plan.index.numbers_objects else encoded
    small = small_plane(image, _SIDE)
    mask = coloured(sampled(shown, small.shape[1:]), classes=len(plan.task.classes))
    return small, mask, max(raw.shape) < COARSE


def _classes(run: RunFolder, plan: Plan, store: Store) -> list[ClassPreview]:
    """Some images of each class of a classifier."""
    named = [r for r in plan.records if isinstance(r.target, ClassNames)]
    classes = plan.task.classes[:CLASSES] if named else ()
    folder, previews = PictureFolder(run, "class"), []
    for name in classes:
        members = [replace(r, stratum=None) for r in named if name in r.names]
        for record in spread(members, max(1, min(_OF_A_CLASS, _OF_ALL // len(classes)))):
            try:
                image = store.image(record.image)
            except FileError:
                continue
            drawn = folder.add(preview(image, None), lossy=True, coarse=max(image.shape[-2:]) < COARSE)
            previews.append(ClassPreview(id=record.id, name=name, label=", ".join(record.names), image=drawn))
    return previews


def _grey_levels(plan: Plan, store: Store) -> GreyLevels | None:
    """Share of the pixels at each grey level, from a sample of the images of the most frequent classes."""
    low, high = _range(plan.audit)
    counts = Counter(name for r in plan.records for name in r.names)
    if not low < high or not counts:
        return None
    most = {name for name, _ in counts.most_common(LINES)}
    edges = np.linspace(low, high, _BINS + 1)
    shares = {}
    for name in [name for name in plan.task.classes if name in most]:
        histogram = np.zeros(_BINS)
        for record in spread([replace(r, stratum=None) for r in plan.records if name in r.names], SAMPLED):
            try:
                one = np.histogram(_grey(store.image(record.image)), edges)[0]
            except FileError:
                continue
            histogram += one / max(one.sum(), 1)
        shares[name] = tuple((histogram / histogram.sum()).tolist()) if histogram.sum() else ()
    return GreyLevels(edges=tuple(edges.tolist()), shares=shares) if any(shares.values()) else None


def _range(audit: Audit) -> tuple[float, float]:
    """Grey levels to draw: all of 8 bits; else between the outer percentiles."""
    s = audit.statistics
    if set(s.dtypes) == {"uint8"}:
        return -0.5, 255.5
    return (float(min(s.low)), float(max(s.high))) if s.low and s.high else (0.0, 0.0)


def _grey(image: np.ndarray) -> np.ndarray:
    """Mean over channels of some pixels of an image [C, (Z,) Y, X], of its middle plane if it has several."""
    flat = image if image.ndim == 3 else image[:, image.shape[1] // 2]
    step = max(1, max(flat.shape[1:]) // _STEP)
    return np.asarray(flat[:, ::step, ::step]).astype(np.float64).mean(0)

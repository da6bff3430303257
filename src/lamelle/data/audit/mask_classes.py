"""Folders of masks that were taken for a class: flat images, and in another class a partner of a name that fits."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np

from lamelle.data.audit.mask_pairs import MaskOrImage, Partners, partners
from lamelle.data.audit.measure import THUMBNAIL, Distribution, thumbnail
from lamelle.data.audit.signatures import shrunk
from lamelle.data.layouts.listing import FileEntry
from lamelle.data.layouts.named_masks import expressions
from lamelle.data.layouts.pairing import by_affixes
from lamelle.data.layouts.words import file_name
from lamelle.errors import printable, setting
from lamelle.results.audit import ImageMeasures
from lamelle.types import Problem, Record, Severity

_MAX_MASK_VALUES, _MIN_IMAGE_VALUES = 8, 16
"""Grey values up to which an image may be a mask, and from which its partner is an image."""
_NEAR, _BETWEEN = 1 / 8, 1 / 3
"""What counts as one of two values, as a share of the range; and what may lie between, as a share of the rarer one."""
_AROUND = 0.2
"""How far colours that were blurred at edges lie around one of two, as a share of what is between these."""
_ALIKE = 0.7
"""Share of the pixels of labels that lie left of one of the same value: more than that from 4 pixels across."""
_LOOKED_AT = 1 << 20
"""Pixels of an image."""
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Shares of red, green and blue in how light a colour is (ITU-R BT.601), as JPEG has them."""
_NUMBER = re.compile(r"[-_. ]\d+$")
"""What masks of single objects bear behind the name of their image: ``a_2``."""
_SIGN = re.compile(r"[-_. ]+")
_MIN_PARTNERS = 2
"""Partners from which something is concluded."""
_MIN_SHARE = 0.8
"""Share of the partners that have to look so."""
_AMONG, _SHARE = 0.3, 0.05
"""Share of the flat images that have to have a partner, and share of all images from which masks are an error."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Surface:
    """How an image is made up."""

    values: int
    """Different grey values, in the channel that has most."""
    flat: bool
    """Of areas of one value each, as labels are; also where JPEG blurred two values."""
    blurred: bool = False
    """Flat, or of two values that JPEG blurred much; so may be an image of light objects without any grain."""
    small: np.ndarray | None = field(default=None, compare=False)
    """Where it is flat and has colours, what is drawn, as in a signature."""


_Items = Mapping[FileEntry, tuple[Record, Surface]]


def surface(image: np.ndarray, distributions: Sequence[Distribution]) -> Surface:
    """Whether an image ``[C, (Z,) Y, X]`` looks as labels do.

    Args:
        distributions: One per channel.

    Example:
        >>> from lamelle.data.audit.measure import measure
        >>> labels = np.kron(np.arange(100).reshape(1, 10, 10), np.ones((1, 8, 8), int))
        >>> [surface(a, measure(a).distributions).flat for a in (labels, np.arange(6400).reshape(1, 80, 80))]
        [True, False]
    """
    values = max(len(np.unique(d.values)) for d in distributions)
    flat = values <= _MAX_MASK_VALUES or all(map(_of_two, distributions)) or _of_areas(image[0])
    light = _luma(image) if len(image) == len(_LUMA) else distributions[0]
    blurred = flat or _of_two_blurred(light)
    return Surface(values, flat, blurred, _drawn(image) if blurred and len(image) > 1 else None)


def _drawn(image: np.ndarray) -> np.ndarray:
    """A small picture of the channel that varies most: of red on blue the mean of all would show nothing."""
    most = int(np.argmax([channel.std() for channel in image]))
    return shrunk(thumbnail(image[most : most + 1], THUMBNAIL))


def _luma(image: np.ndarray) -> Distribution:
    """How light a colour image is: JPEG keeps this at full resolution, and the colours at half of it."""
    planes = image.reshape(len(image), -1, image.shape[-1])
    seen = planes[:, :: max(1, planes[0].size // _LOOKED_AT)].astype(np.float32)
    light = np.rint(np.tensordot(_LUMA, seen, axes=1))
    return Distribution(*np.unique(light, return_counts=True))


def _of_two(distribution: Distribution) -> bool:
    """Whether nearly all is about as dark or about as light as possible, and little between."""
    low, high = distribution.values.min(), distribution.values.max()
    near = (distribution.values - low) / max(high - low, 1e-9)
    ends = [distribution.weights[near <= _NEAR].sum(), distribution.weights[near >= 1 - _NEAR].sum()]
    return bool(distribution.weights.sum() - sum(ends) <= _BETWEEN * min(ends))


def _of_two_blurred(distribution: Distribution) -> bool:
    """Whether there are two values with little around each of them, as if colours had been blurred at edges."""
    total, summed = np.cumsum(distribution.weights), np.cumsum(distribution.weights * distribution.values)
    if len(total) < 2:
        return False
    dark, light = total[:-1], total[-1] - total[:-1]
    means = summed[:-1] / dark, (summed[-1] - summed[:-1]) / light
    cut = int(np.argmax(dark * light * (means[1] - means[0]) ** 2))  # Otsu's threshold
    ends = [float(m[cut]) for m in means]
    near = np.minimum(*(np.abs(distribution.values - end) for end in ends)) <= _AROUND * (ends[1] - ends[0])
    return bool(distribution.weights[~near].sum() <= _BETWEEN * min(dark[cut], light[cut]))


def _of_areas(channel: np.ndarray) -> bool:
    """Whether the right neighbour of most pixels that are not background has the same value."""
    rows = channel.reshape(-1, channel.shape[-1])
    rows = np.ascontiguousarray(rows[:: max(1, rows.size // _LOOKED_AT)])
    values, counts = np.unique(rows, return_counts=True)
    here = rows[:, :-1] != values[counts.argmax()]
    return bool((rows[:, 1:] == rows[:, :-1])[here].sum() >= _ALIKE * max(1, here.sum()))


def mask_class_problems(records: Sequence[Record], surfaces: Sequence[Surface | None], layout: str) -> list[Problem]:
    """An error for each class that looks like the masks of another one.

    Args:
        records: What was looked at.
        surfaces: How each image is made up; None where that was not asked.
        layout: How the folder was read.

    Example:
        >>> from pathlib import Path
        >>> from lamelle.types import ClassNames, Source
        >>> ids = ["a/1.png", "a/2.png", "b/1_out.png", "b/2_out.png"]
        >>> records = [Record(i, Source(Path(i)), ClassNames((i[0],))) for i in ids]
        >>> surfaces = [Surface(90, False), Surface(80, False), Surface(2, True), Surface(2, True)]
        >>> [p.values["masks"] for p in mask_class_problems(records, surfaces, 'class_folders')]
        ['b']
    """
    classes: dict[str, dict[FileEntry, tuple[Record, Surface]]] = defaultdict(dict)
    for record, seen in zip(records, surfaces, strict=True):
        if seen and len(record.names) == 1:
            place = _place(record, record.names[0])
            if place is not None:
                classes[record.names[0]][place] = (record, seen)
    return [
        _problem(images, masks, len(classes[masks]), (classes[masks][mask], classes[images][image]), layout)
        for masks in classes
        for images in classes
        if images != masks and (of := _are_masks(classes[masks], classes[images]))
        for mask, image in of
    ]


def _place(record: Record, name: str) -> FileEntry | None:
    """An image without the folder of its class; slices of a stack as if each slice had a folder of its own."""
    above = list(PurePosixPath(record.id).parts[:-1])
    if name not in above:
        return None
    above.remove(name)
    slice_of = [] if record.image.index is None else [f"#{record.image.index}"]
    return FileEntry("/".join([*above, *slice_of]), record.image.path.name)


def _partners(masks: _Items, images: _Items) -> dict[FileEntry, FileEntry]:
    """Mask → image: of the same name, of a name that begins or ends as the image's, or by what tells names apart."""
    by_name = {(e.folder, file_name(e.stem).keys[-1]): e for e in images}
    image_of: dict[FileEntry, FileEntry] = {}
    for mask in masks:
        key = file_name(mask.stem).keys[-1]
        names = (key, _NUMBER.sub("", key), *_parts_of(key))
        if image := next((i for n in names if (i := by_name.get((mask.folder, n)))), None):
            image_of[mask] = image
    if len(image_of) < _MIN_SHARE * len(masks):
        drawn = [mask for mask, (_, seen) in masks.items() if seen.values > 1]
        image_of = {mask: image for image, mask in by_affixes(list(images), drawn).items()}
    return image_of


def _parts_of(name: str) -> list[str]:
    """What a name begins or ends with up to a sign, the longest first.

    Example:
        >>> _parts_of("f_1-out")
        ['1-out', 'f_1', 'out', 'f']
    """
    cuts = [m.span() for m in _SIGN.finditer(name)]
    return sorted({p for a, b in cuts for p in (name[:a], name[b:]) if p}, key=lambda p: (-len(p), p))


def _are_masks(masks: _Items, images: _Items) -> list[tuple[FileEntry, FileEntry]]:
    """A mask with its image, where nearly all look so and nearly all have one; else nothing."""
    partners = _partners(masks, images)
    if len(partners) < _MIN_PARTNERS or len(partners) < _MIN_SHARE * len(masks):
        return []
    fitting = [(m, i) for m, i in partners.items() if masks[m][1].flat and _is_image(images[i][1])]
    return fitting[:1] if len(fitting) >= _MIN_SHARE * len(partners) else []


def _is_image(seen: Surface) -> bool:
    return seen.values > _MIN_IMAGE_VALUES and not seen.flat


def _problem(
    images: str, masks: str, count: int, pair: tuple[tuple[Record, Surface], tuple[Record, Surface]], layout: str
) -> Problem:
    (record, seen), (image, _) = pair
    values = {
        "masks": printable(masks),
        "images": printable(images),
        "count": count,
        "values": seen.values,
        "of": image.id,
        "images_key": setting("data.images", images),
        "masks_key": setting("data.masks", masks),
        "name": printable(f"{images}_masks"),
        "layout": setting("data.layout", layout),
    }
    return Problem("audit.masks_as_class", record.id, "error", values)


def masks_among_problems(
    records: Sequence[Record],
    rows: Sequence[ImageMeasures],
    surfaces: Sequence[Surface | None],
    small: np.ndarray,
    layout: str,
) -> list[Problem]:
    """An error where masks are among the images of a classifier, wherever they lie; a warning where these are few.

    Args:
        records: What was looked at, all that follows in the same order.
        surfaces: How each image is made up; None where that was not asked.
        small: uint8 ``[N, 64, 64]``, as in signatures.
        layout: How the folder was read.
    """
    looked: list[tuple[MaskOrImage, Surface]] = []
    for record, row, seen, square in zip(records, rows, surfaces, small, strict=True):
        if seen:
            looked.append((MaskOrImage(record, row.size, square if seen.small is None else seen.small), seen))
    images = [(one, seen) for one, seen in looked if _is_image(seen)]
    sharp = partners([one for one, seen in looked if seen.flat], [one for one, _ in images])
    flat = [one for one, seen in looked if seen.blurred]
    paired = partners(flat, [one for one, seen in images if not seen.blurred])
    if len(sharp.pairs) >= len(paired.pairs):  # images without any grain look like blurred masks, too
        paired, flat = sharp, [one for one, seen in looked if seen.flat]
    if len(paired.pairs) < max(_MIN_PARTNERS, _AMONG * sum(bool(c.small.any()) for c in flat)):
        return []
    masks = {mask.record.id for mask, _ in paired.pairs}
    others = [one for one, _ in looked if one.record.id not in masks]
    severity: Severity = "error" if len(masks) >= _SHARE * len(records) else "warning"
    return [_among(paired, others, severity, {"all": len(records), "layout": setting("data.layout", layout)})]


def _among(paired: Partners, others: Sequence[MaskOrImage], severity: Severity, values: dict[str, object]) -> Problem:
    """What is said of masks among images: with the keys that tell them where a rule of their names does."""
    pairs = [(mask.record.id, image.record.id) for mask, image in paired.pairs]
    (mask, image), more = pairs[0], pairs[1 : 1 + _SHOWN]
    values |= {"count": len(pairs), "of": image, "more": "; ".join(f"{printable(m)} – {printable(i)}" for m, i in more)}
    if keys := _keys(paired, others):
        return Problem("audit.masks_among_images", mask, severity, {**values, "keys": keys})
    name = printable(f"{PurePosixPath(image).stem}_mask{PurePosixPath(mask).suffix}")
    return Problem("audit.masks_of_images", mask, severity, {**values, "name": name})


def _keys(paired: Partners, others: Sequence[MaskOrImage]) -> str:
    """``data.images=… data.masks=…`` that tell the masks: by their names, or by a folder; empty where none does."""
    if (rule := paired.rule) is None:
        return ""
    images, masks, _ = rule.folders
    names = ("", "")
    if (images, masks) == ((), ()):
        stems = [one.path[1] for one in others], [mask.path[1] for mask, _ in paired.pairs]
        names = expressions(*stems, rule.stem, rule.place)
    elif len(images) == len(masks) == 1 and rule.stem == ("", ""):
        names = images[0], masks[0]
    return " ".join(
        setting(f"data.{key}", value) for key, value in zip(("images", "masks"), names, strict=True) if value
    )

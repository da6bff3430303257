"""The nouns that every room shares: what was found, what was loaded, what was predicted.

Arrays, everywhere below the user's surface:

- image, as read: native dtype, channel first ``[C, (Z,) Y, X]``; as trained on: float32.
- semantic labels: int64 ``[(Z,) Y, X]``, 0 = background, ``IGNORE`` = not scored, not trained on.
- instances: uint32 ``[(Z,) Y, X]``, 0 = background.
- output of a network: ``[N, K, (Z,) Y, X]`` or ``[N, K]`` logits.
- spacing: micrometres, in the order (Z,) Y, X.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    import numpy as np

IGNORE = -1
SPLITS = ("train", "validation", "test")
Spacing = tuple[float, ...]
Severity = Literal["error", "warning", "note"]
Meaning = Literal["classes", "objects"]
JsonObject = dict[str, Any]
"""What was read from JSON, before its fields are checked."""


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """Where an array lies: a file, and the part of it that is meant."""

    path: Path
    key: str | None = None
    """Array inside an .npz file or a Zarr group."""
    index: int | None = None
    """One plane along Z: page of a stack, slice of a volume, row of an .npz array."""
    span: tuple[int, int] | None = None
    """Some consecutive planes along Z, the first and the one after the last: a volume out of a larger one."""
    axes: str | None = None
    """What the user says the axes of the file are, one letter each (``YXC``); None = as the file says."""
    directions: str | None = None
    """Where the stored x, y, z run to (``RAS``: right, front, head), instead of what the file says about it."""

    @property
    def part(self) -> str:
        """What of the file is meant: ``#7``, ``#0-17``, or nothing where all of it is."""
        if self.span is not None:
            return f"#{self.span[0]}-{self.span[1] - 1}"
        return "" if self.index is None else f"#{self.index}"

    def __str__(self) -> str:
        key = "" if self.key is None else f":{self.key}"
        return f"{self.path}{key}{self.part}"


@dataclass(frozen=True, slots=True)
class ClassNames:
    """Target: the class of a whole image, or several."""

    kind: ClassVar[str] = "class_names"
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabelImage:
    """Target: one file with a value for each pixel."""

    kind: ClassVar[str] = "label_image"
    source: Source
    meaning: Meaning | None = None
    """What the values are: numbers of classes or of objects; None where the folder does not say it."""

    @property
    def sources(self) -> tuple[Source, ...]:
        return (self.source,)


@dataclass(frozen=True, slots=True)
class ObjectMasks:
    """Target: a file for each object, white where it is; without a file there is no object in the image."""

    kind: ClassVar[str] = "object_masks"
    sources: tuple[Source, ...]
    meaning: Meaning | None = "objects"
    """None where the folder does not say whether each mask is an object of its own; all together are taken then."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """Target: boxes or outlines in a text file; a key of the source names the image that is meant."""

    kind: ClassVar[str] = "shapes"
    source: Source
    format: str
    """A row of ``lamelle.data.shapes.SHAPES``."""
    meaning: Meaning | None = None
    """Whether the number of its class or its own is drawn for each; None = what the task wants."""

    @property
    def sources(self) -> tuple[Source, ...]:
        return (self.source,)


Labels = LabelImage | ObjectMasks | Shapes
"""Targets that say something of each pixel."""
Target = ClassNames | Labels
"""What is said about an image, as it lies on disk; how a task sees it is a view (`lamelle.data.targets`)."""


def with_sources(labels: Labels, sources: Sequence[Source]) -> Labels:
    """The same target in other files, or other parts of them."""
    if isinstance(labels, ObjectMasks):
        return replace(labels, sources=tuple(sources))
    return replace(labels, source=sources[0])


@dataclass(frozen=True, slots=True)
class Record:
    """One item of the user's folder: an image, and what is said about it."""

    id: str
    """Unique and stable: the path below the folder, and ``#slice`` for a plane of a stack, ``#first-last`` for some."""
    image: Source
    target: Target | None = None
    """None = unlabelled."""
    group: str | None = None
    """Patient, animal or volume: records of one group belong in one split."""
    split: str | None = None
    """One of ``SPLITS`` where the folder or a column says so."""
    fold: int | None = None
    """Number of the fold of a cross-validation, from 0, where a column says so."""
    position: int | None = None
    """Place along the volume (slice number) for splits by block."""
    stratum: str | None = None
    """What the split keeps in proportion: the class, or the class folder of a segmentation set."""
    columns: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Every other column of the user's table, as text."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its classes, where they are named."""
        return self.target.names if isinstance(self.target, ClassNames) else ()

    @property
    def labels(self) -> Labels | None:
        """Its target, where that says something of each pixel."""
        return None if isinstance(self.target, ClassNames) else self.target

    @property
    def label_place(self) -> str:
        """Where its labels lie, as a message says it: the first of their files, or the image where there is none."""
        if self.labels is None:
            return ""
        return str(self.labels.sources[0] if self.labels.sources else self.image)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something found wrong: a catalogue key (``files.empty``), the place, the values."""

    code: str
    where: str = ""
    severity: Severity = "error"
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ValueNames:
    """What a file beside the label images calls their values."""

    file: str
    known: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    """Value → name."""
    ordered: tuple[str, ...] = ()
    """Names alone, in the order of their values, where the file says none."""
    ignored: tuple[int, ...] = ()
    """Values of unknown meaning."""


@dataclass(frozen=True, slots=True)
class Index:
    """What was found in a folder, before any pixel was read."""

    root: Path
    layout: str
    records: tuple[Record, ...]
    classes: tuple[str, ...] = ()
    """Class names in order; empty for segmentation, where they follow from the label values."""
    names: ValueNames | None = None
    """What a file says that label values mean, where the classes are not known otherwise."""
    problems: tuple[Problem, ...] = ()
    """What a reader of the folder must be told; errors stop a training, not the check."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Reason → number of files passed over (``._x.png``, ``.DS_Store`` ...)."""

    @property
    def numbers_objects(self) -> bool:
        """Whether all label images number objects (1, 2, 3 …) instead of classes."""
        meanings = {r.labels.meaning for r in self.records if r.labels}
        return meanings == {"objects"}


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the grid of a file lies in space, as the file stores it.

    Space is that of NIfTI: millimetres, x to the patient's right, y to the front, z to the head. What is read is turned
    to one orientation (`lamelle.io.geometry`): Z to the head, Y to the back, X to the left, as DICOM shows slices.
    """

    affine: tuple[tuple[float, ...], ...]
    """4 × 4, of a stored voxel (x, y, z) to millimetres."""
    size: tuple[int, int, int]
    """Stored voxels along x, y, z."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The pixels of a file, to which what is predicted for them goes back."""

    path: Path
    format: str
    """By content, a row of ``lamelle.io.formats.table.FORMATS``."""
    spacing: Spacing | None = None
    """µm, (Z,) Y, X as handed out."""
    geometry: Geometry | None = None
    start: int = 0
    """The plane along Z with which an answer begins that is for a part of the file."""
    axes: str | None = None
    """As of a `Source`."""


@dataclass(frozen=True, slots=True)
class Image:
    """A file's pixels as read."""

    array: np.ndarray
    """``[C, (Z,) Y, X]``, native dtype."""
    spacing: Spacing | None = None
    geometry: Geometry | None = field(default=None, kw_only=True)
    bits: int | None = None
    """Significant bits where fewer than the dtype holds (12 in 16)."""
    problems: tuple[Problem, ...] = ()
    """Warnings and notes of the reader; errors are raised."""

    @property
    def dims(self) -> int:
        return self.array.ndim - 1


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Prediction of a classifier for one item."""

    probabilities: np.ndarray
    """``[K]``, float32."""
    chosen: tuple[int, ...]
    """Indices of the chosen classes: one, or several if multi-label."""


@dataclass(frozen=True, slots=True)
class LabelMap:
    """Classes of the pixels of one item."""

    labels: np.ndarray
    """int64 ``[(Z,) Y, X]``."""
    probabilities: np.ndarray | None = None
    """``[K, (Z,) Y, X]``, float32."""
    spacing: Spacing | None = None


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """One object: its number, size, place and probability; axes are (Z,) Y, X."""

    number: int
    area: int
    """Pixels, of a volume voxels."""
    centroid: tuple[float, ...]
    start: tuple[int, ...]
    """Where its box begins, in pixels."""
    stop: tuple[int, ...]
    """Where it ends: the first pixel beyond it."""
    probability: float
    """Mean probability of being an object in it."""
    area_um2: float | None = None
    """µm², of an object in a plane whose spacing is known."""
    volume_um3: float | None = None
    """µm³, of one in a volume whose spacing is known."""


@dataclass(frozen=True, slots=True)
class ObjectMap:
    """Objects of one item, one by one."""

    labels: np.ndarray
    """uint32 ``[(Z,) Y, X]``: 0 = none, else the number of the object."""
    objects: tuple[ObjectRow, ...]
    """In the order of their numbers."""
    probabilities: np.ndarray | None = None
    """``[K, (Z,) Y, X]``, float32."""
    spacing: Spacing | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Boxes around objects of one image."""

    corners: np.ndarray
    """float32 [n, 2, d]: where each begins and where it ends, (Z,) Y, X in pixels; pixel i reaches from i to i + 1."""
    classes: np.ndarray
    """int64 [n]: number of the class, 0 = background."""
    shape: tuple[int, ...]
    """[(Z,) Y, X] of the image."""
    scores: np.ndarray | None = None
    """float32 [n]: how sure each is, where they were predicted."""


Prediction = ClassScores | LabelMap | ObjectMap | Boxes
"""What a task answers for one item: one of four, each of which is written, explained and shown in its own way."""

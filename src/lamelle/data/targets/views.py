"""What a task sees of a target: classes, labels, objects or boxes (`box_view`); a task picks one of the four.

=================  ==========================  =========================  ===================  ======================
on disk            `ClassView`                 `LabelView`                `ObjectView`         `BoxView`
=================  ==========================  =========================  ===================  ======================
`ClassNames`       yes                         –                          –                    –
`LabelImage`       –                           yes (objects: foreground)  yes (classes: their  yes, around objects
                                                                          connected parts)
`ObjectMasks`      –                           yes, their union           yes                  yes
`Shapes`           –                           yes, drawn (no boxes)      yes (no boxes)       yes
=================  ==========================  =========================  ===================  ======================
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np

from lamelle.data.augment.mixing import Mixed, mix_targets
from lamelle.data.augment.parameters import Parameters
from lamelle.data.augment.warp import Outside, warp
from lamelle.data.crops import Places, places
from lamelle.data.preparation import read_window
from lamelle.data.resize import resize_labels
from lamelle.data.shapes import SHAPES
from lamelle.data.targets.reading import connected, labels_as, numbered, with_meaning
from lamelle.data.targets.values import ValueMap, apply_values, semantic_of
from lamelle.errors import RequestError
from lamelle.messages import text
from lamelle.types import IGNORE, ClassNames, Index, LabelImage, Meaning, ObjectMasks, Record, Shapes, Target

if TYPE_CHECKING:
    from torch import Tensor

    from lamelle.data.store import Store
    from lamelle.results.audit import Audit

Window = Sequence[int] | None
Raw = TypeVar("Raw")
"""As it was read: unread as far as possible, at native size."""
One = TypeVar("One")
"""What the loss and the scores take, of one image or crop."""


class View(ABC, Generic[Raw, One]):
    """How a task sees its targets, from the record to the batch."""

    name: ClassVar[str]
    sees: ClassVar[tuple[type[Target], ...]]
    """The kinds of target that can be seen so."""
    meaning: ClassVar[Meaning | None] = None
    """What label values must be, where nothing else will do."""
    apart: ClassVar[bool] = False
    """Whether each object counts by itself."""
    classes: tuple[str, ...]

    @classmethod
    def can_see(cls, target: Target) -> bool:
        """Whether a target can be seen so."""
        return isinstance(target, cls.sees)

    @classmethod
    def meant(cls, index: Index) -> Index:
        """The Index with label values that mean what can be seen so, whatever the folder says."""
        return index if cls.meaning is None else with_meaning(index, cls.meaning)

    @classmethod
    def foreseen(cls, records: Sequence[Record], audit: Audit, names: tuple[str, ...]) -> tuple[int, ...]:
        """How much there is of each class before it is settled what the classes are: pixels of each label value.

        Args:
            records: Of the training set.
            names: Classes that are known by name.
        """
        return tuple(audit.statistics.labels.values())

    @classmethod
    def check(cls, record: Record) -> None:
        """Refuse what cannot be seen so.

        Raises:
            RequestError: If so, with what the record has and what is wanted.
        """
        if record.target is None or not cls.can_see(record.target):
            have = "nothing" if record.target is None else record.target.kind
            wanted = " / ".join(text(f"data.kind_{kind.kind}") for kind in cls.sees)
            view = text(f"data.view_{cls.name}")
            raise RequestError("data.not_seen", id=record.id, have=text(f"data.kind_{have}"), view=view, wanted=wanted)

    @abstractmethod
    def read(self, record: Record, store: Store) -> Raw:
        """The target of a record at native size.

        Raises:
            RequestError: If its target cannot be seen so.
            FileError: If a file cannot be read.
        """

    @abstractmethod
    def window(self, raw: Raw, start: Window, size: Window) -> One:
        """A part of what was read, or the whole, as the loss and the scores take it."""

    @abstractmethod
    def resize(self, raw: Raw, size: Sequence[int]) -> Raw:
        """What was read, for an image of another size."""

    @abstractmethod
    def stack(self, targets: Sequence[One]) -> Tensor:
        """A batch."""

    @abstractmethod
    def unstack(self, targets: Tensor, shape: tuple[int, ...]) -> Sequence[One]:
        """What was stacked, of images of a shape [(Z,) Y, X]."""

    @abstractmethod
    def move(
        self, parameters: Parameters, images: Tensor, targets: Tensor, *, size: tuple[int, ...], outside: Outside
    ) -> tuple[Tensor, Tensor]:
        """The geometry of augmentation, on a batch of images and of targets at the same coordinates; as `warp`."""

    @abstractmethod
    def mix(self, mixed: Mixed, targets: Tensor) -> list[tuple[float, Tensor]]:
        """Weights and targets of images that were mixed; as `mix_targets`."""

    @abstractmethod
    def counts(self, records: Sequence[Record], audit: Audit) -> tuple[int, ...]:
        """How much there is of each class: images, pixels or boxes."""

    @abstractmethod
    def centres(self, raw: Raw, *, most: int, key: tuple[int | str, ...]) -> Places | None:
        """Where crops may lie so that something is in them; None if nowhere in particular. As `places`."""


class ClassView(View[np.ndarray, np.ndarray]):
    """The number of the class of a whole image, int64; or ones and zeros for each class, float32 [K].

    Example:
        >>> from pathlib import Path
        >>> from lamelle.types import Source
        >>> record = Record("a", Source(Path("a.png")), ClassNames(("dog", "cat")))
        >>> ClassView(("cat", "cow", "dog"), several=True).read(record, None).tolist()
        [1.0, 0.0, 1.0]
    """

    name = "classes"
    sees = (ClassNames,)

    def __init__(self, classes: tuple[str, ...], *, several: bool) -> None:
        self.classes, self.several = classes, several
        self._numbers = {name: i for i, name in enumerate(classes)}

    def numbers(self, record: Record) -> list[int]:
        """The numbers of the classes of a record."""
        return [self._numbers[name] for name in record.names]

    def read(self, record: Record, store: Store | None) -> np.ndarray:
        self.check(record)
        numbers = self.numbers(record)
        if not self.several:
            return np.asarray(numbers[0], dtype=np.int64)
        hot = np.zeros(len(self.classes), dtype=np.float32)
        hot[numbers] = 1
        return hot

    def window(self, raw: np.ndarray, start: Window, size: Window) -> np.ndarray:
        return np.asarray(raw)

    def resize(self, raw: np.ndarray, size: Sequence[int]) -> np.ndarray:
        return raw

    def stack(self, targets: Sequence[np.ndarray]) -> Tensor:
        return _stacked(targets)

    def unstack(self, targets: Tensor, shape: tuple[int, ...]) -> Sequence[np.ndarray]:
        return list(targets.cpu().numpy())

    def move(
        self, parameters: Parameters, images: Tensor, targets: Tensor, *, size: tuple[int, ...], outside: Outside
    ) -> tuple[Tensor, Tensor]:
        return warp(parameters, images, None, size=size, outside=outside)[0], targets

    def mix(self, mixed: Mixed, targets: Tensor) -> list[tuple[float, Tensor]]:
        return mix_targets(mixed, targets, spatial=False)

    def counts(self, records: Sequence[Record], audit: Audit) -> tuple[int, ...]:
        return tuple(sum(name in r.names for r in records) for name in self.classes)

    @classmethod
    def foreseen(cls, records: Sequence[Record], audit: Audit, names: tuple[str, ...]) -> tuple[int, ...]:
        """Records of each class."""
        return cls(names, several=True).counts(records, audit)

    def centres(self, raw: np.ndarray, *, most: int, key: tuple[int | str, ...]) -> Places | None:
        return None


class _Pixels(View[np.ndarray, np.ndarray]):
    """A number for each pixel, int64 [(Z,) Y, X]."""

    sees = (LabelImage, ObjectMasks, Shapes)

    @classmethod
    def can_see(cls, target: Target) -> bool:
        return super().can_see(target) and not (isinstance(target, Shapes) and not SHAPES[target.format].outlines)

    @abstractmethod
    def _encoded(self, raw: np.ndarray) -> np.ndarray:
        """Numbers as they are learnt, of a part of what was read."""

    def window(self, raw: np.ndarray, start: Window, size: Window) -> np.ndarray:
        part = raw if start is None or size is None else read_window(raw, start, size)
        return self._encoded(np.asarray(part))

    def resize(self, raw: np.ndarray, size: Sequence[int]) -> np.ndarray:
        return resize_labels(np.asarray(raw), size)

    def stack(self, targets: Sequence[np.ndarray]) -> Tensor:
        return _stacked(targets)

    def unstack(self, targets: Tensor, shape: tuple[int, ...]) -> Sequence[np.ndarray]:
        return list(targets.cpu().numpy())

    def move(
        self, parameters: Parameters, images: Tensor, targets: Tensor, *, size: tuple[int, ...], outside: Outside
    ) -> tuple[Tensor, Tensor]:
        moved, labels = warp(parameters, images, targets, size=size, outside=outside)
        assert labels is not None
        return moved, labels

    def mix(self, mixed: Mixed, targets: Tensor) -> list[tuple[float, Tensor]]:
        return mix_targets(mixed, targets, spatial=True)

    def centres(self, raw: np.ndarray, *, most: int, key: tuple[int | str, ...]) -> Places | None:
        return places(raw, self._encoded, classes=len(self.classes), most=most, key=key)


class LabelView(_Pixels):
    """The class of each pixel, ``IGNORE`` where it is not known.

    Example:
        >>> view = LabelView(ValueMap(("background", "cell"), {0: 0, 255: 1}, ignore=(9,)))
        >>> view.window(np.array([[0, 255, 9]], np.uint8), None, None).tolist()
        [[0, 1, -1]]
    """

    name = "labels"

    def __init__(self, values: ValueMap, *, objects: bool = False, numbers: bool = False) -> None:
        """Say what is what.

        Args:
            values: Which value means which class.
            objects: Targets number objects; every object is class 1, whatever the values.
            numbers: The objects keep their numbers, for a loss that asks which pixel belongs to which.
        """
        self.classes, self.values = values.classes, values
        self.objects, self._numbers = objects, numbers

    def read(self, record: Record, store: Store) -> np.ndarray:
        self.check(record)
        return labels_as(record, store, objects=self.objects)

    def _encoded(self, raw: np.ndarray) -> np.ndarray:
        if self._numbers:
            return raw.astype(np.int64)
        return semantic_of(raw) if self.objects else apply_values(raw, self.values)

    def counts(self, records: Sequence[Record], audit: Audit) -> tuple[int, ...]:
        rule = {v: c for v, c in self.values.mapping.items() if v not in self.values.ignore}
        return _pixels(records, audit, rule, len(self.classes))


class ObjectView(_Pixels):
    """The object that each pixel belongs to, numbered 1, 2, 3 … in each crop anew.

    Example:
        >>> view = ObjectView(("background", "cell"), parts=True)
        >>> view.window(np.array([[255, 255, 0, 255]], np.uint8), None, None).tolist()
        [[1, 1, 0, 2]]
    """

    name = "objects"
    meaning = "objects"
    apart = True

    def __init__(self, classes: tuple[str, ...], *, parts: bool, ignore: tuple[int, ...] = ()) -> None:
        """Say what is what.

        Args:
            parts: Label images are masks: the connected parts are the objects.
            ignore: Values of label images that are neither trained on nor scored.
        """
        self.classes, self.parts, self.ignore = classes, parts, ignore

    def read(self, record: Record, store: Store) -> np.ndarray:
        self.check(record)
        return labels_as(record, store, objects=not self.parts)

    def _encoded(self, raw: np.ndarray) -> np.ndarray:
        labels = connected(raw > 0)[0] if self.parts or raw.dtype == bool else raw.astype(np.int64)
        if self.ignore:
            labels = np.where(np.isin(raw, self.ignore), IGNORE, labels)
        return numbered(labels)

    def counts(self, records: Sequence[Record], audit: Audit) -> tuple[int, ...]:
        values = {v for row in audit.rows for v in row.labels} - set(self.ignore)
        return _pixels(records, audit, {v: int(v > 0) for v in values}, 2)


AnyView = View[Any, Any]


def _stacked(targets: Sequence[np.ndarray]) -> Tensor:
    import torch

    return torch.from_numpy(np.stack(targets))


def _pixels(records: Sequence[Record], audit: Audit, rule: Mapping[int, int], classes: int) -> tuple[int, ...]:
    """Pixels of each class in the label images of some records."""
    ids, counts = {r.id for r in records}, [0] * classes
    for row in audit.rows:
        for value, pixels in row.labels.items() if row.id in ids else ():
            if value in rule and rule[value] >= 0:
                counts[rule[value]] += pixels
    return tuple(counts)

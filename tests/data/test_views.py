"""Every kind of target seen in every way that it can be seen; boxes lie where their objects lie, whatever is done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lamelle.data.augment.apply import apply
from lamelle.data.augment.mixing import mix
from lamelle.data.augment.options import Augment
from lamelle.data.augment.parameters import sample
from lamelle.data.randomness import generator
from lamelle.data.store import Store
from lamelle.data.targets import boxes as of_boxes
from lamelle.data.targets.box_view import BoxView
from lamelle.data.targets.reading import numbered
from lamelle.data.targets.values import ValueMap
from lamelle.data.targets.views import AnyView, ClassView, LabelView, ObjectView
from lamelle.errors import RequestError
from lamelle.messages import text
from lamelle.results.audit import Audit, DataStatistics, ImageMeasures
from lamelle.types import Boxes, ClassNames, LabelImage, ObjectMasks, Record, Source, Target

CLASSES = ("background", "cell")
OBJECTS = np.zeros((12, 14), np.uint8)
OBJECTS[1:4, 2:6] = 1
OBJECTS[6:11, 3:7] = 2
OBJECTS[5:8, 10:13] = 3
CORNERS = [[[1, 2], [4, 6]], [[6, 3], [11, 7]], [[5, 10], [8, 13]]]


@pytest.fixture
def found(tmp_path: Path) -> Callable[[str], Record]:
    """A record with a target of each kind."""

    def save(name: str, array: np.ndarray) -> Source:
        Image.fromarray(array).save(tmp_path / name)
        return Source(tmp_path / name)

    image = save("image.png", OBJECTS * 50)
    kinds: dict[str, Target] = {
        "names": ClassNames(("cell",)),
        "classes": LabelImage(save("classes.png", np.uint8(OBJECTS > 0)), "classes"),
        "objects": LabelImage(save("objects.png", OBJECTS), "objects"),
        "masks": ObjectMasks(tuple(save(f"{n}.png", np.uint8(n == OBJECTS) * 255) for n in (1, 2, 3))),
        "none": ObjectMasks(()),
    }
    return lambda kind: Record("image.png", image, kinds[kind])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", budget=1 << 24)


def view(name: str, kind: str) -> AnyView:
    values, objects = ValueMap(CLASSES, {0: 0, 1: 1}), kind in ("objects", "masks", "none")
    made: dict[str, AnyView] = {
        "classes": ClassView(CLASSES, several=False),
        "labels": LabelView(values, objects=objects),
        "objects": ObjectView(CLASSES, parts=not objects),
        "boxes": BoxView(values, objects=objects),
    }
    return made[name]


def read(name: str, record: Record, kind: str, store: Store) -> object:
    seen = view(name, kind)
    return seen.window(seen.read(record, store), None, None)


def test_a_class_is_seen_as_a_class(found: Callable[[str], Record], store: Store) -> None:
    assert read("classes", found("names"), "names", store) == 1
    assert view("classes", "names").stack([np.asarray(1), np.asarray(0)]).tolist() == [1, 0]


@pytest.mark.parametrize("kind", ["classes", "objects", "masks"])
def test_labels_are_seen_as_labels_objects_and_boxes(kind: str, found: Callable[[str], Record], store: Store) -> None:
    record = found(kind)
    np.testing.assert_array_equal(read("labels", record, kind, store), OBJECTS > 0)
    objects = read("objects", record, kind, store)
    assert isinstance(objects, np.ndarray)
    assert len({*zip(objects.ravel().tolist(), OBJECTS.ravel().tolist(), strict=True)}) == 4, "the same, in any order"
    boxes = read("boxes", record, kind, store)
    assert isinstance(boxes, Boxes)
    assert sorted(boxes.corners.tolist()) == sorted(CORNERS)
    assert (boxes.classes.tolist(), boxes.shape) == ([1, 1, 1], OBJECTS.shape)


def test_an_image_without_objects_has_none_in_any_view(found: Callable[[str], Record], store: Store) -> None:
    for name in ("labels", "objects"):
        np.testing.assert_array_equal(read(name, found("none"), "none", store), np.zeros(OBJECTS.shape))
    boxes = read("boxes", found("none"), "none", store)
    assert isinstance(boxes, Boxes)
    assert len(boxes.classes) == 0


@pytest.mark.parametrize(
    ("name", "kind"),
    [("classes", k) for k in ("classes", "objects", "masks", "none")]
    + [(v, "names") for v in ("labels", "objects", "boxes")],
)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_what_cannot_be_seen_is_refused(
    name: str, kind: str, language: str, found: Callable[[str], Record], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    record = found(kind)
    assert record.target
    with pytest.raises(RequestError, match=r"image\.png") as caught:
        view(name, kind).read(record, store)
    assert text(f"data.kind_{record.target.kind}") in str(caught.value)


def test_counts_are_of_images_pixels_and_boxes() -> None:
    rows = [
        ImageMeasures(
            i, "png", (1, 4, 4), "uint8", None, None, False, 0, 1, (), (), (), (), "", {0: 9, 1: n}, objects=n
        )
        for i, n in (("a", 2), ("b", 5), ("c", 7))
    ]
    audit = Audit((), tuple(rows), (), {}, DataStatistics())
    records = [Record(i, Source(Path(i)), ClassNames((c,))) for i, c in (("a", "cell"), ("b", "background"))]
    assert view("classes", "names").counts(records, audit) == (1, 1)
    assert view("labels", "objects").counts(records, audit) == (18, 7)
    assert view("objects", "objects").counts(records, audit) == (18, 7)
    assert view("boxes", "objects").counts(records, audit) == (2, 7), "background is in every image"


def test_crops_lie_around_boxes(found: Callable[[str], Record], store: Store) -> None:
    seen = view("boxes", "objects")
    places = seen.centres(seen.read(found("objects"), store), most=8, key=(0,))
    assert places is not None
    drawn = {places.draw(np.random.default_rng(i)) for i in range(40)}
    assert drawn == {(2, 4), (8, 5), (6, 11)}
    assert view("classes", "names").centres(np.asarray(1), most=8, key=(0,)) is None


def test_windows_and_sizes_of_boxes(found: Callable[[str], Record], store: Store) -> None:
    seen = view("boxes", "objects")
    boxes = seen.read(found("objects"), store)
    part = seen.window(boxes, (3, 4), (6, 7))
    assert part.corners.tolist() == [[[0, 0], [1, 2]], [[3, 0], [6, 3]], [[2, 6], [5, 7]]]
    np.testing.assert_array_equal(part.corners, around(OBJECTS[3:9, 4:11]).corners)
    twice = seen.resize(boxes, (24, 28))
    np.testing.assert_array_equal(twice.corners, around(OBJECTS.repeat(2, 0).repeat(2, 1)).corners)


def around(labels: np.ndarray) -> Boxes:
    return of_boxes.around({1: numbered(labels)}, labels.shape)


CHANGES = {
    "nothing": Augment.none(),
    "flips": Augment.none(flip=True),
    "quarter turns": Augment.none(flip=True, rot90=True),
    "rotation": Augment.none(rotate=40),
    "zoom": Augment.none(zoom=(0.6, 1.7)),
    "shift": Augment.none(shift=0.1),
    "shear": Augment.none(shear=25),
    "elastic": Augment.none(elastic=4, elastic_spacing=24),
    "all": Augment.none(flip=True, rot90=True, rotate=180, zoom=(0.8, 1.2), shear=10, shift=0.05),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("dims", [2, 3])
def test_boxes_move_as_their_masks_do(name: str, dims: int) -> None:
    """The box around a moved mask is the moved box, but for the pixel by which the nearest one is rounded."""
    n, rest, options = 12, (64,) * (dims - 1), CHANGES[name]
    whole = (64, *rest) if dims == 2 else (16, *rest)
    size = tuple(s - 8 for s in whole)
    labels = np.zeros((n, *whole), np.int64)
    random = np.random.default_rng(5)
    for one in labels:
        low = [int(random.integers(3, s // 2)) for s in whole]
        high = [int(a + random.integers(4, s // 3)) for a, s in zip(low, whole, strict=True)]
        one[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = 1
    keys = [generator(3, "augment", 0, i) for i in range(n)]
    drawn = sample(options, generators=keys, size=size)
    images = torch.zeros(n, 1, *whole)
    _, moved = apply(drawn, images, torch.from_numpy(labels), size=size, outside="ignore")
    assert moved is not None
    seen = view("boxes", "objects")
    batch = seen.stack([around(one) for one in labels])
    _, boxes = apply(drawn, images, batch, size=size, outside="ignore", move=seen.move)
    assert boxes is not None
    slack, compared = (1.0 if name in ("nothing", "flips", "quarter turns") else 2.0) - 0.01, 0
    for mask, box in zip(moved.numpy(), of_boxes.unstacked(boxes, size), strict=True):
        if not (mask == 1).any():
            continue
        (truth,) = around((mask == 1).astype(np.int64)).corners
        assert len(box.corners) == 1
        # what is cut reaches less far than the box around its corners
        touches = (truth[0] <= 0).any() or (truth[1] >= size).any()
        if touches:
            assert (box.corners[0, 0] <= truth[0] + slack).all()
            assert (box.corners[0, 1] >= truth[1] - slack).all()
            continue
        compared += 1
        np.testing.assert_allclose(box.corners[0], truth, atol=slack)
    assert compared >= n // 4


def test_whole_moves_of_boxes_are_exact() -> None:
    labels = np.stack([OBJECTS, OBJECTS[::-1]]).astype(np.int64)
    drawn = sample(Augment.none(flip=True), generators=[generator(1, i) for i in range(2)], size=OBJECTS.shape)
    seen = view("boxes", "objects")
    images = torch.zeros(2, 1, *OBJECTS.shape)
    boxes = apply(drawn, images, seen.stack([around(one) for one in labels]), size=OBJECTS.shape, outside="reflect",
                  move=seen.move)[1]  # fmt: skip
    masks = apply(drawn, images, torch.from_numpy(labels), size=OBJECTS.shape, outside="reflect")[1]
    assert masks is not None
    assert boxes is not None
    for mask, box in zip(masks.numpy(), of_boxes.unstacked(boxes, OBJECTS.shape), strict=True):
        assert sorted(box.corners.tolist()) == sorted(around(mask).corners.tolist())


def test_boxes_of_mixed_images() -> None:
    one = Boxes(np.array([[[0, 0], [4, 4]], [[10, 10], [14, 14]]], np.float32), np.array([1, 1]), (16, 16))
    none = Boxes(np.zeros((0, 2, 2), np.float32), np.zeros(0, np.int64), (16, 16))
    seen = view("boxes", "objects")
    batch = seen.stack([one, none])
    assert batch.shape == (2, 2, 5)
    images = torch.rand(2, 1, 16, 16)
    blended = next(m for s in range(99) if (m := mix(images, mixup=1, cutmix=0, generator=generator(s))).partner[0])
    assert [len(part[0]) for _, part in seen.mix(blended, batch)] == [2, 2]
    assert sum(weight for weight, _ in seen.mix(blended, batch)) == pytest.approx(1)
    for s in range(60):
        pasted = mix(images, mixup=0, cutmix=1, generator=generator(s))
        if pasted.box is None or not pasted.partner[0]:
            continue
        ((weight, both),) = seen.mix(pasted, batch)
        rows, columns = pasted.box
        inside = [rows.start <= m < rows.stop and columns.start <= m < columns.stop for m in (2, 12)]
        first, second = of_boxes.unstacked(both, (16, 16))
        assert (weight, len(first.classes), len(second.classes)) == (1, 2 - sum(inside), sum(inside))

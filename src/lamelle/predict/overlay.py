"""Pictures of an image with its labels: contours in the classes' colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

COLOURS = np.array(
    [(0, 0, 0), (255, 176, 0), (100, 143, 255), (220, 38, 127), (0, 158, 115), (254, 97, 0), (120, 94, 240), (240, 228, 66)],
    dtype=np.uint8,
)
"""Background, then classes; distinguishable with the common colour-vision deficiencies (after Okabe & Ito, and IBM's palette)."""
CONFUSION = {"tp": (255, 255, 255), "fp": (220, 38, 127), "fn": (100, 143, 255), "tn": (0, 0, 0)}


def colour(index: int) -> tuple[int, int, int]:
    """Colour of a class; classes beyond the palette start again after the background."""
    r, g, b = COLOURS[index if index < len(COLOURS) else 1 + (index - 1) % (len(COLOURS) - 1)]
    return int(r), int(g), int(b)


def to_rgb(image: np.ndarray) -> np.ndarray:
    """uint8 [Y, X, 3] for the eye from [C, (Z,) Y, X] of any type: 1st to 99.8th percentile; the middle plane of a volume."""
    plane = image[:, image.shape[1] // 2] if image.ndim == 4 else image
    if plane.dtype == np.uint8 and plane.shape[0] == 3:
        return np.ascontiguousarray(np.moveaxis(plane, 0, -1))
    low, high = np.percentile(plane, [1, 99.8])
    scaled = np.clip((plane.astype(np.float32) - low) / max(float(high - low), 1e-6), 0, 1)
    grey = (scaled * 255).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(grey if grey.shape[0] == 3 else np.repeat(grey[:1], 3, axis=0), 0, -1))


def overlay(image: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """uint8 [Y, X, 3]: the image [C, (Z,) Y, X] with the contours of labels [(Z,) Y, X]."""
    from skimage.segmentation import find_boundaries

    picture = to_rgb(image)
    plane = labels[labels.shape[0] // 2] if labels.ndim == 3 else labels
    edge = find_boundaries(plane, mode="inner") & (plane > 0)
    for index in np.unique(plane[edge]):
        picture[edge & (plane == index)] = colour(int(index))
    return picture


def confusion_image(target: np.ndarray, labels: np.ndarray, *, positive: int) -> np.ndarray:
    """uint8 [Y, X, 3]: true and false positives and negatives of one class in colours; ignored pixels are grey."""
    true, said = target == positive, labels == positive
    picture = np.zeros((*target.shape, 3), np.uint8)
    for name, where in (("tp", true & said), ("fp", ~true & said), ("fn", true & ~said), ("tn", ~true & ~said)):
        picture[where] = CONFUSION[name]
    picture[target < 0] = 128
    return picture


def label_picture(labels: np.ndarray) -> np.ndarray:
    """uint8 [Y, X, 3]: each class in its colour; ignored pixels are grey."""
    plane = labels[labels.shape[0] // 2] if labels.ndim == 3 else labels
    picture = np.zeros((*plane.shape, 3), np.uint8)
    for index in np.unique(plane):
        picture[plane == index] = (128, 128, 128) if index < 0 else colour(int(index))
    return picture


def side_by_side(pictures: Sequence[np.ndarray], *, gap: int) -> np.ndarray:
    """Pictures of one height in a row, with a white gap."""
    height = max(p.shape[0] for p in pictures)
    parts: list[np.ndarray] = []
    for picture in pictures:
        padded = np.full((height, picture.shape[1], 3), 255, np.uint8)
        padded[: picture.shape[0]] = picture
        parts += [padded, np.full((height, gap, 3), 255, np.uint8)]
    return np.concatenate(parts[:-1], axis=1)

"""Pictures inside a page: small, and of what they say they are."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from lamelle.io.palette import COLOURS
from lamelle.pictures.encode import SMALL, encode, encoded_preview
from lamelle.pictures.overlay import label_picture
from lamelle.reports.pictures import uri_of


def uri(picture: np.ndarray, *, lossy: bool) -> str:
    return uri_of(encode(picture, lossy=lossy), lossy=lossy)


def preview(image: np.ndarray, labels: np.ndarray | None) -> str:
    one = encoded_preview(image, labels)
    return uri_of(one.content, lossy=one.lossy)


def decoded(uri: str) -> Image.Image:
    kind, _, data = uri.partition(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert kind == f"data:image/{str(image.format).lower()}"
    return image


def test_colours_of_classes_are_kept_exactly() -> None:
    labels = np.arange(64).reshape(8, 8) % len(COLOURS)
    found = decoded(uri(label_picture(labels, classes=8), lossy=False)).convert("RGB")
    np.testing.assert_array_equal(np.array(found), COLOURS[labels])


def test_grey_pictures_are_stored_as_grey() -> None:
    grey = np.repeat(np.arange(256, dtype=np.uint8).reshape(1, 16, 16), 3, axis=0)
    assert decoded(uri(grey, lossy=True)).mode == "L"
    assert decoded(uri(grey[:, ::-1] * np.array([1, 0, 1], np.uint8)[:, None, None], lossy=True)).mode == "RGB"


@pytest.mark.parametrize("shape", [(1, 3000, 1500), (3, 40, 30), (1, 5, 600, 900), (2, 64, 64)])
def test_previews_are_small_and_keep_their_proportions(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).integers(0, 4000, shape, np.uint16)
    width, height = decoded(preview(image, None)).size
    assert max(width, height) == min(SMALL, max(shape[1:]))
    assert width / height == pytest.approx(shape[-1] / shape[-2], rel=0.02)


@pytest.mark.parametrize("side", [100, 1000, 2500])
def test_contours_are_seen_however_large_the_image(side: int) -> None:
    image, labels = np.zeros((1, side, side), np.uint8), np.zeros((side, side), np.int64)
    labels[side // 4 : side // 2, side // 4 : side // 2] = 1
    image[0, 0] = 255
    pixels = np.array(decoded(preview(image, labels)).convert("RGB")).astype(int)
    drawn = (pixels[..., 0] > 120) & (pixels[..., 2] < 110)
    shown = len(pixels)
    assert drawn[round(shown * 0.3), round(shown * 0.25) - 2 : round(shown * 0.25) + 3].any()
    assert not drawn[round(shown * 0.37), round(shown * 0.37)]
    assert not drawn[shown * 3 // 4 :].any()


def test_a_volume_is_shown_where_its_labels_are() -> None:
    image, labels = np.zeros((1, 5, 60, 60), np.uint8), np.zeros((5, 60, 60), np.int64)
    image[0, 4, 30:], labels[4, 10:20, 10:20] = 200, 1
    pixels = np.array(decoded(preview(image, labels)).convert("RGB")).astype(int)
    assert pixels[45, 30].min() > 200
    assert pixels[10, 15, 0] > pixels[10, 15, 2] + 60

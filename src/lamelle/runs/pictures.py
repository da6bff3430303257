"""``pictures/`` and ``pictures.json`` of a Run: what its page shows of pixels, see `lamelle.results.pictures`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lamelle.pictures.encode import COARSE, coloured, contours, encode, sampled, small_plane
from lamelle.pictures.overlay import confusion_picture
from lamelle.results.pictures import DataPictures, Drawing, Pictures, ScoredPictures
from lamelle.runs.folder import RunFolder
from lamelle.runs.scored_images import ScoredImage

LOSSY = frozenset({"image", "contours"})
"""Views that are photographs; the others have few colours."""


class PictureFolder:
    """Writes the pictures of one part of a page, numbered in their order; those of before are removed."""

    def __init__(self, run: RunFolder, part: str) -> None:
        self._run, self._part, self._n = run, part, 0
        for old in run.pictures.glob(f"{part}-*"):
            run.forget(old)
            old.unlink()

    def add(self, picture: np.ndarray, *, lossy: bool, coarse: bool) -> Drawing:
        """Write a picture uint8 [3, Y, X].

        Args:
            lossy: A photograph, as JPEG; else PNG with few colours.
            coarse: Its pixels are to be shown as squares.
        """
        name = f"{self._part}-{self._n:03}.{'jpg' if lossy else 'png'}"
        self._n += 1
        self._run.write_bytes(self._run.pictures / name, encode(picture, lossy=lossy))
        return Drawing(file=name, coarse=coarse)

    def views(self, image: np.ndarray, scored: ScoredImage, *, classes: int, side: int) -> dict[str, Drawing]:
        """Pictures of one plane [C, Y, X]: image, truth, prediction, contours, right and wrong.

        Args:
            classes: Of the task; labels beyond them number objects.
            side: Longest edge, in pixels.
        """
        small = small_plane(image, side)
        target, labels = (sampled(a, small.shape[1:]) for a in (scored.target, scored.labels))
        numbers, predicted_numbers = scored.numbers, scored.predicted_numbers
        truth = target if numbers is None else np.where(target > 0, sampled(numbers, small.shape[1:]), target)
        predicted = labels if predicted_numbers is None else sampled(predicted_numbers, small.shape[1:])
        drawn: Mapping[str, np.ndarray] = {
            "image": small,
            "truth": coloured(truth, classes=classes),
            "prediction": coloured(predicted, classes=classes),
            "contours": contours(small, truth, predicted),
            "confusion_picture": confusion_picture(target, labels),
        }
        coarse = max(scored.target.shape) < COARSE
        return {name: self.add(one, lossy=name in LOSSY, coarse=coarse) for name, one in drawn.items()}


def read_pictures(run: RunFolder) -> Pictures:
    """The pictures of a Run; none if it has none (yet).

    Raises:
        RequestError: If the list is not what was written.
    """
    if not run.pictures_list.is_file():
        return Pictures()
    return Pictures.model_validate(run.read_json(run.pictures_list))


def write_pictures(run: RunFolder, *, data: DataPictures | None = None, scored: ScoredPictures | None = None) -> None:
    """Write the list of pictures; the part that is not given stays as it is."""
    written = read_pictures(run)
    full = Pictures(data=data or written.data, scored=scored or written.scored)
    run.write_json(run.pictures_list, full.model_dump(mode="json"))

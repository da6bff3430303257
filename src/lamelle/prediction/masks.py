"""Objects as files: one folder for each image, in it one mask for each object, as training data are often laid out."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from lamelle.data.layouts.words import holds
from lamelle.io import writers
from lamelle.types import Grid, Record


class MaskFolder:
    """Writes ``ID/masks/ID_0001.png`` …: 255 in the object, 0 elsewhere; a volume in its own format."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._owners: dict[Path, str] = {}

    def write(self, record: Record, labels: np.ndarray, grid: Grid) -> Path:
        """Write the objects of one image, numbered in labels [(Z,) Y, X].

        Args:
            grid: The whole file, also where the record is one plane of it.

        Returns:
            The folder of its masks; it is made even if there are none.
        """
        place = self._place(record.id)
        masks = place / "masks"
        masks.mkdir(parents=True, exist_ok=True)
        suffix = ".png" if labels.ndim == 2 else writers.suffix_for(grid, dims=3, whole=True)
        spacing = grid.spacing and grid.spacing[-labels.ndim :]
        digits = max(4, len(str(int(labels.max(initial=0)))))
        for number in np.unique(labels[labels > 0]):
            mask = (labels == number).astype(np.uint8) * 255
            writers.write_labels(
                masks / f"{place.name}_{int(number):0{digits}d}{suffix}", mask, spacing=spacing, grid=grid
            )
        return masks

    def _place(self, name: str) -> Path:
        """A folder named after the image; ``a/images/a.png`` gives ``a``, and no two images share one.

        A plane of a stack is called after the stack and its number.
        """
        path, _, plane = name.partition("#")
        parts = [p for p in PurePosixPath(path).parts if p not in {"/", "..", "."}] or ["image"]
        last = PurePosixPath(parts[-1])
        above = [p for p in parts[:-1] if holds(p) != "image"]
        if above and above[-1] == last.stem:
            above = above[:-1]
        number = f"_{plane}" if plane else ""
        for stem in (last.stem, last.name.replace(".", "_"), "_".join(parts).replace(".", "_")):
            place = self._folder.joinpath(*above, f"{stem}{number}")
            if self._owners.setdefault(place, name) == name:
                break
        return place

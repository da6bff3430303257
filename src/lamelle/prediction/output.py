"""What is wanted of a folder of predictions, and where it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lamelle.errors import RequestError
from lamelle.io import writers
from lamelle.io.geometry import Turn
from lamelle.io.outlines import outlines, write_geojson, write_rois
from lamelle.pictures.overlay import overlay
from lamelle.prediction.output_places import OutputPlaces, grid_of_part, stack_of
from lamelle.prediction.submission import Submission
from lamelle.types import Grid, LabelMap, ObjectMap, Record, Source

if TYPE_CHECKING:
    from lamelle.tasks.base import Task


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is written besides label images and tables."""

    probabilities: bool = False
    overlays: bool = False
    masks: bool = False
    """Each object as a file of its own."""
    geojson: bool = False
    """Outlines for QuPath."""
    rois: bool = False
    """Outlines for Fiji."""
    workbook: bool = False
    """All tables as one Excel workbook."""

    def check(self, task: type[Task] | Task) -> None:
        """See that a task has what is wanted, and that the libraries are there that write it.

        Raises:
            RequestError: If not.
        """
        if self.masks and not task.names_objects:
            raise RequestError("predict.no_objects", task=task.name)
        if (self.geojson or self.rois) and task.answer not in (LabelMap, ObjectMap):
            raise RequestError("predict.no_outlines", task=task.name)
        if self.rois and find_spec("roifile") is None:
            raise RequestError("files.no_roifile")
        if self.workbook and find_spec("openpyxl") is None:
            raise RequestError("files.no_openpyxl")


NOTHING_MORE = Wanted()


@dataclass(frozen=True, slots=True)
class Output:
    """The folder of predictions, and what is wanted in it."""

    places: OutputPlaces
    classes: tuple[str, ...]
    planes: Mapping[Source, Sequence[int]]
    """Those that will come of each stack (`planes_of`)."""
    wanted: Wanted
    submission: Submission | None
    """What a table with one answer for each image needs; None where none is wanted."""

    @property
    def folder(self) -> Path:
        return self.places.folder

    def draw(self, record: Record, image: np.ndarray, labels: np.ndarray) -> None:
        """Write the overlay, if there is to be one."""
        if self.wanted.overlays:
            writers.write_rgb(self.places.place("overlays", record, ".png"), overlay(image, labels))

    def outline(self, record: Record, labels: np.ndarray, turn: Turn, *, objects: bool, stack: bool = False) -> None:
        """Write outlines of labels [(Z,) Y, X], if there are to be some, in pixels of the file of labels.

        Args:
            turn: How what is stored in that file is turned when it is read.
            objects: The labels number objects; else they are classes.
            stack: They are of all planes of the stack that the record is one of.
        """

        def class_of(label: int) -> str:
            return self.classes[min(1, len(self.classes) - 1) if objects else label]

        if not (self.wanted.geojson or self.wanted.rois):
            return
        if not turn.plain:
            labels = turn.undo(labels if labels.ndim == 3 else labels[None], dims=3)
        if self.wanted.geojson:
            place = self.places.place("geojson", record, ".geojson", whole=stack)
            write_geojson(place, outlines(labels), class_of=class_of, objects=objects)
        if self.wanted.rois:
            place = self.places.place("rois", record, ".zip", whole=stack)
            write_rois(place, outlines(labels), class_of=class_of, objects=objects)

    def stack(self, record: Record) -> Sequence[int] | None:
        """The planes of the stack that a record is one of; None where it is no plane that is awaited."""
        return None if record.image.index is None else self.planes.get(stack_of(record))

    def suffix(self, record: Record, grid: Grid, *, dims: int) -> tuple[Grid, str]:
        """The grid and the suffix of the file of labels: its own, or that of the stack that is awaited."""
        if (planes := self.stack(record)) is None:
            part = grid_of_part(record, grid)
            return part, writers.suffix_for(part, dims=dims, whole=record.image.index is None)
        part = replace(grid, start=planes[0])
        return part, writers.suffix_for(part, dims=3, whole=planes[-1] - planes[0] == len(planes) - 1)

"""The folder of predictions: label images, probabilities, overlays, tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lamelle.io import atomic
from lamelle.io.workbook import write_workbook
from lamelle.prediction.output import NOTHING_MORE, Output, Wanted
from lamelle.prediction.output_places import OutputPlaces
from lamelle.prediction.submission import Submission
from lamelle.prediction.tables import PredictionTable, Row
from lamelle.prediction.writers import WRITERS, PredictionWriter
from lamelle.types import Grid, Prediction, Record, Source


class PredictionFolder:
    """Collects predictions, and writes them as they come; stacks are written when their last plane has come.

    ``labels/`` · ``probabilities/``, ``overlays/``, ``masks/``, ``geojson/``, ``rois/`` (on request) ·
    ``predictions.csv`` · ``objects.csv`` · ``boxes.csv`` · ``predictions.xlsx`` (on request) · ``submission.csv``

    What is written is a matter of the type of prediction: `lamelle.prediction.writers.WRITERS`.
    """

    def __init__(
        self,
        folder: Path,
        classes: Sequence[str],
        *,
        planes: Mapping[Source, Sequence[int]],
        wanted: Wanted = NOTHING_MORE,
        submission: Submission | None = None,
    ) -> None:
        """Start a folder.

        Args:
            planes: Those that will come of each stack (`planes_of`).
            wanted: What is written besides.
            submission: What was to be predicted, where a table with one answer for each is wanted.
        """
        self.folder = folder
        self._out = Output(OutputPlaces(folder), tuple(classes), planes, wanted, submission)
        self._rows: list[Row] = []
        self._writers: dict[type[Prediction], PredictionWriter[Prediction]] = {}

    def add(
        self,
        record: Record,
        image: np.ndarray,
        prediction: Prediction,
        grid: Grid,
        columns: Mapping[str, object] | None = None,
    ) -> Row:
        """Take one prediction.

        Args:
            image: ``[C, (Z,) Y, X]``, for the overlay.
            grid: The whole file, also where the record is one plane of it.
            columns: Further columns, where the truth is known.

        Returns:
            Its row of the table; ``file`` is below the folder.
        """
        kind = type(prediction)
        if kind not in self._writers:
            self._writers[kind] = WRITERS[kind](self._out)
        row = self._writers[kind].write(record, image, prediction, grid)
        row |= {k: v for k, v in (columns or {}).items() if k not in row}
        self._rows.append(row)
        return row

    def close(self) -> Path:
        """Write the tables.

        Returns:
            The path of that with a line for each prediction.
        """
        path = self.folder / "predictions.csv"
        self.folder.mkdir(parents=True, exist_ok=True)
        tables = [PredictionTable("predictions", self._rows), *(t for w in self._writers.values() for t in w.tables())]
        for table in tables:
            atomic.write_text(self.folder / f"{table.name}.csv", table.csv())
        for writer in self._writers.values():
            writer.close()
        if self._out.wanted.workbook:
            write_workbook(path.with_suffix(".xlsx"), [table.sheet() for table in tables])
        return path

"""What validation decides for a segmentation: temperature, thresholds (the cells' too), and the bounds of cleaning."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Literal

import numpy as np

from lamelle.metrics import clustering, counts, thresholds
from lamelle.metrics.calibration import tempered
from lamelle.metrics.counts import ratio
from lamelle.results.fitted import Share, Sweep, Temperature, defined
from lamelle.tasks import postprocess
from lamelle.tasks.calibration import PixelSample, fit_histogram
from lamelle.tasks.postprocess import Cleaning, FittedCleaning
from lamelle.tasks.thresholds import pixel_classes
from lamelle.types import IGNORE

BINS = 65_536
"""Bins of the histogram of probabilities; thresholds lie on their edges."""
POINTS = tuple(i / 100 for i in range(101))
"""The thresholds at which scores are kept."""
_CELL_THRESHOLDS = tuple(1 / (1 + math.exp(i / 4)) for i in range(-12, 19))
"""Even steps of the log-odds from 0.95 to 0.01: the best is often below 0.1, since a faint membrane parts two cells."""


class FittedPixels(FittedCleaning):
    """What validation decides for a segmentation."""

    temperature: Temperature | None = None
    threshold: Share | None = None
    """Of two classes; None = one half."""
    thresholds: dict[str, Share] | None = None
    """Of each class but the background, where each has one of its own; None = one half."""
    cell_threshold: Share | None = None
    """That which separates cells best; None = the threshold."""


@dataclass(frozen=True, slots=True)
class FitOptions:
    """What is to be decided."""

    classes: tuple[str, ...]
    exclusive: bool
    """Whether there are more than two classes, of which the most probable one is said: then no threshold."""
    numbered: bool
    """Whether targets number objects, which all are class 1."""
    threshold: float | None
    """A fixed one; None = searched, for each class but the background."""
    by: Literal["pooled", "image"]
    """F1 of all validation pixels together, or its mean over images."""
    cells: bool
    """Search the threshold that separates cells best."""
    cleaning: Cleaning
    calibrate: bool
    """Fit a temperature; thresholds are of calibrated probabilities."""

    @property
    def binary(self) -> bool:
        return len(self.classes) == 2

    @property
    def own(self) -> int:
        """Classes that have a threshold of their own."""
        return 0 if self.exclusive else len(self.classes) - 1


class Fitting:
    """Collects validation items; see `lamelle.tasks.base.Fitter`.

    Thresholds come from histograms alone: 65 536 bins, of all images together and of each one. An image without
    the class has F1 0 where something is predicted in it and no value elsewhere, as in the score ``image_dice``. Where
    cells or cleaning are searched, items wait in a temporary file, so that memory does not grow with them.

    What is collected is not calibrated. One temperature moves all probabilities, but those of a class never past each
    other: a threshold is searched among them as they are, and then moved along.
    """

    def __init__(self, search: FitOptions) -> None:
        self._search = search
        self._histograms = np.zeros((search.own, 2, BINS), np.int64)
        self._f1 = np.zeros((search.own, 2, BINS + 1))
        """Sum of the F1 of single images at each threshold, and how many have one."""
        self._sample = PixelSample() if search.calibrate and search.exclusive else None
        self._temperature = 1.0
        self._kept = _Items() if search.cleaning.searched or (search.cells and search.binary) else None

    def add(self, probabilities: np.ndarray, target: np.ndarray) -> None:
        if self._search.numbered:
            target = np.minimum(target, 1)
        for k in range(self._search.own):
            truth = np.where(target == IGNORE, IGNORE, target == k + 1)
            one = counts.binary_histogram(truth, probabilities[k], bins=BINS)
            self._histograms[k] += one
            f1 = thresholds.curve(one).f1
            self._f1[k] += np.nan_to_num(f1), ~np.isnan(f1)
        if self._sample is not None:
            self._sample.add(probabilities, target)
        if self._kept is not None:
            # bins, whose edges are the thresholds, say as much as the probabilities
            bins = np.minimum(probabilities * BINS, BINS - 1) if self._search.own else probabilities.argmax(0)
            self._kept.add(bins.astype(np.uint16), target.astype(np.int16))

    def done(self) -> tuple[FittedPixels, tuple[Sweep, ...]]:
        """Everything that was decided, and what was tried for it."""
        calibration = self._calibration()
        self._temperature = 1.0 if calibration is None else calibration.chosen
        each = [self._threshold(k) for k in range(self._search.own)]
        sweeps = [*([] if calibration is None else [calibration]), *each]
        decided: dict[str, float | dict[str, float]] = {}
        if calibration is not None:
            decided["temperature"] = calibration.chosen
        if self._search.binary:
            decided["threshold"] = each[0].chosen
            if self._kept is not None and self._search.cells:
                sweeps.append(cells := self._cell_threshold(self._kept))
                decided["cell_threshold"] = cells.chosen
        elif each:
            decided["thresholds"] = {one.of: one.chosen for one in each}
        edges = [self._edge(one.chosen) / BINS for one in each]

        def predicted() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for bins, target in self._kept or ():
                middle = (bins + np.float32(0.5)) / BINS  # of its bin, whose edges are the thresholds
                yield pixel_classes(middle, edges) if edges else bins.astype(np.int64), target

        classes = len(self._search.classes)
        bounds, more = postprocess.search(predicted, self._search.cleaning, classes=classes, by=self._search.by)
        used = {name: value for name, value in bounds._asdict().items() if value}
        return FittedPixels.model_validate(decided | used), (*sweeps, *more)

    def _calibration(self) -> Sweep | None:
        if not self._search.calibrate:
            return None
        return fit_histogram(self._histograms.sum(0)) if self._sample is None else self._sample.fit()

    def _moved(self, threshold: float, temperature: float) -> float:
        """Where a threshold between 0 and 1 comes to lie at a temperature."""
        if not 0 < threshold < 1 or temperature == 1:
            return threshold
        return float(tempered(np.array([threshold]), temperature, exclusive=False, axis=0)[0])

    def _edge(self, threshold: float) -> int:
        """The bin, of probabilities as they are, from which a threshold of calibrated ones says foreground."""
        digits = 6 if self._temperature == 1 else 1  # there and back, float32 is off by hundredths of a bin
        return int(np.ceil(np.round(self._moved(threshold, 1 / self._temperature) * BINS, digits)))

    def _threshold(self, k: int) -> Sweep:
        """The threshold of class k + 1, and the scores at `POINTS`."""
        chosen, histogram, by = self._search.threshold, self._histograms[k], ""
        mean = ratio(self._f1[k, 0], self._f1[k, 1])
        if chosen is None:
            by_pixels = thresholds.best_threshold(histogram, by="f1")
            best = by_pixels if self._search.by == "pooled" else best_edge(mean)
            known = not (np.isnan(best) or np.isnan(by_pixels))
            chosen = self._moved(best, self._temperature) if known else 0.5
            by = ("f1" if self._search.by == "pooled" else "image_dice") if known else ""
        edges = [self._edge(t) for t in POINTS]
        curve = thresholds.curve_at(histogram, thresholds=tuple(e / BINS for e in edges))
        scores = {"precision": curve.precision, "recall": curve.recall, "f1": curve.f1, "image_dice": mean[edges]}
        return Sweep(
            name="threshold",
            of=self._search.classes[k + 1],
            points=POINTS,
            scores={name: defined(values) for name, values in scores.items()},
            chosen=chosen,
            by=by,
            undecided=self._search.threshold is None and not by,
            n=int(histogram.sum()),
        )

    def _cell_threshold(self, items: _Items) -> Sweep:
        """Probability of the foreground below which a pixel is cell: best V_rand over all validation images."""
        summed = np.zeros((len(_CELL_THRESHOLDS), len(clustering.ROW)))
        for bins, target in items:
            for i, t in enumerate(_CELL_THRESHOLDS):
                summed[i] += clustering.clustering_rows(target == 0, bins[0] < self._edge(t), thin=True).sum(0)
        score = clustering.v_rand_of(summed)
        known = not np.isnan(score).all()
        return Sweep(
            name="cell_threshold",
            points=_CELL_THRESHOLDS,
            scores={"v_rand": defined(score)},
            chosen=_CELL_THRESHOLDS[int(np.nanargmax(score))] if known else 0.5,
            by="v_rand" if known else "",
        )


def best_edge(scores: np.ndarray) -> float:
    """The threshold in (0, 1) with the best of the scores [bins + 1] at 0 .. 1; NaN if there is none.

    Of the longest stretch of best ones the middle; of several, the one nearest to 0.5.

    Example:
        >>> best_edge(np.array([0.0, 0.2, 0.7, 0.7, 0.7]))
        0.5
    """
    inner = np.nan_to_num(scores[1:-1], nan=-np.inf)
    if not np.isfinite(inner).any():
        return float("nan")
    best = np.flatnonzero(inner >= inner.max() - 1e-12) + 1
    runs = np.split(best, np.flatnonzero(np.diff(best) != 1) + 1)
    longest = max(len(run) for run in runs)
    middles = [(int(run[0]) + int(run[-1])) // 2 for run in runs if len(run) == longest]
    return min((m / (len(scores) - 1) for m in middles), key=lambda t: abs(t - 0.5))


class _Items:
    """Pairs of arrays in a temporary file, one in memory at a time."""

    def __init__(self) -> None:
        self._file, self._count = TemporaryFile(), 0  # noqa: SIM115 (lives as long as this; gone when it is collected)

    def add(self, *arrays: np.ndarray) -> None:
        for array in arrays:
            np.save(self._file, np.ascontiguousarray(array), allow_pickle=False)
        self._count += 1

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        self._file.seek(0)
        for _ in range(self._count):
            yield np.load(self._file, allow_pickle=False), np.load(self._file, allow_pickle=False)

"""Calibration of a task: the temperature that validation fits, and the scores of probabilities before and after it.

Temperature acts between the probabilities of a network and everything that is said of them: thresholds are searched on
calibrated probabilities, and calibrated ones are written. What is most probable stays so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamelle.metrics import calibration
from lamelle.results.fitted import Sweep, defined
from lamelle.results.scores import Bins, Reliability
from lamelle.tasks.scoring import Table
from lamelle.types import IGNORE

BINS = calibration.BINS
SAMPLED = 1 << 18
"""Pixels that a temperature of several classes is fitted on."""
_SCORES = {"brier": calibration.brier_of, "log_loss": calibration.log_loss_of, "ece": calibration.ece_of}


def calibrated(probabilities: np.ndarray, temperature: float | None, *, exclusive: bool) -> np.ndarray:
    """Probabilities [K, ...] at the temperature that was fitted; as they are if none was.

    Example:
        >>> calibrated(np.array([0.2, 0.8]), 2.0, exclusive=True)
        array([0.33333334, 0.6666667 ], dtype=float32)
    """
    if temperature is None:
        return probabilities
    return calibration.tempered(probabilities, temperature, exclusive=exclusive, axis=0)


def fit_items(probabilities: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, Sweep]:
    """Calibrated probabilities [N, K], and the temperature with what it changes on these items.

    Args:
        target: Classes [N], or multi-hot [N, K]: one temperature for all questions.

    Example:
        >>> p = np.array([[0.9, 0.1]] * 4)
        >>> found = fit_items(p, np.array([0, 0, 0, 1]))[1]
        >>> round(found.chosen, 3), [round(v, 2) for v in found.scores["ece"]]
        (2.0, [0.15, 0.0])
    """
    exclusive, p = target.ndim == 1, np.asarray(probabilities, np.float64)
    if exclusive:
        temperature = calibration.exclusive_temperature(p, target)
    else:
        temperature = calibration.yes_no_temperature(p.ravel(), target.ravel(), 1 - target.ravel())
    after = calibration.tempered(p, temperature, exclusive=exclusive, axis=1).astype(np.float64)
    sums = [calibration.item_rows(target, q).sum(0) for q in (p, after)] if len(p) else []
    scores = {name: [float(score(one)) for one in sums] for name, score in _SCORES.items()} if sums else {}
    return after, _sweep(temperature, scores, n=len(p))


def _sweep(temperature: float, scores: Mapping[str, Sequence[float]], *, n: int) -> Sweep:
    """A temperature, with the scores without it and with it."""
    pairs = {name: defined(values) for name, values in scores.items()}
    points = (1.0, temperature) if pairs else ()
    return Sweep(name="temperature", points=points, scores=pairs, chosen=temperature, by="log_loss", n=n)


def figure_of(table: Table, *, exclusive: bool) -> tuple[Reliability, ...]:
    """Reliability over all items of a table; none where it holds no probabilities.

    Example:
        >>> rows = calibration.item_rows(np.array([0, 0]), np.array([[0.75, 0.25], [0.25, 0.75]]))
        >>> found = figure_of({"calibration": rows}, exclusive=True)[0]
        >>> [a for a in found.after.accuracy if a is not None], found.before
        ([0.5], None)
    """
    if "calibration" not in table:
        return ()
    before = _bins(table["uncalibrated"]) if "uncalibrated" in table else None
    return (Reliability(bins=BINS, after=_bins(table["calibration"]), before=before, exclusive=exclusive),)


def _bins(column: np.ndarray) -> Bins:
    curve = calibration.reliability(calibration.bins_of(column.sum(0)))
    confidence, accuracy = (
        tuple(None if np.isnan(x) else float(x) for x in values) for values in (curve.confidence, curve.accuracy)
    )
    return Bins(confidence=confidence, accuracy=accuracy, count=tuple(curve.count.tolist()))


class PixelSample:
    """At most `SAMPLED` pixels of any number of images, each as likely as any other; ignored ones are left out."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self._keys, self._target = np.zeros(0), np.zeros(0, np.int64)
        self._probabilities: np.ndarray | None = None

    def add(self, probabilities: np.ndarray, target: np.ndarray) -> None:
        """Take the pixels of one image: probabilities [K, ...], classes [...]."""
        keys = self._random.random(target.size)
        # the pixels with the least keys of all stay: what cannot be among them is not even copied
        least = self._keys.max() if len(self._keys) == SAMPLED else 1.0
        kept = np.flatnonzero((target.reshape(-1) != IGNORE) & (keys < least))
        new = probabilities.reshape(len(probabilities), -1)[:, kept].T
        before = new[:0] if self._probabilities is None else self._probabilities
        every = np.concatenate([self._keys, keys[kept]])
        order = np.argsort(every, kind="stable")[:SAMPLED]
        self._keys = every[order]
        self._target = np.concatenate([self._target, target.reshape(-1)[kept]])[order]
        self._probabilities = np.concatenate([before, new])[order]

    def fit(self) -> Sweep:
        """The temperature; see `fit_items`."""
        p: Sequence[Any] | np.ndarray = [] if self._probabilities is None else self._probabilities
        return fit_items(np.asarray(p).reshape(len(self._target), -1), self._target)[1]


def fit_histogram(histogram: np.ndarray) -> Sweep:
    """The temperature, from how often each probability was given where the truth is 0 and 1 [2, bins].

    Example:
        >>> counts = np.zeros((2, 1000), int)
        >>> counts[:, 900] = 1, 3
        >>> round(fit_histogram(counts).chosen, 2)
        2.01
    """
    bins = histogram.shape[-1]
    some = np.flatnonzero(histogram.sum(0))
    no, yes = histogram[:, some].astype(np.float64)
    p = (some + 0.5) / bins
    temperature = calibration.yes_no_temperature(p, yes, no)
    after = calibration.tempered(p, temperature, exclusive=False, axis=0).astype(np.float64)
    n = int(yes.sum() + no.sum())
    pairs = [_histogram_scores(q, yes, no) for q in (p, after)] if n else []
    return _sweep(temperature, {name: [one[name] for one in pairs] for name in (pairs[0] if pairs else ())}, n=n)


def _histogram_scores(p: np.ndarray, yes: np.ndarray, no: np.ndarray) -> dict[str, float]:
    z, n = calibration.log_odds(p), yes.sum() + no.sum()
    nats = (yes * np.logaddexp(0, -z) + no * np.logaddexp(0, z)).sum() / n
    squares = (yes * (1 - p) ** 2 + no * p**2).sum() / n
    gaps = np.bincount(calibration.bin_of(p, bins=BINS), weights=(yes + no) * p - yes, minlength=BINS)
    return {"log_loss": float(nats), "brier": float(squares), "ece": float(np.abs(gaps).sum() / n)}

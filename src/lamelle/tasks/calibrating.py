"""Calibration of a task: the temperature that validation fits, and the scores of probabilities before and after it.

Temperature acts between the probabilities of a network and everything that is said of them: thresholds are searched on
calibrated probabilities, and calibrated ones are written. What is most probable stays so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lamelle.metrics import calibration, ranking
from lamelle.metrics.counts import ratio
from lamelle.metrics.intervals import Interval, IntervalOptions, Units
from lamelle.metrics.measured_intervals import best_and_worst, calibration_interval, measured_intervals
from lamelle.tasks.base import Row
from lamelle.types import IGNORE

BINS = calibration.BINS
BEFORE = "_uncalibrated"
"""End of the names of scores before calibration."""
SAMPLED = 1 << 18
"""Pixels that a temperature of several classes is fitted on."""
ROW = 3 * BINS + 2
"""Numbers of a row of pixels: the bins of `calibration.binned`, squares (Brier score) and nats (log loss)."""
_PIECE = 1 << 20
"""Pixels that are scored at once."""


def calibrated(probabilities: np.ndarray, fitted: Mapping[str, Any], *, exclusive: bool) -> np.ndarray:
    """Probabilities [K, ...] at the temperature that was fitted; as they are if none was.

    Example:
        >>> calibrated(np.array([0.2, 0.8]), {"temperature": 2.0}, exclusive=True)
        array([0.33333334, 0.6666667 ], dtype=float32)
    """
    found = fitted.get("temperature")
    if found is None:
        return probabilities
    return calibration.tempered(probabilities, found, exclusive=exclusive, axis=0)


def uncalibrated(probabilities: np.ndarray, temperatures: np.ndarray, *, exclusive: bool) -> np.ndarray:
    """Calibrated probabilities [N, K] as they were before, each at the temperature [N] that its fold fitted."""
    before = np.array(probabilities, np.float64)
    for one in np.unique(temperatures):
        at = temperatures == one
        before[at] = calibration.tempered(before[at], 1 / float(one), exclusive=exclusive, axis=1)
    return before


def fit_items(probabilities: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Calibrated probabilities [N, K], and what is frozen: the temperature, and what it changes on these items.

    Args:
        target: Classes [N], or multi-hot [N, K]: one temperature for all questions.

    Example:
        >>> p = np.array([[0.9, 0.1]] * 4)
        >>> found = fit_items(p, np.array([0, 0, 0, 1]))[1]
        >>> round(found["temperature"], 3), [round(v, 2) for v in found["temperature_scores"]["ece"]]
        (2.0, [0.15, 0.0])
    """
    exclusive, p = target.ndim == 1, np.asarray(probabilities, np.float64)
    if exclusive:
        found = calibration.exclusive_temperature(p, target)
    else:
        found = calibration.yes_no_temperature(p.ravel(), target.ravel(), 1 - target.ravel())
    after = calibration.tempered(p, found, exclusive=exclusive, axis=1).astype(np.float64)
    once = np.ones((1, len(p)))
    each = [item_scores(target, q, once, classes=()) for q in (p, after)] if len(p) else []
    known = {name: [float(one[name][0]) for one in each] for name in (each[0] if each else ())}
    return after, {"temperature": found, "temperature_scores": {"n": float(len(p)), **known}}


def item_scores(
    target: np.ndarray, probabilities: np.ndarray, weights: np.ndarray, *, classes: Sequence[str]
) -> dict[str, np.ndarray]:
    """Brier score, log loss and calibration error [B] of items that count ``weights`` [B, N] times.

    Several labels: the calibration error over all labels together, and ``ece/class`` of each by itself.

    Args:
        classes: Names; none = no errors of single classes.

    Example:
        >>> found = item_scores(np.array([0, 1]), np.array([[1.0, 0.0], [0.5, 0.5]]), np.ones((1, 2)), classes=())
        >>> {name: float(value[0].round(3)) for name, value in found.items()}
        {'brier': 0.25, 'log_loss': 0.347, 'ece': 0.25}
    """
    total = weights.sum(1)
    brier, nats = ranking.brier_each(target, probabilities), ranking.log_loss_each(target, probabilities)
    sums = calibration.binned(*calibration.outcomes(target, probabilities), bins=BINS)
    scores = {"brier": ratio(weights @ brier, total), "log_loss": ratio(weights @ nats, total)}
    scores["ece"] = _weighted_ece(sums, weights)
    for k, name in enumerate(classes if target.ndim == 2 else ()):
        one = calibration.binned(target[:, k : k + 1], probabilities[:, k : k + 1], bins=BINS)
        scores[f"ece/{name}"] = _weighted_ece(one, weights)
    return scores


def _weighted_ece(sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return calibration.ece((weights @ sums.reshape(len(sums), -1)).reshape(len(weights), *sums.shape[1:]))


def item_intervals(
    target: np.ndarray, probabilities: np.ndarray, *, classes: Sequence[str], units: Units, options: IntervalOptions
) -> dict[str, Interval]:
    """`item_scores` with intervals.

    Example:
        >>> found = item_intervals(
        ...     np.array([0, 1] * 60), np.array([[0.8, 0.2], [0.2, 0.8]] * 60), classes=(),
        ...     units=Units.of(120, None, "image"), options=IntervalOptions(0.95, 500, 0))
        >>> round(found["ece"].value, 2), found["ece"].low < 0.2 <= found["ece"].high
        (0.2, True)
    """
    brier, nats = ranking.brier_each(target, probabilities), ranking.log_loss_each(target, probabilities)

    def means(weights: np.ndarray) -> dict[str, np.ndarray]:
        total = weights.sum(1)
        return {"brier": ratio(weights @ brier, total), "log_loss": ratio(weights @ nats, total)}

    made = measured_intervals(means, units=units, options=options, ends=best_and_worst)
    columns = {"ece": slice(None)} | {
        f"ece/{c}": slice(k, k + 1) for k, c in enumerate(classes if target.ndim == 2 else ())
    }
    for name, some in columns.items():
        hit, chance = calibration.outcomes(target, probabilities)
        sums = calibration.binned(hit[:, some], chance[:, some], bins=BINS)
        usual = calibration.chance_ece(chance[:, some], bins=BINS, share=options.level, seed=options.seed)
        made[name] = calibration_interval(
            lambda weights, sums=sums: _weighted_ece(sums, weights),
            units=units,
            options=options,
            outcomes=hit[:, some].size,
            chance=usual,
        )
    return made


def item_figure(target: np.ndarray, after: np.ndarray, before: np.ndarray | None) -> dict[str, Any]:
    """`figure` of items, from their probabilities [N, K]."""
    sums = [
        None if p is None else calibration.binned(*calibration.outcomes(target, p), bins=BINS).sum(0)
        for p in (after, before)
    ]
    assert sums[0] is not None
    return figure(sums[0], sums[1])


def figure(after: np.ndarray, before: np.ndarray | None) -> dict[str, Any]:
    """Numbers of a reliability plot from sums [3, bins]: ``after`` calibration, and ``before`` if there was one.

    Confidence and accuracy of an empty bin are None.

    Example:
        >>> figure(np.array([[1.0, 2], [0.25, 1.5], [0, 2]]), None)["after"]["accuracy"]
        [0.0, 1.0]
    """
    found: dict[str, Any] = {"bins": after.shape[-1]}
    for name, sums in (("after", after), ("before", before)):
        if sums is not None:
            one = calibration.reliability(sums)
            parts = {"confidence": one.confidence, "accuracy": one.accuracy, "count": one.count}
            found[name] = {k: [None if np.isnan(x) else x for x in v.tolist()] for k, v in parts.items()}
    return found


# pixels --------------------------------------------------------------------------------------------------------------


def pixel_row(target: np.ndarray, probabilities: np.ndarray, *, exclusive: bool) -> list[float]:
    """Sums over the pixels that are not ignored [ROW].

    Args:
        target: Classes [(Z,) Y, X].
        probabilities: Of each class [K, ...]; where they do not exclude each other, of the classes 1, 2 … [K − 1, ...],
            each a question of its own.

    Example:
        >>> row = pixel_row(np.array([[0, 1, -1]]), np.array([[[0.5, 0.5, 0.1]]]), exclusive=False)
        >>> row[-2], round(row[-1], 3), len(row) == ROW
        (0.5, 1.386, True)
    """
    found = np.zeros(ROW)
    flat, p = target.reshape(-1), probabilities.reshape(len(probabilities), -1)
    for start in range(0, flat.size, _PIECE):
        part = slice(start, start + _PIECE)
        kept = flat[part] != IGNORE
        truth, said = flat[part][kept], p[:, part][:, kept].T.astype(np.float64)
        if not exclusive:
            truth = truth[:, None] == np.arange(1, len(p) + 1)
        hit, chance = calibration.outcomes(truth, said)
        found[:-2] += calibration.binned(hit.reshape(1, -1), chance.reshape(1, -1), bins=BINS)[0].ravel()
        answers = hit.shape[1]  # what the scores are means over
        found[-2] += answers * ranking.brier_each(truth, said).sum()
        found[-1] += answers * ranking.log_loss_each(truth, said).sum()
    return found.tolist()


def pixel_scores(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Brier score, log loss and calibration error [...] of sums [..., ROW].

    Example:
        >>> sums = np.array(pixel_row(np.array([[0, 1]]), np.array([[[0.25, 0.75]]]), exclusive=False))
        >>> {name: float(value.round(3)) for name, value in pixel_scores(sums).items()}
        {'brier': 0.062, 'log_loss': 0.288, 'ece': 0.25}
    """
    bins = bins_of(sums)
    count = bins[..., 0, :].sum(-1)
    return {
        "brier": ratio(sums[..., -2], count),
        "log_loss": ratio(sums[..., -1], count),
        "ece": calibration.ece(bins),
    }


def bins_of(sums: np.ndarray) -> np.ndarray:
    """The bins [..., 3, bins] of sums [..., ROW]."""
    return sums[..., :-2].reshape(*sums.shape[:-1], 3, BINS)


def pixel_figure(rows: Sequence[Row]) -> dict[str, Any]:
    """``reliability``: `figure` over all pixels; empty for rows of before there was calibration."""
    sums = []
    for name in ("calibration", "uncalibrated"):
        known = [np.asarray(r[name], np.float64) for r in rows if name in r]
        sums.append(bins_of(np.sum(known, axis=0)) if known else None)
    return {} if sums[0] is None else {"reliability": figure(sums[0], sums[1])}


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
        said = probabilities.reshape(len(probabilities), -1)[:, kept].T
        known = said[:0] if self._probabilities is None else self._probabilities
        every = np.concatenate([self._keys, keys[kept]])
        order = np.argsort(every, kind="stable")[:SAMPLED]
        self._keys = every[order]
        self._target = np.concatenate([self._target, target.reshape(-1)[kept]])[order]
        self._probabilities = np.concatenate([known, said])[order]

    def fit(self) -> dict[str, Any]:
        """What is frozen; see `fit_items`."""
        p: Sequence[Any] | np.ndarray = [] if self._probabilities is None else self._probabilities
        return fit_items(np.asarray(p).reshape(len(self._target), -1), self._target)[1]


def fit_histogram(histogram: np.ndarray) -> dict[str, Any]:
    """What is frozen, from how often each probability was given where the truth is 0 and 1 [2, bins].

    Example:
        >>> counts = np.zeros((2, 1000), int)
        >>> counts[:, 900] = 1, 3
        >>> round(fit_histogram(counts)["temperature"], 2)
        2.01
    """
    bins = histogram.shape[-1]
    some = np.flatnonzero(histogram.sum(0))
    no, yes = histogram[:, some].astype(np.float64)
    p = (some + 0.5) / bins
    found = calibration.yes_no_temperature(p, yes, no)
    after = calibration.tempered(p, found, exclusive=False, axis=0).astype(np.float64)
    n = float(yes.sum() + no.sum())
    pairs = [_histogram_scores(q, yes, no) for q in (p, after)] if n else []
    known = {name: [one[name] for one in pairs] for name in (pairs[0] if pairs else ())}
    return {"temperature": found, "temperature_scores": {"n": n, **known}}


def _histogram_scores(p: np.ndarray, yes: np.ndarray, no: np.ndarray) -> dict[str, float]:
    z, n = calibration.log_odds(p), yes.sum() + no.sum()
    nats = (yes * np.logaddexp(0, -z) + no * np.logaddexp(0, z)).sum() / n
    squares = (yes * (1 - p) ** 2 + no * p**2).sum() / n
    gaps = np.bincount(calibration.bin_of(p, bins=BINS), weights=(yes + no) * p - yes, minlength=BINS)
    return {"log_loss": float(nats), "brier": float(squares), "ece": float(np.abs(gaps).sum() / n)}

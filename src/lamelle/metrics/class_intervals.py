"""Intervals of a classification's scores: what the next image may be, class by class, right or wrong.

The imagined unit of a draw (see `intervals`) is a row for each stratum of a score: of recall the images of the class,
of accuracy all, of macro scores one in each class that the test set holds. Good rows are right and certain; a bad one
is said to be another class, drawn anew, and ranked half a unit below what the area under the curve says of its class.
Accuracy, recall, specificity and precision of single images are proportions and need no draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lamelle.metrics import regions
from lamelle.metrics.areas import Areas, Ends
from lamelle.metrics.counts import ratio
from lamelle.metrics.differences import Imagined
from lamelle.metrics.intervals import (
    MIN_UNITS,
    Draws,
    IntervalOptions,
    Stratum,
    Units,
    bounds,
    draws,
    proportion,
    tail,
)
from lamelle.metrics.measured_intervals import METHOD
from lamelle.metrics.ranking import macro, one_hot, weighted_of_labels
from lamelle.results.scores import Score

EXACT = "mid-P"
_EACH = ("precision", "recall", "specificity", "f1")
_MACRO = {
    "balanced_accuracy": regions.balanced_accuracy,
    "macro_precision": regions.macro_precision,
    "macro_f1": regions.macro_f1,
    "mcc": regions.mcc,
}
_WEIGHTED = {"weighted_precision": regions.weighted_precision, "weighted_f1": regions.weighted_f1}
AVERAGED = ("precision", "recall", "f1")
"""Scores of a class that are averaged over the classes where several may hold at once."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What is said of each image, and what it is; int64 and float64, [N] or [N, K]."""

    truth: np.ndarray
    """Number of the class [N], or 0 and 1 [N, K] where several may hold at once."""
    chosen: np.ndarray
    """As ``truth``."""
    probabilities: np.ndarray
    """[N, K]."""
    classes: tuple[str, ...]

    @property
    def several(self) -> bool:
        return self.truth.ndim == 2

    @property
    def hot(self) -> np.ndarray:
        """Truth as 0 and 1 [N, K]."""
        return one_hot(self.truth, classes=len(self.classes))

    @property
    def said(self) -> np.ndarray:
        """Answers as 0 and 1 [N, K]."""
        return one_hot(self.chosen, classes=len(self.classes))


def class_intervals(answers: Answers, *, units: Units, options: IntervalOptions) -> dict[str, Score]:
    """Accuracy, macro scores, areas under curves, and the scores of each class, with intervals.

    Example:
        >>> truth = np.array([0] * 12 + [1] * 12)
        >>> right = Answers(truth, truth, np.eye(2)[truth], ("a", "b"))
        >>> found = class_intervals(right, units=Units.of(24, None, "image"), options=IntervalOptions(0.95, 1000, 0))
        >>> found["recall/b"].n, round(found["recall/b"].low, 3), found["roc_auc"].low < 1
        (12, 0.779, True)
    """
    maker = _Maker(answers, units, options)
    return {**maker.overall(), **maker.each(), **maker.areas()}


class _Maker:
    """What all scores of one test set share."""

    def __init__(self, answers: Answers, units: Units, options: IntervalOptions) -> None:
        self.answers, self.units, self.options = answers, units, options
        self.hot, self.said = answers.hot.astype(np.float64), answers.said.astype(np.float64)
        self.classes = range(len(answers.classes))
        self.present = [c for c in self.classes if self.hot[:, c].any()]
        self.held = [c for c in self.classes if self.hot[:, c].any() or self.said[:, c].any()]
        self.strata = {
            "is": [self._stratum(self.hot[:, c]) for c in self.classes],
            "not": [self._stratum(1 - self.hot[:, c]) for c in self.classes],
            "said": [self._stratum(self.said[:, c]) for c in self.classes],
            "either": [self._stratum(np.maximum(self.hot[:, c], self.said[:, c])) for c in self.classes],
        }
        self.all = self._stratum(np.ones(len(self.hot)))

    def _stratum(self, counted: np.ndarray) -> Stratum:
        return Stratum.of(self.units.rows(counted))

    # every score of a confusion matrix

    def overall(self) -> dict[str, Score]:
        """Accuracy and the scores over all classes."""
        right = (self.answers.truth == self.answers.chosen).reshape(len(self.hot), -1).all(1)
        hits = self.units.rows(right)
        made = {"accuracy": self._proportion(hits, self.units.rows(np.ones(len(right))), self.all)}
        if self.answers.several:
            return made | self._averages_of_labels()
        k = len(self.answers.classes)
        cells = self.answers.truth * k + self.answers.chosen
        self.matrices = np.zeros((self.units.n, k, k))
        np.add.at(self.matrices.reshape(self.units.n, -1), (self.units.member, cells), 1.0)
        strata = [self.strata["is"][c] for c in self.present]
        for name, score in _MACRO.items():
            made[name] = self._drawn(lambda some, score=score: score(self._matrix(some, strata)), strata)
        for name, score in _WEIGHTED.items():
            made[name] = self._drawn(lambda some, score=score: score(self._mixed(some)), [self.all])
        return made

    def _drawn(self, score: Callable[[Draws | None], np.ndarray], strata: Sequence[Stratum]) -> Score:
        """The interval of a score of the draws [R]; None asks for its value."""
        value = float(score(None)[0])
        reason, of = self._reason(value, strata, ranked=False)
        if reason:
            return self._interval(value, (math.nan, math.nan), strata, METHOD, reason, of)
        share = tail(strata, level=self.options.level, grouped=self.units.grouped, measured=False)
        drawn = np.concatenate([score(some) for some in self._draws(len(self.answers.classes) ** 2)])
        return self._bounded(value, bounds(drawn, value, share), strata)

    def _bounded(self, value: float, ends: tuple[float, float], strata: Sequence[Stratum]) -> Score:
        """The interval; a score that no draw can change says nothing about other images, and has none."""
        if ends[0] < ends[1]:
            return self._interval(value, ends, strata, METHOD)
        reason, of = self._undefined()
        return self._interval(value, (math.nan, math.nan), strata, METHOD, reason, of)

    def _undefined(self) -> tuple[str, str]:
        """Why a score over all classes cannot be measured, and which class is to blame where one is."""
        return ("alone", self.answers.classes[self.present[0]]) if len(self.present) == 1 else ("undefined", "")

    def _draws(self, width: int = 1):
        return draws(self.units, self.options, strata=2 * len(self.answers.classes), width=width)

    def _pooled(self, some: Draws | None, table: np.ndarray) -> np.ndarray:
        """Sums over the units of a table [n, ...], weighted as in each draw [R, ...]."""
        weights = np.ones((1, self.units.n)) if some is None else some.weights
        return (weights @ table.reshape(self.units.n, -1)).reshape(len(weights), *table.shape[1:])

    def _matrix(self, some: Draws | None, strata: Sequence[Stratum]) -> np.ndarray:
        """Confusion matrices [R, K, K] with an imagined image in each class that is present."""
        pooled = self._pooled(some, self.matrices)
        if some is not None:
            for c, stratum in zip(self.present, strata, strict=True):
                mass = some.imagined[:, c] * stratum.mass
                pooled[np.arange(len(mass)), c, self._answer(some, c)] += mass
        return pooled

    def _mixed(self, some: Draws | None) -> np.ndarray:
        """Confusion matrices [R, K, K] with one imagined image that is of each class as often as the test set's are."""
        pooled = self._pooled(some, self.matrices)
        if some is not None:
            shares = self.hot.mean(0)
            for c in self.present:
                mass = some.imagined[:, 0] * self.all.mass * shares[c]
                pooled[np.arange(len(mass)), c, self._answer(some, c)] += mass
        return pooled

    def _answer(self, some: Draws, c: int) -> np.ndarray:
        """What is said of the imagined image of class c in each draw [R]: c, or another class that is there."""
        return np.where(some.good, c, self._other(some, c))

    def _other(self, some: Draws, c: int) -> np.ndarray:
        others = [d for d in self.held if d != c] or [d for d in self.classes if d != c]
        return np.array(others or [c])[some.random.integers(max(1, len(others)), size=len(some.good))]

    def _averages_of_labels(self) -> dict[str, Score]:
        """Macro and weighted averages where several classes may hold at once."""
        made, strata = {}, [self.strata["either"][c] for c in self.present]
        present = [self.strata["is"][c] for c in self.present]

        def each(some: Draws | None, name: str) -> tuple[np.ndarray, np.ndarray]:
            values = np.stack([self._rate(name, some, c) for c in self.classes], axis=-1)
            return values, self._pooled(some, np.stack([self.units.rows(column) for column in self.hot.T], axis=1))

        for name in AVERAGED:
            of = present if name == "recall" else strata
            made[f"macro_{name}"] = self._drawn(lambda some, name=name: regions.mean_of_present(*each(some, name)), of)
            made[f"weighted_{name}"] = self._drawn(lambda some, name=name: weighted_of_labels(*each(some, name)), of)
        return made

    def _rate(self, name: str, some: Draws | None, c: int) -> np.ndarray:
        """Precision, recall or F1 of one class in each draw [R]."""
        if name == "f1":
            return self._f1(some, c)
        counted, stratum = (self.hot, "is") if name == "recall" else (self.said, "said")
        hits = self.units.rows(self.hot[:, c] * self.said[:, c])
        sums = self._pooled(some, np.stack([hits, self.units.rows(counted[:, c])], axis=1))
        mass = 0.0 if some is None else some.imagined[:, c] * self.strata[stratum][c].mass
        return ratio(sums[:, 0] + (0.0 if some is None else mass * some.good), sums[:, 1] + mass)

    # one class against the others

    def each(self) -> dict[str, Score]:
        """Precision, recall, specificity and F1 of each class."""
        made = {}
        for name in _EACH:
            for c, label in enumerate(self.answers.classes):
                made[f"{name}/{label}"] = self._of_class(name, c)
        return made

    def _of_class(self, name: str, c: int) -> Score:
        truth, predicted = self.hot[:, c], self.said[:, c]
        if not truth.any():
            none = (math.nan, math.nan)
            return self._interval(math.nan, none, [], METHOD, "absent", self.answers.classes[c])
        if name == "f1":
            f1_ends = self._drawn(lambda some: self._f1(some, c), [self.strata["either"][c]])
        else:
            counted, stratum = {
                "recall": (truth, "is"),
                "precision": (predicted, "said"),
                "specificity": (1 - truth, "not"),
            }[name]
            hits = counted * (truth == predicted)
            f1_ends = self._proportion(self.units.rows(hits), self.units.rows(counted), self.strata[stratum][c])
        reason = f1_ends.reason
        if math.isnan(f1_ends.value):
            reason = "alone" if name == "specificity" else "unpredicted"
        elif reason == "few" and name == "specificity":
            reason = "few_without"
        about = self.answers.classes[c] if reason else ""
        return replace(f1_ends, reason=reason, of=about)

    def _f1(self, some: Draws | None, c: int) -> np.ndarray:
        """F1 of one class in each draw [R]; an imagined wrong answer counts once, a right one twice."""
        truth, predicted = self.hot[:, c], self.said[:, c]
        table = np.stack([self.units.rows(truth * predicted), self.units.rows(truth + predicted)], axis=1)
        sums = self._pooled(some, table)
        if some is None:
            return ratio(2 * sums[:, 0], sums[:, 1])
        mass = some.imagined[:, c] * self.strata["either"][c].mass
        twice = 2 * mass * some.good
        return ratio(2 * sums[:, 0] + twice, sums[:, 1] + np.where(some.good, 2 * mass, mass))

    def _proportion(self, hits: np.ndarray, counted: np.ndarray, stratum: Stratum) -> Score:
        """Right of all that is counted, given how many of each unit are [n]."""
        k, n = float(hits.sum()), float(counted.sum())
        value = k / n if n else math.nan
        if not self.units.grouped:
            exact = proportion(round(k), round(n), level=self.options.level)
            return self._interval(value, exact, [stratum], EXACT, "" if n else "undefined")
        table = np.stack([hits, counted], axis=1)

        def score(some: Draws | None) -> np.ndarray:
            sums = self._pooled(some, table)
            mass = 0.0 if some is None else some.imagined[:, 0] * stratum.mass
            return ratio(sums[:, 0] + (0.0 if some is None else mass * some.good), sums[:, 1] + mass)

        return self._drawn(score, [stratum])

    # areas under curves

    def areas(self) -> dict[str, Score]:
        """ROC AUC and PR AUC of each class and their means."""
        each = [Areas(self.hot[:, c], self.answers.probabilities[:, c]) for c in self.classes]
        once = np.ones((len(self.hot), 1))
        values = {kind: np.array([getattr(a, kind)(a.sums(once))[0] for a in each]) for kind in ("roc", "pr")}
        defined = values["pr"][~np.isnan(values["pr"])]
        below = np.maximum(0, np.nan_to_num(values["roc"]) - 0.5)
        least = max(0.0, float(defined.min()) - 0.5) if len(defined) else 0.0
        chances = {"roc": below, "pr": np.full(len(each), least)}
        drawn = self._drawn_areas(each, chances)
        made = {}
        for kind in ("roc", "pr"):
            strata = [s for c in self.present for s in (self.strata["is"][c], self.strata["not"][c]) if s.units]
            mean = float(macro(values[kind]))
            made[f"{kind}_auc"] = self._area(mean, macro(drawn[kind, "joint"]), strata)
            for c, label in enumerate(self.answers.classes):
                strata = [self.strata["is"][c], self.strata["not"][c]]
                made[f"{kind}_auc/{label}"] = self._area(
                    float(values[kind][c]), drawn[kind, "each"][:, c], strata, label
                )
        return made

    def _area(self, value: float, drawn: np.ndarray, strata: Sequence[Stratum], of: str = "") -> Score:
        reason, about = self._reason(value, strata, ranked=True)
        if of and not all(s.units for s in strata):
            reason, about = "alone" if strata[0].units else "absent", of
        elif of and reason == "few":
            reason, about = reason if strata[0].units <= strata[1].units else "few_without", of
        if reason:
            return self._interval(value, (math.nan, math.nan), strata, METHOD, reason, about)
        share = tail(strata, level=self.options.level, grouped=self.units.grouped, measured=False)
        return self._bounded(value, bounds(drawn, value, share), strata)

    def _drawn_areas(self, each: Sequence[Areas], chances: dict[str, np.ndarray]) -> dict[tuple[str, str], np.ndarray]:
        """Areas [R, K] of the draws: with imagined images of one class and of the rest, and of all classes at once."""
        drawn: dict[tuple[str, str], list[np.ndarray]] = {}
        kinds = ("roc", "pr") if any(s.units >= MIN_UNITS for s in self.strata["is"]) else ()
        for some in self._draws(width=6):
            parts: dict[tuple[str, str], list[np.ndarray]] = {}
            joint = {kind: self._joint(some, chances[kind]) for kind in kinds}
            for c, area in enumerate(each if kinds else ()):
                sums = area.sums(some.weights[:, self.units.member].T)
                for kind in kinds:
                    for way, imagined in (("each", self._alone(some, c, chances[kind][c])), ("joint", joint[kind][c])):
                        parts.setdefault((kind, way), []).append(getattr(area, kind)(sums, imagined))
            for key, columns in parts.items():
                drawn.setdefault(key, []).append(np.stack(columns, axis=-1))
        nothing = np.full((1, len(each)), np.nan)
        keys = [(kind, way) for kind in ("roc", "pr") for way in ("each", "joint")]
        return {key: np.concatenate(drawn[key]) if key in drawn else nothing for key in keys}

    def _alone(self, some: Draws, c: int, chance: float) -> Ends:
        """One imagined image of class c, and one of the rest."""
        k = len(self.answers.classes)
        yes = some.imagined[:, c] * self.strata["is"][c].mass
        no = some.imagined[:, k + c] * self.strata["not"][c].mass
        sure = np.where(some.good, 1.0, chance)
        return Ends(yes * sure, yes * (1 - sure), no * (1 - sure), no * sure)

    def _joint(self, some: Draws, chances: np.ndarray) -> list[Ends]:
        """One imagined image in each class that is present, as each class's curve sees them."""
        if self.answers.several:
            return [self._alone(some, c, float(chances[c])) for c in self.classes]
        k, size = len(self.answers.classes), len(some.good)
        certain = np.zeros((size, k, k))  # truth, and what the image is certain of
        for c in self.present:
            mass = some.imagined[:, c] * self.strata["is"][c].mass
            sure = np.where(some.good, 1.0, chances[c])
            certain[:, c, c] += mass * sure
            certain[np.arange(size), c, self._other(some, c)] += mass * (1 - sure)
        total, of, predicted = certain.sum((1, 2)), certain.sum(2), certain.sum(1)
        made = []
        for c in self.classes:
            hit = certain[:, c, c]
            made.append(Ends(hit, of[:, c] - hit, predicted[:, c] - hit, total - of[:, c] - predicted[:, c] + hit))
        return made

    def _reason(self, value: float, strata: Sequence[Stratum], *, ranked: bool) -> tuple[str, str]:
        """Why no interval can be given, and of which class; both empty where one can."""
        if math.isnan(value):
            return self._undefined()
        if not (ranked or self.units.grouped):
            return "", ""
        small = min((s.units for s in strata), default=0)
        if small >= MIN_UNITS:
            return "", ""
        rare = [self.answers.classes[c] for c in self.present if self.strata["is"][c].units == small]
        return "few", rare[0] if rare and len(strata) > 1 else ""

    def _interval(
        self,
        value: float,
        ends: tuple[float, float],
        strata: Sequence[Stratum],
        method: str,
        reason: str = "",
        of: str = "",
    ) -> Score:
        n = min((s.units for s in strata), default=0)
        return Score(value, *ends, n, self.units.name, method, self.options.level, reason, of)


def class_difference(score: str, hot: np.ndarray, *, classes: Sequence[str]) -> Imagined:
    """What one more image could do to the difference of two classifiers in one score: one is right, the other wrong.

    Args:
        score: Such as ``macro_f1`` or ``recall/tumour``.
        hot: Truth as 0 and 1, bool [N, K].
    """
    name, _, label = score.partition("/")
    chosen = [list(classes).index(label)] if label else [c for c in range(len(classes)) if hot[:, c].any()]
    if name in ("roc_auc", "pr_auc"):
        strata = [[s for s in (hot[:, c], ~hot[:, c]) if s.any()] for c in chosen]
    elif name == "specificity":
        strata = [[~hot[:, c]] for c in chosen]
    elif label or name in _MACRO:
        strata = [[hot[:, c]] for c in chosen]
    else:
        strata = [[np.ones(len(hot), bool)]]
    return Imagined(strata, 2.0 if name == "mcc" else 1.0, measured=False)

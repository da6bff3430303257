"""What validation decided, from packages of formats 1 to 3: there, what was tried stood among it.

``threshold_curve`` (of one class ``threshold_curve/CLASS``) had the scores over the threshold, ``threshold_grid`` those
at eleven thresholds, ``min_size_curve`` and the like those over another number, ``temperature_scores`` and
``threshold_scores`` those before and after, ``unsearched`` the numbers of the classes that validation does not show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue, TypeAdapter

from lamelle.results.fitted import Sweep
from lamelle.types import JsonObject

Line = list[float | None]
_OLD = TypeAdapter(dict[str, float | Line | dict[str, float | Line]])
_NUMBERS = ("min_size", "fill_holes")
_OTHERS = ("temperature", "threshold", "thresholds", "cell_threshold", "mask_threshold", "seed_threshold")
_SEARCHED = ("mask_threshold", "seed_threshold", "fill_holes", "largest", "min_size")
_SCORES = {"image_f1": "image_dice"}
"""Scores that had other names."""


def fitted_before(
    given: JsonValue, options: Mapping[str, JsonValue], classes: Sequence[str]
) -> tuple[JsonObject, list[JsonValue]]:
    """What was decided and what was tried, each as format 4 has it.

    Raises:
        ValueError: If a value is none that such packages had.

    Example:
        >>> old = {"min_size": 8.0, "min_size_curve": {"min_size": [0.0, 8.0], "dice": [0.5, 0.7]}}
        >>> decided, tried = fitted_before(old, {"name": "segment"}, ("background", "cell"))
        >>> decided, tried[0]["chosen"], tried[0]["scores"]
        ({'min_size': 8}, 8.0, {'dice': [0.5, 0.7]})
    """
    old = _OLD.validate_python(given, strict=True)
    decided: JsonObject = {}
    for name, value in old.items():
        if name in _NUMBERS and isinstance(value, float | int):
            decided[name] = int(value)
        elif name == "largest":
            decided[name] = bool(value)
        elif name in _OTHERS:
            decided[name] = value
        elif name.partition("/")[0] not in _TRIED:
            raise ValueError(f"{name} was never decided")
    try:
        find = _Sweeps(old, options, [str(name) for name in classes])
        sweeps = [*find.temperature(), *find.classes(), *find.pixels(), *find.numbers()]
    except LookupError as error:
        raise ValueError("what was tried on validation is not complete") from error
    return decided, [one.model_dump(mode="json") for one in sweeps]


_TRIED = {
    *("temperature_scores", "threshold_scores", "threshold_curve", "threshold_grid", "unsearched"),
    *(f"{name}_curve" for name in _SEARCHED),
}


class _Sweeps:
    """Finds what was tried."""

    def __init__(self, old: Mapping[str, object], options: Mapping[str, JsonValue], names: Sequence[str]) -> None:
        self._old, self._options, self._names = old, options, names
        self._lacking = [names[int(k)] for k in self._line(old, "unsearched") if k]

    def _line(self, where: Mapping[str, object], name: str) -> list[float]:
        """A list of numbers; what is not defined is 0 where numbers are asked for."""
        values = where.get(name, [])
        if not isinstance(values, list):
            raise ValueError(f"{name} is no list")
        return [float(v or 0) for v in values]

    def _lines(self, name: str) -> dict[str, Line]:
        lines = self._old.get(name, {})
        if not isinstance(lines, dict):
            raise ValueError(f"{name} is no table")
        return {_SCORES.get(str(k), str(k)): v for k, v in lines.items() if isinstance(v, list)}

    def _number(self, name: str) -> float | None:
        value = self._old.get(name)
        return float(value) if isinstance(value, float | int) else None

    def temperature(self) -> list[Sweep]:
        chosen, before = self._number("temperature"), self._old.get("temperature_scores")
        if chosen is None:
            return []
        pairs = {name: tuple(pair) for name, pair in self._lines("temperature_scores").items()}
        n = before.get("n") if isinstance(before, dict) else None
        count = int(n) if isinstance(n, float | int) else None
        points = (1.0, chosen) if pairs else ()
        return [Sweep(name="temperature", points=points, scores=pairs, chosen=chosen, by="log_loss", n=count)]

    def classes(self) -> list[Sweep]:
        """The thresholds of a classification."""
        cuts = self._line(self._old, "thresholds") if isinstance(self._old.get("thresholds"), list) else []
        searched = self._options.get("threshold") == "f1"
        lines = self._lines("threshold_curve")
        if not cuts:
            return []
        if len(cuts) == 2 and lines:
            points, rarer = lines.pop("threshold"), int(lines.pop("class", [1.0])[0] or 0)
            of = self._names[rarer]
            scores = {k if k == "macro_f1" else f"{k}/{of}": tuple(v) for k, v in lines.items()}
            about = {"of": self._names[1], "chosen": cuts[1], "by": "macro_f1" if searched else ""}
            return [Sweep(name="threshold", points=tuple(v or 0.0 for v in points), scores=scores, **about)]
        pairs = self._lines("threshold_scores")
        usual = 0.5 if len(cuts) == 2 else 1 / len(cuts)
        return [
            Sweep(
                name="threshold",
                of=name,
                points=(usual, cut) if pairs else (),
                scores={"f1": (pairs["f1_before"][k], pairs["f1"][k])} if pairs else {},
                chosen=cut,
                by="f1" if searched else "",
            )
            for k, (name, cut) in enumerate(zip(self._names, cuts, strict=True))
        ]

    def pixels(self) -> list[Sweep]:
        """The thresholds of a segmentation."""
        single, several = self._number("threshold"), self._old.get("thresholds")
        if single is not None:
            return [self._pixel("", self._names[1], single)]
        if isinstance(several, dict):
            return [self._pixel(f"/{name}", name, float(cut)) for name, cut in several.items()]
        return []

    def _pixel(self, end: str, of: str, chosen: float) -> Sweep:
        curve, grid = self._lines(f"threshold_curve{end}"), self._lines(f"threshold_grid{end}")
        by_image, points = curve.pop("by_image", None), curve.pop("thresholds", [])
        grid.pop("by_image", None)
        more = grid.pop("thresholds", [])
        places = {float(t or 0): (curve, i) for i, t in enumerate(points)}
        places |= {float(t or 0): (grid, i) for i, t in enumerate(more)}
        shared = [name for name in curve if not grid or name in grid]
        ordered = sorted(places)
        scores = {name: tuple(places[t][0][name][places[t][1]] for t in ordered) for name in shared}
        by = "" if not by_image else "image_dice" if by_image[0] else "f1"
        undecided = of in self._lacking
        return Sweep(
            name="threshold", of=of, points=tuple(ordered), scores=scores, chosen=chosen, by=by, undecided=undecided
        )

    def numbers(self) -> list[Sweep]:
        """What is one number, and was searched among a few."""
        sweeps = []
        if (cells := self._number("cell_threshold")) is not None:
            sweeps.append(Sweep(name="cell_threshold", chosen=cells, by="v_rand"))
        objects = self._options.get("name") == "instances"
        of = self._names[1] if objects else ""
        for name in _SEARCHED:
            lines, chosen = self._lines(f"{name}_curve"), self._number(name) or 0.0
            if lines:
                points = tuple(float(v or 0) for v in lines.pop(name))
                scores = {k: tuple(v) for k, v in lines.items()}
                sweeps.append(
                    Sweep(name=name, of=of, points=points, scores=scores, chosen=chosen, by=next(iter(scores)))
                )
            elif objects and self._lacking and name in self._old and self._options.get(name) in (None, "auto"):
                sweeps.append(Sweep(name=name, of=of, chosen=chosen, undecided=True))
        return sweeps

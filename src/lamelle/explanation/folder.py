"""The folder of an explanation: overlays, raw maps, sheets and one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lamelle.explanation.choosing import ChosenCase
from lamelle.explanation.explain import Attribution
from lamelle.explanation.inside import by_class, summarise
from lamelle.explanation.result import ExplainedImage, ExplainedPicture, Explanation, InsideMasks, RandomCheck
from lamelle.io import atomic, writers
from lamelle.messages import text
from lamelle.messages.numbers import number, percent
from lamelle.pictures import heat
from lamelle.pictures.encode import COARSE, LARGE, EncodedPicture, encode, shrunk
from lamelle.prediction.tables import items_csv
from lamelle.types import Spacing

_SHEET = 4
"""Pictures in a row of a sheet, about."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """How the means of shares get their intervals."""

    level: float
    resamples: int | None
    seed: int


class ExplanationFolder:
    """Takes explained cases as they come, and writes what is drawn of them.

    ``overlays/`` · ``maps/MODEL/`` (float32 TIFF) · ``sheets/CLASS.png`` · ``attributions.csv``
    """

    def __init__(self, folder: Path, *, method: str, checked: bool) -> None:
        self.folder, self.method, self.checked = folder, method, checked
        self._masked: list[bool] = []
        self._rows: list[dict[str, Any]] = []
        self._maps: list[tuple[ChosenCase, Attribution]] = []
        self._strips: dict[str, list[np.ndarray]] = {}
        self._images: list[ExplainedImage] = []

    def add(
        self, case: ChosenCase, maps: Sequence[Attribution], mask: np.ndarray | None, spacing: Spacing | None
    ) -> None:
        """Take the maps of one case, one for each model; a case of kind ``other`` is counted, not drawn."""
        drawn = case.kind != "other"
        self._masked.append(mask is not None)
        name = f"{len(self._images) + 1:03d}-{_plain(Path(case.record.id).stem)}"
        overlay = f"overlays/{name}.png" if drawn else ""
        if drawn:
            self._draw(case, maps, mask, overlay)
        for one in maps:
            place = f"maps/{_plain(one.model)}/{name}.tif" if drawn else ""
            if drawn:
                path = self.folder / place
                path.parent.mkdir(parents=True, exist_ok=True)
                writers.write_image(path, one.values[None], spacing=spacing and spacing[-one.values.ndim :])
            self._rows.append(self._row(case, one, overlay, place))
            self._maps.append((case, one))

    def close(self, intervals: Intervals) -> Explanation:
        """Write the table and the sheets.

        Returns:
            All that a page and a terminal show.
        """
        atomic.write_text(self.folder / "attributions.csv", items_csv(self._rows))
        models = list(dict.fromkeys(one.model for _, one in self._maps))
        for i, (name, strips) in enumerate(self._strips.items()):
            path = self.folder / "sheets" / f"{i + 1:02d}-{_plain(name)}.png"
            path.parent.mkdir(exist_ok=True)
            writers.write_rgb(path, heat.sheet(strips, columns=max(1, _SHEET // max(2, len(models)))))
        drawn = [one for case, one in self._maps if case.kind != "other"]
        return Explanation(
            method=self.method,
            layers={m: ", ".join(dict.fromkeys(o.layer for _, o in self._maps if o.model == m and o.layer))
                    for m in models},
            maps=len(self._maps),
            flat=sum(not (one.values > 0).any() for one in drawn),
            masked=sum(self._masked),
            unmasked=len(self._masked) - sum(self._masked),
            inside=tuple(row for model in models for row in self._inside(model, intervals)),
            checks=tuple(map(self._check, models)) if self.checked else (),
            images=tuple(self._images),
        )  # fmt: skip

    def _row(self, case: ChosenCase, one: Attribution, overlay: str, place: str) -> dict[str, Any]:
        share = one.share
        ratio = share.inside / share.area if share and share.area > 0 else None
        return {
            **{"image": case.record.id, "shown_under": case.heading, "kind": case.kind, "truth": case.truth},
            **{"model": one.model, "predicted": one.predicted, "explained": one.explained},
            **{"probability": _written(one.probability), "method": self.method, "layer": one.layer},
            **{"inside": _written(share and share.inside), "area": _written(share and share.area)},
            **{"ratio": _written(ratio), "random_weights": _written(one.check), "map": place, "overlay": overlay},
        }

    def _draw(self, case: ChosenCase, maps: Sequence[Attribution], mask: np.ndarray | None, overlay: str) -> None:
        first = maps[0]
        plain = heat.grey(first.image, heat.shown_plane(first.values))
        pictures = [plain, *(heat.heat(one.image, one.values, mask) for one in maps)]
        truth = text("explain.truth", name=case.truth) if case.truth else ""
        kind = text(f"explain.kind_{case.kind}")
        captions = [(case.record.id, f"{kind}{' · ' if truth else ''}{truth}"), *(_caption(one) for one in maps)]
        strip = heat.strip([heat.enlarged(shrunk(p, LARGE)) for p in pictures], captions)
        path = self.folder / overlay
        path.parent.mkdir(parents=True, exist_ok=True)
        writers.write_rgb(path, strip)
        self._strips.setdefault(case.heading, []).append(strip)
        alts = [text("report.alt_image", name=case.record.id)]
        alts += [text("explain.alt", name=case.record.id, model=one.model, explained=one.explained) for one in maps]
        lines = [captions[0], *(c if len(maps) > 1 else c[1:] for c in captions[1:])]  # one model is named above all
        shown = tuple(
            ExplainedPicture(_small(p), alt, " · ".join(line))
            for p, alt, line in zip(pictures, alts, lines, strict=True)
        )
        self._images.append(ExplainedImage(case.record.id, case.heading, kind, truth, shown))

    def _inside(self, model: str, intervals: Intervals) -> list[InsideMasks]:
        """Means of the shares inside of masks, by class."""
        some = [(case, one) for case, one in self._maps if one.model == model and one.share is not None]
        rows = []
        for name, places in by_class([case.truth or one.explained for case, one in some]).items():
            chosen = [some[i] for i in places]
            shares = [one.share for _, one in chosen if one.share is not None]
            if scores := summarise(shares, [case.record.group for case, _ in chosen], **asdict(intervals)):
                rows.append(InsideMasks(model, name, scores["inside"], scores["area"], scores["ratio"]))
        return rows

    def _check(self, model: str) -> RandomCheck:
        """The median correlation with maps of random weights, and of how many images."""
        values = [one.check for _, one in self._maps if one.model == model and not np.isnan(one.check)]
        return RandomCheck(model, float(np.median(values)) if values else None, len(values))


def _small(picture: np.ndarray) -> EncodedPicture:
    small = encode(shrunk(picture, LARGE // 2), lossy=True)
    return EncodedPicture(small, lossy=True, coarse=max(picture.shape) < COARSE)


def _caption(one: Attribution) -> tuple[str, ...]:
    """Model; class and probability; what lies inside."""
    answer = text("explain.said", explained=one.explained, p=number(one.probability, 2))
    if one.predicted and one.predicted != one.explained:
        answer += " · " + text("explain.but", predicted=one.predicted)
    share = one.share.inside if one.share else float("nan")
    inside = "" if np.isnan(share) else text("explain.inside", share=percent(share))
    return (one.model, answer, inside) if inside else (one.model, answer)


def _written(value: float | None) -> float | str:
    """A number of six digits, or nothing; numbers stay numbers, so that a sign is not taken for a formula."""
    return "" if value is None or np.isnan(value) else float(f"{value:.6g}")


def _plain(name: str) -> str:
    """A part of a file name from any text."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)[:80] or "images"

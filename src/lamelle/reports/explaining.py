"""The folder of an explanation: overlays, raw maps, sheets, one table and one page."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lamelle.explanation.choosing import ChosenCase
from lamelle.explanation.explain import Attribution
from lamelle.explanation.inside import by_class, summarise
from lamelle.io import atomic, writers
from lamelle.messages import text
from lamelle.messages.numbers import unit_of
from lamelle.metrics.intervals import few_units
from lamelle.pictures.encode import LARGE, shrunk
from lamelle.prediction.files import items_csv
from lamelle.reports import heat
from lamelle.reports.html import number, percent, render
from lamelle.reports.pictures import Picture, uri
from lamelle.results.scores import Score
from lamelle.types import Spacing

SUSPECT = 0.5
"""Median rank correlation with the maps of random weights from which a reader is warned."""
HOW = {
    "gradcam": "explain.how_gradcam",
    "gradcam++": "explain.how_gradcam_plus_plus",
    "occlusion": "explain.how_occlusion",
    "integrated-gradients": "explain.how_integrated_gradients",
}
"""The sentence about each method."""
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

    ``overlays/`` · ``maps/MODEL/`` (float32 TIFF) · ``sheets/CLASS.png`` · ``attributions.csv`` · ``explain.html``
    """

    def __init__(self, folder: Path, *, method: str, checked: bool) -> None:
        self.folder, self.method, self.checked = folder, method, checked
        self._n = 0
        self._rows: list[dict[str, Any]] = []
        self._found: list[tuple[ChosenCase, Attribution]] = []
        self._strips: dict[str, list[np.ndarray]] = {}
        self._cases: dict[str, list[dict[str, Any]]] = {}

    def add(
        self, case: ChosenCase, maps: Sequence[Attribution], mask: np.ndarray | None, spacing: Spacing | None
    ) -> None:
        """Take the maps of one case, one for each model; a case of kind ``other`` is counted, not drawn."""
        drawn = case.kind != "other"
        self._n += drawn
        name = f"{self._n:03d}-{_plain(Path(case.record.id).stem)}"
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
            self._found.append((case, one))

    def close(self, *, notes: Sequence[str], intervals: Intervals, command: Sequence[str]) -> Path:
        """Write the table, the sheets and the page.

        Args:
            notes: What a reader must be told.
            command: Words of the command line.

        Returns:
            Path of the page.
        """
        atomic.write_text(self.folder / "attributions.csv", items_csv(self._rows))
        for i, (name, strips) in enumerate(self._strips.items()):
            path = self.folder / "sheets" / f"{i + 1:02d}-{_plain(name)}.png"
            path.parent.mkdir(exist_ok=True)
            columns = max(1, _SHEET // max(2, len({one.model for _, one in self._found})))
            writers.write_rgb(path, heat.sheet(strips, columns=columns))
        page = self.folder / "explain.html"
        atomic.write_text(page, self._page(notes, intervals, command))
        return page

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
        shown = [
            Picture(uri(shrunk(p, LARGE // 2), lossy=True), alt, caption=" · ".join(line), coarse=max(p.shape) < 96)
            for p, alt, line in zip(pictures, alts, lines, strict=True)
        ]
        said = {"name": case.record.id, "kind": kind, "truth": truth, "good": case.kind in ("right", "best", "given")}
        self._cases.setdefault(case.heading, []).append({**said, "pictures": shown})

    # ---- the page

    def _page(self, notes: Sequence[str], intervals: Intervals, command: Sequence[str]) -> str:
        models = list(dict.fromkeys(one.model for _, one in self._found))
        inside = self._inside(models, intervals)
        checks = self._checks(models)
        sections = [("summary", bool(self._found)), ("inside", bool(inside)), ("check", bool(checks))]
        sections += [("cases", bool(self._cases)), ("repeat", bool(command))]
        return render(
            "explain.html",
            title=text("explain.title", name=", ".join(models)),
            kicker=text("explain.kicker"),
            heading=", ".join(models),
            tags=[self.method, text("explain.tag_maps", n=len(self._found))],
            sections=[(name, text(f"explain.section_{name}")) for name, shown in sections if shown],
            notes=[*notes, *self._flat()],
            how=text(HOW[self.method]),
            layers=[(m, ", ".join(dict.fromkeys(o.layer for _, o in self._found if o.model == m and o.layer)))
                    for m in models],
            inside=inside,
            checks=checks,
            suspect=any(value is not None and value >= SUSPECT for _, value, _ in checks),
            cases=list(self._cases.items()),
            several=len(models) > 1,
            masked=any(one.share is not None for _, one in self._found),
            command=shlex.join(["lamelle", *command]),
        )  # fmt: skip

    def _flat(self) -> list[str]:
        """A sentence where maps show nothing."""
        flat = sum(not (one.values > 0).any() for case, one in self._found if case.kind != "other")
        return [text("explain.flat", n=flat)] if flat else []

    def _inside(self, models: Sequence[str], intervals: Intervals) -> list[dict[str, Any]]:
        """Means of the shares inside of masks, by model and class."""
        rows = []
        for model in models:
            some = [(case, one) for case, one in self._found if one.model == model and one.share is not None]
            for name, places in by_class([case.truth or one.explained for case, one in some]).items():
                chosen = [some[i] for i in places]
                shares = [one.share for _, one in chosen if one.share is not None]
                found = summarise(shares, [case.record.group for case, _ in chosen], **asdict(intervals))
                if found:
                    row = {"model": model, "name": name or text("explain.all_classes"), "n": found["inside"].n}
                    row |= {"few": few_units(found["inside"].n), "unit": unit_of(found["inside"].unit, row["n"])}
                    rows.append(row | {key: _interval(found[key], key) for key in ("inside", "area", "ratio")})
        return rows

    def _checks(self, models: Sequence[str]) -> list[tuple[str, float | None, int]]:
        """For each model the median correlation with maps of random weights, and of how many images."""
        found = []
        for model in models if self.checked else ():
            values = [one.check for _, one in self._found if one.model == model and not np.isnan(one.check)]
            found.append((model, float(np.median(values)) if values else None, len(values)))
        return found

    def headline(self, intervals: Intervals) -> list[str]:
        """What a terminal says: shares inside of masks, and what random weights make of the maps."""
        models = list(dict.fromkeys(one.model for _, one in self._found))
        lines = [
            text("explain.inside_line", **{k: r[k] for k in ("model", "name", "n", "unit")},
                 inside=r["inside"][0], bounds=r["inside"][1], area=r["area"][0], ratio=r["ratio"][0])
            for r in self._inside(models, intervals)
        ]  # fmt: skip
        for model, value, n in self._checks(models):
            code = "explain.check_bad" if value is not None and value >= SUSPECT else "explain.check_good"
            lines.append(text(code, model=model, value=number(value, 2), n=n))
        return lines


def _caption(one: Attribution) -> tuple[str, ...]:
    """Model; class and probability; what lies inside."""
    said = text("explain.said", explained=one.explained, p=number(one.probability, 2))
    if one.predicted and one.predicted != one.explained:
        said += " · " + text("explain.but", predicted=one.predicted)
    share = one.share.inside if one.share else float("nan")
    inside = "" if np.isnan(share) else text("explain.inside", share=percent(share))
    return (one.model, said, inside) if inside else (one.model, said)


def _interval(found: Score, key: str) -> tuple[str, str]:
    """A mean and its bounds as people read them: shares in percent, ratios as numbers."""

    def said(value: float) -> str:
        if np.isnan(value):
            return "–"
        return number(value, 2) if key == "ratio" else percent(value)

    return said(found.value), f"{said(found.low)} – {said(found.high)}"


def _written(value: float | None) -> float | str:
    """A number of six digits, or nothing; numbers stay numbers, so that a sign is not taken for a formula."""
    return "" if value is None or np.isnan(value) else float(f"{value:.6g}")


def _plain(name: str) -> str:
    """A part of a file name from any text."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)[:80] or "images"


def notes_of(*, sample: bool, masked: int, unmasked: int) -> list[str]:
    """What a reader of the page must be told about its images.

    Args:
        sample: The images were chosen from a test set, and are not all of it.
        masked: Images with a mask.
        unmasked: Images without.
    """
    said = [text("explain.note_chosen")] if masked and sample else []
    return [*said, text("explain.note_unmasked", n=unmasked)] if masked and unmasked else said

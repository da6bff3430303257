"""The page of an explanation: where models look, how much of it lies inside of masks, and whether to believe it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lamelle.explanation.result import ExplainedImage, Explanation, InsideMasks
from lamelle.io import atomic
from lamelle.messages import text
from lamelle.messages.numbers import unit_of
from lamelle.metrics.intervals import few_units
from lamelle.registry import Registry
from lamelle.reports.blocks import (
    Block,
    CaseBlock,
    Cell,
    Code,
    Facts,
    Heading,
    Notice,
    Notices,
    Paragraph,
    ShownPicture,
    Strip,
    Strips,
    TableBlock,
    numeric,
)
from lamelle.reports.html import DrawnPage, number, percent, render
from lamelle.reports.pictures import uri_of
from lamelle.reports.sections import Section, drawn
from lamelle.results.scores import Score

SUSPECT = 0.5
"""Median rank correlation with the maps of random weights from which a reader is warned."""
HOW = {
    "gradcam": "explain.how_gradcam",
    "gradcam++": "explain.how_gradcam_plus_plus",
    "occlusion": "explain.how_occlusion",
    "integrated-gradients": "explain.how_integrated_gradients",
}
"""The sentence about each method."""


@dataclass(frozen=True, slots=True)
class _ExplanationPage:
    """What the page is about."""

    result: Explanation
    command: Sequence[str]
    chosen: bool


def write_page(path: Path, result: Explanation, *, command: Sequence[str], chosen: bool) -> Path:
    """Write the self-contained page of an explanation.

    Args:
        path: The page.
        command: Words of the command line.
        chosen: The images were chosen from a test set, and are not all of it.
    """
    names = ", ".join(result.models)
    page = DrawnPage(
        title=text("explain.title", name=names),
        kicker=text("explain.kicker"),
        heading=names,
        tags=[result.method, text("explain.tag_maps", n=result.maps)],
        sections=drawn(SECTIONS, _ExplanationPage(result, command, chosen)) if result.maps else (),
    )
    atomic.write_text(path, render(page))
    return path


def headline(result: Explanation) -> list[str]:
    """What a terminal says: shares inside of masks, and what random weights make of the maps."""
    lines = []
    for row in result.inside:
        (inside, bounds), (area, _), (ratio, _) = map(_shown, (row.inside, row.area, row.ratio), (percent, percent, _2))
        about = {"model": row.model, "name": _name(row), "n": row.inside.n, "unit": _unit(row.inside)}
        lines.append(text("explain.inside_line", **about, inside=inside, bounds=bounds, area=area, ratio=ratio))
    for one in result.checks:
        code = "explain.check_bad" if _suspect(one.correlation) else "explain.check_good"
        lines.append(text(code, model=one.model, value=_2(one.correlation), n=one.n))
    return lines


def _summary(page: _ExplanationPage) -> list[Block]:
    """How maps are made and read, and what a reader must know."""
    result = page.result
    notes = [text("explain.note_chosen")] if result.masked and page.chosen else []
    notes += [text("explain.note_unmasked", n=result.unmasked)] if result.masked and result.unmasked else []
    notes += [text("explain.flat", n=result.flat)] if result.flat else []
    layers = list(result.layers.items())
    return [
        Paragraph(text(HOW[result.method])),
        Paragraph(text("explain.reading")),
        Notices([*(Notice(note, "warning") for note in notes), Notice(text("explain.limits"))]),
        *([Facts(layers, text("explain.layers"))] if layers[0][1] else []),
    ]


def _inside(page: _ExplanationPage) -> list[Block]:
    """Means of the shares inside of masks, by model and class."""
    several, rows = len(page.result.models) > 1, list[list[Cell | str]]()
    for row in page.result.inside:
        cells = [Cell(value, "n", below=bounds) for value, bounds in
                 map(_shown, (row.inside, row.area, row.ratio), (percent, percent, _2))]  # fmt: skip
        few = text("explain.few") if few_units(row.inside.n) else ""
        n = Cell(f"{row.inside.n} {_unit(row.inside)}", "n", below=few)
        rows.append([*([Cell(row.model)] if several else []), Cell(_name(row), head=True), *cells, n])
    heads = [*([text("explain.model")] if several else []), text("report.class")]
    columns = numeric(*(text(f"explain.column_{name}") for name in ("inside", "area", "ratio")), "n")
    return [Paragraph(text("explain.inside_caption"), "muted"), TableBlock([*heads, *columns], rows)] if rows else []


def _check(page: _ExplanationPage) -> list[Block]:
    """How much the maps resemble those of random weights."""
    checks = page.result.checks
    if not checks:
        return []
    doubt = any(_suspect(one.correlation) for one in checks)
    kind, verdict = ("warning", "doubt") if doubt else ("good", "passed")
    facts = [(one.model, f"{_2(one.correlation)} ({text('explain.tag_maps', n=one.n)})") for one in checks]
    return [
        Paragraph(text("explain.check_caption")),
        Notices([Notice(text(f"explain.check_{verdict}"), kind)]),
        Facts(facts),
    ]


def _cases(page: _ExplanationPage) -> list[Block]:
    """Every image with its maps, class by class."""
    result, images = page.result, dict[str, list[ExplainedImage]]()
    for one in result.images:
        images.setdefault(one.heading, []).append(one)
    caption = text("explain.cases_caption") + (f" {text('explain.cases_masked')}" if result.masked else "")
    blocks: list[Block] = [Paragraph(caption, "muted")] if images else []
    for heading, some in images.items():
        blocks += [Heading(heading)] if heading else []
        blocks += list(map(_case, some)) if len(result.models) > 1 else [Strips(list(map(_strip, some)))]
    return blocks


def _case(one: ExplainedImage) -> CaseBlock:
    return CaseBlock(_pictures(one), one.id, before=one.kind, after=one.truth)


def _strip(one: ExplainedImage) -> Strip:
    """The image beside the map of the only model."""
    shown = _pictures(one)
    caption = " · ".join(part for part in (one.truth, shown[1].caption) if part)
    return Strip(shown, caption, strong=one.kind, name=one.id)


def _pictures(one: ExplainedImage) -> list[ShownPicture]:
    return [
        ShownPicture(uri_of(p.picture.content, lossy=p.picture.lossy), p.alt, p.caption, coarse=p.picture.coarse)
        for p in one.pictures
    ]


def _repeat(page: _ExplanationPage) -> list[Block]:
    return [Code(shlex.join(["lamelle", *page.command]))] if page.command else []


def _suspect(correlation: float | None) -> bool:
    return correlation is not None and correlation >= SUSPECT


def _name(row: InsideMasks) -> str:
    return row.name or text("explain.all_classes")


def _unit(score: Score) -> str:
    return unit_of(score.unit, score.n)


def _2(value: float | None) -> str:
    return number(value, 2)


def _shown(score: Score, written: Callable[[float], str]) -> tuple[str, str]:
    """A mean and its bounds as people read them."""
    value, low, high = ("–" if math.isnan(v) else written(v) for v in (score.value, score.low, score.high))
    return value, f"{low} – {high}"


SECTIONS: Registry[Section[_ExplanationPage]] = Registry(
    "explanation_section",
    Section("summary", "How to read it", _summary),
    Section("inside", "Inside the masks", _inside),
    Section("check", "Can it be believed?", _check),
    Section("cases", "Images", _cases),
    Section("repeat", "Repeat it", _repeat),
)
"""The sections of the page, in its order."""

"""Single images that were scored: best and worst cases, slices of volumes to look through, mistakes."""

from __future__ import annotations

from collections.abc import Sequence

from lamelle.messages import text
from lamelle.metrics.names import metric_of, name_of
from lamelle.pictures.encode import CONTOURS
from lamelle.pictures.overlay import CONFUSION
from lamelle.reports.blocks import Block, Browser, CaseBlock, Gallery, Heading, Paragraph, Swatches
from lamelle.reports.dataset import class_colours, css
from lamelle.reports.html import number, percent
from lamelle.reports.pictures import embedded, views
from lamelle.results import pictures as saved
from lamelle.results.scores import Confusion, Item
from lamelle.runs.bundle import RunBundle

_MAX_NUMBERS, _MIN_NAMED = 8, 3


def draw(bundle: RunBundle) -> list[Block]:
    """Best and worst cases among what was scored; nothing if nothing was predicted."""
    items = {item.id: item for item in (bundle.scores.items if bundle.scores else ())}
    ranked = name_of(ranked_by(list(items.values())))
    cases: list[Block] = []
    for rank in ("worst", "best"):
        some = [one for one in bundle.pictures.scored.cases if one.rank == rank]
        large = not cases  # the first ones are looked at closely
        cases += [Heading(text(f"report.{rank}"))] if some else []
        cases += [_case(bundle, one, items[one.id], ranked, large=large) for one in some]
    return [Paragraph(text("report.cases_caption"), "muted"), *_colours(bundle), *cases] if cases else []


def slices(bundle: RunBundle) -> list[Block]:
    """Evenly spread slices of some of the volumes that were scored."""
    volumes = bundle.pictures.scored.volumes if bundle.scores else ()
    if not volumes:
        return []
    browsers = [
        Browser(one.name, i + 1, [(each.position, _slide(bundle, one.name, each)) for each in one.slides])
        for i, one in enumerate(volumes)
    ]
    return [Paragraph(text("report.slices_caption"), "muted"), *_colours(bundle), *browsers]


def errors(bundle: RunBundle) -> list[Block]:
    """Wrongly classified images with what they are, what was predicted, and how surely."""
    if bundle.scores is None or not bundle.pictures.scored.wrong:
        return []
    items = {item.id: item for item in bundle.scores.items}
    confusion = bundle.scores.figure(Confusion)
    code = "report.error_labels" if confusion is not None and confusion.each else "report.error_sure"
    shown = []
    for one in bundle.pictures.scored.wrong:
        names = {"truth": items[one.id].truth or "–", "predicted": items[one.id].predicted or "–"}
        sure = one.confidence
        detail = text("report.error", **names) if sure is None else text(code, **names, p=round(100 * sure))
        alt = text("report.alt_label", name=one.id, label=detail)
        shown.append(embedded(bundle, one.image, alt=alt, caption=one.id, detail=detail, good=False))
    wrong = sum(item.correct is False for item in items.values())
    caption = text("report.errors_caption", n=wrong, all=len(items), shown=len(shown))
    return [Paragraph(caption, "muted"), Gallery(shown)]


def ranked_by(items: Sequence[Item]) -> str:
    """The score that the items are ranked by: the one that their quality equals wherever it is known."""
    ranked = [i for i in items if i.quality is not None]
    names = list(ranked[0].scores) if ranked else []
    same = (k for k in names if all(i.scores.get(k) in (None, i.quality) for i in ranked))
    return next(same, "dice").partition("/")[0]


def _colours(bundle: RunBundle) -> list[Block]:
    """What the colours mean."""
    shown = [n for n in CONFUSION if n != "other" or len(bundle.classes) >= _MIN_NAMED]
    lines = [(text(f"report.contour_{n}"), css(rgb)) for n, rgb in CONTOURS.items()]
    areas = [(text(f"report.{n}"), css(CONFUSION[n])) for n in shown]
    named = class_colours(bundle)
    return [
        Swatches(lines, text("report.contours")),
        Swatches(areas, text("report.confusion_picture")),
        *([Swatches(named, text("report.classes"))] if named else []),
    ]


def _slide(bundle: RunBundle, volume: str, one: saved.Slide) -> CaseBlock:
    wrong = f"{text('report.wrong_pixels')} {_share(one.wrong)}"
    before = f"{text('report.slice')} {one.position} · {wrong}"
    return CaseBlock(views(bundle, one.views, name=f"{volume}#{one.position}"), before=before, large=True)


def _case(bundle: RunBundle, one: saved.Case, item: Item, ranked: str, *, large: bool) -> CaseBlock:
    facts = [
        *_scores(bundle, item)[:_MAX_NUMBERS],
        (text("report.wrong_pixels"), _share(one.wrong)),
        (text("report.area_ratio"), number(one.area_ratio, 2)),
    ]
    after = f"{ranked} {number(item.quality)}"
    shown = views(bundle, one.views, name=one.id)
    return CaseBlock(shown, one.id, after=after, large=large, facts=facts if large else ())


def _scores(bundle: RunBundle, item: Item) -> list[tuple[str, str]]:
    """Scores of one image; those of the background are left out."""
    background = bundle.classes[0] if bundle.classes else ""
    shown = {k: v for k, v in item.scores.items() if v is not None and metric_of(k.partition("/")[0])[0] is not None}
    return [(name_of(k), number(v)) for k, v in shown.items() if k.partition("/")[2] != background]


def _share(wrong: float | None) -> str:
    return "–" if wrong is None else percent(wrong)

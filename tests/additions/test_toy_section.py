"""A section is added by one row with its function, and then stands on the page, in its navigation and its documents."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Literal

from additions.toy_runs import trained
from reference.pages import sections

from lamelle.reports.blocks import Block, Paragraph, TableBlock, numeric
from lamelle.reports.drawers import DRAWERS, Drawer, each
from lamelle.reports.page import page, write_report
from lamelle.reports.sections import SECTIONS, Section
from lamelle.results.base import Result
from lamelle.results.scores import Scores
from lamelle.runs.bundle import RunBundle, open_bundle


def part_sizes(bundle: RunBundle) -> list[Block]:
    """How many images each part has, without a word of HTML."""
    parts = sorted({record.split or "" for record in bundle.records})
    counts = [[name, str(sum(r.split == name for r in bundle.records))] for name in parts]
    return [Paragraph("Images < of each part"), TableBlock(["Part", *numeric("Images")], counts)]


ROW = Section("parts", "Parts & pieces", part_sizes, needs=("plan",), about="images of each part")


def test_it_stands_on_the_page_and_in_its_navigation(tmp_path: Path) -> None:
    with SECTIONS.added(ROW), trained(tmp_path) as (run, first):
        bundle = open_bundle(run)
        assert '<li><a href="#parts">Parts &amp; pieces</a></li>' in first
        section = re.search(r'<section id="parts">.*?</section>', first, re.DOTALL)
        assert section is not None
        assert "<h2>Parts &amp; pieces</h2>" in section[0]
        assert "<p>Images &lt; of each part</p>" in section[0]
        training = sum(record.split == "train" for record in bundle.records)
        assert f'<tr><th scope="row">train</th><td class="n">{training}</td></tr>' in section[0]
        assert 'aria-label="Parts &amp; pieces"' in section[0], "what has no name of its own is called as its section"
        assert write_report(run).read_text(encoding="utf-8") == first
        assert "#parts" not in page(replace(bundle, plan=None)), "what it needs is missing"
    assert "#parts" not in page(bundle), "the row is gone"


def test_the_documentation_lists_it() -> None:
    with SECTIONS.added(ROW):
        assert "| `parts` | Parts & pieces | images of each part | `plan` |" in sections()


class Spread(Result):
    """A figure that some task might give."""

    kind: Literal["spread"] = "spread"
    values: tuple[int, ...]


def spread(figure: Spread, scores: Scores) -> list[Block]:
    return [Paragraph(f"{scores.n} images spread over {max(figure.values)}")]


def test_a_figure_is_drawn_by_its_type_in_the_section_of_its_row(tmp_path: Path) -> None:
    with trained(tmp_path) as (run, before):
        bundle = open_bundle(run)
    assert bundle.scores is not None
    figures = (*bundle.scores.figures, Spread(values=(3, 8)))
    given = replace(bundle, scores=bundle.scores.model_copy(update={"figures": figures}))
    assert page(given) == before, "nothing draws it"
    with DRAWERS.added(Drawer(Spread, "confusion", each(spread))):
        section = re.search(r'<section id="confusion">.*?</section>', page(given), re.DOTALL)
    assert section is not None
    assert f"<p>{bundle.scores.n} images spread over 8</p>" in section[0]

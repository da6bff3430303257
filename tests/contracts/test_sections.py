"""What holds for every row of the tables of sections: both languages have it, and it is drawn from the run alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import Quiet

from lamelle import verbs
from lamelle.messages import catalogue
from lamelle.reports import check, explanation, html, search, study
from lamelle.reports.blocks import Block
from lamelle.reports.drawers import DRAWERS
from lamelle.reports.sections import SECTIONS, Section, drawn
from lamelle.results.base import Result
from lamelle.results.scores import Scores
from lamelle.runs.bundle import RunBundle, open_bundle
from lamelle.runs.folder import RunFolder
from lamelle.specimens.write import write_demo
from lamelle.types import Problem

TABLES = {one.kind: one for one in (SECTIONS, check.SECTIONS, explanation.SECTIONS, study.SECTIONS, search.SECTIONS)}
TINY = ("epochs=1", "batch=4", "threads=1", "workers=0", "precision=32", "resamples=100")
rows = pytest.mark.parametrize("row", SECTIONS.values(), ids=SECTIONS)


class Hook:
    """Hears which files are opened, while it listens; such a hook stays until the end of the process."""

    def __init__(self) -> None:
        self.listening, self.opened = False, list[str]()
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.listening and event == "open":
            self.opened.append(str(arguments[0]))


@pytest.fixture(scope="module")
def hook() -> Hook:
    return Hook()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("sections")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMELLE_HOME", str(root / "home"))
        patch.setenv("LAMELLE_LANG", "en")
        patch.chdir(root)
        yield root


@pytest.fixture(scope="module")
def bundles(home: Path) -> list[RunBundle]:
    """A segmentation, a classification, and its model on another folder."""
    write_demo("em-stack", home / "em", seed=0, count=14, size=64)
    small = ("samples=8", "filters=[4,8]", "patch=[32,32]")
    em = verbs.train(home / "em", overrides=[*TINY, *small], runs=home / "runs", progress=Quiet())
    rng = np.random.default_rng(0)
    for name, level in (("dark", 90), ("bright", 110)):
        for folder in (home / "shades" / name, home / "other" / name.upper()):
            folder.mkdir(parents=True)
            for i in range(30):
                pixels = rng.normal(level, 40, (20, 20)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.png")
    shades = verbs.train(
        home / "shades", overrides=["model=cnn1", "resize=16", *TINY], runs=home / "runs", progress=Quiet()
    )
    learnt = next(r for r in open_bundle(shades.folder).records if r.split == "train")
    Image.open(learnt.image.path).save(home / "other" / learnt.names[0].upper() / "again.png")
    evaluation = verbs.evaluate(shades.path, home / "other")
    other = RunFolder(evaluation.folder)
    recipe = open_bundle(shades.folder).recipe
    found = [open_bundle(em.folder), open_bundle(shades.folder), open_bundle(other, recipe=recipe)]
    return [_warned(one) for one in found]


@pytest.fixture(scope="module")
def pages(bundles: list[RunBundle]) -> list[dict[str, html.DrawnSection]]:
    return [shown(bundle) for bundle in bundles]


@pytest.fixture(scope="module")
def bare(bundles: list[RunBundle]) -> list[dict[str, html.DrawnSection]]:
    """The pages of the two runs, had they just begun."""
    return [shown(replace(bundle, plan=None, scores=None, history=(), folds=())) for bundle in bundles[:2]]


def _warned(bundle: RunBundle) -> RunBundle:
    """The same with something wrong with its data."""
    assert bundle.plan is not None
    audit = replace(bundle.plan.audit, problems=(Problem("files.empty", "x.png", "warning"),))
    return replace(bundle, plan=replace(bundle.plan, audit=audit))


def shown(bundle: RunBundle) -> dict[str, html.DrawnSection]:
    return {one.name: one for one in drawn(SECTIONS, bundle)}


@pytest.mark.parametrize("kind", TABLES)
def test_every_title_is_said_in_both_languages(kind: str) -> None:
    table = TABLES[kind]
    french = catalogue("fr", "sections")
    assert {name for name in french if name.startswith(f"{kind}_")} == {f"{kind}_{name}" for name in table}
    assert all(row.title and row.title[0].isupper() and french[f"{kind}_{name}"] for name, row in table.items())


@rows
def test_a_row_says_what_it_shows_and_needs_parts_of_the_bundle(row: Section[RunBundle]) -> None:
    assert row.about
    assert all(hasattr(RunBundle, need) for need in row.needs)


@rows
def test_it_is_drawn_where_its_needs_are_there(
    row: Section[RunBundle], bundles: list[RunBundle], pages: list[dict[str, html.DrawnSection]]
) -> None:
    assert any(row.name in page for page in pages)
    for bundle, page in zip(bundles, pages, strict=True):
        if row.name in page:
            assert all(getattr(bundle, need) for need in row.needs)
            assert all(isinstance(block, Block) for block in page[row.name].blocks)
            assert page[row.name].title == row.title


@rows
def test_it_is_left_out_where_they_are_not(row: Section[RunBundle], bare: list[dict[str, html.DrawnSection]]) -> None:
    assert [row.name in page for page in bare] == [row.name in ("summary", "repeat")] * 2


@rows
def test_nothing_outside_of_the_run_is_opened(
    row: Section[RunBundle], bundles: list[RunBundle], home: Path, hook: Hook
) -> None:
    for bundle in bundles:
        hook.opened.clear()
        hook.listening = True
        if all(getattr(bundle, need) for need in row.needs):
            row.draw(bundle)
        hook.listening = False
        mine = [name for name in hook.opened if name.startswith(str(home))]
        assert [name for name in mine if not Path(name).is_relative_to(bundle.run.path)] == []
        assert mine or row.name != "data", "the hook hears of what is opened"


def test_a_page_names_its_sections_in_their_order(
    bundles: list[RunBundle], pages: list[dict[str, html.DrawnSection]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMELLE_LANG", "fr")
    for page in pages:
        assert list(page) == [name for name in SECTIONS if name in page]
    french = shown(bundles[1])
    assert list(french) == list(pages[1])
    assert {n: one.title for n, one in french.items()} == {
        n: catalogue("fr", "sections")[f"section_{n}"] for n in french
    }


def test_every_block_has_a_macro_and_every_macro_a_block() -> None:
    source = (Path(html.__file__).parent / "templates" / "blocks.html").read_text(encoding="utf-8")
    kinds = {kind.__name__.removesuffix("Block").lower() for kind in Block.__args__}
    macros = {line.split()[2].partition("(")[0] for line in source.splitlines() if line.startswith("{% macro")}
    assert kinds <= macros
    assert macros - kinds == {"cell", "image", "named"}, "parts of others"


def test_every_type_of_figure_has_a_drawer_in_a_section_that_is_there() -> None:
    figures = {kind.__name__ for kind in _figure_types()}
    assert {row.figure.__name__ for row in DRAWERS.values()} == figures
    assert {row.section for row in DRAWERS.values()} <= set(SECTIONS)


def _figure_types() -> tuple[type[Result], ...]:
    (annotation,) = [field.annotation for name, field in Scores.model_fields.items() if name == "figures"]
    return annotation.__args__[0].__origin__.__args__  # type: ignore[union-attr]

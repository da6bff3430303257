"""The documentation as a site: complete, without dead links, and nothing in it asks another machine for anything."""

from __future__ import annotations

import doctest
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from website import api, build, gallery, pages

import lamelle
from lamelle.runs import recipe as recipes
from lamelle.verbs.outcome import Outcome


@pytest.mark.skipif(find_spec("zensical") is None, reason="the extra docs is not installed")
def test_the_site_is_whole(tmp_path: Path) -> None:
    assert build.build(tmp_path / "site") == []
    made = {path.relative_to(tmp_path / "site").with_suffix(".md").as_posix() for path in tmp_path.rglob("*.html")}
    wanted = {name for source in pages.sources() if (name := str(pages.place(source))).endswith(".md")}
    assert {*wanted, "python.md", "recipes.md"} - made == set()
    searched = (tmp_path / "site" / "search.js").read_text(encoding="utf-8")
    assert "lamelle demo tissue" in searched, "the search knows the pages"
    said = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//", said) == []
    assert 'src="assets/javascripts/iframe-worker.js"' in said, "searching needs no server"
    assert (tmp_path / "site" / "assets" / "javascripts" / "iframe-worker.txt").is_file(), "the licence goes with it"


def test_every_page_is_staged_with_links_that_lead_somewhere(tmp_path: Path) -> None:
    generated = {pages.HOME: "# Lamelle", "python.md": "# Python", "recipes.md": "# Recipes"}
    assert pages.stage(tmp_path, generated) == []
    assert '<div lang="fr"' in (tmp_path / "fr" / "1-installer.md").read_text(encoding="utf-8")
    listed = [
        page
        for section in pages.navigation(tmp_path)
        for rows in section.values()
        for row in rows
        for page in row.values()
    ]
    assert len(listed) == len(set(listed))
    (tmp_path / "lost.md").write_text("# Lost")
    with pytest.raises(ValueError, match=r"no section of NAV: lost\.md"):
        pages.navigation(tmp_path)


def test_a_link_that_leads_nowhere_is_named() -> None:
    said = "[a](runs.md), [b](nothing.md)\n```sh\n[c](nothing.md)\n```\n"
    assert pages.rewritten(said, "docs/doctor.md")[1] == ["docs/doctor.md: nothing.md"]


SITES = {
    "a page that is not there": ('<a href="b.html">b</a>', "a.html: b.html is not there"),
    "a section that is not there": ('<a href="#below">b</a>', "a.html: #below is no section"),
    "a picture that is not there": ('<img src="b.png">', "a.html: b.png is not there"),
    "a script from elsewhere": ('<script src="https://example.org/a.js"></script>', "lies on another machine"),
    "a font from elsewhere": ('<link rel="stylesheet" href="//example.org/font.css">', "lies on another machine"),
}


@pytest.mark.parametrize(("said", "wrong"), SITES.values(), ids=SITES)
def test_what_is_wrong_with_a_page_is_seen(said: str, wrong: str, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(said)
    found = [*build.dead_links(tmp_path), *build.foreign(tmp_path)]
    assert len(found) == 1
    assert wrong in found[0]


def test_links_to_the_world_are_links_and_no_requests(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<a id="x" href="https://example.org">b</a> <a href="#x">c</a> <a href="a.html#x">d</a>'
    )
    assert [*build.dead_links(tmp_path), *build.foreign(tmp_path)] == []
    (tmp_path / "a.css").write_text("@import url(https://example.org/font.css); b { background: url(data:,x) }")
    assert len(list(build.foreign(tmp_path))) == 1


def test_every_verb_and_every_result_has_its_place_in_the_reference() -> None:
    said = api.page()
    headings = re.findall(r"^### (\S+)$", said, re.MULTILINE)
    public = {name for name in lamelle.__all__ if callable(getattr(lamelle, name))}
    assert {f"lamelle.{name}" for name in public} - set(headings) <= {"lamelle.Run"}
    assert "Run" in headings
    results = {name for name, kind in api.records().items() if issubclass(kind, Outcome)}
    assert results <= set(headings)
    assert len(headings) == len(set(headings))
    assert not re.search(r"Annotated|Cli\(| object at 0x|:param", said)


def test_the_reference_says_arguments_errors_and_attributes() -> None:
    said = api.page()
    train = said.partition("### lamelle.train\n")[2].partition("\n### ")[0]
    assert "**keys: Any" in train
    assert "- `overrides`: " in train
    assert "- `RequestError`: " in train
    check = said.partition("### Check\n")[2].partition("\n### ")[0]
    assert "| `outlook: Outlook` | The split that a training would make. |" in check


def test_every_recipe_is_in_the_gallery_and_only_measured_scores_are() -> None:
    said = gallery.page()
    for name, content in recipes.packaged().items():
        part = said.partition(f"### {name}\n")[2].partition("\n### ")[0]
        assert f"lamelle train DATA --recipe {name}" in part
        assert content.splitlines()[0].lstrip("# ") in part
        assert ("No score was measured" in part) == (name not in gallery.measured())
    assert set(gallery.measured()) <= set(recipes.packaged())
    rows = (pages.ROOT / "docs" / "results.md").read_text(encoding="utf-8").count("\n| ") - 1
    assert sum(map(len, gallery.measured().values())) == rows


@pytest.mark.parametrize("module", [api, build, gallery, pages])
def test_the_examples_of_the_scripts_run(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]

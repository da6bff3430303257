"""The pages of `docs/reference` say what the tables of the code say, and there are no others."""

from __future__ import annotations

import pytest
from reference import pages

from lamelle.runs import recipe
from lamelle.runs.folder import RunFolder


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages.all_pages()


@pytest.mark.parametrize("name", [*pages.PAGES, "README.md"])
def test_a_page_says_what_the_code_says(name: str, made: dict[str, str]) -> None:
    written = (pages.HERE / name).read_text(encoding="utf-8")
    assert written == made[name], "write the pages again: python docs/reference/pages.py"


def test_there_is_no_page_that_nobody_makes(made: dict[str, str]) -> None:
    assert {page.name for page in pages.HERE.glob("*.md")} == set(made)


def test_pages_are_the_same_in_every_language(made: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_LANG", "fr")
    assert pages.all_pages() == made


def test_every_key_and_every_file_of_a_run_has_its_sentence(made: dict[str, str]) -> None:
    assert [key for key in recipe.every_key() if f"`{key}`" not in made["keys.md"]] == []
    files = RunFolder(pages.HERE).names
    assert sorted(name for name in files if f"| `{name}` |" not in made["run-files.md"]) == []


@pytest.mark.parametrize("name", pages.PAGES)
def test_no_row_is_without_words(name: str, made: dict[str, str]) -> None:
    rows = [line.split(" | ") for line in made[name].splitlines() if line.startswith("| ")]
    assert len(rows) > 2
    assert [row[0] for row in rows if not row[1].strip(" |")] == []

"""The pages say what is true: their Python runs, their commands exist, their links lead somewhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest

import lamelle as package
from lamelle.cli.main import lamelle

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def blocks(page: Path, *languages: str) -> list[str]:
    fenced = re.findall(r"^```([^\n`]*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [body for language, body in fenced if language in languages]


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{target}: no such file"
        assert not anchor or anchor in anchors(there), f"{target}: no such section"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_exist_with_their_options(page: Path) -> None:
    for block in blocks(page, "sh", "console"):
        for line in block.replace("\\\n", " ").splitlines():
            words = line.split("#")[0].removeprefix("$ ").split()
            if not words or words[0].rsplit("/", 1)[-1] != "lamelle":
                continue
            if words[1] == "--help":
                continue
            known = {option for p in command_of(words[1]).params for option in p.opts} | {"--help"}
            assert {w for w in words[2:] if w.startswith("-")} <= known, line


def command_of(name: str) -> click.Command:
    found = lamelle.get_command(click.Context(lamelle), name)
    assert found is not None, f"lamelle {name}: no such command"
    return found


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_python_that_needs_the_readers_data_names_what_exists(page: Path) -> None:
    for block in blocks(page, "python notest"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "lamelle":
                assert hasattr(package, node.attr), f"lamelle.{node.attr}: no such name"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), names)

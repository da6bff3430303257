"""Which file of the project becomes which page of the site, and how links between them are rewritten."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
HOME = "index.md"

NAV: Mapping[str, tuple[str, ...]] = {
    "Start": (HOME, "install.md", "install-offline.md", "first-model.md", "demos.md"),
    "Tasks": ("classification.md", "segmentation.md"),
    "How to": (
        *("checking.md", "groups.md", "training.md", "predicting.md", "other-images.md", "explain.md", "doctor.md"),
        *("comparing.md", "tuning.md", "runs.md", "convert.md", "kept.md"),
    ),
    "Recipes": ("recipes.md", "results.md"),
    "Reference": ("reference/index.md", "reference/*.md", "python.md", "glossary.md"),
    "Background": ("architecture.md", "decisions/index.md", "decisions/[0-9]*.md"),
    "Project": ("contributing.md", "changelog.md", "security.md"),
    "Français": ("fr/*.md",),
}
"""Sections of the site and their pages; a pattern stands for all pages that it meets, in order."""

ELSEWHERE = {
    "README.md": HOME,
    "docs/README.md": HOME,
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
}
"""Pages whose place follows from no rule; the site has a front page of its own."""
FILES = {"LICENSE": "license.txt"}
"""Other files that are linked to."""


TAKEN = {".md", ".png", ".svg", ".jpg"}
"""Of the files in ``docs/`` those that are pages or stand on one."""


def place(source: str) -> str | None:
    """Where a file of the project lies in the site; None where it is no part of it.

    Example:
        >>> place("docs/doctor.md"), place("docs/decisions/README.md"), place("src/lamelle/types.py")
        ('doctor.md', 'decisions/index.md', None)
    """
    if source in ELSEWHERE or source in FILES:
        return ELSEWHERE.get(source) or FILES[source]
    if not source.startswith("docs/"):
        return None
    inner = source.removeprefix("docs/")
    return f"{inner.removesuffix('README.md')}index.md" if inner.endswith("/README.md") else inner


def stage(out: Path, generated: Mapping[str, str]) -> list[str]:
    """Write the sources of the site: the pages of ``docs/`` and those that are made now.

    Args:
        out: An empty folder.
        generated: Pages by their places.

    Returns:
        Links that lead nowhere.
    """
    wrong = []
    for source in sources():
        target = out / str(place(source))
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix != ".md":
            shutil.copy(ROOT / source, target)
        elif source not in ("README.md", "docs/README.md"):
            said, lost = rewritten((ROOT / source).read_text(encoding="utf-8"), source)
            target.write_text(_in_its_language(said, source), encoding="utf-8")
            wrong += lost
    for name, said in generated.items():
        (out / name).write_text(said, encoding="utf-8")
    return wrong


def sources() -> list[str]:
    """Every file of the project that the site takes."""
    files = [p for p in sorted((ROOT / "docs").rglob("*")) if p.is_file() and p.suffix in TAKEN]
    listed = [path.relative_to(ROOT).as_posix() for path in files]
    return [*listed, *(name for name in ELSEWHERE if name not in listed), *FILES]


def rewritten(said: str, source: str) -> tuple[str, list[str]]:
    """A page whose links lead to pages of the site; of what is no part of it, the words stay.

    Example:
        >>> rewritten("[How](../CONTRIBUTING.md#tests), [code](../src/lamelle/types.py)", "docs/runs.md")
        ('[How](contributing.md#tests), code', [])
    """
    lost: list[str] = []
    here = place(source) or source

    def link(match: re.Match[str]) -> str:
        mark, words, target = match.groups()
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target) or not path:
            return match[0]
        there = os.path.normpath(os.path.join(os.path.dirname(source), path)).replace(os.sep, "/")
        if not (ROOT / there).exists():
            lost.append(f"{source}: {target}")
            return match[0]
        page = place(there)
        if page is None:
            return words
        away = os.path.relpath(page, os.path.dirname(here) or ".").replace(os.sep, "/")
        return f"{mark}[{words}]({away}{'#' if anchor else ''}{anchor})"

    parts = re.split(r"(^```.*?^```$)", said, flags=re.MULTILINE | re.DOTALL)
    parts[::2] = [LINK.sub(link, part) for part in parts[::2]]
    return "".join(parts).replace("```python notest", "```python"), lost


def _in_its_language(said: str, source: str) -> str:
    """A page below ``docs/fr/`` says that it is French, so that it is read aloud as such."""
    if not source.startswith("docs/fr/"):
        return said
    heading, _, rest = said.partition("\n")
    return f'{heading} {{lang="fr"}}\n\n<div lang="fr" markdown="1">\n{rest}\n</div>\n'


def navigation(staged: Path) -> list[dict[str, list[dict[str, str]]]]:
    """The sections with the titles of their pages, for the configuration.

    Raises:
        ValueError: If a page stands in no section, so that nobody would find it.
    """
    listed: list[dict[str, list[dict[str, str]]]] = []
    seen: set[str] = set()
    for section, patterns in NAV.items():
        pages = list(dict.fromkeys(_pages(staged, patterns)))
        seen |= set(pages)
        if pages:
            listed.append({section: [{title(staged / page): page} for page in pages]})
    if lost := sorted({p.relative_to(staged).as_posix() for p in staged.rglob("*.md")} - seen):
        raise ValueError(f"pages that stand in no section of NAV: {', '.join(lost)}")
    return listed


def _pages(staged: Path, patterns: Iterable[str]) -> Iterator[str]:
    for pattern in patterns:
        yield from (path.relative_to(staged).as_posix() for path in sorted(staged.glob(pattern)))


def title(page: Path) -> str:
    """The title of a page for the navigation: its first heading up to a colon."""
    found = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None, f"{page}: no heading"
    return re.split(r": |, | \{", found[1])[0].replace("`", "")

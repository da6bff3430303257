"""Builds the site from docs/, the docstrings and the recipes, without internet: ``python -m website.build site``.

It fails where a link leads nowhere, a page is in no section, or something would be asked of another machine.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from website import api, gallery, pages

HERE = Path(__file__).resolve().parent
WORKER, WORKER_ADDRESS = "iframe-worker", "https://unpkg.com/iframe-worker/shim"
LOADING = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data"}
"""What a browser fetches by itself, and where it says from where."""


def build(out: Path) -> list[str]:
    """Build the site.

    Args:
        out: Folder to make; what was there goes.

    Returns:
        What is wrong with it.
    """
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        staged = work / "docs"
        staged.mkdir()
        front = (HERE / "index.md").read_text(encoding="utf-8")
        wrong = pages.stage(staged, {pages.HOME: front, "python.md": api.page(), "recipes.md": gallery.page()})
        for name in ("style.css", "site.js"):
            shutil.copy(HERE / name, staged)
        settings = (HERE / "zensical.toml").read_text(encoding="utf-8")
        listed = f"nav = {_toml(pages.navigation(staged))}\n"
        settings = settings.replace("[project]\n", f"[project]\n{listed}", 1)
        (work / "zensical.toml").write_text(settings, encoding="utf-8")
        command = [sys.executable, "-m", "zensical", "build", "--clean"]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        if done.returncode or "No issues found" not in said:
            wrong.append(f"zensical: {said}")
        shutil.rmtree(out, ignore_errors=True)
        if done.returncode:
            return wrong
        shutil.copytree(work / "site", out)
    wrong += _closed(out)
    return [*wrong, *dead_links(out), *foreign(out)]


def _closed(site: Path) -> Iterator[str]:
    """Put what the search needs without a server into the site: zensical would have the browser fetch it."""
    scripts = site / "assets" / "javascripts"
    for name in (f"{WORKER}.js", f"{WORKER}.txt"):
        shutil.copy(HERE / name, scripts / name)
    for path in site.rglob("*.html"):
        said = path.read_text(encoding="utf-8")
        if WORKER_ADDRESS not in said:
            yield f"{path.relative_to(site)}: {WORKER_ADDRESS} is asked for no more; build.py need not replace it"
        near = os.path.relpath(scripts / f"{WORKER}.js", path.parent).replace(os.sep, "/")
        path.write_text(said.replace(WORKER_ADDRESS, near), encoding="utf-8")


def _toml(value: object) -> str:
    """Lists, tables and text as TOML writes them in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k, ensure_ascii=False)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


class _Page(HTMLParser):
    """Links, anchors and what is loaded of one page."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.loaded: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.anchors |= {named[name] for name in ("id", "name") if name in named}
        if tag == "a" and "href" in named:
            self.links.append(named["href"])
        if tag in LOADING and LOADING[tag] in named and named.get("rel") not in ("canonical", "next", "prev"):
            self.loaded.append(named[LOADING[tag]])


def dead_links(site: Path) -> Iterator[str]:
    """Links, pictures, scripts and sections within the site that are not there."""
    read = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in read.items():
        for target in [*page.links, *page.loaded]:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            root = site if parts.path.startswith("/") else path.parent  # the page of an error begins at the root
            there = (root / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
            there = there / "index.html" if there.is_dir() else there
            if not there.is_file():
                yield f"{path.relative_to(site)}: {target} is not there"
            elif parts.fragment and there in read and unquote(parts.fragment) not in read[there].anchors:
                yield f"{path.relative_to(site)}: {target} is no section"


def foreign(site: Path) -> Iterator[str]:
    """What a browser would fetch from another machine when it shows a page."""
    for path in sorted(site.rglob("*.html")):
        for target in _Page(path.read_text(encoding="utf-8")).loaded:
            if urlsplit(target).netloc:
                yield f"{path.relative_to(site)}: {target} lies on another machine"
    for path in sorted(site.rglob("*.css")):
        for target in re.findall(r"(?:url\(|@import )[\"']?(https?:[^\"')]+)", path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(site)}: {target} lies on another machine"


if __name__ == "__main__":
    said = build(Path(sys.argv[1]).resolve())
    for line in said:
        print(line, file=sys.stderr)
    if said:
        sys.exit(1)
    print(f"{len(list(Path(sys.argv[1]).rglob('*.html')))} pages: {Path(sys.argv[1]) / 'index.html'}")

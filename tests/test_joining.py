"""What those need who join: workflows that call what there is, an index of decisions, a changelog for releases."""

from __future__ import annotations

import ast
import doctest
import re
import shlex
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from test_docs import command_of

from lamelle.verbs import COMMANDS
from lamelle.version import __version__

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def script(place: str) -> ModuleType:
    """A script that lies outside of the package."""
    spec = spec_from_file_location(Path(place).stem, ROOT / place)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def release() -> ModuleType:
    return script(".github/release_notes.py")


def test_setting_up_says_how_far_it_is() -> None:
    tried = doctest.testmod(script(".ci/install.py"))
    assert tried.attempted >= 2
    assert tried.failed == 0


def test_setting_up_fails_when_pip_does(tmp_path: Path) -> None:
    words = [sys.executable, str(ROOT / ".ci/install.py"), "--no-index", str(tmp_path / "nothing-1.0-py3-none-any.whl")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nothing-1.0" in done.stderr


def lines() -> list[str]:
    """Every line of shell that a workflow runs."""
    found = []
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
            found += [line for step in job["steps"] for line in step.get("run", "").splitlines()]
    return found


def test_the_workflows_call_commands_and_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    called: set[str] = set()
    for words in map(shlex.split, lines()):
        called.add(words[0])
        if words[0] == "make":
            assert set(words[1:]) <= targets, words
        elif words[0] == "lamelle" and words[1] != "--help":
            assert words[1] in COMMANDS
            options = {option for parameter in command_of(words[1]).params for option in parameter.opts}
            assert {word for word in words if word.startswith("-")} <= options, words
        elif words[0] == "python" and words[1] != "-m":
            assert (ROOT / words[1]).is_file(), words
    assert {"make", "python", "lamelle", "gh"} == called


def test_the_tiny_model_of_the_workflow_is_trained(tmp_path: Path) -> None:
    steps = [shlex.split(line) for line in lines() if line.startswith("lamelle")]
    for words in steps:
        made = subprocess.run(
            [sys.executable, "-m", *words], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
        )
        assert made.returncode == 0, (words, made.stderr)
    assert (tmp_path / "runs" / "tiny" / "report.html").is_file()


def test_every_python_that_is_promised_is_tried_on_linux() -> None:
    jobs: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8"))["jobs"]
    matrix = jobs["tests"]["strategy"]["matrix"]
    assert matrix["os"] == ["ubuntu-latest"]
    assert matrix["python"] == ["3.11", "3.12", "3.13"]
    assert {row["os"] for row in matrix["include"]} == {"macos-latest", "windows-latest"}
    assert all("ubuntu-latest" in jobs[name]["continue-on-error"] for name in ("tests", "wheel"))


def test_no_file_of_the_project_names_an_index_or_a_machine() -> None:
    files = [*(ROOT / ".github").rglob("*.*"), ROOT / "constraints.txt", ROOT / "pyproject.toml", ROOT / "Makefile"]
    assert len(files) > 8
    for path in files:
        said = path.read_text(encoding="utf-8")
        assert not re.search(r"--\S*-url|https?://(?!lamelle)|/home/|/root/|/Users/", said), path


def test_the_index_of_decisions_has_each_of_them_by_its_title() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\d{4})\]\(([^)]+)\) \| .+ \|$", index, re.MULTILINE)
    records = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [name for _, name in rows] == records
    assert [number for number, _ in rows] == [f"{n:04d}" for n in range(1, len(records) + 1)]
    assert all(name.startswith(number) for number, name in rows)


def test_the_changelog_keeps_its_form(release: ModuleType) -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    titles = re.findall(r"^## (.*)$", changelog, re.MULTILINE)
    assert titles[0] == "[Unreleased]" or titles[0].startswith(f"[{__version__}] - ")
    assert [t for t in titles[1:] if not re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", t)] == []
    kinds = re.findall(r"^### (.*)$", changelog, re.MULTILINE)
    assert set(kinds) <= KINDS
    assert set(release.sections(changelog)) == {re.sub(r"^\[(.+?)\].*", r"\1", title) for title in titles}


def test_a_release_has_one_version(release: ModuleType) -> None:
    changelog = (
        "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2027-01-31\n\n### Added\n\n- New.\n\n## [0.1.0] - 2026-12-24\n"
    )
    assert release.notes("v0.2.0", version="0.2.0", changelog=changelog) == "### Added\n\n- New."
    with pytest.raises(ValueError, match=r"the tag has to be v0\.2\.0"):
        release.notes("0.2.0", version="0.2.0", changelog=changelog)
    with pytest.raises(ValueError, match=r"no section ## \[0\.3\.0\]"):
        release.notes("v0.3.0", version="0.3.0", changelog=changelog)


def test_the_citation_is_complete() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "license"} <= set(cited)
    assert "version" not in cited, "it stands in src/lamelle/version.py"


def test_the_release_script_needs_no_installation() -> None:
    tree = ast.parse((ROOT / ".github" / "release_notes.py").read_text(encoding="utf-8"))
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {str(name).partition(".")[0] for name in names} <= sys.stdlib_module_names

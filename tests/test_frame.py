"""What holds for the project as a whole: its size, its pins, its sentences, its start-up."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from string import Formatter

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lamelle.messages import LANGUAGES
from lamelle.version import __version__

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "lamelle"
MODULES = sorted(SOURCE.rglob("*.py"))
CODE = re.compile(r"[a-z][a-z0-9_]*\.[a-z0-9_]+")
SPEAKERS = {"LamelleError", "RequestError", "WorkError", "FileError", "Problem", "text"}
TABLES = ("commands", "keys", "metrics", "recipes", "search", "sections")
"""Catalogues of rows, whose English stands in the rows themselves; the contract of each table holds them complete."""
HEAVY = {
    "torch",
    "timm",
    "numpy",
    "scipy",
    "pydantic",
    "matplotlib",
    "rich",
    "sklearn",
    "skimage",
    "zarr",
    "PIL",
    "yaml",
}


def catalogues(language: str) -> dict[str, str]:
    """Every sentence of a language, by its whole key."""
    found = {}
    for file in sorted((SOURCE / "messages" / language).glob("*.toml")):
        if file.stem in TABLES:
            continue
        for name, said in tomllib.loads(file.read_text(encoding="utf-8")).items():
            found[f"{file.stem}.{name}"] = said
    return found


def placeholders(sentence: str) -> set[str]:
    return {
        re.split(r"[.\[]", name, maxsplit=1)[0] for _, name, _, _ in Formatter().parse(sentence) if name is not None
    }


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in MODULES:
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Each place in the source that speaks: (file and line, code, call)."""
    for path, tree in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in SPEAKERS and isinstance(node.args[0].value, str):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node.args[0].value, node


def given(call: ast.Call) -> set[str] | None:
    """Names of the values that a call fills in; None where only a run can tell."""
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    if name != "Problem":
        return None if any(k.arg is None for k in call.keywords) else {str(k.arg) for k in call.keywords}
    values = next((k.value for k in call.keywords if k.arg == "values"), call.args[3] if len(call.args) > 3 else None)
    if values is None:
        return set()
    if not isinstance(values, ast.Dict) or not all(isinstance(k, ast.Constant) for k in values.keys):
        return None
    return {str(k.value) for k in values.keys if isinstance(k, ast.Constant)}


def said_somewhere() -> tuple[set[str], list[re.Pattern[str]]]:
    """Every text and name in source and templates, and the codes that are put together (f"cli.{name}_short")."""
    words, made = set(), []
    for _, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = [re.escape(p.value) if isinstance(p, ast.Constant) else "(.+)" for p in node.values]
                made.append(re.compile("".join(parts)))
            elif isinstance(node, ast.FunctionDef | ast.arg | ast.keyword | ast.Name):
                words.add(str(getattr(node, "name", None) or getattr(node, "arg", None) or getattr(node, "id", None)))
    for template in [*SOURCE.rglob("*.html"), *SOURCE.rglob("*.j2")]:
        words |= set(re.findall(rf"[\"']({CODE.pattern})[\"']", template.read_text(encoding="utf-8")))
    return words, [m for m in made if re.match(r"[a-z][a-z0-9_]*\\\.", m.pattern)]


def test_each_language_has_the_same_sentences_with_the_same_values() -> None:
    english = catalogues("en")
    assert english
    for language in LANGUAGES:
        other = catalogues(language)
        assert all(isinstance(said, str) and said.strip() for said in other.values())
        assert other.keys() ^ english.keys() == set(), f"keys that only one of en and {language} has"
        differing = [k for k in english if placeholders(english[k]) != placeholders(other[k])]
        assert differing == [], f"placeholders of {language} differ"


def test_translations_are_translated() -> None:
    english, french = catalogues("en"), catalogues("fr")
    same = [k for k, said in english.items() if french[k] == said and len(re.sub(r"\{.*?\}|\W", "", said)) > 20]
    assert same == []


def test_each_code_in_the_source_has_its_sentence() -> None:
    english = catalogues("en")
    assert [f"{where} {code}" for where, code, _ in calls() if CODE.fullmatch(code) and code not in english] == []


def test_each_sentence_gets_its_values() -> None:
    english = catalogues("en")
    lacking = []
    for where, code, call in calls():
        values = given(call)
        if code in english and values is not None and (missing := placeholders(english[code]) - values):
            lacking.append(f"{where} {code} lacks {sorted(missing)}")
    assert lacking == []


def test_no_sentence_is_left_over() -> None:
    words, made = said_somewhere()
    left = [key for key in catalogues("en") if key not in words]
    matches = {key: [m for pattern in made if (m := pattern.fullmatch(key))] for key in left}
    assert [key for key in left if not any(words.issuperset(m.groups()) for m in matches[key])] == []


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][\w.!+]*", line)] == []
    return dict(line.split("==") for line in lines)


def closure() -> set[str]:
    """Every distribution that an installation with the dev extra brings here; one that is missing is not followed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    todo = [(text, frozenset({""})) for text in project["dependencies"]]
    todo += [(text, frozenset({""})) for extra in project["optional-dependencies"].values() for text in extra]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        text, extras = todo.pop()
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if requirement.marker and not any(requirement.marker.evaluate({"extra": e}) for e in extras):
            continue
        key = (name, frozenset({"", *requirement.extras}))
        if name == "lamelle" or key in seen:
            continue
        seen.add(key)
        try:
            todo += [(needed, key[1]) for needed in requires(name) or ()]
        except PackageNotFoundError:
            continue
    return {name for name, _ in seen}


def test_every_dependency_is_pinned_without_an_address() -> None:
    assert closure() - pins().keys() == set()


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = {
        canonicalize_name(Requirement(r).name)
        for r in project["dependencies"]
        + extras["medical"]
        + extras["tune"]
        + extras["distributed"]
        + extras["explain"]
        + extras["exchange"]
    }
    imported = set()
    for _, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    here = packages_distributions()
    needed = {canonicalize_name(here[name][0]) for name in imported - sys.stdlib_module_names - {"lamelle"}}
    assert needed - declared == set()
    assert declared - needed == set()


def test_the_version_stands_in_one_place() -> None:
    written = [p for p in MODULES if f'"{__version__}"' in p.read_text(encoding="utf-8")]
    assert written == [SOURCE / "version.py"]
    assert __version__ not in (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("dependencies")[0]


def test_no_file_of_the_tree_is_over_a_megabyte() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name.decode() for name in listed.stdout.split(b"\0") if name]
    assert [f for f in files if f.is_file() and f.stat().st_size > 1_000_000] == []


def test_modules_and_functions_stay_readable() -> None:
    long = []
    for path in [*MODULES, *sorted((ROOT / "tests").rglob("*.py"))]:
        source = path.read_text(encoding="utf-8")
        if path in MODULES and (lines := source.count("\n")) > 400:
            long.append(f"{path.relative_to(ROOT)}: {lines} lines")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                lines = node.end_lineno - node.lineno + 1
                if lines > 60:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {lines} lines")
    assert long == []


def imports() -> dict[str, set[str]]:
    """Every module of the project → the modules that it imports, at its top or inside a function."""
    names = {path: ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts) for path in MODULES}
    names = {path: name.removesuffix(".__init__") for path, name in names.items()}
    known, found = set(names.values()), {}
    for path, tree in trees():
        reached: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                reached |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{path}: a relative import"
                inside = {f"{node.module}.{alias.name}" for alias in node.names}
                reached |= inside & known if inside <= known else {*inside, str(node.module)}
        found[names[path]] = reached & known - {names[path]}
    return found


def test_no_module_imports_another_in_a_circle() -> None:
    graph = imports()
    while free := {name for name, reached in graph.items() if not reached & graph.keys()}:
        graph = {name: reached for name, reached in graph.items() if name not in free}
    while ends := graph.keys() - set().union(*graph.values()):
        graph = {name: reached for name, reached in graph.items() if name not in ends}
    assert {name: sorted(reached & graph.keys()) for name, reached in graph.items()} == {}


@pytest.mark.parametrize("module", ["lamelle", "lamelle.cli.main"])
def test_starting_loads_nothing_heavy(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"import {module}"], capture_output=True, text=True, check=True
    )
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "lamelle" in loaded
    assert loaded & HEAVY == set()

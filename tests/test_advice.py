"""No sentence names a key, a value, a command, an option or a file that does not exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import click
import pytest
from test_frame import CODE, ROOT, SOURCE, catalogues, trees

from lamelle.cli.command import build
from lamelle.cli.main import COMMANDS, lamelle
from lamelle.errors import RequestError
from lamelle.messages import LANGUAGES, catalogue
from lamelle.prediction.package import DESCRIPTION, WEIGHTS
from lamelle.runs import layers
from lamelle.runs import recipe as recipes
from lamelle.runs.folder import RunFolder
from lamelle.runs.key_list import choices_of
from lamelle.runs.recipe import Recipe
from lamelle.studies.folder import StudyFolder
from lamelle.verbs.signature import described

SECTIONS = "|".join(Recipe.model_fields)
_VALUE = r"(\[[^\]]*\]|\{[^}]*\}|\"[^\"]*\"|(?:[^\s,;:)(»…'\"`]|,(?=\S))+)"
KEY = re.compile(rf"(?<![\w./{{-])((?:{SECTIONS})\.[a-z_0-9]+)((?:\.[\w{{}}]+)*)(?:\s?=\s?{_VALUE})?")
BARE = re.compile(rf"(?<![\w.{{/-])([a-z_]+)={_VALUE}")
COMMAND = re.compile(r"\blamelle (?!\[)([a-z][a-z-]*)([^.;:,()»]*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
FILE = re.compile(r"(?<![\w*-])[\w-]+\.(?:csv|json|yaml|html|npz|npy|txt|db|safetensors)\b")
OTHERS_KEYS = {"key", "photometric", "default", "n"}
"""Not keys of a recipe: the word for one, an argument of tifffile, and numbers of a sentence."""
THEIRS = {
    *(
        "labels.csv",
        "train.csv",
        "val.csv",
        "test.csv",
        "train.txt",
        "val.txt",
        "test.txt",
        "dataset.json",
        "zarr.json",
        "_seg.npy",
    ),
    *("a.txt", "classes.txt", "data.yaml"),
    *("metadata.csv", "split.json", "data.npz", "em.npy", "model.safetensors", "package.json", "slices.csv"),
}
"""Files that come with data or from the hub, or stand in an example."""
NO_COMMANDS = {"series"}
"""The format of the file beside a folder of slices is called so."""
PIP = {"--upgrade", "--user"}


@cache
def ours() -> set[str]:
    """Every file name that Lamelle writes for people."""
    folder, study = RunFolder(Path("run")), StudyFolder(Path("study"))
    named = {p.name for p in chain(vars(folder).values(), vars(study).values()) if isinstance(p, Path)}
    written = {"objects.csv", "attributions.csv", "explain.html", "mlflow.db", "items.csv", "audit.json", "check.html"}
    source = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    return named | {DESCRIPTION, WEIGHTS} | {name for name in written if f'{name}"' in source or f"/{name}" in source}


@cache
def known_options(command: str | None) -> set[str]:
    """The options of one command, or of all."""
    every = [build(name, COMMANDS[name]) for name in (COMMANDS if command is None else [command])]
    found = {
        option for one in [*every, lamelle] for p in one.params for option in p.opts if isinstance(p, click.Option)
    }
    return found | {"--help"}


def chosen(section: str, inner: str) -> Iterator[dict[str, Any]]:
    """The kinds that a section may be of, and a key in it."""
    one = choices_of(Recipe, section)
    for kind, options in one.options.items() if one else ():
        deeper = choices_of(options, inner) if inner in options.model_fields else None
        for name in deeper.options if deeper else [None]:
            yield {section: {one.tag: kind} | ({inner: {"name": name}} if name else {})} if one else {}
    if one is None:
        yield {}


@cache
def fits(key: str, value: str) -> bool:
    """Whether a value is one that a key takes, for one kind of task or model at least."""
    if re.search(r"[{…<>]|\.\.|[A-ZÉ]{2,}|\b[A-Z]\b|=", value.replace("{0:", "")) and not value.startswith("{train"):
        return True  # a place to fill in
    if "," in value and value[0] not in '[{"':  # several, to be compared
        return all(fits(key, one) for one in value.split(","))
    asked = layers.parse_overrides([f"{key}={value.strip(chr(34))}"])
    section, _, rest = key.partition(".")
    for tags in chosen(section, rest.partition(".")[0] if "." in rest else ""):
        try:
            recipes.validate(layers.merge(deepcopy(tags), asked))
        except RequestError:
            continue
        return True
    return False


def wrong_keys(said: str) -> Iterator[str]:
    keys = recipes.known_keys()
    files = {m.span() for m in FILE.finditer(said)}
    for match in KEY.finditer(said):
        key, value = match[1], (match[3] or "").rstrip(".")
        if any(start <= match.start() < end for start, end in files) and not value:
            continue
        if key in dict(layers.tags()) and match[2]:
            key += match[2]
        if key not in keys:
            yield f"no key {key}"
        elif value and (not match[2] or key.endswith(match[2])) and not fits(key, value):
            yield f"{key} takes no {value}"
    for match in BARE.finditer(said):
        name, value = match[1], match[2].rstrip(".")
        if name in OTHERS_KEYS or KEY.search(said[max(0, match.start() - 12) : match.end()] + " "):
            continue
        try:
            full = recipes.full_key(name)
        except RequestError as error:
            if error.code != "recipe.ambiguous":
                yield f"no key {name}"
            continue
        if not fits(full if "." in full else name, value):
            yield f"{name} takes no {value}"


def wrong_commands(said: str) -> Iterator[str]:
    options = known_options(None)
    for match in COMMAND.finditer(said):
        if match[1] in NO_COMMANDS:
            continue
        if match[1] not in COMMANDS:
            yield f"no command lamelle {match[1]}"
            continue
        of_it = known_options(match[1])
        yield from (f"lamelle {match[1]} has no {o}" for o in OPTION.findall(match[2]) if o not in of_it)
    yield from (f"no option {o}" for o in OPTION.findall(said) if o not in options | PIP)


def wrong_files(said: str) -> Iterator[str]:
    yield from (f"no file {name}" for name in FILE.findall(said) if name not in ours() | THEIRS)


def wrong(said: str) -> list[str]:
    """All that a sentence names and that does not exist."""
    return [*wrong_keys(said), *wrong_commands(said), *wrong_files(said)]


def sentences() -> Iterator[tuple[str, str]]:
    """Every sentence for people: both languages, the pages' templates, the recipes' own words."""
    for language in LANGUAGES:
        yield from ((f"{language} {code}", said) for code, said in catalogues(language).items())
    yield from ((f"fr commands.{name}", said) for name, said in catalogue("fr", "commands").items())
    for name, verb in COMMANDS.items():
        about = described(verb)
        yield from ((f"lamelle {name}", said) for said in (about.short, about.whole, *about.arguments.values()))
    for path in [*SOURCE.rglob("*.html"), *SOURCE.rglob("*.j2")]:
        yield path.name, re.sub(r"(?s)\{[{%#].*?[}%#]\}|<[^>]*>", " ", path.read_text(encoding="utf-8"))
    for name, content in recipes.packaged().items():
        yield name, "\n".join(line for line in content.splitlines() if line.startswith("#"))


def literals() -> Iterator[tuple[str, str]]:
    """Texts in the source itself: cures, descriptions of keys; what is filled into one is a place."""
    codes = catalogues("en")
    for path, tree in trees():
        inside = {id(v) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for v in n.values}
        inside |= {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}  # docstrings
        for node in ast.walk(tree):
            where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.JoinedStr):
                yield where, "".join(str(p.value) if isinstance(p, ast.Constant) else "{0}" for p in node.values)
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in inside:
                continue
            if not (CODE.fullmatch(node.value) and node.value in codes):
                yield where, node.value


def test_what_sentences_name_exists() -> None:
    found = list(sentences())
    assert len(found) > 1000
    assert sum(bool(KEY.search(said)) for _, said in found) > 200, "keys are found"
    assert [f"{where}: {each}" for where, said in found for each in wrong(said)] == []


def test_what_texts_in_the_source_advise_exists() -> None:
    advice = [(w, s) for w, s in literals() if re.search(rf"(?<![\w.])(?:{SECTIONS})\.[a-z_]+=|\blamelle [a-z]", s)]
    assert len(advice) > 20
    found = [f"{where}: {each}" for where, said in advice for each in (*wrong_keys(said), *wrong_commands(said))]
    assert found == []


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("lower train.larning_rate", "no key train.larning_rate"),
        ("give train.monitor=dice instead", "train.monitor takes no dice"),
        ("build it with data.size = [32, 32]", "no key data.size"),
        ("set split.test=1.5.", "split.test takes no 1.5"),
        ("say tasc=instances", "no key tasc"),
        ("use precision=8 here", "precision takes no 8"),
        ("go on: lamelle resume {run}", "no command lamelle resume"),
        ("go on: lamelle train --form {run}", "lamelle train has no --form"),
        ("give --wieghts FILE", "no option --wieghts"),
        ("see runs/first/score.json", "no file score.json"),
    ],
)
def test_a_wrong_name_is_noticed(said: str, fault: str) -> None:
    assert fault in wrong(said)


@pytest.mark.parametrize("said", ["task.loss=focal", "data.resize=[224,224]", "split.blocks={train: 0-9}", "tile=512"])
def test_a_right_one_is_not(said: str) -> None:
    assert wrong(f"give {said}, or data.group=COLUMN: lamelle train {{path}} --resume RUN") == []

"""French is whole: keys, recipes, and what the command line says by itself."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files

import click
import pytest
from click.testing import CliRunner

from lamelle.cli import main as entry
from lamelle.cli.command import build
from lamelle.runs.recipe import every_key, known_keys, packaged
from lamelle.verbs import COMMANDS
from lamelle.verbs.recipes_and_store import recipes

ENGLISH = re.compile(
    r"\b(the|and|with|which|show this|default|required|file|folder of|must be|value for)\b", re.IGNORECASE
)


def french(kind: str) -> dict[str, str]:
    return tomllib.loads((files("lamelle.messages") / "fr" / f"{kind}.toml").read_text(encoding="utf-8"))


@pytest.fixture
def in_french(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_LANG", "fr")


def test_each_key_has_its_meaning_and_no_other():
    keys = {f"{k.kind}:{k.path}" if k.kind else k.path for some in every_key().values() for k in some}
    assert keys == set(french("keys"))


def test_each_recipe_has_its_title_and_no_other():
    assert set(packaged()) == set(french("recipes"))


@pytest.mark.usefixtures("in_french")
def test_keys_and_recipes_are_listed_in_french():
    keys = known_keys()
    assert "fonction de perte" in keys["task.loss"]
    assert "≥ 0 et ≤ 1" in keys["task.remedy.alpha"]
    listed = [*keys.values(), *str(recipes()).splitlines()]
    assert [line for line in listed if ENGLISH.search(line)] == []


@pytest.mark.usefixtures("in_french")
@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_has_no_english(name: str):
    command = build(name, COMMANDS[name])
    helped = CliRunner().invoke(command, ["--help"]).output
    assert helped.startswith("Usage : ")
    assert "Montrer ce message." in helped
    assert ENGLISH.findall(helped.replace("(default =", "")) == [], "default is a word to type"


@pytest.mark.usefixtures("in_french")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("augment", "x", "--images", "a"), "lamelle augment : --images : 'a' n'est pas un nombre entier"),
        (("predict", "a", "b", "-o"), "-o a besoin d'une valeur"),
        (("predict", "a", "b", "-o", "c", "--masks=3"), "--masks ne prend pas de valeur"),
        (("convert", "a", "b", "--to", "xx"), "'xx' n'est aucun de : tif"),
        (("report", "a", "b"), "mots en trop : b"),
        (("report", "--nothing"), "option inconnue"),
        (("report",), "il manque RUN"),
    ],
)
def test_what_is_wrong_with_words_is_said_in_french(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        entry.main(list(words))
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert said in told
    assert f"voyez lamelle {words[0]} --help" in told or "vouliez-vous" in told


@pytest.mark.usefixtures("in_french")
def test_words_of_click_are_none_of_its_own():
    """Whatever this version of click can say by itself about a value, Lamelle says instead."""
    for name, verb in COMMANDS.items():
        for parameter in build(name, verb).params:
            assert parameter.type.__class__.__module__ != "click.types" or parameter.type.name in (
                "text",
                "path",
                "boolean",
            )
            assert not isinstance(parameter, click.Option) or type(parameter).__module__ == "lamelle.cli.localised"

"""Each verb is a command: what it says of itself is there in every language, and its signature is the command line."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import click
import pytest
from click.testing import CliRunner

import lamelle
from lamelle import verbs
from lamelle.cli import main as entry
from lamelle.cli.command import build, short_help
from lamelle.errors import RequestError
from lamelle.messages import LANGUAGES, catalogue
from lamelle.verbs import COMMANDS
from lamelle.verbs.outcome import Outcome
from lamelle.verbs.signature import AnyPath, Cli, described, settings


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_each_of_its_options_has_its_help(
    name: str, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    command = build(name, COMMANDS[name])
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert command.help
    assert short_help(name)
    assert [p.name for p in options if not p.help] == []
    assert len({flag for p in options for flag in p.opts}) == sum(len(p.opts) for p in options)


def test_the_translations_are_of_what_there_is_and_of_all_of_it() -> None:
    for language in LANGUAGES:
        if language == "en":
            continue
        known = catalogue(language, "commands")
        wanted: set[str] = set()
        for name, verb in COMMANDS.items():
            options = {str(p.name) for p in build(name, verb).params if isinstance(p, click.Option)}
            keys = {option: f"{name}_{option}" for option in options}
            wanted |= {name, f"{name}_short"}
            wanted |= {key if key in known else f"any_{option}" for option, key in keys.items()}
        assert wanted == set(known)


def test_what_is_documented_is_an_argument() -> None:
    for verb in COMMANDS.values():
        assert set(described(verb).arguments) <= set(inspect.signature(verb).parameters)


def test_settings_have_one_name_and_are_keywords_too() -> None:
    for verb in (lamelle.train, lamelle.compare, lamelle.tune, lamelle.check, lamelle.evaluate, lamelle.predict):
        names = inspect.signature(verb).parameters
        assert {"overrides", "keys"} <= set(names)
    taken = settings(lamelle.train, {"lr": 0.5}, {"epochs": 2, "filters": (4, 8), "budget": "90s", "device": None})
    assert taken == ["lr=0.5", "train.epochs=2", "model.filters=[4, 8]", 'train.budget="90s"', "train.device=null"]


@pytest.mark.parametrize(
    ("keyword", "said"),
    [
        ("kind_", "kind"),
        ("epoch", "train.epochs"),
        ("recip", "an argument of train.*did you mean recipe"),
        ("alpha_beta_gamma", "alpha_beta_gamma"),
    ],
)
def test_a_keyword_that_is_none_names_the_nearest(tmp_path: Path, keyword: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        lamelle.train(tmp_path, **{keyword: 1})


def test_a_keyword_of_several_keys_names_them(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"task\.name.*model\.name"):
        settings(lamelle.check, (), {"name": "x"})


@dataclass(frozen=True)
class Greeting(Outcome):
    said: tuple[Any, ...]
    failed: bool = False  # type: ignore[assignment]

    def text_lines(self) -> list[str]:
        return [repr(one) for one in self.said]


def greet(
    person: AnyPath,
    others: AnyPath | Sequence[AnyPath] = (),
    *,
    overrides: Sequence[str] = (),
    loud: bool = False,
    times: int = 1,
    tone: Literal["warm", "cold"] = "warm",
    since: Annotated[str | None, Cli("--from", metavar="DAY")] = None,
    sizes: Sequence[float] | None = None,
) -> Greeting:
    """Greet somebody.

    Say hello to PERSON.

    Args:
        person: Who.
        loud: With an exclamation mark.
        times: How often.
        tone: How.
        since: From when on.
        sizes: How large.
    """
    return Greeting((person, others, overrides, loud, times, tone, since, sizes), failed=times > 2)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """A verb more, by its function alone."""
    monkeypatch.setitem(COMMANDS, "greet", greet)
    monkeypatch.setattr(verbs, "greet", greet, raising=False)

    def ask(*arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(click.Command("lamelle", callback=lambda: entry.main(list(arguments))), [])
        return result.exit_code, result.stdout, result.stderr

    return ask


def test_a_new_verb_is_a_command_with_its_options(said: Callable[..., tuple[int, str, str]]) -> None:
    assert "greet" in said("--help")[1]
    helped = said("greet", "--help")[1]
    assert "PERSON [OTHER]... [KEY=VALUE]..." in helped
    assert all(word in helped for word in ("Say hello", "--loud", "[warm|cold]", "--from DAY", "[default: 1]"))
    code, out, _ = said("greet", "anna", "ben", "lr=1", "--loud", "--from", "monday", "--sizes", "1,2.5")
    assert code == 0
    assert out.splitlines() == [
        *("PosixPath('anna')", "[PosixPath('ben')]", "['lr=1']", "True", "1", "'warm'", "'monday'", "[1.0, 2.5]"),
    ]
    assert said("greet", "anna", "--times", "3")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("lr=1",), "PERSON is missing"),
        (("anna", "--times", "x"), "'x' is no whole number"),
        (("anna", "--tone", "mild"), "'mild' is none of: warm, cold"),
        (("anna", "--lud"), "did you mean --loud"),
        (("anna", "--sizes", "a"), "'a' is no list of numbers"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    said: Callable[..., tuple[int, str, str]], arguments: tuple[str, ...], sentence: str
) -> None:
    code, _, error = said("greet", *arguments)
    assert code == 2
    assert sentence in error
    assert error.count("\n") == 1

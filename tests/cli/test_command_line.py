"""The command as a process: fast help, exit codes, one sentence for what is wrong, in two languages."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from lamelle.cli import main as entry
from lamelle.cli.main import COMMANDS
from lamelle.specimens.write import DEMOS

Said = subprocess.CompletedProcess[str]


def lamelle(*arguments: str, cwd: Path | None = None, **environment: str) -> Said:
    return subprocess.run(
        [sys.executable, "-m", "lamelle", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | environment,
        timeout=120,
    )


def test_help_takes_less_than_a_third_of_a_second_of_the_processor() -> None:
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = lamelle("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    assert said.returncode == 0
    assert all(name in said.stdout for name in COMMANDS)
    assert min(spent) <= 0.3, spent


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from lamelle.cli.main import lamelle\n"
        "try: lamelle(['--help'])\n"
        "except SystemExit: print('MODULES', *sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    modules = set(said.partition("MODULES")[2].split())
    assert "lamelle.cli.main" in modules
    heavy = {"numpy", "torch", "pydantic", "rich", "yaml", "PIL", "matplotlib", "timm"}
    assert not heavy & modules
    assert "lamelle.verbs.outcomes" not in modules


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    """Exit code, output and errors of a command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def ask(*arguments: str) -> tuple[int, str, str]:
        def run() -> None:
            entry.main(list(arguments))

        import click

        result = CliRunner().invoke(click.Command("lamelle", callback=run), [])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return ask


Ask = Callable[..., tuple[int, str, str]]

WRONG = {
    "an unknown command": (("trian",), "did you mean train?"),
    "an unknown option": (("train", "--reciep", "x"), "did you mean --recipe"),
    "a missing argument": (("predict", "run"), "INPUTS... is missing"),
    "a missing option": (("predict", "run", "image.png"), "--out is missing"),
    "a number that is none": (("demo", "--seed", "x"), "'x' is no whole number"),
    "no data": (("train",), "lamelle train FOLDER"),
    "data that is not there": (("train", "nowhere"), "nowhere: no such file or folder"),
    "an unknown key": (("train", "nowhere", "lrr=1"), "did you mean train.lr?"),
    "an ambiguous key": (("train", "nowhere", "name=x"), "task.name, model.name"),
    "a setting without value": (("train", "nowhere", "--name", "x", "lr"), "key=value"),
    "an unknown recipe": (("train", "nowhere", "--recipe", "nuclei"), "did you mean nuclei-unet"),
    "an unknown recipe to show": (("recipes", "nuclei"), "did you mean nuclei-unet"),
    "a run that is none": (("evaluate", "nowhere"), "no trained model here"),
    "a report of no run": (("report", "."), "this is not a run"),
    "resuming with settings": (("train", "--resume", "x", "lr=1"), "--resume goes on with exactly what was begun"),
    "an unknown demo": (("demo", "cats"), "choose one of em-stack"),
    "a training on no demo": (("demo", "--train"), "choose one of em-stack"),
}


@pytest.mark.parametrize(("arguments", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_request_is_one_sentence_and_exit_code_2(
    asked: Ask, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    code, out, error = asked(*arguments)
    assert (code, out) == (2, "")
    assert sentence in error
    assert error.count("\n") == 1, error
    assert not list(tmp_path.iterdir()), "nothing was made"


def test_an_invalid_value_names_key_value_and_rule(asked: Ask, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("train: {lr: -1, epochs: many}\n")
    assert asked("demo", "nuclei", "--count", "8", "--size", "96")[0] == 0
    code, _, error = asked("train", "demo/nuclei", "--recipe", "recipe.yaml")
    assert code == 2
    assert "train.lr=-1" in error
    assert "train.epochs='many'" in error
    assert not (tmp_path / "runs").exists()


def test_errors_of_the_data_give_exit_code_1_and_name_each_file(asked: Ask, tmp_path: Path) -> None:
    assert asked("demo", "nuclei", "-o", "data", "--count", "8", "--size", "96")[0] == 0
    code, out, _ = asked("check", "data")
    assert code == 0
    assert "Images: 8" in out
    broken = sorted((tmp_path / "data").glob("*/images/*.png"))[:2]
    for path in broken:
        path.write_bytes(b"")
    for command in ("check", "train"):
        code, out, error = asked(command, "data")
        assert code == 1
        assert all(path.name in out + error for path in broken), command
        assert "Traceback" not in error
    code, out, _ = asked("check", "data", "-o", "check.html")
    assert code == 1
    assert broken[0].name in (tmp_path / "check.html").read_text(encoding="utf-8")


def test_debug_shows_where_an_error_arose(asked: Ask) -> None:
    code, _, error = asked("--debug", "train", "nowhere")
    assert code == 2
    assert "Traceback" in error
    assert error.rstrip().endswith("name the folder that holds the images")


def test_an_error_that_no_one_foresaw_is_one_line(asked: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    from lamelle import verbs

    def fail(*_: object, **__: object) -> None:
        raise KeyError("surprise\nand more")

    monkeypatch.setattr(verbs, "train", fail)
    code, _, error = asked("train", "x")
    assert code == 1
    assert "KeyError" in error
    assert "--debug" in error
    assert error.count("\n") == 1
    monkeypatch.setattr(verbs, "train", lambda *_, **__: (_ for _ in ()).throw(MemoryError()))
    assert "train.batch" in asked("train", "x")[2]


def test_recipes_are_listed_shown_and_explained(asked: Ask) -> None:
    from lamelle.runs import recipe

    code, out, _ = asked("recipes")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(recipe.packaged())
    for name, content in recipe.packaged().items():
        assert asked("recipes", name)[1] == content.rstrip() + "\n"
    keys = asked("recipes", "--keys")[1]
    assert all(key in keys for key in ("train.lr", "data.group", "model.filters", "split.folds"))


def test_a_demo_without_a_kind_lists_what_can_be_made(asked: Ask, tmp_path: Path) -> None:
    code, out, error = asked("demo")
    assert (code, error) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == list(DEMOS)
    assert all(len(line.split()) > 5 for line in out.splitlines())
    assert not list(tmp_path.iterdir()), "nothing was made"


def test_french_speaks_french() -> None:
    said = lamelle("train", "nulle-part", LAMELLE_LANG="fr")
    assert said.returncode == 2
    assert said.stderr == "nulle-part : fichier ou dossier absent ; nommez le dossier qui contient les images\n"
    helped = lamelle("--help", LAMELLE_LANG="fr").stdout
    assert "Entraîner sur un dossier" in helped


def test_the_cache_says_its_size_and_can_be_emptied(asked: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked("demo", "nuclei", "--count", "8", "--size", "96")[0] == 0
    asked("check", "demo/nuclei")
    assert " 0 entries" not in asked("cache")[1]
    assert " 0 entries" in asked("cache", "--clear")[1]
    monkeypatch.setenv("LAMELLE_CACHE_GIB", "much")
    code, _, error = asked("cache")
    assert code == 2
    assert "LAMELLE_CACHE_GIB='much'" in error


def test_a_reader_that_has_enough_is_no_error() -> None:
    said = subprocess.run(
        f"{sys.executable} -m lamelle recipes --keys | head -n 1", shell=True, capture_output=True, text=True
    )
    assert said.stdout.startswith("task.name")
    assert said.stderr == ""

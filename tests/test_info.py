"""What ``lamelle info`` says of an installation, and how the shell completes its commands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import lamelle
from lamelle import platform
from lamelle.errors import RequestError
from lamelle.messages import LANGUAGES
from lamelle.training.resources import find_device
from lamelle.verbs import system

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAMELLE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_versions_are_those_of_what_is_imported() -> None:
    import numpy
    import torch

    info = lamelle.info()
    assert torch.__version__.startswith(info.libraries["torch"])
    assert info.libraries["numpy"] == numpy.__version__
    assert f"Python {'.'.join(map(str, sys.version_info[:3]))}" in str(info)
    assert info.device.kind == find_device("auto")
    assert info.device.threads == platform.cores()
    assert (f"for CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA") in str(info)


def test_nothing_is_written_and_what_is_there_is_counted(home: Path, tmp_path: Path) -> None:
    assert lamelle.info().cache.bytes == 0
    assert not home.exists()
    lamelle.check(lamelle.demo("nuclei", tmp_path / "nuclei", count=2, size=64))
    stored = [path for path in (home / "store").glob("??/*") if path.is_file()]
    assert lamelle.info().cache.bytes == sum(path.stat().st_size for path in stored) > 0


def test_weights_at_hand_are_listed_with_their_size(home: Path) -> None:
    assert "no pretrained weights" in str(lamelle.info())
    (home / "weights").mkdir(parents=True)
    for name in ("resnet18", "mobilenetv2_100"):
        (home / "weights" / f"{name}.safetensors").write_bytes(bytes(3 << 20))
    (home / "weights" / "notes.txt").write_text("not weights")
    info = lamelle.info()
    assert [path.stem for path in info.cache.weights] == ["mobilenetv2_100", "resnet18"]
    assert str(info).count("(3 MiB)") == 2


def test_what_is_missing_is_named_with_the_formats_that_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    known = metadata.version

    def version(package: str) -> str:
        if package in ("nibabel", "captum"):
            raise metadata.PackageNotFoundError(package)
        return known(package)

    monkeypatch.setattr(system.metadata, "version", version)
    info = lamelle.info()
    extras = {extra.name: extra for extra in info.extras}
    assert extras["medical"].missing == ("nibabel",)
    assert extras["medical"].formats == ("NIfTI",), "DICOM is read without it"
    assert extras["explain"].missing == ("captum",)
    line = next(line for line in str(info).splitlines() if "medical" in line)
    assert "pip install 'lamelle[medical]'" in line
    assert line.endswith("until then NIfTI are not read")
    assert extras["tune"].missing == ()


def test_every_extra_for_people_has_its_sentence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = set(project["optional-dependencies"]) - {"dev", "docs"}
    found = {extra.name: extra for extra in lamelle.info().extras}
    assert set(found) == extras
    assert all(extra.purpose and extra.packages for extra in found.values())


def test_a_cache_that_cannot_be_made_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lamelle.info().cache.writable
    assert "not writable" not in str(lamelle.info())
    home.write_text("a file where the folder should be")
    monkeypatch.setenv("LAMELLE_HOME", str(home / "deep"))
    info = lamelle.info()
    assert not info.cache.writable
    assert "set LAMELLE_HOME" in str(info)
    monkeypatch.setenv("LAMELLE_CACHE_GIB", "much")
    with pytest.raises(RequestError, match="LAMELLE_CACHE_GIB='much'"):
        lamelle.info()


def test_memory_obeys_the_limit_of_a_container(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = {
        "/proc/meminfo": "MemTotal: 1048576 kB\nMemFree: 1 kB\nMemAvailable: 524288 kB\n",
        "/sys/fs/cgroup/memory.max": f"{256 << 20}\n",
        "/sys/fs/cgroup/memory.current": f"{56 << 20}\n",
    }

    def read_text(path: Path, encoding: str = "utf-8") -> str:
        if str(path) not in files:
            raise FileNotFoundError(path)
        return files[str(path)]

    monkeypatch.setattr(Path, "read_text", read_text)
    assert platform.memory() == (256 << 20, 200 << 20)
    files["/sys/fs/cgroup/memory.max"] = "max\n"
    assert platform.memory() == (1 << 30, 512 << 20)
    del files["/proc/meminfo"]
    assert platform.memory()[1] == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_card_of_a_notebook_says_the_same(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    info = lamelle.info()
    labels = [line[:14].strip() for line in str(info).splitlines()]
    assert [label for label in labels if label] == {
        "en": ["Lamelle", "Libraries", "Device", "Memory", "Cache", "Weights", "Extras"],
        "fr": ["Lamelle", "Bibliothèques", "Calcul", "Mémoire", "Cache", "Poids", "Suppléments"],
    }[language]
    assert re.search(r"\d,\d Gio" if language == "fr" else r"\d\.\d GiB", str(info))
    assert info.libraries["torch"] in info._repr_html_()


def completions(*words: str) -> list[str]:
    environment = {
        "_LAMELLE_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", "lamelle"], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_the_shell_completes_commands_and_options() -> None:
    assert completions("lamelle", "tr") == ["train"]
    assert completions("lamelle", "train", "--re") == ["--recipe", "--resume"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_what_the_documentation_says_of_bash_works(tmp_path: Path) -> None:
    said = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    line = next(line for line in said.splitlines() if "bash_source" in line and "~/.bashrc" in line)
    script = tmp_path / "bin"
    script.mkdir()
    (script / "lamelle").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lamelle "$@"\n')
    (script / "lamelle").chmod(0o755)
    environment = os.environ | {"HOME": str(tmp_path), "PATH": f"{script}:{os.environ['PATH']}"}
    ask = (
        '. ~/.bashrc; COMP_WORDS=(lamelle dem); COMP_CWORD=1; _lamelle_completion lamelle; echo "${COMPREPLY[@]}"; '
        "complete -p lamelle"
    )
    subprocess.run(["bash", "-c", line], env=environment, check=True)
    done = subprocess.run(["bash", "--norc", "-c", ask], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "demo"
    assert "_lamelle_completion" in done.stdout

"""Sentences in each language: numbers, spaces before colons, and what is to be pasted."""

from __future__ import annotations

import io
import math
import re
from pathlib import Path

import pytest
from rich.console import Console
from support import made_scores

from lamelle.errors import sentence
from lamelle.messages import catalogue, language, local, text
from lamelle.messages.numbers import number
from lamelle.reports.terminal import print_check
from lamelle.results.audit import Audit, DataStatistics
from lamelle.results.history import Epoch
from lamelle.results.scores import Score
from lamelle.runs.evaluate import headline
from lamelle.runs.splitting import Outlook
from lamelle.training.progress import epoch_line
from lamelle.types import ClassNames, Index, Problem, Record, Source

FRENCH = sorted(p.stem for p in (Path(__file__).parents[1] / "src/lamelle/messages/fr").glob("*.toml"))


@pytest.fixture(params=["en", "fr"])
def spoken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LAMELLE_LANG", request.param)
    return language()


@pytest.mark.parametrize("room", FRENCH)
def test_french_has_a_space_before_its_signs(room: str) -> None:
    examples = re.compile(r"\((?:nom): \[.*|0: fond|\{train: [^}]*\}")  # YAML, and lines of a file
    for key, said in catalogue("fr", room).items():
        assert not re.search(r"[^\s][:;?!](?=\s|$)", examples.sub("", said)), key


def test_numbers_are_written_as_the_language_does(spoken: str) -> None:
    near = {"near": "0.93", "far": "0.41", "n": 8}
    shifted = {"count": 3, "n": 8, "found": "0.61", "low": "0.21", "high": "0.35"}
    lines = [text("audit.sequence", **near), text("shift.mean_more", **shifted), number(0.5), local("0.5 µm")]
    for line in lines:
        assert bool(re.search(r"\d,\d", line)) == (spoken == "fr"), line
        assert bool(re.search(r"\d\.\d", line)) == (spoken == "en"), line


def test_what_is_pasted_is_the_same_in_every_language(spoken: str) -> None:
    key = "'data.range=[-1,1.5]'"
    values = {"count": 2, "dtype": "float32", "low": "-0.5", "high": "1.25", "trained_dtype": "uint8"}
    values |= {"trained_low": "0", "trained_high": "255", "key": key}
    said = text("shift.range_unsure", **values)
    assert key in said
    assert ("1,25" in said) == (spoken == "fr")
    assert "v1.5" in sentence(Problem("layouts.orphan_copy", "v1.5/a.png", "error", {"of": "v1.5"}))


def test_lines_of_scores_and_epochs_speak_one_language(spoken: str) -> None:
    score, none = Score(0.912, 0.85, 0.951, 40, "image"), Score(math.nan, math.nan, math.nan, 0, "image")
    known = {"accuracy": score, "balanced_accuracy": none, "recall/b": score}
    about = {"epoch": 3, "step": 9, "lr": 0.1, "best": True, "train_loss": 0.5, "loss": 0.25, "seconds": 8.0}
    row = Epoch(**about, validation={"accuracy": 0.75})
    lines = [*headline(made_scores(headline=tuple(known), scores=known)), epoch_line(row, monitor="accuracy")]
    wanted = {
        "en": ("Accuracy 0.912", "Balanced accuracy", "Recall (b) 0.912", "loss 0.5000"),
        "fr": ("Exactitude 0,912", "Exactitude équilibrée", "Rappel (b) 0,912", "perte 0,5000"),
    }[spoken]
    for line, part in zip(lines, wanted, strict=True):
        assert part in line
    if spoken == "fr":
        assert not re.search(r"\d\.\d|[a-z]+_[a-z]+|\S:", "".join(lines))


def test_a_check_has_its_colons_in_the_language(spoken: str) -> None:
    records = tuple(
        Record(f"{i}.png", Source(Path(f"{i}.png")), ClassNames(("ab"[i % 2],)), split="train") for i in range(4)
    )
    index = Index(Path("data"), "class_folders", records, skipped={"*.txt": 2})
    audit = Audit((Problem("files.empty", "a.png"),), (), (), {"classes": {"a": 2, "b": 2}}, DataStatistics(records=4))
    out = io.StringIO()
    outlook = Outlook(records, "record", {r.id: set(r.names) for r in records}, ())
    print_check(index, audit, outlook, Console(file=out, width=200))
    said = out.getvalue()
    assert len(re.findall(r"\S: ", said)) == (0 if spoken == "fr" else len(re.findall(": ", said)))
    assert said.count(": ") > 6

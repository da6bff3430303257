"""What the doctor says in words: in the terminal, after a training, on the page, in both languages."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner
from made_runs import Maker, scored
from page_blocks import every

from lamelle.cli.command import build
from lamelle.data.store import Store
from lamelle.doctor.diagnosis import diagnose, lines, summary
from lamelle.doctor.rules import RULES
from lamelle.errors import RequestError
from lamelle.messages import LANGUAGES, catalogue
from lamelle.reports import training
from lamelle.reports.blocks import Box
from lamelle.reports.finish import finish
from lamelle.reports.verdict import diagnoses, draw, turned
from lamelle.results.baseline import Baseline, NormCheck
from lamelle.runs import fit as session
from lamelle.runs import train as course
from lamelle.runs.bundle import open_bundle
from lamelle.training.loop import NonFinite
from lamelle.verbs import COMMANDS

OVERFITTED: dict[str, Any] = {
    "train_loss": [0.6, 0.4, 0.3, 0.2, 0.1, 0.05, 0.03, 0.01],
    "train_score": [0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99],
    "loss": [0.6, 0.5, 0.45, 0.5, 0.6, 0.8, 0.9, 1.0],
    "score": [0.6, 0.7, 0.75, 0.75, 0.74, 0.73, 0.72, 0.71],
    "scores": scored(0.72),
}


def test_every_rule_has_its_sentences() -> None:
    known = catalogue("en", "doctor")
    for rule in RULES:
        assert {rule.code, f"{rule.code}_evidence", f"{rule.code}_next"} <= known.keys() | {f"{rule.code}_evidence"}


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_a_finding_is_a_verdict_its_numbers_and_a_command(
    made: Maker, monkeypatch: pytest.MonkeyPatch, spoken: str
) -> None:
    monkeypatch.setenv("LAMELLE_LANG", spoken)
    run = made(**OVERFITTED)
    told = diagnose(open_bundle(run))[0].findings[0]
    assert told.verdict.startswith(
        {"en": "Overfitting from epoch 3", "fr": "Surapprentissage à partir de l'époque 3"}[spoken]
    )
    for number in ("0.45", "0.985"):
        assert (number if spoken == "en" else number.replace(".", ",")) in told.evidence
    assert {"en": "Macro F1", "fr": "F1 macro"}[spoken] in told.evidence
    assert told.command == f"lamelle train --recipe {run.recipe} augment.mixup=0.2"
    assert "augment.mixup=0.2" in told.next
    assert len(lines([told])) == 4


@pytest.mark.parametrize(("spoken", "words"), [("en", "too small to tell"), ("fr", "trop petite pour dire")])
def test_few_validated_images_come_first(made: Maker, monkeypatch: pytest.MonkeyPatch, spoken: str, words: str) -> None:
    monkeypatch.setenv("LAMELLE_LANG", spoken)
    level = {"train_score": [0.93] * 8, "score": [0.91] * 8, "train_loss": [0.3] * 8, "loss": [0.3] * 8}
    first, second = summary(open_bundle(made(**level, validation={"a": 1, "b": 1}, scores=scored(0.7))))
    assert words in first
    assert ("0.910" if spoken == "en" else "0,910") in first
    assert "split.validation=0.3" in second


def test_the_short_form_is_the_first_finding_in_two_lines(made: Maker) -> None:
    said = summary(open_bundle(made(**OVERFITTED)))
    assert len(said) == 2
    assert said[0].startswith("doctor: Overfitting from epoch 3")
    assert "augment.mixup" in said[1]


def test_the_command_prints_them_and_needs_no_data(made: Maker) -> None:
    said = CliRunner().invoke(build("doctor", COMMANDS["doctor"]), [str(made(**OVERFITTED).path)])
    assert said.exit_code == 0, said.output
    assert "! Overfitting from epoch 3" in said.output


def test_each_fold_is_told_by_its_name(made: Maker) -> None:
    whole = made(name="folds")
    for fold in range(2):
        made(name=f"folds/fold{fold}", **OVERFITTED)
    said = CliRunner().invoke(build("doctor", COMMANDS["doctor"]), [str(whole.path)]).output
    assert re.findall("^fold.$", said, re.MULTILINE) == ["fold0", "fold1"]
    assert said.count("! Overfitting") == 2


def test_a_run_without_an_ended_epoch_is_refused_by_name(made: Maker) -> None:
    run = made()
    with pytest.raises(RequestError, match="no epoch has ended") as error:
        diagnose(open_bundle(run))
    assert str(run.path) in str(error.value)
    assert summary(open_bundle(run)) == []
    assert draw(open_bundle(run)) == []


def test_a_training_that_breaks_leaves_word_of_it(made: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run, store = made(), Store(tmp_path / "store", budget=1 << 20)

    class Deaf:
        def close(self) -> None: ...

    def broken(*_: object, **__: object) -> None:
        raise NonFinite("train.nan_loss", loss=math.nan, step=7, files="a.png", kept="")

    monkeypatch.setattr(session, "train", broken)
    nothing = cast("Any", None)
    run.write_json(run.pictures_list, {})
    with pytest.raises(NonFinite):
        course.train_and_score(nothing, nothing, run, store, cast("Any", Deaf()), finish, resume=False)
    told = diagnose(open_bundle(run))[0].findings[0]
    assert told.code == "nan"
    assert "step 7" in told.evidence
    assert "train.lr=0.0001" in told.command


def test_a_run_without_a_baseline_is_read_and_nothing_is_opened_beside_its_bundle(made: Maker) -> None:
    slow = OVERFITTED | {"model": {"kind": "timm", "name": "mobilenetv2_100"}}
    norms = NormCheck(images=128, stored=0.4, batch=0.97, shift=1.5)
    with_it = open_bundle(made(**slow, baseline=Baseline(norms=norms)))
    without = open_bundle(made(name="before", **slow))
    codes = []
    for bundle in (with_it, without):
        diagnose(bundle)  # sentences are read once
        shutil.rmtree(bundle.run.path)
        codes.append(diagnose(bundle)[0].findings[0].code)
    assert codes == ["bn_lag", "overfitting"]


def test_a_baseline_that_was_lost_is_named(made: Maker) -> None:
    run = made(**OVERFITTED, baseline=Baseline())
    run.baseline.unlink()
    with pytest.raises(RequestError, match=re.escape(run.baseline.name)):
        open_bundle(run)


def test_an_interrupted_training_says_how_to_go_on(made: Maker) -> None:
    run = made(**OVERFITTED | {"scores": None})
    told = {one.code: one for one in diagnose(open_bundle(run))[0].findings}
    assert f"lamelle train --resume {run.path}" in told["unfinished"].next
    assert "overfitting" in told


def test_the_page_shows_the_findings_and_shades_the_epochs(made: Maker) -> None:
    held = open_bundle(made(**OVERFITTED))
    assert any("told-overfitting" in box.look for box in every(draw(held), Box))
    assert turned(diagnoses(held)) == 3
    plain = training.overview(held.history, monitor="macro_f1", best=3)
    assert training.overview(held.history, monitor="macro_f1", best=3, turned=3) != plain

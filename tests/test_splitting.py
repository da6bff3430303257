"""What `lamelle check` shows of the split is what a training does, and says what a test cannot tell."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import Quiet, look

from lamelle import verbs
from lamelle.cli.main import main
from lamelle.errors import RequestError
from lamelle.runs import layers, splitting
from lamelle.runs import plan as plans
from lamelle.runs import recipe as recipes
from lamelle.runs.folder import RunFolder
from lamelle.runs.saved_plan import open_plan, save_plan
from lamelle.runs.splitting import judged_by_few
from lamelle.runs.train import describe
from lamelle.specimens.write import write_demo
from lamelle.types import ClassNames, Record, Source


def save(path: Path, seed: int, kind: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 200 + 50 * kind, (6, 6), np.uint8)
    Image.fromarray(coarse).resize((24, 24), Image.Resampling.BICUBIC).save(path)


def table(root: Path, column: str, cells: list[str], labels: str = "ab") -> Path:
    rows = [["image", "label", column]]
    for i, cell in enumerate(cells):
        save(root / "images" / f"i{i:03d}.png", i)
        rows.append([f"i{i:03d}.png", labels[i % len(labels)], cell])
    with (root / "labels.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows(rows)
    return root


def planned(data: Path, *pairs: str) -> plans.Plan:
    return plans.make_plan(data, layers.parse_overrides(pairs), verbs.open_store(), accelerator=False)


def by_id(records: tuple[Record, ...]) -> dict[str, str | None]:
    return {r.id: r.split for r in records}


@pytest.mark.parametrize(
    ("column", "cells", "pairs", "by"),
    [
        ("patient", [f"P{i // 3}" for i in range(36)], (), "group"),
        ("patient", [f"P{i // 3}" for i in range(36)], ("data.group=none",), "record"),
        ("patient", [f"P{i // 3}" for i in range(36)], ("split.seed=3", "split.test=0.4"), "group"),
        ("patient", [f"P{i // 3}" for i in range(36)], ("split.folds=4", "split.fold=2"), "group"),
        ("fold", [str(i // 2 % 5) for i in range(40)], (), "given"),
        ("fold", [str(i // 2 % 5) for i in range(40)], ("split.folds=5", "split.fold=3"), "given"),
        ("fold", [str(i // 2 % 5) for i in range(40)], ("data.split=none",), "record"),
        ("Partition", ["Entraînement", "train", "VAL", "test"] * 9, (), "given"),
        ("Partition", ["Entraînement", "train", "VAL", "test"] * 9, ("data.split=none",), "record"),
    ],
)
def test_check_shows_the_split_of_a_training(
    tmp_path: Path, column: str, cells: list[str], pairs: tuple[str, ...], by: str
) -> None:
    data = table(tmp_path / "d", column, cells)
    _, _, outlook = look(data, overrides=pairs)
    plan = planned(data, *pairs)
    assert (outlook.by, plan.split_by) == (by, by)
    assert by_id(outlook.records) == by_id(plan.records)
    assert len(set(by_id(plan.records).values())) == 3


def test_folds_of_a_column_test_in_turn(tmp_path: Path) -> None:
    cells = [str(1 + i // 2 % 4) for i in range(40)]
    data = table(tmp_path / "d", "fold", cells)
    for fold in range(4):
        split = by_id(planned(data, "split.folds=4", f"split.fold={fold}").records)
        for i, cell in enumerate(cells):
            role = {fold + 1: "test", (fold + 1) % 4 + 1: "validation"}.get(int(cell), "train")
            assert split[f"images/i{i:03d}.png"] == role
    assert by_id(planned(data).records) == by_id(planned(data, "split.folds=4", "split.fold=0").records)
    (refused,) = look(data, overrides=["split.folds=5"])[2].problems
    assert "split.folds=4" in str(refused.values["reason"])
    assert "data.split=none" in str(refused.values["reason"])


def test_what_is_said_of_the_split_stands_in_the_terminal_the_training_and_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = table(tmp_path / "d", "Mouse ID", [f"M{i // 3}" for i in range(36)])
    main(["check", str(data), "-o", str(tmp_path / "check.html")])
    told = capsys.readouterr().out
    lines = [line for line in told.splitlines() if line.startswith("  ")]
    assert [line.split(" – ")[0].strip() for line in lines[:3]] == ["training", "validation", "test"]
    outlook = look(data)[2]
    testing = [r for r in outlook.records if r.split == "test"]
    a, groups = [r for r in testing if r.names == ("a",)], len({r.group for r in testing})
    said = f"Images: {len(testing)}, Share: {len(testing) / 36:.0%}".replace("%", " %")
    assert f"{said}, Groups: {groups}, a: {len(a)} ({len({r.group for r in a})})" in lines[2].replace("\u202f", " ")
    assert f"The smallest class is a: 18 images, {len(a)} of them in the test set" in told
    assert "The column Mouse ID is the group: 12 groups in 36 images" in told
    page = (tmp_path / "check.html").read_text()
    assert 'id="outlook"' in page
    assert "The column Mouse ID is the group" in page
    plan = planned(data)
    assert any("The column Mouse ID is the group" in line for line in describe(plan))
    run = RunFolder.create(tmp_path, "run")
    save_plan(run, plan)
    saved = json.loads(run.audit.read_text())
    assert "groups.taken_column" in json.dumps(saved)
    again = open_plan(run)
    assert [r.group for r in again.records] == [r.group for r in plan.records]


def test_why_there_can_be_no_split_is_said_and_stops_no_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = table(tmp_path / "d", "patient", [f"P{i % 2}" for i in range(12)])
    main(["check", str(data)])
    told = capsys.readouterr().out
    assert "no split can be made: 2 group(s) cannot fill 3 splits" in told
    assert "The split that" not in told


def test_patients_that_the_given_split_tears_are_named(tmp_path: Path) -> None:
    data = table(tmp_path / "d", "patient", [f"P{i // 3}" for i in range(36)])
    rows = (data / "labels.csv").read_text().splitlines()
    splits = ["split", *(("train", "val", "test")[i % 3] for i in range(36))]
    (data / "labels.csv").write_text("".join(f"{row},{split}\n" for row, split in zip(rows, splits, strict=True)))
    _, audit, outlook = look(data)
    assert {p.code for p in audit.errors} == {"audit.group_in_splits"}
    assert len(outlook.problems) == 12
    assert not look(data, overrides=["data.split=none"])[1].errors


def rare(tests: int, *, grouped: bool) -> list[Record]:
    """Class b has ``tests`` test images; where there are groups, they are of one."""
    splits = ["train"] * 6 + ["validation"] * 3 + ["test"] * 6
    return [
        Record(
            str(i),
            Source(Path(str(i))),
            ClassNames(("b" if i < 3 or 9 <= i < 9 + tests else "a",)),
            group=("one" if 9 <= i < 9 + tests else f"g{i}") if grouped else None,
            split=split,
        )
        for i, split in enumerate(splits)
    ]


@pytest.mark.parametrize(
    ("tests", "grouped", "codes"),
    [
        (0, False, ["plan.absent_test"]),
        (1, False, ["plan.absent_but_one_image"]),
        (2, False, []),
        (0, True, ["plan.absent_test"]),
        (3, True, ["plan.absent_but_one_group"]),
    ],
)
def test_a_class_that_next_to_nothing_judges(tests: int, grouped: bool, codes: list[str]) -> None:
    records = rare(tests, grouped=grouped)
    classes = {r.id: set(r.names) for r in records}
    found = judged_by_few(records, classes, recipes.validate({}))
    assert [(p.code, p.values["classes"]) for p in found] == [(code, "b") for code in codes]
    assert judged_by_few(records, classes, recipes.validate({"split": {"folds": 5}})) == []


def test_it_is_said_of_a_training_too(tmp_path: Path) -> None:
    data = table(tmp_path / "d", "split", ["train"] * 8 + ["val"] * 4 + ["test"] * 4, "a")
    rows = (data / "labels.csv").read_text().replace("i002.png,a", "i002.png,b").replace("i013.png,a", "i013.png,b")
    (data / "labels.csv").write_text(rows)
    assert [p.values for p in planned(data).problems if p.code == "plan.absent_but_one_image"] == [{"classes": "b"}]
    assert [p.code for p in look(data)[2].problems] == ["plan.absent_but_one_image"]


FEW = ("filters=[4,8]", "patch=32", "samples=4", "epochs=1", "precision=32", "threads=1", "workers=0")


@pytest.fixture(scope="module")
def nuclei(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_demo("nuclei", tmp_path_factory.mktemp("data") / "nuclei", seed=1, count=12, size=64)


def test_without_a_test_set_validation_is_scored_and_everybody_says_so(nuclei: Path, tmp_path: Path) -> None:
    quiet = Quiet()
    pairs = (*FEW, "split.test=0", "evaluate.resamples=100")
    run = verbs.train(nuclei, overrides=pairs, runs=tmp_path, name="none", progress=quiet)
    said = [line for line in quiet.lines if "no test set" in line]
    assert len(said) == 2, "before the training and beside the scores"
    assert all("lamelle evaluate RUN FOLDER" in line for line in said)
    names = {row["id"]: row["split"] for row in run.folder.read_table(run.folder.split)}
    assert set(names.values()) == {"train", "validation"}
    assert (run.scores.split, run.scores.n) == ("validation", list(names.values()).count("validation"))
    assert "There is no test set" in run.folder.report.read_text(encoding="utf-8")
    again = run.evaluate().scores
    assert [note.code for note in again.notes].count("evaluate.no_test") == 1
    with pytest.raises(RequestError, match="no test set"):
        verbs.compare_runs([run.path, run.path])
    (listed,) = verbs.list_runs(tmp_path)
    assert (listed.state, listed.split) == ("done", "validation")


@pytest.mark.parametrize(
    ("pair", "said"),
    [("split.validation=0", r"such as split\.validation=0\.1"), ("split.train=0", r"such as split\.train=0\.65")],
)
def test_what_cannot_do_without_is_refused_before_work(pair: str, said: str, nuclei: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=said):
        verbs.train(nuclei, overrides=(*FEW, pair), runs=tmp_path / "runs", progress=Quiet())
    assert not (tmp_path / "runs").exists()
    *_, outlook = look(nuclei, overrides=[pair])
    assert not outlook.records
    assert any(p.code == "plan.no_split" for p in outlook.problems)


def test_comparisons_need_a_test_set(nuclei: Path, tmp_path: Path) -> None:
    for work in (
        lambda: verbs.compare(nuclei, overrides=[*FEW, "split.test=0", "lr=0.1,0.2"], runs=tmp_path, progress=Quiet()),
        lambda: verbs.tune(
            nuclei, overrides=["split.test=0", "lr=0.1,0.2"], retrain=1, runs=tmp_path, progress=Quiet()
        ),
    ):
        with pytest.raises(RequestError, match=r"split\.test=0.*judges on the test set"):
            work()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "pairs", "made"),
    [
        (("train", "validation"), (), ("test",)),
        (("train", "validation"), ("split.test=0",), ()),
        (("train", "test"), (), ("validation",)),
        (("train", "validation", "test"), (), ()),
    ],
)
def test_a_part_that_the_folders_lack_is_made_of_the_training_images(
    given: tuple[str, ...], pairs: tuple[str, ...], made: tuple[str, ...]
) -> None:
    names = [given[i % len(given)] if i >= 20 else "train" for i in range(40)]
    records = [Record(f"{i}", Source(Path(f"{i}")), ClassNames(("x",)), split=name) for i, name in enumerate(names)]
    asked = recipes.validate(layers.parse_overrides(pairs) | {"task": {"name": "classify"}})
    splitting.check_parts(records, asked)
    placed, by = splitting.place(records, asked)
    assert by == "given"
    assert all(
        r.split in (name, *made) if name == "train" else r.split == name for r, name in zip(placed, names, strict=True)
    )
    assert {r.split for r in placed} == {*given, *made}
    said = [p.code for p in splitting.parts_made(records, placed, by, asked)]
    assert said == [f"plan.{name}_from_train" for name in made] + (["plan.no_test"] if pairs else [])


def test_folders_of_training_alone_are_asked_about() -> None:
    records = [Record(f"{i}", Source(Path(f"{i}")), ClassNames(("x",)), split="train") for i in range(9)]
    with pytest.raises(RequestError, match=r"train and test or validation are needed.*data\.split=none"):
        splitting.place(records, recipes.validate({"task": {"name": "classify"}}))

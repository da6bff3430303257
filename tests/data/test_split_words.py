"""Columns and folders that say the split in words of studies and competitions are used, or named with what to do."""

import shlex
from pathlib import Path

import pytest

from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.layouts.split_words import splits_of
from lamelle.data.split_columns import SplitColumns, split_columns
from lamelle.errors import sentence
from lamelle.runs import layers
from lamelle.types import Index, Problem

SPLITS = [
    ("derivation validation external", "train validation test"),
    ("Training PublicTest PrivateTest", "train validation test"),
    ("Train PublicTest", "train test"),
    ("development internal_validation external_validation", "train validation test"),
    ("Development-Cohort Validation-Cohort", "train validation"),
    ("train development test", "train validation test"),
    ("discovery replication", "train test"),
    ("train eval test", "train validation test"),
    ("train evaluation", "train test"),
    ("training held-out", "train test"),
    ("données_entrainement données_validation données_test", "train validation test"),
    ("jeu_d'entraînement jeu_de_test", "train test"),
    ("cohorte_de_développement cohorte_de_validation_externe", "train test"),
    ("Trainingskohorte Validierungskohorte Testkohorte", "train validation test"),
    ("Entwicklung externe_Validierung", "train test"),
    ("datos_de_entrenamiento datos_de_prueba", "train test"),
    ("lernen validieren prüfen", "train validation test"),
    ("learning tuning assessment", "train validation test"),
    ("training selection test", "train validation test"),
    ("leren validatie toetsen", "train validation test"),
    ("allenamento validazione verifica", "train validation test"),
    ("trening walidacja testowe", "train validation test"),
    ("trénovací validační testovací", "train validation test"),
    ("træning validering test", "train validation test"),
    ("обучающая валидационная тестовая", "train validation test"),
    ("训练集 验证集 测试集", "train validation test"),
    ("学習 検証 評価", "train validation test"),
    ("학습 검증 시험", "train validation test"),
    ("internal_train internal_test external_test", "train test test"),
]
OTHERS = [
    "A B C",
    "control treated",
    "internal external",
    "discovery other",
    "external replication",
    "benign malignant",
]


@pytest.mark.parametrize(("names", "splits"), SPLITS)
def test_names_decide_together(names: str, splits: str) -> None:
    assert splits_of(names.split(), external=True) == dict(zip(names.split(), splits.split(), strict=True))


@pytest.mark.parametrize("names", OTHERS)
def test_other_names_say_nothing(names: str) -> None:
    assert splits_of(names.split(), external=True) == {}


def column(name: str, cells: dict[str, int], *, named: bool = False) -> SplitColumns:
    listed = [cell for cell, n in cells.items() for _ in range(n)]
    return split_columns({name: listed, "age": ["40"] * len(listed)}, named=name if named else None)


@pytest.mark.parametrize(("names", "splits"), SPLITS)
@pytest.mark.parametrize("called", ["cohort", "Usage", "phase", "whatever"])
def test_a_column_of_such_words_is_taken_and_its_words_are_said(names: str, splits: str, called: str) -> None:
    found = column(called, dict.fromkeys(names.split(), 5))
    assert (found.split, found.fold) == (called, None)
    assert [found.splits[name] for name in names.split()] == splits.split()
    (problem,) = found.problems
    assert problem.code == "layouts.split_taken"
    assert f"train: {names.split()[0]}" in sentence(problem)


@pytest.mark.parametrize("called", ["teil", "cohort", "site"])
def test_words_among_others_are_named_and_the_key_takes_them(called: str) -> None:
    cells = {"train Lyon": 9, "val Lyon": 3, "test Brest": 3}
    found = column(called, cells)
    (problem,) = found.problems
    assert (found.split, problem.code) == (None, "layouts.split_maybe")
    (pasted,) = shlex.split(str(problem.values["key"]))
    assert layers.parse_overrides([pasted])["data"]["split"] == called
    again = column(called, cells, named=True)
    assert list(again.splits.values()) == ["train", "validation", "test"]


@pytest.mark.parametrize(
    ("called", "cells", "splits"),
    [
        ("Kollektiv", {"trainset_2": 9, "validset_2": 3, "testset_2": 3}, "train validation test"),
        ("wie", {"Trainierte": 9, "Getestete Tester": 3}, "train test"),
        ("bekannt", {"seen": 9, "selection": 3, "unseen": 3}, "train validation test"),
        ("arm", {"rétrospectif": 9, "prospectif": 5}, "train test"),
        ("Zentrum site", {"interne": 9, "externe": 5}, "train test"),
    ],
)
def test_what_begins_like_a_split_is_named_with_a_key_that_takes_it(
    called: str, cells: dict[str, int], splits: str
) -> None:
    found = column(called, cells)
    assert (found.split, [p.code for p in found.problems]) == (None, ["layouts.split_maybe"])
    assert [column(called, cells, named=True).splits[c] for c in cells] == splits.split()


@pytest.mark.parametrize(
    ("called", "cells", "code"),
    [
        ("test arm", {"P": 9, "Q": 5}, "layouts.split_unused"),
        ("trainset", {"alpha": 9, "beta": 5}, "layouts.split_unused"),
        ("lot", {"trainset": 9, "tests": 3, "rest": 2}, "layouts.split_unused"),
        ("test", {"": 9, "x": 3}, "layouts.split_flag"),
        ("toets", {"nee": 9, "ja": 3}, "layouts.split_flag"),
        ("belongs to training", {"N": 9, "Y": 3}, "layouts.split_flag"),
        ("validatie", {"-": 9, "ja": 3}, "layouts.split_flag"),
        ("rapid test", {"Negativ": 9, "positiv": 3}, ""),
        ("test score", {"low": 9, "high": 3}, ""),
        ("test", {"7": 9, "12": 3}, ""),
        ("artery", {"internal": 9, "external": 5}, ""),
        ("training", {"yes": 9, "no": 5, "": 4}, ""),
    ],
)
def test_a_name_or_a_cell_with_a_word_of_a_split_is_named_and_other_things_are_not(
    called: str, cells: dict[str, int], code: str
) -> None:
    found = column(called, cells)
    assert (found.split, [p.code for p in found.problems]) == (None, [code] if code else [])


@pytest.mark.parametrize(
    ("called", "cells", "splits"),
    [
        ("is_test", {"x": 3, "": 9}, "test train"),
        ("used for learning", {"oui": 9, "non": 3}, "train test"),
        ("included_in_training", {"Y": 9, "N": 3}, "train test"),
    ],
)
def test_answers_to_a_sure_question_are_taken(called: str, cells: dict[str, int], splits: str) -> None:
    found = column(called, cells)
    assert (found.split, [found.splits[c] for c in cells]) == (called, splits.split())


@pytest.mark.parametrize("called", ["Partition", "split"])
@pytest.mark.parametrize("first", [0, 1])
def test_numbers_are_folds_only_where_they_part_evenly(called: str, first: int) -> None:
    uneven = {str(first): 80, str(first + 1): 10, str(first + 2): 10}
    (problem,) = column(called, uneven).problems
    assert (problem.code, problem.values["values"]) == (
        "layouts.split_numbers",
        f"{first}: 80, {first + 1}: 10, {first + 2}: 10",
    )
    assert column(called, uneven).folds == {}
    assert sorted(column(called, uneven, named=True).folds.values()) == [0, 1, 2]
    even = column(called, {str(first): 34, str(first + 1): 33, str(first + 2): 27})
    assert (even.fold, [p.code for p in even.problems]) == (called, ["layouts.fold_taken"])
    assert column("fold", uneven).fold == "fold"


def read(folder: Path, paths: list[str], **options: str) -> Index:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"")
    return read_folder(folder, options=LayoutOptions(**options))


def said(index: Index) -> list[Problem]:
    return [p for p in index.problems if "split" in p.code]


LEVELS = [
    ("{s}/{c}/{i}.png", None),
    ("{s}/{c}/{i}.png", 2),
    ("{h}/{s}/{c}/{i}.png", 3),
    ("{c}/{h}/{s}/{i}.png", 1),
    ("{h}/{c}/{s}/{i}.png", 2),
]


@pytest.mark.parametrize("names", ["train val test", "development internal_validation external_validation"])
@pytest.mark.parametrize(("pattern", "label"), LEVELS)
def test_a_level_of_splits_counts_wherever_it_stands(
    tmp_path: Path, names: str, pattern: str, label: int | None
) -> None:
    places = [(h, s, c) for h in ("lyon", "brest") for s in names.split() for c in ("ill", "well")]
    paths = [pattern.format(h=h, s=s, c=c, i=f"{h}{i}") for h, s, c in places for i in range(2)]
    index = read(tmp_path, paths, **({"label": f"folder:{label}"} if label else {}))
    expected = dict(zip(names.split(), ("train", "validation", "test"), strict=True))
    assert index.classes == ("ill", "well")
    assert {(s, r.split) for r in index.records for s in names.split() if s in r.id.split("/")} == set(expected.items())
    assert [p.code for p in said(index)] == ([] if pattern.startswith("{s}") else ["layouts.split_level"])
    left = read_folder(tmp_path, options=LayoutOptions(label=f"folder:{label}" if label else None, split="none"))
    assert ({r.split for r in left.records}, said(left)) == ({None}, [])


@pytest.mark.parametrize(
    ("names", "because"), [("train val other", "other"), ("train1 train2 test1", "test1, train1, train2")]
)
def test_a_level_of_splits_and_others_is_named(tmp_path: Path, names: str, because: str) -> None:
    paths = [f"{h}/{s}/{c}/{h}{i}.png" for h in "AB" for s in names.split() for c in ("ill", "well") for i in range(2)]
    index = read(tmp_path, paths, label="folder:3")
    (problem,) = said(index)
    assert (problem.code, problem.severity, problem.values["names"]) == (
        "layouts.split_level_unused",
        "warning",
        because,
    )
    assert {r.split for r in index.records} == {None}


def test_splits_of_masks_lie_at_any_level(tmp_path: Path) -> None:
    names = ("discovery", "replication")
    paths = [f"{h}/{s}/{k}/{h}{i}.png" for h in "AB" for s in names for k in ("images", "masks") for i in range(2)]
    index = read(tmp_path, paths)
    assert {(r.id.split("/")[1], r.split) for r in index.records} == {("discovery", "train"), ("replication", "test")}


def test_a_class_is_no_split(tmp_path: Path) -> None:
    index = read(tmp_path, [f"{c}/{i}.png" for c in ("development", "regression") for i in range(3)])
    assert (index.classes, {r.split for r in index.records}) == (("development", "regression"), {None})

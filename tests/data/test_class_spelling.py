"""Two spellings of one class are read as one where that is sure, and asked about where it is not."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lamelle.data.class_spelling import settle
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.store import Store
from lamelle.errors import setting
from lamelle.runs import layers, plan, recipe
from lamelle.types import Index


def settled(*names: str, rare: int = 30) -> tuple[int, list[str]]:
    """How many classes remain of these names, and what is said."""
    found = settle(dict.fromkeys(names[:-1], 30) | {names[-1]: rare}, mapping={}, listed=())
    return len(set(found.names.values())), [p.code.removeprefix("layouts.spellings_") for p in found.problems]


@pytest.mark.parametrize(
    "names",
    [
        ("benign", "Benign"),
        ("benign", "BENIGN", "Benign "),
        ("1", "01"),
        ("1", "1.0", "001"),
        ("0", "0.0"),
        ("grade 1", "Grade_01"),
        ("T-cell", "T cell"),
        ("non-tumor", "nontumor"),
        ("bénin", "benin"),
        ("bénin", "be\u0301nin"),
        ("tumor", "tu\u200bmor"),
        ("left lung", "left\u00a0lung"),
        ("benign", '"benign"', "benign."),
    ],
)
def test_what_differs_in_spelling_only_is_one_class(names: tuple[str, ...]) -> None:
    assert settled(*names) == (1, ["one"])


@pytest.mark.parametrize(
    "names",
    [
        ("AA", "Aa", "aa"),
        ("AaBb", "aabb"),
        ("T1", "t1"),
        ("tumour", "tumor"),
        ("oedema", "edema"),
        ("cell", "cells"),
    ],
)
def test_what_may_mean_another_class_is_asked_about(names: tuple[str, ...]) -> None:
    assert settled(*names) == (len(names), ["maybe"])


@pytest.mark.parametrize(
    ("usual", "slip"), [("malignant", "maligant"), ("melanoma", "melaonma"), ("mitosis", "mittosis")]
)
def test_a_rare_name_with_a_slip_is_asked_about_a_frequent_one_is_not(usual: str, slip: str) -> None:
    assert settled(usual, slip, rare=2) == (2, ["maybe"])
    assert settled(usual, slip, rare=20) == (2, [])


@pytest.mark.parametrize(
    "names",
    [
        ("ER+", "ER-"),
        ("-1", "0", "1"),
        ("1", "10", "100"),
        ("1-2", "12"),
        ("1.5", "15"),
        ("grade 1", "grade 10", "grade 2"),
        ("typical", "atypical"),
        ("osteoblast", "osteoclast"),
        ("macrocyte", "microcyte"),
        ("CD4", "CD8"),
        ("COVID", "COVID-19", "Normal", "TB"),
        ("I", "II", "III"),
        ("virus", "viral"),
    ],
)
def test_other_classes_are_left_alone(names: tuple[str, ...]) -> None:
    assert settled(*names, rare=1) == (len(names), [])


def test_the_most_frequent_spelling_stays_and_all_are_named_with_their_numbers() -> None:
    found = settle({"Benign": 3, "benign": 9, "malignant": 8}, mapping={}, listed=())
    assert found.names == {"benign": "benign", "Benign": "benign", "malignant": "malignant"}
    assert found.problems[0].values["spellings"] == '"benign" (9), "Benign" (3)'


def test_what_the_user_listed_stays_apart_and_other_spellings_follow_it() -> None:
    found = settle({"AA": 5, "Aa": 6, "BENIGN": 9}, mapping={}, listed=("AA", "Aa", "benign"))
    assert found.names == {"AA": "AA", "Aa": "Aa", "BENIGN": "benign"}
    assert [p.code for p in found.problems] == ["layouts.spellings_one"]


def test_what_is_advised_works_when_pasted(tmp_path: Path) -> None:
    counts = {"tumour": 3, "tumor": 9, "AA": 4, "Aa": 5, "01": 6, "1": 7}
    found = settle(counts, mapping={}, listed=())
    advice = {k: v for p in found.problems for k, v in p.values.items() if k in ("one", "apart")}
    for key, classes in (("one", 3), ("apart", 5)):
        (pair,) = shlex.split(str(advice[key]))
        said = recipe.validate(layers.parse_overrides([pair])).data.model_dump()
        again = settle(counts, mapping=recipe.renamed_classes(said), listed=recipe.listed_classes(said))
        assert len(set(again.names.values())) == classes
        assert not [p for p in again.problems if p.code == "layouts.spellings_maybe"]
    (pair,) = shlex.split(str(next(p for p in found.problems if p.code == "layouts.spellings_one").values["apart"]))
    said = recipe.validate(layers.parse_overrides([pair])).data.model_dump()
    assert settle(counts, mapping=recipe.renamed_classes(said), listed=()).names["01"] == "01"


def test_a_renamed_class_that_is_not_there_is_said() -> None:
    (problem,) = settle({"a": 4, "b": 4}, mapping={"Benin": "a"}, listed=()).problems
    assert (problem.code, problem.values["name"], problem.values["have"]) == (
        "layouts.class_not_found",
        "Benin",
        "a, b",
    )


def image(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (16, 16)).astype(np.uint8)).save(path)


def folder(root: Path, kind: str) -> Index:
    """20 images of benign, Benign and malignant, in class folders or in a table; every fifth bears two labels there."""
    lines = ["image,label"]
    for i in range(20):
        name = ("benign", "malignant", "Benign")[i % 3]
        image(root / (f"{name}/{i}.png" if kind == "folders" else f"{i}.png"), i)
        lines.append(f"{i}.png,{name}|BENIGN" if i % 5 == 0 and name != "malignant" else f"{i}.png,{name}")
    if kind == "table":
        (root / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_folder(root, options=LayoutOptions())


@pytest.mark.parametrize("kind", ["folders", "table"])
def test_folders_and_cells_are_read_as_one_class(kind: str, tmp_path: Path) -> None:
    index = folder(tmp_path, kind)
    assert index.classes == ("benign", "malignant")
    assert {r.names for r in index.records} == {("benign",), ("malignant",)}
    assert {r.stratum for r in index.records} == {"benign", "malignant"}
    assert [p.code for p in index.problems] == ["layouts.spellings_one"]


def test_a_spelling_of_one_image_is_no_class_with_one_sample(tmp_path: Path) -> None:
    for i in range(8):
        image(tmp_path / ("TB" if i % 2 else "Normal") / f"{i}.png", i)
    image(tmp_path / "NORMAL" / "x.png", 99)
    index = read_folder(tmp_path, options=LayoutOptions())
    assert [p.code for p in index.problems] == ["layouts.spellings_one"]


def test_one_image_listed_twice_in_two_spellings_is_no_conflict_but_alleles_are(tmp_path: Path) -> None:
    for i in range(6):
        image(tmp_path / f"{i}.png", i)
    rows = [f"{i}.png,{('benign', 'AA', 'Aa')[i % 3]}" for i in range(6)]
    (tmp_path / "labels.csv").write_text("\n".join(["image,label", *rows, "0.png,Benign", "1.png,Aa"]) + "\n")
    index = read_folder(tmp_path, options=LayoutOptions())
    said = {p.where: p.code for p in index.problems}
    assert said["labels.csv:8"] == "layouts.same_row"
    assert said["labels.csv:9"] == "layouts.conflict"


def test_classes_are_read_as_others_where_the_user_says_so(tmp_path: Path) -> None:
    folder(tmp_path / "data", "folders")
    asked = layers.parse_overrides(["data.classes={malignant: tumour, benign: none}"])
    assert plan.read_data(tmp_path / "data", asked).classes == ("none", "tumour")
    made = plan.make_plan(tmp_path / "data", asked, Store(tmp_path / "store", budget=1 << 28), accelerator=False)
    assert made.task.classes == ("none", "tumour")


def test_names_of_label_values_are_renamed_and_two_of_one_name_are_one_class() -> None:
    from lamelle.data.targets.values import infer_values

    rule = infer_values({0: 9, 1: 5, 2: 4}, declared=None, names=("rest", "cell", "cell"), ignore=(), instances=False)
    assert (rule.classes, rule.mapping) == (("rest", "cell"), {0: 0, 1: 1, 2: 1})


def test_a_pair_can_be_pasted_whatever_the_names(tmp_path: Path) -> None:
    names = {"01": "1", "yes": "no", "l'œil": "a: b", "T cell": "x#y", "ER+": "-1", '"q"': "ünï", "null": "~"}
    (pair,) = shlex.split(setting("data.classes", names))
    assert recipe.renamed_classes(recipe.validate(layers.parse_overrides([pair])).data.model_dump()) == names

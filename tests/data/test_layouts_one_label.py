"""A column of labels that says one thing, and what is offered as the label instead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.errors import RequestError, sentence
from lamelle.types import Index


def _read(root: Path, header: str, word: str) -> Index:
    (root / "images").mkdir(exist_ok=True)
    rows = [f"{i}.png,{word},{4000 + i // 4},{'abc'[i // 2 % 3]}" for i in range(36)]
    for i in range(36):
        Image.fromarray(np.full((6, 8), i, np.uint8)).save(root / "images" / f"{i}.png")
    (root / "labels.csv").write_text("\n".join([header, *rows]) + "\n")
    return read_folder(root, options=LayoutOptions())


@pytest.mark.parametrize("word", ["label", "Diagnosis", "finding"])
def test_a_label_column_of_one_value_is_said_to_be_so(tmp_path: Path, word: str) -> None:
    index = _read(tmp_path, f"image,{word},patient,stain", "tumour")
    (error,) = [p for p in index.problems if p.severity == "error"]
    assert (error.code, error.where) == ("layouts.one_label", "labels.csv")
    assert error.values == {"column": word, "value": "tumour", "count": 36}
    assert "data.label" not in sentence(error)


def test_nor_is_another_column_offered_where_its_word_is_less_sure(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"the column outcome of labels\.csv says tumour in every row") as caught:
        _read(tmp_path, "image,outcome,ID,stain", "tumour")
    assert "data.label=" not in str(caught.value.values["missing"])


def test_ids_are_not_offered_as_classes(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        _read(tmp_path, "image,remark,ID,stain", "fresh")
    assert str(caught.value.values["missing"]).endswith("name it with data.label=stain")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("sample_submission.csv", "layouts.form_left_out"),
        ("SampleSubmission.csv", "layouts.form_left_out"),
        ("test.csv", "layouts.one_label_of_table"),
    ],
)
def test_a_form_for_answers_holds_no_labels(tmp_path: Path, name: str, code: str) -> None:
    for i in range(24):
        folder = tmp_path / ("train" if i < 18 else "test")
        folder.mkdir(exist_ok=True)
        Image.fromarray(np.full((6, 8), i, np.uint8)).save(folder / f"s{i}.png")
    (tmp_path / "train.csv").write_text("\n".join(["id,target", *(f"s{i},{i % 2}" for i in range(18))]))
    (tmp_path / name).write_text("\n".join(["id,target", *(f"s{i},0" for i in range(18, 24))]))
    index = read_folder(tmp_path, options=LayoutOptions())
    (said,) = [p for p in index.problems if p.code == code]
    assert (said.where, said.values["count"]) == (name, 6)
    assert len(index.records) == (24 if name == "test.csv" else 18)
    (tmp_path / "train.csv").unlink()
    assert not [p for p in read_folder(tmp_path, options=LayoutOptions()).problems if p.code == code]

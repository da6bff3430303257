"""Tables: dialects, encodings, and what each column is taken for."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamelle.data.one_hot import one_column
from lamelle.data.tables import choose_columns, is_blank, labels_of, read_table
from lamelle.errors import FileError, RequestError, sentence

FREE = {"image": None, "label": None, "group": None, "split": None}


def _table(folder: Path, content: bytes | str):
    path = folder / "labels.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path)


@pytest.mark.parametrize(
    "content", [b"image,label\r\na.png,x\r\n", b"\xef\xbb\xbfimage,label\na.png,x", "image\tlabel\na.png\tx\n"]
)
def test_the_same_table_in_every_dialect(tmp_path: Path, content: bytes | str) -> None:
    table = _table(tmp_path, content)
    assert table.columns == ("image", "label")
    assert [dict(r.cells) for r in table.rows] == [{"image": "a.png", "label": "x"}]


@pytest.mark.parametrize(("delimiter", "said"), [(";", ";"), ("\t", "\\t")])
def test_another_delimiter_is_echoed(tmp_path: Path, delimiter: str, said: str) -> None:
    table = _table(tmp_path, f"image{delimiter}label\na.png{delimiter}1,5\n")
    assert table.rows[0].cells["label"] == "1,5"
    assert [(p.code, p.severity, p.values["delimiter"]) for p in table.problems] == [("layouts.dialect", "note", said)]


def test_quoted_cells_and_line_numbers(tmp_path: Path) -> None:
    table = _table(tmp_path, 'image,label,remark\n"a,1.png",x,"two\nlines"\n\nb.png,y,\n')
    assert [(r.line, r.cells["image"]) for r in table.rows] == [(3, "a,1.png"), (5, "b.png")]


@pytest.mark.parametrize(("encoding", "said"), [("cp1252", "Windows-1252"), ("utf-16", "UTF-16"), ("utf-8-sig", None)])
def test_tables_as_spreadsheets_save_them(tmp_path: Path, encoding: str, said: str | None) -> None:
    table = _table(tmp_path, "Fichier;Étiquette\nœil.png;gelé\n".encode(encoding))
    assert dict(table.rows[0].cells) == {"Fichier": "œil.png", "Étiquette": "gelé"}
    assert [p.values.get("encoding") for p in table.problems if p.code == "layouts.encoding"] == (
        [said] if said else []
    )


def test_bytes_that_are_no_text_name_their_line(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"labels\.csv: line 3 is not UTF-8 \(byte 0x81\)"):
        _table(tmp_path, b"image,label\na.png,x\nb.png,\x81\n")


@pytest.mark.parametrize(
    ("content", "code"),
    [("", "empty_table"), ("image,image\n", "twice_in_header"), ('image,label\na.png,"x\n', "not_a_table")],
)
def test_what_is_no_table(tmp_path: Path, content: str, code: str) -> None:
    with pytest.raises(FileError) as caught:
        _table(tmp_path, content)
    assert caught.value.code == f"layouts.{code}"
    assert "labels.csv" in str(caught.value)


def test_rows_with_other_numbers_of_cells_are_errors(tmp_path: Path) -> None:
    table = _table(tmp_path, "image,label\na.png\nb.png,x\nc.png,x,y\n")
    assert [r.cells["image"] for r in table.rows] == ["b.png"]
    assert [(p.where, p.severity) for p in table.problems] == [("labels.csv:2", "error"), ("labels.csv:4", "error")]
    assert "1 cells, but there are 2 columns" in sentence(table.problems[0])


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("image,label", ("image", "label")),
        ("File Name,Class,Patient ID", ("File Name", "Class")),
        ("label,path,animal", ("path", "label")),
        ("a,b", (None, None)),
    ],
)
def test_columns_by_their_usual_names(tmp_path: Path, header: str, expected: tuple[str | None, ...]) -> None:
    columns = choose_columns(_table(tmp_path, f"{header}\n"), **FREE)
    assert (columns.image, columns.label) == expected


def test_the_image_column_by_what_is_in_it(tmp_path: Path) -> None:
    assert choose_columns(_table(tmp_path, "tile,label\na.png,x\n"), **FREE).image == "tile"


SPLIT_CELLS = [
    ("split", "train val test train"),
    ("Split", "TRAIN VAL TEST TRAIN"),
    ("subset", "Training validation testing training"),
    ("Partition", "entraînement validation test Entraînement"),
    ("set", "train dev test train"),
    ("jeu de données", "Apprentissage Validation Test apprentissage"),
    ("fold", "train valid hold-out train"),
    ("Aufteilung", "Training Validierung Test Training"),
    ("remark", "Trainingsdaten Testdaten Trainingsdaten Testdaten"),
]


@pytest.mark.parametrize(("column", "cells"), SPLIT_CELLS)
def test_a_column_of_splits_is_taken_and_said(tmp_path: Path, column: str, cells: str) -> None:
    rows = "".join(f"{i}.png,x,{cell}\n" for i, cell in enumerate(cells.split()))
    columns = choose_columns(_table(tmp_path, f"image,label,{column}\n{rows}"), **FREE)
    assert (columns.split, columns.fold) == (column, None)
    assert [(p.code, p.values["column"]) for p in columns.problems] == [("layouts.split_taken", column)]


FOLD_CELLS = [
    ("fold", "0 1 2 3 4 0", 5),
    ("Fold", "1 2 3 1 2 3", 3),
    ("kfold", "fold0 fold1 fold2 fold2", 3),
    ("split", "0 1 2 0", 3),
    ("cv_fold", "0.0 1.0 2.0 2.0", 3),
    ("pli", "Pli 1|Pli 2|Pli 3|Pli 1", 3),
]


@pytest.mark.parametrize(("column", "cells", "n"), FOLD_CELLS)
def test_a_column_of_folds_is_taken_and_said(tmp_path: Path, column: str, cells: str, n: int) -> None:
    listed = cells.split("|") if "|" in cells else cells.split()
    rows = "".join(f"{i}.png,x,{cell}\n" for i, cell in enumerate(listed))
    columns = choose_columns(_table(tmp_path, f"image,label,{column}\n{rows}"), **FREE)
    assert (columns.split, columns.fold) == (None, column)
    assert sorted(set(columns.folds.values())) == list(range(n))
    (problem,) = columns.problems
    assert (problem.code, problem.values["n"]) == ("layouts.fold_taken", n)


@pytest.mark.parametrize(
    ("column", "cells"),
    [("fold", "a b c a"), ("subset", "A B A B"), ("set", "1 2 3 1"), ("fold", "3 7 9 3"), ("fold", "0 1 0 1")],
)
def test_a_column_that_is_called_so_is_never_passed_over(tmp_path: Path, column: str, cells: str) -> None:
    rows = "".join(f"{i}.png,x,{cell}\n" for i, cell in enumerate(cells.split()))
    columns = choose_columns(_table(tmp_path, f"image,label,{column}\n{rows}"), **FREE)
    assert (columns.split, columns.fold) == (None, None)
    assert [(p.code, p.values["column"]) for p in columns.problems] == [("layouts.split_unused", column)]


FLAGS = [
    ("is_test", "0 1 0 1", "train test train test"),
    ("in_training_set", "True False True True", "train test train train"),
    ("est_validation", "non oui non non", "train validation train train"),
    ("Metadata_Is_Test", "1.0 0.0 0.0 1.0", "test train train test"),
]


@pytest.mark.parametrize(("column", "cells", "splits"), FLAGS)
@pytest.mark.parametrize("named", [True, False])
def test_a_column_of_one_split_by_yes_and_no_is_taken_and_said(
    tmp_path: Path, column: str, cells: str, splits: str, named: bool
) -> None:
    rows = "".join(f"{i}.png,x,{cell}\n" for i, cell in enumerate(cells.split()))
    table = _table(tmp_path, f"image,label,{column}\n{rows}")
    columns = choose_columns(table, **{**FREE, "split": column if named else None})
    assert [columns.splits[r.cells[columns.split or ""]] for r in table.rows] == splits.split()
    assert [p.code for p in columns.problems] == ([] if named else ["layouts.split_taken"])


@pytest.mark.parametrize(
    ("header", "row", "code"),
    [
        ("test", "{0}", "split_flag"),  # of something in the blood?
        ("is_train,is_val,is_test", "{0},{1},{1}", "split_flags"),
        ("split,is_test", "train,{0}", "split_flags"),
    ],
)
def test_columns_of_yes_and_no_that_may_be_of_splits_are_named(
    tmp_path: Path, header: str, row: str, code: str
) -> None:
    rows = "".join(f"{i}.png,x,{row.format(i % 2, 1 - i % 2)}\n" for i in range(4))
    columns = choose_columns(_table(tmp_path, f"image,label,{header}\n{rows}"), **FREE)
    assert columns.split == ("split" if "split," in header else None)
    said = columns.problems[-1]
    assert (said.code, said.severity) == (f"layouts.{code}", "note")
    if code == "split_flag":
        assert "data.split=test" in sentence(said)


def test_splits_by_yes_and_no_are_no_classes(tmp_path: Path) -> None:
    rows = "".join(f"{i}.png,{i % 2},{1 - i % 2},{'ab'[i // 2]}\n" for i in range(4))
    assert not one_column(_table(tmp_path, f"image,is_train,is_test,arm\n{rows}")).folded


@pytest.mark.parametrize(
    "column", ["dataset", "phase", "edema", "patient", "settings", "offset", "unfolded", "train_loss", "label2"]
)
def test_other_columns_say_nothing_of_the_split(tmp_path: Path, column: str) -> None:
    columns = choose_columns(_table(tmp_path, f"image,label,{column}\na.png,x,u\nb.png,y,v\nc.png,y,v\n"), **FREE)
    assert (columns.split, columns.fold, columns.problems) == (None, None, ())


def test_only_whole_slices_are_a_position(tmp_path: Path) -> None:
    assert choose_columns(_table(tmp_path, "image,label,z\na.png,x,4\n"), **FREE).position == "z"
    assert choose_columns(_table(tmp_path, "image,label,z\na.png,x,4.5\n"), **FREE).position is None


def test_a_named_column_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"data\.group=mouse: labels\.csv has no such column; it has: image, label"):
        choose_columns(_table(tmp_path, "image,label\n"), **{**FREE, "group": "mouse"})


def test_blank_cells_and_several_labels() -> None:
    assert [is_blank(c) for c in ("", " ", "NA", "nan", "N/A", "none", "0")] == [True] * 5 + [False] * 2
    assert labels_of("a | b|a") == ("a", "b")
    assert labels_of("a;b") == ("a", "b")
    assert labels_of("|") == ()


@pytest.mark.parametrize(
    ("option", "given", "column"),
    [
        ("label", "Diagnosis", "diagnosis"),
        ("label", "DIAGNOSIS ", "diagnosis"),
        ("group", "patient id", "Patient_ID"),
        ("group", "patientid", "Patient_ID"),
        ("image", "fichier", "Fichier"),
        ("image", "Fichier", "Fichier"),
    ],
)
def test_a_column_is_found_in_whatever_spelling_and_that_is_said(
    tmp_path: Path, option: str, given: str, column: str
) -> None:
    table = _table(tmp_path, "Fichier,diagnosis,Patient_ID\na.png,x,1\n")
    found = choose_columns(table, **(FREE | {option: given}))
    assert found.image == "Fichier"
    assert found.label == "diagnosis"
    said = [dict(p.values) for p in found.problems if p.code == "layouts.column_read_as"]
    assert said == ([] if given == column else [{"option": option, "given": given, "column": column}])


def test_two_columns_of_nearly_one_spelling_are_not_chosen_among(tmp_path: Path) -> None:
    table = _table(tmp_path, "image,label,Patient ID,patient_id\na.png,x,1,2\n")
    with pytest.raises(RequestError, match="Patient ID, patient_id"):
        choose_columns(table, **(FREE | {"group": "patientid"}))
    assert choose_columns(table, **(FREE | {"group": "patient_id"})).problems == ()


def test_a_second_column_of_labels_is_named(tmp_path: Path) -> None:
    rows = "".join(f"{i}.png,{'ab'[i % 2]},{'cd'[i % 2]}\n" for i in range(6))
    found = choose_columns(_table(tmp_path, f"image,Diagnosis,class\n{rows}"), **FREE)
    assert found.label == "class"
    assert [(p.code, p.values["key"]) for p in found.problems] == [("layouts.label_taken", "data.label=Diagnosis")]
    named = choose_columns(_table(tmp_path, f"image,Diagnosis,class\n{rows}"), **(FREE | {"label": "class"}))
    assert named.problems == ()


@pytest.mark.parametrize(
    ("content", "above"),
    [
        ("Study X, of 2024\nimage,label\na.png,x\nb.png,y\n", 0),  # two cells: no title
        ("Study X of 2024\n\nimage,label\na.png,x\nb.png,y\n", 2),
        ("Étude X;;\nimage;label\na.png;x\nb.png;y\n", 1),
        ("# by me, in 2024\nimage,label\na.png,x\n", 1),
        ("\n\nimage\tlabel\na.png\tx\nb.png\ty\n", 2),
        ("image\na.png\nb.png\n", 0),
    ],
)
def test_lines_above_the_header_are_passed_over_and_said(tmp_path: Path, content: str, above: int) -> None:
    table = _table(tmp_path, content)
    said = [p.values for p in table.problems if p.code == "layouts.title_skipped"]
    assert said == ([{"count": above, "header": above + 1}] if above else [])
    if above:
        assert table.columns == ("image", "label")
        assert (table.rows[0].line, dict(table.rows[0].cells)) == (above + 2, {"image": "a.png", "label": "x"})
    assert table.rows[-1].line == content.count("\n")


@pytest.mark.parametrize("row", ["a.png;x;;", "a.png;x", "a.png;x;", "'a.png';'x';;", "a.png;x;;;;"])
def test_empty_columns_and_quotes_of_spreadsheets_are_no_matter(tmp_path: Path, row: str) -> None:
    table = _table(tmp_path, f"image;label;;\n{row}\n")
    assert table.columns == ("image", "label")
    assert [dict(r.cells) for r in table.rows] == [{"image": "a.png", "label": "x"}]


def test_columns_without_a_name_that_hold_something_stay(tmp_path: Path) -> None:
    table = _table(tmp_path, ",image,label\n7,a.png,x\n8,b.png,\n")
    assert dict(table.rows[0].cells) == {"": "7", "image": "a.png", "label": "x"}
    with pytest.raises(FileError, match="twice"):
        _table(tmp_path, "image,label,,\na.png,x,1,2\n")
    broken = _table(tmp_path, "image,label\na.png,x,1\nb.png\nc.png,\n")
    assert [p.where for p in broken.problems] == ["labels.csv:2", "labels.csv:3"]
    assert dict(broken.rows[0].cells) == {"image": "c.png", "label": ""}


def test_a_table_without_a_header_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"no columns but an image already \(a\.png, x\)"):
        _table(tmp_path, "a.png,x\nb.png,y\n")


@pytest.mark.parametrize("column", ["coupe", "Slice_Number", "z-index", "Schicht"])
def test_a_column_of_slices_is_found_in_other_words(tmp_path: Path, column: str) -> None:
    table = _table(tmp_path, f"image,label,{column}\na.png,x,0\nb.png,y,1\n")
    assert choose_columns(table, **FREE).position == column
    words = _table(tmp_path, f"image,label,{column}\na.png,x,top\nb.png,y,1\n")
    assert choose_columns(words, **FREE).position is None

"""A table's rows find their files, also where the table comes from another machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.errors import RequestError
from lamelle.types import Index


def _put(root: Path, files: list[str], rows: list[str]) -> Index:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).save(root / name)
    lines = [f"{row},{'ab'[i % 2]}" for i, row in enumerate(rows)]
    (root / "labels.csv").write_text("\n".join(["image,label", *lines]), "utf-8")
    return read_folder(root, options=LayoutOptions())


@pytest.mark.parametrize(
    ("begin", "said"),
    [
        ("C:\\Users\\me\\data\\img\\", "C:/Users/me/data"),
        ("/home/anna/img/", "/home/anna"),
        ("//server/share/img/", "//server/share"),
        ("old/", "old"),
        ("img/", None),
        ("", None),
    ],
)
def test_paths_of_another_machine_are_found_and_that_is_said(tmp_path: Path, begin: str, said: str | None) -> None:
    index = _put(tmp_path, [f"img/{i}.png" for i in range(4)], [f"{begin}{i}.png" for i in range(4)])
    assert {r.id: r.names for r in index.records} == {f"img/{i}.png": ("ab"[i % 2],) for i in range(4)}
    found = [p.values for p in index.problems if p.code == "layouts.listed_elsewhere"]
    assert found == ([{"begin": said}] if said else [])


def test_paths_that_do_not_begin_alike_are_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="none of the 4 files"):
        _put(tmp_path, [f"{i}.png" for i in range(4)], [f"{'AB'[i % 2]}/{i}.png" for i in range(4)])


def test_capitals_make_no_difference_where_one_file_fits(tmp_path: Path) -> None:
    index = _put(tmp_path, ["img/a.png", "img/B.png", "img/c.png", "img/C.png"], ["A.PNG", "b.Png", "c.png", "C.png"])
    assert [r.id for r in index.records] == ["img/a.png", "img/B.png", "img/c.png", "img/C.png"]
    index = _put(tmp_path, [], ["A.PNG", "b.Png", "C.PNG", "C.png"])
    assert [p.values["file"] for p in index.problems if p.code == "layouts.listed_missing"] == ["C.PNG"]

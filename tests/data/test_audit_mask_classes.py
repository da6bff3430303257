"""Masks in folders of any name are not trained on as a class."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lamelle import plan, verbs
from lamelle.errors import RequestError, sentence
from lamelle.recipe import parse_overrides
from lamelle.types import Problem


def _folders(root: Path, images: str, masks: str, *, names: str = "{}.png", values: int = 2, suffix: str = "") -> Path:
    g = np.random.default_rng(0)
    for i in range(6):
        for folder, levels, end in ((images, 200, ""), (masks, values, suffix)):
            path = root / folder / f"{Path(names.format(i)).stem}{end}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((g.integers(0, levels, (24, 24)) * (255 // levels)).astype(np.uint8)).save(path)
    return root


def _found(root: Path, *pairs: str) -> list[Problem]:
    return [p for p in verbs.check(root, overrides=pairs).problems if p.code == "audit.masks_as_class"]


@pytest.mark.parametrize(("images", "masks"), [("a", "b"), ("Zellen 1", "fertig"), ("FITC", "QC ok")])
@pytest.mark.parametrize("values", [1, 2, 5])
def test_masks_of_unknown_words_stop_with_both_ways_out(tmp_path: Path, images: str, masks: str, values: int) -> None:
    root = _folders(tmp_path, images, masks, values=values)
    (said,) = _found(root)
    assert (said.severity, said.values["masks"]) == ("error", masks)
    keys = [str(said.values["images_key"]), str(said.values["masks_key"])]
    assert all(k in sentence(said) for k in keys)
    index = plan.look(root, parse_overrides(shlex.split(" ".join(keys))))
    assert (index.task, len(index.records)) == ("segment", 6)
    assert _found(root, "data.layout=class_folders") == []
    (root / masks).rename(root / str(said.values["name"]))
    assert plan.look(root, {}).task == "segment"


def test_an_unknown_folder_beside_images_is_named(tmp_path: Path) -> None:
    root = _folders(tmp_path, "raw data", "QC ok")
    with pytest.raises(RequestError, match=r"beside images/; if another folder holds them, say 'data\.masks=QC ok'"):
        plan.look(root, {})
    assert plan.look(root, parse_overrides(["data.masks=QC ok"])).task == "segment"


def test_masks_with_an_ending_in_a_folder_of_any_name_are_masks(tmp_path: Path) -> None:
    index = plan.look(_folders(tmp_path, "a", "b", suffix="_label"), {})
    assert (index.task, len(index.records)) == ("segment", 6)


def test_dark_images_and_other_names_are_a_class(tmp_path: Path) -> None:
    assert _found(_folders(tmp_path / "1", "a", "b", values=40)) == [], "many grey values"
    root = _folders(tmp_path / "2", "a", "b")
    for i, path in enumerate(sorted((root / "b").iterdir())):
        path.rename(root / "b" / f"other{i}.png")
    assert _found(root) == [], "no partners"

"""Masks among the images of a classifier are found wherever they lie and whatever they are called."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from lamelle import verbs
from lamelle.errors import RequestError
from lamelle.runs import plan
from lamelle.runs.layers import parse_overrides
from lamelle.tasks.table import task_of
from lamelle.types import Problem

Drawn = Callable[[np.ndarray], np.ndarray]
CASES = 10


def _white(inside: np.ndarray) -> np.ndarray:
    return np.where(inside, 255, 0).astype(np.uint8)


def _coloured(inside: np.ndarray) -> np.ndarray:
    return np.where(inside[..., None], (200, 30, 90), (0, 0, 60)).astype(np.uint8)


def _red_on_blue(inside: np.ndarray) -> np.ndarray:
    """Two colours that are equally light on average."""
    return np.stack([_white(inside), np.zeros_like(inside, np.uint8), _white(~inside)], -1)


def _labelled(inside: np.ndarray) -> np.ndarray:
    return ndimage.label(inside)[0].astype(np.uint8)


def _small(inside: np.ndarray) -> np.ndarray:
    return _white(inside)[::2, ::2]


def _pair(k: int, side: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """A field with light objects on grain, and where they are."""
    g = np.random.default_rng(40 + k)
    smooth = ndimage.gaussian_filter(g.normal(size=(side, side)), 4)
    inside = smooth > np.quantile(smooth, 0.8)
    return (60 + 70 * inside + g.normal(0, 15, inside.shape)).clip(0, 255).astype(np.uint8), inside


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _pairs(root: Path, image: str, mask: str, drawn: Drawn = _white) -> Path:
    """Images and masks of these names, in which ``{c}`` is the class and ``{k}`` a number."""
    for k in range(CASES):
        pixels, inside = _pair(k)
        _save(root / image.format(c="pq"[k % 2], k=k), pixels)
        _save(root / mask.format(c="pq"[k % 2], k=k), drawn(inside))
    return root


def _said(root: Path, *keys: str) -> list[Problem]:
    found = verbs.check(root, overrides=keys).problems
    return [p for p in found if p.code.startswith("audit.masks_")]


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("{c}/{k}_1.png", "{c}/{k}_2.png"),
        ("{c}/I{k}.png", "{c}/M{k}.png"),
        ("{c}/{k}.png", "{c}/{k}x.png"),
        ("{c}/img{k}a.png", "{c}/img{k}b.jpg"),
        ("{c}/cell {k} phase.png", "{c}/cell {k} ok.png"),
    ],
)
@pytest.mark.parametrize("drawn", [_white, _coloured])
def test_masks_in_the_folder_of_their_image_stop(tmp_path: Path, image: str, mask: str, drawn: Drawn) -> None:
    (said,) = _said(_pairs(tmp_path, image, mask, drawn))
    assert (said.code, said.severity, said.values["count"]) == ("audit.masks_among_images", "error", CASES)
    assert (said.where, said.values["of"]) == (mask.format(c="p", k=0), image.format(c="p", k=0))
    keys = shlex.split(str(said.values["keys"]))
    index = plan.read_data(tmp_path, parse_overrides(keys))
    assert (task_of(index), len(index.records)) == ("segment", CASES)
    assert {r.id: r.label_place for r in index.records}[image.format(c="p", k=0)].endswith(mask.format(c="p", k=0))
    index = plan.read_data(tmp_path, parse_overrides(["task=classify", *keys]))
    assert (task_of(index), len(index.records), index.classes) == ("classify", CASES, ("p", "q"))
    (kept,) = _said(tmp_path, str(said.values["layout"]))
    assert (kept.code, kept.severity) == ("audit.masks_kept", "warning"), "the way out is said, and goes on"


@pytest.mark.parametrize("drawn", [_labelled, _small, _red_on_blue])
def test_labels_of_objects_colours_and_masks_of_half_the_size_stop(tmp_path: Path, drawn: Drawn) -> None:
    (said,) = _said(_pairs(tmp_path, "{c}/I{k}.png", "{c}/M{k}.png", drawn))
    assert (said.severity, said.values["count"]) == ("error", CASES)


def test_the_level_of_the_class_leads_to_no_masks(tmp_path: Path) -> None:
    root = _pairs(tmp_path, "scan/{c}/{k}.png", "outline/{c}/{k}.png")
    (said,) = _said(root, "data.label=folder:2")
    assert (said.severity, said.where, said.values["of"]) == ("error", "outline/p/0.png", "scan/p/0.png")
    keys = shlex.split(str(said.values["keys"]))
    assert keys == ["data.images=scan", "data.masks=outline"]
    assert len(plan.read_data(root, parse_overrides(["data.label=folder:2", "task=classify", *keys])).records) == CASES
    assert task_of(plan.read_data(root, parse_overrides(["data.label=folder:2", *keys]))) == "segment"
    assert [p.severity for p in _said(root, "data.label=folder:1")] == ["error"]


def test_a_table_that_lists_images_and_masks_stops(tmp_path: Path) -> None:
    root = _pairs(tmp_path, "images/{k}.png", "images/{k}m.png")
    rows = [f"{k}{end}.png,{'pq'[k % 2]}" for k in range(CASES) for end in ("", "m")]
    (root / "gt.csv").write_text("\n".join(["image,label", *rows]))
    (said,) = _said(root)
    assert (said.severity, said.values["count"], said.values["layout"]) == ("error", CASES, "data.layout=table")
    keys = shlex.split(str(said.values["keys"]))
    index = plan.read_data(root, parse_overrides(["task=classify", *keys]))
    assert (index.layout, len(index.records), index.classes) == ("table", CASES, ("p", "q"))
    assert len(plan.read_data(root, parse_overrides(keys)).records) == CASES


def test_names_that_say_nothing_are_paired_by_their_pixels(tmp_path: Path) -> None:
    root = _pairs(tmp_path / "1", "{c}/{k}.png", "{c}/{k}0000.png")
    assert [(p.code, p.values["name"]) for p in _said(root)] == [("audit.masks_of_images", "0_mask.png")]
    root = _pairs(tmp_path / "2", "{c}/I{k}.png", "{c}/M{k}.png")
    g = np.random.default_rng(3)
    for path in sorted(root.rglob("*.png")):
        path.rename(path.with_name("".join(g.choice(list("qwertzuiop"), 9)) + ".png"))
    (said,) = _said(root)
    assert said.severity == "error"
    assert int(str(said.values["count"])) >= CASES - 2


def _drawings(root: Path, name: str, *, of: int = 20) -> None:
    """Line drawings of two values: nothing of what the photographs show."""
    for k in range(of):
        g = np.random.default_rng(900 + k)
        drawing = np.full((48, 48), 255, np.uint8)
        for row, column in g.integers(0, 48, (4, 2)):
            drawing[row], drawing[:, column] = 0, 0
        _save(root / name.format(c="pq"[k % 2], k=k), drawing)


def test_pictures_of_two_values_are_a_class(tmp_path: Path) -> None:
    _drawings(tmp_path / "1", "{c}/{k}.png")
    assert _said(tmp_path / "1") == [], "nothing else"
    for k in range(20):
        _save(tmp_path / "2" / "pq"[k % 2] / f"I{k}.png", _pair(k)[0])
    _drawings(tmp_path / "2", "{c}/M{k}.png")
    assert _said(tmp_path / "2") == [], "names go together, pixels do not"
    for k in range(20):
        _save(tmp_path / "3" / "pq"[k % 2] / f"img{k}.png", _pair(k)[0])
        _save(tmp_path / "3" / "pq"[k % 2] / f"img{40 + k}.png", _pair(60 + k)[0] // 40 * 40)
    assert _said(tmp_path / "3") == [], "few grey values, and no partner"
    for k in range(20):
        _save(tmp_path / "4" / "pq"[k % 2] / f"{k}.png", _white(_pair(k)[1]))
    assert _said(tmp_path / "4") == [], "thresholded pictures alone"


def test_a_few_masks_among_many_images_are_warned_of(tmp_path: Path) -> None:
    for k in range(60):
        _save(tmp_path / "pq"[k % 2] / f"{k}.png", _pair(k)[0])
    for k in (4, 6):
        _save(tmp_path / "p" / f"{k}_x.png", _white(_pair(k)[1]))
    (said,) = _said(tmp_path)
    assert (said.severity, said.values["count"], said.where) == ("warning", 2, "p/4_x.png")


def test_expressions_that_tell_nothing_are_refused(tmp_path: Path) -> None:
    root = _pairs(tmp_path, "{c}/I{k}.png", "{c}/M{k}.png")
    with pytest.raises(RequestError, match=r"data\.masks=name:\("):
        plan.read_data(root, parse_overrides(['data.masks="name:("']))
    with pytest.raises(RequestError, match="finds no file"):
        plan.read_data(root, parse_overrides(["data.masks=name:^X"]))
    (root / "p" / "M0.png").unlink()
    index = plan.read_data(root, parse_overrides(["data.images=name:^I", "data.masks=name:^M"]))
    assert [(p.code, p.where) for p in index.problems if p.severity == "error"] == [
        ("layouts.missing_mask", "p/I0.png")
    ]


def test_masks_of_two_hands_beside_their_images_are_offered(tmp_path: Path) -> None:
    root = _pairs(tmp_path, "Image_{k}L.png", "Image_{k}L_1stHO.png")
    _pairs(tmp_path, "Image_{k}L.png", "Image_{k}L_2ndHO.png")
    with pytest.raises(RequestError, match="_1stHO, _2ndHO") as caught:
        plan.read_data(root, {})
    keys = next(line for line in str(caught.value).splitlines() if "_1stHO, _2ndHO" in line).partition(", say ")[2]
    for one, end in zip(keys.split(" / "), ("1stHO", "2ndHO"), strict=True):
        index = plan.read_data(root, parse_overrides(shlex.split(one)))
        assert len(index.records) == CASES
        assert {r.label_place[-9:] for r in index.records} == {f"{end}.png"}
        assert not [p for p in index.problems if p.severity == "error"]

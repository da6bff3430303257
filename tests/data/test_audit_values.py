"""What the audit says about label values that are no classes: strokes, stray values and soft edges."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lamelle import verbs
from lamelle.data.audit.values import value_problems
from lamelle.errors import RequestError
from lamelle.messages import text
from lamelle.results.audit import ImageMeasures
from lamelle.types import Index, Problem

LANGUAGES = ("en", "fr")


def rows(counts: Sequence[dict[int, int]]) -> list[ImageMeasures]:
    nothing = (0.0,)
    return [
        ImageMeasures(
            f"{i}.png",
            "png",
            (1, 8, 8),
            "uint8",
            None,
            None,
            False,
            0,
            1,
            nothing,
            nothing,
            nothing,
            nothing,
            str(i),
            c,
        )
        for i, c in enumerate(counts)
    ]


def said(counts: Sequence[dict[int, int]], *, ignore: tuple[int, ...] = ()) -> list[Problem]:
    total: dict[int, int] = {}
    for some in counts:
        for value, n in some.items():
            total[value] = total.get(value, 0) + n
    index = Index(Path(), "image_mask_folders", ())
    places = [f"masks/{i}.png" for i in range(len(counts))]
    return value_problems(index, rows(counts), places, counts=total, declared=None, ignore=ignore)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("counts", "left_out"),
    [
        ({0: 400, 1: 90, 255: 9000}, 255),
        ({0: 9000, 1: 90, 254: 4}, 254),
        ({0: 9000, 1: 9, 2: 3, 200: 70, 255: 50}, 255),
        ({0: 9000, 7: 4, 255: 900}, 7),
    ],
    ids=["strokes", "stray", "the rarer of two", "nothing goes on from 0"],
)
def test_what_may_be_left_out_is_no_class(
    counts: dict[int, int], left_out: int, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    (problem,) = said([counts])
    assert problem.code == "layouts.values_gaps"
    assert problem.values["pixels"] == counts[left_out]
    assert f"data.ignore=[{left_out}]" in text(problem.code, **problem.values)
    assert "layouts.values_gaps" not in [p.code for p in said([counts], ignore=(left_out, 200))]


def smoothed(seed: int) -> dict[int, int]:
    """Values of a mask whose edges were smoothed."""
    from scipy.ndimage import gaussian_filter

    mask = np.zeros((64, 64))
    for y, x in np.random.default_rng(seed).integers(4, 50, (5, 2)):
        mask[y : y + 10, x : x + 10] = 255
    values, counts = np.unique(gaussian_filter(mask, 0.7).astype(np.uint8), return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


@pytest.mark.parametrize("language", LANGUAGES)
def test_soft_edges_are_no_objects(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    counts = [{0: 4000, 255: 96}, smoothed(1), {0: 4095, 100: 1}]
    (problem,) = said(counts)
    assert (problem.code, problem.where, problem.severity) == ("audit.values_soft", "masks/1.png", "error")
    assert problem.values["pixels"] == sum(n for v, n in counts[1].items() if 32 <= v < 224)
    sentence = text(problem.code, **problem.values)
    assert "128" in sentence
    assert "task=instances" not in sentence
    assert any(word in sentence for word in ("nearest neighbour", "plus proche voisin"))


@pytest.mark.parametrize(
    "counts",
    [
        {0: 9000} | {v: 40 + v % 7 for v in range(1, 90)},
        {25 * k: 100 for k in range(11)},
        {0: 900} | dict.fromkeys(range(1, 12), 20) | {12: 900},
    ],
    ids=["objects", "eleven classes on a scale of greys", "small values"],
)
def test_objects_and_classes_have_no_soft_edges(counts: dict[int, int]) -> None:
    assert "audit.values_soft" not in [p.code for p in said([counts])]


def test_values_that_never_meet_in_a_mask_may_be_one_foreground() -> None:
    (problem,) = said([{0: 90, 1: 10}, {0: 80, 255: 20}, {0: 70, 255: 30}, {0: 100}])
    assert problem.code == "audit.values_by_turns"
    assert problem.values["values"] == "1 (1); 255 (2)"
    assert problem.values["one"] == "'data.labels={0: 0, 1: 1, 255: 1}'"
    assert problem.values["each"] == "'data.labels={0: 0, 1: CLASS, 255: CLASS}'"
    assert said([{0: 90, 1: 5, 255: 5}, {0: 80, 255: 20}])[0].code == "layouts.values_gaps", "both in one mask"


def test_a_number_of_a_class_that_is_left_open_is_refused(tmp_path: Path) -> None:
    for k, top in enumerate((1, 255)):
        for folder, pixels in (("images", np.arange(144) + 90 * k), ("masks", np.arange(144) % 2 * top)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(pixels.reshape(12, 12).astype(np.uint8)).save(tmp_path / folder / f"{k}.png")
    assert "audit.values_by_turns" in [p.code for p in verbs.check(tmp_path).problems]
    with pytest.raises(RequestError, match=r"labels.*CLASS"):
        verbs.check(tmp_path, overrides=["data.labels={0: 0, 1: CLASS, 255: CLASS}"])
    taken = verbs.check(tmp_path, overrides=["data.labels={0: 0, 1: 1, 255: 1}"])
    assert not taken.errors


def test_classes_that_two_programs_numbered_are_asked_about() -> None:
    (problem,) = said([{0: 90, 1: 5, 2: 5}, {0: 90, 2: 10}, {0: 80, 100: 10, 200: 10}])
    assert problem.values["values"] == "1, 2 (2); 100, 200 (1)"
    assert problem.values["one"] == "'data.labels={0: 0, 1: 1, 2: 2, 100: 1, 200: 2}'"
    (problem,) = said([{0: 90, 1: 5, 2: 5}, {0: 80, 255: 20}])
    assert problem.values["one"] == "'data.labels={0: 0, 1: CLASS, 2: CLASS, 255: CLASS}'", "which is which is unknown"


def test_masks_whose_background_is_0_or_1_are_named() -> None:
    mixed = [{1: 70, 2: 30}, {1: 80, 2: 20}, {0: 60, 1: 40}, {0: 75, 1: 25}]
    (problem,) = [p for p in said(mixed) if p.code == "audit.two_grounds"]
    assert (problem.where, problem.values["count"], problem.values["others"]) == ("masks/0.png", 2, 2)
    assert not [p for p in said([*mixed, {0: 50, 1: 30, 2: 20}]) if p.code == "audit.two_grounds"], "three classes"

"""What the audit says about label values that are no classes: strokes and stray values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from lamelle.data.audit.results import Row
from lamelle.data.audit.values import value_problems
from lamelle.messages import text
from lamelle.types import Index, Problem

LANGUAGES = ("en", "fr")


def rows(counts: Sequence[dict[int, int]]) -> list[Row]:
    nothing = (0.0,)
    return [
        Row(
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
    index = Index(Path(), "image_mask_folders", "segment", ())
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

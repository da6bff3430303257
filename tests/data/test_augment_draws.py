"""What is drawn for a position stays what it was: the draws of version 0.1, kept in ``frozen/draws.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from augmenting import only, parts

from lamelle.data.augment.parameters import sample
from lamelle.data.randomness import generator

KEPT = json.loads((Path(__file__).parents[1] / "frozen" / "draws.json").read_text(encoding="utf-8"))["drawn"]
EVERYTHING: dict[str, Any] = {
    **{"flip": True, "rot90": True, "rotate": 25, "zoom": (0.8, 1.25), "shift": 0.05, "shear": 8, "elastic": 4},
    **{"elastic_spacing": 12, "elastic_probability": 0.6, "brightness": 0.3, "contrast": 0.4, "gamma": 0.3},
    **{"saturation": 0.4, "tint": 0.2, "invert": 0.3, "noise": 0.1, "noise_probability": 0.5, "blur": 1.5},
    "blur_probability": 0.5,
}
CASES: dict[str, tuple[dict[str, Any], tuple[int, ...], tuple[float, ...] | None, bool]] = {
    "everything": (EVERYTHING, (24, 32), None, False),
    "colours": (EVERYTHING | {"elastic": 0}, (24, 24), None, True),
    "policy": (EVERYTHING | {"policy": 3, "policy_strength": 0.7}, (32, 32), None, True),
    "volume": (EVERYTHING | {"policy": 2}, (6, 16, 16), (5.0, 1.0, 1.0), False),
    "flips": ({"flip": ("x",), "rot90": True}, (16, 16), None, False),
}


@pytest.mark.parametrize("name", CASES)
def test_draws_are_those_of_before(name: str) -> None:
    options, size, spacing, colour = CASES[name]
    keys = [generator(3, "augment", 1, position) for position in range(3)]
    drawn = sample(only(**options), generators=keys, size=size, spacing=spacing, colour=colour)  # type: ignore[arg-type]
    for field, kept in KEPT[name].items():
        now = parts(drawn)[field]
        if kept is None:
            assert now is None
        else:
            np.testing.assert_allclose(np.asarray(now, float).ravel()[:24], kept, rtol=1e-9, atol=1e-11, err_msg=field)

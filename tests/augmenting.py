"""Augmentation of what is named alone, and of every image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lamelle.data.augment.options import Augment
from lamelle.data.augment.parameters import Parameters


def only(**changes: Any) -> Augment:
    """Every change switched off but these, which no image is spared."""
    always = dict.fromkeys(("elastic_probability", "noise_probability", "blur_probability"), 1.0)
    return Augment.none(**always | changes)


def but(parameters: Parameters, **amounts: np.ndarray) -> Parameters:
    """The same with other amounts of some changes."""
    return replace(parameters, amounts={**parameters.amounts, **amounts})


def parts(parameters: Parameters) -> dict[str, np.ndarray | None]:
    """All that is drawn, by name."""
    where = {"matrices": parameters.matrices, "control": parameters.control}
    return {**where, **parameters.amounts, "noise_seed": parameters.seeds}

"""Augmentation of what is named alone, and of every image."""

from __future__ import annotations

from typing import Any

from lamelle.data.augment.options import Augment


def only(**changes: Any) -> Augment:
    """Every change switched off but these, which no image is spared."""
    always = dict.fromkeys(("elastic_probability", "noise_probability", "blur_probability"), 1.0)
    return Augment.none(**always | changes)

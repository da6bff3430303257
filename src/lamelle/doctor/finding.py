"""What a rule finds, and from what on a difference is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Value = str | float | None
"""What stands in a sentence."""

CLEAR_ERRORS = 2.0
"""Standard errors beyond which a difference is called one."""
MIN_VALIDATIONS = 4
"""Validated epochs from which a trend can be told from noise."""
LEARNT_NOTHING, LEARNT_MUCH = 0.25, 0.6
"""How far from guessing (0) to perfect (1): below the first nothing was learnt, from the second on much was."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the doctor finds: the code of its sentences, and the numbers in them."""

    code: str
    severity: Literal["error", "warning", "note", "good"]
    values: Mapping[str, Value] = field(default_factory=dict)
    change: tuple[str, ...] = ()
    """Recipe keys to change next."""
    epoch: int | None = None
    """Since when."""
    proof: str = "evidence"
    """Which of the sentences about evidence, where there are several."""

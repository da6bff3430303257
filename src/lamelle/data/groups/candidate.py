"""One way to say what belongs together."""

from __future__ import annotations

from dataclasses import dataclass

from lamelle.data.groups.spec import Spec


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to say what belongs together."""

    spec: Spec
    values: tuple[str | None, ...]
    """The group of each record; None where a cell is empty."""
    sure: bool
    rank: int
    """What holds more has a lower one."""

    @property
    def groups(self) -> set[str]:
        return {v for v in self.values if v}

    @property
    def alone(self) -> bool:
        """Whether each image is a group of its own."""
        return len(self.groups) == len(self.values)

"""How records are split: the options of the section ``split``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from lamelle.errors import RequestError
from lamelle.options import Fraction, Options, Seed


class Split(Options):
    """Which records train, which choose, which judge."""

    train: Fraction = Field(default=0.65, description="share of the records; the others follow")
    validation: Fraction = Field(default=0.15, description="share of the records; the others follow")
    test: Fraction = Field(default=0.20, description="share of the records; the others follow")
    by: Literal["auto", "record", "group", "block"] = Field(default="auto", description="what stays together")
    gap: int = Field(default=1, ge=0, description="slices left out between two blocks of a volume")
    blocks: dict[Literal["train", "validation", "test"], str] | None = Field(
        default=None, description="positions by hand, such as {train: 0-17, validation: 19-22, test: 24-29}"
    )
    folds: int = Field(default=0, ge=0, description="k: cross-validation over k folds; 0 = one split")
    fold: int | None = Field(
        default=None, ge=0, description="the fold that is the test set; none = train all, pool the scores"
    )
    seed: Seed = Field(default=0, description="seed of the split alone")

    @property
    def shares(self) -> dict[str, float]:
        """Share of each part, in order; of a cross-validation equal ones, the folds named by their numbers."""
        if self.folds:
            return {str(k): 1.0 for k in range(self.folds)}
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def by_hand(self) -> Mapping[str, str] | None:
        """Positions by hand, part → ``0-17`` or ``3,5-8``; a cross-validation has none."""
        return (
            None if self.folds or not self.blocks else {str(part): positions for part, positions in self.blocks.items()}
        )

    def check_folds(self) -> None:
        """See that there are folds enough, and the one that is asked for among them.

        Raises:
            RequestError: If not.
        """
        if self.folds and (self.folds < 3 or (self.fold or 0) >= self.folds):
            raise RequestError("plan.folds", folds=self.folds, fold=self.fold)

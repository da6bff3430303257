"""What a result was made with: the content of ``environment.json``, and what a package says of its training."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from lamelle.results.base import Result


class Environment(Result):
    """The machine and the programs; what else stands in the file is left out."""

    model_config = ConfigDict(extra="ignore")
    lamelle: str | None = None
    python: str | None = None
    system: str | None = None
    cores: int | None = None
    created: str = ""
    command: tuple[str, ...] = ()
    """Words of the command line behind ``lamelle``."""
    libraries: dict[str, str] = Field(default_factory=dict)
    """Name → version."""
    variables: dict[str, str] = Field(default_factory=dict)
    """Of the environment, that change what is computed."""


class StartWeights(Result):
    """The pretrained weights that a training started from."""

    model_config = ConfigDict(extra="ignore")
    file: str | None = None
    licence: str | None = None


class Provenance(Result):
    """What a training was; None is what its package does not say, what else that says is left out."""

    model_config = ConfigDict(extra="ignore")
    records: int | None = None
    epochs: int | None = None
    steps: int | None = None
    seconds: float | None = None
    seconds_per_epoch: float | None = None
    trainable: int | None = None
    parameters: int | None = None
    """Weights and biases."""
    parameters_with_statistics: int | None = None
    """With what batch norms measured."""
    weights: StartWeights | None = None
    too_short: dict[str, str | int] = Field(default_factory=dict)
    """What was said of a budget that ended the training before it had learnt."""
    busy: dict[str, str | int] = Field(default_factory=dict)
    """What was said of a budget that a busy machine made too short."""

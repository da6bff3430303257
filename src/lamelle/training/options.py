"""How a network learns: the options of the section ``train``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from lamelle.durations import seconds
from lamelle.messages import text
from lamelle.options import Fraction, Options, Positive, Seed, Size


def _seconds(value: Any) -> Any:
    """A time in words, or a number of seconds → seconds."""
    number = seconds(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float | None) or (number is None and value is not None):
        raise ValueError(text("recipe.rule_time"))
    return number


class Train(Options):
    """How the network learns."""

    start: str | None = Field(default=None, description="run or package whose weights training starts from")
    epochs: Positive = Field(default=100, description="passes over the training samples")
    budget: Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(_seconds)] = Field(
        default=None,
        description="train for so much wall-clock time instead (90s, 15min, 1h30; a number alone is seconds); features "
        "of a frozen part, steps and validations all count; the schedule is scaled to it",
    )
    schedule_points: tuple[tuple[int, int], ...] = Field(
        default=(), description="written by a budgeted run, so that it can be repeated"
    )
    samples: Positive | None = Field(default=None, description="samples of an epoch; none = the training set once")
    patch: Size = Field(default=None, description="size of the training crops; none = whole images")
    foreground: Fraction = Field(
        default=0.0, description="share of the crops around an annotated pixel, of each class as often as of another"
    )
    batch: Positive = Field(default=8, description="samples of a step")
    optimizer: Literal["adam", "adamw", "sgd"] = Field(default="adamw", description="optimiser")
    lr: float = Field(default=1e-3, gt=0, description="learning rate at its peak")
    weight_decay: float = Field(default=1e-4, ge=0, description="weight decay")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="momentum of sgd")
    layer_decay: float = Field(
        default=1.0, gt=0, le=1, description="each stage below the head learns at this share of the rate above it"
    )
    unfreeze_every: int = Field(
        default=0, ge=0, description="gradual unfreezing: epochs after which one more stage learns; 0 = all at once"
    )
    ema: float = Field(
        default=0.0, ge=0, lt=1, description="decay of the average of weights that is validated and kept; 0 = off"
    )
    draws: int = Field(
        default=0, ge=0, description="augmentations of each image, repeated in turn; 0 = a new one at each epoch"
    )
    features: bool = Field(default=True, description="with draws: compute what is frozen only once for each draw")
    schedule: Literal["cosine", "constant"] = Field(default="cosine", description="course of the learning rate")
    warmup: Fraction = Field(default=0.03, description="share of the steps in which the rate rises")
    clip: float = Field(default=1.0, ge=0, description="largest norm of the gradient; 0 = not clipped")
    patience: int = Field(default=0, ge=0, description="epochs without a better validation before stopping; 0 = never")
    monitor: Literal["score", "loss", "last"] = Field(
        default="score", description="what tells the best epoch on validation; last: no choice, the last one is kept"
    )
    validate_every: Positive = Field(default=1, description="epochs between two validations")
    seed: Seed = Field(default=0, description="seed of everything random in training")
    device: str = Field(default="auto", description="auto, cpu, cuda or mps")
    precision: Annotated[Literal["auto", "32", "bf16", "16"], BeforeValidator(str)] = Field(
        default="auto", description="32, bf16 or 16; auto is resolved once, then kept"
    )
    threads: int = Field(default=0, ge=0, description="processor threads; 0 = all, resolved once, then kept")
    workers: int = Field(default=2, ge=0, description="threads that read ahead; never changes the result")
    checkpoint_every: float = Field(default=60.0, gt=0, description="seconds between two checkpoints")
    tensorboard: bool = Field(default=False, description="also log for TensorBoard (extra `track`)")

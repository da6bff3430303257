"""Everything that was asked for, as one checked object: the only place where defaults live.

A Recipe is YAML; its keys are dotted (``train.lr``). What nobody asked for is planned from the data by the task
(`Task.plan`), so a Recipe is complete only after `resolve`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lamelle.errors import RequestError

Section = dict[str, Any]
Size = Annotated[tuple[int, ...] | None, BeforeValidator(lambda v: (v, v) if isinstance(v, int) else v)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataKeys(_Keys):
    """What to read, and how to understand it."""

    path: str = Field(default="", description="the folder or file, as it was given")
    layout: str | None = Field(default=None, description="name of the folder layout; none = detected")
    image: str | None = Field(default=None, description="column of a table that names the image")
    label: str | None = Field(default=None, description="column of a table that holds the label")
    group: str | None = Field(default=None, description="column that names the patient, animal or volume")
    split: str | None = Field(default=None, description="column that names the split")
    dims: Literal[2, 3] | None = Field(default=None, description="read stacks as slices (2) or volumes (3)")
    labels: dict[int, int] | None = Field(default=None, description="label value on disk → class number")
    classes: tuple[str, ...] | None = Field(default=None, description="class names, in order of their numbers")
    ignore: tuple[int, ...] = Field(default=(), description="label values that are neither trained on nor scored")
    instances: bool | None = Field(default=None, description="label values count objects; none = as the layout says")
    channels: Literal[1, 3] | None = Field(default=None, description="grey or colour; none = as the images are")
    resize: Size = Field(default=None, description="resize whole images to this size (Y, X); none = native size")
    normalise: Literal["dataset", "image", "unit", "imagenet", "symmetric"] = Field(
        default="image", description="how pixel values become network input"
    )
    allow_leakage: bool = Field(default=False, description="train although one group or image is in two splits")


class SplitKeys(_Keys):
    """Which records train, which choose, which judge."""

    train: Fraction = Field(default=0.65, description="share of the records")
    validation: Fraction = Field(default=0.15, description="share of the records")
    test: Fraction = Field(default=0.20, description="share of the records")
    by: Literal["auto", "record", "group", "block"] = Field(default="auto", description="what stays together")
    gap: int = Field(default=1, ge=0, description="slices left out between two blocks of a volume")
    blocks: dict[Literal["train", "validation", "test"], str] | None = Field(
        default=None, description="positions by hand, such as {train: 0-17, validation: 19-22, test: 24-29}"
    )
    folds: int = Field(default=0, ge=0, description="k: cross-validation over k folds; 0 = one split")
    fold: int | None = Field(
        default=None, ge=0, description="the fold that is the test set; none = train all, pool the scores"
    )
    seed: int = Field(default=0, description="seed of the split alone")


class UnetKeys(_Keys):
    """The plain U-Net."""

    kind: Literal["unet"] = "unet"
    filters: tuple[Positive, ...] = Field(default=(24, 48, 96, 192, 384), description="filters of each level")
    up: Literal["transpose2", "transpose3_same", "upsample_conv2", "linear"] = Field(
        default="transpose2", description="kind of up-sampling"
    )
    norm: Literal["none", "batch", "instance", "group"] = Field(
        default="batch", description="normalisation after convolutions"
    )
    dropout: Fraction = Field(default=0.0, description="dropout in the deepest level")
    residual: bool = Field(default=False, description="add each block's input to its output")
    kernel: int | tuple[tuple[int, ...], ...] = Field(
        default=3, description="size of the convolutions; in 3D per level, Z Y X"
    )
    pool: int | tuple[tuple[int, ...], ...] = Field(default=2, description="pooling; in 3D per level, Z Y X")


class TimmKeys(_Keys):
    """A timm encoder with a head."""

    kind: Literal["timm"] = "timm"
    name: str = Field(default="resnet18", description="name of the encoder in timm")
    hidden: tuple[Positive, ...] = Field(default=(), description="widths of dense layers before the last")
    dropout: Fraction = Field(default=0.2, description="dropout before the last dense layer")
    weights: str | None = Field(default=None, description="file of pretrained weights, or `home` for LAMELLE_HOME")
    freeze: Literal["none", "head"] = Field(default="none", description="head: train only the head")


class TimmUnetKeys(_Keys):
    """A U-Net decoder on a timm encoder."""

    kind: Literal["timm-unet"] = "timm-unet"
    name: str = Field(default="resnet18", description="name of the encoder in timm")
    weights: str | None = Field(default=None, description="file of pretrained weights, or `home` for LAMELLE_HOME")
    freeze: Literal["none", "head"] = Field(default="none", description="head: train only the decoder")


class ClassifyKeys(_Keys):
    """Keys of the classification task."""

    name: Literal["classify"] = "classify"
    loss: Literal["ce", "bce", "focal"] = Field(default="ce", description="loss function")
    balance: Literal["none", "weights"] = Field(default="none", description="weigh the loss by inverse class frequency")
    smoothing: Fraction = Field(default=0.0, description="label smoothing")


class SegmentKeys(_Keys):
    """Keys of the segmentation task."""

    name: Literal["segment"] = "segment"
    loss: Literal["ce", "bce", "dice", "dice_ce", "focal"] = Field(default="dice_ce", description="loss")
    weights: tuple[float, ...] | None = Field(
        default=None, description="weight of each class in the loss (w−, w+ if binary)"
    )
    threshold: float | None = Field(
        default=None, gt=0, lt=1, description="fixed threshold; none = chosen on validation"
    )
    tolerance: float = Field(default=2.0, gt=0, description="pixels a boundary may be off for the boundary F")
    cells: bool = Field(
        default=False, description="score V_rand and V_info of the background's connected parts (ISBI 2012)"
    )


class AugmentKeys(_Keys):
    """Random changes of the training images; 0 and false switch a change off."""

    flip: bool = Field(default=True, description="mirror each axis")
    rot90: bool = Field(default=True, description="rotate by multiples of 90°")
    rotate: float = Field(default=0.0, ge=0, le=180, description="free rotation up to ± degrees")
    zoom: tuple[float, float] = Field(default=(1.0, 1.0), description="range of scale")
    shift: float = Field(default=0.0, ge=0, le=0.5, description="shift up to ± this share of the size")
    shear: float = Field(default=0.0, ge=0, le=45, description="shear up to ± degrees")
    elastic: float = Field(default=0.0, ge=0, description="elastic displacement in pixels")
    elastic_spacing: float = Field(default=32.0, gt=0, description="pixels between the elastic control points")
    elastic_probability: Fraction = Field(default=0.5, description="share of images that are bent")
    brightness: float = Field(default=0.0, ge=0, description="added up to ± this (in units of normalised intensity)")
    contrast: float = Field(default=0.0, ge=0, lt=1, description="contrast factor 1 ± this")
    gamma: float = Field(default=0.0, ge=0, description="gamma between exp(−this) and exp(this)")
    noise: float = Field(default=0.0, ge=0, description="standard deviation of added noise")
    noise_probability: Fraction = Field(default=0.5, description="share of images with noise")
    blur: float = Field(default=0.0, ge=0, description="largest sigma of a blur in pixels")
    blur_probability: Fraction = Field(default=0.5, description="share of images blurred")


def _seconds(value: Any) -> Any:
    """``30min``, ``2h``, ``90s`` or a number of seconds → seconds."""
    match = re.fullmatch(r"\s*([\d.]+)\s*(s|min|h)\s*", value) if isinstance(value, str) else None
    return float(match[1]) * {"s": 1, "min": 60, "h": 3600}[match[2]] if match else value


class TrainKeys(_Keys):
    """How the network learns."""

    start: str | None = Field(default=None, description="run or package whose weights training starts from")
    epochs: Positive = Field(default=100, description="passes over the training samples")
    budget: Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(_seconds)] = Field(
        default=None, description="train for a time (30min, 2h) instead; the schedule is scaled to it"
    )
    knots: tuple[tuple[int, int], ...] = Field(
        default=(), description="written by a budgeted run, so that it can be repeated"
    )
    samples: Positive | None = Field(default=None, description="samples of an epoch; none = the training set once")
    patch: Size = Field(default=None, description="size of the training crops; none = whole images")
    batch: Positive = Field(default=8, description="samples of a step")
    optimizer: Literal["adam", "adamw", "sgd"] = Field(default="adamw", description="optimiser")
    lr: float = Field(default=1e-3, gt=0, description="learning rate at its peak")
    weight_decay: float = Field(default=1e-4, ge=0, description="weight decay")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="momentum of sgd")
    schedule: Literal["cosine", "constant"] = Field(default="cosine", description="course of the learning rate")
    warmup: Fraction = Field(default=0.03, description="share of the steps in which the rate rises")
    clip: float = Field(default=1.0, ge=0, description="largest norm of the gradient; 0 = not clipped")
    patience: int = Field(default=0, ge=0, description="epochs without a better validation before stopping; 0 = never")
    monitor: Literal["score", "loss"] = Field(default="score", description="what tells the best epoch on validation")
    validate_every: Positive = Field(default=1, description="epochs between two validations")
    seed: int = Field(default=0, description="seed of everything random in training")
    device: str = Field(default="auto", description="auto, cpu, cuda or mps")
    precision: Annotated[Literal["auto", "32", "bf16", "16"], BeforeValidator(str)] = Field(
        default="auto", description="32, bf16 or 16; auto is resolved once, then kept"
    )
    threads: int = Field(default=0, ge=0, description="processor threads; 0 = all, resolved once, then kept")
    workers: int = Field(default=2, ge=0, description="threads that read ahead; never changes the result")
    checkpoint_every: float = Field(default=60.0, gt=0, description="seconds between two checkpoints")
    tensorboard: bool = Field(default=False, description="also log for TensorBoard (extra `track`)")


class EvaluateKeys(_Keys):
    """How scores get their intervals."""

    level: float = Field(default=0.95, gt=0, lt=1, description="confidence level")
    resamples: int = Field(default=1000, ge=100, description="bootstrap resamples")
    flips: bool = Field(
        default=False, description="average over mirrored images when segmenting: slower, a little better"
    )
    overlap: Annotated[float, Field(ge=0, lt=0.9)] = Field(default=0.25, description="overlap of neighbouring tiles")
    tile: Size = Field(
        default=None, description="tile size of prediction; none = the training size, or the image if it fits"
    )


class Recipe(_Keys):
    """A complete request."""

    task: Annotated[
        ClassifyKeys | SegmentKeys,
        Field(discriminator="name"),
        BeforeValidator(lambda v: {"name": v} if isinstance(v, str) else v),
    ] = SegmentKeys()
    data: DataKeys = DataKeys()
    split: SplitKeys = SplitKeys()
    model: Annotated[UnetKeys | TimmKeys | TimmUnetKeys, Field(discriminator="kind")] = UnetKeys()
    augment: AugmentKeys = AugmentKeys()
    train: TrainKeys = TrainKeys()
    evaluate: EvaluateKeys = EvaluateKeys()

    def to_yaml(self) -> str:
        """The recipe as a file a person can read and edit."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def known_keys() -> dict[str, str]:
    """Every dotted key with its description, of all tasks and models."""
    found: dict[str, str] = {}
    for section, field in Recipe.model_fields.items():
        for keys in get_args(field.annotation) or (field.annotation,):
            for name, inner in (keys or Recipe).model_fields.items():
                found.setdefault(f"{section}.{name}", inner.description or section)
    return found


def full_key(key: str) -> str:
    """The dotted key a person means: itself, or the only one that ends in it.

    Raises:
        RequestError: If no key or several keys fit; the message lists the candidates.

    Example:
        >>> full_key("lr")
        'train.lr'
    """
    keys = known_keys()
    if key in keys:
        return key
    if key in Recipe.model_fields:
        return {"task": "task.name", "model": "model.name"}.get(key, key)
    ends = [k for k in keys if k.rsplit(".", 1)[-1] == key]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise RequestError("recipe.ambiguous", key=key, candidates=", ".join(ends))
    last = {k.rsplit(".", 1)[-1]: k for k in keys}
    near = difflib.get_close_matches(key, [*keys, *last], n=3)
    raise RequestError(
        "recipe.unknown_key", key=key, near=", ".join(last.get(n, n) for n in near) or "lamelle recipes --keys"
    )


def parse_overrides(pairs: Iterable[str]) -> Section:
    """``["lr=1e-3", "split.by=group"]`` → nested values.

    Raises:
        RequestError: If a pair has no ``=``, or its key is not known.

    Example:
        >>> parse_overrides(["lr=0.01", "patch=128"])
        {'train': {'lr': 0.01, 'patch': 128}}
    """
    asked: Section = {}
    for pair in pairs:
        key, found, value = pair.partition("=")
        if not found:
            raise RequestError("recipe.no_value", given=pair)
        try:
            parsed = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise RequestError("recipe.not_yaml", where=pair, reason=str(error).splitlines()[0]) from error
        section, _, name = full_key(key.strip()).partition(".")
        merge(asked, {section: {name: parsed}} if name else {section: parsed})
    return asked


def merge(into: Section, other: Mapping[str, Any]) -> Section:
    """Lay ``other`` over ``into``, section by section; ``into`` is changed and returned."""
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict) and key in Recipe.model_fields:
            into[key].update(value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) and key in Recipe.model_fields else value
    return into


def packaged() -> dict[str, str]:
    """Name → text of every recipe that comes with Lamelle."""
    folder = files("lamelle") / "recipes"
    return {
        p.name[:-5]: p.read_text(encoding="utf-8")
        for p in sorted(folder.iterdir(), key=str)
        if p.name.endswith(".yaml")
    }


def load(name: str | Path) -> Section:
    """The values of a packaged recipe, or of a YAML file.

    Raises:
        RequestError: If there is no such recipe, or the file is not a recipe.
    """
    path = Path(name)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        if not path.is_file():
            raise RequestError("recipe.no_file", path=path)
        content, where = path.read_text(encoding="utf-8"), str(path)
    elif str(name) in (known := packaged()):
        content, where = known[str(name)], str(name)
    else:
        near = difflib.get_close_matches(str(name), known, n=2, cutoff=0.3) or list(known)
        raise RequestError("recipe.no_recipe", name=name, near=", ".join(near), known=", ".join(known))
    try:
        values = yaml.safe_load(content) or {}
    except yaml.YAMLError as error:
        raise RequestError("recipe.not_yaml", where=where, reason=" ".join(str(error).split())) from error
    if not isinstance(values, dict) or not all(isinstance(v, (dict, str)) for v in values.values()):
        raise RequestError("recipe.not_sections", where=where)
    if isinstance(values.get("task"), str):
        values["task"] = {"name": values["task"]}
    for section, keys in values.items():
        for key in keys:
            if f"{section}.{key}" not in known_keys():
                raise RequestError("recipe.unknown_key", key=f"{section}.{key}", near=_nearest(f"{section}.{key}"))
    return values


def _nearest(key: str) -> str:
    return ", ".join(difflib.get_close_matches(key, known_keys(), n=3)) or "lamelle recipes --keys"


def validate(values: Mapping[str, Any]) -> Recipe:
    """A checked Recipe.

    Raises:
        RequestError: One line for each key that breaks its rule: key, value and rule.
    """
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        lines = []
        for one in error.errors():
            names = [str(p) for p in one["loc"]]
            key = ".".join(n for i, n in enumerate(names) if not (i == 1 and n in _TAGS))
            lines.append(f"{key}={one['input']!r}: {_rule(key, one)}")
        raise RequestError("recipe.invalid", lines="\n  ".join(dict.fromkeys(lines))) from None


_TAGS = {"classify", "segment", "unet", "timm", "timm-unet"}


def _rule(key: str, error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return f"did you mean {_nearest(key)}?"
    return str(error["msg"])

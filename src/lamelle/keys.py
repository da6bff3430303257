"""Every key of a recipe, with its type, its default and what it means: the only place where defaults live."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from lamelle.data.augment import ZOOM
from lamelle.durations import seconds
from lamelle.io.axes import checked_letters
from lamelle.messages import text

Size = Annotated[tuple[int, ...] | None, BeforeValidator(lambda v: (v, v) if isinstance(v, int) else v)]
Name = Annotated[str, BeforeValidator(lambda v: str(v) if type(v) is int else v)]
Axes = Annotated[str, AfterValidator(checked_letters)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
_WEIGHTS = "file of pretrained weights; `home` for LAMELLE_HOME; `hub` to download them"
_FREEZE = (
    "what learns: none (frozen) = all, head, last_conv, last_two_convs, or stage:N = the last N stages and the head"
)


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _ascending(value: tuple[float, float]) -> tuple[float, float]:
    if not value[0] < value[1]:
        raise ValueError(text("recipe.rule_range"))
    return value


def _magnifications(value: tuple[float, float]) -> tuple[float, float]:
    if not ZOOM[0] <= value[0] <= value[1] <= ZOOM[1]:
        raise ValueError(text("recipe.rule_zoom", least=ZOOM[0], most=ZOOM[1]))
    return value


class DataKeys(_Keys):
    """What to read, and how to understand it."""

    path: str = Field(default="", description="the folder or file, as it was given")
    layout: str | None = Field(default=None, description="name of the folder layout; none = detected")
    image: str | None = Field(default=None, description="column of a table that names the image")
    label: str | None = Field(
        default=None, description="column of a table that holds the label; `folder:N` = the N-th folder is the class"
    )
    images: str | None = Field(default=None, description="folders of images, a word of their files, or name:REGEX")
    masks: str | None = Field(default=None, description="folders of masks, a table's column of them, or name:REGEX")
    group: str | None = Field(
        default=None,
        description="what belongs together: a column, name:REGEX, folder:N, dicom:patient; `none` = nothing",
    )
    split: str | None = Field(
        default=None, description="column of splits or folds; `none` = split afresh; none = found"
    )
    axes: Axes | None = Field(
        default=None, description="axes of TIFF, NPY and Zarr images that do not say them, in order: YXC, CYX, ZYX …"
    )
    dims: Literal[2, 3] | None = Field(default=None, description="read stacks as slices (2) or volumes (3)")
    labels: dict[int, int] | None = Field(
        default=None, description="label value on disk → class number; 0 is background if not named"
    )
    classes: tuple[Name, ...] | dict[Name, Name | None] | None = Field(
        default=None,
        description="class names, in order of their numbers; or {name in the data: class}; {name: null} leaves it out",
    )
    ignore: tuple[int, ...] = Field(default=(), description="label values that are neither trained on nor scored")
    instances: bool | None = Field(default=None, description="label values count objects; none = as the layout says")
    channels: Positive | None = Field(
        default=None, description="1 grey, 3 colour, else as many as the images have; none = as the images are"
    )
    context: int = Field(
        default=0, ge=0, le=16, description="slices before and after a slice of a stack that are seen with it (2.5D)"
    )
    resize: Size = Field(default=None, description="resize whole images to this size (Y, X); none = native size")
    normalise: Literal["dataset", "image", "unit", "imagenet", "symmetric"] = Field(
        default="image", description="how pixel values become network input"
    )
    range: Annotated[tuple[float, float], AfterValidator(_ascending)] | None = Field(
        default=None, description="values that mean black and white, such as [0, 4095]; none = as the pixel type says"
    )
    allow_leakage: bool = Field(default=False, description="train although one group or image is in two splits")


class SplitKeys(_Keys):
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
    deep_supervision: bool = Field(default=False, description="in training, coarser levels have a loss as well")
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
    weights: str | None = Field(default=None, description=_WEIGHTS)
    freeze: str = Field(default="none", description=_FREEZE)
    bn_momentum: float | None = Field(
        default=None, gt=0, le=1, description="share of the batch in running statistics; none = as the network has it"
    )
    bn_frozen: bool = Field(default=False, description="unfrozen batch norms learn, but keep their statistics")


class CnnKeys(_Keys):
    """The small networks of the imbalance study."""

    kind: Literal["cnn"] = "cnn"
    name: Literal["cnn1", "cnn2"] = Field(default="cnn2", description="cnn2 has batch norms, cnn1 has none")


class TimmUnetKeys(_Keys):
    """A U-Net decoder on a timm encoder."""

    kind: Literal["timm-unet"] = "timm-unet"
    name: str = Field(default="resnet18", description="name of the encoder in timm")
    weights: str | None = Field(default=None, description=_WEIGHTS)
    freeze: Literal["none", "head"] = Field(default="none", description="head: train only the decoder")


class ClassifyKeys(_Keys):
    """Keys of the classification task."""

    name: Literal["classify"] = "classify"
    loss: Literal["ce", "bce", "focal"] = Field(default="ce", description="loss function")
    gamma: float = Field(default=2.0, ge=0, description="exponent of the focal loss")
    imbalance: Literal["none", "weights", "effective", "oversample", "both", "logit_adjustment"] = Field(
        default="none", description="remedy for rare classes: in the loss, in the sampling, or in both"
    )
    alpha: Fraction = Field(
        default=0.5, description="of `both`: 0 = all by weights, 1 = all by sampling (sampling ∝ n^(1−α))"
    )
    beta: float = Field(default=0.999, ge=0, lt=1, description="of `effective`: weights (1−β)/(1−β^n)")
    tau: float = Field(default=1.0, ge=0, description="of `logit_adjustment`: strength")
    threshold: Literal["argmax", "f1"] | Annotated[float, Field(gt=0, lt=1)] = Field(
        default="argmax", description="f1: chosen on validation by macro F1; a number: fixed (two classes, multi-label)"
    )
    smoothing: float = Field(default=0.0, ge=0, lt=1, description="label smoothing; 1 would leave no target")
    calibrate: bool = Field(
        default=True, description="probabilities at the temperature that fits validation best; what is said stays"
    )


class SegmentKeys(_Keys):
    """Keys of the segmentation task."""

    name: Literal["segment"] = "segment"
    loss: Literal[
        "ce", "bce", "focal", "dice", "dice_ce", "tversky", "focal_tversky", "lovasz", "cldice", "boundary_ce"
    ] = Field(default="dice_ce", description="loss")
    weights: Literal["balanced"] | tuple[float, ...] | None = Field(
        default=None,
        description="weight of each class in the loss (w−, w+ if binary); balanced = inverse to its training pixels",
    )
    gamma: float = Field(default=2.0, ge=0, description="of focal: exponent")
    alpha: float = Field(default=0.3, ge=0, description="of tversky, focal_tversky: price of a false positive")
    beta: float = Field(default=0.7, ge=0, description="of tversky, focal_tversky: price of a false negative")
    tversky_gamma: float = Field(default=4 / 3, gt=0, description="of focal_tversky: the loss is raised to 1/this")
    cldice_alpha: Fraction = Field(default=0.5, description="of cldice: share of clDice; the rest is Dice")
    cldice_iterations: Positive = Field(default=3, description="of cldice: largest half width of a line, in pixels")
    w0: float = Field(default=10.0, ge=0, description="of boundary_ce: height of the weights between two objects")
    sigma: float = Field(default=5.0, gt=0, description="of boundary_ce: width of these weights in pixels")
    between: int = Field(default=0, ge=0, description="of boundary_ce: number of the class that lies between objects")
    exclusive: bool = Field(
        default=True, description="false: each class by itself (sigmoid), with a threshold of its own"
    )
    threshold: float | None = Field(
        default=None, gt=0, lt=1, description="fixed threshold; none = chosen on validation"
    )
    threshold_by: Literal["pooled", "image"] = Field(
        default="pooled", description="chosen by F1 of all validation pixels together, or by its mean over images"
    )
    min_size: Literal["auto"] | Annotated[int, Field(ge=0)] = Field(
        default=0, description="remove parts with fewer pixels; 0 = none; auto = chosen on validation by Dice"
    )
    fill_holes: Literal["auto"] | Annotated[int, Field(ge=0)] = Field(
        default=0, description="fill holes with at most so many pixels; 0 = none; auto = chosen on validation by Dice"
    )
    largest: Literal["auto"] | bool = Field(
        default=False, description="keep only the largest part of each class; auto = if validation is better by Dice"
    )
    tolerance: float = Field(
        default=2.0,
        gt=0,
        description="pixels of the finest axis that outlines may be off for boundary F and surface Dice (NSD)",
    )
    cells: bool = Field(
        default=False, description="score V_rand and V_info of the background's connected parts (ISBI 2012)"
    )
    lines: bool = Field(default=False, description="score clDice of the centre lines; takes time")
    calibrate: bool = Field(
        default=False, description="probabilities at the temperature that fits the pixels of validation best"
    )


class InstanceKeys(_Keys):
    """Keys of the segmentation of instances."""

    name: Literal["instances"] = "instances"
    mask_threshold: float | None = Field(
        default=None, gt=0, lt=1, description="probability from which a pixel is part of an object; none = validation"
    )
    seed_threshold: float | None = Field(
        default=None, gt=0, lt=1, description="depth in an object from which a pixel is its seed; none = validation"
    )
    min_size: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        default="auto", description="objects with fewer pixels are left out; auto = chosen on validation"
    )


def _axes(v: Any) -> Any:
    """``x``, ``yx`` or a list → the axes named; a text is never read as yes or no."""
    if isinstance(v, bool):
        return v
    if not isinstance(v, (str, list, tuple)) or not all(axis in ("z", "y", "x") for axis in v):
        raise ValueError(text("recipe.rule_axes"))
    return tuple(v)


class AugmentKeys(_Keys):
    """Random changes of the training images; 0 and false switch a change off."""

    flip: Annotated[bool | tuple[Literal["z", "y", "x"], ...], BeforeValidator(_axes)] = Field(
        default=True, description="mirror each axis; or only those named: [x] keeps what is up"
    )
    rot90: bool = Field(default=True, description="rotate by multiples of 90°")
    rotate: float = Field(default=0.0, ge=0, le=180, description="free rotation up to ± degrees")
    zoom: Annotated[tuple[float, float], AfterValidator(_magnifications)] = Field(
        default=(1.0, 1.0), description="range of magnification: at 2 things look twice as large, at 0.5 half as large"
    )
    shift: float = Field(default=0.0, ge=0, le=0.5, description="shift up to ± this share of the size")
    shear: float = Field(default=0.0, ge=0, le=45, description="shear up to ± degrees")
    elastic: float = Field(default=0.0, ge=0, description="elastic displacement in pixels")
    elastic_spacing: float = Field(default=32.0, gt=0, description="pixels between the elastic control points")
    elastic_probability: Fraction = Field(default=0.5, description="share of images that are bent")
    brightness: float = Field(default=0.0, ge=0, description="added up to ± this (in units of normalised intensity)")
    contrast: float = Field(default=0.0, ge=0, lt=1, description="contrast factor 1 ± this")
    gamma: float = Field(default=0.0, ge=0, description="gamma between exp(−this) and exp(this)")
    saturation: Fraction = Field(default=0.0, description="colours stronger or paler: factor 1 ± this")
    tint: float = Field(default=0.0, ge=0, description="cast of a random colour up to this (as brightness)")
    invert: Fraction = Field(default=0.0, description="share of images whose bright becomes dark")
    noise: float = Field(default=0.0, ge=0, description="standard deviation of added noise")
    noise_probability: Fraction = Field(default=0.5, description="share of images with noise")
    blur: float = Field(default=0.0, ge=0, description="largest sigma of a blur in pixels")
    blur_probability: Fraction = Field(default=0.5, description="share of images blurred")
    policy: int = Field(default=0, ge=0, le=8, description="random operations on each image (RandAugment-like)")
    policy_strength: Fraction = Field(default=0.5, description="strength of these operations")
    mixup: float = Field(default=0.0, ge=0, description="mix two images; parameter of the Beta distribution")
    cutmix: float = Field(default=0.0, ge=0, description="paste a box of another image; parameter of the Beta")


def no_augmentation() -> dict[str, Any]:
    """What ``augment: none`` stands for: every change switched off."""
    off: dict[str, Any] = {}
    for name, field in AugmentKeys.model_fields.items():
        if name == "zoom":
            off[name] = [1.0, 1.0]
        elif not name.endswith(("_probability", "_spacing", "_strength")):
            off[name] = type(field.default)(0)
    return off


def _seconds(value: Any) -> Any:
    """A time in words, or a number of seconds → seconds."""
    found = seconds(value) if isinstance(value, str) else value
    if isinstance(found, bool) or not isinstance(found, int | float | None) or (found is None and value is not None):
        raise ValueError(text("recipe.rule_time"))
    return found


class TrainKeys(_Keys):
    """How the network learns."""

    start: str | None = Field(default=None, description="run or package whose weights training starts from")
    epochs: Positive = Field(default=100, description="passes over the training samples")
    budget: Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(_seconds)] = Field(
        default=None,
        description="train for so much wall-clock time instead (90s, 15min, 1h30; a number alone is seconds); features "
        "of a frozen part, steps and validations all count; the schedule is scaled to it",
    )
    knots: tuple[tuple[int, int], ...] = Field(
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


class EvaluateKeys(_Keys):
    """How scores get their intervals."""

    level: float = Field(default=0.95, gt=0, lt=1, description="confidence level")
    resamples: int | None = Field(
        default=None, ge=100, description="draws behind each interval (null = by the number of images, 1000 to 10000)"
    )
    flips: bool = Field(default=False, description="average over mirrored images: slower, a little better")
    overlap: Literal["field"] | Annotated[float, Field(ge=0, lt=0.9)] = Field(
        default=0.25, description="share of a tile that neighbours share, blended; field = as the whole image, exactly"
    )
    keep_seen: bool = Field(
        default=False, description="of another folder: also score the images that trained the model"
    )
    tile: Size = Field(
        default=None, description="tile size of prediction; none = the training size, or the image if it fits"
    )


class Recipe(_Keys):
    """A complete request."""

    task: Annotated[
        ClassifyKeys | SegmentKeys | InstanceKeys,
        Field(discriminator="name"),
        BeforeValidator(lambda v: {"name": v} if isinstance(v, str) else v),
    ] = SegmentKeys()
    data: DataKeys = DataKeys()
    split: SplitKeys = SplitKeys()
    model: Annotated[UnetKeys | TimmKeys | CnnKeys | TimmUnetKeys, Field(discriminator="kind")] = UnetKeys()
    augment: AugmentKeys = AugmentKeys()
    train: TrainKeys = TrainKeys()
    evaluate: EvaluateKeys = EvaluateKeys()

    def to_yaml(self) -> str:
        """The recipe as a file a person can read and edit."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)

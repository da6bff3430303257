"""What a folder is, and how its images become network input: the options of the section ``data``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypedDict

from pydantic import AfterValidator, BeforeValidator, Field

from lamelle.io.axes import checked_letters
from lamelle.messages import text
from lamelle.options import Options, Positive, Size

Name = Annotated[str, BeforeValidator(lambda v: str(v) if type(v) is int else v)]
Axes = Annotated[str, AfterValidator(checked_letters)]


def _ascending(value: tuple[float, float]) -> tuple[float, float]:
    if not value[0] < value[1]:
        raise ValueError(text("recipe.rule_range"))
    return value


def listed(classes: object) -> tuple[str, ...]:
    """The names of all classes, where a value of ``data.classes`` lists them.

    Example:
        >>> listed(["a", 1]), listed({"a": "b"}), listed(None)
        (('a', '1'), (), ())
    """
    return tuple(map(str, classes)) if isinstance(classes, list | tuple) else ()


class Data(Options):
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
    label_values: Literal["classes", "objects"] | None = Field(
        default=None, description="whether label values are classes, or count objects; none = as the layout says"
    )
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


class LabelOptions(TypedDict):
    """What the audit is told of label values: arguments of `lamelle.data.audit.inspect.inspect`."""

    declared: Mapping[int, int] | None
    ignore: Sequence[int]
    named: bool
    classes: bool
    apart: bool

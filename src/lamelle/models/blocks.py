"""The parts of a U-Net: blocks of convolutions, ways up, and the padding that lets it take images of any size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Axes = tuple[int, ...]
CONV: Mapping[int, Any] = MappingProxyType({2: nn.Conv2d, 3: nn.Conv3d})
POOL: Mapping[int, Any] = MappingProxyType({2: nn.MaxPool2d, 3: nn.MaxPool3d})
_TRANSPOSED: Mapping[int, Any] = MappingProxyType({2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d})
_GROUPS = 8


class Block(nn.Module):
    """Convolutions, each with norm and ReLU; "same" padding; optionally residual."""

    def __init__(self, inputs: int, outputs: int, *, kernel: Axes, norm: str, residual: bool, convs: int) -> None:
        super().__init__()
        conv = CONV[len(kernel)]
        layers: list[nn.Module] = []
        for i in range(convs):
            padding = tuple(k // 2 for k in kernel)
            layers.append(conv(outputs if i else inputs, outputs, kernel, padding=padding, bias=norm == "none"))
            layers.extend([] if norm == "none" else [_norm(norm, outputs, len(kernel))])
            layers.append(nn.ReLU(inplace=True))
        last = layers.pop()
        self.body = nn.Sequential(*layers)
        self.last = last
        self.shortcut: nn.Module | None = None
        if residual:
            self.shortcut = nn.Identity() if inputs == outputs else conv(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        body = self.body(x)
        return self.last(body if self.shortcut is None else body + self.shortcut(x))


class TransposeSame(nn.Module):
    """Keras' transposed convolution of size 3, stride 2, padding "same".

    It is an unpadded transposed convolution without its last row and column; the usual ``padding=1,
    output_padding=1`` is shifted by one pixel.
    """

    def __init__(self, inputs: int, outputs: int, stride: Axes) -> None:
        super().__init__()
        self.stride = stride
        kernel = tuple(3 if s == 2 else 1 for s in stride)
        self.conv = _TRANSPOSED[len(stride)](inputs, outputs, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        return crop(self.conv(x), [n * s for n, s in zip(x.shape[2:], self.stride, strict=True)])


class UpsampleConv(nn.Module):
    """Nearest neighbour ×2, then a 2×2 convolution with Keras' "same" padding (right and bottom), then ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: Axes) -> None:
        super().__init__()
        self.stride = stride
        self.conv = CONV[len(stride)](inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        for axis, s in enumerate(self.stride, start=2):
            x = x if s == 1 else x.repeat_interleave(s, dim=axis)
        return F.relu(self.conv(F.pad(x, [n for s in reversed(self.stride) for n in (0, s - 1)])))


class Linear(nn.Module):
    """A 1×1 convolution, then linear interpolation ×2 (they commute; this order is the cheaper one).

    The interpolation is written out because the gradient of torch's own is not reproducible on a GPU.
    """

    def __init__(self, inputs: int, outputs: int, stride: Axes) -> None:
        super().__init__()
        self.stride = stride
        self.conv = CONV[len(stride)](inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        for axis, s in enumerate(self.stride, start=2):
            if s == 2:
                n = x.shape[axis]
                before = torch.cat((x.narrow(axis, 0, 1), x.narrow(axis, 0, n - 1)), dim=axis)
                after = torch.cat((x.narrow(axis, 1, n - 1), x.narrow(axis, n - 1, 1)), dim=axis)
                pair = torch.stack((0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after), dim=axis + 1)
                x = pair.flatten(axis, axis + 1)
        return x


def _transpose2(inputs: int, outputs: int, stride: Axes) -> nn.Module:
    return _TRANSPOSED[len(stride)](inputs, outputs, stride, stride)


UPS: Mapping[str, Callable[[int, int, Axes], nn.Module]] = MappingProxyType(
    {
        "transpose2": _transpose2,
        "transpose3_same": TransposeSame,
        "upsample_conv2": UpsampleConv,
        "linear": Linear,
    }
)
BACK: Mapping[str, Callable[[int, int], tuple[int, int]]] = MappingProxyType(
    {
        "transpose2": lambda first, last: (first // 2, last // 2),
        "transpose3_same": lambda first, last: ((first - 1) // 2, last // 2),
        "upsample_conv2": lambda first, last: (first // 2, (last + 1) // 2),
        "linear": lambda first, last: ((first - 1) // 2, (last + 1) // 2),
    }
)
"""The first and last low-resolution pixel on which a run of pixels depends through a ×2 up-sampling."""


def per_level(value: int | Sequence[int] | Sequence[Sequence[int]], *, levels: int, dims: int) -> tuple[Axes, ...]:
    """One size per axis for each level, from a number, one per axis, or one per axis for each level.

    Raises:
        ValueError: If the lengths do not fit.

    Example:
        >>> per_level([1, 2, 2], levels=2, dims=3)
        ((1, 2, 2), (1, 2, 2))
    """
    rows = [(value,) * dims] * levels if isinstance(value, int) else list(value)
    table = tuple(tuple(row) if isinstance(row, Sequence) else () for row in rows)
    if not any(table):
        table = (tuple(row for row in rows if isinstance(row, int)),) * levels
    if len(table) != levels or any(len(row) != dims for row in table):
        raise ValueError(f"{value!r}: a number, {dims} numbers, or {levels} lists of {dims} numbers")
    return table


def padding(sizes: Sequence[int], *, multiple: Sequence[int], least: int) -> Axes:
    """Pixels to add at the end of each axis, for a size of ``least`` times the multiple or more.

    Example:
        >>> padding((7, 9), multiple=(8, 1), least=2)
        (9, 0)
    """
    whole = [max(-(-n // m), least if m > 1 else 1) * m for n, m in zip(sizes, multiple, strict=True)]
    return tuple(w - n for w, n in zip(whole, sizes, strict=True))


def fit(image: Tensor, *, multiple: Sequence[int], least: int) -> Tensor:
    """Pad [N, C, (Z,) Y, X] at the end of each axis to a multiple, and to ``least`` times it at the least.

    Padding is by reflection; by replication where an axis is not longer than its padding.

    Example:
        >>> fit(torch.tensor([[[[1.0, 2.0, 3.0]]]]), multiple=(1, 4), least=1)
        tensor([[[[1., 2., 3., 2.]]]])
    """
    sizes = tuple(image.shape[2:])
    more = padding(sizes, multiple=multiple, least=least)
    if not any(more):
        return image
    mode = "reflect" if all(p < n for p, n in zip(more, sizes, strict=True)) else "replicate"
    return F.pad(image, [n for p in reversed(more) for n in (0, p)], mode=mode)


def crop(x: Tensor, size: Sequence[int]) -> Tensor:
    """The first ``size`` pixels of each axis of [N, C, (Z,) Y, X]."""
    return x[(..., *(slice(n) for n in size))]


def _norm(norm: str, channels: int, dims: int) -> nn.Module:
    if norm == "group":
        return nn.GroupNorm(math.gcd(_GROUPS, channels), channels)
    if norm == "instance":
        return {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}[dims](channels, affine=True)
    return {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[dims](channels)


def start(module: nn.Module) -> None:
    """Kaiming normal weights and no bias; a transposed convolution counts the inputs that meet in one output."""
    if isinstance(module, nn.ConvTranspose2d | nn.ConvTranspose3d):
        taps = math.prod(module.kernel_size) / math.prod(module.stride)
        nn.init.normal_(module.weight, std=math.sqrt(1 / (module.in_channels * taps)))
    elif isinstance(module, nn.Conv2d | nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    if isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d) and module.bias is not None:
        nn.init.zeros_(module.bias)

"""The plain U-Net, in 2D and 3D, and what every dense network needs to accept images of any size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lamelle.models.freeze import Freezable

Axes = tuple[int, ...]
_CONV: Mapping[int, Any] = MappingProxyType({2: nn.Conv2d, 3: nn.Conv3d})
_TRANSPOSED: Mapping[int, Any] = MappingProxyType({2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d})
_POOL: Mapping[int, Any] = MappingProxyType({2: nn.MaxPool2d, 3: nn.MaxPool3d})
_GROUPS = 8


class UNet(Freezable):
    """U-Net with "same" padding: logits [N, out, (Z,) Y, X] as large as the image [N, in, (Z,) Y, X], of any size.

    Each level is a block of 3×3 convolutions and ReLU; levels are joined by max-pooling on the way down and by ``up``
    and concatenation on the way up; a 1×1 convolution ends it (logits: no sigmoid). A size that the pooling does not
    divide is padded at its end inside ``forward``, by reflection (by replication where the image is smaller than the
    padding), and the output is cropped. Weights start from a Kaiming normal draw for ReLU, biases at 0, so that deep
    nets without normalisation train from scratch.

    Args:
        in_channels: Channels of the image.
        out_channels: Channels of the output.
        filters: Channels of each level, from full resolution down; the last is the bottom.
        dims: 2 or 3.
        up: ``transpose2``: transposed convolution whose kernel is its stride; ``transpose3_same``: Keras'
            ``Conv2DTranspose(3, strides=2, padding="same")``; ``upsample_conv2``: nearest ×2, 2×2 "same"
            convolution (padded right and bottom, as Keras does) and ReLU; ``linear``: 1×1 convolution and
            (bi-, tri-)linear ×2.
        norm: Between convolution and ReLU. With ``none`` the convolutions have a bias, otherwise the norm has it.
        dropout: Probability after the block of each level on the way down, one for all levels or one for each.
        kernel: Odd size of the block's convolutions: a number, one per axis, or one per axis for each level.
        pool: 1 or 2: a number, one per axis, or one per axis for each step down (1 keeps an anisotropic axis).
        residual: Add the block's input to its output, before the last ReLU.
        convs_per_block: Convolutions in a block.

    Example:
        >>> net = UNet(in_channels=1, out_channels=2, filters=(4, 8), dims=2, up="transpose2", norm="batch",
        ...            dropout=0.0, kernel=3, pool=2, residual=False, convs_per_block=2)
        >>> net(torch.zeros(1, 1, 9, 15)).shape
        torch.Size([1, 2, 9, 15])
        >>> net.multiple, net.receptive_field
        ((2, 2), (18, 18))

    Reference: Ronneberger, Fischer, Brox (2015), doi:10.1007/978-3-319-24574-4_28; initialisation: He, Zhang, Ren,
    Sun (2015), doi:10.1109/ICCV.2015.123
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        filters: Sequence[int],
        dims: int,
        up: str,
        norm: str,
        dropout: float | Sequence[float],
        kernel: int | Sequence[int] | Sequence[Sequence[int]],
        pool: int | Sequence[int] | Sequence[Sequence[int]],
        residual: bool,
        convs_per_block: int,
    ) -> None:
        super().__init__()
        levels = len(filters)
        self.dims, self.up_kind, self.convs_per_block = dims, up, convs_per_block
        self.kernels = per_level(kernel, levels=levels, dims=dims)
        self.pools = per_level(pool, levels=levels - 1, dims=dims)
        self.least = 2 if norm in ("batch", "instance") else 1  # their statistics need more than one value
        dropouts = (dropout,) * levels if isinstance(dropout, int | float) else tuple(dropout)

        def block(inputs: int, outputs: int, kernel: Axes) -> Block:
            return Block(inputs, outputs, kernel=kernel, norm=norm, residual=residual, convs=convs_per_block)

        channels = (in_channels, *filters)
        self.encoder = nn.ModuleList(
            nn.Sequential(
                *([_POOL[dims](self.pools[level - 1])] if level else []),
                block(channels[level], filters[level], self.kernels[level]),
                *([nn.Dropout(dropouts[level])] if dropouts[level] else []),
            )
            for level in range(levels)
        )
        self.ups = nn.ModuleList(
            _UPS[up](below, here, stride)
            for (here, below), stride in reversed([*zip(pairwise(filters), self.pools, strict=True)])
        )
        self.decoder = nn.ModuleList(block(2 * f, f, k) for f, k in [*zip(filters, self.kernels, strict=True)][-2::-1])
        self.head = _CONV[dims](filters[0], out_channels, 1)
        self.apply(_start)
        nn.init.kaiming_normal_(self.head.weight, nonlinearity="linear")

    @property
    def multiple(self) -> Axes:
        """Sizes (Z,) Y, X are padded to a multiple of this."""
        return tuple(math.prod(axis) for axis in zip(*self.pools, strict=True))

    @property
    def receptive_field(self) -> Axes:
        """Pixels of the image, per axis, that one output pixel may depend on through the convolutions.

        It is exact away from the border (the largest over positions: up-sampling makes it depend on them).
        Instance and group norms add the mean and the spread of the whole image.
        """
        return tuple(self._field(axis) for axis in range(self.dims))

    def forward(self, image: Tensor) -> Tensor:
        size = image.shape[2:]
        x = fit(image, multiple=self.multiple, least=self.least)
        skips = []
        for level in self.encoder:
            x = level(x)
            skips.append(x)
        skips.pop()
        for up, block in zip(self.ups, self.decoder, strict=True):
            x = block(torch.cat((skips.pop(), up(x)), dim=1))
        return crop(self.head(x), size)

    def _field(self, axis: int) -> int:
        """Follow one output pixel back to the image: how many pixels wide it has become at each level."""
        grown = [self.convs_per_block * (kernel[axis] - 1) for kernel in self.kernels]
        strides = [pool[axis] for pool in self.pools]
        width = 1
        for more, stride in zip(grown, strides, strict=False):
            width = width + more if stride == 1 else _SPAN[self.up_kind](width + more)
        width += grown[-1]
        for more, stride in zip(reversed(grown[:-1]), reversed(strides), strict=True):
            width = width * stride + more
        return width


class Block(nn.Module):
    """Convolutions, each with norm and ReLU; "same" padding; optionally residual."""

    def __init__(self, inputs: int, outputs: int, *, kernel: Axes, norm: str, residual: bool, convs: int) -> None:
        super().__init__()
        conv = _CONV[len(kernel)]
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
        self.conv = _CONV[len(stride)](inputs, outputs, stride)

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
        self.conv = _CONV[len(stride)](inputs, outputs, 1)

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


_UPS: Mapping[str, Callable[[int, int, Axes], nn.Module]] = MappingProxyType(
    {
        "transpose2": _transpose2,
        "transpose3_same": TransposeSame,
        "upsample_conv2": UpsampleConv,
        "linear": Linear,
    }
)
# The most low-resolution pixels that a run of ``width`` pixels depends on through a ×2 up-sampling
_SPAN: Mapping[str, Callable[[int], int]] = MappingProxyType(
    {
        "transpose2": lambda width: width // 2 + 1,
        "transpose3_same": lambda width: (width - 1) // 2 + 2,
        "upsample_conv2": lambda width: (width + 1) // 2 + 1,
        "linear": lambda width: width // 2 + 2,
    }
)


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


def fit(image: Tensor, *, multiple: Sequence[int], least: int) -> Tensor:
    """Pad [N, C, (Z,) Y, X] at the end of each axis to a multiple, and to ``least`` times it at the least.

    Padding is by reflection; by replication where an axis is not longer than its padding.

    Example:
        >>> fit(torch.tensor([[[[1.0, 2.0, 3.0]]]]), multiple=(1, 4), least=1)
        tensor([[[[1., 2., 3., 2.]]]])
    """
    sizes = image.shape[2:]
    more = [max(-(-n // m), least if m > 1 else 1) * m - n for n, m in zip(sizes, multiple, strict=True)]
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


def _start(module: nn.Module) -> None:
    """Kaiming normal weights and no bias; a transposed convolution counts the inputs that meet in one output."""
    if isinstance(module, nn.ConvTranspose2d | nn.ConvTranspose3d):
        taps = math.prod(module.kernel_size) / math.prod(module.stride)
        nn.init.normal_(module.weight, std=math.sqrt(1 / (module.in_channels * taps)))
    elif isinstance(module, nn.Conv2d | nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    if isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d) and module.bias is not None:
        nn.init.zeros_(module.bias)

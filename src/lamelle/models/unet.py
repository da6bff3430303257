"""The U-Net, in 2D and 3D: plain, residual or with deep supervision."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from lamelle.models.blocks import BACK, CONV, POOL, UPS, Axes, Block, crop, fit, per_level, start
from lamelle.models.freezable import Freezable


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
        dropout: Probability after the block of the deepest level.
        kernel: Odd size of the block's convolutions: a number, one per axis, or one per axis for each level.
        pool: 1 or 2: a number, one per axis, or one per axis for each step down (1 keeps an anisotropic axis).
        residual: Add the block's input to its output, before the last ReLU (a 1×1 convolution where channels differ).
        convs_per_block: Convolutions in a block.
        deep_supervision: In training, a list of logits comes out: full resolution first, then each coarser level but
            the bottom [N, out, ⌈n/stride⌉, ...]; in evaluation only the full resolution (``deep_supervision``).

    Example:
        >>> net = UNet(in_channels=1, out_channels=2, filters=(4, 8), dims=2, up="transpose2", norm="batch",
        ...            dropout=0.0, kernel=3, pool=2, residual=False, convs_per_block=2, deep_supervision=False)
        >>> net(torch.zeros(1, 1, 9, 15)).shape
        torch.Size([1, 2, 9, 15])
        >>> net.multiple, net.receptive_field, net.margin
        ((2, 2), (18, 18), (8, 8))

    Reference: Ronneberger, Fischer, Brox (2015), doi:10.1007/978-3-319-24574-4_28; initialisation: He, Zhang, Ren,
    Sun (2015), doi:10.1109/ICCV.2015.123; residual: He et al. (2016), doi:10.1109/CVPR.2016.90; deep supervision: Lee
    et al. (2015), doi:10.48550/arXiv.1409.5185
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
        dropout: float,
        kernel: int | Sequence[int] | Sequence[Sequence[int]],
        pool: int | Sequence[int] | Sequence[Sequence[int]],
        residual: bool,
        convs_per_block: int,
        deep_supervision: bool,
    ) -> None:
        super().__init__()
        levels = len(filters)
        self.dims, self.up_kind, self.convs_per_block = dims, up, convs_per_block
        self.kernels = per_level(kernel, levels=levels, dims=dims)
        self.pools = per_level(pool, levels=levels - 1, dims=dims)
        self.multiple = tuple(math.prod(axis) for axis in zip(*self.pools, strict=True))
        self.least = 2 if norm in ("batch", "instance") else 1  # their statistics need more than one value

        def block(inputs: int, outputs: int, kernel: Axes) -> Block:
            return Block(inputs, outputs, kernel=kernel, norm=norm, residual=residual, convs=convs_per_block)

        channels = (in_channels, *filters)
        self.encoder = nn.ModuleList(
            nn.Sequential(
                *([POOL[dims](self.pools[level - 1])] if level else []),
                block(channels[level], filters[level], self.kernels[level]),
                *([nn.Dropout(dropout)] if dropout and level == levels - 1 else []),
            )
            for level in range(levels)
        )
        self.ups = nn.ModuleList(
            UPS[up](below, here, stride)
            for (here, below), stride in reversed([*zip(pairwise(filters), self.pools, strict=True)])
        )
        self.decoder = nn.ModuleList(block(2 * f, f, k) for f, k in [*zip(filters, self.kernels, strict=True)][-2::-1])
        self.head = CONV[dims](filters[0], out_channels, 1)
        coarser = filters[1:-1] if deep_supervision else ()
        heads = [CONV[dims](f, out_channels, 1) for f in coarser]
        self.heads = nn.ModuleList(heads)
        self.apply(start)
        for head in (self.head, *heads):
            nn.init.kaiming_normal_(head.weight, nonlinearity="linear")
        self.deep_supervision = deep_supervision
        if norm in ("none", "batch"):  # the others take in the whole image
            self.margin = tuple(self._margin(axis, m) for axis, m in enumerate(self.multiple))

    @property
    def receptive_field(self) -> Axes:
        """Pixels of the image, per axis, that one output pixel may depend on through the convolutions.

        It is exact away from the border (the largest over positions: up-sampling makes it depend on them).
        Instance and group norms add the mean and the spread of the whole image.
        """
        return tuple(self._field(axis) for axis in range(self.dims))

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        size = image.shape[2:]
        x = fit(image, multiple=self.multiple, least=self.least)
        skips = []
        for level in self.encoder:
            x = level(x)
            skips.append(x)
        skips.pop()
        decoded = []
        for up, block in zip(self.ups, self.decoder, strict=True):
            x = block(torch.cat((skips.pop(), up(x)), dim=1))
            decoded.append(x)
        logits = crop(self.head(x), size)
        if not (self.deep_supervision and self.training):
            return logits
        outputs = [logits]
        for head, x, pool in zip(self.heads, decoded[-2::-1], self.pools, strict=False):
            size = torch.Size([-(-n // p) for n, p in zip(size, pool, strict=True)])
            outputs.append(crop(head(x), size))
        return outputs

    def _field(self, axis: int) -> int:
        spans = [self._back(axis, x, x) for x in range(self.multiple[axis])]
        return max(last - first + 1 for first, last in spans)

    def _margin(self, axis: int, multiple: int) -> int:
        """Half the receptive field, give or take a ``multiple``, and a multiple of it.

        For windows that start and end at such a multiple, counted from the image's first pixel.
        """
        first, last = self._back(axis, 0, multiple - 1)
        return -(-max(-first, last - multiple + 1) // multiple) * multiple

    def _back(self, axis: int, first: int, last: int) -> tuple[int, int]:
        """The first and last pixel of the image on which these pixels of the output depend, level by level."""
        grown = [self.convs_per_block * (kernel[axis] // 2) for kernel in self.kernels]
        strides = [pool[axis] for pool in self.pools]
        for more, stride in zip(grown, strides, strict=False):
            first, last = first - more, last + more
            if stride == 2:
                first, last = BACK[self.up_kind](first, last)
        first, last = first - grown[-1], last + grown[-1]
        for more, stride in zip(reversed(grown[:-1]), reversed(strides), strict=True):
            first, last = first * stride - more, last * stride + stride - 1 + more
        return first, last

"""Small convolutional networks that train from scratch on patches."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from lamelle.models.freezable import Freezable, expect_size

_FILTERS = (32, 64, 128, 256)
_HIDDEN = 256
MIN_SIDE = 16
"""Pixels of the shortest side that four poolings leave something of."""


class Cnn(Freezable):
    """Four blocks of convolution 3×3, ReLU and max-pooling, then two dense layers.

    Logits [N, classes] of images [N, in, Y, X]. The blocks have 32, 64, 128 and 256 filters, with dropout 0.25 after
    the second and the fourth; a dense layer of 256 with ReLU and dropout 0.5 comes before the output. ``cnn2`` has a
    batch norm between ReLU and pooling, ``cnn1`` has none. Weights start as PyTorch starts them.

    Args:
        name: ``cnn1`` or ``cnn2``.
        in_channels: Channels of the image.
        classes: Number of outputs.
        size: The only (Y, X) that the network takes, at least 16; an odd row or column is dropped by the pooling.

    Example:
        >>> import torch
        >>> net = Cnn("cnn2", in_channels=3, classes=2, size=(32, 48))
        >>> net(torch.zeros(1, 3, 32, 48)).shape
        torch.Size([1, 2])
    """

    def __init__(self, name: str, *, in_channels: int, classes: int, size: tuple[int, ...]) -> None:
        super().__init__()
        self.name = name
        self.image_size = size
        blocks = [_block(i, o, norm=name == "cnn2") for i, o in pairwise((in_channels, *_FILTERS))]
        for block in blocks[1::2]:
            block.append(nn.Dropout(0.25))
        self.encoder = nn.Sequential(*blocks)
        rows, columns = (side // 2 ** len(blocks) for side in size)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(_FILTERS[-1] * rows * columns, _HIDDEN),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(_HIDDEN, classes),
        )

    def forward(self, image: Tensor) -> Tensor:
        size = tuple(image.shape[2:])
        expect_size(size, self.image_size, name=self.name)
        return self.head(self.encoder(image))


def _block(inputs: int, outputs: int, *, norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True)]
    layers += [nn.BatchNorm2d(outputs)] if norm else []
    return nn.Sequential(*layers, nn.MaxPool2d(2))

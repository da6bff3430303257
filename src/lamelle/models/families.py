"""Which encoders there are, by name: timm's, and the few that torchvision alone has."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

TORCHVISION: Mapping[str, str] = MappingProxyType({"squeezenet1_0": "1_0", "squeezenet1_1": "1_1"})
"""What timm lacks: a name of ours → the version that torchvision's constructor takes."""


def encoder_names() -> list[str]:
    """The bare names of all encoders.

    Example:
        >>> {"resnet18", "squeezenet1_1"} <= set(encoder_names())
        True
    """
    import timm

    return [*timm.list_models(), *TORCHVISION]

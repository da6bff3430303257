"""Which encoders there are, by name: timm's, and the few that torchvision alone has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from lamelle.errors import RequestError, printable
from lamelle.registry import nearest

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


def check_encoder(name: str, *, own: Iterable[str] = ()) -> None:
    """See that a name is a bare one of an encoder: no tag, no hub, no folder.

    Args:
        own: Networks of this package that may have been meant.

    Raises:
        RequestError: If it is none; the message proposes the nearest.
    """
    names = encoder_names()
    if name in names:
        return
    bare = name.partition(".")[0]
    if near := [bare] if bare in names else nearest(name, [*own, *names]):
        raise RequestError("models.encoder_near", value=repr(_shown(name)), near=near[0])
    raise RequestError("models.encoder", value=_shown(name), count=len(names))


def _shown(name: str) -> str:
    return printable(name if len(name) <= 80 else f"{name[:80]}…")

"""Device, precision and threads, resolved once; the resolved values are kept in the Run and used again by resume and
repeat."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from lamelle.errors import RequestError
from lamelle.platform import cores, has_fast_bf16
from lamelle.training.options import Train

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import nn

_ROUNDING = 0.1
"""Relative error of a gradient that rounding to bf16 does not explain: it is about 0.01."""
_PLANE = 32
"""Pixels of a plane that are enough to see how many slices each level of a network sees."""
_FABRIC = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


@dataclass(frozen=True, slots=True)
class Resources:
    """What a training computes with."""

    device: str
    precision: str
    threads: int


def has_accelerator() -> bool:
    """Whether torch finds a GPU."""
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()


def device_of(keys: Train) -> str:
    """Where a training runs; asked before anything is read, so that what cannot be stops early.

    Raises:
        RequestError: If the device that was asked for is not there, or does not compute in the precision asked for.
    """
    device = find_device(keys.device)
    if keys.precision == "16" and device.partition(":")[0] == "cpu":
        raise RequestError("train.half_on_cpu", device=device)
    return device


def resolve(keys: Train, model: nn.Module) -> Resources:
    """The values for ``auto``.

    bf16 where the hardware has it, except that depthwise networks train in float32 on a processor, where bf16 is
    slower, and 3D networks where it is wrong; float16 with loss scaling on GPUs without bf16.

    Raises:
        RequestError: If the device that was asked for is not there, or cannot do what was asked.
    """
    device, precision = device_of(keys), keys.precision
    if precision == "auto":
        precision = _precision(device, model, keys.patch)
    elif precision == "bf16" and device == "cpu" and _is_spoilt(model, keys.patch):
        raise RequestError("train.bf16_spoilt")
    return Resources(device, precision, keys.threads or cores())


def find_device(name: str) -> str:
    """The device that was asked for; of ``auto`` the fastest that is here.

    Raises:
        RequestError: If it is not here.
    """
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(name for name, here in there.items() if here)
    if not there.get(name.split(":")[0], False):
        raise RequestError("train.no_device", device=name, have=", ".join(k for k, v in there.items() if v))
    return name


def _precision(device: str, model: nn.Module, patch: tuple[int, ...] | None) -> str:
    precision = native_precision(device)
    if device.partition(":")[0] != "cpu" or precision == "32":
        return precision
    return "32" if _is_depthwise(model) or _is_spoilt(model, patch) else precision


def native_precision(device: str) -> str:
    """The least precision in which a device computes faster, before what a network cannot bear."""
    import torch

    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "16"
    return "bf16" if device != "mps" and has_fast_bf16() else "32"


def _is_spoilt(model: nn.Module, patch: tuple[int, ...] | None) -> bool:
    """Whether bf16 on this processor gives some convolution of a network a wrong gradient.

    Convolutions across slices that see two of them: torch then takes memory that nobody has written for a part of the
    gradient (seen in 2.15, with oneDNN). Where patches have no fixed depth, that may happen at any step.
    """
    import torch
    from torch import nn

    across = [m for m in model.modules() if isinstance(m, nn.Conv3d) and m.kernel_size[0] > 1]
    if not across or not _two_slices_fail():
        return False
    if patch is None:
        return True
    seen: set[int] = set()
    hooks = [m.register_forward_pre_hook(lambda _, given: seen.add(given[0].shape[2])) for m in across]
    first = next(m for m in model.modules() if isinstance(m, nn.Conv3d))
    trains = model.training
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, first.in_channels, patch[0], min(patch[1], _PLANE), min(patch[2], _PLANE)))
    finally:
        model.train(trains)
        for hook in hooks:
            hook.remove()
    return 2 in seen


@cache
def _two_slices_fail() -> bool:
    """Whether the gradient of a convolution over two slices is wrong in bf16."""
    import torch
    from torch.nn import functional

    random = torch.Generator().manual_seed(0)
    image = torch.randn(1, 8, 2, 8, 8, generator=random).contiguous(memory_format=torch.channels_last_3d)
    weight = torch.randn(8, 8, 3, 3, 3, generator=random).contiguous(memory_format=torch.channels_last_3d)
    gradients = []
    for dtype in (torch.float32, torch.bfloat16):
        leaf = weight.detach().to(dtype).clone().requires_grad_()
        functional.conv3d(image.to(dtype), leaf, padding=1).float().square().mean().backward()
        assert leaf.grad is not None
        gradients.append(leaf.grad.float())
    exact, rounded = gradients
    return not bool((rounded - exact).abs().max() <= _ROUNDING * exact.abs().max())


def _is_depthwise(model: nn.Module) -> bool:
    from torch import nn

    return any(
        isinstance(m, nn.Conv2d | nn.Conv3d) and m.groups > 1 and m.groups == m.in_channels for m in model.modules()
    )


def set_up(resources: Resources) -> Fabric:
    """A Fabric for the resolved device and precision, with the threads set and deterministic algorithms on."""
    import os

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic cuBLAS needs it before its first call
    import torch
    from lightning_fabric import Fabric

    torch.set_num_threads(resources.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # a debugging aid that writes every tensor twice
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    kind, _, number = resources.device.partition(":")
    devices: list[int] | int = [int(number)] if number else 1
    fabric = Fabric(accelerator=kind, devices=devices, precision=_FABRIC[resources.precision])  # type: ignore[arg-type]
    fabric.launch()
    return fabric

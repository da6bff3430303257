"""The shareable part of a Run: ``model.safetensors`` and ``model.json``, data only.

Everything that prediction needs stands in ``model.json``; the network is rebuilt from a closed registry. One input
and its output are stored and checked on load, so that a model that computes something else than it did is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamelle.data.preparation import Preparation
from lamelle.errors import FileError, RequestError
from lamelle.io import atomic
from lamelle.tasks.base import Task
from lamelle.tasks.table import restore
from lamelle.types import Spacing
from lamelle.version import __version__

if TYPE_CHECKING:
    from torch import Tensor, nn

FORMAT = 1
WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"
_PROBE_IN, _PROBE_OUT = "selftest.input", "selftest.output"
_TOLERANCE = 1e-3
"""Largest difference of the self-test, relative to the largest output: float32 on another processor stays far below."""
_LARGEST = 64 << 20
"""Bytes of the largest description that is read."""


@dataclass(frozen=True, slots=True)
class Package:
    """A trained model with all it needs."""

    task: Task
    spec: Mapping[str, Any]
    """What `lamelle.models.build.build` takes."""
    model: nn.Module
    preparation: Preparation
    dims: int
    tile: tuple[int, ...] | None
    """Size of the training crops; None = whole images."""
    overlap: float
    flips: bool
    """Average the outputs of mirrored images."""
    spacing: Spacing | None
    """Pixel size of the training images in µm."""
    fitted: Mapping[str, Any]
    """What validation froze, such as the threshold."""
    provenance: Mapping[str, Any]


def save(package: Package, folder: Path) -> list[Path]:
    """Write a package; the description comes last and holds the SHA-256 of the weights.

    Returns:
        The files written.
    """
    import torch
    from safetensors.torch import save as to_bytes

    folder.mkdir(parents=True, exist_ok=True)
    model = package.model.to("cpu").eval()
    probe = _probe(package)
    with torch.no_grad():
        answer = model(probe)
    tensors = {k: v.detach().contiguous().clone() for k, v in model.state_dict().items()}
    weights = to_bytes(tensors | {_PROBE_IN: probe, _PROBE_OUT: answer.contiguous()})
    atomic.write_bytes(folder / WEIGHTS, weights)
    description = {
        "format": FORMAT,
        "lamelle": __version__,
        "task": {"name": package.task.name, "options": package.task.describe()},
        "model": dict(package.spec),
        "preparation": asdict(package.preparation),
        "dims": package.dims,
        "tile": package.tile,
        "overlap": package.overlap,
        "flips": package.flips,
        "spacing": package.spacing,
        "fitted": dict(package.fitted),
        "provenance": dict(package.provenance),
        "weights_sha256": atomic.sha256(folder / WEIGHTS),
    }
    atomic.write_json(folder / DESCRIPTION, description)
    return [folder / WEIGHTS, folder / DESCRIPTION]


def load(path: Path | str) -> Package:
    """Read a package, or the package of a Run, and check it.

    Raises:
        RequestError: If there is no package at ``path``, or a newer Lamelle wrote it.
        FileError: If the files are damaged, do not fit together, or the self-test fails.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from lamelle.models.build import build

    folder = find(path)
    about = _description(folder / DESCRIPTION)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise FileError("package.no_weights", weights)
    if atomic.sha256(weights) != about["weights_sha256"]:
        raise FileError("package.changed", weights)
    try:
        tensors = load_file(weights)
        model = build(about["model"])
        probe, answer = tensors.pop(_PROBE_IN), tensors.pop(_PROBE_OUT)
        model.load_state_dict(tensors)
        package = Package(
            task=restore(about["task"]["name"], about["task"]["options"]),
            spec=about["model"],
            model=model.eval(),
            preparation=Preparation(**{k: _tuple(v) for k, v in about["preparation"].items()}),
            dims=int(about["dims"]),
            tile=_tuple(about["tile"]),
            overlap=float(about["overlap"]),
            flips=bool(about["flips"]),
            spacing=_tuple(about["spacing"]),
            fitted=about["fitted"],
            provenance=about["provenance"],
        )
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise FileError("package.damaged", folder, reason=_first_line(error)) from error
    _self_test(package.model, probe, answer, folder)
    return package


def find(path: Path | str) -> Path:
    """The folder that holds ``model.json``: ``path`` itself, or ``path/model`` of a Run.

    Raises:
        RequestError: If neither has one.
    """
    for folder in (Path(path), Path(path) / "model"):
        if (folder / DESCRIPTION).is_file():
            return folder
    raise RequestError("package.none", path=path)


def _description(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _LARGEST:
        raise FileError("package.damaged", path, reason=f"{path.stat().st_size} bytes")
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        made = int(about["format"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FileError("package.damaged", path, reason=_first_line(error)) from error
    if made > FORMAT:
        raise RequestError("package.newer", path=path, made=made, known=FORMAT)
    return about


def _probe(package: Package) -> Tensor:
    """A small fixed input: 32 pixels along each axis, from a seeded generator."""
    import torch

    size = (1, package.preparation.channels, *(32,) * package.dims)
    return torch.randn(size, generator=torch.Generator().manual_seed(0))


def _self_test(model: nn.Module, probe: Tensor, answer: Tensor, folder: Path) -> None:
    import torch

    with torch.no_grad():
        now = model(probe)
    if now.shape != answer.shape or not torch.isfinite(now).all():
        raise FileError("package.self_test", folder, difference="shape or NaN")
    difference = float((now - answer).abs().max() / answer.abs().max().clamp(min=1e-6))
    if difference > _TOLERANCE:
        raise FileError("package.self_test", folder, difference=f"{difference:.2g}")


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"

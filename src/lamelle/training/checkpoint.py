"""Checkpoints that survive a kill at any moment: tensors and state are written beside the old ones, then named.

A checkpoint is ``step-N.safetensors`` (network and optimiser) and ``step-N.json`` (all numbers); the JSON comes last
and holds the SHA-256 of the tensors and of itself, so that a checkpoint is whole or not there. The weights of the
best epoch lie in ``best-N.safetensors``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lamelle.io import atomic
from lamelle.io.checksums import intact, seal
from lamelle.io.manifest import FileState
from lamelle.results.history import Epoch
from lamelle.types import JsonObject

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn
    from torch.optim import Optimizer

_KEPT = 2


@dataclass(slots=True)
class State:
    """Where a training stands; with the tensors, all that the rest of it depends on."""

    epoch: int = 0
    """The epoch in progress."""
    batch: int = 0
    """Steps of that epoch done."""
    step: int = 0
    """Steps done in all."""
    elapsed: float = 0.0
    """Seconds of training, over all its pieces."""
    loss_sum: float = 0.0
    """Sum of the losses of this epoch's steps."""
    rows: list[Mapping[str, np.ndarray]] = field(default_factory=list)
    """What this epoch's training score is made of."""
    history: list[Epoch] = field(default_factory=list)
    best: float | None = None
    best_loss: float | None = None
    best_epoch: int = -1
    best_file: str = ""
    best_digest: str = ""
    stale: int = 0
    """Validations since the best one."""
    knots: list[tuple[int, int]] = field(default_factory=list)
    scaler: JsonObject = field(default_factory=dict)
    done: bool = False

    def to_json(self) -> str:
        """All of it, as `from_json` reads it."""
        return json.dumps(asdict(self), default=_listed)

    @classmethod
    def from_json(cls, plain: JsonObject) -> Self:
        """The state that `to_json` wrote."""
        state = cls(**plain)
        state.knots = [(int(a), int(b)) for a, b in state.knots]
        state.history = [Epoch.model_validate(one) for one in plain["history"]]
        return state


def save(
    folder: Path,
    state: State,
    model: nn.Module,
    optimizer: Optimizer,
    best: dict[str, Tensor] | None,
    average: dict[str, Tensor] | None,
) -> None:
    """Write a checkpoint, then remove what it replaces.

    Args:
        best: Weights of the best epoch, if they are newer than ``state.best_file``.
        average: Averaged weights, if the training keeps an average.
    """
    from safetensors.torch import save as to_bytes

    folder.mkdir(parents=True, exist_ok=True)
    if best is not None:
        state.best_file = f"best-{state.step:08d}.safetensors"
        state.best_digest = _write(folder / state.best_file, to_bytes(best))
    tensors = {f"model.{k}": v for k, v in weights(model).items()}
    tensors |= {f"average.{k}": v for k, v in (average or {}).items()}
    described = optimizer.state_dict()
    for index, slots in described["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v.detach().cpu().contiguous() for k, v in slots.items()}
    name = _name(state)
    digest = _write(folder / f"{name}.safetensors", to_bytes(tensors))
    content = {"state": json.loads(state.to_json()), "groups": described["param_groups"], "tensors_sha256": digest}
    atomic.write_bytes(folder / f"{name}.json", seal(json.dumps(content)))
    _tidy(folder, state)


def _listed(value: Any) -> Any:
    """Epochs and arrays as JSON holds them."""
    return value.model_dump() if isinstance(value, Epoch) else value.tolist()


def weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy of a network's parameters and buffers in main memory."""
    return {k: v.detach().cpu().contiguous().clone() for k, v in model.state_dict().items()}


def not_finite(model: nn.Module, *, but: Collection[str] = ()) -> list[str]:
    """Names of the tensors of a network that hold NaN or infinity.

    Args:
        but: Names that are passed over.
    """
    import torch

    floating = ((k, v) for k, v in model.state_dict().items() if v.is_floating_point() and k not in but)
    return [k for k, v in floating if not torch.isfinite(v).all()]


def newest(
    folder: Path, damaged: Callable[[Path], None] | None = None
) -> tuple[State, dict[str, Tensor], list[JsonObject]] | None:
    """The newest checkpoint that verifies: state, tensors, parameter groups; None where there is none.

    A checkpoint whose best weights are missing or changed does not verify either.

    Args:
        damaged: Hears of each file for which a newer checkpoint was passed over.
    """
    from safetensors.torch import load

    if (path := last(folder, damaged)) is None:
        return None
    content = json.loads(path.read_bytes())
    return State.from_json(content["state"]), load(path.with_suffix(".safetensors").read_bytes()), content["groups"]


def last(folder: Path, damaged: Callable[[Path], None] | None = None) -> Path | None:
    """The JSON of the checkpoint that `newest` reads."""
    for path in sorted(folder.glob("step-*.json"), reverse=True):
        wrong = [name for name, state in _states(path).items() if state != "whole"]
        if not wrong:
            return path
        if damaged is not None:
            for name in wrong:
                damaged(folder / name)
    return None


def states(folder: Path) -> dict[str, FileState]:
    """What was found of each file of the checkpoints; ``unknown`` is what no checkpoint names."""
    names = sorted(path.name for path in folder.glob("*") if path.is_file())
    result: dict[str, FileState] = {name: "unknown" for name in names if not name.startswith(atomic.TEMPORARY)}
    for path in sorted(folder.glob("step-*.json")):
        result |= _states(path)
    return result


def _states(path: Path) -> dict[str, FileState]:
    """What was found of the files of one checkpoint, given its JSON; of a damaged one nothing more is known."""
    try:
        data = path.read_bytes()
        content = json.loads(data)
        if not intact(data):
            return {path.name: "changed"}
        state = content["state"]
        digests = {path.with_suffix(".safetensors").name: content["tensors_sha256"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {path.name: "changed"}
    if state["best_file"]:
        digests[state["best_file"]] = state["best_digest"]
    result: dict[str, FileState] = {path.name: "whole"}
    for name, digest in digests.items():
        now = _digest_file(path.parent / name)
        result[name] = "missing" if not now else "whole" if now == digest else "changed"
    return result


def restore(tensors: dict[str, Tensor], groups: list[JsonObject], model: nn.Module, optimizer: Optimizer) -> None:
    """Put a checkpoint's tensors back."""
    import torch

    model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            slots.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": slots, "param_groups": groups})
    for parameter, slot in optimizer.state.items():
        for name, value in slot.items():
            if value.shape == parameter.shape:  # in the parameter's memory order, which a fused step takes for granted
                slot[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def best_weights(folder: Path, state: State) -> dict[str, Tensor] | None:
    """Weights of the best epoch, if there was one."""
    from safetensors.torch import load_file

    return load_file(folder / state.best_file) if state.best_file else None


def _name(state: State) -> str:
    return f"step-{state.step:08d}"


def _write(path: Path, blob: bytes) -> str:
    atomic.write_bytes(path, blob)
    return hashlib.sha256(blob).hexdigest()


def _digest_file(path: Path) -> str:
    return atomic.sha256(path) if path.is_file() else ""


def _tidy(folder: Path, state: State) -> None:
    """Keep the checkpoint of this state and the newest readable one before it, with the best weights they name.

    Checkpoints of later steps did not verify when the training went on; what a kill left half-written goes too.
    """
    current = _name(state)
    stems, named = {current}, {state.best_file}
    for path in sorted(folder.glob("step-*.json"), reverse=True):
        if path.stem < current and len(stems) < _KEPT and (best := _best_file(path)) is not None:
            stems.add(path.stem)
            named.add(best)
        elif path.stem not in stems:
            path.unlink(missing_ok=True)
    for path in folder.glob("*.safetensors"):
        if path.name not in named and path.stem not in stems:
            path.unlink(missing_ok=True)
    for path in folder.glob(f"{atomic.TEMPORARY}*"):
        path.unlink(missing_ok=True)


def _best_file(path: Path) -> str | None:
    """The best weights that a checkpoint names, empty if none; None if it cannot be read."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["state"]["best_file"])
    except (OSError, ValueError, KeyError, TypeError):
        return None

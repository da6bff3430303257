"""Ways to break a checkpoint; the proofs must see each of them."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lamelle.training import checkpoint
from lamelle.training.checkpoint import State

_PIECE = 4096
_NAME = "checkpoint.bin"


def forget_position() -> None:
    """The place in the epoch is lost."""
    newest = checkpoint.newest

    def forgetful(folder: Path, *rest: Any) -> Any:
        found = newest(folder, *rest)
        if found is not None:
            found[0].batch = 0
        return found

    checkpoint.newest = forgetful


def forget_optimizer() -> None:
    """The moments of the optimiser are lost."""
    restore = checkpoint.restore

    def partial(tensors: Any, groups: Any, model: Any, optimizer: Any) -> None:
        fresh = optimizer.state_dict()
        restore(tensors, groups, model, optimizer)
        optimizer.load_state_dict(fresh)

    checkpoint.restore = partial


def write_in_place(*, verify: bool) -> None:
    """One file, written over in place, each piece on its way to the disk; read with or without a look at its digest."""
    from safetensors.torch import load, save

    def rewrite(folder: Path, state: State, model: Any, optimizer: Any, best: Any, average: Any) -> None:
        folder.mkdir(exist_ok=True)
        best = best or checkpoint.best_weights(folder, state) or {}
        state.best_file = _NAME if best else ""
        tensors = {f"model.{k}": v for k, v in checkpoint.weights(model).items()}
        tensors |= {f"average.{k}": v for k, v in (average or {}).items()}
        described = optimizer.state_dict()
        for index, slots in described["state"].items():
            tensors |= {f"optimizer.{index}.{k}": v.detach().cpu().contiguous() for k, v in slots.items()}
        blob = save(tensors | {f"best.{k}": v for k, v in best.items()})
        about = {"state": json.loads(state.to_json()), "groups": described["param_groups"], "digest": _digest(blob)}
        head = json.dumps(about).encode()
        content = struct.pack("<Q", len(head)) + head + blob
        with (folder / _NAME).open("wb", buffering=0) as file:
            for at in range(0, len(content), _PIECE):
                file.write(content[at : at + _PIECE])
                os.fsync(file.fileno())

    def read(folder: Path, *_: Any) -> Any:
        if not (folder / _NAME).is_file():
            return None
        content = (folder / _NAME).read_bytes()
        try:
            (size,) = struct.unpack("<Q", content[:8])
            about, blob = json.loads(content[8 : 8 + size]), content[8 + size :]
        except (ValueError, struct.error):
            if verify:
                return None
            raise
        if verify and _digest(blob) != about["digest"]:
            return None
        state = State.from_json(about["state"])
        tensors = {k: v for k, v in load(blob).items() if not k.startswith("best.")}
        return state, tensors, about["groups"]

    def best_of(folder: Path, state: State) -> Any:
        if not state.best_file:
            return None
        content = (folder / _NAME).read_bytes()
        (size,) = struct.unpack("<Q", content[:8])
        return {k[5:]: v for k, v in load(content[8 + size :]).items() if k.startswith("best.")}

    checkpoint.save, checkpoint.newest, checkpoint.best_weights = rewrite, read, best_of


def _digest(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()


CHANGES: dict[str, Callable[[], None]] = {
    "position": forget_position,
    "optimizer": forget_optimizer,
    "in place, verified": lambda: write_in_place(verify=True),
    "in place, trusted": lambda: write_in_place(verify=False),
}

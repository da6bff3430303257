"""Weights that were saved by torch, as safetensors: read without running any code that may be in the file."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lamelle.errors import FileError, RequestError
from lamelle.io import atomic

SUFFIX = ".safetensors"
_INSIDE = ("state_dict", "model_state_dict", "model_state", "model", "net", "teacher", "student")
"""Entries under which training programs keep the tensors of a network."""
_WRAPPED = "module."
"""What torch puts before every name where a network was trained on several GPUs."""


def convert_weights(source: Path, out: Path) -> Path:
    """Write the tensors of a file that torch saved (.pt, .pth, .bin, .ckpt) as safetensors.

    Only tensors and plain values are read: a file that would run code is refused (``torch.load(weights_only=True)``).

    Raises:
        RequestError: If ``out`` exists, or the file holds no tensors by their names.
        FileError: If the file cannot be read, or holds more than tensors and plain values.
    """
    import torch
    from safetensors.torch import save_file

    if out.exists():
        raise RequestError("convert.taken", path=out)
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except OSError as error:
        raise FileError("models.weights_unreadable", source, reason=error.strerror or str(error)) from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError) as error:
        raise FileError("models.weights_pickle", source, reason=(str(error).splitlines() or ["–"])[0]) from error
    tensors = {
        str(name).removeprefix(_WRAPPED): value.detach().contiguous().clone()
        for name, value in _inside(content).items()
        if isinstance(value, torch.Tensor)
    }
    if not tensors:
        raise RequestError("models.weights_no_tensors", path=source)
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic.writing(out) as temporary:
        save_file(tensors, temporary)
    return out


def _inside(content: Any) -> Mapping[Any, Any]:
    """The mapping of names to tensors, wherever it lies in what was saved."""
    while isinstance(content, Mapping):
        within = next((content[name] for name in _INSIDE if isinstance(content.get(name), Mapping)), None)
        if within is None:
            return content
        content = within
    return {}

"""A network with the weights of a file of its own; refused by the file's header, before memory is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from lamelle.errors import FileError, printable
from lamelle.models.build import Architecture, build, sketch

if TYPE_CHECKING:
    from torch import Tensor

    from lamelle.models.freezable import Freezable

_Tensor = tuple[str, tuple[int, ...]]
"""Type, in the words of the file, and shape."""
_TYPES: Mapping[str, str] = MappingProxyType(
    {f"torch.float{n}": f"F{n}" for n in (16, 32, 64)}
    | {f"torch.int{n}": f"I{n}" for n in (8, 16, 32, 64)}
    | {"torch.bool": "BOOL", "torch.uint8": "U8"}
)
_SHOWN = 200


def restore(architecture: Architecture, path: Path, *, beside: Sequence[str]) -> tuple[Freezable, list[Tensor]]:
    """A network with its weights, and the tensors that the file holds beside them.

    Args:
        path: A safetensors file with every tensor of the network, those named in ``beside``, and no other.
        beside: Names of further tensors, float32.

    Raises:
        RequestError: If the network cannot be built.
        FileError: If the file is damaged, or holds other tensors than the network has.

    Example:
        >>> import tempfile, torch
        >>> from safetensors.torch import save_file
        >>> small = Architecture.model_validate({"options": "cnn", "inputs": 1, "outputs": 2, "size": [16, 16]})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "weights.safetensors"
        ...     save_file(build(small).state_dict() | {"probe": torch.ones(3)}, file)
        ...     net, (probe,) = restore(small, file, beside=["probe"])
        >>> probe
        tensor([1., 1., 1.])
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    wanted = {
        key: (_TYPES.get(str(t.dtype), "?"), tuple(t.shape)) for key, t in sketch(architecture).state_dict().items()
    }
    try:
        _compare(_header(path), wanted, beside, path)
        tensors = load_file(path)
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise FileError("models.file_damaged", path, reason=_in_short(error)) from error
    net = build(architecture)
    net.load_state_dict({key: tensors[key] for key in wanted})
    return net, [tensors[key] for key in beside]


def _header(path: Path) -> dict[str, _Tensor]:
    """Type and shape of every tensor; none is read."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        parts = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118 (no mapping)
        return {key: (part.get_dtype(), tuple(part.get_shape())) for key, part in parts.items()}


def _compare(stored: Mapping[str, _Tensor], wanted: Mapping[str, _Tensor], beside: Sequence[str], path: Path) -> None:
    missing = [key for key in (*wanted, *beside) if key not in stored]
    strange = [key for key in stored if key not in wanted and key not in beside]
    wrong = [key for key in wanted if key in stored and stored[key] != wanted[key]]
    wrong += [key for key in beside if key in stored and stored[key][0] != "F32"]
    faults = [*missing, *strange, *wrong]
    if not faults:
        return
    first = faults[0]
    has, needs = _shown(stored.get(first)), _shown(wanted.get(first))
    raise FileError("models.file_other", path, n=len(faults), tensor=printable(first)[:_SHOWN], held=has, wanted=needs)


def _shown(tensor: _Tensor | None) -> str:
    return "–" if tensor is None else f"{tensor[0]} {list(tensor[1])}"[:_SHOWN]


def _in_short(error: Exception) -> str:
    return printable(" ".join(str(error).split()))[:_SHOWN] or type(error).__name__

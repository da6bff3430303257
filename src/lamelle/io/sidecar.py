"""What PNG, NPY and folders of slices cannot say themselves, in a JSON file beside the pixels."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lamelle.errors import FileError
from lamelle.io import atomic
from lamelle.io.axes import checked_spacing
from lamelle.types import Spacing

SERIES = "series.json"
"""Name of the sidecar inside a folder of slices."""
_FORMAT = "lamelle series 1"


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What is known about a stack beside its pixels."""

    name: str
    """Stem of the file that the pixels came from."""
    source: str
    """Name of that file or folder."""
    axes: str
    """``CZYX`` or ``CYX``: the order in which ``shape`` counts."""
    shape: tuple[int, ...]
    dtype: str
    spacing: Spacing | None
    """µm, (Z,) Y, X."""
    sha256: str
    """Of the pixels, slice by slice: see `lamelle.conversion.pixels.Digest`."""
    files: tuple[str, ...] = ()
    """Names of the slices in order; empty beside a single file."""


def beside(path: Path) -> Path:
    """Where the sidecar of a folder of slices, or of an NPY file, lies.

    Example:
        >>> beside(Path("nowhere/a.npy")).name
        'a.npy.json'
    """
    return path / SERIES if path.is_dir() else path.with_name(f"{path.name}.json")


def is_series(folder: Path) -> bool:
    """Whether a folder is a stack in slices; a sidecar that is broken counts, so that its reader can say so."""
    try:
        about = read(folder / SERIES)
    except FileError:
        return True
    return about is not None and bool(about.files)


def write(path: Path, sidecar: Sidecar) -> None:
    """Write a sidecar.

    Raises:
        FileError: If the system cannot write.
    """
    atomic.write_json(path, {"format": _FORMAT, **asdict(sidecar)})


def read(path: Path) -> Sidecar | None:
    """The sidecar in a file; None if there is no such file, or it is another program's.

    Raises:
        FileError: If it is ours but broken.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FileError("convert.sidecar", path, reason=type(error).__name__) from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        return None
    try:
        return _checked(content)
    except (KeyError, TypeError, ValueError) as error:
        raise FileError("convert.sidecar", path, reason=f"{type(error).__name__}: {error}"[:200]) from error


def _checked(content: dict) -> Sidecar:
    texts = [content[key] for key in ("name", "source", "axes", "dtype", "sha256")]
    files, shape, spacing = content["files"], content["shape"], content["spacing"]
    if not all(isinstance(text, str) for text in [*texts, *files]):
        raise ValueError("text")
    if not isinstance(shape, list) or not all(isinstance(n, int) and n > 0 for n in shape) or len(shape) not in (3, 4):
        raise ValueError("shape")
    micrometres = None
    if spacing is not None:
        micrometres = checked_spacing(tuple(float(v) for v in spacing))
        if micrometres is None or len(micrometres) != len(shape) - 1:
            raise ValueError("spacing")
    name, source, axes, dtype, sha256 = texts
    return Sidecar(name, source, axes, tuple(shape), dtype, micrometres, sha256, tuple(files))

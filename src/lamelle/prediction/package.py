"""The shareable part of a Run: ``model.safetensors`` and ``model.json``, data only.

Everything that prediction needs stands in ``model.json``; the network is rebuilt from a closed registry. One input
and its output are stored and checked on load, so that a model that computes something else than it did is refused.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from lamelle.data.layouts.table_spelling import Naming
from lamelle.data.preparation import Preparation
from lamelle.data.profile import Profile
from lamelle.errors import FileError, RequestError, WorkError
from lamelle.io import atomic
from lamelle.io.checksums import intact, with_checksum
from lamelle.io.manifest import FileState
from lamelle.models.build import Architecture
from lamelle.models.size_check import FOREIGN
from lamelle.prediction.description import Description
from lamelle.prediction.migration import migrated
from lamelle.results.fitted import Fitted, Sweep
from lamelle.tasks.base import Task
from lamelle.tasks.table import restore
from lamelle.types import JsonObject, Spacing
from lamelle.version import __version__

if TYPE_CHECKING:
    from torch import Tensor

    from lamelle.models.freezable import Freezable

FORMAT, OLDER = 4, (1, 2, 3)
WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"
_PROBE_IN, _PROBE_OUT = "selftest.input", "selftest.output"
_TOLERANCE = 1e-3
"""Largest difference of the self-test, relative to the largest output: float32 on another processor stays far below."""
_LARGER = {2: ((64, 64), (224, 224), (256, 256)), 3: ((32, 64, 64),)}
"""Further sizes of a self-test, by the number of axes, where whole images of any size were trained on."""
_LARGEST = 64 << 20
"""Bytes of the largest description that is read."""


@dataclass(frozen=True, slots=True)
class Package:
    """A trained model with all it needs."""

    task: Task
    architecture: Architecture
    """What `lamelle.models.build.build` takes."""
    model: Freezable
    preparation: Preparation
    dims: int
    tile: tuple[int, ...] | None
    """Size of a tile of prediction, by default that of the training crops; None = whole images."""
    overlap: float | Literal["field"]
    flips: bool
    """Average the outputs of mirrored images."""
    spacing: Spacing | None
    """Pixel size of the training images in µm."""
    fitted: Fitted
    """What validation froze, such as the threshold: the `Fitted` of the task."""
    provenance: JsonObject
    sweeps: tuple[Sweep, ...] = ()
    """What validation tried for it."""
    naming: Naming | None = None
    """How the table it was trained on spells; None if no table labelled the images."""
    profile: Profile | None = None
    """What the training images were like; None in packages of older versions."""
    axes: str | None = None
    """What the user said the axes of the training images are; those of new images are taken to be the same."""
    slices: bool = False
    """Whether the training images are slices of volumes, as they lie once a volume is turned by its affine."""
    whole: bool = True
    """Whether an image that is small enough is predicted in one piece in spite of the tile."""

    @property
    def volumes(self) -> bool:
        """Whether a folder of DICOM slices is a volume to the model, rather than single images."""
        return self.dims == 3 or self.slices or self.preparation.context > 0


def save(package: Package, folder: Path) -> list[Path]:
    """Write a package; the description comes last and holds the SHA-256 of the weights, and its own.

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
        "task": package.task.describe().model_dump(mode="json"),
        "model": package.architecture.model_dump(mode="json"),
        "preparation": asdict(package.preparation),
        "dims": package.dims,
        "tile": package.tile,
        "whole": package.whole,
        "overlap": package.overlap,
        "flips": package.flips,
        "spacing": package.spacing,
        "fitted": package.fitted.decided(),
        "sweeps": [one.model_dump(mode="json") for one in package.sweeps],
        "provenance": dict(package.provenance),
        "weights_sha256": atomic.sha256(folder / WEIGHTS),
    }
    if package.naming is not None:
        description["naming"] = asdict(package.naming)
    if package.profile is not None:
        description["profile"] = package.profile.model_dump(mode="json")
    if package.axes is not None:
        description["axes"] = package.axes
    if package.slices:
        description["slices"] = True
    atomic.write_bytes(folder / DESCRIPTION, with_checksum(description))
    return [folder / WEIGHTS, folder / DESCRIPTION]


def load(path: Path | str) -> Package:
    """Read a package, or the package of a Run, and check it; whether that Run wrote it is asked by
    `lamelle.runs.model.load_model`.

    Raises:
        RequestError: If there is no package at ``path``, or a newer Lamelle wrote it.
        FileError: If the files are damaged, do not fit together, or the self-test fails.
    """
    from lamelle.models.restore import restore as restored

    folder = find(path)
    weights = folder / WEIGHTS
    about = _description(folder / DESCRIPTION)
    if not weights.is_file():
        raise FileError("package.no_weights", weights)
    if atomic.sha256(weights) != about.weights_sha256:
        raise FileError("package.changed", weights)
    try:
        task = restore(about.task)
        model, (probe, answer) = restored(about.model, weights, beside=(_PROBE_IN, _PROBE_OUT))
        package = Package(
            task=task,
            architecture=about.model,
            model=model.eval(),
            preparation=Preparation(**dict(about.preparation)),
            dims=about.dims,
            tile=about.tile,
            whole=about.whole,
            overlap=about.overlap,
            flips=about.flips,
            spacing=about.spacing,
            fitted=task.restore_fitted(about.fitted),
            sweeps=about.sweeps,
            provenance=about.provenance.model_dump(exclude_unset=True),
            naming=Naming(**dict(about.naming)) if about.naming else None,
            profile=about.profile,
            axes=about.axes,
            slices=about.slices,
        )
    except RequestError as error:
        raise FileError("package.damaged", folder / DESCRIPTION, reason=error) from error
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise FileError("package.damaged", folder / DESCRIPTION, reason=_reason(error)) from error
    _see_size(package, folder)
    _self_test(package, probe, answer, folder)
    return package


def states(folder: Path) -> dict[str, FileState]:
    """What was found of the files of a package, which is not loaded: ``whole``, ``changed`` or ``missing``."""
    files: dict[str, FileState] = {DESCRIPTION: "changed", WEIGHTS: "missing"}
    weights = atomic.sha256(folder / WEIGHTS) if (folder / WEIGHTS).is_file() else None
    try:
        about = _description(folder / DESCRIPTION)
    except FileError:
        if weights:
            files[WEIGHTS] = "unknown"
        return files
    files[DESCRIPTION] = "whole"
    if weights:
        files[WEIGHTS] = "whole" if weights == about.weights_sha256 else "changed"
    return files


def find(path: Path | str) -> Path:
    """The folder that holds ``model.json``: ``path`` itself, or ``path/model`` of a Run.

    Raises:
        RequestError: If neither has one.
    """
    for folder in (Path(path), Path(path) / "model"):
        if (folder / DESCRIPTION).is_file():
            return folder
    if folds := sorted(p.parents[1] for p in Path(path).glob(f"fold*/model/{DESCRIPTION}")):
        raise RequestError("package.folds", path=path, n=len(folds), one=folds[0])
    below = sorted(p.parents[1] for depth in ("*", "*/*") for p in Path(path).glob(f"{depth}/model/{DESCRIPTION}"))
    if below:
        raise RequestError("package.below", path=path, n=len(below), one=below[0])
    raise RequestError("package.none", path=path)


def _description(path: Path) -> Description:
    if path.stat().st_size > _LARGEST:
        raise FileError("package.damaged", path, reason=f"{path.stat().st_size} bytes")
    try:
        data = path.read_bytes()
        if (whole := intact(data)) is False:
            raise FileError("package.description_changed", path)
        about = json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
        if isinstance(about, dict) and isinstance(made := about.get("format"), int) and made > FORMAT:
            raise RequestError("package.newer", path=path, made=made, known=FORMAT)
        if whole is None:
            raise FileError("package.description_unsealed", path)
        if isinstance(about, dict) and type(made := about.get("format")) is int and made in OLDER:
            return Description.model_validate_json(json.dumps(migrated(about)), strict=True)
        return Description.model_validate_json(data, strict=True)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FileError("package.damaged", path, reason=_reason(error)) from error


def _once(pairs: list[tuple[str, object]]) -> JsonObject:
    """An object of JSON; a key that stands twice would be read otherwise by another program."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key stands twice")
    return fields


def _no_number(name: str) -> float:
    """Refuse what JSON does not know."""
    raise ValueError(f"{name} is no number")


def _probe(package: Package) -> Tensor:
    """A small fixed input from a seeded generator: 32 pixels along each axis, else the size of the training.

    Raises:
        WorkError: If the network takes neither.
    """
    import torch

    from lamelle.models.size_check import refusal

    model, dims = package.model, package.dims
    only = model.image_size
    parts = model.image_multiple or (1,) * dims
    small = tuple(-(-32 // part) * part for part in parts)
    sizes = [size for size in (only or small, package.preparation.resize, package.tile, *_LARGER[dims]) if size]
    for size in sizes:
        if refusal(model, size, channels=package.preparation.inputs) is None:
            return torch.randn(1, package.preparation.inputs, *size, generator=torch.Generator().manual_seed(0))
    raise WorkError("package.no_probe", sizes=", ".join(" × ".join(map(str, size)) for size in sizes))


def _see_size(package: Package, folder: Path) -> None:
    """Refuse a package whose images would come in another size than the only one that its network takes."""
    only, given = package.model.image_size, package.tile or package.preparation.resize
    if only and given and tuple(only) != tuple(given):
        taken, got = (" × ".join(map(str, size)) for size in (only, given))
        reason = f"the network takes images of {taken}, they are prepared as {got}"
        raise FileError("package.damaged", folder / DESCRIPTION, reason=reason)


def _self_test(package: Package, probe: Tensor, answer: Tensor, folder: Path) -> None:
    import torch

    if probe.ndim != package.dims + 2 or probe.shape[:2] != (1, package.preparation.inputs):
        raise FileError("package.self_test", folder, difference="shape")
    try:
        with torch.no_grad():
            now = package.model(probe)
    except FOREIGN as error:  # the network takes no image of this size
        raise FileError("package.self_test", folder, difference=_reason(error)) from error
    if now.shape != answer.shape or now.shape[1] != package.task.outputs:
        shown = f"{now.shape[1]} outputs, where {package.task.outputs} are described"
        raise FileError("package.self_test", folder, difference=shown)
    if not all(bool(torch.isfinite(tensor).all()) for tensor in (now, answer, probe)):
        raise FileError("package.self_test", folder, difference="NaN or infinity")
    difference = float((now - answer).abs().max() / answer.abs().max().clamp(min=1e-6))
    if difference > _TOLERANCE:
        raise FileError("package.self_test", folder, difference=f"{difference:.2g}")


def _reason(error: Exception) -> str:
    """The first thing that is wrong, in one line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        cause = "not a JSON object" if first["type"] == "model_type" else first["msg"].removeprefix("Value error, ")
        return ": ".join(filter(None, (".".join(map(str, first["loc"])), cause)))
    cause = str(error).partition("\n")[0]
    return cause if cause and isinstance(error, ValueError) else f"{type(error).__name__}: {cause}"

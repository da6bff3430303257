"""What is published for an encoder: how its weights want their images, and the weights themselves when asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lamelle.errors import FileError, LamelleError, RequestError, printable
from lamelle.models.weights import find_weights, match, metadata, published, read

if TYPE_CHECKING:
    from timm.models import PretrainedCfg

Save = Callable[[Path], AbstractContextManager[Path]]
"""Gives a temporary path that becomes the file when all went well: ``lamelle.io.atomic.writing``."""

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_RANGES: Mapping[object, str] = {
    _IMAGENET: "imagenet",
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)): "symmetric",
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)): "unit",
}
_FILE = "model.safetensors"


def expected_normalise(name: str) -> str | None:
    """How the published weights of an encoder want their pixels: ``imagenet``, ``symmetric``, ``unit``; else ``None``.

    It is what timm's default weights of this name want; others of the same architecture may differ (those of DINO want
    ``imagenet`` in a ``vit_small_patch16_224``, whose default weights want ``symmetric``).

    Example:
        >>> expected_normalise("resnet18"), expected_normalise("vit_tiny_patch16_224")
        ('imagenet', 'symmetric')
    """
    from lamelle.models.families import TORCHVISION

    if name in TORCHVISION:
        return "imagenet"
    config = _configuration(name)
    return None if config is None else _RANGES.get((tuple(config.mean), tuple(config.std)))


def expected_size(name: str) -> tuple[int, int] | None:
    """The only (Y, X) that an encoder takes if it is built without arguments; ``None`` if it takes many or is unknown.

    Example:
        >>> expected_size("vit_small_patch14_dinov2"), expected_size("resnet18")
        ((518, 518), None)
    """
    from lamelle.models.encoders import embeds_patches, fixed_size, reference

    config = _configuration(name)
    if config is None or not config.fixed_input_size:
        return None
    net = reference(name)
    size = fixed_size(net) if embeds_patches(net) else config.input_size[1:]
    return None if size is None else (size[0], size[1])


@dataclass(frozen=True, slots=True)
class AskedNetwork:
    """What a request says of a network before it is known which one it is."""

    encoder: str | None
    """Name of the encoder that is asked for, or that the given weights belong to."""
    pretrained: bool
    """Whether weights are given."""
    frozen: bool
    """Whether a part of the encoder is not to learn."""
    levels: int | None
    """Number of levels, where it is asked for."""

    @property
    def expects(self) -> str | None:
        """How the given weights want their pixels, where that is known."""
        return expected_normalise(self.encoder) if self.encoder and self.pretrained else None

    @property
    def fixed(self) -> tuple[int, int] | None:
        """The only size (Y, X) that the encoder takes, if there is only one."""
        return expected_size(self.encoder) if self.encoder else None


def asked_network(section: Mapping[str, object]) -> AskedNetwork:
    """What the section ``model`` of a request says, before it is complete.

    Raises:
        RequestError: If weights are given without a name, and that of their file says none.

    Example:
        >>> asked_network({"filters": [8, 16], "freeze": "head"})
        AskedNetwork(encoder=None, pretrained=False, frozen=True, levels=2)
    """
    name, weights, filters = section.get("name"), section.get("weights"), section.get("filters")
    if name is None and weights not in (None, "home"):
        name = encoder_of(str(weights))
    return AskedNetwork(
        encoder=None if name is None else str(name),
        pretrained=weights is not None,
        frozen=section.get("freeze", "none") != "none",
        levels=len(filters) if isinstance(filters, list | tuple) else None,
    )


def encoder_of(weights: str) -> str:
    """The timm encoder that a weight file's name begins with: ``mobilenetv2_100.backbone.safetensors``.

    Raises:
        RequestError: If the name says none.
    """
    import timm

    name = Path(weights).name.split(".")[0]
    if name not in timm.list_models(name):
        raise RequestError("plan.weights_name", file=weights)
    return name


def published_size(name: str) -> tuple[int, int] | None:
    """The size (Y, X) of the images that an encoder was published with, where that is known; it may take others.

    Example:
        >>> published_size("resnet18"), published_size("squeezenet1_1")
        ((224, 224), None)
    """
    config = _configuration(name)
    return None if config is None else (config.input_size[1], config.input_size[2])


def resolve_weights(name: str, given: str, home: Path, *, save: Save) -> Path:
    """The file that the value of the key ``weights`` means: ``home``, ``hub``, or a path.

    ``home`` is ``<home>/weights/<name>.safetensors``; ``hub`` the same, downloaded first where it is not there.

    Raises:
        RequestError: If there is no such file, or it cannot be downloaded; the message says how to get it.
    """
    if given == "hub":
        return download_weights(name, home=home, save=save)
    return find_weights(name, file=None if given == "home" else Path(given).expanduser(), home=home)


def download_weights(name: str, *, home: Path, save: Save) -> Path:
    """Fetch timm's default weights of an encoder into ``<home>/weights``; a file that is there already is kept.

    The file is proved to hold this architecture before it takes its place, and says its origin and licence. No token
    of the user is sent.

    Returns:
        Where the file is.

    Raises:
        RequestError: If none are published, they cannot be fetched, or what came is not this architecture; the message
            says how to fetch them elsewhere.
        FileError: If the file cannot be written.
    """
    place = home / "weights" / f"{name}.safetensors"
    if place.is_file():
        return place
    hub, terms = published(name)
    if hub is None:
        raise RequestError("models.weights_unpublished", name=name, place=place)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        folder = TemporaryDirectory(dir=place.parent, prefix=".tmp-")
    except OSError as error:
        raise FileError("files.cannot_write", place, reason=error.strerror or error, written=0) from error
    with folder:
        try:
            data = _fetch(name, hub, terms, Path(folder.name))
        except _Unfetched as error:
            raise RequestError(
                "models.weights_download", name=name, hub=hub, reason=error, place=place, licence=terms or "?"
            ) from error
    with save(place) as temporary:
        temporary.write_bytes(data)
    return place


class _Unfetched(Exception):
    """Why a file did not come."""


def _fetch(name: str, hub: str, terms: str | None, folder: Path) -> bytes:
    """Download into a folder, prove what came, and add where it is from."""
    from safetensors.torch import load_file, save

    from lamelle.models.encoders import reference

    fetched = _download(hub, folder)
    try:
        match(read(fetched), reference(name), name, fetched)
    except LamelleError as error:
        raise RequestError("models.weights_hub_other", name=name, hub=hub) from error
    about = {**metadata(fetched), "format": "pt", "origin": hub} | ({"licence": terms} if terms else {})
    return save(load_file(fetched), metadata=about)


def _download(hub: str, folder: Path) -> Path:
    import huggingface_hub

    huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY = True  # else each request names the libraries in use
    try:
        return Path(huggingface_hub.hf_hub_download(hub, _FILE, local_dir=folder, token=False))
    except (
        Exception
    ) as error:  # the errors of its http library, which differs between its versions, share no other base
        raise _Unfetched(printable(" ".join(str(error).split())) or type(error).__name__) from error


def _configuration(name: str) -> PretrainedCfg | None:
    """What timm says about an architecture's default weights, where it has the architecture."""
    import timm

    bare = "." not in name  # behind a point stands a tag, which timm may not know
    return timm.get_pretrained_cfg(name) if bare and timm.is_model(name) else None

"""The verb about this installation: versions, device, memory, cache, weights, and what is not installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from lamelle.messages import text
from lamelle.platform import cores, home, memory, processor, version_of
from lamelle.verbs.outcome import Outcome
from lamelle.version import __version__

_LIBRARIES = ("torch", "torchvision", "timm", "numpy", "scikit-image", "tifffile", "zarr")
"""Libraries whose versions change what is computed or read."""
_EXTRAS = ("medical", "explain", "tune", "distributed", "track", "mlflow", "exchange")
"""What may be installed on request; ``info.for_EXTRA`` in the messages says what for."""
_GIB = 2**30


@dataclass(frozen=True)
class Device:
    """What a training computes on, unless `train.device` says otherwise."""

    kind: str
    """As ``train.device`` takes it."""
    label: str
    """As its maker calls it; empty where the system does not tell."""
    precision: str
    """As ``train.precision`` takes it; what a network cannot bear is computed in 32 all the same."""
    threads: int
    cuda: str | None
    """The version of CUDA that torch was built for."""


@dataclass(frozen=True)
class Cache:
    """Lamelle's own folder: decoded images, features of frozen networks, pretrained weights."""

    folder: Path
    bytes: int
    budget: int
    """Bytes that decoded images may take."""
    writable: bool
    free: int
    """Bytes that are free on its disk."""
    weights: tuple[Path, ...]
    """Files of pretrained weights, named after their encoders."""


@dataclass(frozen=True)
class Extra:
    """A part that is installed on request."""

    name: str
    packages: tuple[str, ...]
    missing: tuple[str, ...]
    """Those of its packages that are not installed."""
    formats: tuple[str, ...]
    """File formats that are not read until those are."""

    @property
    def purpose(self) -> str:
        """What it is for."""
        return text(f"info.for_{self.name}")


@dataclass(frozen=True)
class Info(Outcome):
    """What is installed here, and what a training would compute with."""

    version: str
    python: str
    system: str
    libraries: dict[str, str]
    """Versions by name."""
    device: Device
    memory: tuple[int, int]
    """Bytes that this process may use, and those that are free; 0 where the system does not tell."""
    cache: Cache
    extras: tuple[Extra, ...]

    def text_lines(self) -> Iterator[str]:
        for label, words in self._rows():
            yield f"{label and text(f'info.{label}'):<14} {words}"

    def _rows(self) -> Iterator[tuple[str, str]]:
        device, cache = self.device, self.cache
        yield "lamelle", text("info.lamelle_is", version=self.version, python=self.python, system=self.system)
        cuda = text("info.built_for", cuda=device.cuda) if device.cuda else text("info.built_without")
        versions = [f"{name} {version}" for name, version in self.libraries.items()]
        yield "libraries", ", ".join([f"{versions[0]} ({cuda})", *versions[1:]])
        device_name = f"{device.kind} ({device.label})" if device.label else device.kind
        yield "device", text("info.device_is", device=device_name, precision=device.precision, threads=device.threads)
        size, free = (number / _GIB for number in self.memory)
        yield "memory", text("info.memory_is", size=size, free=free) if size else text("info.unknown")
        room = {"used": cache.bytes / _GIB, "budget": cache.budget / _GIB, "free": cache.free / _GIB}
        yield "cache", text("info.cache_is", folder=cache.folder, **room)
        if not cache.writable:
            yield "", text("info.not_writable")
        place = cache.folder / "weights"
        if not cache.weights:
            yield "weights", text("info.no_weights", folder=place)
        for number, path in enumerate(cache.weights):
            yield "" if number else "weights", text("info.weight", path=path, size=path.stat().st_size / 2**20)
        for number, extra in enumerate(self.extras):
            yield "" if number else "extras", f"{extra.name:<12} {_state(extra)}"


def _state(extra: Extra) -> str:
    values = {"purpose": extra.purpose, "packages": ", ".join(extra.missing or extra.packages)}
    if not extra.missing:
        return text("info.installed", **values)
    missing = text("info.missing", extra=extra.name, **values)
    return f"{missing}; {text('info.unread', formats=', '.join(extra.formats))}" if extra.formats else missing


def info() -> Info:
    """What is installed, and what it computes with.

    Show versions, device, precision, memory, the cache, pretrained weights at hand, and which extras are not
    installed, with the file formats that need them. Nothing is written.

    Raises:
        RequestError: If LAMELLE_CACHE_GIB is no number.

    Example:
        >>> found = info()
        >>> "torch" in found.libraries, found.device.threads > 0
        (True, True)
    """
    import platform

    versions = ((name, version_of(name)) for name in _LIBRARIES)
    return Info(
        version=__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        libraries={name: version for name, version in versions if version is not None},
        device=_device(),
        memory=memory(),
        cache=_cache(),
        extras=tuple(_extras()),
    )


def _device() -> Device:
    import torch

    from lamelle.training.resources import find_device, native_precision

    kind = find_device("auto")
    label = torch.cuda.get_device_name() if kind == "cuda" else processor()
    return Device(kind, label, native_precision(kind), cores(), torch.version.cuda)


def _cache() -> Cache:
    import os
    import shutil

    from lamelle.data.store_entries import entries_in
    from lamelle.training import features
    from lamelle.verbs.common import cache_budget

    folder = home()
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    used = sum(size for _, size, _ in entries_in(folder / "store")) + features.usage(features.folder())
    weights = sorted((folder / "weights").glob("*.safetensors"))
    writable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    return Cache(folder, used, cache_budget(), writable, shutil.disk_usage(there).free, tuple(weights))


def _extras() -> Iterator[Extra]:
    """Every extra that is of use to people, as the installed distribution declares it."""
    from lamelle.io.formats.table import FORMATS

    try:
        declared = metadata.requires("lamelle") or []
    except metadata.PackageNotFoundError:  # run from its source
        return
    packages: dict[str, list[str]] = {}
    for requirement in declared:
        if marked := re.match(r"([\w.-]+).*extra == ['\"]([\w-]+)['\"]", requirement):
            packages.setdefault(marked[2], []).append(marked[1])
    for extra in _EXTRAS:
        needed = packages.get(extra, [])
        missing = tuple(package for package in needed if version_of(package) is None)
        formats = tuple(row.label for row in FORMATS.readable() if row.needs in missing)
        yield Extra(extra, tuple(needed), missing, formats)

"""The folder of a Run: the only module that knows its file names.

``recipe.yaml`` · ``environment.json`` · ``manifest.json`` · ``split.csv`` · ``audit.json`` · ``history.csv`` ·
``stopped.json`` (why a training broke) · ``checkpoints/`` · ``model/`` · ``signatures.npz`` (by which the images of
the training are known again) · ``scores.json`` · ``rows.json`` (what scores are made of) · ``predictions/`` ·
``predictions.csv`` · ``figures/`` · ``report.html`` · ``log.txt`` · ``evaluations/`` (on other folders: each with files
of these names, but no recipe).
"""

from __future__ import annotations

import csv
import json
import os
import platform as machine
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lamelle.errors import RequestError
from lamelle.io import atomic
from lamelle.platform import FileLock, cores
from lamelle.version import __version__

_LIBRARIES = ("torch", "torchvision", "timm", "lightning-fabric", "segmentation-models-pytorch", "numpy", "scipy",
              "scikit-learn", "scikit-image", "tifffile", "imagecodecs", "pillow", "zarr", "safetensors")  # fmt: skip


class RunFolder:
    """Paths and artefacts of one Run.

    Example:
        >>> RunFolder(Path("runs/nuclei")).scores.name
        'scores.json'
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe = path / "recipe.yaml"
        self.environment = path / "environment.json"
        self.manifest = path / "manifest.json"
        self.split = path / "split.csv"
        self.audit = path / "audit.json"
        self.history = path / "history.csv"
        self.stopped = path / "stopped.json"
        self.checkpoints = path / "checkpoints"
        self.model = path / "model"
        self.scores = path / "scores.json"
        self.rows = path / "rows.json"
        self.predictions = path / "predictions"
        self.predictions_table = path / "predictions.csv"
        self.figures = path / "figures"
        self.report = path / "report.html"
        self.log = path / "log.txt"
        self.tensorboard = path / "tensorboard"
        self.lock = path / "lock"
        self.signatures = path / "signatures.npz"
        self.evaluations = path / "evaluations"

    @classmethod
    def create(cls, root: Path, name: str) -> RunFolder:
        """A new folder ``root/name``, numbered when the name is taken; private to its owner.

        Raises:
            RequestError: If the name is not a plain folder name, or no folder can be made there.
        """
        if not name or name in {".", ".."} or Path(name).name != name:
            raise RequestError("run.bad_name", name=name)
        number = 1
        try:
            root.mkdir(parents=True, exist_ok=True)
            while True:
                path = root / (name if number == 1 else f"{name}-{number}")
                with suppress(FileExistsError):
                    path.mkdir(mode=0o700)
                    return cls(path)
                number += 1
        except OSError as error:
            raise RequestError("run.cannot_create", path=root, reason=error.strerror or error) from error

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """The Run at ``path``.

        Raises:
            RequestError: If there is none.
        """
        run = cls(Path(path))
        if not run.recipe.is_file():
            raise RequestError("run.not_a_run", path=path)
        return run

    @classmethod
    def around(cls, path: Path) -> RunFolder | None:
        """The Run that a Run's folder, or that of its model, belongs to; None for a model by itself."""
        for folder in (path, path.resolve().parent):
            run = cls(folder)
            if run.recipe.is_file() and (folder == path or run.model.resolve() == path.resolve()):
                return run
        return None

    @property
    def names(self) -> frozenset[str]:
        """Every name that a Run gives to what lies in its folder."""
        return frozenset(p.name for key, p in vars(self).items() if key != "path")

    @property
    def done(self) -> bool:
        """Whether it was trained, scored and reported."""
        return self.rows.is_file() and self.report.is_file()

    @property
    def begun(self) -> bool:
        """Whether it was written down, so that it can be gone on with."""
        return all(path.is_file() for path in (self.recipe, self.split, self.audit, self.environment))

    def parts(self) -> list[RunFolder]:
        """The Runs that were trained: those of the folds, in their order, or the Run itself."""
        folds = [p.parent for p in self.path.glob(f"fold*/{self.recipe.name}") if p.parent.name[4:].isdigit()]
        return [RunFolder(p) for p in sorted(folds, key=lambda p: int(p.name[4:]))] or [self]

    @contextmanager
    def held(self) -> Iterator[None]:
        """While entered, this process is the only one that trains, or removes, this Run; however it dies, it lets go.

        Raises:
            RequestError: If another process holds it.
        """
        lock = FileLock(self.lock)
        try:
            if not lock.take(wait=False):
                raise RequestError("run.busy", path=self.path)
        except (OSError, ImportError):
            pass  # a disk, or a system, without such locks: nothing can be held there
        try:
            yield
        finally:
            lock.release()

    def busy(self) -> bool:
        """Whether a process holds this Run; False also where the disk has no locks."""
        if not self.lock.is_file():
            return False
        lock = FileLock(self.lock)
        try:
            return not lock.take(wait=False)
        except (OSError, ImportError):
            return False
        finally:
            lock.release()

    def relative(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    def write_text(self, path: Path, content: str) -> None:
        """Write one artefact, and its SHA-256 into the manifest."""
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(path, content)
        self.seal(path)

    def write_bytes(self, path: Path, content: bytes) -> None:
        """Write one artefact, and its SHA-256 into the manifest."""
        atomic.write_bytes(path, content)
        self.seal(path)

    def write_json(self, path: Path, content: Any) -> None:
        """Write one artefact, and its SHA-256 into the manifest; NaN becomes null."""
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_json(path, content)
        self.seal(path)

    def seal(self, *paths: Path) -> None:
        """Record the SHA-256 of artefacts in the manifest."""
        known: dict[str, str] = json.loads(self.manifest.read_text()) if self.manifest.is_file() else {}
        known |= {self.relative(p): atomic.sha256(p) for p in paths}
        atomic.write_json(self.manifest, known)

    def altered(self) -> dict[str, str]:
        """Artefacts that no longer are what the manifest says: name → ``missing`` or ``changed``."""
        known = json.loads(self.manifest.read_text()) if self.manifest.is_file() else {}
        found: dict[str, str] = {}
        for name, digest in known.items():
            path = self.path / name
            if not path.is_file():
                found[name] = "missing"
            elif atomic.sha256(path) != digest:
                found[name] = "changed"
        return found

    def check(self, path: Path) -> None:
        """Refuse an artefact that is no longer what the Run wrote.

        Raises:
            RequestError: If its SHA-256 is not that of the manifest.
        """
        known = json.loads(self.manifest.read_text()) if self.manifest.is_file() else {}
        name = self.relative(path)
        if path.is_file() and name in known and atomic.sha256(path) != known[name]:
            raise RequestError("run.altered", path=path)

    def note(self, line: str) -> None:
        """Add one line to ``log.txt``."""
        stamp = datetime.now(UTC).isoformat(timespec="seconds")
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"{stamp} {line}\n")

    def read_json(self, path: Path) -> Any:
        """The content of one artefact.

        Raises:
            RequestError: If the Run does not have it (yet).
        """
        if not path.is_file():
            raise RequestError("run.missing", path=path, run=self.path)
        return json.loads(path.read_text(encoding="utf-8"))

    def read_table(self, path: Path) -> list[dict[str, str]]:
        """The rows of one CSV artefact; none if the Run does not have it (yet)."""
        if not path.is_file():
            return []
        with path.open(encoding="utf-8", newline="") as lines:
            return [dict(row) for row in csv.DictReader(lines)]


def environment(*, resolved: Mapping[str, object], argv: Sequence[str]) -> dict[str, object]:
    """What a repetition needs to know: versions, hardware, and the values that were resolved on this machine."""
    return {
        "lamelle": __version__,
        "python": sys.version.split()[0],
        "system": f"{machine.system()} {machine.machine()}",
        "cores": cores(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(argv),
        "libraries": {name: found for name in _LIBRARIES if (found := _version(name))},
        "resolved": dict(resolved),
        "variables": {k: os.environ[k] for k in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES") if k in os.environ},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

"""The folder of a Run: the only module that knows its file names.

``recipe.yaml`` · ``environment.json`` · ``manifest.json`` · ``plan.json`` (split, settled task, what followed from the
data) · ``split.csv`` (the split, for people) · ``audit.json`` · ``history.csv`` · ``failure.json`` (why a training
broke) · ``baseline.json`` (what it is to improve on) · ``checkpoints/`` · ``model/`` · ``signatures.npz`` (by which the
images of the training are known again) · ``scores.json`` · ``classes.csv`` (scores by class) · ``item_stats.json``
(what they are made of) · ``predictions/`` · ``predictions.csv`` · ``pictures/`` and ``pictures.json`` (what the page
shows of pixels) · ``figures/`` · ``report.html`` · ``log.txt`` · ``evaluations/`` (on other folders: each with files of
these names, but no recipe).

``manifest.json`` holds the SHA-256 of all that was written. Whoever reads a file of a Run does it here, or asks
`check`: what is no longer as it was written is refused, with its name.
"""

from __future__ import annotations

import csv
import io
import json
import os
import platform as machine
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from lamelle.errors import RequestError
from lamelle.io.manifest import FORMAT
from lamelle.platform import FileLock, cores, version_of
from lamelle.results import history, items
from lamelle.results.audit import Audit, from_json
from lamelle.results.baseline import Baseline
from lamelle.results.history import History
from lamelle.results.items import Failure, ItemStats
from lamelle.results.scores import Scores
from lamelle.runs import recipe as recipes
from lamelle.runs.artefacts import Artefacts, Wrong
from lamelle.version import __version__

_LIBRARIES = ("torch", "torchvision", "timm", "lightning-fabric", "segmentation-models-pytorch", "numpy", "scipy",
              "scikit-learn", "scikit-image", "tifffile", "imagecodecs", "pillow", "zarr", "safetensors")  # fmt: skip


class RunFolder(Artefacts):
    """Paths and artefacts of one Run.

    Example:
        >>> RunFolder(Path("runs/nuclei")).scores.name
        'scores.json'
    """

    passed_over = ("checkpoints",)

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.recipe = path / "recipe.yaml"
        """Every key, as it was settled: `lamelle train --recipe` repeats the training."""
        self.plan = path / "plan.json"
        """What was decided of the data: records with split and hashes, the settled task, planned keys, problems."""
        self.split = path / "split.csv"
        """The same split for people: a row for each image."""
        self.audit = path / "audit.json"
        """What a look at every pixel showed: each image measured, statistics, copies, problems."""
        self.environment = path / "environment.json"
        """Versions, machine, command and time of the training."""
        self.history = path / "history.csv"
        """A row for each epoch: learning rate, losses, and every score of training and validation."""
        self.checkpoints = path / "checkpoints"
        """What `lamelle train --resume` goes on from."""
        self.model = path / "model"
        """The package: weights, network, preparation and task, all that predicts new images."""
        self.scores = path / "scores.json"
        """Every score with its interval, a line for each item, and the numbers behind figures."""
        self.item_stats = path / "item_stats.json"
        """What the scores are made of, item by item, so that runs can be compared in pairs."""
        self.classes = path / "classes.csv"
        """The scores of each class as a table."""
        self.predictions_table = path / "predictions.csv"
        """A row for each scored image: what was predicted, and how sure."""
        self.predictions = path / "predictions"
        """The predictions of the scored images, as images."""
        self.pictures_list = path / "pictures.json"
        """What the pictures show, and grey levels and error patterns."""
        self.pictures = path / "pictures"
        """The small pictures of the page."""
        self.report = path / "report.html"
        """The page."""
        self.signatures = path / "signatures.npz"
        """A small picture of each image that trained the model, by which copies are found elsewhere."""
        self.evaluations = path / "evaluations"
        """The model on other folders: for each the scores and a page of its own."""
        self.tensorboard = path / "tensorboard"
        """Curves for TensorBoard, where `train.tensorboard` asks for them."""
        self.baseline = path / "baseline.json"
        """What it is measured against: the model that it is to improve on, and training images by the batch."""
        self.failure = path / "failure.json"
        """Why the training broke, if it did."""
        self.log = path / "log.txt"
        """What the terminal showed."""

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
        return frozenset(p.name for key, p in vars(self).items() if isinstance(p, Path) and key != "path")

    @property
    def done(self) -> bool:
        """Whether it was trained, scored and reported."""
        return self.item_stats.is_file() and self.report.is_file()

    @property
    def begun(self) -> bool:
        """Whether it was written down, so that it can be gone on with."""
        return all(path.is_file() for path in (self.recipe, self.plan, self.split, self.audit, self.environment))

    def parts(self) -> list[RunFolder]:
        """The Runs that were trained: those of the folds, in their order, or the Run itself."""
        folds = [p.parent for p in self.path.glob(f"fold*/{self.recipe.name}") if p.parent.name[4:].isdigit()]
        return [RunFolder(p) for p in sorted(folds, key=lambda p: int(p.name[4:]))] or [self]

    @contextmanager
    def locked(self) -> Iterator[None]:
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

    def note(self, line: str) -> None:
        """Add one line to ``log.txt``."""
        stamp = datetime.now(UTC).isoformat(timespec="seconds")
        self._sums.append(self.log, f"{stamp} {line}\n".encode())

    def read_table(self, path: Path) -> list[dict[str, str]]:
        """The rows of one CSV artefact; none if the Run does not have it (yet).

        Raises:
            RequestError: If it is not what was written, or a finished Run has lost it.
        """
        if not path.is_file():
            if self._lost(path):
                raise self.wrong("lost", path)
            return []
        return [dict(row) for row in csv.DictReader(io.StringIO(self.read_bytes(path).decode("utf-8"), newline=""))]

    # results: the one reader and the one writer of each

    def read_scores(self) -> Scores:
        """What ``scores.json`` holds.

        Raises:
            RequestError: If it is not there (yet), not what was written, or of an older Lamelle.
        """
        self.refuse_older()
        return Scores.model_validate(self.read_json(self.scores))

    def known_scores(self) -> Scores | None:
        """The same; None if nothing was scored yet."""
        return self.read_scores() if self.scores.is_file() else None

    def write_scores(self, scores: Scores) -> None:
        """Write ``scores.json``."""
        self.write_json(self.scores, scores.model_dump(mode="json"))

    def read_audit(self) -> Audit:
        """What ``audit.json`` holds; errors are those of `read_json`."""
        return from_json(self.read_json(self.audit))

    def write_audit(self, audit: Audit) -> None:
        """Write ``audit.json``."""
        self.write_json(self.audit, audit)

    def read_history(self) -> History:
        """The epochs of ``history.csv``; none if no epoch has ended yet.

        Raises:
            RequestError: If it is not what was written, or of an older Lamelle.
        """
        self.refuse_older()
        return history.from_csv(self.read_table(self.history))

    def read_stats(self) -> list[ItemStats]:
        """What the scores are made of, item by item; errors are those of `read_scores`."""
        self.refuse_older()
        return items.read_stats(self.read_json(self.item_stats))

    def write_stats(self, stats: Sequence[ItemStats]) -> None:
        """Write ``item_stats.json``."""
        self.write_json(self.item_stats, items.written_stats(stats))

    def read_baseline(self) -> Baseline:
        """What it is measured against; nothing where it was not scored yet, or by a Lamelle that did not write it.

        Raises:
            RequestError: If it is not what was written, or a finished Run has lost it.
        """
        if not self.baseline.is_file():
            if self._lost(self.baseline):
                raise self.wrong("lost", self.baseline)
            return Baseline()
        return Baseline.model_validate(self.read_json(self.baseline))

    def write_baseline(self, baseline: Baseline) -> None:
        """Write ``baseline.json``."""
        self.write_json(self.baseline, baseline.model_dump(mode="json"))

    def read_failure(self) -> Failure | None:
        """Why the training broke; None if it did not."""
        return Failure.model_validate(self.read_json(self.failure)) if self.failure.is_file() else None

    def write_failure(self, failure: Failure) -> None:
        """Write ``failure.json``."""
        self.write_json(self.failure, failure.model_dump())

    @property
    def older(self) -> bool:
        """Whether an older Lamelle made it, whose results are not read any more."""
        return (self._sums.format or FORMAT) < FORMAT

    def refuse_older(self) -> None:
        """Refuse the results of a Run that an older Lamelle made; its model still predicts.

        Raises:
            RequestError: If it is one.
        """
        if self.older:
            made = json.loads(self.environment.read_bytes()).get("lamelle") if self.environment.is_file() else None
            raise RequestError("run.older", run=self.path, made=made or "–")

    def read_recipe(self) -> recipes.Section:
        """What ``recipe.yaml`` asks for.

        Raises:
            RequestError: If it is not what was written, or no recipe.
        """
        return recipes.load(self.check(self.recipe), quiet=True)

    def require_whole(self) -> None:
        """Refuse a Run of which a file is missing, or not what was written; what lies in ``predictions`` is there.

        Hashes are remembered, so that this costs a look at each file.

        Raises:
            LamelleError: The first that is wrong, with its name.
        """
        self._vouched()
        for name in self._sums.known():
            path = self.path / name
            if path.is_file():
                if self.predictions not in path.parents:
                    self.check(path)
            elif self._lost(path):
                raise self.wrong("lost", path)

    def _lost(self, path: Path) -> bool:
        """Whether a finished Run has lost a file; a training that was killed may have announced it only."""
        finished = self.scores.is_file() or self.report.is_file()
        return finished and self.path in path.parents and self._sums.knows(path)

    def wrong(self, what: Wrong, path: Path) -> RequestError:
        """The error for a file that is ``altered``, ``lost``, ``missing`` (yet), or for want of a manifest."""
        anew = what in ("altered", "lost") and self._anew(path)
        return RequestError(f"run.{what}_scores" if anew else f"run.{what}", path=path, run=self.path)

    def owner(self, path: Path) -> RunFolder:
        """The Run, or the evaluation inside of it, to whose manifest a file belongs."""
        own = (self.manifest.name, self.recipe.name, self.scores.name)
        at = next((at for at in path.parents if at == self.path or any((at / n).is_file() for n in own)), self.path)
        return self if at == self.path else RunFolder(at)

    def _anew(self, path: Path) -> bool:
        """Whether scoring the test set makes a file anew."""
        scored = path in (self.scores, self.item_stats, self.predictions_table) or self.predictions in path.parents
        return scored and self.model.is_dir() and self.recipe.is_file()


def environment(*, resolved: Mapping[str, object], argv: Sequence[str]) -> dict[str, object]:
    """What a repetition needs to know: versions, hardware, and the values that were resolved on this machine."""
    return {
        "lamelle": __version__,
        "python": sys.version.split()[0],
        "system": f"{machine.system()} {machine.machine()}",
        "cores": cores(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(argv),
        "libraries": {name: version for name in _LIBRARIES if (version := version_of(name))},
        "resolved": dict(resolved),
        "variables": {k: os.environ[k] for k in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES") if k in os.environ},
    }

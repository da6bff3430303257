"""What a Run holds, read once for its page; everything but the recipe may be missing."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lamelle.data.audit.leaks import leaks
from lamelle.data.audit.results import Audit
from lamelle.data.store import Store
from lamelle.doctor.reading import history
from lamelle.errors import LamelleError
from lamelle.prediction.package import DESCRIPTION, WEIGHTS
from lamelle.runs.folder import RunFolder
from lamelle.runs.plan import Plan
from lamelle.runs.saved_plan import data_changes, open_plan
from lamelle.types import SPLITS, Problem, Record, Source

_SELF_TEST = "selftest."
_GONE = ("split.records_gone", "split.records_gone_changed")
_STATISTICS, _COUNTER = ("running_mean", "running_var"), "num_batches_tracked"
"""Ends of the names of tensors that batch norms measure, and of one that only counts."""


@dataclass(frozen=True, slots=True)
class Held:
    """The artefacts of a Run."""

    run: RunFolder
    recipe: Mapping[str, Any]
    environment: Mapping[str, Any]
    split: tuple[Mapping[str, str], ...]
    """Rows of ``split.csv``."""
    audit: Audit | None
    history: tuple[Mapping[str, float | None], ...]
    """Rows of ``history.csv``."""
    scores: Mapping[str, Any] | None
    model: Mapping[str, Any] | None
    """Content of ``model.json``."""
    predicted: Mapping[str, tuple[Path, Mapping[str, str]]]
    """Record → folder of its prediction, and its row there."""
    plan: Plan | None
    """None if the data is no longer where it was."""
    gone: str
    """Why there is no plan; empty if there is one."""
    changed: tuple[Problem, ...] = ()
    """What is no longer as it was in the data since they were split."""

    @property
    def name(self) -> str:
        return self.run.path.resolve().name

    @property
    def finished(self) -> bool:
        return self.scores is not None

    def leaks(self) -> tuple[Problem, ...]:
        """What the splits share although they should not: near copies, overlapping patches, and what was allowed."""
        if self.audit is None:
            return ()
        records = self.plan.records if self.plan else [_record(row) for row in self.split]
        return leaks([r for r in records if r.split in SPLITS], self.audit)


def open_held(run: RunFolder, store: Store | None = None) -> Held:
    """Read a Run; the data it was trained on is looked at again only for its pictures.

    Args:
        store: Where the data are compared with what they were when they were split; None = they are not.
    """
    plan, gone, changed = None, "", tuple[Problem, ...]()
    try:
        plan = open_plan(run)
        changed = data_changes(run, plan, store).problems() if store else ()
    except LamelleError as error:
        plan, gone = None, str(error)
        if error.code in _GONE:
            changed = (Problem(error.code, "", "warning", error.values),)
    description = run.model / DESCRIPTION
    return Held(
        run,
        run.read_recipe(),
        run.read_json(run.environment) if run.environment.is_file() else {},
        tuple(run.read_table(run.split)),
        Audit.from_json(run.read_json(run.audit)) if run.audit.is_file() else None,
        tuple(history(run)),
        run.read_json(run.scores) if run.scores.is_file() else None,
        run.read_json(description) if description.is_file() else None,
        predicted_in(run, [run.predictions, *sorted(run.path.glob(f"fold*/{run.predictions.name}"))]),
        plan,
        gone,
        changed,
    )


def parameters(run: RunFolder, *, statistics: bool = False) -> int | None:
    """Numbers of the network, from the header of its file; None if there is no model.

    Args:
        statistics: With those that batch norms measured.
    """
    path = run.model / WEIGHTS
    if not path.is_file():
        return None
    with run.check(path).open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    others = (_COUNTER,) if statistics else (_COUNTER, *_STATISTICS)
    names = [n for n in header if n != "__metadata__" and not n.startswith(_SELF_TEST) and not n.endswith(others)]
    return sum(math.prod(header[name]["shape"]) for name in names)


def predicted_labels(held: Held, record: Record) -> np.ndarray | None:
    """Predicted classes [(Z,) Y, X] of one record, as they were written; None if there are none.

    Raises:
        FileError: If the file cannot be read.
    """
    from lamelle.io.images import read_labels

    folder, row = held.predicted.get(record.id, (None, {}))
    file = row.get("file")
    if folder is None or not file or not (folder / file).resolve().is_relative_to(folder.resolve()):
        return None
    labels = read_labels(held.run.check(folder / file)).array
    if record.image.index is None:
        return labels
    # of this folder: each fold of a cross-validation has a file of the same name, with other slices
    together = [known for known, (at, row) in held.predicted.items() if at == folder and row.get("file") == file]
    if len(together) == 1 or labels.ndim == 2:
        return labels if labels.ndim == 2 else labels[0]
    order = sorted(together, key=lambda known: _index(held, known))
    return labels[order.index(record.id)]


def probability(held: Held, record: str, name: str) -> float | None:
    """Probability that was predicted for a class of one record."""
    value = held.predicted.get(record, (None, {}))[1].get(f"probability:{name}")
    return float(value) if value else None


def _index(held: Held, record: str) -> int:
    """Plane of a record in its file."""
    known = held.plan.records if held.plan else ()
    return next((r.image.index or 0 for r in known if r.id == record), 0)


def predicted_in(run: RunFolder, folders: Sequence[Path]) -> dict[str, tuple[Path, Mapping[str, str]]]:
    """Rows of the tables of predictions; a quote before a name that looks like a formula is taken off."""
    found: dict[str, tuple[Path, Mapping[str, str]]] = {}
    for folder in folders:
        for row in run.read_table(folder / "predictions.csv"):
            name = row["image"]
            found[name[1:] if name[:2] in {"'=", "'+", "'@"} else name] = (folder, row)
    return found


def _record(row: Mapping[str, str]) -> Record:
    """A record as far as ``split.csv`` knows it."""
    return Record(row["id"], Source(Path(row["id"])), group=row.get("group") or None, split=row.get("split") or None)

"""A finished run for those who keep their experiments elsewhere: the table of tools, and how each is written to."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from lamelle.errors import RequestError
from lamelle.registry import Registry
from lamelle.runs.folder import RunFolder
from lamelle.runs.recipe import Layer
from lamelle.studies.listing import RunSummary, open_whole
from lamelle.training.tracking import tensorboard

_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet"}
"""Set before MLflow is imported: it must not tell anyone that it is used."""
_MAX_LENGTH = 6000
"""Characters of a parameter that MLflow takes."""


@dataclass(frozen=True, slots=True)
class ExportTarget:
    """A tool that keeps experiments: one row of `EXPORT_TARGETS`."""

    name: str
    """As ``lamelle runs --to`` takes it."""
    about: str
    """What is written there."""
    store: str
    """What its ``--store`` is, and where it writes without one."""
    write: Callable[[RunSummary, str | None], str]
    """From a finished run and its ``--store`` to where it was written."""
    extra: str = ""
    """What installs the tool: ``pip install lamelle[EXTRA]``."""


def export(path: Path, *, to: str, store: str | None) -> str:
    """Write a finished run into another tool's store.

    Args:
        to: A row of `EXPORT_TARGETS`.
        store: Where, as the row says; None = where it writes by default.

    Returns:
        Where it was written.

    Raises:
        RequestError: If the run is not finished, there is no such tool, or it is not installed.
    """
    target = EXPORT_TARGETS.find(to)
    run = open_whole(path)
    if run.state != "done":
        raise RequestError("runs.export_unfinished", path=path)
    return target.write(run, store)


def flat(values: Layer, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested keys as dotted ones.

    Example:
        >>> dict(flat({"train": {"lr": 0.1}, "task": {"name": "segment"}}))
        {'train.lr': 0.1, 'task.name': 'segment'}
    """
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _epochs(run: RunFolder) -> Iterator[tuple[int, dict[str, float]]]:
    """Every epoch with the numbers that were measured."""
    for one in run.read_history():
        kept = {k: v for k, v in one.columns().items() if v is not None and k not in {"epoch", "step", "best"}}
        yield one.epoch, {k: v for k, v in kept.items() if math.isfinite(v)}


def _scores(run: RunFolder) -> dict[str, float]:
    """Scores with the bounds of their intervals; ``split/score``."""
    scores = run.read_scores()
    numbers = {}
    for name, one in scores.scores.items():
        parts = {"": one.value, "/low": one.low, "/high": one.high}
        numbers |= {f"{scores.split}/{name}{end}": v for end, v in parts.items() if math.isfinite(v)}
    return numbers


def _to_tensorboard(one: RunSummary, store: str | None) -> str:
    """Curves of the epochs, the scores as those of the last epoch, and the recipe as text."""
    run = RunFolder(one.path)
    folder = Path(store) if store else run.tensorboard
    writer = tensorboard(folder)
    with writer:
        last = 0
        for last, row in _epochs(run):
            for name, value in row.items():
                writer.add_scalar(name, value, last)
        for name, value in _scores(run).items():
            writer.add_scalar(name, value, last)
        writer.add_text("recipe", "\n".join(f"    {k}: {v}" for k, v in flat(one.recipe)))
    if folder == run.tensorboard:
        run.seal(*folder.glob("*"))
    return str(folder)


def _to_mlflow(one: RunSummary, store: str | None) -> str:
    """Parameters, metrics, tags and artefacts, in the experiment that is named after the data."""
    store = store or "sqlite:///mlflow.db"
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        mlflow, entities = import_module("mlflow"), import_module("mlflow.entities")
    except ImportError as error:
        raise RequestError("runs.no_mlflow") from error
    client, folder = mlflow.MlflowClient(tracking_uri=store), RunFolder(one.path)
    name = Path(one.data).name or one.task
    existing = client.get_experiment_by_name(name)
    experiment = existing.experiment_id if existing else client.create_experiment(name, _artefacts(store))
    made = client.create_run(experiment, run_name=one.name).info
    stamp = made.start_time
    metrics = [entities.Metric(_spelt(k), v, stamp, epoch) for epoch, row in _epochs(folder) for k, v in row.items()]
    metrics += [entities.Metric(_spelt(k), v, stamp, 0) for k, v in _scores(folder).items()]
    params = [entities.Param(k, str(v)[:_MAX_LENGTH]) for k, v in flat(one.recipe)]
    about = folder.read_json(folder.environment) if folder.environment.is_file() else {}
    tags = {"lamelle.version": about.get("lamelle"), "lamelle.path": str(one.path), "lamelle.created": one.created}
    for start in range(0, max(len(metrics), len(params)), 100):  # MLflow takes so many at once
        part = slice(start, start + 100)
        client.log_batch(made.run_id, metrics=metrics[part], params=params[part])
    client.log_batch(made.run_id, tags=[entities.RunTag(k, str(v)) for k, v in tags.items() if v])
    for path in (folder.report, folder.scores, folder.recipe, folder.split):
        if path.is_file():
            client.log_artifact(made.run_id, str(folder.check(path)))
    if folder.model.is_dir():
        client.log_artifacts(made.run_id, str(folder.check(folder.model)), folder.model.name)
    client.set_terminated(made.run_id)
    return f"{store} ({name}, {made.run_id})"


def _artefacts(store: str) -> str | None:
    """Where files go: beside the database, wherever the command is given; None = as the store has it."""
    kind, _, path = store.partition(":///")
    return (Path(path).resolve().parent / "mlruns").as_uri() if kind == "sqlite" else None


def _spelt(name: str) -> str:
    """A metric's name with the characters that MLflow allows."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-. /:") else "_" for c in name)


EXPORT_TARGETS: Registry[ExportTarget] = Registry(
    "export_target",
    ExportTarget(
        "mlflow",
        "The recipe as parameters, curves and scores with their bounds as metrics; report, scores, recipe, split and "
        "model as artefacts; in an experiment that is named after the data. Telemetry is switched off.",
        "A URI, by default `sqlite:///mlflow.db`.",
        _to_mlflow,
        extra="mlflow",
    ),
    ExportTarget(
        "tensorboard",
        "The curves, the scores with their bounds, and the recipe as text.",
        "A folder, by default `tensorboard` in the run.",
        _to_tensorboard,
        extra="track",
    ),
)

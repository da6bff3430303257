"""The verbs: the thin friendly layer that the command line and Python share.

Each is one function; its signature and its docstring are the command line's, and what it gives back says itself.

Example:
    >>> import lamelle                                                                    # doctest: +SKIP
    >>> run = lamelle.train("data/", epochs=20)                                           # doctest: +SKIP
    >>> run.predict("new/", out="out/")                                                   # doctest: +SKIP
"""

from __future__ import annotations

from lamelle.verbs.augmenting import augment
from lamelle.verbs.common import open_store as open_store
from lamelle.verbs.explaining import explain
from lamelle.verbs.folders import check, convert, demo
from lamelle.verbs.one_run import Run, diagnose, evaluate, predict, report, train
from lamelle.verbs.recipes_and_store import cache, recipes
from lamelle.verbs.run_listing import compare_runs, export_run, list_runs, prune_runs, runs, verify_runs
from lamelle.verbs.studies import compare, tune
from lamelle.verbs.system import info

__all__ = [
    "Run",
    "augment",
    "check",
    "compare",
    "compare_runs",
    "convert",
    "demo",
    "diagnose",
    "evaluate",
    "explain",
    "export_run",
    "info",
    "list_runs",
    "predict",
    "prune_runs",
    "report",
    "train",
    "tune",
    "verify_runs",
]

COMMANDS = {
    "check": check,
    "augment": augment,
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "report": report,
    "explain": explain,
    "doctor": diagnose,  # in Python the room has that name
    "compare": compare,
    "runs": runs,
    "tune": tune,
    "convert": convert,
    "recipes": recipes,
    "cache": cache,
    "demo": demo,
    "info": info,
}
"""The commands in the order of a newcomer's day."""

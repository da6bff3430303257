"""The verbs: the thin friendly layer that the command line and Python share.

Example:
    >>> import lamelle                                                                    # doctest: +SKIP
    >>> run = lamelle.train("data/")                                                      # doctest: +SKIP
    >>> run.predict("new/", out="out/")                                                   # doctest: +SKIP
"""

from __future__ import annotations

from lamelle.verbs.common import open_store
from lamelle.verbs.explaining import explain
from lamelle.verbs.folders import check, convert, convert_weights, demo, look_and_check
from lamelle.verbs.runs import Run, doctor, evaluate, predict, report, train
from lamelle.verbs.shelf import compare_runs, export_run, list_runs, prune_runs, verify_runs
from lamelle.verbs.studies import compare, tune

__all__ = [
    "Run",
    "check",
    "compare",
    "compare_runs",
    "convert",
    "convert_weights",
    "demo",
    "doctor",
    "evaluate",
    "explain",
    "export_run",
    "list_runs",
    "look_and_check",
    "open_store",
    "predict",
    "prune_runs",
    "report",
    "train",
    "tune",
    "verify_runs",
]

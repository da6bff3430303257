"""How a Run can be done again: commands, machine, versions, and what followed from the data."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from lamelle.messages import text
from lamelle.reports.methods import method
from lamelle.runs.bundle import RunBundle

Values = dict[str, Any]


def section(bundle: RunBundle) -> Values:
    """Commands, tables and the recipe; with what was done where no section about the training says it."""
    folder, data = str(bundle.run.path), str(bundle.recipe.get("data", {}).get("path", ""))
    commands = [(text("report.to_train"), command("train", data, "--recipe", str(bundle.run.recipe)))]
    if bundle.model is not None:
        new, out = text("report.new_images"), text("report.new_folder")
        commands += [
            (text("report.to_evaluate"), command("evaluate", folder)),
            (text("report.to_predict"), f"{command('predict', folder)} {new} -o {out}"),
        ]
    return {
        "commands": commands,
        "how": _how(bundle),
        "machine": machine(bundle.environment),
        "planned": [(str(k), _plain(v)) for k, v in (bundle.plan.planned if bundle.plan else {}).items()],
        "also_done": [] if bundle.history else method(bundle),
        "recipe": bundle.run.read_bytes(bundle.run.recipe).decode("utf-8"),
    }


def command(*words: str) -> str:
    """A command line that a shell takes as it is."""
    return shlex.join(["lamelle", *(w for w in words if w)])


def _how(bundle: RunBundle) -> list[tuple[str, str]]:
    """What a repetition must keep the same."""
    recipe, training = bundle.recipe, bundle.recipe.get("train", {})
    said = bundle.environment.get("command") or []
    rows = [
        ("command", f"lamelle {shlex.join(map(str, said))}" if said else None),
        ("data", recipe.get("data", {}).get("path")),
        ("device", training.get("device")),
        ("precision", training.get("precision")),
        ("threads", training.get("threads")),
        ("seed", f"{training.get('seed')} / {recipe.get('split', {}).get('seed')}"),
    ]
    return [(text(f"report.how_{name}"), str(value)) for name, value in rows if value not in (None, "")]


def machine(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a result was made with."""
    rows = [
        ("lamelle", about.get("lamelle")),
        ("python", about.get("python")),
        ("system", about.get("system")),
        ("cores", about.get("cores")),
        ("created", about.get("created")),
        ("variables", ", ".join(f"{k}={v}" for k, v in (about.get("variables") or {}).items())),
        ("libraries", ", ".join(f"{k} {v}" for k, v in (about.get("libraries") or {}).items())),
    ]
    return [(text(f"report.machine_{name}"), str(value)) for name, value in rows if value not in (None, "")]


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

"""How a Run can be done again: commands, machine, versions, and what followed from the data."""

from __future__ import annotations

import shlex

from lamelle.messages import text
from lamelle.reports.blocks import Block, Code, Details, Facts, Paragraph, SideBySide
from lamelle.reports.methods import method
from lamelle.results.made import Environment
from lamelle.results.scores import Elsewhere
from lamelle.runs.bundle import RunBundle

Row = tuple[str, str]


def draw(bundle: RunBundle) -> list[Block]:
    """Commands, tables and the recipe; with what was done where no section about the training says it."""
    if bundle.elsewhere is not None:
        return _of_another_folder(bundle, bundle.elsewhere)
    run = bundle.run
    train = command("train", bundle.recipe.data.path, "--recipe", str(run.recipe))
    blocks = _commands((text("report.to_train"), train))
    if bundle.provenance is not None:
        new = f"{command('predict', str(run.path))} {text('report.new_images')} -o {text('report.new_folder')}"
        blocks += _commands((text("report.to_evaluate"), command("evaluate", str(run.path))))
        blocks += _commands((text("report.to_predict"), new))
    if not bundle.history:
        blocks.append(Facts(method(bundle), text("report.done_caption")))
    blocks.append(_columns(_how(bundle), bundle.environment))
    if planned := [(str(k), _plain(v)) for k, v in (bundle.plan.planned if bundle.plan else {}).items()]:
        blocks.append(Details(text("report.planned"), [Facts(planned, text("report.planned_caption"))]))
    recipe = run.read_bytes(run.recipe).decode("utf-8")
    return [Paragraph(text("report.repeat_caption"), "muted"), *blocks,
            *([Details(text("report.recipe"), [Code(recipe)])] if recipe else [])]  # fmt: skip


def _of_another_folder(bundle: RunBundle, about: Elsewhere) -> list[Block]:
    given = [f"{section}.{key}" for section, keys in about.asked.items() for key in keys]
    words = bundle.environment.command or ("evaluate", about.model, about.data, *given)
    how = [(text(f"report.elsewhere_{name}"), getattr(about, name)) for name in ("data", "model", "sha256")]
    return [
        Paragraph(text("report.repeat_caption"), "muted"),
        *_commands((text("report.to_evaluate"), command(*words))),
        _columns(how, bundle.environment),
    ]


def _commands(one: Row) -> list[Block]:
    """What a command is for, and the command."""
    return [Paragraph(one[0], "small"), Code(one[1])]


def _columns(how: list[Row], environment: Environment) -> SideBySide:
    machine = Facts(_machine(environment), text("report.machine_caption"))
    return SideBySide([*([[Facts(how, text("report.how_caption"))]] if how else []), [machine]])


def command(*words: str) -> str:
    """A command line that a shell takes as it is."""
    return shlex.join(["lamelle", *(w for w in words if w)])


def _how(bundle: RunBundle) -> list[Row]:
    """What a repetition must keep the same."""
    recipe, training = bundle.recipe, bundle.recipe.train
    words = bundle.environment.command
    rows = [
        ("command", f"lamelle {shlex.join(words)}" if words else None),
        ("data", recipe.data.path),
        ("device", training.device),
        ("precision", training.precision),
        ("threads", training.threads),
        ("seed", f"{training.seed} / {recipe.split.seed}"),
    ]
    return [(text(f"report.how_{name}"), str(value)) for name, value in rows if value not in (None, "")]


def _machine(about: Environment) -> list[Row]:
    """What a result was made with."""
    rows = [
        ("lamelle", about.lamelle),
        ("python", about.python),
        ("system", about.system),
        ("cores", about.cores),
        ("created", about.created),
        ("variables", ", ".join(f"{k}={v}" for k, v in about.variables.items())),
        ("libraries", ", ".join(f"{k} {v}" for k, v in about.libraries.items())),
    ]
    return [(text(f"report.machine_{name}"), str(value)) for name, value in rows if value not in (None, "")]


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

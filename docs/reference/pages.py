"""The pages beside this file, made from the tables of the code: ``python docs/reference/pages.py`` writes them anew.

A test compares them with what stands here (``tests/test_reference.py``).
"""

from __future__ import annotations

import ast
import inspect
import itertools
import math
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from unittest import mock

from lamelle.data.augment.changes import CHANGES
from lamelle.data.augment.options import GeometryOptions
from lamelle.data.augment.policy import GEOMETRY, OPERATIONS, Operation
from lamelle.data.layouts.detect import LAYOUTS
from lamelle.data.shapes import SHAPES
from lamelle.doctor.rules import RULES
from lamelle.io.formats.table import FORMATS
from lamelle.losses.table import LOSSES
from lamelle.messages import catalogue, text
from lamelle.metrics.metric import Metric
from lamelle.metrics.names import name_of
from lamelle.metrics.scoring import IMAGE
from lamelle.metrics.statistics import STATISTICS
from lamelle.metrics.table import METRICS
from lamelle.models.options import MODELS
from lamelle.options import Options
from lamelle.reports.sections import SECTIONS
from lamelle.runs import recipe as recipes
from lamelle.runs.artefacts import Artefacts
from lamelle.runs.folder import RunFolder
from lamelle.runs.key_list import Key
from lamelle.studies.exporting import EXPORT_TARGETS
from lamelle.studies.folder import StudyFolder
from lamelle.studies.search.algorithms import PRUNERS, SAMPLERS
from lamelle.tasks.remedies import REMEDIES
from lamelle.tasks.table import TASKS
from lamelle.types import ClassNames, LabelImage, ObjectMasks, Shapes

HERE = Path(__file__).resolve().parent
_SECTIONS = {
    "task": "What is learnt, and how: the loss, the remedy for rare classes, thresholds, what is cleaned up.",
    "data": "How the folder is read, and what a network sees of an image.",
    "split": "Which images train, which choose the best epoch, which test.",
    "model": "The network.",
    "augment": "How far training images may be changed; `augment=none` switches all changes off.",
    "train": "The training itself.",
    "evaluate": "How a trained model is scored.",
}


_TARGETS = {
    ClassNames: "classes of images",
    LabelImage: "a value for each pixel",
    ObjectMasks: "a mask for each object",
    Shapes: "boxes, outlines",
}


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; what would end a cell is escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    cells = ([" ".join(str(cell).split()).replace("|", "&#124;") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def code(*words: object) -> str:
    """Words in the type of code, with commas."""
    return ", ".join(f"`{word}`" for word in words if word not in ("", None))


def sentence(words: str) -> str:
    """Words that begin as a sentence and end as one; a name such as ``images/`` stays as it is."""
    words = words.strip()
    first = words[:1].upper() if words.partition(" ")[0].isalpha() else words[:1]
    return first + words[1:] + ("" if words.endswith(".") else ".") if words else ""


def said_of(row: object) -> str:
    """What a row says of itself: its docstring, as one paragraph."""
    return sentence(" ".join((inspect.getdoc(row) or "").split("\n\n")[0].split()))


def page(title: str, source: str, *parts: str) -> str:
    """A page: its title, where it comes from, and its parts."""
    made = f"Made from `src/lamelle/{source}` by `python docs/reference/pages.py`; a test compares both."
    return "\n".join([f"# {title}\n", f"{made}\n", *parts])


# keys ----------------------------------------------------------------------------------------------------------------


def keys() -> str:
    """Every key of a recipe."""
    head = (
        "A key is written `lamelle train DATA train.lr=0.01`, in Python `lamelle.train(data, lr=0.01)` or in a recipe "
        "(YAML) as `train: {lr: 0.01}`. Its section may be left out where one key alone ends so. What nobody asks for "
        "is planned from the data, where it is planned at all; else it has its default.\n"
    )
    every: dict[str, list[Key]] = {}
    for path, found in recipes.every_key().items():
        every.setdefault(path.partition(".")[0], []).extend(found)
    return page("Keys of a recipe", "runs/recipe.py", head, *(_section(name, found) for name, found in every.items()))


def _section(name: str, found: Sequence[Key]) -> str:
    rows = [_key_row(path, together) for path, together in _alike(found).items()]
    heads = ["key", "meaning", "default", "bounds, choices", "of"]
    width = len(heads) if any(row[-1] for row in rows) else len(heads) - 1
    return f"## {name}\n\n{_SECTIONS[name]}\n\n" + table(heads[:width], (row[:width] for row in rows))


def _alike(found: Sequence[Key]) -> dict[tuple[str, ...], list[Key]]:
    """Keys that say the same in several kinds of options, together."""
    together: dict[tuple[str, ...], list[Key]] = {}
    for key in found:
        together.setdefault((key.path, key.about, key.default, key.bounds), []).append(key)
    return together


def _key_row(key: tuple[str, ...], together: Sequence[Key]) -> list[str]:
    path, about, default, bounds = key
    kinds = list(dict.fromkeys(one.kind for one in together if one.kind))
    return [code(path), about, code(default), bounds.replace("*", "\\*"), code(*kinds)]


def _options(row: type[Options], *without: str) -> str:
    """The keys of a row with their meanings and defaults, as a cell."""
    fields = {name: field for name, field in row.model_fields.items() if name not in without}
    return "; ".join(f"`{name}={_default(field.default)}`: {field.description}" for name, field in fields.items())


def _default(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


# tables --------------------------------------------------------------------------------------------------------------


def metrics() -> str:
    """Every score."""
    head = (
        "`name/class` is the score of one class, `image_name` the mean over images that are each scored by themselves. "
        "Every score has n, the unit that was counted and an interval; one that is not defined has no value, and says "
        "why.\n"
    )
    heads = ["name", "score", "range, better", "of", "what it means"]
    return page("Scores", "metrics/table.py", head, table(heads, map(_metric, METRICS.values())))


def _metric(metric: Metric) -> list[str]:
    low, high = metric.bounds
    unit = f" {metric.unit}" if metric.unit else ""
    span = f"{low:g} to {high:g}{unit}" if math.isfinite(high) else f"from {low:g}{unit}"
    views = [v for v in metric.views if any(v in STATISTICS[s].of for s in metric.statistics)]
    of_class = f"{metric.name}/class" if metric.per_class or metric.each_of else ""
    names = code(metric.name, of_class, f"{IMAGE}{metric.name}" if metric.means else "")
    about = metric.about + (f" {metric.reference}." if metric.reference else "")
    return [names, metric.label, f"{span}, {metric.better}", ", ".join(views), about]


def augmentations() -> str:
    """Every change of training images."""
    head = (
        "The keys stand below `augment`: `augment.blur=1`, in Python `blur=1`. `augment=none` switches all changes "
        "off; [the keys](keys.md#augment) have their bounds.\n"
    )
    intensity = [[code(n), said_of(row), _options(row.Options), _yes(row.colour)] for n, row in CHANGES.items()]
    geometry = [[code(n), sentence(field.description or "")] for n, field in GeometryOptions.model_fields.items()]
    return page(
        "Augmentations",
        "data/augment/",
        head,
        "## Geometry\n",
        "Targets move with their images, at the same coordinates.\n",
        table(["key", "what it does"], geometry),
        "## Intensity\n",
        "In the order in which they are done; targets stay as they are.\n",
        table(["change", "what it does", "its keys", "colour only"], intensity),
        "## Operations of a policy\n",
        "`augment.policy=2` draws two of these for each image, `augment.policy_strength` says how strong they are.\n",
        table(["operation", "of", "at most, at strength 1"], itertools.starmap(_operation, OPERATIONS.items())),
    )


def _operation(name: str, row: Operation) -> list[str]:
    what = "geometry" if name in GEOMETRY else "intensity, colour only" if row.colour else "intensity"
    return [code(name), what, f"{'±' if row.both else ''}{row.most:g}"]


def losses() -> str:
    """Every loss."""
    head = (
        "`task.loss=focal` chooses one; its own keys stand below it: `task.loss.gamma=3`. *Items*: also where a "
        "prediction is about a whole image. *Weights*: takes a weight for foreground and background where there is one "
        "channel; weights of several classes every loss takes.\n"
    )
    rows = [
        [code(name), said_of(row), _options(row, "name"), _yes(row.of_items), _yes(row.weighs)]
        for name, row in LOSSES.items()
    ]
    heads = ["loss", "what it is", "its keys", "items", "weights"]
    return page("Losses", "losses/table.py", head, table(heads, rows))


def _yes(value: object) -> str:
    return "yes" if value else ""


def remedies() -> str:
    """Every remedy for rare classes."""
    head = "`task.remedy=both` chooses one; its own keys stand below it: `task.remedy.alpha=0.3`.\n"
    rows = [[code(name), said_of(row), _options(row, "name")] for name, row in REMEDIES.items()]
    heads = ["remedy", "what it does", "its keys"]
    return page("Remedies for rare classes", "tasks/remedies.py", head, table(heads, rows))


def tasks() -> str:
    """Every task."""
    head = "`task=classify` chooses one; without it, the first that can learn from the folder is taken.\n"
    rows = [
        [
            code(name),
            said_of(row.Options),
            _targets(row.view.sees),
            name_of(row.monitor),
        ]
        for name, row in TASKS.items()
    ]
    heads = ["task", "what it gives", "learns from", "score that tells the best epoch"]
    return page("Tasks", "tasks/table.py", head, table(heads, rows))


def _targets(kinds: Iterable[type]) -> str:
    return ", ".join(_TARGETS[kind] for kind in kinds)


def networks() -> str:
    """Every network."""
    head = "`model.kind=unet` (or `model=unet`) chooses one; its keys stand in the section [model](keys.md#model).\n"
    rows = [
        [code(name), said_of(row), code(*(k for k in row.model_fields if k != "kind"))] for name, row in MODELS.items()
    ]
    return page("Networks", "models/options.py", head, table(["network", "what it is", "its keys"], rows))


def formats() -> str:
    """Every file format: what is read and written, and what is known and not read."""
    readable = [
        [
            row.label,
            code(*row.suffixes) or "a folder",
            code(f"lamelle[{row.extra}]") if row.extra else "",
            _yes(row.in_place),
            row.labels,
            code(row.write.to) if row.write is not None else "",
        ]
        for row in FORMATS.readable()
    ]
    unread: dict[str, list[str]] = {}
    for row in FORMATS.unread():
        unread.setdefault(row.cure, []).append(f"{row.label} {code(*row.suffixes)}".strip())
    cures = [[text(f"files.cure_{cure}"), "; ".join(rows)] for cure, rows in unread.items()]
    return page(
        "File formats",
        "io/formats/table.py",
        "A file is known by its content first, then by its name.\n",
        "## Read\n",
        "*In place*: uncompressed pixels are used where they lie, without a copy. *Label values*: whole numbers, also "
        "those that programs write as floats, or none, where the format changes them. *Written as*: the name that "
        "`lamelle convert --to` takes.\n",
        table(["format", "suffixes", "needs", "in place", "label values", "written as"], readable),
        "## Known, and not read\n",
        "Such a file is refused with what to do about it.\n",
        table(["what to do", "formats"], cures),
    )


def layouts() -> str:
    """Every layout of a folder, and every file of shapes."""
    rows = [[code(n), sentence(row.help).replace("*", r"\*"), _targets(row.yields)] for n, row in LAYOUTS.items()]
    shapes = [
        [code(name), sentence(row.about), "classes or objects" if row.outlines else "boxes"]
        for name, row in SHAPES.items()
    ]
    return page(
        "Layouts of a folder",
        "data/layouts/",
        "The layout is found out; `data.layout=NAME` names it where it is not. Of a folder that is none of them, "
        "`lamelle check` says what the nearest would need.\n",
        table(["layout", "looks like", "what is learnt from"], rows),
        "## Shapes\n",
        "Files that describe objects by coordinates, which some layouts read.\n",
        table(["format", "what it is", "seen as"], shapes),
    )


def packaged_recipes() -> str:
    """Every packaged recipe."""
    rows = []
    for name, content in recipes.packaged().items():
        values = recipes.load(name)
        model = values.get("model", {})
        network = " ".join(str(model[key]) for key in ("kind", "name") if key in model)
        link = f"[`{name}`](../../src/lamelle/recipes/{name}.yaml)"
        about = sentence(content.splitlines()[0].lstrip("# "))
        rows.append([link, about, code(values["task"]["name"]), code(network)])
    head = (
        "`lamelle train DATA --recipe NAME` starts from one; `lamelle recipes NAME` prints it. Any key can be changed "
        "behind it.\n"
    )
    return page("Packaged recipes", "recipes/", head, table(["recipe", "what it is for", "task", "network"], rows))


def rules() -> str:
    """Every rule of the doctor."""
    rows = [[code(rule.code), said_of(rule.find), _next(rule.code), code(*rule.unless)] for rule in RULES]
    head = (
        "`lamelle doctor RUN` looks at the curves and the scores of a run by these rules, in this order ([what the "
        "curves say](../doctor.md)). What explains another finding hides it; … are numbers and keys that it names.\n"
    )
    heads = ["rule", "what it sees", "next step", "hidden by"]
    return page("Rules of the doctor", "doctor/rules.py", head, table(heads, rows))


def _next(rule: str) -> str:
    """What the doctor proposes, without the numbers and keys of a run."""
    words = catalogue("en", "doctor")[f"{rule}_next"].replace("{run}", "RUN")
    return re.sub(r"\{[^}]*\}", "…", words)


def exports() -> str:
    """Every export target of a run."""
    rows = [
        [code(name), row.about, row.store, code(f"lamelle[{row.extra}]") if row.extra else ""]
        for name, row in EXPORT_TARGETS.items()
    ]
    head = "`lamelle runs RUN --to NAME` writes finished runs there; `--store` says where.\n"
    heads = ["target", "what is written", "`--store`", "needs"]
    return page("Export targets", "studies/exporting.py", head, table(heads, rows))


def searches() -> str:
    """Every sampler and pruner of a search."""
    return page(
        "Searches",
        "studies/search/algorithms.py",
        "`lamelle tune DATA --sampler NAME --pruner NAME` ([tuning](../tuning.md)).\n",
        "## Samplers\n",
        table(["sampler", "how it chooses points"], [[code(name), row.about] for name, row in SAMPLERS.items()]),
        "## Pruners\n",
        table(["pruner", "which trials go on"], [[code(name), row.about] for name, row in PRUNERS.items()]),
    )


def sections() -> str:
    """Every section of a run's page."""
    rows = [[code(name), row.title, row.about, ", ".join(map(code, row.needs))] for name, row in SECTIONS.items()]
    head = "What of a run is missing, its sections are left out with; the name is the anchor.\n"
    return page(
        "Sections of a report",
        "reports/sections.py",
        head,
        table(["section", "title", "what it shows", "needs"], rows),
    )


def run_files() -> str:
    """The files of a run and of a study."""
    kept = _documented(Artefacts)
    return page(
        "Files of a run",
        "runs/folder.py",
        "A folder below `runs/`; each file is there once the run has come so far.\n",
        table(["name", "what it holds"], [*_documented(RunFolder), *kept]),
        "## Files of a study\n",
        "The folder of `lamelle compare` or `lamelle tune`, beside its runs.\n",
        table(["name", "what it holds"], [*_documented(StudyFolder), *kept]),
    )


def _documented(folder: type[Artefacts]) -> list[list[str]]:
    """Name and docstring of each path that a class of folders sets up."""
    body = ast.parse(textwrap.dedent(inspect.getsource(folder.__init__))).body[0].body  # type: ignore[attr-defined]
    there = folder(Path("x"))
    rows = []
    for one, after in itertools.pairwise(body):
        if isinstance(one, ast.Assign) and isinstance(target := one.targets[0], ast.Attribute):
            path = getattr(there, target.attr)
            if isinstance(path, Path) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                rows.append([code(path.name), str(after.value.value)])
    return rows


PAGES: Mapping[str, tuple[Callable[[], str], str]] = {
    "keys.md": (keys, "every key of a recipe, with default and bounds"),
    "tasks.md": (tasks, "what can be learnt"),
    "recipes.md": (packaged_recipes, "recipes that come with Lamelle"),
    "layouts.md": (layouts, "how a folder may be laid out"),
    "formats.md": (formats, "files that are read and written, and what to do about others"),
    "networks.md": (networks, "networks and their keys"),
    "augmentations.md": (augmentations, "random changes of the training images"),
    "losses.md": (losses, "losses with formula and reference"),
    "remedies.md": (remedies, "what is done about rare classes"),
    "metrics.md": (metrics, "scores with formula, range and reference"),
    "rules.md": (rules, "what the doctor looks for"),
    "searches.md": (searches, "samplers and pruners of `lamelle tune`"),
    "exports.md": (exports, "tools that runs are exported to"),
    "sections.md": (sections, "what the report of a run shows"),
    "run-files.md": (run_files, "files in the folder of a run or a study"),
}
"""Name → what makes it, and what it is about."""


def index() -> str:
    """The page that lists the others."""
    rows = [[f"[{name.removesuffix('.md')}]({name})", sentence(about)] for name, (_, about) in PAGES.items()]
    return page("Reference", "", table(["page", "what stands there"], rows)).replace("`src/lamelle/`", "the code")


def all_pages() -> dict[str, str]:
    """Every page by its name, in English."""
    with mock.patch.dict(os.environ, LAMELLE_LANG="en"):
        return {name: make() for name, (make, _) in PAGES.items()} | {"README.md": index()}


if __name__ == "__main__":
    for name, content in all_pages().items():
        (HERE / name).write_text(content, encoding="utf-8")
        sys.stdout.write(f"{HERE / name}\n")

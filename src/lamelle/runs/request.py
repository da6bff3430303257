"""What a person asks for, from several places: a recipe, pairs, options."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from pathlib import Path

from lamelle.errors import RequestError
from lamelle.messages import text
from lamelle.platform import cores
from lamelle.runs import layers
from lamelle.runs import recipe as recipes
from lamelle.runs.folder import RunFolder
from lamelle.runs.model import load_model
from lamelle.runs.recipe import Recipe
from lamelle.training import resources

AnyPath = str | os.PathLike[str]
RecipeLike = AnyPath | recipes.Layer | None
"""Name or file of a recipe, or its values."""
_NEW = ("data.path", "train.start", "train.schedule_points")
"""What a fine-tuning has of its own by nature: its images, what it starts from, and how far its budget reached."""


def build_request(
    recipe: RecipeLike,
    overrides: Iterable[str],
    weights: AnyPath | None,
    start: AnyPath | None,
    allow_leakage: bool,
    say: Callable[[str], None],
) -> recipes.Section:
    """Everything that was asked for: settings of the run to start from, over them the recipe, the pairs, the options.

    Args:
        say: Hears what a layer takes away from one below it.

    Raises:
        RequestError: If the recipe, a pair or a model to start from cannot be read.
    """
    request: recipes.Section = {}
    if recipe is not None:
        request = deepcopy(dict(recipe)) if isinstance(recipe, Mapping) else _loaded(Path(recipe))
    _lay_over(request, layers.parse_overrides(overrides), say)
    if weights is not None:
        layers.merge(request, {"model": {"weights": str(Path(weights).resolve())}})
    if start := start or request.get("train", {}).get("start"):
        request = _lay_over(settings_of(Path(start)), request, say)
        layers.merge(request, {"train": {"start": str(Path(start).resolve())}})
    if allow_leakage:
        layers.merge(request, {"data": {"allow_leakage": True}})
    return request


def _loaded(recipe: Path) -> recipes.Section:
    """The recipe of that name, in that file, or of the run in whose folder the file lies."""
    run = RunFolder(recipe.parent)
    written = recipe == run.recipe and recipe.is_file() and run.manifest.is_file()
    return run.read_recipe() if written else recipes.load(recipe)


def _lay_over(under: recipes.Section, over: recipes.Section, say: Callable[[str], None]) -> recipes.Section:
    """One layer of a request over another; what the lower one loses by it is said."""
    train, below = over.get("train", {}), under.get("train", {})
    if "epochs" in train and "budget" not in train and below.get("budget") is not None:
        train["budget"] = None
        say(text("train.epochs_instead", budget=below["budget"], epochs=train["epochs"]))
    if train.keys() & {"epochs", "budget"} and below.get("schedule_points"):
        train.setdefault("schedule_points", [])
    before = deepcopy(under)
    if isinstance(split := over.get("split"), dict):
        split.update(recipes.other_shares(under.get("split"), split))
    layers.merge(under, over)
    if left := layers.left_behind(before, under):
        say(text("train.left_behind", keys=", ".join(left)))
    return under


def settings_of(start: Path) -> recipes.Section:
    """What a fine-tuning takes over: all settings of a Run; of a package its network and preparation.

    Raises:
        RequestError: If there is neither.
    """
    run = RunFolder.around(start)
    if run is None:
        return _settings_of_package(start)
    recipe = run.read_recipe()
    for key in _NEW:
        section, _, name = key.partition(".")
        recipe.get(section, {}).pop(name, None)
    train = recipe.get("train", {})
    if not _there(str(train.get("device", "auto"))):
        train |= {"device": "auto", "precision": "auto"}
    if int(train.get("threads", 0)) > cores():
        train["threads"] = 0
    return recipe


def _there(device: str) -> bool:
    """Whether a training can be computed on a device here."""
    try:
        resources.find_device(device)
    except RequestError:
        return False
    return True


def _settings_of_package(start: Path) -> recipes.Section:
    package = load_model(start)
    data = {
        name: getattr(package.preparation, name) for name in ("channels", "resize", "normalise", "context", "range")
    }
    return {"task": {"name": package.task.name}, "model": package.architecture.options.model_dump(), "data": data}


def differing(recipe: Recipe) -> list[str]:
    """In which settings a fine-tuning differs from the Run it starts from, in words; nothing of other trainings."""
    run = RunFolder.around(Path(recipe.train.start)) if recipe.train.start else None
    if run is None:
        return []
    was, now = recipes.validate(run.read_recipe()).model_dump(mode="json"), recipe.model_dump(mode="json")
    changed = []
    for section, keys in now.items():
        for key in dict.fromkeys([*keys, *was[section]]):
            before, after = was[section].get(key), keys.get(key)
            if before != after and f"{section}.{key}" not in _NEW:
                changed.append(
                    text("train.start_change", key=f"{section}.{key}", now=_shown(after), was=_shown(before))
                )
    code = "train.start_changes" if changed else "train.start_same"
    return [text(code, run=run.path, changes=", ".join(changed), new=", ".join(_NEW))]


def _shown(value: object) -> str:
    return "–" if value is None else str(value).replace(" ", "")


def name_of(recipe: RecipeLike, data: AnyPath) -> str:
    """The name of a run or a study where none is given: of the recipe, of the run whose recipe it is, or of the data.

    Example:
        >>> name_of("nuclei-unet", "data"), name_of("/runs/first/recipe.yaml", "data"), name_of(None, "data/cells.tif")
        ('nuclei-unet', 'first', 'cells')
    """
    if recipe is not None and not isinstance(recipe, Mapping):
        path = Path(recipe)
        of_a_run = path.name == RunFolder(path.parent).recipe.name
        return path.resolve().parent.name if of_a_run else path.stem
    return Path(data).resolve().name.split(".")[0] or "run"

"""What a person asks for, from several places: a recipe, pairs, options."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lamelle import recipe as recipes
from lamelle.run import RunFolder
from lamelle.training.network import started_from

AnyPath = str | os.PathLike[str]


def asked_of(
    recipe: AnyPath | Mapping[str, Any] | None,
    overrides: Iterable[str],
    weights: AnyPath | None,
    start: AnyPath | None,
    allow_leakage: bool,
) -> recipes.Section:
    """Everything that was asked for: the recipe, over it the pairs, over them the options.

    Raises:
        RequestError: If the recipe, a pair or a model to start from cannot be read.
    """
    asked: recipes.Section = {}
    if recipe is not None:
        asked = dict(recipe) if isinstance(recipe, Mapping) else _loaded(Path(recipe))
    recipes.merge(asked, recipes.parse_overrides(overrides))
    if weights is not None:
        recipes.merge(asked, {"model": {"weights": str(Path(weights).resolve())}})
    if start is not None:
        asked |= started_from(asked, str(start))
        recipes.merge(asked, {"train": {"start": str(Path(start).resolve())}})
    if allow_leakage:
        recipes.merge(asked, {"data": {"allow_leakage": True}})
    return asked


def _loaded(recipe: Path) -> recipes.Section:
    """The recipe of that name, in that file, or of the run in whose folder the file lies."""
    run = RunFolder(recipe.parent)
    return run.read_recipe() if recipe == run.recipe and recipe.is_file() else recipes.load(recipe)


def name_of(recipe: AnyPath | Mapping[str, Any] | None, data: AnyPath) -> str:
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

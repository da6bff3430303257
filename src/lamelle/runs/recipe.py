"""One checked object from names, files and values: what can be asked for is what the workers declare.

A Recipe is YAML; its keys are dotted (``train.lr``, ``task.loss.gamma``). What nobody asked for is planned from the
data by the task (`Task.plan`). Old names of keys pass through `MOVED`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError

from lamelle.data.augment.options import AUGMENT, Augment
from lamelle.data.options import Data, listed
from lamelle.data.splits.options import Split
from lamelle.errors import RequestError
from lamelle.evaluation.options import Evaluate
from lamelle.messages import text
from lamelle.models.options import MODELS, Network, UNetOptions
from lamelle.options import Options
from lamelle.registry import nearest
from lamelle.runs.key_list import Key, described, keys_of
from lamelle.runs.moved_keys import MOVED, Layer, Section, renewed
from lamelle.tasks.base import TaskOptions
from lamelle.tasks.segment import Segment
from lamelle.tasks.table import TASKS
from lamelle.training.options import Train
from lamelle.types import SPLITS


class Recipe(Options):
    """A complete request."""

    task: Annotated[TaskOptions, TASKS.union()] = Segment.Options()
    data: Data = Data()
    split: Split = Split()
    model: Annotated[Network, MODELS.union()] = UNetOptions()
    augment: Annotated[Augment, AUGMENT] = Field(default_factory=lambda: AUGMENT.options())
    train: Train = Train()
    evaluate: Evaluate = Evaluate()

    def to_yaml(self) -> str:
        """The recipe as a file a person can read and edit."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def every_key() -> dict[str, list[Key]]:
    """Every dotted key as each kind of options has it, of all tasks and networks."""
    keys: dict[str, list[Key]] = {}
    for key in keys_of(Recipe):
        keys.setdefault(key.path, []).append(key)
    outer = list(dict.fromkeys(".".join(path.split(".")[:2]) for path in keys))
    return {path: keys[path] for path in sorted(keys, key=lambda path: outer.index(".".join(path.split(".")[:2])))}


def known_keys() -> dict[str, str]:
    """Every dotted key with its meaning, its default, its bounds and choices."""
    return {path: described(keys) for path, keys in every_key().items()}


def full_key(key: str) -> str:
    """The dotted key a person means: itself, or the only one that ends in it.

    Raises:
        RequestError: If no key or several keys fit; the message lists the candidates.

    Example:
        >>> full_key("lr"), full_key("sigma")
        ('train.lr', 'task.loss.sigma')
    """
    keys = every_key()
    if key in keys or key in MOVED or key.removesuffix(".name") in keys:
        return key
    if key in Recipe.model_fields:
        return {"task": "task.name", "model": "model.name"}.get(key, key)
    ends = [k for k in keys if k.rsplit(".", 1)[-1] == key]
    before = [k for k in MOVED if k.rsplit(".", 1)[-1] == key]
    if len(ends) != 1 and before and all(e in [p.to for p in MOVED[before[0]]] for e in ends):
        return before[0]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise RequestError("recipe.ambiguous", key=key, candidates=", ".join(ends))
    last = {k.rsplit(".", 1)[-1]: k for k in keys}
    near = dict.fromkeys(last.get(n, n) for n in nearest(key, [*keys, *last], most=3))
    raise RequestError("recipe.unknown_key", key=key, near=", ".join(near) or "lamelle recipes --keys")


def other_shares(stated: object, overlay: Layer) -> dict[str, float]:
    """The shares of a split that are not asked for, so that those that are stay what they are and all are the whole.

    Raises:
        RequestError: If nothing is left for them.
    """
    usual = {name: Split.model_fields[name].default for name in SPLITS}
    before = usual | (stated if isinstance(stated, dict) else {})
    given = [overlay[name] for name in SPLITS if name in overlay]
    rest = {name: before[name] for name in SPLITS if name not in overlay}
    if not given or not rest or not all(isinstance(v, int | float) and 0 <= v <= 1 for v in (*given, *rest.values())):
        return {}
    left, sum_of_rest = 1 - sum(given), sum(rest.values())
    if left < 1e-9 < sum_of_rest:
        said_now = " ".join(f"split.{name}={overlay[name]:g}" for name in SPLITS if name in overlay)
        raise RequestError("recipe.no_share", given=said_now, rest=", ".join(f"split.{name}" for name in rest))
    return {name: round(share * left / sum_of_rest, 6) for name, share in rest.items()} if sum_of_rest else {}


def packaged() -> dict[str, str]:
    """Name → text of every recipe that comes with Lamelle."""
    folder = files("lamelle") / "recipes"
    return {
        p.name[:-5]: p.read_text(encoding="utf-8")
        for p in sorted(folder.iterdir(), key=str)
        if p.name.endswith(".yaml")
    }


def load(name: str | Path, *, quiet: bool = False) -> Section:
    """The values of a packaged recipe, or of a YAML file, with today's keys.

    Args:
        quiet: Say nothing of old keys: nobody wrote them.

    Raises:
        RequestError: If there is no such recipe, or the file is not a recipe.
    """
    path = Path(name)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        if not path.is_file():
            raise RequestError("recipe.no_file", path=path)
        content, where = path.read_text(encoding="utf-8"), str(path)
    elif str(name) in (recipes := packaged()):
        content, where = recipes[str(name)], str(name)
    else:
        near = nearest(str(name), recipes, most=2, cutoff=0.3) or list(recipes)
        raise RequestError("recipe.no_recipe", name=name, near=", ".join(near), known=", ".join(recipes))
    try:
        values = yaml.safe_load(content) or {}
    except yaml.YAMLError as error:
        raise RequestError("recipe.not_yaml", where=where, reason=" ".join(str(error).split())) from error
    if not isinstance(values, dict) or not all(isinstance(v, (dict, str)) for v in values.values()):
        raise RequestError("recipe.not_sections", where=where)
    if isinstance(values.get("task"), str):
        values["task"] = {"name": values["task"]}
    values = renewed(expanded(values), None if quiet else {}, quiet=quiet)
    check_keys(values)
    return values


def check_keys(values: Layer, prefix: str = "") -> None:
    """See that every key of nested values is one.

    Raises:
        RequestError: The first that is not, with the nearest that are.
    """
    keys = every_key()
    for name, value in values.items():
        key = f"{prefix}{name}"
        nested = isinstance(value, Mapping) and any(k.startswith(f"{key}.") for k in keys)
        if nested:
            check_keys(value, f"{key}.")
        elif "." in key and key not in keys and key not in MOVED and not (name == "name" and prefix[:-1] in keys):
            raise RequestError("recipe.unknown_key", key=key, near=_nearest(key))
        elif "." not in key and key not in Recipe.model_fields:
            inner = f"{key}.{next(iter(value))}" if isinstance(value, Mapping) and value else key
            raise RequestError("recipe.unknown_key", key=inner, near=_nearest(inner))


def expanded(values: Section) -> Section:
    """The same, with every change of images named where none is wanted (``augment: none``), ``model: unet`` as the kind
    of a network, and the name alone of a loss or a remedy as its options."""
    if values.get("augment") == "none":
        values = values | {"augment": AUGMENT.options.none().model_dump(mode="json")}
    model = values.get("model")
    if isinstance(model, Mapping) and "kind" not in model and model.get("name") in MODELS:
        values = values | {"model": {"kind": model["name"], **{k: v for k, v in model.items() if k != "name"}}}
    return values


def _nearest(key: str) -> str:
    return ", ".join(nearest(key, every_key(), most=3)) or "lamelle recipes --keys"


def listed_classes(data: Layer) -> tuple[str, ...]:
    """The names of all classes, where ``data.classes`` lists them."""
    return listed(data.get("classes"))


def renamed_classes(data: Layer) -> dict[str, str]:
    """Name in the data → class, where ``data.classes`` says so."""
    names = data.get("classes")
    return {str(k): str(v) for k, v in names.items() if v is not None} if isinstance(names, Mapping) else {}


def left_out_classes(data: Layer) -> tuple[str, ...]:
    """Names in the data whose images are not meant: ``data.classes={name: null}``."""
    names = data.get("classes")
    return tuple(str(k) for k, v in names.items() if v is None) if isinstance(names, Mapping) else ()


def validate(values: Layer) -> Recipe:
    """A checked Recipe; of shares of a split that are not given the others follow.

    Raises:
        RequestError: One line for each key that breaks its rule: key, value and rule.
    """
    values = renewed(values)
    if isinstance(given := values.get("split"), Mapping):
        values = {**values, "split": {**given, **other_shares(None, given)}}
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise refused(error) from None


def refused(error: ValidationError) -> RequestError:
    """The error that says of each key that breaks its rule: key, value and rule."""
    lines = []
    for one in error.errors():
        names = [str(p) for p in one["loc"]]
        key = ".".join(n for n in names if not _OPTION.search(n))
        given = one.get("ctx", {}).get("tag", one["input"])
        lines.append(f"{key}={given!r}: {_rule(key, one)}")
    return RequestError("recipe.invalid", lines="\n  ".join(dict.fromkeys(lines)))


_OPTION = re.compile(r"[\[(]|^constrained-")
"""In the places that pydantic names: which of several types was tried."""


def _as_whole(given: object) -> int | None:
    """The whole number that a text such as ``1e3`` means; None if it means none."""
    try:
        number = float(given) if isinstance(given, str) else math.nan
    except ValueError:
        return None
    return int(number) if number.is_integer() and abs(number) < 1e15 else None


def _rule(key: str, error: Any) -> str:
    """What is wrong with a value, in the reader's language where pydantic's kind of error is one of the usual ones."""
    kind, about = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        if key in every_key():
            return text("recipe.rule_not_here", section=key.rpartition(".")[0])
        return text("recipe.rule_unknown", near=_nearest(key))
    if kind in ("literal_error", "union_tag_invalid"):
        return text("recipe.rule_choice", expected=about.get("expected") or about.get("expected_tags"))
    bounds = {"greater_than_equal": ("≥", "ge"), "greater_than": (">", "gt"), "less_than_equal": ("≤", "le")}
    if (bound := (bounds | {"less_than": ("<", "lt")}).get(kind)) is not None:
        return text("recipe.rule_bound", sign=bound[0], bound=about[bound[1]])
    for sort, n in (("too_short", about.get("min_length")), ("too_long", about.get("max_length"))):
        if kind == sort:
            return text(f"recipe.rule_{sort}", n=n)
    sorts = {"int": "int_parsing int_type int_from_float", "float": "float_parsing float_type finite_number"}
    sorts |= {"bool": "bool_parsing bool_type", "text": "string_type", "list": "tuple_type list_type"}
    for sort, kinds in sorts.items():
        if kind in kinds.split():
            whole = _as_whole(error["input"]) if sort == "int" else None
            return text(f"recipe.rule_{sort}") if whole is None else text("recipe.rule_int_as", n=whole)
    return str(about.get("error", error["msg"]))

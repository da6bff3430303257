"""From names, files and ``key=value`` pairs to one checked object; the keys themselves are in `lamelle.keys`.

A Recipe is YAML; its keys are dotted (``train.lr``). What nobody asked for is planned from the data by the task
(`Task.plan`).
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from lamelle.errors import RequestError
from lamelle.keys import CnnKeys, Recipe, SplitKeys, no_augmentation
from lamelle.messages import text
from lamelle.types import SPLITS

Section = dict[str, Any]
_CNNS = get_args(CnnKeys.model_fields["name"].annotation)
_CLOCK = re.compile(r"\s*\d+(:\d+)+\s*")
"""What YAML reads as a number to the base of 60."""


def known_keys() -> dict[str, str]:
    """Every dotted key with its description, of all tasks and models."""
    found: dict[str, str] = {}
    for section, field in Recipe.model_fields.items():
        for keys in get_args(field.annotation) or (field.annotation,):
            for name, inner in (keys or Recipe).model_fields.items():
                found.setdefault(f"{section}.{name}", inner.description or section)
    return found


def full_key(key: str) -> str:
    """The dotted key a person means: itself, or the only one that ends in it.

    Raises:
        RequestError: If no key or several keys fit; the message lists the candidates.

    Example:
        >>> full_key("lr")
        'train.lr'
    """
    keys = known_keys()
    if key in keys:
        return key
    if key in Recipe.model_fields:
        return {"task": "task.name", "model": "model.name"}.get(key, key)
    ends = [k for k in keys if k.rsplit(".", 1)[-1] == key]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise RequestError("recipe.ambiguous", key=key, candidates=", ".join(ends))
    last = {k.rsplit(".", 1)[-1]: k for k in keys}
    near = dict.fromkeys(last.get(n, n) for n in difflib.get_close_matches(key, [*keys, *last], n=3))
    raise RequestError("recipe.unknown_key", key=key, near=", ".join(near) or "lamelle recipes --keys")


def parse_overrides(pairs: Iterable[str]) -> Section:
    """``["lr=1e-3", "split.by=group"]`` → nested values.

    Raises:
        RequestError: If a pair has no ``=``, or its key is not known.

    Example:
        >>> parse_overrides(["lr=0.01", "patch=128"])
        {'train': {'lr': 0.01, 'patch': 128}}
    """
    asked: Section = {}
    for pair in pairs:
        key, found, value = pair.partition("=")
        if not found:
            raise RequestError("recipe.no_value", given=pair)
        try:
            parsed = value if _CLOCK.fullmatch(value) else yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise RequestError("recipe.not_yaml", where=pair, reason=str(error).splitlines()[0]) from error
        whole = isinstance(parsed, Mapping) and key.strip() in Recipe.model_fields
        section, _, name = (key.strip() if whole else full_key(key.strip())).partition(".")
        for inner in parsed if whole else ():
            full_key(f"{section}.{inner}")
        one = _expanded({section: {name: parsed}} if name else {section: parsed})
        if not isinstance(one[section], Mapping):
            raise RequestError("recipe.a_section", given=pair, section=section)
        merge(asked, one)
    return asked


def _expanded(asked: Section) -> Section:
    """The same, with every change of images named where none is wanted (``augment: none``), and ``model: unet`` as the
    kind of a network."""
    if asked.get("augment") == "none":
        asked = asked | {"augment": no_augmentation()}
    model = asked.get("model")
    if isinstance(model, Mapping) and "kind" not in model and model.get("name") in _MODELS:
        asked = asked | {"model": {"kind": model["name"], **{k: v for k, v in model.items() if k != "name"}}}
    return asked


def merge(into: Section, other: Mapping[str, Any]) -> Section:
    """Lay ``other`` over ``into``, section by section; ``into`` is changed and returned.

    Another kind of model or task takes the place of what was said of the former, but for the keys that both have. The
    name of an encoder, over a recipe with a plain U-Net, asks for a U-Net with that encoder; weights from a file go
    with the encoder that they are of.
    """
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            into[key] = _of_kind(key, into[key], value)
        if isinstance(value, Mapping) and isinstance(into.get(key), dict) and key in Recipe.model_fields:
            into[key].update(value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) and key in Recipe.model_fields else value
    return into


def other_shares(said: object, asked: Mapping[str, Any]) -> dict[str, float]:
    """The shares of a split that are not asked for, so that those that are stay what they are and all are the whole.

    Raises:
        RequestError: If nothing is left for them.
    """
    usual = {name: SplitKeys.model_fields[name].default for name in SPLITS}
    before = usual | (said if isinstance(said, dict) else {})
    given = [asked[name] for name in SPLITS if name in asked]
    rest = {name: before[name] for name in SPLITS if name not in asked}
    if not given or not rest or not all(isinstance(v, int | float) and 0 <= v <= 1 for v in (*given, *rest.values())):
        return {}
    left, known = 1 - sum(given), sum(rest.values())
    if left < 1e-9 < known:
        said_now = " ".join(f"split.{name}={asked[name]:g}" for name in SPLITS if name in asked)
        raise RequestError("recipe.no_share", given=said_now, rest=", ".join(f"split.{name}" for name in rest))
    return {name: round(share * left / known, 6) for name, share in rest.items()} if known else {}


def _of_kind(section: str, said: Section, other: Mapping[str, Any]) -> Section:
    """What was said of a section, without the keys that another kind of model or task lacks, if it is asked for."""
    tag = {"model": "kind", "task": "name"}.get(section, "")
    was, asked = said.get(tag), other.get(tag, said.get(tag))
    if section == "model":
        was, asked = _kinds(said, other)
        if other.get("name", said.get("name")) != said.get("name") and said.get("weights") not in (None, "home", "hub"):
            said = {name: value for name, value in said.items() if name != "weights"}
    if asked == was:
        return said
    known = next((keys.model_fields for kind, keys in _options(section, tag) if kind == asked), None)
    kept = said if known is None else {name: value for name, value in said.items() if name in known}
    if section == "model" and "cnn" in (was, asked):  # their names are no encoders
        kept.pop("name", None)
    return {**kept, tag: asked}


def _kinds(said: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The kind of model that was said, and the one that is asked for over it; names and keys tell it as well."""
    name = said.get("name")
    was = said.get("kind") or ("cnn" if name in _CNNS else "unet" if "filters" in said else None)
    if (asked := other.get("kind")) is None and (name := other.get("name")) is not None:
        asked = "cnn" if name in _CNNS else {"unet": "timm-unet", "cnn": "timm"}.get(was or "")
    return was, asked or was


def _options(section: str, tag: str) -> list[tuple[str, type[BaseModel]]]:
    """The kinds of one section with their keys."""
    return [(o.model_fields[tag].default, o) for o in get_args(Recipe.model_fields[section].annotation)]


def keys_of_model(kind: str) -> set[str]:
    """The keys of one kind of model."""
    return {name for known, keys in _options("model", "kind") if known == kind for name in keys.model_fields}


def left_behind(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Keys that another kind of model or task left behind, with their values.

    Example:
        >>> before = {"model": {"kind": "timm", "name": "resnet18", "dropout": 0.5}}
        >>> left_behind(before, merge({"model": dict(before["model"])}, {"model": {"name": "cnn2"}}))
        ['model.dropout=0.5']
    """
    return [
        f"{section}.{key}={value}"
        for section in ("task", "model")
        for key, value in before.get(section, {}).items()
        if key not in after.get(section, {}) and (section, key) != ("model", "name") and value not in (None, False, [])
    ]


_MODELS = frozenset(kind for kind, _ in _options("model", "kind"))


def packaged() -> dict[str, str]:
    """Name → text of every recipe that comes with Lamelle."""
    folder = files("lamelle") / "recipes"
    return {
        p.name[:-5]: p.read_text(encoding="utf-8")
        for p in sorted(folder.iterdir(), key=str)
        if p.name.endswith(".yaml")
    }


def load(name: str | Path) -> Section:
    """The values of a packaged recipe, or of a YAML file.

    Raises:
        RequestError: If there is no such recipe, or the file is not a recipe.
    """
    path = Path(name)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        if not path.is_file():
            raise RequestError("recipe.no_file", path=path)
        content, where = path.read_text(encoding="utf-8"), str(path)
    elif str(name) in (known := packaged()):
        content, where = known[str(name)], str(name)
    else:
        near = difflib.get_close_matches(str(name), known, n=2, cutoff=0.3) or list(known)
        raise RequestError("recipe.no_recipe", name=name, near=", ".join(near), known=", ".join(known))
    try:
        values = yaml.safe_load(content) or {}
    except yaml.YAMLError as error:
        raise RequestError("recipe.not_yaml", where=where, reason=" ".join(str(error).split())) from error
    if not isinstance(values, dict) or not all(isinstance(v, (dict, str)) for v in values.values()):
        raise RequestError("recipe.not_sections", where=where)
    if isinstance(values.get("task"), str):
        values["task"] = {"name": values["task"]}
    values = _expanded(values)
    for section, keys in values.items():
        for key in keys:
            if f"{section}.{key}" not in known_keys():
                raise RequestError("recipe.unknown_key", key=f"{section}.{key}", near=_nearest(f"{section}.{key}"))
    return values


def _nearest(key: str) -> str:
    return ", ".join(difflib.get_close_matches(key, known_keys(), n=3)) or "lamelle recipes --keys"


def listed_classes(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of all classes, where ``data.classes`` lists them."""
    said = data.get("classes")
    return () if said is None or isinstance(said, Mapping) else tuple(map(str, said))


def renamed_classes(data: Mapping[str, Any]) -> dict[str, str]:
    """Name in the data → class, where ``data.classes`` says so."""
    said = data.get("classes")
    return {str(k): str(v) for k, v in said.items() if v is not None} if isinstance(said, Mapping) else {}


def left_out_classes(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Names in the data whose images are not meant: ``data.classes={name: null}``."""
    said = data.get("classes")
    return tuple(str(k) for k, v in said.items() if v is None) if isinstance(said, Mapping) else ()


def validate(values: Mapping[str, Any]) -> Recipe:
    """A checked Recipe; of shares of a split that are not given the others follow.

    Raises:
        RequestError: One line for each key that breaks its rule: key, value and rule.
    """
    if isinstance(given := values.get("split"), Mapping):
        values = {**values, "split": {**given, **other_shares(None, given)}}
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        lines = []
        for one in error.errors():
            names = [str(p) for p in one["loc"]]
            key = ".".join(n for i, n in enumerate(names) if not (i == 1 and n in _TAGS) and not _OPTION.search(n))
            lines.append(f"{key}={one['input']!r}: {_rule(key, one)}")
        raise RequestError("recipe.invalid", lines="\n  ".join(dict.fromkeys(lines))) from None


_OPTION = re.compile(r"[\[(]|^constrained-")
"""In the places that pydantic names: which of several types was tried."""
_TAGS = {"classify", "segment", "instances", "unet", "timm", "timm-unet", "cnn"}


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
        if key in known_keys():
            return text("recipe.rule_not_here", section=key.partition(".")[0])
        return text("recipe.rule_unknown", near=_nearest(key))
    if kind in ("literal_error", "union_tag_invalid"):
        return text("recipe.rule_choice", expected=about.get("expected") or about.get("expected_tags"))
    bounds = {"greater_than_equal": ("≥", "ge"), "greater_than": (">", "gt"), "less_than_equal": ("≤", "le")}
    if (bound := (bounds | {"less_than": ("<", "lt")}).get(kind)) is not None:
        return text("recipe.rule_bound", sign=bound[0], bound=about[bound[1]])
    sorts = {"int": "int_parsing int_type int_from_float", "float": "float_parsing float_type finite_number"}
    sorts |= {"bool": "bool_parsing bool_type", "text": "string_type", "list": "tuple_type list_type"}
    for sort, kinds in sorts.items():
        if kind in kinds.split():
            whole = _as_whole(error["input"]) if sort == "int" else None
            return text(f"recipe.rule_{sort}") if whole is None else text("recipe.rule_int_as", n=whole)
    return str(about.get("error", error["msg"]))

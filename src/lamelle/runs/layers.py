"""One layer of a request over another: what a recipe says, over it what pairs say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from lamelle.errors import RequestError
from lamelle.models.options import kind_of_keys, kind_of_name
from lamelle.options import Options
from lamelle.runs.key_list import choices_of
from lamelle.runs.moved_keys import Layer, Section, renewed
from lamelle.runs.recipe import Recipe, check_keys, expanded, full_key

_CLOCK = re.compile(r"\s*\d+(:\d+)+\s*")
"""What YAML reads as a number to the base of 60."""


def tags(options: type[Options] = Recipe, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every key that chooses one kind of options, with the key that says which.

    Example:
        >>> sorted(dict(tags()).items())
        [('model', 'kind'), ('task', 'name'), ('task.loss', 'name'), ('task.remedy', 'name')]
    """
    for name in options.model_fields:
        if (one := choices_of(options, name)) is not None:
            yield f"{prefix}{name}", one.tag
            for kind in one.options.values():
                yield from tags(kind, f"{prefix}{name}.")


def parse_overrides(pairs: Iterable[str]) -> Section:
    """``["lr=1e-3", "split.by=group"]`` → nested values; one layer, in whatever order.

    Raises:
        RequestError: If a pair has no ``=``, its key is not known, or two kinds of one thing are asked for.

    Example:
        >>> parse_overrides(["lr=0.01", "patch=128", "loss=focal", "task.loss.gamma=3"])
        {'train': {'lr': 0.01, 'patch': 128}, 'task': {'loss': {'name': 'focal', 'gamma': 3}}}
    """
    layer: Section = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign:
            raise RequestError("recipe.no_value", given=pair)
        try:
            parsed = value if _CLOCK.fullmatch(value) else yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise RequestError("recipe.not_yaml", where=pair, reason=str(error).splitlines()[0]) from error
        whole = isinstance(parsed, Mapping) and key.strip() in Recipe.model_fields
        path = key.strip() if whole else full_key(key.strip())
        one: Any = parsed
        for name in reversed(path.split(".")):
            one = {name: one}
        one = expanded(one)
        section = path.partition(".")[0]
        if not isinstance(one[section], Mapping):
            raise RequestError("recipe.a_section", given=pair, section=section)
        check_keys(one)
        _gather(layer, _named(one), "")
    return renewed(layer, {})


def _gather(layer: Section, one: Layer, path: str) -> None:
    """Add to a layer, which may name one kind of each thing only."""
    chosen = {f"{where}.{tag}" for where, tag in tags()}
    for name, value in one.items():
        key, before = f"{path}{name}", layer.get(name)
        if isinstance(value, Mapping) and isinstance(before, dict):
            _gather(before, value, f"{key}.")
            continue
        if key in chosen and before is not None and before != value:
            raise RequestError("recipe.two_kinds", key=key.removesuffix(".name"), one=before, other=value)
        layer[name] = dict(value) if isinstance(value, Mapping) else value


def _named(values: Layer, path: str = "") -> Section:
    """The same, with the name alone of a kind of options as the key that says it."""
    tag_of, named = dict(tags()), {}
    for name, value in values.items():
        key = f"{path}{name}"
        if key in tag_of and isinstance(value, str):
            value = {tag_of[key]: value}
        named[name] = _named(value, f"{key}.") if isinstance(value, Mapping) and key in ("task", *tag_of) else value
    return named


def merge(into: Section, other: Layer) -> Section:
    """Lay ``other`` over ``into``, section by section; ``into`` is changed and returned.

    Another kind of task, network, loss or remedy takes the place of the former with all its keys. The name of an
    encoder, over a recipe with a plain U-Net, asks for a U-Net with that encoder; weights from a file go with the
    encoder that they are of.
    """
    for section, keys in _named(renewed(other, into)).items():
        if isinstance(keys, Mapping) and section in Recipe.model_fields:
            before = _named({section: into.get(section) or {}})[section]
            into[section] = _over(section, dict(before), keys)
        else:
            into[section] = keys
    return into


def _over(path: str, below: Layer, above: Layer) -> Section:
    """One section, or one key with kinds, of two layers."""
    tag_of = dict(tags())
    if path == "model":
        below, above = _of_network(below, above)
    if (tag := tag_of.get(path)) is not None and _other_kind(below.get(tag), above.get(tag)):
        return dict(above)
    merged = dict(below)
    for name, value in above.items():
        before, key = merged.get(name), f"{path}.{name}"
        nested = key in tag_of and isinstance(value, Mapping) and isinstance(before, Mapping)
        merged[name] = _over(key, dict(before or {}), value) if nested else value
    return merged


def _other_kind(below: object, above: object) -> bool:
    """Whether a layer says another kind than the one below it."""
    return None not in (below, above) and below != above


def _of_network(below: Layer, above: Layer) -> tuple[Section, Section]:
    """Both layers with the kind of network that names and keys tell; weights from a file stay with their encoder."""
    below, above, name = dict(below), dict(above), below.get("name")
    was = below.get("kind") or kind_of_name(name, None) or kind_of_keys(below)
    if (wanted := above.get("kind")) is None and (other := above.get("name")) is not None:
        wanted = kind_of_name(other, was)
    if above.get("name", name) != name and below.get("weights") not in (None, "home", "hub"):
        del below["weights"]
    if _other_kind(was, wanted):
        return below | {"kind": was}, {"kind": wanted} | above
    return below, above if wanted is None or was is None else {"kind": wanted} | above


def left_behind(before: Layer, after: Layer) -> list[str]:
    """Keys that another kind of task, network, loss or remedy left behind, with their values.

    Example:
        >>> before = {"model": {"kind": "timm", "name": "resnet18", "dropout": 0.5}}
        >>> left_behind(before, merge({"model": dict(before["model"])}, {"model": {"name": "cnn2"}}))
        ['model.dropout=0.5']
    """
    lost, kept = (dict(_flat(_named(values), "")) for values in (before, after))
    named = {f"{path}.{tag}" for path, tag in tags()}
    return [f"{k}={v}" for k, v in lost.items() if k not in kept and k not in named and v not in (None, False, [])]


def _flat(values: Layer, path: str) -> Iterator[tuple[str, Any]]:
    """Dotted keys of the sections and keys that have kinds."""
    tag_of = dict(tags())
    for name, value in values.items():
        key = f"{path}{name}"
        if key in tag_of and isinstance(value, Mapping):
            yield from _flat(value, f"{key}.")
        elif path:
            yield key, value

"""From ``key=a,b,c`` to the variants of a comparison."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

from lamelle.errors import RequestError
from lamelle.runs.layers import merge, parse_overrides
from lamelle.runs.recipe import Layer, Section

DEFAULT = "default"
"""The value of a variant that leaves a key as the recipe has it."""
MAX_VARIANTS = 200
_ELSEWHERE = {"data.path": "DATA", "train.seed": "--seeds", "train.schedule_points": "train.epochs"}
"""Keys that a study sets itself, and what says it in their place."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to train."""

    name: str
    settings: Section
    """Keys of the recipe, beside those that all variants share."""

    @property
    def folder(self) -> str:
        """A name for its folder."""
        return re.sub(r"[^\w.+-]+", "_", self.name).strip("_.")[:80] or "variant"


def parse(pairs: Iterable[str]) -> tuple[list[str], list[Variant]]:
    """Pairs that all variants share, and the variants: every combination of the values that are listed.

    Raises:
        RequestError: If a pair has no ``=`` or an unknown key, or there are too many combinations.

    Example:
        >>> shared, variants = parse(["epochs=3", "lr=0.1,0.01", "augment=none,default"])
        >>> shared, [v.name for v in variants][:2]
        (['epochs=3'], ['lr=0.1 augment=none', 'lr=0.1 augment=default'])
    """
    shared, lists = listed(pairs)
    refuse_own(_keys(parse_overrides(shared)))
    pairs_of_keys = [[f"{key}={one}" for one in values] for key, values in lists]
    variants = [of_pairs(chosen) for chosen in itertools.product(*pairs_of_keys)] if lists else []
    return shared, distinct(variants)


def listed(pairs: Iterable[str]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Pairs that all runs share, and the keys with several values.

    Raises:
        RequestError: If a pair has no ``=`` or an unknown key.

    Example:
        >>> listed(["epochs=3", "lr=0.1,0.01"])
        (['epochs=3'], [('lr', ['0.1', '0.01'])])
    """
    shared: list[str] = []
    lists: list[tuple[str, list[str]]] = []
    for pair in pairs:
        key, equals, value = pair.partition("=")
        values = _split(value)
        if not equals or len(values) == 1:
            parse_overrides([pair])  # is checked here, before any training
            shared.append(pair)
        else:
            lists.append((key, values))
    return shared, lists


def named(given: Layer) -> list[Variant]:
    """Variants from YAML: name → pairs, or nested keys.

    Raises:
        RequestError: If there is none, or a name or a key is not allowed.

    Example:
        >>> [v.settings for v in named({"slow": ["lr=0.01"], "fast": {"train": {"lr": 0.1}}})]
        [{'train': {'lr': 0.01}}, {'train': {'lr': 0.1}}]
    """
    variants = []
    for name, keys in given.items():
        if isinstance(keys, Mapping):
            variants.append(Variant(str(name), {k: dict(v) if isinstance(v, Mapping) else v for k, v in keys.items()}))
        else:
            variants.append(Variant(str(name), parse_overrides([str(pair) for pair in keys or ()])))
    return distinct(variants)


def together(common: Section, variant: Variant, *, seed: int) -> Section:
    """The whole request of one run."""
    recipe = merge(deepcopy(dict(common)), deepcopy(variant.settings))
    return merge(recipe, {"train": {"seed": seed}})


def refuse_own(keys: Iterable[str]) -> None:
    """Refuse keys that a study sets itself, which would tell nothing apart.

    Raises:
        RequestError: If there is one among them.
    """
    for key in keys:
        if (instead := _ELSEWHERE.get(key)) is not None:
            raise RequestError("study.own_key", key=key, instead=instead)


def _keys(settings: Section) -> list[str]:
    return [f"{section}.{key}" for section, inner in settings.items() if isinstance(inner, Mapping) for key in inner]


def of_pairs(chosen: Sequence[str]) -> Variant:
    """The variant that these pairs make, named after them."""
    kept = [pair for pair in chosen if pair.partition("=")[2] != DEFAULT]
    return Variant(" ".join(chosen), parse_overrides(kept))


def distinct(variants: list[Variant]) -> list[Variant]:
    """The same, if each has a folder of its own, none sets what a study sets, and they are not too many.

    Raises:
        RequestError: If that is not so.
    """
    if len(variants) > MAX_VARIANTS:
        raise RequestError("study.too_many", n=len(variants), most=MAX_VARIANTS)
    for variant in variants:
        refuse_own(_keys(variant.settings))
    folders = [v.folder for v in variants]
    if again := sorted({f for f in folders if folders.count(f) > 1}):
        raise RequestError("study.same_name", names=", ".join(again))
    return variants


def _split(value: str) -> list[str]:
    """Parts between the commas that stand in no bracket."""
    parts, depth = [""], 0
    for sign in value:
        depth += (sign in "[{(") - (sign in "]})")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]

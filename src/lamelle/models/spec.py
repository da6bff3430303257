"""What a network's description may say: closed keys, checked values, and the few neutral defaults.

A description is plain data, as ``model.json`` holds it: ``{"kind": "unet", "dims": 2, ...}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from lamelle.errors import RequestError
from lamelle.messages import text

Check = Callable[[str, object], object]
CNN_NAMES = ("cnn1", "cnn2")
_REQUIRED = object()
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class SpecKey:
    """One key of a description: the check of its value, and the value where it is left out."""

    check: Check
    default: object = _REQUIRED


def checked(given: Mapping[str, object], keys: Mapping[str, SpecKey], *, kind: str) -> dict[str, object]:
    """Every key with a checked value, in the order of ``keys``; lists become tuples.

    Raises:
        RequestError: If a key is unknown or missing, or a value is not allowed.

    Example:
        >>> checked({"classes": 4}, {"classes": SpecKey(whole(1, 9)), "dropout": SpecKey(fraction, 0.0)}, kind="timm")
        {'classes': 4, 'dropout': 0.0}
    """
    for key in given:
        if key not in keys:
            raise unknown("key", key, list(keys), kind=kind)
    missing = [key for key, rule in keys.items() if rule.default is _REQUIRED and key not in given]
    if missing:
        raise RequestError("models.missing", kind=kind, missing=", ".join(missing))
    return {key: rule.check(key, given.get(key, rule.default)) for key, rule in keys.items()}


def unknown(what: str, value: object, known: Sequence[str], **values: object) -> RequestError:
    """The error for a name that is not in a closed list, with the nearest one that is.

    Args:
        what: Entry of the catalogue: ``<what>`` lists what is known, ``<what>_near`` names the nearest.
    """
    shown = _show(value)
    near = get_close_matches(str(value), known, n=1)
    if near:
        return RequestError(f"models.{what}_near", value=shown, near=near[0], **values)
    return RequestError(f"models.{what}", value=shown, known=", ".join(known), **values)


def refuse(key: str, value: object, rule: str, **values: object) -> RequestError:
    """The error for a value that breaks ``rule``, an entry of the catalogue."""
    return RequestError("models.value", key=key, value=_show(value), rule=text(f"models.{rule}", **values))


def whole(low: int, high: int) -> Check:
    """A whole number from ``low`` to ``high``."""

    def check(key: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise refuse(key, value, "rule_whole", low=low, high=high)
        return value

    return check


def odd(high: int) -> Check:
    """An odd number from 1 to ``high``."""

    def check(key: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= high or value % 2 == 0:
            raise refuse(key, value, "rule_odd", high=high)
        return value

    return check


def fraction(key: str, value: object) -> float:
    """A number from 0 to below 1."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise refuse(key, value, "rule_fraction")
    return float(value)


def flag(key: str, value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise refuse(key, value, "rule_flag")
    return value


def choice(*known: object) -> Check:
    """One of a closed list."""

    def check(key: str, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int | str) or value not in known:
            raise refuse(key, value, "rule_choice", known=", ".join(map(str, known)))
        return value

    return check


def several(check_one: Check, low: int, high: int) -> Check:
    """A list of ``low`` to ``high`` values, each of them checked."""

    def check(key: str, value: object) -> tuple[object, ...]:
        if not isinstance(value, list | tuple) or not low <= len(value) <= high:
            raise refuse(key, value, "rule_several", low=low, high=high)
        return tuple(check_one(f"{key}[{i}]", item) for i, item in enumerate(value))

    return check


def one_or_more(check_one: Check, high: int, *, depth: int = 1) -> Check:
    """One value, or a list of up to ``high`` of them (``depth`` 2: also a list of lists)."""

    def check(key: str, value: object) -> object:
        if not isinstance(value, list | tuple):
            return check_one(key, value)
        inner = one_or_more(check_one, high, depth=depth - 1) if depth > 1 else check_one
        return several(inner, 1, high)(key, value)

    return check


def mapping(keys: Mapping[str, Check]) -> Check:
    """A mapping with some of these keys."""

    def check(key: str, value: object) -> dict[str, object]:
        if not isinstance(value, Mapping):
            raise refuse(key, value, "rule_mapping", known=", ".join(keys))
        for name in value:
            if name not in keys:
                raise unknown("key", name, list(keys), kind=key)
        return {name: check_one(f"{key}.{name}", value[name]) for name, check_one in keys.items() if name in value}

    return check


def expect_size(size: Sequence[int], wanted: Sequence[int] | None, *, name: str) -> None:
    """See that an image has the only size (Y, X) that a network takes; ``None`` takes any.

    Raises:
        RequestError: If it has another; the message gives both.
    """
    if wanted is not None and tuple(size) != tuple(wanted):
        said, got = (" × ".join(map(str, s)) for s in (wanted, size))
        raise RequestError("models.size", name=name, wanted=said, value=got)


def _show(value: object) -> str:
    said = repr(value)
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…"

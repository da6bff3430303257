"""Fixed synthetic answers of every kind of task: what `scores.json` holds the scores of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

IGNORE = -1


@dataclass(frozen=True)
class Item:
    """One item: what the network says, what is true, and where it belongs."""

    id: str
    probabilities: np.ndarray
    target: np.ndarray
    group: str | None = None
    volume: str | None = None
    position: int | None = None
    spacing: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Case:
    """One test set."""

    name: str
    task: str
    classes: tuple[str, ...]
    items: tuple[Item, ...]
    fitted: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


def cases() -> Iterator[Case]:
    """All test sets; the same numbers on every machine."""
    yield _classes("classes", 4, 60, absent=2, fitted={"temperature": 1.6}, groups=20)
    yield _classes("two classes", 2, 40, fitted={"thresholds": [0.6, 0.4]})
    yield _several("several labels", 4, 50, absent=3)
    yield _several("several labels, grouped", 3, 48, groups=16, fitted={"thresholds": [0.4, 0.5, 0.6]})
    objects = {"objects": True, "cells": True, "lines": True}
    fitted = {"threshold": 0.45, "cell_threshold": 0.3, "temperature": 1.3}
    yield _pixels("two classes of pixels", 2, 12, options=objects, fitted=fitted, spacing=(0.5, 0.5))
    yield _pixels("four classes of pixels", 4, 10, absent=2, mixed=True)
    sigmoid = {"exclusive": False, "lines": True}
    thresholds = {"thresholds": {"c1": 0.4, "c2": 0.55}, "temperature": 0.8}
    yield _pixels("pixels, each class by itself", 3, 11, options=sigmoid, fitted=thresholds, groups=5)
    yield _pixels("slices of one volume", 2, 8, fitted={"threshold": 0.5}, volume="v", grouped=True)
    yield _pixels("patches of one volume", 2, 12, volume="v", options={"cells": True}, patches=2)
    yield _objects("objects", 9)
    yield _objects("objects of one volume", 7, volume="v")


def _rounded(p: np.ndarray) -> np.ndarray:
    """Probabilities in steps of 1 / 1024, so that no processor's exponential tells them apart."""
    return (np.round(p * 1024) / 1024).astype(np.float32)


def _random(name: str) -> np.random.Generator:
    return np.random.default_rng([ord(c) for c in name])


def _names(classes: int) -> tuple[str, ...]:
    return tuple(f"c{i}" for i in range(classes))


def _classes(
    name: str, k: int, n: int, *, absent: int | None = None, fitted: dict[str, Any] | None = None, groups: int = 0
) -> Case:
    rng = _random(name)
    there = [c for c in range(k) if c != absent]
    items = []
    for i in range(n):
        truth = there[int(rng.integers(len(there)))]
        logits = rng.normal(0, 1, k) + 1.2 * (np.arange(k) == truth)
        p = np.exp(logits) / np.exp(logits).sum()
        group = f"p{i % groups}" if groups else None
        items.append(Item(f"i{i:03}", _rounded(p), np.asarray(truth), group))
    return Case(name, "classify", _names(k), tuple(items), fitted or {})


def _several(
    name: str, k: int, n: int, *, absent: int | None = None, groups: int = 0, fitted: dict[str, Any] | None = None
) -> Case:
    rng = _random(name)
    items = []
    for i in range(n):
        truth = (rng.random(k) < 0.35).astype(np.float32)
        if absent is not None:
            truth[absent] = 0
        p = _rounded(np.clip(0.35 * truth + 0.65 * rng.random(k), 0, 1))
        items.append(Item(f"i{i:03}", p, truth, f"p{i % groups}" if groups else None))
    return Case(name, "classify", _names(k), tuple(items), fitted or {}, {"multi_label": True, "loss": "bce"})


def _pixels(
    name: str,
    k: int,
    n: int,
    *,
    absent: int | None = None,
    options: dict[str, Any] | None = None,
    fitted: dict[str, Any] | None = None,
    spacing: tuple[float, ...] | None = None,
    mixed: bool = False,
    groups: int = 0,
    volume: str | None = None,
    grouped: bool = False,
    patches: int = 0,
) -> Case:
    rng, chosen = _random(name), options or {}
    exclusive = k > 2 and chosen.get("exclusive", True)
    items = []
    for i in range(n):
        target = _regions(rng, k, absent=absent, empty=i in (1, 4))
        if i in (2, 5):
            target[rng.random(target.shape) < 0.15] = IGNORE
        if i == 6:  # strokes only
            target[rng.random(target.shape) < 0.8] = IGNORE
        hot = (target[None] == np.arange(k)[:, None, None]).astype(np.float64)
        logits = (
            1.5 * hot + rng.normal(0, 1, hot.shape) - (3.0 if i in (3, 4) else 0.0) * (np.arange(k)[:, None, None] > 0)
        )
        p = np.exp(logits) / np.exp(logits).sum(0) if exclusive else 1 / (1 + np.exp(-logits[1:]))
        group = f"p{i % groups}" if groups else "p" if volume else None
        position = None if volume is None else i // patches if patches else i
        here = (1.0, 0.5) if mixed and i % 2 else spacing
        items.append(Item(f"i{i:03}", _rounded(p), target, group, volume, position, here))
    return Case(name, "segment", _names(k), tuple(items), fitted or {}, chosen)


def _regions(rng: np.random.Generator, k: int, *, absent: int | None, empty: bool) -> np.ndarray:
    target = np.zeros((26, 22), np.int64)
    for _ in range(0 if empty else 5):
        c = int(rng.integers(1, k))
        y, x = rng.integers(0, 20, 2)
        h, w = rng.integers(3, 9, 2)
        if c != absent:
            target[y : y + h, x : x + w] = c
    return target


def _objects(name: str, n: int, *, volume: str | None = None) -> Case:
    rng, items = _random(name), []
    for i in range(n):
        target = np.kron(rng.integers(0, 5, (4, 4)), np.ones((7, 7), np.int64)) if i != 1 else np.zeros((28, 28), int)
        if i == 2:
            target[rng.random(target.shape) < 0.1] = IGNORE
        inside = (target > 0).astype(np.float64)
        p = _rounded(np.clip(inside * 0.6 + rng.normal(0.2, 0.15, (3, *target.shape)), 0, 1))
        if i == 3:
            p[:] = 0.1
        place = {"volume": volume, "position": i, "group": "p"} if volume else {}
        items.append(Item(f"i{i:03}", p, target, **place))
    return Case(name, "instances", ("background", "cell"), tuple(items))

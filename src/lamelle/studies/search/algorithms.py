"""The tables of a search: what chooses its points, and what ends trials early; a new one is a row here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lamelle.registry import Registry

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

REDUCTION = 3
"""Of the trials that reach a rung of successive halving, one in so many goes on."""


@dataclass(frozen=True, slots=True)
class Sampler:
    """What chooses the points of a search."""

    name: str
    label: str
    """For people; French stands in ``messages/fr/search.toml``."""
    about: str
    make: Callable[[int], BaseSampler]
    """From a seed, what chooses where a point itself says nothing."""
    grid: bool = False
    """Whether its points say everything: each combination of listed values, once."""


@dataclass(frozen=True, slots=True)
class Pruner:
    """What decides at each epoch whether a trial goes on."""

    name: str
    about: str
    make: Callable[[int], BasePruner]
    """From the epochs of a trial."""
    prunes: bool = True
    """Whether it ever ends one."""


def _random(seed: int) -> BaseSampler:
    import optuna

    return optuna.samplers.RandomSampler(seed=seed)


def _tpe(seed: int) -> BaseSampler:
    import optuna

    return optuna.samplers.TPESampler(seed=seed, constant_liar=True)


def _none(epochs: int) -> BasePruner:
    import optuna

    return optuna.pruners.NopPruner()


def _asha(epochs: int) -> BasePruner:
    import optuna

    return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION)


def _hyperband(epochs: int) -> BasePruner:
    import optuna

    longest = max(epochs, REDUCTION)
    return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=longest, reduction_factor=REDUCTION)


SAMPLERS: Registry[Sampler] = Registry(
    "sampler",
    Sampler("grid", "full grid", "Every combination of the listed values, once.", _random, grid=True),
    Sampler(
        "tpe",
        "TPE",
        "Tree-structured Parzen estimator: looks where good trials lie. Bergstra et al. (2011), NeurIPS 24.",
        _tpe,
    ),
    Sampler("random", "random", "Points at random. Bergstra and Bengio (2012), JMLR 13, 281–305.", _random),
)
PRUNERS: Registry[Pruner] = Registry(
    "pruner",
    Pruner("none", "Every trial goes on to its end.", _none, prunes=False),
    Pruner("asha", "Successive halving, asynchronous. Li et al. (2020), arXiv:1810.05934.", _asha),
    Pruner(
        "hyperband",
        "Successive halving with several numbers of epochs to begin with. Li et al. (2018), JMLR 18(185).",
        _hyperband,
    ),
)

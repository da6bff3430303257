"""What several verbs need."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamelle.errors import RequestError
from lamelle.platform import home

if TYPE_CHECKING:
    from lamelle.data.store import Store

CACHE_GIB = 20.0
"""Size of the store unless ``LAMELLE_CACHE_GIB`` says otherwise."""
AnyPath = str | os.PathLike[str]


def open_store() -> Store:
    """The user's store of decoded images."""
    from lamelle.data.store import Store

    gib = os.environ.get("LAMELLE_CACHE_GIB", str(CACHE_GIB))
    try:
        budget = int(float(gib) * 2**30)
    except ValueError:
        raise RequestError("verbs.cache_size", given=gib) from None
    return Store(home() / "store", budget=budget)

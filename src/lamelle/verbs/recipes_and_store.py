"""Verbs about what is kept here: the packaged recipes, and the store of decoded images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamelle.messages import text, translated
from lamelle.verbs.common import open_store

if TYPE_CHECKING:
    from lamelle.verbs.outcomes import Text


def recipes(name: str | None = None, *, keys: bool = False) -> Text:
    """List the packaged recipes, or show one.

    List the packaged recipes, or show the recipe NAME.

    Args:
        name: Of a recipe.
        keys: List every key with its meaning.

    Raises:
        RequestError: If there is no recipe of this name.
    """
    from lamelle.runs import recipe
    from lamelle.verbs.outcomes import Text

    if keys:
        return Text(tuple(f"{key:<28} {about}" for key, about in recipe.known_keys().items()))
    packaged = recipe.packaged()
    if name is None:
        width = max(map(len, packaged))
        titles = {
            one: translated("recipes", one, content.splitlines()[0].lstrip("# ")) for one, content in packaged.items()
        }
        return Text(tuple(f"{one:<{width}}  {title}" for one, title in titles.items()))
    recipe.load(name)
    return Text(tuple(packaged[name].rstrip().splitlines()))


def cache(*, clear: bool = False) -> Text:
    """Size of the store of decoded images.

    Show the store of decoded images and the features of frozen networks, or empty both. LAMELLE_HOME moves it,
    LAMELLE_CACHE_GIB bounds it.

    Args:
        clear: Empty both, and forget the hashes of files of runs.
    """
    import shutil

    from lamelle.runs.artefacts import hashes
    from lamelle.training import features
    from lamelle.verbs.outcomes import Text

    store, kept = open_store(), features.folder()
    if clear:
        store.clear()
        features.clear(kept)
        shutil.rmtree(hashes(), ignore_errors=True)
    usage = store.usage()
    sizes = {"used": f"{usage.bytes / 2**30:.2f}", "budget": f"{usage.budget / 2**30:.0f}"}
    return Text(
        (
            text("cli.cache_usage", folder=store.folder, entries=usage.entries, **sizes),
            text("cli.cache_features", folder=kept, used=f"{features.usage(kept) / 2**30:.2f}"),
        )
    )

"""The verb that shows what augmentation makes of training images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from lamelle.errors import RequestError
from lamelle.messages import text
from lamelle.verbs.common import open_store
from lamelle.verbs.signature import AnyPath, Cli, Overrides, RecipeLike, settings

if TYPE_CHECKING:
    import numpy as np

    from lamelle.runs.augmented_samples import AugmentedSample
    from lamelle.verbs.outcomes import SamplePicture

_MAX_SHOWN = (100, 20)
"""Images and draws that one picture may show."""
_SIDE = 320
"""Longest edge of a sample in the picture, in pixels."""


def augment(
    data: AnyPath,
    *,
    recipe: Annotated[RecipeLike, Cli("-r", "--recipe")] = None,
    overrides: Overrides = (),
    out: Annotated[AnyPath, Cli("-o", "--out")] = "augmented.png",
    images: int = 6,
    draws: int = 5,
    **keys: Any,
) -> SamplePicture:
    """Show how training images would be augmented.

    Draw some training samples of the folder DATA as they are, and changed at random as a training would show them to
    the network, each with its target; nothing is trained.

    Args:
        data: The folder.
        recipe: Name of a packaged recipe (lamelle recipes), or a YAML file.
        overrides: ``key=value`` pairs that go before the recipe, such as ``augment.rotate=15``.
        out: The picture (PNG); one that Lamelle wrote before is replaced.
        images: Images that are shown, a row each.
        draws: Random changes of each, a column each.
        keys: The same as keywords, such as ``rotate=15``.

    Raises:
        RequestError: If the request is wrong, or there is another file at ``out``; it is left alone.
        DataError: If the data has errors; all are named.
    """
    from lamelle.runs import train as course
    from lamelle.runs.augmented_samples import augmented_samples
    from lamelle.runs.request import build_request
    from lamelle.verbs.outcomes import SamplePicture

    pairs = settings(augment, overrides, keys)
    _check_request(Path(out), images, draws)
    remarks: list[str] = []
    request = build_request(recipe, pairs, None, None, False, remarks.append)
    store = open_store()
    plan = course.planned(Path(data), request, store)
    samples = augmented_samples(plan, store, images=images, draws=draws)
    _write(Path(out), _drawn(samples))
    return SamplePicture(Path(out), len(samples), draws, plan.recipe.augment, tuple(remarks))


def _check_request(out: Path, images: int, draws: int) -> None:
    for name, given, most in zip(("images", "draws"), (images, draws), _MAX_SHOWN, strict=True):
        if not 1 <= given <= most:
            raise RequestError("augment.number", name=name, given=given, most=most)
    if out.suffix.lower() != ".png":
        raise RequestError("augment.no_png", path=out)
    if out.exists() and not _is_ours(out):
        raise RequestError("augment.exists", path=out)


def _is_ours(path: Path) -> bool:
    """Whether Lamelle wrote this picture."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return str(image.info.get("Software", "")).startswith("Lamelle")
    except (UnidentifiedImageError, OSError):
        return False


def _drawn(samples: list[AugmentedSample]) -> np.ndarray:
    """A row for each sample, with captions: uint8 [3, Y, X]."""
    from lamelle.pictures import heat
    from lamelle.pictures.encode import shrunk

    rows = []
    for one in samples:
        pictures = [heat.enlarged(shrunk(picture, _SIDE)) for picture in (one.plain, *one.changed)]
        numbers = [(text("augment.draw", n=n),) for n in range(1, len(one.changed) + 1)]
        rows.append(heat.strip(pictures, [(one.id, ", ".join(one.classes)), *numbers]))
    return heat.sheet(rows, columns=1)


def _write(out: Path, picture: np.ndarray) -> None:
    import io

    import numpy as np
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    from lamelle.io import atomic
    from lamelle.version import __version__

    mark, buffer = PngInfo(), io.BytesIO()
    mark.add_text("Software", f"Lamelle {__version__}")
    Image.fromarray(np.ascontiguousarray(np.moveaxis(picture, 0, -1))).save(buffer, "PNG", pnginfo=mark)
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(out, buffer.getvalue())

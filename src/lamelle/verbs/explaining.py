"""The verb that shows why a model decides as it does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lamelle.errors import RequestError
from lamelle.platform import tune_allocator
from lamelle.verbs.common import AnyPath, open_store

if TYPE_CHECKING:
    from lamelle.data.store import Store
    from lamelle.explanation.explain import Asked
    from lamelle.explanation.inside import Masks
    from lamelle.runs.cases import Done
    from lamelle.training.progress import Progress


def explain(
    run: AnyPath,
    images: AnyPath | Sequence[AnyPath] = (),
    *,
    out: AnyPath,
    method: str = "gradcam",
    target: str | None = None,
    layer: str | None = None,
    against: Sequence[AnyPath] = (),
    masks: AnyPath | None = None,
    segmenter: AnyPath | None = None,
    region: AnyPath | None = None,
    cases: int = 2,
    everything: bool = False,
    check: bool = False,
    command: Sequence[str] = (),
    progress: Progress | None = None,
) -> Path:
    """Show what in an image speaks for what a model says of it.

    Args:
        run: A Run; with ``images`` a package will do.
        images: What is explained; none = right, wrong and uncertain images of the Run's test set.
        out: New folder for overlays, maps (float32 TIFF), ``attributions.csv`` and ``explain.html``.
        method: ``gradcam``, ``gradcam++``, ``occlusion`` or ``integrated-gradients``.
        target: The class that is asked about; none = the one that is predicted.
        layer: Where Grad-CAM takes its map; none = the last layer with places, of a segmenter the coarsest.
        against: Other Runs or packages, side by side on the same images and classes.
        masks: Folder of masks named as the images, of which the share of each map inside is taken.
        segmenter: Run or package whose predictions are the masks instead.
        region: Folder of masks: what a segmenter is asked about, instead of what it predicts.
        cases: Test images of each class that are right, wrong, and uncertain.
        everything: Measure all other test images too; they are not drawn.
        check: Compare each map with that of the same network with random weights.
        command: Words of the command line, for the page.

    Returns:
        Path of the page.

    Raises:
        RequestError: If the request is wrong, or captum is not installed.
    """
    from lamelle.explanation import attribution
    from lamelle.explanation import explain as explaining
    from lamelle.runs import cases as working

    tune_allocator()
    _check_request(Path(out), masks, segmenter, cases)
    attribution.check_method(method, layer)
    given = [Path(p) for p in ([images] if isinstance(images, str | os.PathLike) else images)]
    store = open_store()
    subjects = explaining.open_subjects([Path(p) for p in (run, *against)])
    if target is not None:
        working.check_known(subjects, target)
    wanted = {"masks": _masks(masks, segmenter, store), "regions": _masks(region, None, store)}
    found = working.cases_of(Path(run), given, subjects[0], store, name=target, number=cases, everything=everything)
    asked, say = explaining.Asked(method, layer, check), progress.say if progress else None
    done = working.carry_out(found, subjects, store, asked, **wanted, say=say)
    sample = not given and not everything
    return _write(Path(out), done, store, asked, masks=masks or segmenter, sample=sample, command=command, say=say)


def _write(
    out: Path,
    done: Iterable[Done],
    store: Store,
    asked: Asked,
    *,
    masks: AnyPath | None,
    sample: bool,
    command: Sequence[str],
    say: Callable[[str], None] | None,
) -> Path:
    """Write what is explained, as it comes, and say what came of it.

    Args:
        masks: Where masks come from.
        sample: The images were chosen, and are not all of their set.

    Raises:
        RequestError: If no image has a mask although masks were given.
    """
    from lamelle.keys import EvaluateKeys
    from lamelle.reports.explaining import ExplanationFolder, Intervals, notes_of

    folder = ExplanationFolder(out, method=asked.method, checked=asked.check)
    masked = unmasked = 0
    for one in done:
        masked, unmasked = masked + (one.mask is not None), unmasked + (one.mask is None)
        folder.add(one.case, one.maps, one.mask, store.spacing(one.case.record.image))
    if masks is not None and not masked:
        raise RequestError("explain.no_mask_fits", path=masks)
    keys = EvaluateKeys()
    intervals = Intervals(level=keys.level, resamples=keys.resamples, seed=0)
    page = folder.close(
        notes=notes_of(sample=sample, masked=masked, unmasked=unmasked), intervals=intervals, command=command
    )
    if say:
        for line in folder.headline(intervals):
            say(line)
    return page


def _check_request(out: Path, masks: AnyPath | None, segmenter: AnyPath | None, cases: int) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RequestError("predict.not_empty", path=out)
    if masks is not None and segmenter is not None:
        raise RequestError("explain.masks_twice")
    if cases < 1:
        raise RequestError("explain.cases", cases=cases)


def _masks(folder: AnyPath | None, segmenter: AnyPath | None, store: Store) -> Masks | None:
    """Where masks come from; None if none were asked for."""
    from lamelle.explanation import inside
    from lamelle.runs.model import load_model

    if segmenter is not None:
        return inside.from_segmenter(load_model(Path(segmenter)), store)
    return None if folder is None else inside.from_folder(Path(folder))

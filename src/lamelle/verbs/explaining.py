"""The verb that shows why a model decides as it does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lamelle.errors import RequestError
from lamelle.platform import tune_allocator
from lamelle.verbs.common import AnyPath, open_store

if TYPE_CHECKING:
    from lamelle.data.store import Store
    from lamelle.explanation.inside import Masks
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
        out: New folder for overlays, maps (float32 TIFF, at the image's size), ``attributions.csv`` and
            ``explain.html``.
        method: ``gradcam``, ``gradcam++``, ``occlusion`` or ``integrated-gradients``.
        target: The class that is asked about; none = the one that is predicted.
        layer: Where Grad-CAM takes its map; none = the last layer with places, of a segmenter the coarsest.
        against: Other Runs or packages, side by side on the same images and classes.
        masks: Folder of masks named as the images: how much of each map lies inside is said.
        segmenter: Run or package whose predictions are the masks instead.
        region: Folder of masks: what a segmenter is asked about, instead of what it predicts as the class.
        cases: Of the test set: images of each class that are right, wrong, and uncertain.
        everything: Measure all other images of the test set too; they are not drawn.
        check: Compare each map with that of the same network with random weights.
        command: Words of the command line, for the page.

    Returns:
        Path of the page.

    Raises:
        RequestError: If the request is wrong, or captum is not installed.
        DataError: If images cannot be read; all are named.
        FileError: If a mask does not fit its image.
    """
    from lamelle.explanation import attribution, work
    from lamelle.explanation import explain as explaining
    from lamelle.keys import EvaluateKeys
    from lamelle.reports.explaining import ExplanationFolder, Intervals, notes_of

    tune_allocator()
    _check_request(Path(out), masks, segmenter, cases)
    attribution.check_method(method, layer)
    given = [images] if isinstance(images, str | os.PathLike) else list(images)
    store = open_store()
    subjects = explaining.open_subjects([Path(p) for p in (run, *against)])
    for subject in subjects if target is not None else ():
        subject.known(str(target))
    mask_of, region_of = _masks(masks, segmenter, store), _masks(region, None, store)
    if given:
        found = work.given_cases([Path(p) for p in given], subjects[0], store, name=target)
    else:
        found = work.chosen_cases(Path(run), subjects[0], number=cases, name=target, everything=everything)
    asked = explaining.Asked(method, layer, check)
    folder = ExplanationFolder(Path(out), method=method, checked=check)
    masked = unmasked = 0
    say = progress.say if progress else None
    for done in work.carry_out(found, subjects, store, asked, masks=mask_of, regions=region_of, say=say):
        masked, unmasked = masked + (done.mask is not None), unmasked + (mask_of is not None and done.mask is None)
        folder.add(done.case, done.maps, done.mask, store.spacing(done.case.record.image))
    if mask_of is not None and not masked:
        raise RequestError("explain.no_mask_fits", path=masks)
    keys = EvaluateKeys()
    intervals = Intervals(level=keys.level, resamples=keys.resamples, seed=0)
    notes = notes_of(chosen=not given, masked=masked, unmasked=unmasked, everything=everything)
    page = folder.close(notes=notes, intervals=intervals, command=command)
    for line in folder.headline(intervals) if say else ():
        say(line)  # type: ignore[misc]
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
    from lamelle.package import load

    if segmenter is not None:
        return inside.from_segmenter(load(Path(segmenter)), store)
    return None if folder is None else inside.from_folder(Path(folder))

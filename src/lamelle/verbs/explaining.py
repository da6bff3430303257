"""The verb that shows why a model decides as it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from lamelle.errors import RequestError
from lamelle.platform import tune_allocator
from lamelle.verbs.common import open_store, paths_of
from lamelle.verbs.signature import AnyPath, Cli

if TYPE_CHECKING:
    from lamelle.data.store import Store
    from lamelle.explanation.explain import ExplainOptions
    from lamelle.explanation.inside import Masks
    from lamelle.runs.cases import ExplainedCase
    from lamelle.training.progress import Progress
    from lamelle.verbs.outcomes import Page


def explain(
    run: AnyPath,
    images: AnyPath | Sequence[AnyPath] = (),
    *,
    out: Annotated[AnyPath, Cli("-o", "--out")],
    method: str = "gradcam",
    target: Annotated[str | None, Cli("--class")] = None,
    layer: str | None = None,
    against: Sequence[AnyPath] = (),
    masks: AnyPath | None = None,
    segmenter: AnyPath | None = None,
    region: AnyPath | None = None,
    cases: int = 2,
    everything: Annotated[bool, Cli("--all")] = False,
    check: bool = False,
    command: Annotated[Sequence[str], Cli(hidden=True)] = (),
    progress: Annotated[Progress | None, Cli(hidden=True)] = None,
) -> Page:
    """Show why a model decides: where in the image it looks.

    Show what in IMAGES speaks for what RUN says of them; without images, right, wrong and uncertain ones of its test
    set. Writes overlays, maps (float32 TIFF), attributions.csv and explain.html.

    Args:
        run: A Run; with ``images`` a package will do.
        images: What is explained.
        out: New folder for all that is written.
        method: gradcam, gradcam++, occlusion or integrated-gradients.
        target: Ask about this class (default: the one that is predicted).
        layer: Layer for Grad-CAM (default: the last with places in the image).
        against: Another run or package beside it, on the same images; may be repeated.
        masks: Folder of masks named as the images: says how much of each map lies inside.
        segmenter: Run whose predictions are the masks instead.
        region: Folder of masks: ask a segmenter about these pixels instead of those it predicts.
        cases: Test images of each class that are right, wrong, and uncertain.
        everything: Measure the whole test set; the others are not drawn.
        check: Compare each map with that of random weights: can it be believed?

    Raises:
        RequestError: If the request is wrong, or captum is not installed.
    """
    from lamelle.explanation import attribution
    from lamelle.explanation import explain as explaining
    from lamelle.runs import model
    from lamelle.runs.cases import cases_of, check_class_exists, explain_cases
    from lamelle.verbs.outcomes import Page

    tune_allocator()
    _check_request(Path(out), masks, segmenter, cases)
    attribution.check_method(method, layer)
    given, store = paths_of(images), open_store()
    subjects = explaining.open_subjects([Path(p) for p in (run, *against)], model.load_model)
    if target is not None:
        check_class_exists(subjects, target)
    wanted = {"masks": _masks(masks, segmenter, store), "regions": _masks(region, None, store)}
    examined = cases_of(Path(run), given, subjects[0], store, name=target, number=cases, everything=everything)
    options, say = explaining.ExplainOptions(method, layer, check), progress.say if progress else None
    done = explain_cases(examined, subjects, store, options, **wanted, say=say)
    about = {"masks": masks or segmenter, "sample": not given and not everything, "command": command}
    return Page(_write(Path(out), done, store, options, **about, say=say))


def _write(
    out: Path,
    done: Iterable[ExplainedCase],
    store: Store,
    options: ExplainOptions,
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
    from lamelle.explanation.folder import ExplanationFolder, Intervals
    from lamelle.reports.explanation import headline, write_page
    from lamelle.runs.recipe import Evaluate

    folder = ExplanationFolder(out, method=options.method, checked=options.check)
    masked = False
    for one in done:
        masked |= one.mask is not None
        folder.add(one.case, one.maps, one.mask, store.spacing(one.case.record.image))
    if masks is not None and not masked:
        raise RequestError("explain.no_mask_fits", path=masks)
    keys = Evaluate()
    result = folder.close(Intervals(level=keys.level, resamples=keys.resamples, seed=0))
    page = write_page(out / "explain.html", result, command=command, chosen=sample)
    if say:
        for line in headline(result):
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

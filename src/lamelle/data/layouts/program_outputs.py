"""What programs write beside images and what is neither image nor mask: flows, probabilities, outlines, results."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from lamelle.data.groups.words import tokens
from lamelle.data.layouts.listing import FileEntry, Listing, above, same_form
from lamelle.data.layouts.pairing import names_of
from lamelle.data.layouts.words import file_name, folder_name
from lamelle.types import Problem

_ENDINGS: Mapping[str, frozenset[str]] = {
    "Cellpose": frozenset(("flows", "flow", "outlines", "outline", "cellprob", "output")),
    "ilastik": frozenset(("probabilities", "probability", "uncertainty", "features")),
    "StarDist": frozenset(("prob", "dist")),
    "–": frozenset(
        (
            *("overlay", "overlays", "heatmap", "gradcam", "prediction", "predictions", "pred", "preds"),
            *("depth", "distance", "distances", "distmap", "edt", "sdf"),
        )
    ),
}
"""Last word of a file's name, behind the name of an image → the program that writes it."""
_RESULTS = frozenset(("res", "result", "results", "err", "pred", "preds", "prediction", "predictions", "overlay"))
"""Words of a folder that is called after the folder of images beside it: ``01_RES``, ``01_ERR_SEG``."""
_ALONE = frozenset(("overlay", "overlays", "flows", "outlines", "heatmaps"))
"""Names of a folder beside one of images that holds pictures of them."""
_SIGN = re.compile(r"[-_. ]+")


def without_products(listing: Listing) -> Listing:
    """The listing without files that programs wrote from other images in it, and with a note of them.

    Such a file bears the whole name of an image of its folder with a word behind, ``a_flows.tif`` of ``a.tif``; such a
    folder that of a folder beside it, ``01_RES`` of ``01``, or a word for pictures that were drawn on others.

    Example:
        >>> from pathlib import Path
        >>> listing = Listing(Path(), tuple(FileEntry("", n) for n in ("a.tif", "a_flows.tif", "b_flows.tif")), ())
        >>> [e.name for e in without_products(listing).entries]
        ['a.tif', 'b_flows.tif']
    """
    if listing.only is not None:
        return listing
    stems = {(e.folder, same_form(e.stem)) for e in listing.images}
    folders = {f for f in listing.folders if _is_result(listing, f)}
    made = {e for e in listing.images if not folders.isdisjoint((e.folder, *above(e.folder))) or _program(e, stems)}
    if not made or len(made) == len(listing.images):
        return listing
    gone = {f for f in listing.folders if not folders.isdisjoint((f, *above(f)))}
    return replace(
        listing,
        entries=tuple(e for e in listing.entries if e not in made),
        folders=tuple(f for f in listing.folders if f not in gone),
        problems=(*listing.problems, *_notes(made, stems)),
    )


def products_of(listing: Listing) -> list[Problem]:
    """What was said of such files."""
    return [p for p in listing.problems if p.code == "layouts.products"]


def _program(entry: FileEntry, stems: set[tuple[str, str]]) -> str | None:
    """The program that wrote a file from another one; None where it is not called so, or called a mask."""
    if file_name(entry.stem).role == "mask":
        return None
    parts = _SIGN.split(entry.stem)
    word = parts[-1].casefold()
    program = next((name for name, words in _ENDINGS.items() if word in words), None)
    bases = {entry.stem[: m.start()] for m in _SIGN.finditer(entry.stem)}
    return program if any((entry.folder, same_form(b)) in stems for b in bases) else None


def _is_result(listing: Listing, folder: str) -> bool:
    parent, _, name = folder.rpartition("/")
    beside = [f.rpartition("/")[2] for f in listing.subfolders(parent) if f != folder and listing.images_below(f)]
    if name.casefold() in _ALONE:
        return any(folder_name(b).role == "image" for b in beside)
    for base in beside:
        words = tokens(name[len(base) :]) if re.match(re.escape(base) + r"[-_. ]", name) else []
        if words and words[0] in _RESULTS:
            return True
    return False


def _notes(made: set[FileEntry], stems: set[tuple[str, str]]) -> list[Problem]:
    """One note for each program, and one for whole folders."""
    groups: dict[str, list[FileEntry]] = {}
    for entry in sorted(made, key=lambda e: e.rel):
        groups.setdefault(_program(entry, stems) or "–", []).append(entry)
    return [
        Problem("layouts.products", "", "note", {"count": len(es), "names": names_of(es, most=3), "program": program})
        for program, es in groups.items()
    ]

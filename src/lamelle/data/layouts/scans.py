"""Folders of DICOM slices: which are read as one volume each, and which as single images.

A folder alone does not tell: slices with classes, or with a mask each, are images. It is a volume where a label volume
bears its name, where the user names a layout of volumes, or where the images are to be predicted as volumes.
"""

from __future__ import annotations

from dataclasses import replace

from lamelle.data.layouts import nnunet, volume_pairs
from lamelle.data.layouts.common import LayoutOptions, last
from lamelle.data.layouts.listing import FileEntry, Listing
from lamelle.data.layouts.volumes import is_volume
from lamelle.data.layouts.words import folder_name, holds
from lamelle.io.dicom_slices import placed_slice
from lamelle.io.formats import dicom
from lamelle.types import Problem

_LAYOUTS = (volume_pairs.NAME, nnunet.NAME)


def as_labelled(listing: Listing, options: LayoutOptions) -> Listing:
    """The listing with folders of DICOM slices as volumes where labels make them ones; else with a word about them.

    A folder with nothing but one folder of slices inside (``p0/1.2.840/IM1``) may be the one that labels are named
    after.
    """
    if listing.only is not None:
        return listing
    scans = _scans(listing)
    unnamed = [f for f in scans if f and holds(last(f)) is None]
    for folders in ({f: f for f in unnamed}, {f: _outer(listing, f) for f in unnamed}) if unnamed else ():
        folded = listing.with_volumes(folders)
        if _has_labels(folded, options):
            return folded
    several = [f for f, one in scans.items() if one]
    if not several:
        return listing
    values = {"count": len(several), "images": len(listing.images_in(several[0])), "name": last(several[0]) or "p0"}
    problem = Problem("layouts.series_as_images", several[0], "warning", values)
    return replace(listing, problems=(*listing.problems, problem))


def as_volumes(listing: Listing) -> Listing:
    """The listing with every folder of two or more DICOM slices as a volume; also the folder that was given."""
    series = [f for f in _scans(listing) if len(listing.images_in(f)) > 1]
    if "" in series and listing.only is None:
        if len(listing.images) > len(listing.images_in("")):
            series.remove("")
        else:
            root = listing.root.resolve()
            one = FileEntry("", root.name, series=True, unnamed=True)
            return replace(listing, root=root.parent, entries=(one,), folders=(), only=root.name)
    return listing.with_volumes({f: f for f in series}) if listing.only is None else listing


def series_problems(listing: Listing) -> list[Problem]:
    """That the folder is one of DICOM slices or holds some, for those who look for labels in vain."""
    series = [f for f, one in _scans(listing).items() if one]
    if not series:
        return []
    name = last(series[0]) or listing.root.resolve().name
    values = {"count": len(series), "images": len(listing.images_in(series[0])), "name": name}
    return [Problem("layouts.series_without_labels", "", "note", values)]


def _scans(listing: Listing) -> dict[str, bool]:
    """Folders whose images are DICOM slices with a place in the patient → whether all are of one series.

    Some of the files are asked.
    """
    one_series: dict[str, bool] = {}
    for folder in ("", *listing.folders):
        images = listing.images_in(folder)
        if images and all(e.unnamed or e.format is dicom.FORMAT for e in images):
            sample = {images[0], images[len(images) // 2], images[-1]}
            slices = [s for e in sample if (s := placed_slice(listing.path(e)))]
            if slices:
                one_series[folder] = len(images) > 1 and len({(s.number, s.uid) for s in slices}) == 1
    return one_series


def _outer(listing: Listing, folder: str) -> str:
    """The outermost folder that holds nothing but this one, and is not called after what it holds."""
    outer = folder
    while (parent := outer.rpartition("/")[0]) and len(listing.images_below(parent)) == len(
        listing.images_below(folder)
    ):
        if folder_name(last(parent)).role is not None:
            break
        outer = parent
    return outer


def _has_labels(folded: Listing, options: LayoutOptions) -> bool:
    """Whether volumes are asked for, or some of them has a label volume of its name."""
    if options.layout is not None:
        return options.layout in _LAYOUTS
    if options.of_classes:
        return False
    if nnunet.match(folded, options).score == 1.0 and any(e.dicom_series for e in folded.images_in("imagesTr")):
        return True
    pairs = [one for one, _ in volume_pairs.pairs(folded, options)[0] if len(one.masks) == 1]
    return any((p.image.dicom_series or p.masks[0].dicom_series) and is_volume(folded, p.masks[0]) for p in pairs)

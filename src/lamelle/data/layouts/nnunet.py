"""nnU-Net's raw folder: ``dataset.json``, ``imagesTr/case_0000.nii.gz``, ``labelsTr/case.nii.gz``.

Reference: Isensee et al. (2021), doi:10.1038/s41592-020-01008-z
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from lamelle.data.layouts.common import Layout, LayoutMatch, LayoutOptions, lacks, left_over
from lamelle.data.layouts.listing import FileEntry, Listing
from lamelle.data.layouts.pairing import names_of, unused
from lamelle.data.layouts.volumes import pair_records
from lamelle.errors import FileError
from lamelle.types import Index, LabelImage, Problem, Record

NAME = "nnunet"
_CHANNEL = re.compile(r"^(.+)_(\d{4})$")


def match(listing: Listing, options: LayoutOptions) -> LayoutMatch:
    """dataset.json, imagesTr and labelsTr."""
    has = {
        "dataset.json": any(e.rel == "dataset.json" for e in listing.entries),
        "imagesTr": bool(listing.images_below("imagesTr")),
        "labelsTr": bool(listing.images_below("labelsTr")),
    }
    if all(has.values()):
        return LayoutMatch(1.0)
    missing = ", ".join(name for name, there in has.items() if not there)
    return lacks(0.15 * sum(has.values()), "nnunet", missing=missing)


def read(listing: Listing, options: LayoutOptions) -> Index:
    """One record per case (its own group), with the class names of dataset.json.

    Raises:
        FileError: If dataset.json is not JSON, or has no labels.
    """
    names, problems = _classes(listing)
    tested = bool(listing.images_below("imagesTs") and listing.images_below("labelsTs"))
    records, wrong = _cases(listing, options, "Tr", "train" if tested else None)
    problems += wrong
    if tested:
        more, wrong = _cases(listing, options, "Ts", "test")
        records, problems = [*records, *more], [*problems, *wrong]
    else:
        problems += unused(listing.images_below("imagesTs"), "layouts.not_used", "note")
    problems += left_over(listing, records, problems)
    return Index(listing.root, NAME, tuple(records), names, problems=tuple(problems))


def _cases(
    listing: Listing, options: LayoutOptions, part: str, split: str | None
) -> tuple[list[Record], list[Problem]]:
    """The cases of ``imagesTr`` and ``labelsTr``, or of ``Ts``, where nnU-Net keeps what it tests on."""
    problems: list[Problem] = []
    cases: dict[str, list[FileEntry]] = {}
    for entry in listing.images_in(f"images{part}"):
        channel = _CHANNEL.match(entry.stem)
        cases.setdefault(channel[1] if channel else entry.stem, []).append(entry)
    labels = {e.stem: e for e in listing.images_in(f"labels{part}")}
    problems += [Problem("layouts.orphan_mask", e.rel, "error") for s, e in labels.items() if s not in cases]
    records: list[Record] = []
    for case, images in cases.items():
        if case not in labels:
            problems.append(Problem("layouts.missing_mask", images[0].rel, "error"))
            continue
        if len(images) > 1:
            problems.append(Problem("layouts.channel_files", images[0].rel, "error", {"names": names_of(images)}))
        made, wrong = pair_records(
            listing, images[0], labels[case], dims=options.dims or 3, split=split, group=images[0].id
        )
        problems += wrong
        channels = {"channels": str(len(images))}
        records += [replace(r, columns={**r.columns, **channels}) for r in made]
    return records, problems


def _classes(listing: Listing) -> tuple[tuple[str, ...], list[Problem]]:
    """Class names in the order of their values: {"background": 0, …} or the older {"0": "background", …}."""
    path = listing.root / "dataset.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FileError("layouts.json_broken", path, reason=error) from error
    labels = content.get("labels") if isinstance(content, Mapping) else None
    if not isinstance(labels, Mapping) or not labels:
        raise FileError("layouts.json_broken", path, reason="labels")
    by_value: dict[int, str] = {}
    for key, value in labels.items():
        if str(key).isdecimal() and isinstance(value, str):
            by_value[int(key)] = value
        elif isinstance(value, int):
            by_value[value] = str(key)
        else:
            return (), [Problem("layouts.json_regions", path.name, "error", {"name": key, "value": value})]
    problems: list[Problem] = []
    ignored = next((v for v, name in by_value.items() if name == "ignore"), None)
    if ignored is not None:
        del by_value[ignored]
        problems.append(Problem("layouts.json_ignore", path.name, "note", {"value": ignored}))
    if sorted(by_value) != list(range(len(by_value))):
        problems.append(Problem("layouts.json_gaps", path.name, "error", {"values": sorted(by_value)}))
    return tuple(by_value[v] for v in sorted(by_value)), problems


LAYOUT = Layout(name=NAME, yields=(LabelImage,), match=match, read=read, own_columns=True, described=True)

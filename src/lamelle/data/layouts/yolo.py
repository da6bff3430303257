"""YOLO's way: ``images/a.jpg`` and ``labels/a.txt``, or ``a.txt`` beside ``a.jpg``; classes in ``data.yaml``.

An image without a text has no object in it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from lamelle.data.layouts.common import Layout, LayoutMatch, LayoutOptions, lacks
from lamelle.data.layouts.listing import FileEntry, Listing
from lamelle.data.layouts.pairing import names_of, pair, unused
from lamelle.data.layouts.words import split_of
from lamelle.data.shapes import yolo_lines
from lamelle.errors import FileError
from lamelle.types import Index, ObjectMasks, Problem, Record, Shapes, Source, ValueNames

NAME = "yolo"
_LOOKED = 20
"""Texts that are looked at."""
_LISTS = ("classes.txt", "obj.names", "class_names.txt")
_DESCRIBED = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")


def match(listing: Listing, options: LayoutOptions) -> LayoutMatch:
    """Texts of numbers that are called like images, in folders labels/ of their own or beside the images."""
    folders = _folders(listing)
    texts = [t for _, ts in folders.values() for t in ts]
    looked = texts[:: max(1, len(texts) // _LOOKED)]
    read = [_is_read(listing, t) for t in looked]
    if not any(read) or 2 * sum(r is not False for r in read) < len(read):
        return lacks(0.05, "yolo")
    return LayoutMatch(1.0 if all(images != labels for labels, (images, _) in folders.items()) else 0.9)


def read(listing: Listing, options: LayoutOptions) -> Index:
    """Each image with the text of its boxes or outlines."""
    records: list[Record] = []
    problems: list[Problem] = []
    outlines, empty, used = False, [], set[FileEntry]()
    folders = _folders(listing)
    splits = {labels: next((s for p in labels.split("/") if (s := split_of(p))), None) for labels in folders}
    several = len(set(splits.values())) > 1
    for labels, (images, texts) in folders.items():
        entries = listing.images_in(images)
        used.update(entries)
        pairs, wrong = pair(entries, texts, image_base=images, mask_base=labels)
        problems += [p for p in wrong if p.code != "layouts.missing_mask"]
        of = {p.image: p.masks[0] for p in pairs}
        for image in entries:
            target = ObjectMasks((), None)
            if text := of.get(image):
                target = Shapes(Source(listing.path(text)), "yolo_boxes")
                outlines = outlines or _has_outline(listing, text, problems)
            else:
                empty.append(image)
            split = splits[labels] if several else None
            records.append(Record(image.id, Source(listing.path(image)), target, split=split))
    if outlines:
        records = [
            replace(r, target=replace(r.target, format="yolo_outlines")) if isinstance(r.target, Shapes) else r
            for r in records
        ]
    if empty:
        problems.append(Problem("layouts.yolo_empty", "", "note", {"count": len(empty), "names": names_of(empty)}))
    problems += unused([e for e in listing.images if e not in used], "layouts.not_used", "warning")
    return Index(listing.root, NAME, tuple(records), names=_names(listing, problems), problems=tuple(problems))


def _folders(listing: Listing) -> dict[str, tuple[str, list[FileEntry]]]:
    """Folder of texts → the folder of its images, and the texts: ``labels/train`` for ``images/train``, or the same."""
    stems: dict[str, set[str]] = defaultdict(set)
    for image in listing.images:
        stems[image.folder].add(image.stem)
    folders: dict[str, tuple[str, list[FileEntry]]] = {}
    for entry in listing.entries:
        if entry.suffix != ".txt" or entry.name.lower() in _LISTS:
            continue
        parts = entry.folder.split("/")
        at = max((i for i, p in enumerate(parts) if p.lower() == "labels"), default=None)
        images = entry.folder
        if at is not None:
            images = next(("/".join([*parts[:at], p, *parts[at + 1 :]]) for p in ("images", "Images")
                           if "/".join([*parts[:at], p, *parts[at + 1 :]]) in stems), entry.folder)  # fmt: skip
        if images != entry.folder or entry.stem in stems[images]:
            folders.setdefault(entry.folder, (images, []))[1].append(entry)
    return folders


def _is_read(listing: Listing, entry: FileEntry) -> bool | None:
    """Whether a text is one of YOLO; None where it is empty, as that of an image without object."""
    try:
        return bool(yolo_lines(listing.path(entry))) or None
    except FileError:
        return False


def _has_outline(listing: Listing, entry: FileEntry, problems: list[Problem]) -> bool:
    try:
        return any(len(numbers) > 4 for _, _, numbers in yolo_lines(listing.path(entry)))
    except FileError as error:
        problems.append(error.problem)
        return False


def _names(listing: Listing, problems: list[Problem]) -> ValueNames | None:
    """The names of the classes, counted from 1 in label images: 0 is what lies in no object."""
    import yaml

    for entry in listing.entries:
        path, name = listing.path(entry), entry.name.lower()
        try:
            if name in _DESCRIBED:
                stated = (yaml.safe_load(path.read_text(encoding="utf-8-sig")) or {}).get("names")
                names = (
                    dict(enumerate(stated))
                    if isinstance(stated, list)
                    else {int(k): v for k, v in (stated or {}).items()}
                )
            elif name in _LISTS:
                lines = path.read_text(encoding="utf-8-sig").splitlines()
                names = dict(enumerate(line.strip() for line in lines if line.strip()))
            else:
                continue
        except (OSError, ValueError, AttributeError, yaml.YAMLError):
            problems.append(Problem("layouts.names_unread", entry.rel, "note"))
            continue
        return ValueNames(entry.rel, {0: "background", **{k + 1: str(v) for k, v in names.items()}})
    return None


LAYOUT = Layout(name=NAME, yields=(Shapes, ObjectMasks), match=match, read=read, described=True)

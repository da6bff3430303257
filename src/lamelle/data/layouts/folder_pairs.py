"""Where folders of images and of their masks lie: beside each other, below splits, patients, classes, at any depth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lamelle.data.groups.words import named_like_group, tokens
from lamelle.data.layouts.common import LayoutOptions, bases, last
from lamelle.data.layouts.listing import FileEntry, Listing, above
from lamelle.data.layouts.pairing import MaskedImage, beside, names_of, pair
from lamelle.data.layouts.unnamed_masks import drawn_pairs, one_each
from lamelle.data.layouts.words import FolderName, file_name, folder_name, holds, split_of
from lamelle.errors import printable, setting
from lamelle.types import Problem

_SHOWN = 4

Kind = Literal["plain", "classes", "objects"]


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of images, and the folder of their masks."""

    parent: str
    """The folder that both lie in."""
    images: str
    """The folder of the images; ``parent`` itself where they, or folders that the masks' folder mirrors, lie there."""
    masks: tuple[str, ...]
    """More than one where it is unclear which is meant."""

    def images_of(self, listing: Listing) -> list[FileEntry]:
        """The images; those of a folder inside count too, but not its masks."""
        if self.images == self.parent:
            labels = set(self.labels_of(listing))
            direct = listing.images_in(self.parent)
            return direct or [e for e in listing.images_below(self.parent) if e not in labels]
        return [e for e in listing.images_below(self.images) if not e.folder.startswith(f"{self.masks[0]}/")]

    def masks_of(self, listing: Listing) -> list[FileEntry]:
        return list(listing.images_below(self.masks[0]))

    @property
    def labels(self) -> tuple[str, ...]:
        """The folders beside the images that the masks lie in, ``01_GT`` for ``01_GT/SEG``: nothing there is an image.

        Example:
            >>> Place("", "01", ("01_GT/SEG",)).labels
            ('01_GT',)
        """
        start = len(self.parent) + 1 if self.parent else 0
        tops = (m[:start] + m[start:].partition("/")[0] for m in self.masks)
        return tuple(top for top in dict.fromkeys(tops) if not f"{self.images}/".startswith(f"{top}/"))

    def labels_of(self, listing: Listing) -> list[FileEntry]:
        """All files that are labels: the masks, and what lies beside them in a folder of labels."""
        return [e for f in dict.fromkeys((*self.labels, *self.masks)) for e in listing.images_below(f)]

    def pairs(self, listing: Listing) -> tuple[list[MaskedImage], list[Problem]]:
        """The images with their masks, and what is wrong with them."""
        pairs, problems = pair(
            self.images_of(listing), self.masks_of(listing), image_base=self.images, mask_base=self.masks[0]
        )
        if len(self.masks) > 1:
            keys = " / ".join(setting("data.masks", last(m)) for m in self.masks[:_SHOWN])
            values = {"others": names_of(self.masks[1:]), "keys": keys}
            problems.append(Problem("layouts.two_mask_folders", self.masks[0], "error", values))
        return pairs, problems


def places(listing: Listing, options: LayoutOptions) -> list[Place]:
    """Every folder of images with the folder of its masks, as their names say, or as the user does.

    Example:
        >>> from pathlib import Path
        >>> entries = tuple(FileEntry(f"Patient 1/{f}", "a.tif") for f in ("Bilder", "Masken"))
        >>> listing = Listing(Path(), entries, ("Patient 1", "Patient 1/Bilder", "Patient 1/Masken"))
        >>> places(listing, LayoutOptions())
        [Place(parent='Patient 1', images='Patient 1/Bilder', masks=('Patient 1/Masken',))]
    """
    pairs: list[Place] = []
    closed: set[str] = set()
    for parent in ("", *listing.folders):
        if closed.intersection((parent, *above(parent))):
            continue
        new = _inside(listing, parent, options)
        pairs += new
        closed.update(f for p in new for f in (*p.masks, *p.labels, p.images) if f != parent)
    return pairs


def splits_of(listing: Listing, pairs: Sequence[Place]) -> list[str | None]:
    """The split that the folders around each place name; none where all are of one."""
    named = [next((s for part in p.images.split("/") if (s := split_of(part))), None) for p in pairs]
    if len(pairs) > 1 and not any(named):  # of X_Training_Data and X_Test_Data
        words = [tokens(last(p.images)) for p in pairs]
        alike = set(words[0]).intersection(*words[1:])
        own = [split_of(" ".join(w for w in ws if w not in alike)) for ws in words]
        named = own if all(own) else named
    return [s if len(set(named)) > 1 else None for s in named]


@dataclass(frozen=True, slots=True)
class MasksBeside:
    """A folder in which images and masks lie together."""

    folder: str
    split: str | None
    images: tuple[FileEntry, ...]
    masks: tuple[FileEntry, ...]
    stratum: str | None = None
    """Its name, where the folders may be classes."""
    given: tuple[MaskedImage, ...] = ()
    """The pairs, where they are told otherwise than by names that are alike."""

    def pairs(self) -> tuple[list[MaskedImage], list[Problem]]:
        """The images with their masks, and what is wrong with them."""
        if not self.given:
            return pair(self.images, self.masks)
        drawn = [p for p in self.given if file_name(p.masks[0].stem).role != "mask"]
        return list(self.given), [_note(self.folder, drawn)] if drawn else []


def together(listing: Listing, wanted: Callable[[FileEntry], bool]) -> tuple[list[MasksBeside], list[FileEntry]]:
    """Folders, at any depth, where masks lie beside their images; and the images of all others.

    Masks are named after the images, or as `one_each` says; else their pixels tell, as in `drawn_pairs`.

    Args:
        wanted: Which files are looked at.
    """
    files = {f: [e for e in listing.images_in(f) if wanted(e)] for f in ("", *listing.folders)}
    worded = {f: both for f, entries in files.items() if (both := beside(entries))[1]}
    given = {f: pairs for f, entries in files.items() if f not in worded and (pairs := one_each(entries))}
    if not worded and not given and not _may_be_classes(listing, files):
        given = drawn_pairs(listing, files)
    groups: list[tuple[str, list[FileEntry], list[FileEntry]]] = []
    rest: list[FileEntry] = []
    for folder, entries in files.items():
        images, masks = worded.get(folder, ([], []))
        for one in given.get(folder, []):
            images, masks = [*images, one.image], [*masks, *one.masks]
        rest += [e for e in entries if e not in {*images, *masks}]
        if masks:
            groups.append((folder, images, masks))
    splits = [next((s for part in folder.split("/") if (s := split_of(part))), None) for folder, _, _ in groups]
    tops = {base for _, base in bases(listing)}
    names = {last(folder) for folder, _, _ in groups}
    classes = len(names) > 1 and all(
        f and f.rpartition("/")[0] in tops and len(images) > 1 and not named_like_group(last(f))
        for f, images, _ in groups
    )
    return [
        MasksBeside(
            folder,
            split if len(set(splits)) > 1 else None,
            tuple(images),
            tuple(masks),
            last(folder) if classes and folder not in tops else None,
            tuple(given.get(folder, ())),
        )
        for (folder, images, masks), split in zip(groups, splits, strict=True)
    ], rest


def _may_be_classes(listing: Listing, files: Mapping[str, Sequence[FileEntry]]) -> bool:
    """Whether several folders of more than an image and a mask lie where classes do: what they are is asked then."""
    counts: Counter[str] = Counter()
    for _, base in bases(listing):
        start = f"{base}/" if base else ""
        for folder, entries in files.items():
            if folder.startswith(start) and folder != base:
                counts[folder[len(start) :].partition("/")[0]] += len(entries)
    return sum(count > 2 and not named_like_group(name) for name, count in counts.items()) > 1


def _note(folder: str, drawn: Sequence[MaskedImage]) -> Problem:
    """That pixels told the masks of a folder."""
    values = {"image": printable(drawn[0].image.name), "mask": printable(drawn[0].masks[0].name), "count": len(drawn)}
    return Problem("layouts.paired_by_pixels", folder or ".", "warning", values)


def kind_of(listing: Listing, pairs: Sequence[Place]) -> Kind:
    """What the folders around the places are: classes, one for each image with a mask for each object, or neither."""
    tops = {base for _, base in bases(listing)}
    parents = [p for p in pairs if p.parent and p.parent.rpartition("/")[0] in tops]
    if not parents or len(parents) < len(pairs):
        return "plain"
    single = [p for p in parents if len(p.images_of(listing)) == 1]
    if len(single) * 2 >= len(parents):
        several = any(len(p.masks_of(listing)) > 1 for p in single)
        return "objects" if several or _own_names(listing, single) else "plain"
    classes = {last(p.parent) for p in parents}
    return "classes" if len(classes) > 1 and not any(map(named_like_group, classes)) else "plain"


def _own_names(listing: Listing, pairs: Sequence[Place]) -> bool:
    """Whether masks are not called after their images, so that each shows an object: a folder ``ID/masks/7.png``."""
    return not any(p.pairs(listing)[0] for p in pairs)


def is_called(folder: str, name: str) -> bool:
    """Whether a folder is the one that the user named, by its last parts."""
    name = name.strip("/").removeprefix("./")
    return folder == name or folder.endswith(f"/{name}")


def _inside(listing: Listing, parent: str, options: LayoutOptions) -> list[Place]:
    """The places directly in a folder."""
    children = [f for f in listing.subfolders(parent) if listing.images_below(f)]
    names = {f: _named(listing, f) for f in children}
    masks = [f for f in children if (is_called(f, options.masks) if options.masks else names[f].role == "mask")]
    if not masks:
        return []
    if options.images:
        images = [f for f in children if is_called(f, options.images)]
        return [Place(parent, f, _masks_in(listing, masks)) for f in images]
    images = [f for f in children if names[f].role == "image" and f not in masks]
    pairs = [Place(parent, f, _masks_in(listing, m)) for f in images if (m := _masks_of(f, images, masks, names))]
    if options.masks and images and not pairs:
        pairs = [Place(parent, images[0], _masks_in(listing, masks))]
    if not pairs and len(images) == 1 and len(masks) > 1:
        pairs = _of_several(listing, parent, images[0], masks)
    taken = {f for p in pairs for f in (p.images, *p.masks)}
    for folder in (f for f in children if names[f].role is None and f not in masks):
        words = tuple(w for w in names[folder].rest if w != "data")
        own = [m for m in masks if m not in taken and _same(names[m].rest, words or names[folder].rest)]
        pairs += [Place(parent, folder, _masks_in(listing, own))] if own else []
    pairs = pairs or _by_names(listing, parent, children, masks)
    return pairs or _without_word(listing, parent, children, masks, names, options)


def _by_names(listing: Listing, parent: str, children: Sequence[str], masks: Sequence[str]) -> list[Place]:
    """Several folders of images and of masks that only the names of their files bring together, each with one other."""
    if len(masks) < 2:
        return []
    rest = [f for f in children if f not in masks]
    of = {f: [m for m in masks if Place(parent, f, (m,)).pairs(listing)[0]] for f in rest}
    of = {f: own for f, own in of.items() if own}
    used = [m for own in of.values() for m in own]
    if len(used) != len(set(used)) or len(of) != len(masks) or any(len(own) != 1 for own in of.values()):
        return []
    return [Place(parent, f, _masks_in(listing, own)) for f, own in of.items()]


def _of_several(listing: Listing, parent: str, images: str, masks: Sequence[str]) -> list[Place]:
    """Images with several folders of masks of their names, of annotators or of classes: which is meant is asked."""
    own = [m for m in masks if Place(parent, images, (m,)).pairs(listing)[0]]
    return [Place(parent, images, tuple(own))] if own else []


def _same(mask: Sequence[str], folder: Sequence[str]) -> bool:
    """Whether the other words of a folder of masks are those of a folder, or its number: ``GT_01`` of ``Slide_01``."""
    if not mask:
        return False
    return mask == folder or (all(map(str.isdecimal, mask)) and tuple(folder[-len(mask) :]) == tuple(mask))


def _named(listing: Listing, folder: str) -> FolderName:
    """What a folder holds by its name; where that says nothing, masks if all its files are called so."""
    name = folder_name(last(folder))
    files = listing.images_below(folder)
    if name.role is None and files and all(file_name(e.stem).role == "mask" for e in files):
        return FolderName("mask", ())
    return name


def _masks_of(image: str, images: Sequence[str], masks: Sequence[str], names: dict[str, FolderName]) -> list[str]:
    """The folders of masks that belong to a folder of images: of the same other words, or the only ones there are."""
    same = [m for m in masks if names[m].rest == names[image].rest]
    if len(images) > 1 or (same and names[image].rest):
        return same
    rough = [m for m in masks if all(map(str.isdecimal, names[m].rest))]
    return rough or (list(masks) if len(masks) == 1 else [])


def _without_word(
    listing: Listing,
    parent: str,
    children: Sequence[str],
    masks: Sequence[str],
    names: dict[str, FolderName],
    options: LayoutOptions,
) -> list[Place]:
    """Masks beside images whose own folder does not say so: the one they lie in, or the only other one there is."""
    sure = [m for m in masks if options.masks or (not names[m].weak and (holds(last(m)) or not names[m].rest))]
    if not sure or any(names[f].role == "image" for f in children):
        return []
    if listing.images_in(parent):
        images = parent
    elif len(rest := [f for f in children if f not in masks]) == 1:
        images = rest[0]
    else:
        return _mirrored(listing, parent, sure)
    place = Place(parent, images, _masks_in(listing, sure))
    return [place] if options.masks or place.pairs(listing)[0] else []


def _mirrored(listing: Listing, parent: str, masks: Sequence[str]) -> list[Place]:
    """Folders of images with a folder of masks beside them that holds the same folders: ``P1/``, ``masks/P1/``.

    So in BIDS, where one more folder names who drew them: ``sub-01/anat/``, ``derivatives/manual/sub-01/anat/``.
    """
    for level in (masks, [f for m in masks for f in listing.subfolders(m)]):
        if mirrored := [m for m in level if Place(parent, parent, (m,)).pairs(listing)[0]]:
            return [Place(parent, parent, tuple(mirrored))]
    return []


def _masks_in(listing: Listing, masks: Sequence[str]) -> tuple[str, ...]:
    """The folders that hold the masks themselves: ``01_GT/SEG`` for ``01_GT``, and classes rather than objects."""
    deeper: list[str] = []
    for folder in sorted(masks, key=lambda f: "mask" not in last(f).lower()):
        inner = [f for f in listing.subfolders(folder) if holds(last(f)) == "mask" and listing.images_below(f)]
        deeper += [folder] if listing.images_in(folder) or len(inner) != 1 else inner
    objects = [f for f in deeper if {"object", "instance"}.intersection(tokens(last(f)))]
    if len(deeper) == 2 and len(objects) == 1:  # SegmentationClass beside SegmentationObject
        return tuple(f for f in deeper if f not in objects)
    return tuple(deeper)

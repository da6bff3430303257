"""The words by which folders and files say that they hold images or masks: one table, in four languages.

Names are compared without case, accents, plural and signs: ``Masques``, ``masks_png`` and ``GroundTruth`` are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from lamelle.data.groups.words import plain, tokens
from lamelle.data.layouts.listing import same_form

Role = Literal["image", "mask"]

IMAGES = frozenset(
    (
        "image", "imaging", "img", "im", "raw", "input", "picture", "photo", "photograph", "original", "orig",
        "volume", "vol", "brut", "brute", "entree",
        "bild", "bilder", "rohbild", "rohbilder", "rohdaten", "originalbild", "originalbilder", "foto", "aufnahmen",
        "imagen", "imagene", "cruda", "crudo",
    )
)  # fmt: skip
"""What is looked at, in English, French, German, Spanish; ``imagene`` is what is left of ``imágenes``."""
MASKS = frozenset(
    (
        "mask", "label", "lbl", "labelled", "labeled", "labelmap", "labelimage", "seg", "dseg", "segm", "segmentation",
        "segmented", "gt", "groundtruth", "truth", "annotation", "annot", "anno", "annotated", "manual", "roi",
        "labeling", "labelling",
        "masque", "etiquette", "verite", "segmente", "segmentee", "annote", "annotee", "detourage", "contourage",
        "maske", "masken", "etikett", "etiketten", "segmentierung", "segmentierungen", "annotationen", "beschriftung",
        "beschriftungen", "grundwahrheit",
        "mascara", "etiqueta", "segmentacion", "segmentacione", "anotacion", "anotacione", "verdad",
    )
)  # fmt: skip
"""What says where something lies in an image, in the same languages."""
BESIDE = frozenset(
    (
        "png", "tif", "tiff", "jpg", "jpeg", "bmp", "npy", "nii", "gz", "bit", "rgb", "grey", "gray", "colour", "color",
        "binary", "bin", "semantic", "simple", "class", "object", "instance", "ground", "final", "new",
        "corrected", "checked", "clean", "full", "all", "data", "cp", "of", "the", "st", "nd",
        "de", "du", "des", "d", "la", "le", "les", "l", "binaire", "semantique", "classe", "objet", "terrain",
        "finale", "corrige", "corrigee", "nouveau", "nouvelle",
        "neu", "korrigiert", "der", "binario", "binaria", "corregida", "verificada",
    )
)  # fmt: skip
"""What may stand beside such a word and changes nothing: formats, kinds, articles."""
WEAK = frozenset(
    ("picture", "photo", "photograph", "original", "orig", "brut", "brute", "foto", "aufnahmen", "cruda", "crudo", "im",
     "manual", "roi", "segmented", "segmente", "segmentee", "annote", "annotee", "annotated")
)  # fmt: skip
"""Words that a class may be called by as well: they count where the other of the two folders is beside."""
STACKS = frozenset(("stack", "em", "data"))
"""Words for a volume beside its labels: ``train-stack.tif``, ``train-labels.tif``."""
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "entrainement": "train",
    "apprentissage": "train",
    "entrenamiento": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "validierung": "validation",
    "validacion": "validation",
    "trainingsdaten": "train",
    "validierungsdaten": "validation",
    "testdaten": "test",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "holdout": "test",
    "prueba": "test",
    "essai": "test",
    "prufung": "test",
}
"""Names of folders, tables and cells → split."""
_SPLIT_PARTS = {**SPLIT_NAMES, "tr": "train", "va": "validation", "ts": "test", "te": "test"}
_YEAR = 3
"""Digits from which a number behind a split is a year, or that of the images."""
_OF_SPLITS = frozenset(("set", "dataset", "data", "jeu", "d", "de", "split"))
_ONLY_FOLDERS = (WEAK & MASKS) | {"truth", "im", "photo", "picture", "foto"}
_ONLY_FILES = frozenset(("prediction", "identitie"))
"""Of ilastik: ``a_Object Predictions``; a folder of predictions is none of masks."""
_PARTS = re.compile(r"[-_. ]+")
_GROWN = re.compile(r"([^\W\d_]+)(\d+)")


@dataclass(frozen=True, slots=True)
class FolderName:
    """What the name of a folder says."""

    role: Role | None
    """What it holds."""
    rest: tuple[str, ...]
    """The words that say something else: ``train`` of ``train_images``."""
    weak: bool = False
    """It may be the name of a class as well."""


@lru_cache(maxsize=65536)
def folder_name(name: str) -> FolderName:
    """What a folder holds by its name, and what else the name says.

    Example:
        >>> folder_name("Images brutes").role, folder_name("train_masks_png").rest, folder_name("without_mask").rest
        ('image', ('train',), ('without',))
        >>> folder_name("Patient 01")
        FolderName(role=None, rest=('patient', '01'), weak=False)
    """
    words = [_single(t) for t in tokens(name)]
    meaning = [w for w in words if w in MASKS] or [w for w in words if w in IMAGES]
    if not meaning:
        return FolderName(None, tuple(words))
    role: Role = "mask" if meaning[0] in MASKS else "image"
    rest = tuple(w for w in words if w not in MASKS | IMAGES | BESIDE)
    return FolderName(role, rest, weak=WEAK.issuperset(meaning))


def holds(name: str) -> Role | None:
    """What a folder holds, if its name says that and nothing else but a split.

    Example:
        >>> [holds(n) for n in ("JPEGImages", "vérité terrain", "Máscaras", "imagesTr", "with_mask", "Tumour")]
        ['image', 'mask', 'mask', 'image', None, None]
    """
    folder = folder_name(name)
    return folder.role if all(word in _SPLIT_PARTS for word in folder.rest) else None


@lru_cache(maxsize=65536)
def split_of(name: str) -> str | None:
    """The split that a folder, a table or a cell is called by.

    Example:
        >>> [split_of(n) for n in ("Train", "TestDataset", "val_images", "Entraînement", "hold-out", "Trainer")]
        ['train', 'test', 'validation', 'train', 'test', None]
        >>> split_of("01 - Training"), split_of("test 2")
        ('train', None)
        >>> split_of("train2017"), split_of("Validation400")
        ('train', 'validation')
    """
    rest = [word for word in folder_name(name).rest if word not in _OF_SPLITS]
    rest = rest[1:] if rest and rest[0].isdecimal() else rest
    rest = rest[:-1] if len(rest) > 1 and rest[-1].isdecimal() and len(rest[-1]) >= _YEAR else rest
    return _SPLIT_PARTS.get("".join(rest))


@dataclass(frozen=True, slots=True)
class FileName:
    """What the stem of a file says."""

    role: Role | None
    keys: tuple[str, ...]
    """What is left without the words, the less taken away the earlier: ``a_new_mask``, ``a_new``, ``a``."""
    numbered: str | None = None
    """What is left if a number after the word goes too: ``a`` of ``a_mask_2``."""


@lru_cache(maxsize=65536)
def file_name(stem: str) -> FileName:
    """What a file is by its name, image or mask, and of what.

    Example:
        >>> file_name("P2, 20x [x=1]-labelled")
        FileName(role='mask', keys=('P2, 20x [x=1]-labelled', 'P2, 20x [x=1]'), numbered=None)
        >>> file_name("mask_007").keys, file_name("a_mask_2").numbered, file_name("cell12").role
        (('mask_007', '007'), 'a', None)
    """
    stem = same_form(stem)
    parts, gaps = _split(stem)
    kinds = [kind(p) for p in parts]
    roles = [i for i, k in enumerate(kinds) if k in ("mask", "image")]
    if not roles:
        return FileName(None, (stem,))
    end = _run(kinds[::-1], len(parts))
    begin = _run(kinds, 0) if end > 0 else 0
    first = min((i for i in roles if i >= end), default=end)
    inner = [i for i in range(begin, end) if i not in roles]
    keys = [stem, _joined(parts, gaps, range(first)), _joined(parts, gaps, range(end)), _joined(parts, gaps, inner)]
    numbered = None
    if len(parts) > 2 and parts[-1].isdecimal() and kinds[-2] == "mask":
        numbered = _joined(parts, gaps, range(_run(kinds[-2::-1], len(parts) - 1)))
    role: Role = "mask" if "mask" in kinds else "image"
    return FileName(role, tuple(dict.fromkeys(keys)), numbered)


def _split(stem: str) -> tuple[list[str], list[str]]:
    """The parts of a stem and what stands behind each; a number that is grown to a known word is a part of its own."""
    parts: list[str] = []
    gaps: list[str] = []
    for part, gap in zip(_PARTS.split(stem), [*_PARTS.findall(stem), ""], strict=True):
        grown = _GROWN.fullmatch(part)
        if grown and kind(grown[1]) in ("mask", "image"):
            parts, gaps = [*parts, grown[1], grown[2]], [*gaps, "", gap]
        else:
            parts, gaps = [*parts, part], [*gaps, gap]
    return parts, gaps


def _run(kinds: Sequence[str | None], start: int) -> int:
    """Where known words end that begin at an end of a name, from ``start`` on or back to; 0 long without a role."""
    length = next((i for i, k in enumerate(kinds) if k is None), len(kinds))
    if not {"mask", "image"}.intersection(kinds[:length]):
        length = 0
    return start - length if start else length


def _joined(parts: Sequence[str], gaps: Sequence[str], kept: Iterable[int]) -> str:
    return "".join(parts[i] + gaps[i] for i in kept).strip("-_. ")


def kind(part: str) -> str | None:
    """What one word of a file's name says: ``mask``, ``image``, ``beside`` or nothing."""
    word = _single(plain(part))
    if word in _ONLY_FOLDERS:
        return None
    if word in MASKS or word in _ONLY_FILES:
        return "mask"
    return "image" if word in IMAGES else "beside" if word in BESIDE else None


def _single(word: str) -> str:
    """A word without plural, if it is known without."""
    for form in (word, word.removesuffix("s")):
        if form in _KNOWN:
            return form
    return word


_KNOWN = IMAGES | MASKS | BESIDE | _ONLY_FILES

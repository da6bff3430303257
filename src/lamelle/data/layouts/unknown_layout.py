"""What is said of a folder that no layout fits: what lies there, what each wants, the nearest, and ways out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from lamelle.data.groups.words import named_like_group
from lamelle.data.layouts import scans
from lamelle.data.layouts.common import (
    Layout,
    LayoutMatch,
    LayoutOptions,
    last,
)
from lamelle.data.layouts.listing import Listing
from lamelle.data.layouts.named_masks import endings_hint
from lamelle.data.layouts.pairing import names_of
from lamelle.data.layouts.program_outputs import products_of
from lamelle.data.layouts.unread_files import passed_over, sentences
from lamelle.data.layouts.words import folder_name
from lamelle.errors import RequestError, printable, sentence
from lamelle.messages import labelled, text

_WORD = re.compile(r"([^\W\d_]{2,}(?:[ _-][^\W\d_]{2,})*)[-_. ]*\(?\d")
_MAX_WORDS = 20
"""Words at the beginning of names up to which they may be classes."""
_ASKS = (
    *("layouts.lacks_classes_of_boxes", "layouts.lacks_masks_of_runs", "layouts.lacks_answers"),
    *("layouts.lacks_rows_of_images", "layouts.lacks_rival_of_columns", "layouts.lacks_facts_in_columns"),
    *("layouts.lacks_class_level", "layouts.lacks_only_groups", "layouts.lacks_ids_of_table"),
    *("layouts.lacks_rows_of_folders", "layouts.lacks_masks_of_several", "layouts.lacks_one_channel"),
)
"""What is lacking where the folder was understood, and a folder below would only hide it."""


def unknown_folder(
    listing: Listing, options: LayoutOptions, matches: Mapping[str, LayoutMatch], layouts: Mapping[str, Layout]
) -> RequestError:
    """What was found, what each layout wants, the nearest, and a folder below that would do."""
    nearest = max(matches, key=lambda n: matches[n].score, default=None)
    missing = matches[nearest].missing if nearest else None
    inner = next(
        (
            f
            for f in (listing.subfolders("")[:20] if listing.only is None else [])
            if not named_like_group(last(f))
            and folder_name(last(f)).role != "mask"
            and any(layouts[n].match(listing.below(f), options).score == 1.0 for n in matches)
        ),
        None,
    )
    choice_missing = missing is not None and missing.code in _ASKS
    hint = (
        text("layouts.hint_inner", folder=printable(str(listing.root / inner))) if inner and not choice_missing else ""
    )
    if not hint and not choice_missing and (ends := endings_hint(listing)):
        hint = text("layouts.hint_endings", **ends)
    if not hint and not choice_missing and (words := _words_of_names(listing)):
        hint = text("layouts.hint_names", names=names_of(words, most=6))
    return RequestError(
        "layouts.unknown",
        path=printable(str(listing.root if listing.only is None else listing.root / listing.only)),
        found=what_is_there(listing),
        wants="\n".join(f"  {labelled(n, layouts[n].help)}" for n in matches),
        nearest=nearest or "",
        missing=sentence(missing) if missing else "",
        hint=hint,
        passed=sentences([*products_of(listing), *passed_over(listing), *scans.series_problems(listing)]),
    )


def _words_of_names(listing: Listing) -> list[str]:
    """The words that all names of files begin with before a number, if they may be classes: ``benign_001.png``."""
    matches = [_WORD.match(e.stem) for e in listing.images]
    counts = Counter(m[1].casefold() for m in matches if m)
    classes = all(matches) and 1 < len(counts) <= _MAX_WORDS and min(counts.values()) > 1
    return sorted({m[1] for m in matches if m}) if classes else []


def what_is_there(listing: Listing) -> str:
    """Counts by suffix, the first names, and the folders of the root."""
    counts = Counter(e.suffix or "–" for e in listing.entries)
    by_suffix = ", ".join(f"{count} {printable(suffix)}" for suffix, count in counts.most_common(6))
    files = names_of([e.rel for e in listing.entries], most=4)
    folders = names_of([f"{f}/" for f in listing.subfolders("")], most=6)
    return "; ".join(part for part in (by_suffix, files, folders) if part) or text("layouts.found_nothing")

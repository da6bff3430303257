"""What a page says of the data and its split."""

from __future__ import annotations

from pathlib import Path

from support import made_scores

from lamelle.metrics.names import name_of
from lamelle.reports import scores as reported
from lamelle.reports import splits
from lamelle.results.scores import Score
from lamelle.types import Record, Source


def record(name: str, split: str, *, span: str = "", position: int | None = None) -> Record:
    planes = (int(span[:2]), int(span[3:]) + 1) if span else None
    return Record(name, Source(Path("a.tif"), span=planes), split=split, position=position)


def test_blocks_of_slices_are_counted_in_slices() -> None:
    spans = {"00-17": "train", "18-18": "gap", "19-22": "validation", "23-23": "gap", "24-29": "test"}
    records = [record(f"a.tif#{span}", split, span=span) for span, split in spans.items()]
    columns, table = splits.counts(records, strata=True)
    assert columns == ["Blocks", "Slices", "Share"]
    assert table == [
        ("train", ["1", "18", "60 %"]),
        ("validation", ["1", "4", "13 %"]),
        ("test", ["1", "6", "20 %"]),
        ("gap", ["2", "2", "6.7 %"]),
    ]
    singles = [
        record(f"a.tif#{z:02d}", s, position=z)
        for span, s in spans.items()
        for z in range(int(span[:2]), int(span[3:]) + 1)
    ]
    assert splits.strips(records, 4) == splits.strips(singles, 4) != [], "the same bar as of single slices"


def test_images_are_counted_as_images() -> None:
    columns, table = splits.counts([record("a.png", "train"), record("b#1-2.png", "test")], strata=True)
    assert columns == ["Images", "Share"]
    assert table == [("train", ["1", "50 %"]), ("test", ["1", "50 %"])]


def test_ap_at_any_overlap_has_a_name() -> None:
    assert [name_of(k) for k in ("ap50", "ap55", "ap90", "apex")] == [
        "AP at IoU 0.5",
        "AP at IoU 0.55",
        "AP at IoU 0.9",
        "apex",
    ]
    assert reported.by_class(made_scores(scores={"ap50": Score.read({})}, classes=("a",))) == ([], [])

"""Too few images, groups or slices to be split are told before training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lamelle.data.audit.inspect import inspect
from lamelle.data.audit.sample_size import few_problems
from lamelle.data.layouts.common import LayoutOptions
from lamelle.data.layouts.detect import read_folder
from lamelle.data.store import Store
from lamelle.io.writers import write_image, write_labels
from lamelle.messages import text
from lamelle.types import ClassNames, LabelImage, Problem, Record, Source

MASK = LabelImage(Source(Path("m.png")))


def images(n: int) -> list[Record]:
    return [Record(f"{i}.png", Source(Path(f"{i}.png")), MASK) for i in range(n)]


def slices(*depths: int) -> list[Record]:
    return [
        Record(f"{v}#{z}", Source(Path(f"{v}.tif"), None, z), MASK, position=z, columns={"volume": str(v)})
        for v, depth in enumerate(depths)
        for z in range(depth)
    ]


def codes(problems: list[Problem]) -> list[str]:
    assert all(p.severity == "warning" for p in problems)
    return [p.code.removeprefix("audit.few_") for p in problems]


@pytest.mark.parametrize(("n", "said"), [(0, []), (1, ["images"]), (5, ["images"]), (6, [])])
def test_images(n: int, said: list[str]) -> None:
    assert codes(few_problems(images(n))) == said


@pytest.mark.parametrize(
    ("depths", "said"), [((5,), ["slices"]), ((8,), []), ((5, 4), ["slices"]), ((5, 5), []), ((5, 5, 5), [])]
)
def test_slices(depths: tuple[int, ...], said: list[str]) -> None:
    """Of each volume two slices fall into gaps."""
    assert codes(few_problems(slices(*depths))) == said


def test_groups() -> None:
    records = [replace(r, group=str(i % 4)) for i, r in enumerate(images(20))]
    (problem,) = few_problems(records)
    assert (problem.code, problem.values) == ("audit.few_groups", {"n": 4})
    assert few_problems([replace(r, group=str(i % 7)) for i, r in enumerate(images(20))]) == []


def test_given_splits_and_classes_are_not_spoken_of() -> None:
    given = [replace(r, split=s) for r, s in zip(images(3), ("train", "validation", "test"), strict=True)]
    assert few_problems(given) == []
    assert few_problems([replace(r, target=ClassNames(("cat",))) for r in images(3)]) == []


@pytest.mark.parametrize(("depth", "span", "said"), [(5, False, True), (5, True, True), (12, False, False)])
def test_a_volume(tmp_path: Path, depth: int, span: bool, said: bool) -> None:
    """One volume, also when it is cut already, as training cuts it before the audit."""
    for name in ("images", "labels"):
        (tmp_path / "data" / name).mkdir(parents=True)
    grey = np.random.default_rng(0).integers(0, 255, (1, depth, 32, 32), dtype=np.uint8)
    write_image(tmp_path / "data" / "images" / "v.tif", grey, spacing=(1.0, 1.0, 1.0))
    write_labels(tmp_path / "data" / "labels" / "v.tif", (grey[0] > 99).astype(np.uint8), spacing=(1.0, 1.0, 1.0))
    index = read_folder(tmp_path / "data", options=LayoutOptions())
    (record,) = index.records
    if span:
        assert isinstance(record.target, LabelImage)
        target = record.target.source
        parts = ((0, 3, "train"), (3, 4, "validation"), (4, depth, "test"))
        cut = [
            replace(
                record,
                id=f"v#{a}-{b}",
                image=replace(record.image, span=(a, b)),
                target=LabelImage(replace(target, span=(a, b))),
                split=split,
            )
            for a, b, split in parts
        ]
        index = replace(index, records=tuple(cut))
    found = inspect(index, Store(tmp_path / "store", budget=1 << 24), declared=None, ignore=(), workers=1)
    assert [p.values for p in found.problems if p.code == "audit.few_slices"] == [{"n": 5}] * said


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("key", ["audit.few_images", "audit.few_groups", "audit.few_slices", "split.empty"])
def test_the_cure_is_more_data_or_folders(key: str, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    said = text(key, n=2, by="record", empty="test")
    assert "val/" in said
    assert "2 " in said

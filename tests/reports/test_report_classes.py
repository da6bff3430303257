"""What each class looks like: counted, measured and shown."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from page_blocks import every

from lamelle.data.store import Store
from lamelle.io.images import read
from lamelle.reports import classes
from lamelle.reports.blocks import Cell, Gallery, Heading, Plot
from lamelle.results.audit import Audit, DataStatistics, ImageMeasures
from lamelle.runs.bundle import open_bundle
from lamelle.runs.data_pictures import SAMPLED
from lamelle.runs.folder import RunFolder
from lamelle.types import ClassNames, Record, Source

SPLIT = [
    Record(name, Source(Path(name)), ClassNames(names), split=split)
    for name, split, names in (
        ("1", "train", ("a",)),
        ("2", "train", ("a", "b")),
        ("3", "test", ("b",)),
        ("4", "validation", ()),
    )
]


def measured(name: str, size: tuple[int, int], mean: tuple[float, ...], std: tuple[float, ...]) -> ImageMeasures:
    low, high = tuple(m - 1 for m in mean), tuple(m + 1 for m in mean)
    return ImageMeasures(
        name, "png", (len(mean), *size), "uint8", None, None, False, 0.0, 9.0, mean, std, low, high, "",
        MappingProxyType({}),
    )  # fmt: skip


def audit(*rows: ImageMeasures) -> Audit:
    return Audit((), rows, (), {}, DataStatistics())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", budget=1 << 30)


def test_images_of_several_classes_count_for_each() -> None:
    rows = classes.table(SPLIT, audit(), ["a", "b", "c"])
    assert [[name, *numbers[:5]] for name, _, *numbers in rows] == [
        ["a", "2", "50 %", "2", "0", "0"],
        ["b", "2", "50 %", "1", "0", "1"],
        ["c", "0", "0 %", "0", "0", "0"],
    ]
    assert [row[1] for row in rows] == [Cell(bar=1.0), Cell(bar=1.0), Cell(bar=0.0)]


def test_sizes_and_grey_levels_are_those_of_the_pixels() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.normal(3, 1, (1, 40, 40)), rng.normal(5, 2, (1, 40, 40))
    rows = [
        measured(n, (s, s + 1), (float(x.mean()),), (float(x.std()),)) for n, s, x in (("1", 40, one), ("2", 60, two))
    ]
    a, b, c = (row[7:] for row in classes.table(SPLIT, audit(*rows), ["a", "b", "c"]))
    both = np.concatenate([one, two])
    assert float(str(a[1])) == pytest.approx(both.mean(), abs=5e-3)
    assert float(str(a[2])) == pytest.approx(both.std(), abs=5e-3)
    assert (a[0], b[0], c[0]) == ("50×51 (40×41 … 60×61)", "60×61", "–")
    assert c[1:] == ["–"] * 4


def test_only_so_many_classes_are_described() -> None:
    assert len(classes.table(SPLIT, audit(), [str(i) for i in range(60)])) == classes.SHOWN


def test_a_histogram_has_the_shares_of_the_pixels(classify_run: RunFolder) -> None:
    bundle = open_bundle(classify_run)
    assert bundle.plan is not None
    found, names = bundle.pictures.data.grey_levels, list(bundle.plan.task.classes)
    assert found is not None
    assert list(found.shares) == names
    members = [r for r in bundle.records if names[0] in r.names]
    assert len(members) <= SAMPLED, "all of them are looked at"
    levels = np.array([read(r.image.path).array.mean(0) for r in members])
    wanted = np.histogram(levels, len(found.edges) - 1, (-0.5, 255.5))[0] / levels.size
    assert [sum(s) for s in found.shares.values()] == pytest.approx([1.0] * len(names))
    first, *_, last = (np.array(s) for s in found.shares.values())
    np.testing.assert_allclose(first, wanted, atol=1e-12)
    assert np.abs(first - last).sum() > 0
    assert bundle.audit is not None
    assert [plot.look for plot in every(classes.draw(bundle, bundle.audit), Plot)] == ["w80", "w80"]


def test_previews_stand_under_their_class(classify_run: RunFolder) -> None:
    bundle = open_bundle(classify_run)
    assert bundle.plan is not None
    _, *headings = every(classes.previews(bundle), Heading)
    found = list(zip([one.text for one in headings], every(classes.previews(bundle), Gallery), strict=True))
    assert [name for name, _ in found] == list(bundle.plan.task.classes)
    counts = Counter(r.names[0] for r in bundle.records)
    assert all({p.detail for p in some.pictures} == {name} for name, some in found)
    assert [len(some.pictures) for _, some in found] == [min(6, counts[name]) for name in bundle.plan.task.classes]


def test_a_page_describes_the_data_before_it_scores(classify_run: RunFolder) -> None:
    page = classify_run.report.read_text()
    data = page[page.index('id="data"') : page.index('id="split"')]
    assert page.index('id="data"') < page.index('id="scores"')
    assert {"Grey levels of each class", "Mean grey level of each image", "Some images of each class"} <= set(
        re.findall(r"<h3>([^<]+)</h3>", data)
    )
    counts = Counter((r.stratum, r.split) for r in open_bundle(classify_run).records)
    for name in json.loads(classify_run.scores.read_text())["classes"]:
        row = data[data.index(f'<th scope="row">{name}</th>') :].partition("</tr>")[0]
        wanted = [counts[name, split] for split in ("train", "validation", "test")]
        assert re.findall(r'<td class="n">(\d+)</td>', row)[:4] == [str(sum(wanted)), *map(str, wanted)]

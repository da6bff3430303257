"""Images of another range are scaled or refused, images of another look are named; all else is left in peace."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_tasks
import numpy as np
import pytest
import tifffile
import torch
from networks import architecture
from scipy.ndimage import gaussian_filter

from lamelle.data.appearance import MEASURES
from lamelle.data.novel_images import Swapped
from lamelle.data.preparation import Preparation
from lamelle.data.profile import profile_of
from lamelle.data.shift import shift_of, spacing_shift
from lamelle.data.store import Store
from lamelle.data.targets.values import ValueMap
from lamelle.errors import DataError, RequestError
from lamelle.messages import LANGUAGES, text
from lamelle.models.freezable import Freezable
from lamelle.prediction.apply import predict_files
from lamelle.prediction.package import Package
from lamelle.runs import layers
from lamelle.runs import recipe as recipes
from lamelle.tasks.threshold_search import FittedPixels
from lamelle.types import Record, Source

TRAINED, NEW = 24, 8


class Threshold(Freezable):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 20 * (x - self.at)

    def __init__(self, at: float) -> None:
        super().__init__()
        self.at = at


def picture(seed: int) -> np.ndarray:
    """Cells of one microscope, uint8 [96, 96]."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:96, :96]
    image = np.full((96, 96), 40.0)
    for y, x, radius in zip(*draw.uniform(8, 88, (2, 7)), draw.uniform(6, 12, 7), strict=True):
        image += 110 * draw.uniform(0.8, 1.2) / (1 + np.exp(np.hypot(rows - y, columns - x) - radius))
    return np.clip(image * draw.uniform(0.85, 1.15) + draw.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


def write(folder: Path, images: list[np.ndarray], **options: Any) -> Path:
    folder.mkdir(parents=True)
    for i, image in enumerate(images):
        tifffile.imwrite(folder / f"i{i}.tif", image, photometric="minisblack", **options)
    return folder


Made = Callable[..., Package]
Predict = Callable[..., tuple[list[str], list[dict[str, str]], np.ndarray]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", budget=1 << 26)


@pytest.fixture
def made(tmp_path: Path, store: Store) -> Made:
    """A model that finds what is brighter than grey 110, and the profile of what it was trained on."""

    def make(
        normalise: str = "unit",
        change: Callable[[np.ndarray], np.ndarray] = lambda a: a,
        span: tuple[float, float] | None = None,
        **options: Any,
    ) -> Package:
        folder = write(tmp_path / "trained", [change(picture(i)) for i in range(TRAINED)], **options)
        records = [Record(p.name, Source(p)) for p in sorted(folder.iterdir())]
        at, mean, std = {"unit": (110 / 255, (), ()), "dataset": (0.0, (110.5,), (50.0,)), "image": (0.0, (), ())}[
            normalise
        ]
        values = ValueMap(("background", "cell"), {0: 0, 1: 1})
        return Package(
            task=made_tasks.segment(values, loss="ce"),
            architecture=architecture("unet", outputs=1),
            model=Threshold(at),
            preparation=Preparation(1, None, normalise, mean, std, range=span),
            dims=2,
            tile=None,
            overlap=0.25,
            flips=False,
            spacing=None,
            fitted=FittedPixels(threshold=0.5),
            provenance={"precision": "32"},
            profile=profile_of(records, store, span=span),
        )

    return make


@pytest.fixture
def predict(tmp_path: Path, store: Store) -> Predict:
    def run(package: Package, images: list[np.ndarray], *, pairs: tuple[str, ...] = (), **options: Any) -> Any:
        number = len(list(tmp_path.glob("new*")))
        folder = write(tmp_path / f"new{number}", images, **options)
        said: list[str] = []
        out = tmp_path / f"out{number}"
        keys = recipes.validate(layers.parse_overrides(pairs)).data
        wanted: dict[str, Any] = {"store": store, "say": said.append}
        table = predict_files(package, [folder], out, span=keys.range, **wanted)
        with table.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        return said, rows, np.stack([tifffile.imread(p) for p in sorted((out / "labels").iterdir())])

    return run


def pictures(change: Callable[[np.ndarray], np.ndarray] = lambda a: a, n: int = NEW) -> list[np.ndarray]:
    return [change(picture(1000 + i)) for i in range(n)]


TYPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "16 bit": lambda a: a.astype(np.uint16) * 257,
    "fractions": lambda a: (a / 255).astype(np.float32),
    "bytes in 16 bits": lambda a: a.astype(np.uint16),
    "whole floats": lambda a: a.astype(np.float32),
}


@pytest.mark.parametrize("normalise", ["unit", "dataset"])
@pytest.mark.parametrize("name", TYPES)
def test_a_certain_range_is_scaled_and_said(made: Made, predict: Predict, normalise: str, name: str) -> None:
    package = made(normalise)
    _, _, expected = predict(package, pictures())
    assert 0.05 < (expected > 0).mean() < 0.6
    said, rows, found = predict(package, pictures(TYPES[name]))
    np.testing.assert_array_equal(found, expected)
    (line,) = said
    assert line.startswith("note: 8 image(s) of type")
    assert "shift" not in rows[0]


UNSURE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "12 bits": lambda a: a.astype(np.uint16) * 16,
    "broken floats": lambda a: (a * 0.999 + 0.01).astype(np.float32),
    "below 0": lambda a: (a / 127.5 - 1).astype(np.float32),
    "signed": lambda a: a.astype(np.int16) * 8 - 1024,
}


@pytest.mark.parametrize("normalise", ["unit", "dataset"])
@pytest.mark.parametrize("name", UNSURE)
def test_an_unsure_range_is_refused_with_a_key_that_works(
    made: Made, predict: Predict, normalise: str, name: str
) -> None:
    package = made(normalise)
    _, _, expected = predict(package, pictures())
    with pytest.raises(DataError) as refused:
        predict(package, pictures(UNSURE[name]))
    keys = re.findall(r"data\.range=\[[-\d]\S*?\]", str(refused.value))
    assert all(f"'{key}'" in str(refused.value) for key in keys), "brackets mean something to a shell"
    assert keys[-1] == "data.range=[0,255]"
    assert len(keys) == (1 if name == "broken floats" else 2), "no key is offered twice"
    assert "uint8" in str(refused.value), "both types and ranges are named"
    said, _, found = predict(package, pictures(UNSURE[name]), pairs=(keys[0],))
    if name in ("12 bits", "below 0"):
        assert np.mean(found != expected) < 0.01, "the proposal is right here"
    assert any(line.startswith("note:") for line in said)
    predict(package, pictures(UNSURE[name]), pairs=(keys[-1],))


def test_images_of_two_scales_in_one_call_are_refused_with_both_lists(made: Made, predict: Predict) -> None:
    package = made("unit")
    mixed = [(picture(1000 + i).astype(np.uint16) * (16 if i % 2 else 257)) for i in range(NEW)]
    with pytest.raises(DataError) as refused:
        predict(package, mixed)
    said = str(refused.value)
    assert "4 × 304 … 4080 (i1.tif, i3.tif, i5.tif … (+1))" in said
    assert "4 × 5397 … 65535 (i0.tif, i2.tif, i4.tif … (+1))" in said
    keys = re.findall(r"data\.range=\[\S*?\]", said)
    assert keys == ["data.range=[0,4095]", "data.range=[0,65535]", "data.range=[0,65535]"]
    _, _, expected = predict(package, [picture(1000 + i) for i in range(1, NEW, 2)])
    _, _, found = predict(package, mixed[1::2], pairs=(keys[0],))
    assert np.mean(found != expected) < 0.01


def test_an_image_of_one_value_is_called_empty_and_nothing_else(made: Made, predict: Predict) -> None:
    package = made("unit")
    for image in (np.zeros((96, 96), np.uint8), np.full((96, 96), 255, np.uint8), np.zeros((96, 96), np.float32)):
        said, rows, _ = predict(package, [*pictures(), image])
        (line,) = said
        assert line.startswith("warning: 1 of 9 image(s) hold one value everywhere (i8.tif)")
        assert [row["shift"] for row in rows] == [""] * NEW + ["empty: one value everywhere"]
    said, rows, _ = predict(package, [np.zeros((96, 96), np.uint8)] * 3)
    assert len(said) == 1
    assert {row["shift"] for row in rows} == {"empty: one value everywhere"}
    nearly = np.zeros((600, 600), np.uint8)
    nearly[130, 130] = 200  # between the places that are looked at
    said, rows, _ = predict(package, [nearly])
    assert "empty" not in rows[0].get("shift", "")
    assert not any("one value" in line for line in said)


def test_normalisation_by_image_makes_the_range_harmless(made: Made, predict: Predict) -> None:
    package = made("image")
    _, _, expected = predict(package, pictures())
    for change in (*TYPES.values(), *UNSURE.values()):
        said, _, found = predict(package, pictures(change))
        assert said == []
        assert np.mean(found != expected) < 0.005
    with pytest.raises(RequestError, match="normalise=image"):
        predict(package, pictures(), pairs=("data.range=[0,4095]",))


def test_a_range_said_at_training_is_that_of_the_model(made: Made, predict: Predict) -> None:
    def deep(image: np.ndarray) -> np.ndarray:
        return np.rint(image * (4095 / 255)).astype(np.uint16)

    package = made("unit", deep, (0.0, 4095.0))
    said, _, expected = predict(package, pictures(deep))
    assert said == []
    assert 0.05 < (expected > 0).mean() < 0.6
    said, _, found = predict(package, pictures())
    assert len(said) == 1
    assert np.mean(found != expected) < 0.01


LOOKS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "inverted": (lambda a: 255 - a, "light and dark"),
    "brighter": (lambda a: np.clip(a * 1.5, 0, 255).astype(np.uint8), "brighter"),
    "darker": (lambda a: (a * 0.5).astype(np.uint8), "darker"),
    "blurred": (lambda a: gaussian_filter(a, 2), "blurred"),
    "reduced": (lambda a: a.reshape(48, 2, 48, 2).mean((1, 3)).astype(np.uint8), "reduced"),
    "enlarged": (lambda a: gaussian_filter(a.repeat(2, 0).repeat(2, 1), 1), "enlarged"),
    "noisy": (
        lambda a: np.clip(a + np.random.default_rng(int(a.sum())).normal(0, 25, a.shape), 0, 255).astype(np.uint8),
        "noisier",
    ),
}


@pytest.mark.parametrize("name", LOOKS)
def test_another_look_is_named_in_words_and_in_the_table(made: Made, predict: Predict, name: str) -> None:
    change, word = LOOKS[name]
    said, rows, _ = predict(made("unit"), pictures(change))
    assert any(line.startswith("warning:") and "8 of 8" in line for line in said)
    assert any(word in line for line in said)
    assert all(word in row["shift"] for row in rows), [row["shift"] for row in rows]


@pytest.mark.parametrize("name", [name for name in LOOKS if name != "inverted"])
def test_the_figures_bear_out_what_is_said(made: Made, predict: Predict, name: str) -> None:
    said, _, _ = predict(made("unit"), pictures(LOOKS[name][0]))
    for line in said:
        found, low, high = map(float, re.findall(r"median (\S+); training images (\S+) to ([-\d.]+)", line)[0])
        assert not low < found < high, line


def test_a_difference_that_the_figures_do_not_show_is_not_named(made: Made) -> None:
    """A brightness between dark and bright training images is far from both, but within their range."""
    profile = made("unit").profile
    assert profile is not None
    noise = np.random.default_rng(0).normal(0, 0.01, (40, len(MEASURES)))
    table = np.median(profile.table, axis=0) + noise
    table[:, 0] += np.arange(40) % 2 * 0.5
    two = profile.model_copy(update={"images": table.tolist(), "groups": list(range(40))})
    new = table[::4].copy()
    new[:, 0] += 0.25
    new[:, 10] += 0.12
    found = shift_of(two, new, names=[""] * len(new), groups=[None] * len(new), comparable=True, evened=False)
    assert [p.code for p in found.problems] == [f"shift.{MEASURES[10].name}_more"]
    new[:, 4] += 0.3  # brightness and colour cannot be compared where black and white are unknown
    found = shift_of(two, new, names=[""] * len(new), groups=[None] * len(new), comparable=False, evened=True)
    assert [p.code for p in found.problems] == [f"shift.{MEASURES[4].name}_more"]


def test_a_combination_that_does_not_occur_is_found_and_said_to_be_one(made: Made) -> None:
    """Brightness and contrast that go together in training do not in the new images, each within its range."""
    profile = made("unit").profile
    assert profile is not None
    draw = np.random.default_rng(0)
    table = np.median(profile.table, axis=0) + draw.normal(0, 0.05, (100, len(MEASURES)))
    table[:, 3] = table[:, 0] + draw.normal(0, 0.01, 100)
    known = profile.model_copy(update={"images": table[:80].tolist(), "groups": list(range(80))})
    new = table[80:].copy()
    options: dict[str, Any] = {"names": [""] * 20, "groups": [None] * 20, "comparable": True, "evened": False}
    assert shift_of(known, new, **options).problems == ()
    new[:, 3] += 0.03
    found = shift_of(known, new, **options)
    assert [p.code for p in found.problems][-1] == "shift.together"
    assert found.problems[0].severity == "warning"
    assert any(found.words)


@pytest.mark.parametrize(("brighter", "codes"), [(12, {"shift.mean_more"}), (0, {"shift.inverted"})])
def test_where_all_images_differ_some_are_not_called_inverted(
    made: Made, monkeypatch: pytest.MonkeyPatch, brighter: int, codes: set[str]
) -> None:
    """Overexposed X-rays have a polarity of their own, which is no reason to invert a few of them."""
    profile = made("unit").profile
    assert profile is not None
    table = np.median(profile.table, axis=0) + np.random.default_rng(0).normal(0, 0.05, (92, len(MEASURES)))
    known = profile.model_copy(update={"images": table[:80].tolist(), "groups": list(range(80))})
    new = table[80:].copy()
    new[:brighter, 0] += 0.5
    monkeypatch.setattr("lamelle.data.shift.swapped_among", lambda *_: Swapped(np.arange(12) < 3, 3.0, 1.0, 1.0))
    found = shift_of(known, new, names=[""] * 12, groups=[None] * 12, comparable=True, evened=False)
    assert {p.code for p in found.problems if p.severity == "warning"} == codes
    assert sum("shift.word_inverted" in words for words in found.words) == (0 if brighter else 3)


def test_a_profile_with_fewer_measures_is_compared_by_those_it_has(made: Made, predict: Predict) -> None:
    package = made("unit")
    assert package.profile is not None
    images = [row[:13] for row in package.profile.images]
    older = package.profile.model_copy(update={"measures": package.profile.measures[:13], "images": images})
    said, rows, _ = predict(replace(package, profile=older), pictures(lambda a: 255 - a))
    assert any("light and dark" in line for line in said)
    assert all(row["shift"] for row in rows)
    assert predict(replace(package, profile=older), pictures())[0] == []


def test_too_few_training_images_are_said(made: Made, predict: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "TRAINED", 5)
    said, rows, _ = predict(made("unit"), pictures(lambda a: 255 - a))
    assert said == [text("shift.note", said=text("shift.few_known", n=5, least=8))]
    assert "shift" not in rows[0]


def test_only_unlike_images_are_marked(made: Made, predict: Predict) -> None:
    said, rows, _ = predict(made("unit"), [*pictures(n=3), *pictures(lambda a: 255 - a, 9)])
    assert len(said) >= 1
    assert [bool(row["shift"]) for row in sorted(rows, key=lambda r: int(r["image"][1:-4]))] == [False] * 3 + [True] * 9


@pytest.mark.parametrize("normalise", ["unit", "image"])
@pytest.mark.parametrize("count", [5, 12])
def test_a_few_inverted_images_are_named_one_by_one(
    made: Made, predict: Predict, monkeypatch: pytest.MonkeyPatch, normalise: str, count: int
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "TRAINED", 100)
    said, rows, _ = predict(made(normalise), [*pictures(lambda a: 255 - a, count), *pictures(n=24)[count:]])
    names = [f"i{i}.tif" for i in range(count)]
    assert len(said) == 1
    assert said[0].startswith(f"warning: {count} of 24 image(s)")
    assert f"in {', '.join(names)}." in said[0]
    apart, turned, usual = map(float, re.findall(r"[ (](\d+\.\d)(?= spreads|;|\.)", said[0]))
    assert turned < usual < apart, "inverted, they lie among the training images"
    assert sorted(row["image"] for row in rows if row["shift"] == "light and dark swapped") == sorted(names)
    assert sum(bool(row["shift"]) for row in rows) == count


def test_a_few_noisy_images_do_not_make_the_others_unlike(
    made: Made, predict: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "TRAINED", 100)
    said, rows, _ = predict(made("unit"), [*pictures(LOOKS["noisy"][0], 6), *pictures(n=24)[6:]])
    assert any("6 of 24" in line and "noisier" in line for line in said)
    assert said[-1] == f"note: Unlike are: {', '.join(f'i{i}.tif' for i in range(6))}"
    assert sorted(row["image"] for row in rows if row["shift"]) == [f"i{i}.tif" for i in range(6)]


def test_inverted_images_do_not_hide_what_else_is_unlike(
    made: Made, predict: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "TRAINED", 100)
    mixed = [*pictures(lambda a: 255 - a, 6), *pictures(lambda a: gaussian_filter(a, 2), 12)[6:], *pictures(n=18)[12:]]
    said, rows, _ = predict(made("unit"), mixed)
    marked = {row["image"]: row["shift"] for row in rows}
    assert said[0].startswith("warning: 6 of 18 image(s)")
    assert "light and dark" in said[0]
    assert any("blurred" in line for line in said[1:])
    names = said[-1].removeprefix("note: Unlike are: ").split(", ")
    assert names[:6] == [f"i{i}.tif" for i in range(6, 12)]
    assert len(names) <= 7, "one of a dozen may be as far as that by chance"
    assert [marked[f"i{i}.tif"] for i in range(6)] == ["light and dark swapped"] * 6
    assert all("blurred" in marked[f"i{i}.tif"] for i in range(6, 12))
    assert sum(bool(each) for each in marked.values()) == 6 + len(names)


@pytest.mark.parametrize("normalise", ["unit", "image"])
def test_images_of_the_same_kind_are_left_in_peace(made: Made, predict: Predict, normalise: str) -> None:
    package = made(normalise)
    for n in (1, 3, 20):
        said, rows, _ = predict(package, pictures(n=n))
        assert said == []
        assert all("shift" not in row for row in rows)


def test_brightness_that_the_model_evens_out_is_a_note(made: Made, predict: Predict) -> None:
    said, _, _ = predict(made("image"), pictures(lambda a: (a * 0.4).astype(np.uint8)))
    assert said[0].startswith("note: 8 of 8")
    assert "darker" in said[0]
    assert said[-1].endswith(text("shift.evened"))


def test_pixels_of_another_size_are_counted(made: Made, predict: Predict) -> None:
    size = {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}  # 0.5 µm
    package = made("unit", **size)
    said, _, _ = predict(package, pictures(), **size)
    assert said == []
    said, rows, _ = predict(package, pictures(), resolution=(5000, 5000), resolutionunit="CENTIMETER")
    assert len(said) == 1
    assert "8 of 8" in said[0]
    assert "2 × 2 µm" in said[0]
    assert "0.5 × 0.5 µm" in said[0]
    assert {row["shift"] for row in rows} == {text("shift.word_spacing")}


def test_an_old_package_says_that_nothing_can_be_compared(made: Made, predict: Predict) -> None:
    package = replace(made("unit"), profile=None)
    said, _, found = predict(package, pictures(lambda a: 255 - a))
    assert len(said) == 1
    assert said[0].endswith(text("shift.no_profile"))
    assert len(found) == NEW
    with pytest.raises(RequestError, match=re.escape("data.range")):
        predict(package, pictures(), pairs=("data.range=[0,1]",))


def test_every_finding_has_a_sentence() -> None:
    values = {"count": 1, "n": 2, "found": "1", "low": "2", "high": "3"}
    for measure in MEASURES:
        for way in ("more", "less"):
            assert text(f"shift.{measure.name}_{way}", **values)
            assert text(f"shift.word_{measure.kind}_{way}")
    assert len(LANGUAGES) == 2


def test_pixels_of_another_size_are_counted_for_a_model_without_a_profile_too(made: Made, predict: Predict) -> None:
    package = replace(made("unit"), profile=None, spacing=(0.5, 0.5))
    said, rows, _ = predict(package, pictures(), resolution=(50000, 50000), resolutionunit="CENTIMETER")
    assert ["0.2 × 0.2 µm" in line and "8 of 8" in line for line in said] == [False, True]
    assert {row["shift"] for row in rows} == {text("shift.word_spacing")}


def test_half_as_large_again_is_another_size_along_any_axis() -> None:
    finest, coarsest = (0.5, 0.5), (1.0, 1.0)
    sizes = [(0.5, 1.0), (0.34, 0.34), (0.33, 0.5), (1.5, 1.5), (1.0, 1.51), None, (9.0, 1.0, 1.0)]
    problems, far = spacing_shift(sizes, finest, coarsest)
    assert far == [False, False, True, False, True, False, False]
    (problem,) = problems
    assert (problem.code, problem.severity) == ("shift.spacing", "warning")
    assert (problem.values["count"], problem.values["n"]) == (2, 7)
    assert spacing_shift(sizes, None, None) == ([], [False] * 7)
    assert spacing_shift(sizes[:2], finest, coarsest) == ([], [False] * 2)

"""What the page about a segmenter shows and says: masks, contours, slices, remarks."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from page_blocks import every, paragraphs

from lamelle import verbs
from lamelle.data.store import Store
from lamelle.io.writers import write_labels
from lamelle.messages import text
from lamelle.pictures import encode
from lamelle.reports import cases, remarks
from lamelle.reports.blocks import Box
from lamelle.reports.page import write_report
from lamelle.results.pictures import ErrorPattern
from lamelle.results.scores import Item
from lamelle.runs import scored_images
from lamelle.runs.bundle import RunBundle, open_bundle
from lamelle.runs.folder import RunFolder
from lamelle.runs.saved_plan import open_plan
from lamelle.runs.scored_images import ScoredImages
from lamelle.runs.scored_pictures import save_scored_pictures
from lamelle.specimens.write import write_demo

QUICK = ("epochs=1", "filters=[4,8]", "threads=1", "train.precision=32", "evaluate.resamples=100", "train.seed=0")
VALUES = {
    **dict.fromkeys(("share", "all", "wrong", "small", "large", "labelled", "worst", "mean", "ratio"), 0.5),
    **dict.fromkeys(("pixels", "n", "images", "cases", "n_small", "n_large", "below", "above", "distance"), 12),
    **{"median": 7.4, "true_median": 99.0, "name": "cell", "volume": "v.tif", "slices": [3, 5], "part": "rows_top"},
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", budget=1 << 30)


@pytest.fixture
def copied(segment_run: RunFolder, tmp_path: Path) -> RunFolder:
    shutil.copytree(segment_run.path, tmp_path / "run")
    return RunFolder(tmp_path / "run")


@pytest.fixture(scope="module")
def volume_run(segment_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run on volumes of several classes."""
    folder = write_demo("em-organelles", tmp_path_factory.mktemp("volumes") / "em", seed=0, count=6, size=64)
    runs = tmp_path_factory.mktemp("runs")
    return verbs.train(folder, overrides=["samples=2", "batch=2", *QUICK], runs=runs).folder


def section(page: str, name: str) -> str:
    return re.findall(rf'<section id="{name}">.*?</section>', page, re.DOTALL)[0]


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("kind", sorted(remarks._SHOWN))
def test_every_remark_has_its_words_and_its_numbers(kind: str, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    pattern = ErrorPattern(kind="merges" if kind == "touching" else kind, values=VALUES)
    (said,) = remarks.remarks([pattern], touching=kind == "touching")
    assert said.look == f"remark-{kind}"
    shown = [remarks._shown(name, VALUES[name]) for name in remarks._SHOWN[kind]]
    words = " ".join([said.title, *said.lines])
    assert all(value in words for value in shown)
    assert "{" not in words


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_part_of_an_image_has_a_name(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    rows, columns = ("top", "middle", "bottom"), ("left", "centre", "right")
    parts = (
        [f"rows_{r}" for r in rows] + [f"columns_{c}" for c in columns] + [f"{r}_{c}" for r in rows for c in columns]
    )
    assert len({text(f"report.part_{part}") for part in parts}) == 15


def predict(run: RunFolder, store: Store, how: str) -> RunBundle:
    """Put made predictions in the place of those of a run."""
    plan = open_plan(run)
    images = ScoredImages(run, plan, store)
    run.forget(run.predictions)
    stacks: dict[Path, list[np.ndarray]] = {}
    for record in sorted(plan.of("test"), key=lambda r: r.image.index or 0):
        target = plan.task.targets.window(plan.task.targets.read(record, store), None, None)
        labels = {"right": target, "moved": np.roll(target, 2, axis=-1), "none": np.zeros_like(target)}[how]
        found = images.predicted[record.id]
        stacks.setdefault(found.folder / found.row["file"], []).append(labels.astype(np.uint8))
    for path, planes in stacks.items():
        write_labels(path, np.stack(planes) if len(planes) > 1 else planes[0], spacing=None)
    run.seal(*stacks)
    save_scored_pictures(run, plan, run.read_scores().items, store)
    return open_bundle(run)


def test_remarks_come_from_the_predictions_on_disk(copied: RunFolder, store: Store) -> None:
    kinds = {}
    for how in ("right", "none"):
        blocks = remarks.draw(predict(copied, store, how))
        kinds[how] = {box.look.removeprefix("remark-") for box in every(blocks, Box)}
        assert str(len(json.loads(copied.scores.read_text())["items"])) in paragraphs(blocks)
    assert kinds["right"] == set()
    assert "never" in kinds["none"]
    page = write_report(copied).read_text()
    assert "is never predicted." in section(page, "remarks")


def test_a_page_says_so_where_nothing_is_wrong(copied: RunFolder, store: Store) -> None:
    predict(copied, store, "right")
    page = write_report(copied).read_text()
    assert text("report.remarks_none") in section(page, "remarks")
    assert "Wrong pixels 0 %" in section(page, "slices")


def test_a_sample_is_bounded(copied: RunFolder, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = open_plan(copied)
    images, ids = ScoredImages(copied, plan, store), [r.id for r in plan.of("test")]
    every = list(images.sample(ids))
    assert len(every) == len(ids)
    monkeypatch.setattr(scored_images, "MAX_PIXELS", every[0].target.size)
    assert len(list(images.sample(ids))) == 1
    monkeypatch.setattr(scored_images, "MAX_PIXELS", 10)
    save_scored_pictures(copied, plan, copied.read_scores().items, store)
    assert remarks.draw(open_bundle(copied)) == []


def test_of_a_large_volume_the_middle_is_looked_at(volume_run: RunFolder, store: Store) -> None:
    plan = open_plan(volume_run)
    images, record = ScoredImages(volume_run, plan, store), plan.of("test")[0]
    whole = images.read(record)
    assert whole is not None
    part = images.read(record, most=3 * whole.target[0].size)
    assert part is not None
    middle = (len(whole.target) - 3) // 2
    np.testing.assert_array_equal(part.target, whole.target[middle : middle + 3])
    np.testing.assert_array_equal(part.labels, whole.labels[middle : middle + 3])


@pytest.mark.parametrize("kind", ["segment_run", "volume_run"])
def test_slices_can_be_looked_through_without_a_program(kind: str, request: pytest.FixtureRequest) -> None:
    run: RunFolder = request.getfixturevalue(kind)
    page = run.report.read_text()
    slices = section(page, "slices")
    names = re.findall(r'<input type="radio" name="(\S+)" id="(\S+)"', slices)
    assert len(names) >= 2
    assert len({of for _, of in names}) == len(names) == slices.count('<div class="case large">')
    assert slices.count(" checked>") == len({group for group, _ in names}) == slices.count("<fieldset")
    assert [f'for="{of}"' in slices for _, of in names] == [True] * len(names)
    assert slices.count("<img") == 5 * len(names)
    assert ".browser input:nth-of-type(12):checked ~ .slides > :nth-child(12)" in page
    assert len(page) < 15_000_000


def test_classes_of_a_volume_have_their_colours_and_worst_cases_their_numbers(volume_run: RunFolder) -> None:
    page = volume_run.report.read_text()
    assert section(page, "data").count("<img") == 2 * 6
    cases = section(page, "cases")
    assert "object, but of another class" in cases
    classes = json.loads(volume_run.scores.read_text())["classes"]
    assert all(f">{name}</li>" in cases for name in classes)
    assert all(f"Dice ({name})" in cases for name in classes[1:])
    assert "Predicted area / true area" in cases


def test_masks_stand_before_the_scores(segment_run: RunFolder) -> None:
    page = segment_run.report.read_text()
    data = section(page, "data")
    assert page.index(data) < page.index('id="scores"')
    assert [data.index(f'<h4 class="of">{split}') for split in ("training", "validation", "test")] == sorted(
        data.index(f'<h4 class="of">{split}') for split in ("training", "validation", "test")
    )
    assert data.count('alt="Image of') == data.count('alt="Mask of') > 0


def test_contours_of_truth_and_prediction_have_colours_of_their_own() -> None:
    picture = np.zeros((3, 40, 40), np.uint8)
    truth, said = np.zeros((2, 40, 40), np.int64)
    truth[5:20, 5:20], said[5:30, 5:20] = 1, 1
    drawn = encode.contours(picture, truth, said)
    times = drawn.shape[1] // 40
    assert drawn.shape == (3, 40 * times, 40 * times)
    assert times > 1
    at = {name: drawn[:, y * times, x * times] for name, (y, x) in {"both": (8, 5), "prediction": (25, 5)}.items()}
    at["truth"] = drawn[:, 20 * times - 1, 10 * times]
    for name, colour in at.items():
        assert tuple(colour.tolist()) == encode.CONTOURS[name]
    assert drawn[:, 10 * times, 10 * times].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("items", "name"),
    [
        ([Item(id="a", scores={"dice/no": 0.9, "dice/yes": 0.5}, quality=0.5)], "dice"),
        ([Item(id="a", scores={"dice/x": 0.9, "dice/y": 0.5}, quality=0.7)], "dice"),
        ([Item(id=i, scores={"ap50": a, "ap": q}, quality=q) for i, a, q in (("a", 1.0, 1.0), ("b", 0.8, 0.6))], "ap"),
        ([], "dice"),
    ],
)
def test_cases_are_headed_by_the_score_that_they_are_ranked_by(items: list[Item], name: str) -> None:
    assert cases.ranked_by(items) == name


def test_numbered_predictions_are_compared_as_classes_and_as_objects(segment_run: RunFolder, store: Store) -> None:
    images = ScoredImages(segment_run, open_plan(segment_run), store)
    numbers = np.array([[1, 1, 0, 2, -1]])
    target, said, true, found = images._numbered(numbers, np.array([[3, 0, 0, 3, 3]]), numbers)
    assert (target.tolist(), said.tolist()) == ([[1, 1, 0, 1, -1]], [[1, 0, 0, 1, 1]])
    assert true is numbers
    assert found is not None
    assert found.tolist() == [[3, 0, 0, 3, 3]]
    target, said, true, found = images._numbered(np.array([[0, 1]]), np.array([[1, 1]]), numbers)
    assert (true, found) == (None, None)

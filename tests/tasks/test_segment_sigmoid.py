"""Classes that do not exclude each other: a sigmoid, a loss and a threshold for each, one class said for each pixel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import made_tasks
import numpy as np
import pytest
import torch
from made_tasks import fit
from scipy.special import expit, logit
from sklearn import metrics
from support import Quiet

from lamelle import verbs
from lamelle.data.targets.values import ValueMap
from lamelle.errors import RequestError
from lamelle.io.images import read
from lamelle.losses.borders import border_maps
from lamelle.losses.table import LOSSES
from lamelle.prediction.package import load
from lamelle.results.scores import Reliability
from lamelle.tasks.segment import Segment
from lamelle.tasks.threshold_search import FittedPixels
from lamelle.tasks.thresholds import pixel_classes
from lamelle.types import IGNORE, LabelMap

UNWEIGHTED = {name for name, row in LOSSES.items() if not row.weighs}
NAMES = ("background", "cell", "wall")
Items = list[tuple[np.ndarray, np.ndarray]]


def segment(**options: Any) -> Segment:
    values = ValueMap(NAMES, {0: 0, 1: 1, 2: 2})
    return made_tasks.segment(values, **{"exclusive": False} | options)


def images(n: int = 4, sure: float = 1.0) -> Items:
    """Cells that are bright, walls that are faint, and pixels of both that look like the background."""
    rng, items = np.random.default_rng(0), []
    for _ in range(n):
        truth = rng.choice(3, (32, 32), p=(0.7, 0.2, 0.1))
        centres = np.array([[-1.0, 1.5, -0.5], [-3.0, -2.5, -1.0]])[:, truth]
        p = expit(sure * (centres + rng.normal(0, 0.8, centres.shape))).astype(np.float32)
        truth[rng.random(truth.shape) < 0.1] = IGNORE
        items.append((p, truth))
    return items


def fitted(task: Segment, items: Items) -> FittedPixels:
    return fit(task, items)[0]


def f1(items: Items, c: int, t: float) -> float:
    seen = np.concatenate([truth.ravel() for _, truth in items])
    p = np.concatenate([p[c - 1].ravel() for p, _ in items])[seen != IGNORE]
    return float(metrics.f1_score(seen[seen != IGNORE] == c, p >= t))


def test_each_class_gets_the_threshold_that_is_best_for_it() -> None:
    items, grid = images(), np.linspace(0.02, 0.98, 49)
    (found, tried), mean = fit(segment(), items), fitted(segment(threshold_by="image"), items)
    assert found.thresholds
    assert mean.thresholds
    assert list(found.thresholds) == ["cell", "wall"]
    for c, name in ((1, "cell"), (2, "wall")):
        t, curve = found.thresholds[name], tried[f"threshold/{name}"]
        assert f1(items, c, t) >= max(f1(items, c, x) for x in grid) - 1e-9
        assert curve.scores["f1"][30] == pytest.approx(f1(items, c, 0.3))
        by_image = [np.mean([f1([one], c, x) for one in items]) for x in grid]
        assert np.mean([f1([one], c, mean.thresholds[name]) for one in items]) >= max(by_image) - 1e-9
        assert curve.scores["image_dice"][30] == pytest.approx(np.mean([f1([i], c, 0.3) for i in items]))
    assert found.thresholds["wall"] < 0.3 < found.thresholds["cell"]
    assert found.threshold is None
    assert fitted(segment(threshold=0.6), items).thresholds == {"cell": 0.6, "wall": 0.6}
    absent = [(p, np.where(truth == 2, 0, truth)) for p, truth in items]
    lacking = fitted(segment(), absent).thresholds
    assert lacking
    assert lacking["wall"] == 0.5, "what validation lacks is cut at one half"


def test_a_pixel_takes_the_class_that_exceeds_its_threshold_most() -> None:
    p = np.random.default_rng(1).random((3, 40, 40)).astype(np.float32)
    thresholds = [0.3, 0.6, 0.8]
    beyond = logit(p.astype(np.float64)) - logit(thresholds)[:, None, None]
    expected = np.where(beyond.max(0) >= 0, beyond.argmax(0) + 1, 0)
    np.testing.assert_array_equal(pixel_classes(p, thresholds), expected)
    assert set(np.unique(expected)) == {0, 1, 2, 3}
    assert pixel_classes(np.array([[[1.0]], [[1.0]]]), [0.6, 0.5]).item() == 2, "both are sure: the lower threshold"
    task = segment()
    answer = task.decode(p[:2], FittedPixels(thresholds={"cell": 0.3, "wall": 0.6}), None)
    assert isinstance(answer, LabelMap)
    np.testing.assert_array_equal(answer.labels, pixel_classes(p[:2], thresholds[:2]))
    plain = task.quick_row(p[:2], expected.clip(0, 2))
    said = pixel_classes(p[:2], [0.5, 0.5])
    assert list(plain) == ["confusion"]
    np.testing.assert_array_equal(
        plain["confusion"], metrics.confusion_matrix(expected.clip(0, 2).ravel(), said.ravel())
    )


def test_of_two_classes_nothing_changes() -> None:
    p, truth = images(1)[0]
    truth = np.minimum(truth, 1)
    values = ValueMap(NAMES[:2], {0: 0, 1: 1})
    one, other = (made_tasks.segment(values, loss="bce", exclusive=e) for e in (False, True))
    assert fitted(one, [(p[:1], truth)]) == fitted(other, [(p[:1], truth)])
    assert str(one.row(p[:1], truth, FittedPixels(threshold=0.4))) == str(
        other.row(p[:1], truth, FittedPixels(threshold=0.4))
    )
    assert (one.outputs, segment().outputs, segment(exclusive=True).outputs) == (1, 2, 3)


@pytest.mark.parametrize("weights", [None, (0.5, 2.0, 3.0)])
@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_the_loss_is_the_mean_of_those_of_each_class(loss: str, weights: tuple[float, ...] | None) -> None:
    if weights and loss in UNWEIGHTED:
        with pytest.raises(RequestError, match=f"{loss} of two classes, or of each class by itself"):
            segment(loss=loss, weights=weights)
        return
    output = torch.randn(2, 2, 16, 16, generator=torch.manual_seed(0), requires_grad=True)
    target = torch.from_numpy(np.kron(np.random.default_rng(0).integers(-1, 3, (2, 4, 4)), np.ones((4, 4), int)))
    found = segment(loss=loss, weights=weights).loss(output, target)
    (slope,) = torch.autograd.grad(found, output)
    assert not slope.movedim(1, 0)[:, target == IGNORE].any()
    assert slope.movedim(1, 0)[:, target != IGNORE].abs().sum() > 0
    each = []
    for c in (1, 2):
        truth = torch.where(target == IGNORE, IGNORE, (target == c).long())
        pair = None if weights is None else torch.tensor((weights[0], weights[c]))
        extra = {"maps": border_maps(target)} if loss == "boundary_ce" else {}
        each.append(LOSSES[loss]().alone()(output[:, c - 1 : c], truth, weights=pair, **extra))
    assert found.item() == pytest.approx(torch.stack(each).mean().item(), rel=1e-6)
    again = segment(loss=loss, weights=weights).validation_loss(torch.sigmoid(output.detach()), target)
    assert again.item() == pytest.approx(found.item(), rel=1e-4)


def test_one_temperature_mends_all_classes_and_changes_nothing_that_is_said() -> None:
    items, test = images(8, sure=3.0), images(9, sure=3.0)[8:]
    before, after = segment(), segment(calibrate=True)
    plain, found = fitted(before, items), fitted(after, items)
    assert found.temperature is not None
    assert found.temperature > 1.5
    p, truth = test[0]
    one, other = before.decode(p, plain, None), after.decode(p, found, None)
    assert isinstance(one, LabelMap)
    assert isinstance(other, LabelMap)
    np.testing.assert_array_equal(one.labels, other.labels)
    assert set(np.unique(one.labels)) == {0, 1, 2}
    assert other.probabilities is not None
    np.testing.assert_allclose(other.probabilities, expit(logit(p) / found.temperature), atol=1e-4)
    seen = truth != IGNORE
    hot, said = np.stack([truth[seen] == c for c in (1, 2)], 1), other.probabilities[:, seen].T
    scores = after.summarise(after.table([after.row(p, truth, found)]), np.ones((1, 1)))
    assert scores["log_loss"][0] == pytest.approx(
        np.mean([metrics.log_loss(h, s) for h, s in zip(hot.T, said.T, strict=True)])
    )
    assert scores["brier"][0] == pytest.approx(np.square(hot - said).mean())
    assert scores["log_loss"] < scores["log_loss_uncalibrated"]


def test_cleaning_is_searched_on_what_the_thresholds_say() -> None:
    truth = np.zeros((24, 24), np.int64)
    truth[2:10, 2:10], truth[14:22, 14:22] = 1, 2
    p = np.stack([np.where(truth == 1, 0.9, 0.1), np.where(truth == 2, 0.3, 0.05)]).astype(np.float32)
    p[1, 4, 20] = p[0, 20, 4] = 0.9
    for calibrate in (False, True):
        task = segment(min_size="auto", calibrate=calibrate)
        found = fitted(task, [(p, truth)])
        assert found.min_size == 2
        answer = task.decode(p, found, None)
        assert isinstance(answer, LabelMap)
        np.testing.assert_array_equal(answer.labels, truth)


def test_cells_are_where_no_class_is_said() -> None:
    truth = np.zeros((24, 24), np.int64)
    truth[:, 11:13] = 1
    p = np.stack([np.where(truth == 1, 0.9, 0.1), np.full(truth.shape, 0.1)]).astype(np.float32)
    softmax = np.stack([1.1 - p.sum(0), *(p - 0.05)])
    for task, said in ((segment(also=["cells"]), p), (segment(also=["cells"], exclusive=True), softmax)):
        scores = task.summarise(task.table([task.row(said, truth)]), np.ones((1, 1)))
        assert scores["v_rand"][0] == pytest.approx(1)


def test_from_a_stack_to_a_report_and_back_from_the_package(tmp_path: Path) -> None:
    data = verbs.demo("em-organelles", tmp_path / "data", seed=3, count=4, size=64).path
    small = (
        "exclusive=false",
        "filters=[4,8,8]",
        "patch=32",
        "epochs=2",
        "train.samples=4",
        "train.batch=2",
        "threads=1",
    )
    quick = ("workers=0", "precision=32", "evaluate.resamples=100", "min_size=auto")
    run = verbs.train(
        data, recipe="em-organelles", overrides=(*small, *quick), runs=tmp_path / "runs", progress=Quiet()
    )
    scores = run.scores
    classes = list(scores.classes)
    thresholds = scores.fitted["thresholds"]
    assert isinstance(thresholds, dict)
    assert list(thresholds) == classes[1:]
    reliability = scores.figure(Reliability)
    assert reliability is not None
    assert not reliability.exclusive
    assert {f"dice/{c}" for c in classes} | {"dice", "hd95", "hd95_um", "ece", "log_loss_uncalibrated"} <= {
        *scores.scores
    }
    page = run.folder.report.read_text(encoding="utf-8")
    assert "furthest above this" in page
    assert "one for each pixel and class" in page
    one = next((data).rglob("images/*.tif"), None) or next(data.rglob("*.tif"))
    run.predict(one, out=tmp_path / "out", probabilities=True, overlays=True)
    (file,) = (tmp_path / "out" / "probabilities").rglob("*.tif")
    assert read(file).array.shape[0] == len(classes) - 1
    package = load(run.path)
    assert package.task.describe().options["exclusive"] is False
    assert isinstance(package.fitted, FittedPixels)
    assert package.fitted.thresholds == pytest.approx(thresholds)

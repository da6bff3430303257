"""A task is added by one file with one row: boxes around discs, learnt from a YOLO folder; nothing else is touched."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pytest
from PIL import Image
from pydantic import Field
from support import Quiet

from lamelle import verbs
from lamelle.data.targets.box_view import BoxView
from lamelle.data.targets.boxes import unstacked
from lamelle.data.targets.values import ValueMap
from lamelle.data.targets.views import AnyView
from lamelle.errors import RequestError
from lamelle.metrics.metric import Metric, Statistic
from lamelle.metrics.statistics import STATISTICS
from lamelle.metrics.table import METRICS
from lamelle.prediction import package
from lamelle.results.fitted import Fitted
from lamelle.results.items import ItemStats
from lamelle.results.scores import Item
from lamelle.runs import recipe
from lamelle.tasks.base import Keys, Task, TaskOptions
from lamelle.tasks.data_facts import TaskData
from lamelle.tasks.settled import Settled
from lamelle.tasks.table import TASKS
from lamelle.types import Boxes, Spacing

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 32.0
"""Pixels that a size of 1 stands for."""

# ---- the file: tasks/discs.py


class SettledBoxes(Settled):
    numbers: tuple[int, ...]
    """Of the classes but the background, in the files."""


@dataclass(frozen=True)
class BoxPair:
    """True and predicted boxes of one image."""

    truth: Boxes
    predicted: Boxes

    def counted(self) -> np.ndarray:
        """Found, wrong and missed: a box is found if the middle of a predicted one lies in it."""
        middles = self.predicted.corners.mean(1)
        inside = [((c[0] <= middles) & (middles <= c[1])).all(1).any() for c in self.truth.corners]
        found = int(np.sum(inside))
        return np.array([found, max(0, len(middles) - found), len(inside) - found], float)


class Discs(Task):
    """Boxes around bright discs."""

    class Options(TaskOptions):
        """Boxes around bright discs."""

        name: Literal["discs"] = "discs"
        heat: float = Field(default=0.5, gt=0, lt=1, description="least heat of the middle of a box")

    name: ClassVar[str] = "discs"
    view: ClassVar[type[AnyView]] = BoxView
    answer = Boxes
    monitor: ClassVar[str] = "box_f1"
    Settled = SettledBoxes
    statistics = ("box_matches",)
    headline = ("box_f1",)
    outputs = 3

    @property
    def targets(self) -> BoxView:
        mapping = {0: 0, **{number: k for k, number in enumerate(self.settled.numbers, 1)}}
        return BoxView(ValueMap(self.classes, mapping, ()), objects=False)

    @classmethod
    def plan(cls, facts: Any) -> Keys:
        return {"model.kind": "unet", "model.filters": [8, 16], "data.channels": 1, "train.lr": 0.01}

    @classmethod
    def settle(cls, options: Any, data: TaskData) -> Discs:
        return cls(options, SettledBoxes(classes=("background", "disc"), numbers=(1,)))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits as bce

        wanted = torch.zeros_like(output)
        for maps, boxes in zip(wanted, unstacked(target, tuple(output.shape[2:])), strict=True):
            for (y0, x0), (y1, x1) in boxes.corners.tolist():
                y, x, h, w = (y0 + y1) / 2, (x0 + x1) / 2, y1 - y0, x1 - x0
                part = (slice(int(y - h / 4), int(y + h / 4) + 1), slice(int(x - w / 4), int(x + w / 4) + 1))
                maps[:, part[0], part[1]] = torch.tensor([1.0, h / SIDE, w / SIDE]).to(maps)[:, None, None]
        sizes = (output[:, 1:].sigmoid() - wanted[:, 1:]).abs() * wanted[:, :1]
        weight = torch.tensor(5.0).to(output)
        return bce(output[:, :1].float(), wanted[:, :1].float(), pos_weight=weight) + 10 * sizes.float().mean()

    def activate(self, output: Tensor) -> Tensor:
        return output.float().sigmoid()

    def decode(self, probabilities: np.ndarray, fitted: Fitted, spacing: Spacing | None) -> Boxes:
        from scipy.ndimage import label, mean

        parts, count = label(probabilities[0] >= self.options.heat)
        numbers = np.arange(1, count + 1)
        places = np.indices(parts.shape)
        middle = np.array([mean(axis, parts, numbers) for axis in places]).reshape(2, count).T + 0.5
        sides = SIDE * np.array([mean(p, parts, numbers) for p in probabilities[1:]]).reshape(2, count).T
        corners = np.stack([middle - sides / 2, middle + sides / 2], axis=1).astype(np.float32)
        scores = np.asarray(mean(probabilities[0], parts, numbers), np.float32).reshape(count)
        return Boxes(corners, np.ones(count, np.int64), parts.shape, scores)

    def pair(self, probabilities: np.ndarray, target: Boxes, fitted: Fitted, spacing: Any) -> BoxPair:
        return BoxPair(target, self.decode(probabilities, fitted, spacing))

    def item(self, stats: ItemStats) -> Item:
        found, wrong, missed = np.asarray(stats.values["box_matches"]).tolist()
        scores = {"found": found, "wrong": wrong, "missed": missed}
        return Item(id=stats.id, group=stats.group, quality=found / max(1, found + wrong + missed), scores=scores)


STATISTIC = Statistic("box_matches", of=("boxes",), measure=lambda pair: pair.counted())
METRIC = Metric(
    "box_f1", of="box_matches", views=("boxes",), quick=True, label="F1 of boxes",
    value=lambda n: np.divide(2 * n[..., 0], 2 * n[..., 0] + n[..., 1] + n[..., 2]),
    about="Found boxes twice, over all true and all predicted ones.",
)  # fmt: skip

# ---- what follows from it


def folder(root: Path) -> Path:
    """Bright discs on grey, with YOLO boxes around them."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 24), ("val", 8), ("test", 8)):
        for kind in ("images", "labels"):
            (root / kind / split).mkdir(parents=True)
        for i in range(count):
            image, lines = rng.normal(60, 8, (48, 48)), []
            y, x = np.mgrid[:48, :48]
            for middle in ((12, 12), (12, 36), (36, 24))[: 1 + i % 3]:
                cy, cx = np.array(middle) + rng.integers(-3, 4, 2)
                r = rng.integers(4, 8)
                image[(y - cy) ** 2 + (x - cx) ** 2 <= r * r] += 120
                side = (2 * r + 1) / 48
                lines.append(f"0 {(cx + 0.5) / 48:.5f} {(cy + 0.5) / 48:.5f} {side:.5f} {side:.5f}")
            name = f"{split}{i:02d}"
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(root / "images" / split / f"{name}.png")
            (root / "labels" / split / f"{name}.txt").write_text("\n".join(lines) + "\n")
    (root / "data.yaml").write_text("nc: 1\nnames: [disc]\n")
    return root


SMALL = ("patch=48", "epochs=12", "batch=4", "threads=1", "workers=0", "precision=32", "resamples=100", "samples=24")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Any]]:
    root = tmp_path_factory.mktemp("toy")
    with ExitStack() as stack:
        for table, row in ((STATISTICS, STATISTIC), (METRICS, METRIC), (TASKS, Discs)):
            stack.enter_context(table.added(row))  # type: ignore[attr-defined]
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("LAMELLE_HOME", str(root / "home"))
        patch.setenv("LAMELLE_LANG", "en")
        data = folder(root / "discs")
        run = verbs.train(data, overrides=list(SMALL), runs=root / "runs", name="toy", progress=Quiet())
        yield data, run.folder


def test_it_is_the_task_of_such_a_folder_and_learns(made: tuple[Path, Any]) -> None:
    _, run = made
    scores = run.read_scores()
    assert (scores.task, scores.split, scores.headline) == ("discs", "test", ("box_f1",))
    assert scores.scores["box_f1"].value > 0.6
    assert [item.id for item in scores.items if item.scores["missed"] is not None]


def test_the_page_names_its_score(made: tuple[Path, Any]) -> None:
    assert "F1 of boxes" in made[1].report.read_text(encoding="utf-8")


def test_its_package_predicts_boxes_into_files(made: tuple[Path, Any], tmp_path: Path) -> None:
    data, run = made
    found = package.load(run.path)
    assert isinstance(found.task, Discs)
    verbs.predict(run.path, [data / "images" / "test"], out=tmp_path / "out", overlays=True)
    with (tmp_path / "out" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    with (tmp_path / "out" / "boxes.csv").open() as file:
        boxes = list(csv.DictReader(file))
    assert len(rows) == 8
    assert sum(int(row["predicted_boxes"]) for row in rows) == len(boxes) > 0
    assert {"image", "class", "score", "start_y", "start_x", "stop_y", "stop_x"} == set(boxes[0])
    assert all(float(b["stop_y"]) > float(b["start_y"]) and b["class"] == "disc" for b in boxes)
    assert len(list((tmp_path / "out" / "overlays").rglob("*.png"))) == 8


def test_its_keys_are_listed_and_checked(made: tuple[Path, Any]) -> None:
    assert "task.heat" in recipe.known_keys()
    assert recipe.validate({"task": {"name": "discs", "heat": 0.7}}).task.heat == 0.7
    with pytest.raises(RequestError, match=r"task\.heat"):
        recipe.validate({"task": {"name": "discs", "heat": 7}})


def test_maps_of_boxes_are_refused_with_a_reason(made: tuple[Path, Any], tmp_path: Path) -> None:
    pytest.importorskip("captum")
    with pytest.raises(RequestError, match="answers with boxes"):
        verbs.explain(made[1].path, sorted((made[0] / "images" / "test").iterdir())[:1], out=tmp_path / "why")

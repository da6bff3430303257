"""What nobody asked for follows from the data, and a test that would flatter is refused."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from lamelle import verbs
from lamelle.data import split
from lamelle.data.changed_files import Changes
from lamelle.data.store import Store
from lamelle.errors import DataError, RequestError
from lamelle.models.options import UNetOptions
from lamelle.models.pretrained import encoder_of
from lamelle.runs import layers
from lamelle.runs import plan as plans
from lamelle.runs.folder import RunFolder
from lamelle.runs.plan import Plan
from lamelle.runs.saved_plan import data_changes, open_plan, save_plan
from lamelle.runs.train import describe


def pixels(seed: int, size: tuple[int, int] = (40, 48)) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (10, 10)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((size[1], size[0]), Image.Resampling.BICUBIC))


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """24 images of two classes; six patients with four images each."""
    root = tmp_path / "table"
    rows = [["image", "label", "taken by", "split"]]
    for i in range(24):
        save(root / "images" / f"{i}.png", pixels(i))
        rows.append([f"{i}.png", "ab"[i % 2], f"p{i // 4}", ("train", "train", "val", "test")[i % 4]])
    with (root / "labels.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows(rows)
    return root


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    root = tmp_path / "pairs"
    for i in range(12):
        save(root / "images" / f"{i}.png", pixels(i))
        save(root / "masks" / f"{i}.png", (pixels(i) // 86 * 10).astype(np.uint8))
    return root


def make(data: Path, *overrides: str, **asked: Any) -> Plan:
    values = layers.merge(layers.parse_overrides(overrides), asked)
    return plans.make_plan(data, values, verbs.open_store(), accelerator=False)


def splits_of(plan: Plan, key: str) -> dict[str, set[str | None]]:
    found: dict[str, set[str | None]] = {}
    for r in plan.records:
        found.setdefault(r.columns.get(key, ""), set()).add(r.split)
    return found


def test_label_values_with_gaps_are_an_error_that_suggests_the_map(pairs: Path) -> None:
    with pytest.raises(DataError, match=r"data\.labels=\{0: 0, 10: 1, 20: 2\}"):
        make(pairs)
    plan = make(pairs, "labels={0: 0, 10: 1, 20: 1}", "classes=[outside, inside]")
    assert plan.task.classes == ("outside", "inside")
    assert plan.task.targets.window(np.array([0, 10, 20]), None, None).tolist() == [0, 1, 1]
    plan = make(pairs, "labels={0: 0, 10: 1}", "ignore=[20]")
    assert plan.task.targets.window(np.array([0, 10, 20]), None, None).tolist() == [0, 1, -1]
    with pytest.raises(DataError, match="20"):
        make(pairs, "labels={0: 0, 10: 1}")


def test_a_split_that_lacks_a_class_is_said_before_the_training(pairs: Path) -> None:
    labels = "labels={0: 0, 10: 1, 20: 1}"
    assert [p.code for p in make(pairs, labels).problems if "absent" in p.code] == []
    chosen = [r for r in make(pairs, labels).records if r.split == "validation"]
    for record in chosen:
        save(pairs / "masks" / record.image.path.name, np.zeros((40, 48), np.uint8))
    problems = [p for p in make(pairs, labels).problems if "absent" in p.code]
    assert [(p.code, p.values["classes"]) for p in problems] == [("plan.absent_validation", "foreground")]


def test_values_can_be_declared_to_count_objects(pairs: Path) -> None:
    plan = make(pairs, "data.label_values=objects")
    assert plan.task.classes == ("background", "foreground")
    assert plan.task.targets.window(np.array([0, 10, 20]), None, None).tolist() == [0, 1, 1]


def test_what_nobody_asked_for_is_planned_and_what_was_asked_for_is_kept(pairs: Path) -> None:
    plan = make(pairs, "data.label_values=objects", "lr=0.5", "patch=16")
    assert plan.recipe.train.lr == 0.5
    assert plan.recipe.train.patch == (16, 16)
    assert not {"train.lr", "train.patch"} & set(plan.planned)
    assert plan.recipe.train.batch == plan.planned["train.batch"]
    assert {s: len(plan.of(s)) for s in ("train", "validation", "test")} == {"train": 8, "validation": 2, "test": 2}


def test_images_brought_to_one_size_are_trained_whole_and_once_an_epoch(pairs: Path) -> None:
    plan = make(pairs, "data.label_values=objects", "data.resize=[48, 64]")
    assert plan.recipe.train.patch is None
    assert plan.recipe.train.samples is None
    assert make(pairs, "data.label_values=objects").recipe.train.samples == 192


def test_a_group_column_keeps_patients_together(table: Path) -> None:
    without_split(table)
    plan = make(table, "data.group=taken by")
    assert plan.split_by == "group"
    assert all(len(found) == 1 for found in splits_of(plan, "taken by").values())


def without_split(table: Path) -> None:
    """Take the last column, the split, out of the table."""
    path = table / "labels.csv"
    rows = [line.rsplit(",", 1)[0] for line in path.read_text().splitlines()]
    path.write_text("\n".join(rows) + "\n")


def test_a_column_that_is_not_there_is_named_with_those_that_are(table: Path) -> None:
    with pytest.raises(RequestError, match=r"nix.*taken by"):
        make(table, "data.group=nix")


def test_a_group_in_two_given_splits_is_refused_unless_allowed(table: Path) -> None:
    with pytest.raises(DataError) as caught:
        make(table, "data.group=taken by")
    assert {p.code for p in caught.value.problems} == {"audit.group_in_splits", "plan.leakage_cure"}
    assert sum(p.code == "audit.group_in_splits" for p in caught.value.problems) == 6
    plan = make(table, "data.group=taken by", "data.allow_leakage=true")
    assert plan.split_by == "given"
    assert {p.severity for p in plan.problems if p.code == "audit.group_in_splits"} == {"warning"}
    assert sum(p.code == "audit.group_in_splits" for p in plan.problems) == 6, "recorded, not forgotten"


def test_the_same_pixels_in_two_splits_are_refused_unless_allowed(table: Path) -> None:
    save(table / "images" / "3.png", pixels(1))  # 1 trains, 3 tests; both are b
    with pytest.raises(DataError, match="same pixels"):
        make(table)
    assert any(p.code == "audit.pixels_in_splits" for p in make(table, "allow_leakage=true").problems)


def test_every_fold_tests_once_and_validates_on_another(table: Path) -> None:
    without_split(table)
    tested, known = list[str](), list[str]()
    for fold in range(4):
        plan = make(table, "folds=4", f"split.fold={fold}", "data.group=taken by")
        assert all(len(found) == 1 for found in splits_of(plan, "taken by").values())
        assert plan.of("train")
        assert plan.of("validation")
        tested += [r.id for r in plan.of("test")]
        known = [r.id for r in plan.records]
    assert sorted(tested) == sorted(known)


@pytest.mark.parametrize("overrides", [("folds=2", "split.fold=0"), ("folds=4", "split.fold=4")])
def test_folds_that_cannot_be_are_refused(table: Path, overrides: tuple[str, ...]) -> None:
    with pytest.raises(RequestError, match="3 folds or more"):
        make(table, *overrides)


def test_a_fold_without_folds_is_refused(table: Path) -> None:
    with pytest.raises(RequestError, match=r"split\.fold=7: there are no folds"):
        make(table, "split.fold=7")


def test_a_task_that_is_none_is_refused_with_those_that_are(table: Path) -> None:
    with pytest.raises(RequestError, match=r"'regress': there is none .* classify, segment, instances"):
        make(table, "task=regress")


def test_slices_of_many_volumes_stay_with_their_volume(tmp_path: Path) -> None:
    """Neighbouring slices are almost one image: in two splits they would flatter the test."""
    for i in range(6):
        volume = np.stack([pixels(100 * i + z // 4) for z in range(8)])
        for kind, array in (("images", volume), ("labels", (volume > 128).astype(np.uint8))):
            (tmp_path / kind).mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / kind / f"v{i}.tif", array, photometric="minisblack")
    plan = make(tmp_path, "dims=2")
    assert len(plan.records) == 48
    assert plan.split_by == "group"
    assert all(len(found) == 1 for found in splits_of(plan, "volume").values())


def test_one_stack_is_split_by_blocks_with_a_gap(tmp_path: Path) -> None:
    volume = np.stack([pixels(z) for z in range(20)])
    tifffile.imwrite(tmp_path / "train-volume.tif", volume, photometric="minisblack")
    tifffile.imwrite(tmp_path / "train-labels.tif", np.where(volume > 128, 255, 0).astype(np.uint8))
    plan = make(tmp_path)
    assert plan.split_by == "block"
    order = [r.split for r in sorted(plan.records, key=lambda r: r.position or 0)]
    used = [s for s in order if s != split.GAP]
    assert used == sorted(used, key=used.index), "each split is one block"
    assert order.count(split.GAP) == 2
    by_hand = make(tmp_path, "split.blocks={train: 0-9, validation: 11-13, test: 15-19}")
    assert [len(by_hand.of(s)) for s in ("train", "validation", "test")] == [10, 3, 5]
    for made, code in ((plan, "plan.gap"), (by_hand, "plan.gap_by_hand")):
        said = [p for p in made.audit.problems if p.code.startswith("plan.gap")]
        assert [(p.code, p.severity, p.values["n"], p.values["all"]) for p in said] == [(code, "note", 2, 20)]
        assert any("2 of 20 slices" in line for line in describe(made))
    assert not [p for p in make(tmp_path, "split.gap=0").audit.problems if p.code.startswith("plan.gap")]


def test_gaps_between_blocks_of_a_volume_are_said(tmp_path: Path) -> None:
    for k in range(2):
        volume = np.stack([pixels(30 * k + z) for z in range(24)])
        for name, content in (("images", volume), ("labels", np.where(volume > 128, 1, 0).astype(np.uint8))):
            (tmp_path / name).mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / name / f"v{k}.tif", content, photometric="minisblack")
    plan = make(tmp_path, "data.dims=3", "split.gap=2")
    (said,) = [p for p in plan.audit.problems if p.code == "plan.gap"]
    assert (said.values["n"], said.values["all"]) == (8, 48)


@pytest.mark.parametrize(("task", "kind"), [("classify", "unet"), ("classify", "timm-unet"), ("segment", "timm")])
def test_a_network_that_cannot_do_the_task_is_refused(table: Path, pairs: Path, task: str, kind: str) -> None:
    data, more = (table, ()) if task == "classify" else (pairs, ("data.label_values=objects",))
    with pytest.raises(RequestError, match=f"model.kind={kind}"):
        make(data, f"model.kind={kind}", *more)


def test_three_levels_in_three_dimensions_get_three_kernels(tmp_path: Path) -> None:
    for i in range(6):
        volume = np.stack([pixels(100 * i + z) for z in range(8)])
        for kind, array in (("images", volume), ("labels", (volume > 128).astype(np.uint8))):
            (tmp_path / kind).mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / kind / f"v{i}.tif", array, photometric="minisblack")
    plan = make(tmp_path, "filters=[2,4,8]")
    assert plan.audit.statistics.dims == 3
    assert isinstance(plan.recipe.model, UNetOptions)
    assert not isinstance(plan.recipe.model.kernel, int)
    assert len(plan.recipe.model.kernel) == 3


def test_a_plan_that_was_written_down_is_read_again(table: Path, tmp_path: Path) -> None:
    plan = make(table)
    run = RunFolder.create(tmp_path, "run")
    save_plan(run, plan)
    again = open_plan(run)
    assert again.recipe == plan.recipe
    assert again.split_by == plan.split_by
    assert [(r.id, r.split) for r in again.records] == [(r.id, r.split) for r in plan.records]
    assert again.task.describe() == plan.task.describe()
    assert again.records == plan.records
    assert again.contents == plan.contents
    assert again.naming == plan.naming
    store = Store(tmp_path / "store", budget=1 << 28)
    assert data_changes(run, again, store) == Changes()
    (table / "images" / "0.png").unlink()
    assert open_plan(run).records == plan.records, "the folder is not read for it"
    with pytest.raises(RequestError, match="no longer in the data"):
        data_changes(run, again, store)


def test_a_folder_that_is_not_there_is_a_wrong_request(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such file or folder"):
        make(tmp_path / "nothing")


def test_weights_name_their_encoder(tmp_path: Path) -> None:
    assert encoder_of("x/mobilenetv2_100.backbone.safetensors") == "mobilenetv2_100"
    with pytest.raises(RequestError, match=r"model\.name="):
        encoder_of("weights.safetensors")


@pytest.mark.parametrize(
    ("model", "normalise"),
    [
        ("resnet10t", "imagenet"),
        ("tf_efficientnet_em", "symmetric"),
        ("fastvit_mci0", "unit"),
    ],
)
def test_pretrained_weights_get_the_range_they_know(table: Path, pairs: Path, model: str, normalise: str) -> None:
    """Without them the pixels are taken as the data have them; another wish is warned of."""
    file, labels = str(table / "weights.safetensors"), "data.labels={0: 0, 10: 1, 20: 2}"
    for data, also, alone, kind in ((table, (), "dataset", "timm"), (pairs, (labels,), "image", "timm-unet")):
        for weights, wanted in ((file, normalise), (None, alone)):
            plan = make(data, *also, model={"kind": kind, "name": model, "weights": weights})
            assert plan.recipe.data.normalise == wanted
            assert not [p for p in plan.problems if p.code == "plan.input_range"]
        other = make(data, *also, "data.normalise=image", model={"kind": kind, "name": model, "weights": file})
        (problem,) = [p for p in other.problems if p.code == "plan.input_range"]
        assert (problem.values["given"], problem.values["expected"]) == ("image", normalise)

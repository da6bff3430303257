"""Every rule of the doctor: a run that it must find something in, and one like it that it must not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from made_runs import Maker, record, scored

from lamelle.doctor.facts import facts_of
from lamelle.doctor.finding import Finding
from lamelle.doctor.rules import RULES, findings
from lamelle.results.baseline import Baseline, EarlierModel, NormCheck
from lamelle.results.items import Failure
from lamelle.results.scores import Item
from lamelle.runs.baseline import renew_baseline
from lamelle.runs.bundle import open_bundle
from lamelle.runs.folder import RunFolder
from lamelle.runs.saved_plan import open_plan

N = 12
Curves = dict[str, Any]


def to(first: float, last: float, n: int = N, *, wobble: float = 0.0) -> list[float]:
    """A course that levels out, with a wobble from one epoch to the next."""
    course = last + (first - last) * np.exp(-8 * np.linspace(0, 1, n))
    return (course + wobble * np.where(np.arange(n) % 2, 1, -1)).tolist()


def turning(first: float, lowest: float, last: float, at: int) -> list[float]:
    """Down to its lowest at an epoch, and up again."""
    return [*np.linspace(first, lowest, at), *np.linspace(lowest, last, N - at + 1)[1:]]


FINE: Curves = {
    "train_loss": to(0.68, 0.2),
    "train_score": to(0.55, 0.93),
    "loss": to(0.66, 0.25),
    "score": to(0.6, 0.9),
    "scores": scored(0.89),
}
"""A run that nothing is wrong with."""
FLAT: Curves = {
    "train_loss": [0.694, 0.693] * 6,
    "train_score": [0.5] * N,
    "loss": [0.693] * N,
    "score": [0.49, 0.5, 0.51] * 4,
    "scores": scored(0.5),
}
"""A run that learnt nothing, at a rate that is usual."""
MEMORISED: Curves = {"train_loss": to(0.6, 0.01), "train_score": to(0.6, 0.99), "scores": scored(0.7)}
SLOW = {"model": {"kind": "timm", "name": "mobilenetv2_100", "bn_momentum": 0.001}}
PRETRAINED = {"kind": "timm", "name": "resnet18", "weights": "home"}
QUICK = {"model": {"kind": "timm", "name": "mobilenetv2_100", "bn_momentum": 0.1}}
LAGGING: Curves = MEMORISED | {"loss": to(2, 13), "score": [0.34, 0.36] * 6, **SLOW}

TRIGGER: Mapping[str, Curves] = {
    "nan": {"failure": Failure(code="train.nan_loss", values={"step": 3, "loss": None, "files": "x.png"})},
    "bn_lag": LAGGING,
    "lr_high": FLAT | {"train_loss": [900.0, *[0.7, 0.69] * 6], "train": {"lr": 10}},
    "lr_low": FLAT | {"train_loss": np.linspace(0.694, 0.690, N).tolist(), "train": {"lr": 1e-6}},
    "collapse": FLAT | {"scores": scored(0.33, confusion=[[100, 0], [100, 0]])},
    "unfinished": FINE | {"scores": None, "train": {"epochs": 40}},
    "short": {"train_loss": [0.6, 0.5], "train_score": [0.6, 0.7], "loss": [0.6, 0.6], "score": [0.6, 0.7]},
    "overfitting": MEMORISED | {"loss": turning(0.6, 0.45, 1.2, 4), "score": turning(0.6, 0.78, 0.7, 4)},
    "first_best": FINE | {"score": [0.9, *[0.75, 0.77] * 6][:N], "train_score": to(0.9, 0.8)},
    "unstable": FINE | {"score": to(0.6, 0.85, wobble=0.1)},
    "still_improving": FINE | {"loss": np.linspace(0.66, 0.4, N).tolist(), "score": np.linspace(0.6, 0.8, N).tolist(),
                               "train_score": np.linspace(0.6, 0.84, N).tolist()},
    "underfitting": FINE | {"train_score": to(0.55, 0.62), "score": to(0.55, 0.6), "loss": to(0.68, 0.64)},
    "base_better": FINE,
    "test_worse": FINE | {"scores": scored(0.7)},
    "input_range": FINE | {"data": {"normalise": "unit"}, "model": PRETRAINED},
    "validation_few": FINE | {"validation": {"a": 1, "b": 1}},
    "good": FINE,
    "overconfident": FINE | {"loss": turning(0.6, 0.25, 0.5, 5), "score": [0.6, 0.8, *[0.9] * 10],
                            "train_score": to(0.55, 0.97)},
    "validation_small": FINE | {"validation": {"a": 8, "b": 8}, "score": [*to(0.6, 0.85)[:-1], 0.9]},
}  # fmt: skip
NOT: Mapping[str, Curves] = {
    "nan": FINE,
    "bn_lag": LAGGING | QUICK,
    "lr_high": FLAT,
    "lr_low": FLAT,
    "collapse": FLAT | {"scores": scored(0.5, confusion=[[60, 40], [50, 50]])},
    "unfinished": FINE,
    "short": {key: value[:4] for key, value in FINE.items() if key != "scores"},
    # the loss wobbles by as much as it rises, and the score holds
    "overfitting": FINE | {"loss": to(0.66, 0.3, wobble=0.05)},
    "first_best": FINE | {"score": [0.9, *[0.89, 0.88] * 6][:N]},
    # another validation set of this size would say as much
    "unstable": FINE | {"score": to(0.6, 0.85, wobble=0.1), "scores": scored(0.85, spread=0.3)},
    # early stopping ended it
    "still_improving": FINE | {"loss": np.linspace(0.66, 0.4, N).tolist(), "score": np.linspace(0.6, 0.8, N).tolist(),
                               "train": {"epochs": 40}},
    "underfitting": FINE,
    "base_better": FINE,
    "test_worse": FINE | {"scores": scored(0.8, spread=0.15)},
    "input_range": FINE | {"data": {"normalise": "imagenet"}, "model": PRETRAINED},
    "validation_few": FINE | {"validation": {"a": 3, "b": 3}},
    "good": MEMORISED | {"loss": to(0.6, 0.7), "score": to(0.6, 0.7)},
    "overconfident": FINE,
    "validation_small": FINE | {"validation": {"a": 2000, "b": 2000}},
}  # fmt: skip


def found(made: Maker, curves: Curves, **more: Any) -> dict[str, Finding]:
    return {one.code: one for one in findings_of(made(**(curves | more)))}


def findings_of(run: RunFolder) -> list[Finding]:
    return findings(facts_of(open_bundle(run)))


def against_its_base(run: RunFolder) -> EarlierModel | None:
    """The model that a Run is to improve on, as it is written down after its scores."""
    renew_baseline(run, open_plan(run))
    return run.read_baseline().earlier


def items(right: Sequence[bool]) -> list[Item]:
    return [Item(id=f"t{i}", correct=value) for i, value in enumerate(right)]


def on_a_base(made: Maker, curves: Curves, *, right: int) -> Curves:
    """A run that starts from another, with so many of 50 test images right where the other had 45."""
    base = made(name="base", **FINE | {"scores": scored(0.9, items=items([i < 45 for i in range(50)]))})
    mine = items([i < right for i in range(50)])
    asked = curves | {"scores": scored(0.89, items=mine), "train": {"start": str(base.path)}}
    return asked | {"baseline": Baseline(earlier=against_its_base(made(name="mine", **asked)))}


@pytest.mark.parametrize("code", [rule.code for rule in RULES])
def test_each_rule_finds_what_it_must(made: Maker, code: str) -> None:
    curves = TRIGGER[code] if code != "base_better" else on_a_base(made, TRIGGER[code], right=30)
    assert code in found(made, curves)


@pytest.mark.parametrize("code", [rule.code for rule in RULES])
def test_each_rule_leaves_alone_what_it_must(made: Maker, code: str) -> None:
    curves = NOT[code] if code != "base_better" else on_a_base(made, NOT[code], right=44)
    assert code not in found(made, curves)


def test_nothing_is_wrong_with_a_fine_run(made: Maker) -> None:
    assert list(found(made, FINE)) == ["good"]


def test_every_code_has_its_two_runs_and_comes_after_what_explains_it() -> None:
    codes = [rule.code for rule in RULES]
    assert sorted(TRIGGER) == sorted(NOT) == sorted(set(codes))
    for i, rule in enumerate(RULES):
        assert set(rule.unless) <= set(codes[:i]), rule.code


def test_one_validated_image_far_behind_is_no_agreement(made: Maker) -> None:
    """Scores of 0.73 in training and of 0.54 on one image, within two standard errors of it, flat for eight epochs."""
    far = {"train_score": to(0.0, 0.73), "score": to(0.0, 0.54), "loss": to(2.0, 0.52), "train_loss": to(2.9, 0.58)}
    one = found(made, far, task="segment", validation={"a": 1}, scores=scored(0.6, spread=0.02), name="one")
    assert "good" not in one
    assert "validation_few" in one
    assert (one["validation_few"].values["images"], one["validation_few"].change) == (1, ("split.validation=0.3",))
    several = found(made, far, task="segment", validation={"a": 8}, scores=scored(0.6, spread=0.04), name="several")
    assert several["validation_few"].values["error"] > 0.095, "chance explains the distance"
    assert "good" not in several
    many = found(made, far, task="segment", validation={"a": 400}, scores=scored(0.6, spread=0.04), name="many")
    assert not {"good", "validation_few"} & set(many)


def test_slices_of_one_volume_are_counted_by_themselves(made: Maker) -> None:
    for split_by, few in (("block", False), ("group", True)):
        slices = [record(f"z{i}", "validation", "a", "volume") for i in range(20)]
        codes = set(found(made, FINE, split_by=split_by, records=slices, name=split_by))
        assert ("validation_few" in codes) is few
        assert ("good" in codes) is not few


def test_overfitting_began_where_the_validation_loss_turned(made: Maker) -> None:
    one = found(made, TRIGGER["overfitting"])["overfitting"]
    assert one.epoch is not None
    assert abs(one.epoch - 4) <= 1
    assert one.values["best"] == 4
    assert one.change == ("augment.mixup=0.2",)


def test_overfitting_is_found_where_validation_only_stays_behind(made: Maker) -> None:
    assert "overfitting" in found(made, MEMORISED | {"loss": to(0.6, 0.55), "score": to(0.6, 0.7)})
    slowly = {"loss": np.linspace(0.66, 0.4, N).tolist(), "score": np.linspace(0.6, 0.7, N).tolist()}
    one = found(made, MEMORISED | slowly, name="slowly")
    assert "overfitting" in one, "training has nothing left to learn: what still comes will not close the distance"
    assert "still_improving" not in one


def test_a_spike_of_the_training_loss_is_named(made: Maker) -> None:
    spiked = list(FINE["train_loss"])
    spiked[7] = 3.0
    one = found(made, FINE | {"train_loss": spiked})["unstable"]
    assert (one.proof, one.epoch) == ("spike", 8)


@pytest.mark.parametrize(("test", "said"), [(0.5, True), (0.52, True), (0.83, False)])
def test_something_was_learnt_where_the_test_score_is_above_guessing(made: Maker, test: float, said: bool) -> None:
    """The training score of three short epochs is that of guessing; the interval of the test score is ± 0.1."""
    assert ("lr_high" in found(made, TRIGGER["lr_high"] | {"scores": scored(test, spread=0.1)})) is said


def test_a_mask_that_is_hardly_better_than_none_was_not_learnt(made: Maker) -> None:
    blown = {"train_score": [0.0] * N, "score": [0.01] * N, "train": {"lr": 10}}
    for test, said in ((0.05, True), (0.8, False)):
        run = found(made, FLAT | blown | {"scores": scored(test, spread=0.03)}, task="segment", name=f"run{test}")
        assert ("lr_high" in run) is said


@pytest.mark.parametrize("key", ["too_short", "busy"])
def test_a_budget_that_the_training_asked_for_is_the_one_that_is_advised(made: Maker, key: str) -> None:
    curves = TRIGGER["still_improving"] | {"train": {"budget": 6}}
    run = made(**curves)
    said = {one.code: one.change for one in findings_of(run)}["still_improving"]
    assert said == ("train.budget=12s", "train.schedule_points=[]")
    run.write_json(run.model / "model.json", {"task": {}, "provenance": {key: {"more": "55s"}}})
    again = {one.code: one.change for one in findings_of(run)}["still_improving"]
    assert again == ("train.budget=55s", "train.schedule_points=[]")


def test_noise_is_not_overfitting(made: Maker) -> None:
    """Of 40 runs that level out under the noise of a small validation set, hardly one is called overfitted."""
    called = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        score = np.array(to(0.6, 0.85)) + random.normal(0, 0.04, N)
        loss = np.array(to(0.66, 0.35)) + random.normal(0, 0.04, N)
        curves = FINE | {"score": score.tolist(), "loss": loss.tolist(), "scores": scored(0.85, spread=0.08)}
        called += "overfitting" in found(made, curves, name=f"run{seed}", train_score=to(0.55, 0.9))
    assert called <= 1


@pytest.mark.parametrize(("batch", "stored", "lags"), [(0.97, 0.4, True), (0.97, 0.93, False)])
def test_what_was_measured_of_batch_norms_decides(made: Maker, batch: float, stored: float, lags: bool) -> None:
    for name, curves in (("slow", LAGGING), ("fine", FINE | QUICK)):
        norms = NormCheck(images=128, stored=stored, batch=batch, shift=1.5)
        said = found(made, curves, name=name, baseline=Baseline(norms=norms))
        assert ("bn_lag" in said) is lags
        if lags:
            assert said["bn_lag"].proof == "measured"


def test_a_segmenter_that_sees_only_background_is_found_before_and_after_its_test(made: Maker) -> None:
    empty: Curves = {"task": "segment", "train_loss": to(1.2, 0.9), "train_score": [0.0] * N,
                     "loss": [0.9] * N, "score": [0.0] * N}  # fmt: skip
    tested = scored(0.0, confusion=[[9000, 3], [800, 1]])
    assert found(made, empty | {"scores": tested})["collapse"].values["answer"] == "a"
    assert "collapse" in found(made, empty, name="before")
    assert "collapse" not in found(made, empty | {"score": to(0.0, 0.6), "train_score": to(0, 0.6)}, name="learns")


def test_one_class_for_every_image_is_read_from_the_score_alone(made: Maker) -> None:
    counts, stuck = {"a": 150, "b": 50}, 2 * 150 / (150 + 200) / 2
    curves = FLAT | {"scores": None, "validation": counts, "score": [0.4] * 9 + [stuck] * 3}
    assert found(made, curves)["collapse"].values["answer"] == "a"


def test_no_class_is_made_to_count_where_none_is_rare(made: Maker) -> None:
    one_answer = FLAT | {"scores": scored(0.33, confusion=[[100, 0], [100, 0]])}
    for name, counts, key in (
        ("even", {"a": 100, "b": 100}, "train.epochs"),
        ("rare", {"a": 180, "b": 20}, "task.remedy"),
    ):
        assert found(made, one_answer | {"validation": counts}, name=name)["collapse"].change[0].startswith(key)


def test_a_frozen_sibling_of_a_study_is_the_base(made: Maker) -> None:
    timm = {"kind": "timm", "name": "resnet18"}
    other = FINE | {"scores": scored(0.9, items=items([True] * 45 + [False] * 5))}
    made(name="head/seed0", **other, model=timm | {"freeze": "head"})
    made(name="other/seed0", **other, model=timm | {"freeze": "head", "dropout": 0.5})
    worse = FINE | {"scores": scored(0.6, items=items([True] * 25 + [False] * 25))}
    run = made(name="all/seed0", **worse, model=timm | {"freeze": "none"})
    earlier = against_its_base(run)
    assert earlier is not None
    assert earlier.run.endswith("head/seed0")
    assert (earlier.theirs, earlier.ours, earlier.n) == (0.9, 0.5, 50)
    assert "base_better" in {one.code for one in findings_of(run)}


def test_a_base_that_was_tested_on_other_images_says_nothing(made: Maker) -> None:
    curves = on_a_base(made, FINE, right=10)
    scores = curves["scores"]
    others = tuple(item.model_copy(update={"id": f"other-{item.id}"}) for item in scores.items)
    curves = curves | {"scores": scores.model_copy(update={"items": others})}
    assert against_its_base(made(**curves)) is None


def test_images_of_one_patient_count_together(made: Maker) -> None:
    """Ten patients of five images, all of one gained or lost together: the error is that of ten, not of fifty."""
    base = made(name="base", **FINE | {"scores": scored(0.9, items=items([True] * 50))})
    mine = scored(0.8, items=items([i >= 20 for i in range(50)]))
    asked = FINE | {"scores": mine, "train": {"start": str(base.path)}}
    alone = against_its_base(made(**asked))
    patients = [record(f"t{i}", "test", "a", f"p{i // 5}") for i in range(50)]
    grouped = against_its_base(made(name="grouped", **asked, records=patients))
    assert alone is not None
    assert grouped is not None
    assert grouped.error == pytest.approx(alone.error * 5**0.5)


def test_validation_numbers_that_are_not_finite_are_nan(made: Maker) -> None:
    run = made(**FINE)
    rows = run.history.read_text().splitlines()
    cells = rows[5].split(",")
    cells[rows[0].split(",").index("loss")] = "inf"
    run.write_text(run.history, "\n".join([*rows[:5], ",".join(cells), *rows[6:]]) + "\n")
    assert findings_of(run)[0].code == "nan"

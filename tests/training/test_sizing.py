"""A size that the network does not take is changed or refused before the first step, never found out after the last."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import families
import pytest
from PIL import Image

from lamelle import verbs
from lamelle.errors import RequestError
from lamelle.models.build import sketch
from lamelle.models.size_check import refusal
from lamelle.runs import input_size, layers
from lamelle.runs import plan as plans
from lamelle.runs.initial_model import architecture_of
from lamelle.runs.input_size import fitted
from lamelle.runs.plan import Plan


@pytest.fixture(scope="module")
def classified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return families.folders(tmp_path_factory.mktemp("classified"), "timm")


@pytest.fixture(scope="module")
def segmented(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return families.folders(tmp_path_factory.mktemp("segmented"), "timm-unet")


def planned(data: Path, *overrides: str) -> Plan:
    asked = layers.parse_overrides((*families.FAST, *overrides))
    return plans.make_plan(data, asked, verbs.open_store(), accelerator=False)


def takes(plan: Plan, size: tuple[int, ...]) -> bool:
    net = sketch(architecture_of(plan.recipe, plan))
    return refusal(net, size, channels=1, batch=plan.recipe.train.batch) is None


CHOSEN = ["resnet10t", "dla46x_c", "levit_128s", "test_coatnet", "efficientformerv2_s0", "squeezenet1_0"]


@pytest.mark.parametrize("name", CHOSEN)
def test_a_planned_size_is_one_that_the_encoder_takes(classified: Path, name: str) -> None:
    before = planned(classified, f"model={name}")
    plan = fitted(before)
    size = plan.recipe.data.resize
    assert size is not None
    assert takes(plan, size)
    assert plan.planned["data.resize"] == list(size)
    if takes(before, before.recipe.data.resize or ()):
        assert plan.recipe == before.recipe, "what works stays"
    else:
        assert size != before.recipe.data.resize


def test_an_encoder_of_one_size_segments_in_tiles_of_it(segmented: Path, tmp_path: Path) -> None:
    """Images larger than it are cut into tiles; smaller ones are padded to it, and nothing is changed."""
    asked = ("model.kind=timm-unet", "model.name=test_coatnet")
    assert fitted(planned(segmented, *asked)).recipe.evaluate.tile is None
    for path in segmented.rglob("*.png"):
        large = tmp_path / path.relative_to(segmented)
        large.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            image.resize((250, 230), Image.Resampling.NEAREST).save(large)
    plan = fitted(planned(tmp_path, *asked))
    assert plan.recipe.evaluate.tile == plan.recipe.train.patch == (160, 160)
    with pytest.raises(RequestError, match=r"160 × 160.*evaluate\.tile=\[160, 160\]"):
        fitted(planned(tmp_path, *asked, "evaluate.tile=200"))


@pytest.mark.parametrize(
    ("kind", "name"), [("timm", "dla46x_c"), ("timm", "test_coatnet"), ("timm-unet", "test_coatnet")]
)
def test_what_was_planned_is_trained_saved_and_scored(
    classified: Path, segmented: Path, tmp_path: Path, kind: str, name: str
) -> None:
    data = classified if kind == "timm" else segmented
    outcome = families.attempt(name, kind, data, tmp_path)
    assert outcome.state == "trained", outcome.about


def test_grey_images_are_planned_in_three_channels_for_an_encoder_of_colours(classified: Path) -> None:
    plan = fitted(planned(classified, "model=csatv2"))
    assert plan.recipe.data.channels == plan.planned["data.channels"] == 3


def test_an_embedding_behind_a_stem_says_nothing_of_the_size_of_images(classified: Path) -> None:
    assert fitted(planned(classified, "model=visformer_tiny")).recipe.data.resize == (224, 224)


@pytest.mark.parametrize("tag", ["a1_in1k", "of_nobody"])
def test_a_name_with_a_tag_is_refused_with_the_plain_name(classified: Path, tag: str) -> None:
    with pytest.raises(RequestError, match="did you mean 'resnet18'"):
        fitted(planned(classified, f"model=resnet18.{tag}"))


REFUSED = {
    "a size of its own": ("model=levit_128s", "resize=100"),
    "windows": ("model=test_coatnet", "resize=100"),
    "a multiple": ("model=dla46x_c", "resize=[70,45]"),
    "one image at a time": ("model=resnet10t", "resize=32", "batch=1"),
    "grey": ("model=csatv2", "resize=256", "channels=1"),
    "images of several sizes": ("model=resnet10t", "resize=null"),
}


@pytest.mark.parametrize("asked", REFUSED.values(), ids=REFUSED)
def test_a_size_that_was_asked_for_is_refused_with_one_that_works(
    classified: Path, tmp_path: Path, asked: tuple[str, ...]
) -> None:
    data = classified
    if asked[-1] == "resize=null":
        data = tmp_path / "mixed"
        families.folders(data, "timm")
        for i, path in enumerate(sorted(data.rglob("*.png"))):
            with Image.open(path) as image:
                image.resize((48 + 8 * (i % 3), 48)).save(path)
    with pytest.raises(RequestError) as caught:
        fitted(planned(data, *asked))
    said = str(caught.value)
    assert "arguments" not in said, "no key of a request"
    cure = re.search(r"give ('[^']+'|[^\s,]+)", said)
    assert cure is not None, said
    fitted(planned(data, *asked, *shlex.split(cure[1])))


def test_a_network_that_takes_no_size_is_said_to(classified: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_size, "_near", lambda *_: iter(()))
    with pytest.raises(RequestError, match="choose another network"):
        fitted(planned(classified, "model=dla46x_c", "resize=[70,45]"))

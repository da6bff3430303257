"""A package says what it is, is refused when it is not, and never runs what it holds."""

from __future__ import annotations

import json
import re
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_tasks
import numpy as np
import pytest
import torch
from networks import architecture
from PIL import Image
from safetensors.torch import load_file, save_file

from lamelle import verbs
from lamelle.data.appearance import NAMES, look
from lamelle.data.layouts.table_spelling import Naming
from lamelle.data.preparation import Preparation
from lamelle.data.profile import Profile
from lamelle.data.targets.values import ValueMap
from lamelle.data.units import kinds_of
from lamelle.errors import FileError, LamelleError, RequestError
from lamelle.io import atomic
from lamelle.io.checksums import seal
from lamelle.models import restore as restoring
from lamelle.models.build import Architecture, build
from lamelle.prediction import package
from lamelle.prediction.package import Package
from lamelle.results.fitted import Sweep
from lamelle.tasks.threshold_search import FittedPixels
from lamelle.tasks.thresholds import FittedClasses

SMALL = architecture("unet", outputs=1, filters=[4, 8])


def made() -> Package:
    values = ValueMap(("background", "cell"), {0: 0, 255: 1}, (9,))
    task = made_tasks.segment(values, loss="ce")
    torch.manual_seed(0)
    return Package(
        task=task,
        architecture=SMALL,
        model=build(SMALL),
        preparation=Preparation(1, None, "dataset", (0.5,), (0.25,)),
        dims=2,
        tile=(32, 32),
        overlap=0.25,
        flips=False,
        spacing=(0.5, 0.5),
        fitted=FittedPixels(threshold=0.4),
        provenance={"precision": "32"},
    )


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "run" / "model"
    package.save(made(), folder)
    return folder


def change(folder: Path, how: Callable[[dict[str, Any]], object]) -> None:
    path = folder / package.DESCRIPTION
    about = json.loads(path.read_text())
    del about["sha256"]
    how(about)
    path.write_bytes(seal(json.dumps(about)))  # as an enemy would


def trained_on() -> Profile:
    draw = np.random.default_rng(0)
    looks = [look(draw.integers(0, 4000, (1, 20, 30), dtype=np.uint16), bits=12) for _ in range(3)]
    images = tuple(tuple(map(float, one.measures((0, 4095)))) for one in looks)
    sizes: dict[str, Any] = {"smallest": (20, 30), "largest": (20, 30), "finest": (0.5, 0.5), "coarsest": (0.5, 0.5)}
    return Profile(kinds=kinds_of(looks), measures=NAMES, images=images, groups=(0, 1, 2), **sizes)


def test_what_it_was_trained_on_comes_back_and_is_checked(tmp_path: Path) -> None:
    profile = trained_on()
    package.save(
        replace(made(), profile=profile, preparation=Preparation(1, None, "unit", (), (), 0, (3, 9))), tmp_path
    )
    found = package.load(tmp_path)
    assert found.profile == profile
    assert found.preparation.range == (3, 9)
    for how, said in (
        (lambda p: p.update(groups=[0]), "differ in number"),
        (lambda p: p.update(span=[5, 5]), "black"),
        (lambda p: p["images"].extend([p["images"][0]] * 600), "512"),
        (lambda p: p["kinds"].clear(), "kinds"),
        (lambda p: p["kinds"][0].update(dtype="object"), "dtype"),
        (lambda p: p.update(names=["patient 7"]), "names"),
    ):
        before = (tmp_path / package.DESCRIPTION).read_text()
        change(tmp_path, lambda about, how=how: how(about["profile"]))
        with pytest.raises(FileError, match=said):
            package.load(tmp_path)
        (tmp_path / package.DESCRIPTION).write_text(before)


def test_a_package_loads_without_what_it_was_trained_on(saved: Path) -> None:
    change(saved, lambda about: about["preparation"].pop("range"))
    found = package.load(saved)
    assert found.profile is None
    assert found.preparation.range is None


def test_what_was_saved_comes_back(saved: Path) -> None:
    before, after = made(), package.load(saved)
    for name in ("preparation", "dims", "tile", "overlap", "spacing", "fitted", "provenance"):
        assert getattr(after, name) == getattr(before, name), name
    assert after.task.describe() == before.task.describe()
    x = torch.rand(2, 1, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(after.model(x), before.model.eval()(x), rtol=0, atol=0)
    assert package.load(saved.parent).architecture == after.architecture == SMALL, "the folder of a run will do"
    assert {p.name for p in saved.iterdir()} == {package.WEIGHTS, package.DESCRIPTION}


def test_the_spelling_of_the_training_table_travels(tmp_path: Path) -> None:
    naming = Naming("file", "class", folder=True, suffix=False, separator="; ")
    package.save(replace(made(), naming=naming), tmp_path)
    assert package.load(tmp_path).naming == naming


def test_a_package_without_a_spelling_is_as_it_was_before_there_were_any(saved: Path) -> None:
    assert "naming" not in json.loads((saved / package.DESCRIPTION).read_text())
    assert package.load(saved).naming is None


WRONG_NAMINGS = [
    {"image": 1},
    {"label": "file"},
    {"separator": ","},
    {"separator": "|\n"},
    {"folder": "images"},
    {"more": 1},
]


@pytest.mark.parametrize("wrong", WRONG_NAMINGS, ids=str)
def test_a_spelling_is_checked(tmp_path: Path, wrong: dict[str, Any]) -> None:
    package.save(replace(made(), naming=Naming("file", "class", folder=True, suffix=False, separator="|")), tmp_path)
    change(tmp_path, lambda about: about["naming"].update(wrong))
    with pytest.raises(FileError, match="naming"):
        package.load(tmp_path)


def test_one_flipped_byte_anywhere_in_the_weights_is_found(saved: Path) -> None:
    weights = saved / package.WEIGHTS
    good = weights.read_bytes()
    for place in np.random.default_rng(0).integers(0, len(good), 40):
        bad = bytearray(good)
        bad[place] ^= 1
        weights.write_bytes(bad)
        with pytest.raises(FileError, match="SHA-256"):
            package.load(saved)
    weights.write_bytes(good[:-1])
    with pytest.raises(FileError, match="SHA-256"):
        package.load(saved)
    weights.unlink()
    with pytest.raises(FileError, match="missing"):
        package.load(saved)


@pytest.mark.parametrize("factor", [0.0, 1.05, float("nan"), float("inf")])
def test_weights_that_compute_something_else_fail_the_self_test(saved: Path, factor: float) -> None:
    """Even if whoever changed them wrote the right digest."""
    weights = saved / package.WEIGHTS
    tensors = load_file(weights)
    name = next(n for n in tensors if n.startswith("head") and n.endswith("weight"))
    tensors[name] = tensors[name] * factor
    save_file(tensors, weights)
    change(saved, lambda about: about.update(weights_sha256=atomic.sha256(weights)))
    with pytest.raises(FileError, match="does not compute what it did"):
        package.load(saved)


def test_a_newer_format_asks_for_an_upgrade(saved: Path) -> None:
    change(saved, lambda about: about.update(format=package.FORMAT + 1))
    with pytest.raises(RequestError, match="upgrade"):
        package.load(saved)


def test_a_folder_of_runs_names_one_of_them(saved: Path) -> None:
    with pytest.raises(RequestError, match=re.escape(f"1 in the runs below it; name one, such as {saved.parent}")):
        package.load(saved.parents[1])


def test_no_package_is_a_wrong_request(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no trained model"):
        package.load(tmp_path)


HOSTILE: dict[str, Callable[[dict[str, Any]], object]] = {
    "an unknown kind of network": lambda a: a["model"]["options"].update(kind="os.system"),
    "an import path": lambda a: a["model"]["options"].update(kind="torch.nn.Linear"),
    "a name that is a path": lambda a: a["model"].update(options={"kind": "timm", "name": "../../../etc/passwd"}),
    "a name from a hub": lambda a: a["model"].update(options={"kind": "timm", "name": "hf-hub:x/y"}),
    "pretrained weights": lambda a: a["model"]["options"].update(pretrained=True),
    "filters that fill the memory": lambda a: a["model"]["options"].update(filters=[2**20, 2**21]),
    "very many levels": lambda a: a["model"]["options"].update(filters=[1] * 10_000),
    "negative filters": lambda a: a["model"]["options"].update(filters=[-4, 8]),
    "filters that are text": lambda a: a["model"]["options"].update(filters="4,8"),
    "huge channels": lambda a: a["model"].update(inputs=10**9),
    "an unknown task": lambda a: a["task"]["options"].update(name="__import__"),
    "an option too many": lambda a: a["task"]["options"].update(evil=1),
    "an option too many of the loss": lambda a: a["task"]["options"]["loss"].update(evil=1),
    "an unknown loss": lambda a: a["task"]["options"].update(loss="os.system"),
    "something settled too much": lambda a: a["task"]["settled"].update(evil=1),
    "classes that are numbers": lambda a: a["task"]["settled"].update(classes=[1, None]),
    "a value of no class": lambda a: a["task"]["settled"]["values"].update(mapping=[["x", "y"]]),
    "more classes than outputs": lambda a: a["task"]["settled"].update(classes=["a", "b", "c"]),
    "something of the task that is missing": lambda a: a["task"]["settled"].pop("objects"),
    "options of a network that are bent": lambda a: a["model"]["options"].update(residual=1),
    "an argument too many": lambda a: a["model"].update(arguments={"checkpoint_path": "x"}),
    "a network built for a size without end": lambda a: a["model"].update(size=[10**9, 10**9]),
    "a size on one axis": lambda a: a["model"].update(size=[64]),
    "outputs without end": lambda a: a["model"].update(outputs=10**9),
    "dims of a network that it has not": lambda a: a["model"].update(dims=4),
    "no network": lambda a: a.pop("model"),
    "a network that is a list": lambda a: a.update(model=[1, 2]),
    "a task that is text": lambda a: a.update(task="segment"),
    "a preparation that is text": lambda a: a.update(preparation="unit"),
    "an unknown normalisation": lambda a: a["preparation"].update(normalise="eval"),
    "a wrong number of channels": lambda a: a["preparation"].update(channels=7),
    "dims that are text": lambda a: a.update(dims="two"),
    "dims of another network": lambda a: a.update(dims=3),
    "an overlap without end": lambda a: a.update(overlap=1.0),
    "a tile of nothing": lambda a: a.update(tile=[0, 0]),
    "a tile that is text": lambda a: a.update(tile="32"),
    "a threshold that is no number": lambda a: a["fitted"].update(threshold=float("nan")),
    "a threshold beyond all probabilities": lambda a: a["fitted"].update(threshold=1.5),
    "a threshold that is a list": lambda a: a["fitted"].update(threshold=[0.1, None]),
    "a temperature that turns answers round": lambda a: a["fitted"].update(temperature=-1.0),
    "a deviation of nothing": lambda a: a["preparation"].update(mean=[0.5], std=[0.0]),
    "means of other channels": lambda a: a["preparation"].update(mean=[0.5] * 5, std=[0.5] * 5),
    "a temperature that is text": lambda a: a["fitted"].update(temperature="2"),
    "a temperature that is true": lambda a: a["fitted"].update(temperature=True),
    "a temperature that flattens all": lambda a: a["fitted"].update(temperature=1e308),
    "records below nothing": lambda a: a["provenance"].update(records=-5),
    "parameters that are true": lambda a: a["provenance"].update(parameters=True),
    "seconds without end": lambda a: a["provenance"].update(seconds=float("inf")),
    "a budget that is a list": lambda a: a["provenance"].update(too_short={"more": ["1s"]}),
    "an option that is bent": lambda a: a["task"]["options"].update(tolerance="2"),
    "a format that is true": lambda a: a.update(format=True),
    "a tile without end": lambda a: a.update(tile=[10**9, 10**9]),
    "one class twice": lambda a: a["task"]["settled"].update(classes=["cell", "cell"]),
    "a threshold that is text": lambda a: a["fitted"].update(threshold="high"),
    "no digest": lambda a: a.pop("weights_sha256"),
    "a precision that is code": lambda a: a["provenance"].update(precision="exec"),
    "a format that is text": lambda a: a.update(format="one"),
}


@pytest.mark.parametrize("how", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_description_ends_in_one_sentence(saved: Path, how: Callable[[dict[str, Any]], object]) -> None:
    change(saved, how)
    with pytest.raises(LamelleError) as caught:
        package.load(saved)
    assert str(caught.value).count("\n") == 0
    assert re.search(r"\(:|\b_[A-Z]|Value ?[Ee]rror", str(caught.value)) is None, "no name of our code"


@pytest.fixture
def sorting(tmp_path: Path) -> Path:
    """A classifier that takes images of one size."""
    task = made_tasks.classify(counts=(7, 4))
    small = architecture("cnn", name="cnn1", size=(16, 16))
    preparation = Preparation(1, (16, 16), "unit", (), ())
    folder = tmp_path / "sorting"
    about = {"task": task, "fitted": task.Fitted(), "architecture": small, "model": build(small)}
    done = replace(made(), **about, preparation=preparation, tile=None)
    package.save(done, folder)
    return folder


@pytest.mark.parametrize("counts", [[-1, 4], [7, 1e30], [7, 10**30], [7], ["7", 4], [True, 4]], ids=str)
def test_counts_of_the_training_images_are_counts(sorting: Path, counts: list[Any]) -> None:
    assert package.load(sorting).preparation.resize == (16, 16)
    change(sorting, lambda about: about["task"]["settled"].update(class_counts=counts))
    with pytest.raises(FileError, match="class_counts"):
        package.load(sorting)


def test_another_size_than_that_of_the_network_is_refused_when_it_is_read(sorting: Path, tmp_path: Path) -> None:
    change(sorting, lambda about: about["preparation"].update(resize=[32, 32]))
    with pytest.raises(FileError, match="takes images of 16 × 16, they are prepared as 32 × 32"):
        package.load(sorting)
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(images / "a.png")
    with pytest.raises(FileError, match="16 × 16"):
        verbs.predict(sorting, images, out=out)
    assert not out.exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b"[" * 100_000, b"\xff\xfe", b'{"format": 1e999}'])
def test_a_broken_description_ends_in_one_sentence(saved: Path, content: bytes) -> None:
    (saved / package.DESCRIPTION).write_bytes(content)
    with pytest.raises(LamelleError) as caught:
        package.load(saved)
    assert "(:" not in str(caught.value)
    assert "Description" not in str(caught.value)


def test_a_flipped_bit_anywhere_is_refused_with_the_file(saved: Path) -> None:
    random = np.random.default_rng(5)
    for name in (package.DESCRIPTION, package.WEIGHTS):
        file = saved / name
        whole = file.read_bytes()
        for bit in random.integers(8 * len(whole), size=60):
            flipped = bytearray(whole)
            flipped[bit // 8] ^= 1 << int(bit) % 8
            file.write_bytes(flipped)
            with pytest.raises(LamelleError, match=re.escape(name)):
                package.load(saved)
        file.write_bytes(whole)
    package.load(saved)


def test_a_description_that_was_edited_is_refused(saved: Path) -> None:
    about = saved / package.DESCRIPTION
    about.write_text(about.read_text().replace('"threshold": 0.4', '"threshold": 0.5'))
    with pytest.raises(FileError, match="no longer what was written"):
        package.load(saved)


def test_a_description_without_its_own_digest_is_refused(saved: Path) -> None:
    path = saved / package.DESCRIPTION
    about = json.loads(path.read_text())
    path.write_text(json.dumps(about))
    with pytest.raises(FileError, match="does not end with its own SHA-256") as caught:
        package.load(saved)
    assert "copy the whole package again" in str(caught.value)
    about.pop("sha256")
    about["fitted"]["threshold"] = 0.2
    path.write_text(json.dumps(about, indent=2))
    with pytest.raises(FileError, match="does not end with its own SHA-256"):
        package.load(saved)
    assert package.states(saved) == {package.DESCRIPTION: "changed", package.WEIGHTS: "unknown"}


def test_a_key_that_stands_twice_is_refused(saved: Path) -> None:
    about = saved / package.DESCRIPTION
    about.write_bytes(seal(about.read_text(encoding="utf-8").rstrip()[:-1] + ', "fitted": {"threshold": 0.001}}'))
    with pytest.raises(FileError, match="stands twice"):
        package.load(saved)


@pytest.mark.parametrize("name", ["selftest.input", "selftest.output"])
def test_a_self_test_that_cannot_fail_is_refused(saved: Path, name: str) -> None:
    weights = saved / package.WEIGHTS
    tensors = load_file(weights)
    save_file(tensors | {name: tensors[name] * float("nan")}, weights)
    change(saved, lambda about: about.update(weights_sha256=atomic.sha256(weights)))
    with pytest.raises(FileError, match="does not compute what it did"):
        package.load(saved)


def _tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], object]:
    def apply(weights: Path) -> None:
        held = load_file(weights)
        change(held)
        save_file(held, weights)

    return apply


def _header(header: object, *, length: int | None = None) -> Callable[[Path], object]:
    """A file that begins with this header, and says that it has this length."""
    text = json.dumps(header).encode()
    return lambda weights: weights.write_bytes(struct.pack("<Q", length or len(text)) + text + bytes(64))


FOREIGN_FILES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda f: f.write_bytes(b""),
    "a cut header": lambda f: f.write_bytes(f.read_bytes()[:40]),
    "cut tensors": lambda f: f.write_bytes(f.read_bytes()[:-4]),
    "more bytes than tensors": lambda f: f.write_bytes(f.read_bytes() + bytes(8)),
    "a header of 2^60 bytes": _header({}, length=2**60),
    "a header that is a list": _header([1]),
    "a tensor of a terabyte": _header({"head.weight": {"dtype": "F32", "shape": [2**38], "data_offsets": [0, 2**40]}}),
    "a shape that overflows": _header(
        {"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 64]}}
    ),
    "one place for two tensors": _header(
        {n: {"dtype": "F32", "shape": [16], "data_offsets": [0, 64]} for n in ("a", "b")}
    ),
    "a type that is none": _header({"a": {"dtype": "OBJECT", "shape": [1], "data_offsets": [0, 64]}}),
    "a pickle": lambda f: torch.save({"a": torch.ones(2)}, f),
    "no self-test": _tensors(lambda t: [t.pop(k) for k in list(t) if k.startswith("selftest")]),
    "a tensor too many": _tensors(lambda t: t.update(more=torch.ones(2))),
    "a tensor too few": _tensors(lambda t: t.pop("head.bias")),
    "a tensor of another shape": _tensors(lambda t: t.update({"head.bias": torch.ones(7)})),
    "weights in half precision": _tensors(lambda t: t.update({"head.weight": t["head.weight"].half()})),
    "weights in eight bits": _tensors(lambda t: t.update({"head.weight": t["head.weight"].to(torch.float8_e4m3fn)})),
    "complex weights": _tensors(lambda t: t.update({"head.weight": t["head.weight"].to(torch.complex64)})),
    "a self-test of whole numbers": _tensors(lambda t: t.update({"selftest.input": torch.ones(1, 1, 32, 32).long()})),
    "a self-test without axes": _tensors(lambda t: t.update({"selftest.input": torch.tensor(1.0)})),
    "a self-test of other channels": _tensors(lambda t: t.update({"selftest.input": torch.ones(1, 3, 32, 32)})),
    "a self-test of no pixels": _tensors(lambda t: t.update({"selftest.input": torch.ones(1, 1, 0, 32)})),
    "an output of another shape": _tensors(lambda t: t.update({"selftest.output": torch.ones(1, 1, 1, 1)})),
    "an output of nothing": _tensors(lambda t: t.update({"selftest.output": torch.ones(0)})),
}  # fmt: skip


@pytest.mark.parametrize("how", FOREIGN_FILES.values(), ids=FOREIGN_FILES)
def test_weights_that_are_none_of_this_network_end_in_one_sentence(saved: Path, how: Callable[[Path], object]) -> None:
    """With the digest set right, as an enemy would."""
    weights = saved / package.WEIGHTS
    how(weights)
    change(saved, lambda about: about.update(weights_sha256=atomic.sha256(weights)))
    with pytest.raises(FileError) as caught:
        package.load(saved)
    assert str(caught.value).startswith(str(saved))
    assert str(caught.value).count("\n") == 0


LARGE: dict[str, Architecture] = {
    "unet": architecture("unet", outputs=1, filters=[1024, 2048]),
    "cnn": architecture("cnn", name="cnn1", size=(1024, 1024)),
    "timm": architecture("timm", name="vit_huge_patch14_224"),
    "timm-unet": architecture("timm-unet", name="convnext_xxlarge", outputs=1),
    "dense": architecture("timm", name="resnet10t", hidden=[65536] * 8),
    "attention": architecture("timm", name="vit_tiny_patch16_224", size=(4096, 4096)),
}


@pytest.mark.parametrize("large", LARGE.values(), ids=LARGE)
def test_a_network_larger_than_its_file_takes_no_memory(
    saved: Path, large: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def built(_: object) -> None:
        raise AssertionError("memory was taken")

    monkeypatch.setattr(restoring, "build", built)
    with pytest.raises(AssertionError, match="memory was taken"):  # the control: its own network is built
        package.load(saved)
    change(saved, lambda about: about.update(model=large.model_dump(mode="json")))
    with pytest.raises(FileError, match=r"not that of the network|parameters"):
        package.load(saved)


def test_a_size_that_no_image_has_is_refused(saved: Path) -> None:
    change(saved, lambda about: about["preparation"].update(resize=[10**6, 10**6]))
    with pytest.raises(FileError, match="resize"):
        package.load(saved)


def test_a_package_can_be_copied_anywhere(saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "elsewhere")
    assert package.load(tmp_path / "elsewhere").tile == (32, 32)


def test_a_package_without_tile_and_spacing(tmp_path: Path) -> None:
    package.save(replace(made(), tile=None, spacing=None), tmp_path)
    again = package.load(tmp_path)
    assert (again.tile, again.spacing) == (None, None)


@pytest.mark.parametrize(
    "small",
    [
        architecture("cnn", name="cnn2", size=(48, 40)),
        architecture("timm", name="vit_tiny_patch16_224", size=(96, 96)),
    ],
    ids=["cnn2", "vit"],
)
def test_a_network_of_one_size_is_tested_with_that_size(small: Architecture, tmp_path: Path) -> None:
    task = made_tasks.classify()
    fitted = FittedClasses(thresholds=(0.7, 0.3), temperature=1.5)
    scores = {"macro_f1": (0.5, 0.6), "precision/b": (None, 1.0)}
    sweeps = (Sweep(name="threshold", of="b", points=(0.1, 0.3), scores=scores, chosen=0.3, by="macro_f1", n=8),)
    done = replace(made(), task=task, architecture=small, model=build(small), tile=None, fitted=fitted, sweeps=sweeps)
    package.save(done, tmp_path / "run" / "model")
    loaded = package.load(tmp_path / "run" / "model")
    assert loaded.task.classes == ("a", "b")
    assert (loaded.fitted, loaded.sweeps) == (fitted, sweeps)


@pytest.mark.parametrize("overlap", ["field", 0.5])
def test_both_ways_of_tiling_are_kept(overlap: Any, tmp_path: Path) -> None:
    package.save(replace(made(), overlap=overlap), tmp_path / "run" / "model")
    assert package.load(tmp_path / "run" / "model").overlap == overlap

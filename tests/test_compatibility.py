"""What a request and the images do not share is said before anything is trained; stains are channels like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from support import Quiet

import lamelle
from lamelle import verbs
from lamelle.errors import DataError, RequestError
from lamelle.prediction.package import load
from lamelle.runs import layers
from lamelle.runs import plan as plans

SMALL = ("filters=[4,8]", "samples=16", "epochs=2", "batch=4", "threads=1", "workers=0", "precision=32")


def written(root: Path, *, channels: int, shape: tuple[int, ...] = (64, 72), n: int = 10) -> Path:
    """OME-TIFFs whose nuclei are bright in the last channel alone, which is much darker than the first."""
    rng = np.random.default_rng(0)
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    grid = np.indices(shape)
    for i in range(n):
        centres = rng.integers(0, shape, (5, len(shape)))
        mask = np.any([((grid.T - at) ** 2).sum(-1).T < 60 for at in centres], axis=0)
        image = rng.normal(20_000, 4000, (channels, *shape))
        image[-1] = rng.normal(200, 10, shape) + 80 * mask
        axes = "C" + "ZYX"[-len(shape) :]
        name = f"n{i}.ome.tif"
        tifffile.imwrite(root / "images" / name, image.astype(np.uint16), ome=True, metadata={"axes": axes})
        tifffile.imwrite(root / "labels" / f"n{i}.tif", mask.astype(np.uint8))
    return root


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_HOME", str(tmp_path / "home"))


def trained(data: Path, *overrides: str) -> lamelle.Run:
    return lamelle.train(data, overrides=(*SMALL, *overrides), runs=data.parent / "runs", progress=Quiet())


def test_the_faint_channel_of_two_is_learnt_from(tmp_path: Path) -> None:
    data = written(tmp_path / "two", channels=2)
    run = trained(data, "epochs=12", "patch=[64,64]", "lr=0.01")
    assert run.scores["dice"].value > 0.8, "it would drown if both channels shared one range"
    run.predict(data / "images", tmp_path / "out")
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 10
    assert run.folder.report.is_file()


@pytest.mark.parametrize(("channels", "shape"), [(5, (48, 56)), (2, (8, 32, 40))])
def test_any_number_of_channels_in_two_and_three_dimensions(
    tmp_path: Path, channels: int, shape: tuple[int, ...]
) -> None:
    run = trained(written(tmp_path / "data", channels=channels, shape=shape))
    assert load(run.path).preparation.channels == channels


def test_images_of_other_channels_than_the_network_are_named(tmp_path: Path) -> None:
    data, grey = written(tmp_path / "two", channels=2), written(tmp_path / "one", channels=1)
    with pytest.raises(DataError) as caught:
        trained(data, "channels=3")
    assert len(caught.value.problems) == 10
    assert "has 2 channels but the network takes 3; set data.channels=2" in str(caught.value)
    assert not (tmp_path / "runs").exists()
    run = trained(grey)
    with pytest.raises(DataError, match=r"n0\.ome\.tif: has 2 channels but the network takes 1"):
        lamelle.evaluate(run.path, data)
    volumes = written(tmp_path / "deep", channels=1, shape=(8, 64, 72), n=4)
    with pytest.raises(DataError, match=r"n0\.ome\.tif: an image of 3 axes, but the model takes 2"):
        lamelle.evaluate(run.path, volumes, overrides=["data.dims=3"])


def test_warnings_are_said_before_training_and_stand_in_the_report(tmp_path: Path) -> None:
    data, quiet = written(tmp_path / "one", channels=1), Quiet()
    for i in range(3):
        blank = tifffile.imread(data / "labels" / f"n{i}.tif") * 0
        tifffile.imwrite(data / "labels" / f"n{i}.tif", blank)
    asked = (*SMALL, "threshold=0.4", "task.threshold_by=image")
    run = lamelle.train(data, overrides=asked, runs=tmp_path / "runs", progress=quiet)
    before = quiet.lines[: next(i for i, line in enumerate(quiet.lines) if "parameters to train" in line)]
    wanted = "task.threshold_by=image changes nothing"
    assert sum(wanted in line for line in before) == 1
    assert wanted in run.folder.report.read_text(encoding="utf-8")
    assert wanted in run.folder.log.read_text(encoding="utf-8")
    (empty,) = [line for line in before if "no pixel is annotated" in line]
    assert "n0.tif" in empty
    assert "and 2 more like it" in empty
    searched = layers.parse_overrides(["task.threshold_by=image"])
    acting = plans.make_plan(data, searched, verbs.open_store(), accelerator=False)
    assert not [p for p in acting.problems if p.code.startswith("tasks.idle")]


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ("patch=[8,32,32]", r"train\.patch=\[8, 32, 32\] has 3 .* have 2 axes \(Y, X\)"),
        ("resize=[8,32,32]", r"data\.resize=\[8, 32, 32\] has 3"),
        ("evaluate.tile=[8,32,32]", r"evaluate\.tile=\[8, 32, 32\] has 3"),
    ],
)
def test_sizes_have_as_many_numbers_as_images_have_axes(tmp_path: Path, size: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        trained(written(tmp_path / "one", channels=1, n=6), size)
    assert not (tmp_path / "runs").exists()


def test_one_number_is_no_patch_of_a_volume(tmp_path: Path) -> None:
    data = written(tmp_path / "deep", channels=1, shape=(8, 32, 40), n=6)
    with pytest.raises(RequestError, match=r"train\.patch=\[32, 32\] has 2 .* give 3, such as train\.patch=\[16, 128"):
        trained(data, "patch=32")

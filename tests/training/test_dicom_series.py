"""A folder of DICOM slices trains, predicts, is evaluated and explained as the NIfTI of the same scan is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_series import SAGITTAL, affine_of, write_nifti, write_series
from support import Quiet

import lamelle
from lamelle.io.images import read
from lamelle.prediction.package import load

pytest.importorskip("pydicom")
nibabel = pytest.importorskip("nibabel")

SMALL = (
    *("filters=[4,8]", "samples=4", "batch=2", "epochs=1", "precision=32", "threads=1", "workers=0"),
    *("evaluate.resamples=100", "evaluate.flips=false", "data.group=none"),
)


def both(home: Path) -> dict[str, Path]:
    """Six scans and their labels, once as series (their files in any order), once as NIfTI."""
    random = np.random.default_rng(0)
    folders = {kind: home / kind for kind in ("series", "nifti")}
    affine = affine_of(SAGITTAL)
    for p in range(6):
        labels = np.zeros((12, 24, 24), np.uint8)
        z, y, x = random.integers(2, 6), *random.integers(2, 12, 2)
        labels[z : z + 5, y : y + 9, x : x + 9] = 1
        scan = (200 * labels + random.integers(0, 99, labels.shape)).astype(np.uint16)
        order = random.permutation(12)
        about = {"uid": f"1.2.{p}", "patient": f"SECRET{p}", "names": lambda z, o=order: f"IM{o[z]:02d}"}
        write_series(folders["series"] / "images" / f"p{p}", scan, directions=SAGITTAL, **about)
        write_nifti(folders["nifti"] / "images" / f"p{p}.nii.gz", scan, affine)
        for folder in folders.values():
            write_nifti(folder / "labels" / f"p{p}.nii.gz", labels, affine)
    return folders


def test_a_series_gives_the_model_and_the_predictions_of_its_nifti(tmp_path: Path) -> None:
    folders = both(tmp_path)
    asked = (*SMALL, "model.kernel=3", "model.pool=2", "patch=[8,16,16]")
    runs = {
        kind: lamelle.train(folder, overrides=asked, runs=tmp_path / "runs", name=kind, progress=Quiet())
        for kind, folder in folders.items()
    }
    scores = {kind: run.scores.scores for kind, run in runs.items()}
    assert scores["series"]["dice"] == scores["nifti"]["dice"]
    assert scores["series"]["hd95_um"] == scores["nifti"]["hd95_um"]
    assert load(runs["series"].path).volumes
    series = lamelle.predict(runs["nifti"].path, folders["series"] / "images", tmp_path / "out series").table.parent
    nifti = lamelle.predict(runs["series"].path, folders["nifti"] / "images", tmp_path / "out nifti").table.parent
    for p in range(6):
        one, other = (nibabel.load(out / "labels" / f"p{p}.nii.gz") for out in (series, nifti))
        assert np.array_equal(np.asarray(one.dataobj), np.asarray(other.dataobj))
        assert one.affine == pytest.approx(other.affine, abs=1e-4)
        assert one.shape == nibabel.load(folders["nifti"] / "images" / f"p{p}.nii.gz").shape
    found = runs["series"].evaluate(folders["series"], overrides=["evaluate.keep_seen=true"])
    assert found.scores["dice"].n >= 1
    written = [p for p in (tmp_path / "runs" / "series").rglob("*") if p.suffix in (".json", ".csv", ".html", ".yaml")]
    assert len(written) > 5
    assert not any("SECRET" in p.read_text(encoding="utf-8") for p in written)


def test_a_model_of_single_slices_takes_slices_as_single_images(tmp_path: Path) -> None:
    folder = both(tmp_path)["series"]
    single = tmp_path / "single"
    for p in range(3):
        (single / "images" / f"p{p}").mkdir(parents=True)
        (single / "masks" / f"p{p}").mkdir(parents=True)
        for file in sorted((folder / "images" / f"p{p}").iterdir()):
            (single / "images" / f"p{p}" / file.name).write_bytes(file.read_bytes())
            mask = (read(file).array[0] > 150).astype(np.uint8)
            np.save(single / "masks" / f"p{p}" / f"{file.name}.npy", mask)
    run = lamelle.train(single, overrides=(*SMALL, "patch=16"), runs=tmp_path / "runs", name="single", progress=Quiet())
    assert not load(run.path).volumes
    out = lamelle.predict(run.path, single / "images" / "p0", tmp_path / "out").table.parent
    assert len(list((out / "labels").glob("*.tif"))) == 12

"""Frames of an enhanced DICOM file: sorted by their position in the patient, turned as a NIfTI of the same scan is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lamelle.data.store import Store
from lamelle.io.images import header, planes, read
from lamelle.prediction.files import PredictionFolder
from lamelle.types import LabelMap, Record, Source

pydicom = pytest.importorskip("pydicom")
nibabel = pytest.importorskip("nibabel")

RNG = np.random.default_rng(5)
FRAMES = RNG.integers(0, 900, (6, 10, 12), np.uint16)  # from the feet up, rows to the back, columns to the left
AXIAL, CORONAL, SAGITTAL = (1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)


def enhanced(
    path: Path,
    frames: np.ndarray = FRAMES,
    *,
    directions: tuple[float, ...] = AXIAL,
    step: float = 2.0,
    order: list[int] | None = None,
    positions: np.ndarray | None = None,
    shared: bool = True,
) -> Path:
    """Frames of 0.75 × 0.5 mm, each at its place along the normal, stored in any order."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.sequence import Sequence
    from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, generate_uid

    order = list(range(len(frames))) if order is None else order
    normal = np.cross(directions[:3], directions[3:])
    if positions is None:
        positions = np.array([-20.0, -30.0, 40.0]) + step * np.arange(len(frames))[:, None] * normal
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = EnhancedMRImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.NumberOfFrames, data.Rows, data.Columns = frames.shape
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit = 15
    plane, measures = Dataset(), Dataset()
    plane.ImageOrientationPatient, measures.PixelSpacing, measures.SliceThickness = list(directions), [0.75, 0.5], 9.0
    common = Dataset()
    common.PlaneOrientationSequence, common.PixelMeasuresSequence = Sequence([plane]), Sequence([measures])
    each = []
    for i in order:
        frame, place = Dataset(), Dataset()
        place.ImagePositionPatient = [float(v) for v in positions[i]]
        frame.PlanePositionSequence = Sequence([place])
        if not shared:
            frame.PlaneOrientationSequence, frame.PixelMeasuresSequence = Sequence([plane]), Sequence([measures])
        each.append(frame)
    data.SharedFunctionalGroupsSequence = Sequence([common] if shared else [Dataset()])
    data.PerFrameFunctionalGroupsSequence = Sequence(each)
    data.PixelData = np.ascontiguousarray(frames[order]).tobytes()
    pydicom.dcmwrite(path, data, enforce_file_format=True)
    return path


def found(path: Path) -> np.ndarray:
    image, head = read(path), header(path)
    assert (head.shape, head.spacing, head.geometry) == (image.array.shape, image.spacing, image.geometry)
    assert np.array_equal(np.stack(list(planes(path)), axis=1), image.array)
    return image.array[0]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("order", [None, [5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2]])
def test_frames_are_sorted_by_their_position(tmp_path: Path, order: list[int] | None, shared: bool) -> None:
    path = enhanced(tmp_path / "a.dcm", order=order, shared=shared)
    assert np.array_equal(found(path), FRAMES)
    assert read(path).spacing == (2000, 750, 500), "the distance of the frames, not their thickness"


def test_every_direction_is_one_orientation(tmp_path: Path) -> None:
    down = tuple(-v for v in AXIAL[:3]) + AXIAL[3:]  # seen from the head: the normal points to the feet
    assert np.array_equal(found(enhanced(tmp_path / "a.dcm", directions=down)), FRAMES[::-1, :, ::-1])
    coronal = found(enhanced(tmp_path / "b.dcm", directions=CORONAL, order=[3, 0, 5, 1, 4, 2]))
    assert np.array_equal(coronal, FRAMES.transpose(1, 0, 2)[::-1])  # the normal points to the back, rows to the feet
    assert read(tmp_path / "b.dcm").spacing == (750, 2000, 500)
    sagittal = found(enhanced(tmp_path / "c.dcm", directions=SAGITTAL))
    assert np.array_equal(sagittal, FRAMES.transpose(1, 2, 0)[::-1, :, ::-1])  # the normal points to the right
    assert read(tmp_path / "c.dcm").spacing == (750, 500, 2000)


@pytest.mark.parametrize("directions", [AXIAL, CORONAL, SAGITTAL, (0.98, 0.199, 0, -0.199, 0.98, 0)])
def test_a_prediction_of_dicom_is_a_nifti_in_the_place_of_the_patient(
    tmp_path: Path, directions: tuple[float, ...]
) -> None:
    path = enhanced(tmp_path / "a.dcm", directions=directions, order=[3, 0, 5, 1, 4, 2])
    store = Store(tmp_path / "store", budget=1 << 24)
    image, grid = store.image(Source(path)), store.grid(Source(path))
    folder = PredictionFolder(tmp_path / "out", ("a", "b"), planes={})
    folder.add(Record("a.dcm", Source(path)), image, LabelMap((image[0] > 600).astype(np.int64)), grid)
    labels = nibabel.load(tmp_path / "out" / "labels" / "a.nii.gz")
    assert np.array_equal(read(tmp_path / "out" / "labels" / "a.nii.gz").array, image > 600)
    frame, row, column = 4, 7, 2
    across, down = np.array(directions[:3]), np.array(directions[3:])
    place = (
        np.array([-20.0, -30.0, 40.0]) + 2 * frame * np.cross(across, down) + 0.75 * row * down + 0.5 * column * across
    )
    x, y, z = np.round(np.linalg.solve(labels.affine, [*(place * (-1, -1, 1)), 1])[:3]).astype(int)
    assert labels.affine @ (x, y, z, 1) == pytest.approx([*(place * (-1, -1, 1)), 1], abs=1e-3)
    assert np.asarray(labels.dataobj)[x, y, z] == (FRAMES[frame, row, column] > 600)
    assert np.asarray(labels.dataobj).sum() == (FRAMES > 600).sum()


def test_frames_that_make_no_volume_stay_as_they_are_stored(tmp_path: Path) -> None:
    places = np.array([-20.0, -30.0, 40.0]) + 2.0 * np.arange(6)[:, None] * (0, 0, 1)
    for name, wrong in (("times", np.tile(places[0], (6, 1))), ("gap", places + (np.arange(6) > 3)[:, None] * 7)):
        path = enhanced(tmp_path / f"{name}.dcm", positions=wrong, order=[3, 0, 5, 1, 4, 2])
        assert np.array_equal(found(path), FRAMES[[3, 0, 5, 1, 4, 2]])
        assert read(path).geometry is None

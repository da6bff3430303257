"""DICOM (bad inputs 39 to 45) and NIfTI."""

from __future__ import annotations

import gzip
import importlib.util
import logging
import warnings
from pathlib import Path

import numpy as np
import pytest

from lamelle.errors import FileError, sentence
from lamelle.io.images import header, planes, read, read_labels
from lamelle.types import Image

nibabel = pytest.importorskip("nibabel")
pydicom = pytest.importorskip("pydicom")

RNG = np.random.default_rng(3)
SCAN = RNG.integers(0, 4096, (20, 30), np.uint16)
VOLUME = RNG.integers(-900, 900, (30, 20, 5)).astype(np.int16)  # X, Y, Z
PATIENT = "SECRET^PATIENT"


def dicom(path: Path, array: np.ndarray = SCAN, *, syntax: str = "1.2.840.10008.1.2.1", **tags: object) -> Path:
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    data.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID
    data.PatientName, data.PatientID = PATIENT, PATIENT
    data.Rows, data.Columns = array.shape[:2] if array.ndim == 2 or array.shape[-1] == 3 else array.shape[1:3]
    colour = array.ndim > 2 and array.shape[-1] == 3
    if array.ndim == 3 and not colour:
        data.NumberOfFrames = len(array)
    data.SamplesPerPixel = 3 if colour else 1
    if colour:
        data.PlanarConfiguration = 0
    data.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 8 * array.itemsize
    data.PixelRepresentation = int(array.dtype.kind == "i")
    data.PixelData = array.tobytes()
    for name, value in tags.items():
        setattr(data, name, value)
    data.HighBit = data.BitsStored - 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(path, data, enforce_file_format=True)
    return path


def nifti(path: Path, array: np.ndarray = VOLUME, *, slope: float | None = None, unit: str = "mm", **_: object) -> Path:
    image = nibabel.Nifti1Image(array, np.diag([-0.5, -0.6, 2.0, 1.0]))
    image.header.set_xyzt_units(unit)
    if slope:
        image.header.set_slope_inter(slope, 1.0)
    nibabel.save(image, path)
    return path


def checked(path: Path) -> Image:
    image, head = read(path), header(path)
    assert (head.shape, head.dtype, head.bits) == (image.array.shape, image.array.dtype, image.bits)
    assert (head.spacing, head.problems) == (image.spacing, image.problems)
    stacked = np.stack(list(planes(path)), axis=1)
    assert np.array_equal(stacked, image.array if image.array.ndim == 4 else image.array[:, None])
    return image


def refused(path: Path, function=read, **options) -> FileError:
    with pytest.raises(FileError) as caught:
        function(path, **options)
    assert PATIENT not in str(caught.value)
    return caught.value


def test_dicom_values_bits_and_spacing(tmp_path: Path) -> None:
    image = checked(dicom(tmp_path / "a.dcm", BitsStored=12, PixelSpacing=[0.5, 0.25]))
    assert np.array_equal(image.array, SCAN[None])
    assert (image.array.dtype, image.bits, image.spacing) == (np.uint16, 12, (500.0, 250.0))
    assert read(dicom(tmp_path / "IM_0001")).problems == ()


def test_dicom_monochrome1_is_inverted(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", BitsStored=12, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(checked(path).array[0], 4095 - SCAN)


def test_dicom_rescale(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", BitsStored=12, RescaleSlope=1, RescaleIntercept=-1024)
    image = checked(path)
    assert image.array.dtype == np.int16
    assert np.array_equal(image.array[0], SCAN.astype(int) - 1024)
    image = checked(dicom(tmp_path / "b.dcm", RescaleSlope=0.5, RescaleIntercept=1))
    assert image.array.dtype == np.float32
    assert np.allclose(image.array[0], SCAN * 0.5 + 1)
    signed = SCAN.astype(np.int16) - 2000
    assert np.array_equal(checked(dicom(tmp_path / "c.dcm", signed)).array[0], signed)


def test_dicom_window_is_a_note(tmp_path: Path) -> None:
    image = checked(dicom(tmp_path / "a.dcm", WindowCenter=100, WindowWidth=50))
    assert [(p.code, p.severity) for p in image.problems] == [("files.window_not_applied", "note")]
    assert np.array_equal(image.array[0], SCAN)


def test_dicom_frames_and_colour(tmp_path: Path) -> None:
    frames = RNG.integers(0, 999, (4, 20, 30), np.uint16)
    path = dicom(tmp_path / "a.dcm", frames, PixelSpacing=[0.5, 0.25], SpacingBetweenSlices=3)
    image = checked(path)
    assert np.array_equal(image.array, frames[None])
    assert image.spacing == (3000.0, 500.0, 250.0)
    colour = RNG.integers(0, 256, (20, 30, 3), np.uint8)
    assert np.array_equal(checked(dicom(tmp_path / "b.dcm", colour)).array, colour.transpose(2, 0, 1))


def test_dicom_compressed_and_missing_codec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = dicom(tmp_path / "a.dcm")
    data = pydicom.dcmread(path)
    data.compress(pydicom.uid.RLELossless)
    data.save_as(path)
    assert np.array_equal(checked(path).array, SCAN[None])
    from pydicom.pixels.decoders.base import Decoder

    monkeypatch.setattr(Decoder, "is_available", False)
    error = refused(path)
    assert (error.code, error.values["syntax"]) == ("files.missing_codec", "RLE Lossless")


def test_dicom_without_pixels_and_dicomdir(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm")
    data = pydicom.dcmread(path)
    del data.PixelData
    data.save_as(path)
    assert refused(path).code == "files.no_pixels"
    data.file_meta.MediaStorageSOPClassUID = pydicom.uid.MediaStorageDirectoryStorage
    data.save_as(path)
    assert refused(path).code == refused(path, header).code == "files.dicomdir"


def test_dicom_cut_off_or_huge(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes()[:-50])
    assert refused(path).code == "files.cannot_decode"
    assert refused(dicom(path, Rows=65535, Columns=65535)).code in ("files.bomb", "files.too_large")


def test_patient_never_appears(tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture) -> None:
    path = dicom(tmp_path / "a.dcm")
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(100):
            mutated = bytearray(data)
            for place in rng.integers(132, len(data) - SCAN.nbytes, 4):
                mutated[place] = rng.integers(256)
            path.write_bytes(mutated)
            try:
                problems = read(path).problems
            except FileError as error:
                problems = (error.problem,)
                said.append(str(error.__cause__))
            said += [sentence(p) for p in problems]
    said += [str(w.message) for w in caught]
    output = capsys.readouterr()
    assert "SECRET" not in caplog.text + output.out + output.err + "".join(said)
    assert len(said) > 20


def test_decoder_that_quotes_a_value_is_not_quoted(tmp_path: Path) -> None:
    path = dicom(tmp_path / "a.dcm", PhotometricInterpretation=PATIENT)
    with pytest.raises(ValueError, match="SECRET"):
        _ = pydicom.dcmread(path).pixel_array
    error = refused(path)  # which looks for the name
    assert (error.code, error.values["reason"]) == ("files.cannot_decode", "ValueError")
    assert error.__cause__ is None


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kind", ["int16", "uint8", "float32", "bool"])
def test_nifti_agrees_with_nibabel(tmp_path: Path, name: str, kind: str) -> None:
    array = VOLUME.astype(kind).astype(np.uint8) if kind == "bool" else VOLUME.astype(kind)
    image = checked(nifti(tmp_path / name, array))
    assert np.array_equal(image.array[0], np.asarray(nibabel.load(tmp_path / name).dataobj).transpose(2, 1, 0))
    assert image.array.dtype == array.dtype
    assert image.spacing == pytest.approx((2000, 600, 500))
    assert image.problems == ()


def test_nifti_slope_two_dimensions_and_units(tmp_path: Path) -> None:
    image = checked(nifti(tmp_path / "a.nii.gz", slope=0.5))
    assert np.allclose(image.array[0], VOLUME.transpose(2, 1, 0) * 0.5 + 1)
    assert image.array.dtype == np.float32
    flat = checked(nifti(tmp_path / "b.nii", VOLUME[..., 0], unit="micron"))
    assert np.array_equal(flat.array[0], VOLUME[..., 0].T)
    assert flat.spacing == pytest.approx((0.6, 0.5))
    two = nibabel.Nifti2Image(VOLUME, np.diag([-1, -1, 1, 1]))
    nibabel.save(two, tmp_path / "c.nii")
    assert np.array_equal(checked(tmp_path / "c.nii").array[0], VOLUME.T)


def test_nifti_uncompressed_is_mapped(tmp_path: Path) -> None:
    assert isinstance(read(nifti(tmp_path / "a.nii")).array, np.memmap)


def test_nifti_big_endian(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(VOLUME, np.diag([-1, -1, 1, 1]), header=nibabel.Nifti1Header(endianness=">"))
    nibabel.save(image, tmp_path / "a.nii")
    assert np.array_equal(checked(tmp_path / "a.nii").array[0], VOLUME.T)


def test_nifti_time_series(tmp_path: Path) -> None:
    array = np.zeros((5, 6, 7, 2), np.int16)
    error = refused(nifti(tmp_path / "a.nii", array))
    assert (error.code, error.values["length"]) == ("files.time_points", 2)
    assert checked(nifti(tmp_path / "b.nii", array[..., :1])).array.shape == (1, 7, 6, 5)
    vector = nifti(tmp_path / "c.nii", RNG.integers(0, 9, (5, 6, 7, 1, 3)).astype(np.int16))
    assert checked(vector).array.shape == (3, 7, 6, 5)


def test_nifti_truncated(tmp_path: Path) -> None:
    for name in ("a.nii", "a.nii.gz"):
        path = nifti(tmp_path / name)
        path.write_bytes(path.read_bytes()[:-40])
        assert refused(path).code in ("files.truncated", "files.cannot_decode")
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(b"something else"))
    assert refused(tmp_path / "b.nii.gz").code == "files.unsupported"


def test_nifti_float_labels(tmp_path: Path) -> None:
    labels = np.abs(VOLUME) % 4
    path = nifti(tmp_path / "a.nii.gz", labels.astype(np.float32))
    found = read_labels(path)
    assert np.array_equal(found.array, labels.T)
    assert found.array.dtype == np.uint8
    assert found.spacing == pytest.approx((2000, 600, 500))
    assert refused(nifti(path, labels + np.float32(0.25)), read_labels).code == "files.float_labels"


@pytest.mark.parametrize(("write", "name", "package"), [(dicom, "a.dcm", "pydicom"), (nifti, "a.nii", "nibabel")])
def test_missing_extra(tmp_path: Path, write, name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / name)
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == package else found(n, *a))
    for function in (read, header):
        assert "pip install lamelle[medical]" in str(refused(path, function))


_MARKS = (b"II*\0", b"MM\0*", b"\x89PNG\r\n\x1a\n", b"\x93NUMPY", b"PK\x03\x04", b"BM", b"\xff\xd8\xff", b"%PDF")


@pytest.mark.parametrize("mark", _MARKS)
def test_dicom_is_known_by_its_mark_before_any_other_format(tmp_path: Path, mark: bytes) -> None:
    path = dicom(tmp_path / "a.dcm")
    data = path.read_bytes()
    path.write_bytes(mark + data[len(mark) :])  # the preamble is anybody's: it may be a TIFF of the same pixels
    assert np.array_equal(checked(path).array[0], SCAN)


def test_twelve_bit_jpeg_is_read() -> None:
    image = checked(Path(pydicom.__file__).parent / "data" / "test_files" / "JPGExtended.dcm")
    assert image.array.dtype == np.uint16
    assert 255 < image.array.max() < 4096


def test_monochrome1_labels_are_read_as_they_are_shown(tmp_path: Path) -> None:
    mask = (SCAN > 2000).astype(np.uint8) * 255
    path = dicom(tmp_path / "a.dcm", 255 - mask, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(read_labels(path).array, mask)


@pytest.mark.parametrize("bits", [8, 16])
def test_dicom_palette(tmp_path: Path, bits: int) -> None:
    indices = (SCAN % 200).astype(np.uint8)
    table = RNG.integers(0, 1 << bits, (3, 256)).astype(f"u{bits // 8}")
    path = dicom(tmp_path / "a.dcm", indices)
    data = pydicom.dcmread(path)
    data.PhotometricInterpretation = "PALETTE COLOR"
    for name, colours in zip(("Red", "Green", "Blue"), table, strict=True):
        data.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [256, 0, bits])
        data.add_new(f"{name}PaletteColorLookupTableData", "OW", colours.tobytes())
    data.save_as(path)
    assert np.array_equal(checked(path).array, (table >> (bits - 8)).astype(np.uint8)[:, indices])
    assert np.array_equal(read_labels(path).array, indices)

"""Each row of the table of formats keeps what a row promises: an example of each is read, cut off, written, stored."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from dicom_series import write_series
from format_contract import agree, cut_off
from PIL import Image as Pillow

from lamelle.conversion.apply import convert_stack
from lamelle.data.decoding import in_place
from lamelle.errors import FileError
from lamelle.io import atomic, images, series
from lamelle.io.files import promised
from lamelle.io.format import Format
from lamelle.io.formats.table import FORMATS
from lamelle.io.images import format_called, format_of, header, read
from lamelle.io.output_form import Form
from lamelle.io.writers import write_image
from lamelle.messages import LANGUAGES, text
from lamelle.types import Source

ROOT = Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(3)
STACK = RNG.integers(0, 200, (6, 90, 128), np.uint8).astype(np.uint16) * 100
PLANE = (STACK[0] // 100).astype(np.uint8)


def _pillow(path: Path) -> None:
    Pillow.fromarray(PLANE).save(path)


def _dicom(path: Path) -> None:
    from pydicom import dcmread
    from pydicom.data import get_testdata_file

    data = dcmread(str(get_testdata_file("CT_small.dcm")))
    del data["DataSetTrailingPadding"]
    data.save_as(path)


def _nifti(path: Path) -> None:
    import nibabel

    nibabel.save(nibabel.Nifti1Image(STACK.T, np.diag([-1, -1, 2, 1])), path)


def _series(path: Path) -> None:
    write_image(path.parent / "source.tif", STACK[None], spacing=None)
    options = {"key": None, "axes": None, "spacing": None, "labels": False}
    convert_stack(path.parent / "source.tif", path, to="tif", **options)


EXAMPLES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "dicom": ("a.dcm", _dicom),
    "tiff": ("a.tif", lambda path: tifffile.imwrite(path, STACK, photometric="minisblack")),
    "png": ("a.png", _pillow),
    "npy": ("a.npy", lambda path: np.save(path, STACK)),
    "zarr": ("a.zarr", lambda path: zarr.create_array(str(path), data=STACK, chunks=(2, 64, 64))),
    "nifti": ("a.nii", _nifti),
    "jpeg": ("a.jpg", _pillow),
    "bmp": ("a.bmp", _pillow),
    "npz": ("a.npz", lambda path: np.savez_compressed(path, STACK)),
    "dicom series": ("scan", lambda path: write_series(path, STACK[:, :40, :50])),
    "series": ("slices", _series),
}
"""An example of each format that is read; a new format needs one."""
READ = [*FORMATS.readable(), series.FORMAT]


def example(folder: Path, row: Format) -> Path:
    for package in filter(None, [row.needs]):
        pytest.importorskip(package)
    name, write = EXAMPLES[row.name]
    write(folder / name)
    return folder / name


@pytest.fixture(params=READ, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> Format:
    return request.param


def test_header_pixels_planes_and_windows_are_the_same(row: Format, tmp_path: Path) -> None:
    path = example(tmp_path, row)
    assert format_of(path) is row
    assert header(path).format == row.name
    assert header(path).problems == ()
    exact = row.labels != "lossy" and row.name not in ("dicom", "dicom series")
    agree(path, {3: PLANE[None], 4: STACK[None]}[len(header(path).shape)] if exact else None)


def test_a_cut_off_file_is_refused(row: Format, tmp_path: Path) -> None:
    path = example(tmp_path, row)
    if path.is_file():
        cut_off(path)
        return
    inner = max((p for p in path.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    inner.write_bytes(inner.read_bytes()[: inner.stat().st_size // 2])
    with pytest.raises(FileError):
        read(path)


def test_content_decides_under_any_name(row: Format, tmp_path: Path) -> None:
    path = example(tmp_path, row)
    other = path.rename(tmp_path / ("b.jpg" if row.name != "jpeg" else "b.png"))
    assert format_of(other) is row
    assert [p.code for p in header(other).problems][:1] == ["files.wrong_suffix"]


def test_raw_pixels_lie_in_place_where_the_row_says_so(row: Format, tmp_path: Path) -> None:
    path = example(tmp_path, row)
    found = in_place("image", Source(path))
    assert (found is not None) == row.in_place
    if found is not None:
        assert found.format == row.name


def test_what_is_written_is_read_back(row: Format, tmp_path: Path) -> None:
    writer = row.write
    if writer is None:
        pytest.skip("it is not written")
    for shape in ((1, 40, 50), (3, 40, 50), (1, 5, 40, 50), (2, 5, 40, 50)):
        if writer.flat and len(shape) == 4:
            continue
        array = RNG.integers(0, 4000, shape).astype(np.uint16)
        form = Form(shape, array.dtype, (3.0, 0.5, 0.5)[-(len(shape) - 1) :], name="a")
        if not writer.holds(form):
            continue
        out = tmp_path / f"{len(shape)}{shape[0]}{writer.suffixes[-1]}"
        with (atomic.writing_folder if writer.folder else atomic.writing)(out) as temporary:
            writer.planes(temporary, form, array.swapaxes(0, 1) if array.ndim == 4 else array[None], out)
        whole = out.with_name(f"w{out.name}")
        write_image(whole, array, spacing=form.spacing)
        for path in (out, whole):
            image = read(path)
            assert format_of(path) is row
            assert np.array_equal(np.asarray(image.array).reshape(shape), array)
            if writer.sizes in ("kept", "needed"):
                assert image.spacing is not None
                assert np.allclose(image.spacing[-2:], (0.5, 0.5))


def test_a_missing_package_names_what_installs_it(row: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert bool(row.needs) == bool(row.extra)
    if not row.needs:
        return
    assert any(requirement.startswith(row.needs) for requirement in extras[row.extra])
    path = example(tmp_path, row)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for function in (images.read, images.header):
        with pytest.raises(FileError, match=rf"lamelle\[{row.extra}\]"):
            function(path)


def test_suffixes_are_of_one_format_each() -> None:
    every = [suffix for row in FORMATS.values() for suffix in row.suffixes]
    assert len(set(every)) == len(every)
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in every)
    for row in FORMATS.values():
        for suffix in row.suffixes:
            assert promised(f"a{suffix}") == (row.name if row.read else None)
    for row in READ:
        assert all(FORMATS.of_suffix(suffix) is not None for suffix in row.answers)
        assert set(row.write.suffixes if row.write else ()) <= set(row.suffixes)
        assert format_called(row.name) is row


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_not_read_has_a_cure(language: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_LANG", language)
    for row in FORMATS.unread():
        assert text(f"files.cure_{row.cure}")
        assert row.suffixes or row.recognise
        assert (row.header, row.planes, row.window, row.write) == (None,) * 4
    (tmp_path / "a.png").write_bytes(b"ZISRAWFILE" + bytes(90))
    with pytest.raises(FileError, match=r"Zeiss CZI.*Bio-Formats"):
        read(tmp_path / "a.png")

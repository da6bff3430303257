"""Where voxels lie: every way of storing one volume is read as the same array, as nibabel turns it."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest

from lamelle.data.store import Store
from lamelle.io.geometry import apart, directions, located, own_turn, spacing_of, turn_of
from lamelle.io.images import header, planes, read
from lamelle.types import Source

nibabel = pytest.importorskip("nibabel")

RNG = np.random.default_rng(5)
VOLUME = RNG.integers(-900, 900, (50, 40, 30)).astype(np.int16)  # X, Y, Z
AFFINE = np.array([[-0.5, 0, 0, 11], [0, -0.75, 0, 7], [0, 0, 2, -30], [0, 0, 0, 1]])
SIGNS = list(product((1, -1), repeat=3))
WAYS = [np.array(list(zip(axes, signs, strict=True))) for axes in permutations(range(3)) for signs in SIGNS]


def stored(way: np.ndarray, array: np.ndarray = VOLUME, affine: np.ndarray = AFFINE) -> nibabel.Nifti1Image:
    """The same volume in the same place, stored in another order."""
    return nibabel.Nifti1Image(array, affine).as_reoriented(way)


def test_there_are_48_ways() -> None:
    assert len({way.tobytes() for way in WAYS}) == 48


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_one_volume_in_48_orders_is_one_array(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for i, way in enumerate(WAYS):
        nibabel.save(stored(way), path)
        image, head = read(path), header(path)
        assert np.array_equal(image.array[0], VOLUME.transpose(2, 1, 0))
        assert image.spacing == head.spacing == (2000, 750, 500)
        assert (head.shape, head.geometry) == (image.array.shape, image.geometry)
        assert np.array_equal(np.stack(list(planes(path)), axis=1), image.array)
        store = Store(tmp_path / f"store{i}", budget=1 << 30)
        assert np.array_equal(store.image(Source(path)), image.array)
        assert np.array_equal(np.array(store.image(Source(path, None, 7)))[0], VOLUME[..., 7].T)
        assert store.entry(Source(path)).geometry == image.geometry
        again = Store(tmp_path / f"store{i}", budget=1 << 30)
        assert again.entry(Source(path)).geometry == image.geometry, "kept as typed values on disk"


def test_what_lies_raw_on_disk_is_mapped_in_every_order(tmp_path: Path) -> None:
    for i, way in enumerate(WAYS):
        path = tmp_path / f"{i}.nii"
        nibabel.save(stored(way), path)
        entry = Store(tmp_path / "store", budget=1 << 30).entry(Source(path))
        assert (entry.path, entry.bytes) == (path, 0)
        assert np.array_equal(entry.map()[0], VOLUME.transpose(2, 1, 0))


def test_oblique_grids_are_turned_as_nibabel_turns_them(tmp_path: Path) -> None:
    for seed in range(300):
        rng = np.random.default_rng(seed)
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        affine = np.eye(4)
        affine[:3, :3] = turn * rng.uniform(0.3, 5, 3)
        affine[:3, 3] = rng.normal(0, 50, 3)
        geometry = located(affine, (5, 6, 7))
        assert geometry is not None
        assert directions(geometry) == "".join(nibabel.aff2axcodes(affine))
        assert spacing_of(geometry)[::-1] == pytest.approx(np.linalg.norm(affine[:3, :3], axis=0) * 1e3)
    nibabel.save(nibabel.Nifti1Image(VOLUME, affine), tmp_path / "a.nii")
    closest = np.asarray(nibabel.as_closest_canonical(nibabel.load(tmp_path / "a.nii")).dataobj)
    assert np.array_equal(read(tmp_path / "a.nii").array[0], closest[::-1, ::-1].transpose(2, 1, 0))


def test_a_turn_is_undone_exactly() -> None:
    array = RNG.integers(0, 9, (2, 3, 4, 5))
    for where in ("LPS", "RAS", "PSR", "IRA", "SAL"):
        turn = turn_of(where, (5, 4, 3))
        out = turn.apply(array, dims=3)
        assert np.array_equal(turn.undo(out, dims=3), array)
        assert turn.sizes((3, 4, 5)) == out.shape[1:]
        for place in product(*(range(n) for n in out.shape[1:])):
            x, y, z = turn.stored(place, (5, 4, 3))
            assert np.array_equal(out[(slice(None), *place)], array[:, z, y, x])


@pytest.mark.parametrize("across", [0, 1, 2])
def test_a_single_slice_stays_a_slice_however_it_was_cut(tmp_path: Path, across: int) -> None:
    flat = VOLUME.take([4], axis=across)
    found = set()
    for i, way in enumerate(WAYS):
        path = tmp_path / f"{i}.nii.gz"
        nibabel.save(stored(way, flat), path)
        image = read(path)
        assert image.array.shape[:2] == (1, 1)
        found.add((image.array.shape, image.array.tobytes()))
    assert len(found) == 1
    plane = read(path).array[0, 0]
    standing = plane[::-1] if across < 2 else plane  # rows from head to feet
    assert np.array_equal(standing, VOLUME.take(4, axis=across).T)


def nifti(path: Path, *, sform: tuple[np.ndarray, int] | None, qform: tuple[np.ndarray, int] | None, **more) -> Path:
    image = nibabel.Nifti1Image(more.get("array", VOLUME), None, header=more.get("header"))
    image.header.set_xyzt_units(more.get("unit", "mm"))
    image.set_sform(*(sform or (None, 0)))
    image.set_qform(*(qform or (None, 0)))
    nibabel.save(image, path)
    return path


def test_the_sform_goes_before_the_qform_and_without_both_nothing_is_turned(tmp_path: Path) -> None:
    turned = np.diag([0.5, 0.75, 2.0, 1.0])
    for sform, qform in product(((AFFINE, 1), None), ((turned, 1), None)):
        path = nifti(tmp_path / "a.nii.gz", sform=sform, qform=qform)
        image, other = read(path), nibabel.load(path)
        expected = (
            VOLUME if not (sform or qform) else np.asarray(nibabel.as_closest_canonical(other).dataobj)[::-1, ::-1]
        )
        assert np.array_equal(image.array[0], expected.transpose(2, 1, 0))
        assert [p.code for p in image.problems] == (["files.two_affines"] if sform and qform else [])
        assert (image.geometry is None) == (not sform and not qform)
        assert header(path).problems == image.problems
    atlas = nifti(tmp_path / "b.nii.gz", sform=(AFFINE, 4), qform=(turned, 1))
    assert read(atlas).problems == (), "an atlas is another space by intent"


def test_an_affine_that_is_none_is_said_and_nothing_is_turned(tmp_path: Path) -> None:
    flat, nan = np.diag([0.5, 0.0, 2.0, 1.0]), AFFINE.copy()
    nan[0, 3] = np.nan
    for broken in (flat, nan):
        image = read(nifti(tmp_path / "a.nii", sform=(broken, 1), qform=None))
        assert [(p.code, p.values["form"]) for p in image.problems] == [("files.affine_broken", "sform")]
        assert np.array_equal(image.array[0], VOLUME.transpose(2, 1, 0))


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1), ("meter", 1e3), ("micron", 1e-3), ("unknown", 1)])
def test_the_affine_is_in_the_unit_of_the_header(tmp_path: Path, unit: str, factor: float) -> None:
    image = read(nifti(tmp_path / "a.nii", sform=(AFFINE, 1), qform=None, unit=unit))
    assert image.spacing == pytest.approx(np.array([2000, 750, 500]) * factor)
    assert np.array(image.geometry.affine)[:3] == pytest.approx(AFFINE[:3] * factor)


def test_pixel_sizes_beside_an_sform_do_not_count(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii", sform=(AFFINE, 1), qform=None)
    data = bytearray(path.read_bytes())
    data[80:92] = np.array([1, 1, 1], "<f4").tobytes()  # pixdim
    path.write_bytes(data)
    assert read(path).spacing == (2000, 750, 500)


def test_the_distance_is_that_of_the_farthest_corner() -> None:
    image = located(AFFINE, (50, 40, 30))
    moved = AFFINE.copy()
    moved[:3, 3] += (3, 0, 4)
    assert apart(image, located(moved, (50, 40, 30))) == pytest.approx((5, 6))
    wider = AFFINE @ np.diag([1.1, 1, 1, 1])
    assert apart(image, located(wider, (50, 40, 30)))[0] == pytest.approx(49 * 0.05)
    for way in WAYS:
        other = stored(way)
        assert apart(image, located(other.affine, other.shape)) == pytest.approx((0, 0), abs=1e-9)
        assert own_turn(located(other.affine, other.shape)).sizes(other.shape[::-1]) == (30, 40, 50)

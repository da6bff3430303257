"""The store: decoded once, mapped afterwards, safe with several processes, within its budget."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from lamelle.data import file_hashes
from lamelle.data.store import Store
from lamelle.errors import DataError, FileError
from lamelle.io import atomic, images
from lamelle.types import Source

BIG = 1 << 30
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def png(path: Path, seed: int = 0, size: tuple[int, ...] = (40, 50)) -> Source:
    array = np.random.default_rng(seed).integers(0, 256, size, np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    os.utime(path, (1e9, 1e9))
    return Source(path)


def pixels(source: Source) -> np.ndarray:
    return np.asarray(Image.open(source.path))


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("??/*.npy"))


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120
    )


# ---- what is read


def test_an_image_is_its_pixels_read_only(tmp_path: Path) -> None:
    source = png(tmp_path / "a.png")
    array = Store(tmp_path / "store", budget=BIG).image(source)
    assert np.array_equal(array, pixels(source)[None])
    assert isinstance(array, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0, 0] = 1


def test_a_plane_of_a_compressed_stack(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(0, 60000, (5, 20, 30), np.uint16)
    tifffile.imwrite(tmp_path / "s.tif", stack, compression="zlib", photometric="minisblack")
    store = Store(tmp_path / "store", budget=BIG)
    assert np.array_equal(store.image(Source(tmp_path / "s.tif", index=3)), stack[None, 3])
    assert np.array_equal(store.image(Source(tmp_path / "s.tif")), stack[None])
    assert np.array_equal(store.labels([Source(tmp_path / "s.tif", index=4)], objects=False), stack[4])
    assert len(entries(tmp_path / "store")) == 2  # one for all planes, one for all label planes
    with pytest.raises(FileError, match="plane 5 is asked for but the file has 5"):
        store.image(Source(tmp_path / "s.tif", index=5))


@pytest.mark.parametrize("kind", ["tif", "npy"])
def test_raw_pixels_stay_where_they_are(tmp_path: Path, kind: str) -> None:
    stack = np.random.default_rng(0).integers(0, 60000, (4, 200, 300), np.uint16)
    path = tmp_path / f"raw.{kind}"
    if kind == "tif":
        tifffile.imwrite(path, stack, photometric="minisblack")
    else:
        np.save(path, stack)
    store = Store(tmp_path / "store", budget=BIG)
    array = store.image(Source(path, index=2))
    assert np.array_equal(array, stack[None, 2])
    assert np.array_equal(store.labels([Source(path)], objects=False), stack)
    assert entries(tmp_path / "store") == []
    assert not array.flags.writeable


def test_foreign_byte_order_and_fortran_order_come_out_right(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(0, 60000, (4, 200, 300), np.uint16)
    tifffile.imwrite(tmp_path / "big.tif", stack, photometric="minisblack", byteorder=">")
    np.save(tmp_path / "fortran.npy", np.asfortranarray(stack))
    store = Store(tmp_path / "store", budget=BIG)
    for name in ("big.tif", "fortran.npy"):
        array = store.image(Source(tmp_path / name))
        assert np.array_equal(array[0], stack)
        assert array.dtype.isnative


def test_rows_of_an_npz(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 3), np.uint8)
    np.savez_compressed(tmp_path / "m.npz", train_images=images, test_images=images[:2])
    store = Store(tmp_path / "store", budget=BIG)
    found = store.image(Source(tmp_path / "m.npz", "train_images", 4))
    assert np.array_equal(found, images[4].transpose(2, 0, 1))
    assert store.image(Source(tmp_path / "m.npz", "test_images")).shape[1] == 2


def test_spacing_and_bits_come_with_the_entry(tmp_path: Path) -> None:
    data = np.zeros((3, 20, 20), np.uint8) + np.arange(20, dtype=np.uint8)
    options = {"imagej": True, "resolution": (1 / 0.5, 1 / 0.5), "compression": "zlib"}
    tifffile.imwrite(tmp_path / "s.tif", data, metadata={"axes": "ZYX", "spacing": 2.0, "unit": "um"}, **options)
    for _ in range(2):  # built, then read back
        store = Store(tmp_path / "store", budget=BIG)
        assert store.spacing(Source(tmp_path / "s.tif")) == pytest.approx((2.0, 0.5, 0.5))
        assert store.spacing(Source(tmp_path / "s.tif", index=1)) == pytest.approx((0.5, 0.5))
        assert store.bits(Source(tmp_path / "s.tif")) is None
        assert store.entry(Source(tmp_path / "s.tif")).format == "tiff"


def test_what_the_reader_said_is_kept_with_the_present_name(tmp_path: Path) -> None:
    png(tmp_path / "a.png")
    for name in ("b.jpg", "c.jpg"):
        (tmp_path / name).write_bytes((tmp_path / "a.png").read_bytes())
        store = Store(tmp_path / "store", budget=BIG)
        (problem,) = store.problems(Source(tmp_path / name))
        assert (problem.code, problem.where) == ("files.wrong_suffix", str(tmp_path / name))
    assert len(entries(tmp_path / "store")) == 1  # one content


def test_object_masks_become_instances_once(tmp_path: Path) -> None:
    masks = np.zeros((3, 30, 30), np.uint8)
    masks[0, 2:8, 2:8] = masks[1, 10:20, 10:20] = masks[2, 19:25, 19:25] = 255
    sources = []
    for n, mask in enumerate(masks):
        Image.fromarray(mask).save(tmp_path / f"{n}.png")
        sources.append(Source(tmp_path / f"{n}.png"))
    store = Store(tmp_path / "store", budget=BIG)
    found = store.labels(sources, objects=True)
    assert found.dtype == np.uint32
    assert np.array_equal(found, np.max(masks.astype(bool) * np.array([1, 2, 3])[:, None, None], axis=0))
    joined = store.labels(sources, objects=False)
    assert (joined.dtype, joined.tolist()) == (np.uint8, masks.max(0).tolist()), "255, as in every mask"
    Image.fromarray(masks[0] // 2).save(tmp_path / "other.png")
    several = [*sources[1:], Source(tmp_path / "other.png")]
    assert np.array_equal(store.labels(several, objects=False), masks.any(0)), "127 and 255 are no one value"
    assert store.labels(sources[:1], objects=True).max() == 1
    assert [(p.code, p.values) for p in store.label_problems(sources, objects=True)] == [
        ("audit.objects_overlap", {"pixels": 1})
    ]
    Image.fromarray(masks[0, :20]).save(tmp_path / "0.png")
    with pytest.raises(DataError):
        Store(tmp_path / "store", budget=BIG).labels(sources, objects=True)


def test_resized_images_are_antialiased_and_labels_keep_their_values(tmp_path: Path) -> None:
    source = png(tmp_path / "a.png", size=(90, 120))
    store = Store(tmp_path / "store", budget=BIG)
    for size in ((31, 47), (128, 200)):
        mine = store.resized(source, size=size)
        theirs = np.asarray(Image.open(source.path).resize((size[1], size[0]), Image.Resampling.BILINEAR))
        assert mine.dtype == np.uint8
        assert np.abs(mine[0].astype(int) - theirs).max() <= 1
        labels = store.resized((source,), size=size, labels=True)
        assert labels.shape == size
        assert np.isin(labels, pixels(source)).all()
    assert np.array_equal(store.resized(source, size=(90, 120))[0], pixels(source))
    ramp = np.broadcast_to(np.arange(16, dtype=np.uint16)[:, None, None] * 1000, (16, 24, 24))
    np.save(tmp_path / "v.npy", ramp)
    volume = store.resized(Source(tmp_path / "v.npy"), size=(8, 12, 12))
    assert volume.shape == (1, 8, 12, 12)
    assert volume.dtype == np.uint16
    assert np.array_equal(volume[0, 1:-1, 5, 5], np.arange(3, 15, 2) * 1000 - 500)


# ---- decoded once


def test_a_second_run_reads_no_file_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [png(tmp_path / f"{n}.png", n) for n in range(3)]
    first = [np.array(Store(tmp_path / "store", budget=BIG).image(s)) for s in sources]

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(images, "read", refuse)
    monkeypatch.setattr(file_hashes.hashlib, "file_digest", refuse)
    store = Store(tmp_path / "store", budget=BIG)
    assert all(np.array_equal(store.image(s), a) for s, a in zip(sources, first, strict=True))


def test_a_changed_file_is_seen_even_with_the_old_size(tmp_path: Path) -> None:
    source = png(tmp_path / "a.bmp", 1)
    Store(tmp_path / "store", budget=BIG).image(source)
    size = source.path.stat().st_size
    png(tmp_path / "a.bmp", 2)
    os.utime(source.path, (2e9, 2e9))
    assert source.path.stat().st_size == size
    assert np.array_equal(Store(tmp_path / "store", budget=BIG).image(source)[0], pixels(source))


def test_a_file_changed_just_now_is_not_remembered(tmp_path: Path) -> None:
    """Two versions written within one tick of the clock have the same size and time."""
    path = tmp_path / "a.bin"
    memory = file_hashes.FileHashes(tmp_path / "memory")
    path.write_bytes(b"one")
    now = time.time_ns()
    os.utime(path, ns=(now, now))
    first = memory.of(path)
    with path.open("r+b") as file:
        file.write(b"two")
    os.utime(path, ns=(now, now))
    assert memory.of(path) != first


def test_a_torn_memory_costs_nothing_but_time(tmp_path: Path) -> None:
    source = png(tmp_path / "a.png")
    Store(tmp_path / "store", budget=BIG).image(source)
    memory = tmp_path / "store" / "contents.jsonl"
    memory.write_bytes(memory.read_bytes()[:-20] + b"\n\xff{[\n")
    assert np.array_equal(Store(tmp_path / "store", budget=BIG).image(source)[0], pixels(source))


def test_a_long_memory_is_shortened_once_however_many_threads_ask(tmp_path: Path) -> None:
    source = png(tmp_path / "a.png")
    old = time.time_ns() - 10**10
    os.utime(source.path, ns=(old, old))
    memory = tmp_path / "memory"
    known = file_hashes.FileHashes(memory).of(source.path)
    memory.write_bytes(memory.read_bytes() * 4000)
    for _ in range(5):
        asked = file_hashes.FileHashes(memory)
        with ThreadPoolExecutor(16) as pool:
            assert set(pool.map(asked.of, [source.path] * 64)) == {known}
        assert len(memory.read_bytes().splitlines()) == 1
        memory.write_bytes(memory.read_bytes() * 4000)


def test_a_memory_that_cannot_be_shortened_serves_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = png(tmp_path / "a.png")
    old = time.time_ns() - 10**10
    os.utime(source.path, ns=(old, old))
    memory = tmp_path / "memory"
    known = file_hashes.FileHashes(memory).of(source.path)
    memory.write_bytes(long := memory.read_bytes() * 2000)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", full)
        assert file_hashes.FileHashes(memory).of(source.path) == known
    assert memory.read_bytes() == long
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "memory"]


def _shorten(entry: Path) -> None:
    entry.write_bytes(entry.read_bytes()[:-1])


def _other_header(entry: Path) -> None:
    entry.write_bytes(entry.read_bytes().replace(b"|u1", b"|i1"))


def _flip(entry: Path) -> None:
    """One bit of a pixel, by something that sets the time back."""
    content, status = bytearray(entry.read_bytes()), entry.stat()
    content[-7] ^= 16
    entry.write_bytes(content)
    os.utime(entry, ns=(status.st_atime_ns, status.st_mtime_ns))


def _flip_record(entry: Path) -> None:
    record = entry.with_suffix(".json")
    record.write_bytes(record.read_bytes().replace(b"40", b"50", 1))


def _tear(entry: Path) -> None:
    record = entry.with_suffix(".json")
    record.write_bytes(record.read_bytes()[:30])


def _lose_record(entry: Path) -> None:
    entry.with_suffix(".json").unlink()


@pytest.mark.parametrize("damage", [_shorten, _other_header, _flip, _flip_record, _tear, _lose_record, Path.unlink])
def test_a_damaged_entry_is_built_again(tmp_path: Path, damage: object) -> None:
    source = png(tmp_path / "a.png")
    Store(tmp_path / "store", budget=BIG).image(source)
    (entry,) = entries(tmp_path / "store")
    good = entry.read_bytes()
    damage(entry)  # type: ignore[operator]
    assert np.array_equal(Store(tmp_path / "store", budget=BIG).image(source)[0], pixels(source))
    assert entry.read_bytes() == good


@pytest.mark.parametrize(("damage", "suffix"), [(_flip, ".npy"), (_flip_record, ".json")])
def test_a_flipped_bit_is_said_with_its_file(tmp_path: Path, damage: object, suffix: str) -> None:
    source, said = png(tmp_path / "a.png"), list[str]()
    Store(tmp_path / "store", budget=BIG, say=said.append).image(source)
    (entry,) = entries(tmp_path / "store")
    damage(entry)  # type: ignore[operator]
    Store(tmp_path / "store", budget=BIG, say=said.append).image(source)
    assert [str(entry.with_suffix(suffix)) in line for line in said] == [True]


def test_a_bit_that_flips_while_a_store_is_held_is_noticed(tmp_path: Path) -> None:
    source, said = png(tmp_path / "a.png"), list[str]()
    store = Store(tmp_path / "store", budget=BIG, say=said.append)
    store.image(source)
    (entry,) = entries(tmp_path / "store")
    _flip(entry)
    assert np.array_equal(store.image(source)[0], pixels(source))
    assert len(said) == 1
    assert str(entry) in said[0]
    assert np.array_equal(store.image(source)[0], pixels(source))
    assert len(said) == 1


def test_a_copied_store_is_hashed_once_and_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, said = png(tmp_path / "a.png"), list[str]()
    Store(tmp_path / "store", budget=BIG).image(source)
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    assert np.array_equal(Store(tmp_path / "copy", budget=BIG, say=said.append).image(source)[0], pixels(source))

    def refuse(path: Path) -> str:
        raise AssertionError(f"{path}: hashed again")

    monkeypatch.setattr(atomic, "sha256", refuse)
    assert np.array_equal(Store(tmp_path / "copy", budget=BIG, say=said.append).image(source)[0], pixels(source))
    assert said == []


def test_a_remembered_hash_with_a_flipped_bit_is_forgotten(tmp_path: Path) -> None:
    """Otherwise an untouched image would be called changed."""
    memory, source = tmp_path / "memory", png(tmp_path / "a.png")
    content = file_hashes.FileHashes(memory).of(source.path)
    whole = memory.read_bytes()
    assert content.encode() in whole
    for bit in range(0, 8 * (len(whole) - 1)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        memory.write_bytes(flipped)
        assert file_hashes.FileHashes(memory)._read() == {}


def test_what_another_process_removed_is_built_again(tmp_path: Path) -> None:
    source = png(tmp_path / "a.png")
    store = Store(tmp_path / "store", budget=BIG)
    held = store.image(source)
    Store(tmp_path / "store", budget=BIG).clear()
    assert entries(tmp_path / "store") == []
    assert np.array_equal(held[0], pixels(source))
    assert np.array_equal(store.image(source)[0], pixels(source))


def test_a_store_travels_to_a_worker(tmp_path: Path) -> None:
    source = png(tmp_path / "a.png")
    store = Store(tmp_path / "store", budget=123456)
    store.image(source)
    again = pickle.loads(pickle.dumps(store))
    assert (again.folder, again.budget) == (store.folder, 123456)
    assert np.array_equal(again.image(source), store.image(source))


# ---- several processes, memory, disk

_BUILD = """
import sys, time, hashlib
from pathlib import Path
from lamelle.data.store import Store
from lamelle.types import Source
folder, start = Path(sys.argv[1]), float(sys.argv[2])
store = Store(folder / "store", budget=1 << 30)
time.sleep(max(0, start - time.time()))
total = hashlib.sha256()
for path in sorted(folder.glob("*.png")):
    total.update(store.image(Source(path)).tobytes())
print(total.hexdigest(), len(store._used))
"""


def test_two_processes_build_the_same_entries_at_once(tmp_path: Path) -> None:
    for n in range(40):
        png(tmp_path / f"{n:02}.png", n, (300, 300))
    start = time.time() + 1.5
    command = [sys.executable, "-c", _BUILD, str(tmp_path), str(start)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == said[1]
    assert said[0].endswith(" 40\n")
    assert len(entries(tmp_path / "store")) == 40
    assert not list((tmp_path / "store").glob("*/*.tmp"))
    store = Store(tmp_path / "store", budget=BIG)
    for path in tmp_path.glob("*.png"):
        assert np.array_equal(store.image(Source(path))[0], pixels(Source(path)))


_PEAK = """
import re, sys, threading, time
from pathlib import Path
from lamelle.data.store import Store
from lamelle.io import atomic, images
from lamelle.types import Source
import imagecodecs, tifffile

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

peak, done = [0.0], threading.Event()
def watch():
    while not done.is_set():
        peak[0] = max(peak[0], anonymous())
        time.sleep(0.002)

path, mode = Path(sys.argv[1]), sys.argv[2]
images.header(path)
base = anonymous()
thread = threading.Thread(target=watch)
thread.start()
if mode == "whole":
    array = images.read(path).array
elif mode == "image":
    array = Store(Path(sys.argv[3]), budget=1 << 30).image(Source(path))
else:
    array = Store(Path(sys.argv[3]), budget=1 << 30).labels([Source(path)], objects=False)
array.sum()
done.set()
thread.join()
print(peak[0] - base)
"""


@linux
def test_a_compressed_stack_is_never_whole_in_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with tifffile.TiffWriter(tmp_path / "s.tif") as file:
        for _ in range(80):
            plane = np.repeat(rng.integers(0, 256, (1024, 32), np.uint8), 32, axis=1)
            file.write(plane, compression="zlib", contiguous=False, photometric="minisblack")
    peaks = {}
    for mode in ("whole", "image", "labels"):
        done = run(_PEAK, tmp_path / "s.tif", mode, tmp_path / f"store-{mode}")
        assert done.returncode == 0, done.stderr
        peaks[mode] = float(done.stdout)
    assert peaks["whole"] > 75  # MiB: the control holds it all
    assert peaks["image"] < 20
    assert peaks["labels"] < 20
    store = Store(tmp_path / "store-image", budget=BIG)
    expected = tifffile.imread(tmp_path / "s.tif", key=70)
    assert np.array_equal(store.image(Source(tmp_path / "s.tif", index=70))[0], expected)


@linux
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    png(tmp_path / "a.png", 0, (300, 300))
    code = """
import resource, sys
from pathlib import Path
from lamelle.data.store import Store
from lamelle.errors import FileError
from lamelle.types import Source
folder = Path(sys.argv[1])
store = Store(folder / "store", budget=1 << 30)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
try:
    store.image(Source(folder / "a.png"))
except FileError as error:
    print(error.code, error)
"""
    done = run(code, tmp_path)
    assert done.stdout.startswith("audit.store_full"), done.stderr
    assert "0.1 MB" in done.stdout
    assert [p for p in (tmp_path / "store").rglob("*") if p.is_file() and p.name != "contents.jsonl"] == []


def test_the_folder_is_the_users_own(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", budget=BIG)
    store.image(png(tmp_path / "a.png"))
    if os.name == "posix":
        assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700


# ---- the budget


def test_the_least_recently_used_go_first_and_never_what_is_in_use(tmp_path: Path) -> None:
    sources = [png(tmp_path / f"{n}.png", n, (100, 100)) for n in range(6)]
    first = Store(tmp_path / "store", budget=BIG)
    addresses = []
    for n, source in enumerate(sources[:4]):
        before = set(entries(tmp_path / "store"))
        first.image(source)
        (entry,) = set(entries(tmp_path / "store")) - before
        os.utime(entry.with_suffix(".json"), (1e9 + n, 1e9 + n))
        addresses.append(entry)
    one = first.usage().bytes // 4
    second = Store(tmp_path / "store", budget=int(one * 4.5))
    second.image(sources[0])  # oldest, but used again
    second.image(sources[4])  # exceeds the budget
    left = set(entries(tmp_path / "store"))
    assert addresses[0] in left
    assert addresses[1] not in left
    assert addresses[3] in left
    assert second.usage().bytes <= second.budget
    small = Store(tmp_path / "store", budget=one)
    arrays = [small.image(s) for s in sources]
    assert small.usage().entries == 6  # all in use, so the budget gives way
    assert all(np.array_equal(a[0], pixels(s)) for a, s in zip(arrays, sources, strict=True))


def test_prune_and_clear(tmp_path: Path) -> None:
    sources = [png(tmp_path / f"{n}.png", n) for n in range(3)]
    for source in sources:
        Store(tmp_path / "store", budget=BIG).image(source)
    (old,) = [(p.parent / "x.tmp") for p in entries(tmp_path / "store")[:1]]
    old.write_bytes(b"left behind")
    os.utime(old, (1e9, 1e9))
    store = Store(tmp_path / "store", budget=BIG)
    assert store.usage().entries == 3
    assert store.prune(budget=store.usage().bytes - 1).entries == 2
    assert not old.exists()
    assert all(store.image(source).size for source in sources[1:])
    store.clear()
    assert [path.name for path in (tmp_path / "store").rglob("*") if path.is_file()] == []
    assert store.usage().entries == 0
    assert json.loads(json.dumps(store.usage().bytes)) == 0
    assert np.array_equal(store.image(sources[0])[0], pixels(sources[0]))


def test_after_clear_the_budget_is_kept_from_nought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies on disk is counted when the budget may be exceeded, and only then."""
    sources = [png(tmp_path / f"{n}.png", n, (100, 100)) for n in range(6)]
    probe = Store(tmp_path / "probe", budget=BIG)
    probe.image(sources[0])
    store = Store(tmp_path / "store", budget=int(probe.usage().bytes * 2.5))
    for source in sources:
        store.image(source)  # all in use: the budget gives way
    store.clear()
    looked: list[int] = []
    prune = Store.prune

    def counted(self: Store, *, budget: int | None = None) -> object:
        looked.append(self.usage().entries)
        return prune(self, budget=budget)

    monkeypatch.setattr(Store, "prune", counted)
    for source in sources[:3]:
        store.image(source)
    assert looked == [3]


def test_errors_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    store = Store(tmp_path / "store", budget=BIG)
    for path in (tmp_path / "empty.png", tmp_path / "missing.png"):
        with pytest.raises(FileError) as caught:
            store.image(Source(path))
        assert caught.value.problem.where == str(path)

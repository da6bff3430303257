"""Zarr v2 and v3, OME-Zarr 0.4 and 0.5: the highest resolution of a multiscale image, or one plain array."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lamelle.errors import FileError, printable
from lamelle.io import zarr_checksums
from lamelle.io.atomic import writing_folder
from lamelle.io.axes import Arrangement, arrange, checked_spacing, declared, doubts, microns, plain
from lamelle.io.common import Header, Lattice, ReadOptions, affordable, listed, quiet
from lamelle.io.format import Format, Writer
from lamelle.io.output_form import Form
from lamelle.io.pixels import native, real_dtype
from lamelle.io.streams import write_zarr
from lamelle.types import Grid, Image, Problem, Spacing

_SLAB_BYTES = 256 << 20
_BYTE_WITH_ORDER = re.compile(r"[<>=][iub]1")
_MAX_DEPTH = 3
_CODECS = frozenset({
    "blosc", "zlib", "gzip", "zstd", "lz4", "bz2", "lzma", "pcodec", "zfpy", "packbits", "bitround", "quantize",
    "delta", "fixedscaleoffset", "shuffle", "astype", "bytes", "endian", "transpose", "sharding_indexed",
    "crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3",
})  # fmt: skip
"""Codecs that only turn bytes into numbers; any other (pickle) could run code hidden in a file."""


@dataclass(frozen=True, slots=True)
class _Array:
    """An opened array and how it is to be read."""

    array: Any
    arrangement: Arrangement
    spacing: Spacing | None
    keys: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    lattice: Lattice | None = None

    @property
    def nbytes(self) -> int:
        return math.prod(self.array.shape) * self.array.dtype.itemsize


def header(path: Path, wanted: ReadOptions) -> Header:
    """Header of a Zarr array or group; a group with several arrays lists them and leaves the shape empty."""
    zarr_checksums.of(path)  # before anything is taken from its metadata
    keys = _keys(path)
    if wanted.key is None and len(keys) > 1 and not _readable(path):
        return Header("zarr", keys=keys)
    stored = _opened(path, wanted)
    shape = stored.arrangement.shape(stored.array.shape)
    dtype = real_dtype(path, stored.array.dtype)
    about = {"keys": stored.keys, "problems": stored.problems, "lattice": stored.lattice}
    return Header("zarr", shape, dtype, stored.spacing, **about)


def read(path: Path, wanted: ReadOptions) -> Image:
    """Pixels of a Zarr array, decoded into memory."""
    stored = _opened(path, wanted)
    affordable(path, stored.nbytes)
    array = np.asarray(stored.array[...])
    return Image(native(path, stored.arrangement.apply(array)), stored.spacing, problems=stored.problems)


def offset(path: Path, key: str | None = None) -> Spacing | None:
    """Where the first pixel of a multiscale image lies, µm, (Z,) Y, X; None where it does not say.

    Raises:
        FileError: If it cannot be read.
    """
    node = path if key is None else _inside(path, key)
    multiscale = _multiscale(node)
    if multiscale is None:
        return None
    level, _ = _finest(path, multiscale)
    translation = _translation(multiscale, level)
    axes, factors = _ome_axes(path, multiscale, len(translation)) if translation else ("", [])
    at = {a: translation[i] * (factors[i] or 0.0) for i, a in enumerate(axes)}
    return tuple(at[a] for a in "ZYX" if a in at) or None


def _translation(multiscale: dict, level: dict) -> list[float]:
    """Of a level and of the whole together, one number per axis; nothing where neither says one."""
    moves = [t["translation"] for source in (level, multiscale) for t in _moves(source, "translation")]
    return [sum(float(v) for v in axis) for axis in zip(*moves, strict=True)]


def _moves(source: dict, kind: str) -> list[dict]:
    return [t for t in source.get("coordinateTransformations", []) if t.get("type") == kind]


def planes(path: Path, wanted: ReadOptions) -> Iterator[np.ndarray]:
    """Planes [C, Y, X]; as many at once as one row of chunks holds, if that is little memory."""
    stored = _opened(path, wanted)
    affordable(path, math.prod(stored.array.chunks) * stored.array.dtype.itemsize)
    depth = stored.arrangement.stack
    if depth is None:
        yield read(path, wanted).array
        return
    count, step = stored.array.shape[depth], stored.array.chunks[depth]
    affordable(path, stored.nbytes // count)
    if stored.nbytes // count * step > _SLAB_BYTES:
        step = 1
    for start in range(0, count, step):
        stop = min(start + step, count)
        where = tuple(slice(start, stop) if a == depth else slice(None) for a in range(stored.array.ndim))
        slab = native(path, stored.arrangement.apply(np.asarray(stored.array[where])))
        yield from (slab[:, z] for z in range(slab.shape[1]))


def window(path: Path, wanted: ReadOptions, start: Sequence[int], size: Sequence[int]) -> np.ndarray:
    """A part [C, (Z,) Y, X] of a Zarr array, of which only the chunks are read that it lies in."""
    stored = _opened(path, wanted)
    inner = [a for a in (stored.arrangement.stack, *stored.arrangement.plane) if a is not None]
    sizes = dict(zip(inner, size, strict=True))
    first = dict(zip(inner, start, strict=True))
    where = tuple(slice(first[a], first[a] + sizes[a]) if a in sizes else slice(None) for a in range(stored.array.ndim))
    channels = stored.arrangement.shape(stored.array.shape)[0]
    affordable(path, channels * math.prod(size) * stored.array.dtype.itemsize)
    return native(path, stored.arrangement.apply(np.asarray(stored.array[where])))


def _opened(path: Path, wanted: ReadOptions) -> _Array:
    key = wanted.key
    sums = zarr_checksums.of(path)
    node = path if key is None else _inside(path, key)
    keys = _keys(path)
    multiscale = _multiscale(node)
    if multiscale is None and not _is_array(node):
        children = [k for k in keys if key is None or k.startswith(f"{key}/")]
        if len(children) != 1:
            code = "files.which_array" if children else "files.no_arrays"
            raise FileError(code, path, keys=listed(children))
        node = _inside(path, children[0])
        multiscale = _multiscale(node)
    if multiscale is None:
        array = _array(path, node, sums)
        axes, problems = declared(path, wanted.axes, array.shape) or _named_axes(node, array), ()
        if axes is None:
            axes = plain(path, array.shape, labels=wanted.labels)
            problems = () if wanted.labels else doubts(path, axes, array.shape)
        return _Array(array, arrange(path, axes, array.shape), None, keys, problems)
    dataset, scale = _finest(path, multiscale)
    array = _array(path, _inside(node, str(dataset["path"]), root=path), sums)
    axes, factors = _ome_axes(path, multiscale, array.ndim)
    arrangement = arrange(path, declared(path, wanted.axes, array.shape) or axes, array.shape)
    if len(scale) != array.ndim:
        return _Array(array, arrangement, None, keys)
    measured = [a for a in (arrangement.stack, *arrangement.plane) if a is not None]
    sure = all(factors[a] for a in measured)
    lengths = [(factors[a] or 0.0) if sure else 1.0 for a in measured]
    step = checked_spacing(tuple(scale[a] * f for a, f in zip(measured, lengths, strict=True)))
    moved = _translation(multiscale, dataset) or [0.0] * array.ndim
    start = tuple(moved[a] * f for a, f in zip(measured, lengths, strict=True))
    lattice = Lattice(start, step, "µm" if sure else "") if step else None
    return _Array(array, arrangement, step if sure else None, keys, lattice=lattice)


def _array(path: Path, node: Path, sums: zarr_checksums.FileSums | None) -> Any:
    quiet("zarr")
    meta = _json(node / "zarr.json") or _json(node / ".zarray")
    if meta is None:
        raise FileError("files.no_such_array", path, key=node.name, keys=listed(_keys(path)))
    codecs = meta.get("codecs") or [meta.get("compressor"), *(meta.get("filters") or [])]
    for name in _codec_names(codecs):
        if name not in _CODECS:
            raise FileError("files.unsafe_codec", path, codec=printable(name[:40]))
    import zarr

    three = (node / "zarr.json").is_file()
    if sums is not None and node.is_relative_to(sums.root):
        store = zarr_checksums.store(node, sums)
    else:
        store = _without_order(node) if not three and _BYTE_WITH_ORDER.fullmatch(str(meta.get("dtype"))) else str(node)
    array = zarr.open_array(store, mode="r", zarr_format=3 if three else 2)
    real_dtype(path, np.dtype(array.dtype))
    return array


def _without_order(node: Path) -> Any:
    """A store in which a type of one byte has no byte order; numpy writes ``|u1``, and zarr knows no other spelling."""
    from zarr.storage import LocalStore

    class Respelt(LocalStore):
        async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
            content = await super().get(key, prototype, byte_range)
            if content is None or key.rpartition("/")[2] != ".zarray":
                return content
            meta = json.loads(content.to_bytes())
            return type(content).from_bytes(json.dumps(meta | {"dtype": f"|{meta['dtype'][1:]}"}).encode())

    return Respelt(node, read_only=True)


def _codec_names(codecs: Any) -> Iterator[str]:
    for codec in codecs:
        if codec is None:
            continue
        name = codec if isinstance(codec, str) else str(codec.get("name", codec.get("id", "?")))
        yield name.removeprefix("numcodecs.")
        settings = codec.get("configuration", {}) if isinstance(codec, dict) else {}
        for inner in ("codecs", "index_codecs"):
            yield from _codec_names(settings.get(inner, []))


def _json(file: Path) -> dict | None:
    if not file.is_file():
        return None
    content = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{file.name}: not an object")
    return content


def _attributes(node: Path) -> dict:
    v3 = _json(node / "zarr.json")
    values = v3.get("attributes") if v3 is not None else _json(node / ".zattrs")
    return values if isinstance(values, dict) else {}


def _multiscale(node: Path) -> dict | None:
    attributes = _attributes(node)
    multiscales = attributes.get("ome", attributes).get("multiscales")
    return multiscales[0] if multiscales else None


def _is_array(node: Path) -> bool:
    v3 = _json(node / "zarr.json")
    return v3.get("node_type") == "array" if v3 is not None else (node / ".zarray").is_file()


def _readable(node: Path) -> bool:
    return _is_array(node) or _multiscale(node) is not None


def _keys(path: Path) -> tuple[str, ...]:
    """Arrays and multiscale images below the root, as keys; levels of a pyramid are not listed."""
    keys: list[str] = []

    def visit(folder: Path, prefix: str, level: int) -> None:
        for child in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
            name = f"{prefix}{child.name}"
            if _readable(child) and not (_multiscale(folder) and _is_array(child)):
                keys.append(name)
            elif level < _MAX_DEPTH and not _is_array(child) and any((child / m).is_file() for m in _GROUPS):
                visit(child, f"{name}/", level + 1)

    if not _is_array(path):
        visit(path, "", 1)
    return tuple(keys)


_GROUPS = ("zarr.json", ".zgroup", ".zattrs")


def _inside(path: Path, key: str, *, root: Path | None = None) -> Path:
    """The node ``key`` below ``path``.

    Raises:
        FileError: If it is not there, or the key leads out of the folder.
    """
    node = path / key
    base = (root or path).resolve()
    if ".." in Path(key).parts or not node.resolve().is_relative_to(base) or not node.is_dir():
        raise FileError("files.no_such_array", root or path, key=key, keys=listed(_keys(root or path)))
    return node


def _named_axes(node: Path, array: Any) -> str | None:
    """Axes of an array that names its dimensions (v3, or xarray's attribute)."""
    names = getattr(array.metadata, "dimension_names", None) or _attributes(node).get("_ARRAY_DIMENSIONS")
    if not names or len(names) != array.ndim:
        return None
    letters = "".join({"channel": "C", "time": "T"}.get(str(n).lower(), str(n).upper()) for n in names)
    return letters if len(letters) == array.ndim and {"X", "Y"} <= set(letters) <= set("XYZCT") else None


def _finest(path: Path, multiscale: dict) -> tuple[dict, list[float]]:
    """The level with the smallest pixels, and its scale per axis."""
    levels = [(level, _scale(multiscale, level)) for level in multiscale.get("datasets", [])]
    if not levels:
        raise FileError("files.no_arrays", path, keys="")
    return min(levels, key=lambda level: math.prod(level[1]) if level[1] else 1.0)


def _scale(multiscale: dict, level: dict) -> list[float]:
    scale: list[float] = []
    for source in (level, multiscale):
        for transform in _moves(source, "scale"):
            values = [float(v) for v in transform["scale"]]
            scale = [a * b for a, b in zip(scale, values, strict=True)] if scale else values
    return scale


def _ome_axes(path: Path, multiscale: dict, ndim: int) -> tuple[str, list[float | None]]:
    """Letters of the axes, and µm per unit of each."""
    stated = multiscale.get("axes") or list("tczyx"[-ndim:])
    axes = [{"name": a} if isinstance(a, str) else a for a in stated]
    letters = {"channel": "C", "time": "T"}
    names = "".join(letters.get(str(a.get("type")), str(a["name"])[:1].upper()) for a in axes)
    if len(names) != ndim:
        raise FileError("files.contradiction", path, metadata="OME", claimed=names, found=f"{ndim} axes")
    return names, [microns(str(a.get("unit", ""))) for a in axes]


_MARKS = ("zarr.json", ".zarray", *_GROUPS[1:])


def _write(path: Path, form: Form, planes: Iterable[np.ndarray], out: Path) -> None:
    write_zarr(path, form, planes, name=form.name or out.name)


def _write_array(path: Path, array: np.ndarray, spacing: Spacing | None, grid: Grid | None, labels: bool) -> None:
    at = offset(grid.path) if grid is not None and grid.format == "zarr" else None
    if grid is not None and at is not None and spacing is not None and len(at) == len(spacing) == 3:
        at = (at[0] + grid.start * spacing[0], *at[1:])
    planes = array.swapaxes(0, 1) if array.ndim == 4 else array[None]
    with writing_folder(path) as temporary:
        write_zarr(temporary, Form(array.shape, array.dtype, spacing), planes, name=path.name, offset=at)


FORMAT = Format(
    "zarr",
    "OME-Zarr",
    (".ome.zarr", ".zarr"),
    is_folder=lambda path, promised: any((path / mark).is_file() for mark in _MARKS),
    unnamed=True,
    header=header,
    read=read,
    planes=planes,
    window=window,
    volumes=True,
    labels="floats",
    places=True,
    answers=(".ome.zarr", ".ome.zarr"),
    write=Writer("zarr", (".ome.zarr", ".zarr"), _write, array=_write_array, folder=True),
)

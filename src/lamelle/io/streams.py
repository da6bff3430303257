"""Planes → one TIFF, NPY or OME-Zarr, written as they come: a volume larger than memory passes through.

These write where they are told; `atomic.writing` and `atomic.writing_folder` give them a temporary place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypedDict

import numpy as np

from lamelle.io import zarr_checksums
from lamelle.io.axes import microns
from lamelle.io.output_form import Calibration, Form
from lamelle.io.palette import table_for
from lamelle.types import Spacing

IMAGEJ_TYPES = ("uint8", "uint16", "float32")
OME_TYPES = ("int8", "int16", "int32", "uint32", "float64")
CLASSIC_BYTES = 2**32 - 2**25
"""More than a TIFF with 32-bit offsets can hold; beyond it a BigTIFF is written, which ImageJ's own format is not."""
_CHUNK = 1024
_OME_NAMES = (".ome.tif", ".ome.tiff")


class _TiffOptions(TypedDict, total=False):
    """What tifffile is told about a file."""

    shape: tuple[int, ...]
    compression: str
    photometric: str
    colormap: np.ndarray
    resolution: tuple[float | tuple[int, int], float | tuple[int, int]] | None
    resolutionunit: int
    imagej: bool
    ome: bool
    bigtiff: bool
    metadata: dict[str, str | float]
    maxworkers: int


def named_ome(path: Path) -> bool:
    """Whether a name promises OME-TIFF.

    Example:
        >>> named_ome(Path("a.ome.tif")), named_ome(Path("A.OME.TIFF")), named_ome(Path("a.tif"))
        (True, True, False)
    """
    return path.name.lower().endswith(_OME_NAMES)


def write_tiff(path: Path, form: Form, planes: Iterable[np.ndarray], *, ome: bool) -> None:
    """Write planes [C, Y, X] as one TIFF: an ImageJ hyperstack where ImageJ knows the type, otherwise OME-TIFF.

    Args:
        ome: OME-TIFF in any case, as the name that the file will get promises.

    Raises:
        ValueError: If TIFF readers do not know the type.

    Example:
        >>> import tempfile
        >>> from lamelle.io.images import header
        >>> form = Form((1, 5, 8, 9), np.dtype(np.uint16), (0.05, 0.004, 0.004))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_tiff(Path(folder, "a.tif"), form, (np.full((1, 8, 9), z, np.uint16) for z in range(5)), ome=True)
        ...     header(Path(folder, "a.tif")).spacing
        (0.05, 0.004, 0.004)
    """
    from tifffile import imwrite

    if form.dtype.name not in IMAGEJ_TYPES + OME_TYPES:
        raise ValueError(f"no TIFF of {form.dtype}")
    channels, (height, width), spacing = form.shape[0], form.shape[-2:], form.spacing
    samples = 3 if form.colours and channels == 3 and form.dtype == np.uint8 else 1
    options: _TiffOptions = {"compression": "zlib", "photometric": "rgb" if samples == 3 else "minisblack"}
    options["maxworkers"] = 1
    stated = form.stated or Calibration()
    if not ome and stated.resolution is not None:
        options.update(_as_stated(form, stated))
    elif not ome and form.dtype.name in IMAGEJ_TYPES and form.nbytes <= CLASSIC_BYTES:
        # all six axes: tifffile mistakes a last X of one for samples
        unit = stated.unit if spacing and stated.unit else "um"
        size = [v / (microns(unit) or 1.0) for v in spacing or ()]
        about = {"axes": "TZCYXS"} | ({"unit": unit} if size else {}) | ({"spacing": size[0]} if len(size) == 3 else {})
        if form.labels is not None:
            about |= {"min": 0.0, "max": float(max(1, form.labels.max(initial=0)))}
        options["imagej"], options["metadata"] = True, about
        if size:
            options["resolution"] = (1 / size[-1], 1 / size[-2])
        options["shape"] = (1, form.depth, channels // samples, height, width, samples)
    else:
        names = "ZYX"[-len(spacing) :] if spacing else ""
        sizes = {f"PhysicalSize{a}": v for a, v in zip(names, spacing or (), strict=True)}
        units = {f"PhysicalSize{a}Unit": "µm" for a in names}
        shape = (form.depth, channels // samples, height, width) + ((samples,) if samples > 1 else ())
        options["ome"], options["bigtiff"], options["shape"] = True, form.nbytes > CLASSIC_BYTES, shape
        options["metadata"] = {"axes": "ZCYXS"[: len(shape)]} | sizes | units
    imwrite(path, _pages(planes, samples), dtype=form.dtype, **options)


def _as_stated(form: Form, stated: Calibration) -> _TiffOptions:
    """A plain TIFF with the resolution of another one, and with colours where these are labels."""
    shape = tuple(n for n in (form.depth, form.shape[0]) if n > 1) + form.shape[-2:]
    options: _TiffOptions = {"shape": shape, "resolution": stated.resolution, "resolutionunit": stated.per}
    options["bigtiff"], options["metadata"] = form.nbytes > CLASSIC_BYTES, {"axes": _stack_axes(form)}
    table = None if form.labels is None else table_for(form.labels)
    if table is not None:
        options["photometric"], options["colormap"] = "palette", table.T.astype(np.uint16) * 257
    return options


def _stack_axes(form: Form) -> str:
    return ("Z" if form.depth > 1 else "") + ("C" if form.shape[0] > 1 else "") + "YX"


def _pages(planes: Iterable[np.ndarray], samples: int) -> Iterator[np.ndarray]:
    """Pages [Y, X, S] with three samples, [Y, X] with one."""
    for plane in planes:
        if samples == 3:
            yield np.ascontiguousarray(np.moveaxis(plane, 0, -1))
        else:
            yield from (np.ascontiguousarray(channel) for channel in plane)


def npy_axes(path: Path, shape: tuple[int, ...]) -> str | None:
    """Axes under which an NPY file of an image [C, (Z,) Y, X] is understood without being told; None if there are none.

    Example:
        >>> npy_axes(Path("a.npy"), (1, 30, 64, 64)), npy_axes(Path("a.npy"), (1, 3, 64, 64))
        ('ZYX', 'CZYX')
    """
    from lamelle.errors import FileError
    from lamelle.io.axes import arrange, plain

    inner = "ZYX"[-(len(shape) - 1) :]
    candidates = (inner, "C" + inner, inner + "C") if shape[0] == 1 else (inner + "C", "C" + inner)
    for axes in candidates:
        stored = _sizes(axes, shape)
        try:
            if plain(path, stored) == axes and arrange(path, axes, stored).shape(stored) == shape:
                return axes
        except FileError:
            continue
    return None


def _sizes(axes: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    sizes = dict(zip("C" + "ZYX"[-(len(shape) - 1) :], shape, strict=True))
    return tuple(sizes[axis] for axis in axes)


def write_npy(path: Path, form: Form, planes: Iterable[np.ndarray], *, axes: str) -> None:
    """Write planes [C, Y, X] as one NPY array.

    Args:
        axes: Order in the file, as `npy_axes` says.

    Example:
        >>> import tempfile
        >>> form = Form((1, 5, 8, 9), np.dtype(np.uint16), None)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     stream = (np.full((1, 8, 9), z, np.uint16) for z in range(5))
        ...     write_npy(Path(folder, "a.npy"), form, stream, axes="ZYX")
        ...     np.load(Path(folder, "a.npy")).shape
        (5, 8, 9)
    """
    shape = _sizes(axes, form.shape)
    head = {"shape": shape, "fortran_order": False, "descr": np.lib.format.dtype_to_descr(form.dtype)}
    channel_bytes = form.shape[-2] * form.shape[-1] * form.dtype.itemsize
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, head)
        start = file.tell()
        for z, plane in enumerate(planes):
            if axes[0] == "C":
                for c, channel in enumerate(plane):
                    file.seek(start + (c * form.depth + z) * channel_bytes)
                    file.write(np.ascontiguousarray(channel).data)
            else:
                ordered = np.moveaxis(plane, 0, -1) if axes[-1] == "C" else plane
                file.write(np.ascontiguousarray(ordered).data)


def write_zarr(
    folder: Path, form: Form, planes: Iterable[np.ndarray], *, name: str, offset: Spacing | None = None
) -> None:
    """Write planes [C, Y, X] as OME-Zarr 0.4 (Zarr v2), one level, chunks of one plane and at most 1024 × 1024.

    Every chunk is written, also where it holds only zeros, so that a lost one can be told from a black one; each has a
    checksum of its codec, and the SHA-256 of every file is noted (`lamelle.io.zarr_checksums`).

    Args:
        name: Of the image, in its metadata.
        offset: Where its first pixel lies, µm, (Z,) Y, X.

    Example:
        >>> import tempfile
        >>> from lamelle.io.images import header
        >>> form = Form((1, 5, 8, 9), np.dtype(np.uint16), (0.05, 0.004, 0.004))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     stream = (np.full((1, 8, 9), z, np.uint16) for z in range(5))
        ...     write_zarr(Path(folder, "a.ome.zarr"), form, stream, name="a")
        ...     header(Path(folder, "a.ome.zarr")).spacing
        (0.05, 0.004, 0.004)
    """
    import zarr

    channels, volume = form.shape[0], len(form.shape) == 4
    axes = ("c" if channels > 1 else "") + ("z" if volume else "") + "yx"
    sizes = {"c": channels, "z": form.depth, "y": form.shape[-2], "x": form.shape[-1]}
    chunks = {"c": 1, "z": 1, "y": min(sizes["y"], _CHUNK), "x": min(sizes["x"], _CHUNK)}
    group = zarr.open_group(str(folder), mode="w", zarr_format=2)
    array = group.create_array(
        "0",
        shape=tuple(sizes[a] for a in axes),
        dtype=form.dtype,
        chunks=tuple(chunks[a] for a in axes),
        compressors={"id": "zstd", "level": 1, "checksum": True},
        chunk_key_encoding={"name": "v2", "separator": "/"},
        config={"write_empty_chunks": True},
    )
    for z, plane in enumerate(planes):
        where = tuple(z if a == "z" else slice(None) for a in axes)
        array[where] = plane if channels > 1 else plane[0]
    scale = dict(zip("zyx"[-len(form.spacing) :], form.spacing, strict=True)) if form.spacing else {}
    units = {a: {"unit": "micrometer"} for a in scale}
    kinds = {"c": "channel"}
    stated = [{"name": a, "type": kinds.get(a, "space")} | units.get(a, {}) for a in axes]
    moves: list[dict[str, object]] = [{"type": "scale", "scale": [scale.get(a, 1.0) for a in axes]}]
    if form.spacing and offset and any(offset):
        at = dict(zip("zyx"[-len(offset) :], offset, strict=True))
        moves.append({"type": "translation", "translation": [at.get(a, 0.0) for a in axes]})
    dataset = {"path": "0", "coordinateTransformations": moves}
    group.attrs["multiscales"] = [{"version": "0.4", "name": name, "axes": stated, "datasets": [dataset]}]
    zarr_checksums.write(folder)

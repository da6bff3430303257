"""Compressed DICOM: frames by imagecodecs, as a plugin of pydicom's decoders, and how far a deflated file unfolds.

A broken JPEG 2000, JPEG-LS or JPEG ends in an exception here; GDCM, which pydicom would take first, ends the process.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom import uid as syntaxes

from lamelle.io.common import affordable

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import DecodeRunner

NAME = "imagecodecs"
_JPEG_2000 = (
    syntaxes.JPEG2000Lossless,
    syntaxes.JPEG2000,
    syntaxes.HTJ2KLossless,
    syntaxes.HTJ2KLosslessRPCL,
    syntaxes.HTJ2K,
)
_JPEG_LS = (syntaxes.JPEGLSLossless, syntaxes.JPEGLSNearLossless)
_JPEG = (syntaxes.JPEGExtended12Bit, syntaxes.JPEGLossless, syntaxes.JPEGLosslessSV1)
_JPEG_2000_START = b"\xff\x4f\xff\x51"
_JPEG_LS_FRAME = 0xF7
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers that begin the description of a frame."""
DECODER_DEPENDENCIES = {str(syntax): ("imagecodecs",) for syntax in (*_JPEG_2000, *_JPEG_LS, *_JPEG)}
"""Transfer syntaxes that are decoded here; a name that pydicom asks for."""
_PART = 1 << 20
"""Bytes that are unfolded at a time."""
_OTHERS = {syntaxes.JPEGBaseline8Bit: "pillow", syntaxes.RLELossless: "pydicom"}


def plugin_of(syntax: syntaxes.UID) -> str:
    """Which of pydicom's plugins decodes a transfer syntax; empty for pixels that are not compressed.

    Raises:
        NotImplementedError: If none does.

    Example:
        >>> plugin_of(syntaxes.JPEG2000), plugin_of(syntaxes.ExplicitVRLittleEndian)
        ('imagecodecs', '')
    """
    from pydicom.pixels.decoders.base import get_decoder

    decoder = get_decoder(syntax)
    if not syntax.is_encapsulated:
        return ""
    if str(syntax) in DECODER_DEPENDENCIES and NAME not in decoder.available_plugins:
        decoder.add_plugin(NAME, (__name__, "decode_frame"))
    name = _OTHERS.get(syntax, NAME)
    if not decoder.is_available or name not in decoder.available_plugins:
        raise NotImplementedError(str(syntax))
    return name


def is_available(uid: str) -> bool:
    """Whether a transfer syntax is decoded here; a function that pydicom asks for."""
    return uid in DECODER_DEPENDENCIES


def decode_frame(src: bytes, runner: DecodeRunner) -> bytearray:
    """One frame's pixels, samples side by side; what pydicom has to know about them is told to ``runner``."""
    import imagecodecs

    if (size := _size(src)) != (runner.rows, runner.columns, runner.samples_per_pixel):
        raise ValueError(f"frame of {size}")  # a damaged size would take time and memory
    syntax = runner.transfer_syntax
    if syntax in _JPEG_2000:
        array = imagecodecs.jpeg2k_decode(src)
        if runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):
            runner.set_option("photometric_interpretation", "RGB")
    elif syntax in _JPEG_LS:
        array = imagecodecs.jpegls_decode(src)
    else:
        array = imagecodecs.jpeg_decode(src)
    if array.ndim == 3:
        runner.set_option("planar_configuration", 0)
    runner.set_option("bits_allocated", 8 * array.itemsize)
    return bytearray(array.tobytes())  # pydicom corrects signs in place


def check_inflated(path: Path) -> None:
    """Refuse a deflated data set that unfolds too far; pydicom unfolds all of it at once, even for the header.

    Raises:
        FileError: If it is a decompression bomb, or larger than what is held in memory.
    """
    from pydicom.filereader import _read_file_meta_info, read_preamble

    with path.open("rb") as file:
        read_preamble(file, True)
        if _read_file_meta_info(file).get("TransferSyntaxUID") != syntaxes.DeflatedExplicitVRLittleEndian:
            return
        unfolding, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while (part := unfolding.unconsumed_tail or file.read(_PART)) and not unfolding.eof:
            size += len(unfolding.decompress(part, _PART))
            affordable(path, size)


def _size(src: bytes) -> tuple[int, int, int] | None:
    """Rows, columns and samples as a JPEG, JPEG-LS or JPEG 2000 codestream states them; None where it does not.

    Example:
        >>> _size(bytes.fromhex("ffd8ffe00002fff7000b080028003201011100"))
        (40, 50, 1)
    """
    if src[:2] != b"\xff\xd8":
        start = src.find(_JPEG_2000_START)  # perhaps in the boxes of a JP2 file
        if start < 0 or len(src) < start + 42:
            return None
        right, bottom, left, top = struct.unpack_from(">4I", src, start + 8)
        (samples,) = struct.unpack_from(">H", src, start + 40)
        return bottom - top, right - left, samples
    at = 2
    while at + 10 <= len(src) and src[at] == 0xFF:
        kind = src[at + 1]
        if kind == 0xFF:  # filling
            at += 1
        elif kind == _JPEG_LS_FRAME or kind in _JPEG_FRAMES:
            return struct.unpack_from(">2HB", src, at + 5)
        else:
            at += 2 + struct.unpack_from(">H", src, at + 2)[0]
    return None

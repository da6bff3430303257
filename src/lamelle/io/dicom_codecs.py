"""Compressed DICOM frames by imagecodecs, as a plugin of pydicom's decoders.

A broken JPEG 2000, JPEG-LS or JPEG ends in an exception here; GDCM, which pydicom would take first, ends the process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom import uid as syntaxes

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
DECODER_DEPENDENCIES = {str(syntax): ("imagecodecs",) for syntax in (*_JPEG_2000, *_JPEG_LS, *_JPEG)}
"""Transfer syntaxes that are decoded here; a name that pydicom asks for."""
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

"""Formats that are known and not read: each is a row with a cure, so that people are told what to do."""

from __future__ import annotations

from collections.abc import Callable

from lamelle.io.format import Cure, Format, starts


def _by_suffix(cure: Cure, **rows: str) -> tuple[Format, ...]:
    """Rows of formats that are known by their suffixes alone, in one text: ``mrc=".mrc .rec"``."""
    return tuple(Format(name, name.upper(), tuple(suffixes.split()), cure=cure) for name, suffixes in rows.items())


def _row(
    name: str, label: str, cure: Cure, suffixes: str = "", recognise: Callable[[bytes], bool] | None = None
) -> Format:
    return Format(name, label, tuple(suffixes.split()), recognise=recognise, cure=cure)


UNREAD: tuple[Format, ...] = (
    _row("czi", "Zeiss CZI", "microscope", ".czi", starts(b"ZISRAWFILE")),
    _row("lif", "Leica LIF", "microscope", ".lif .lof .lei", starts(b"\x70\0\0\0")),
    _row("nd2", "Nikon ND2", "microscope", ".nd2", starts(b"\xda\xce\xbe\x0a")),
    _row("olympus", "Olympus OIB, OIR, VSI", "microscope", ".oib .oif .oir .vsi"),
    _row("imaris", "Imaris", "microscope", ".ims"),
    *_by_suffix("microscope", zvi=".zvi", dv=".dv .r3d", sld=".sld", stk=".stk", ics=".ids .ics", xdce=".xdce"),
    *_by_suffix("microscope", flex=".flex", mvd2=".mvd2", scanr=".scanr"),
    *_by_suffix("slide", svs=".svs", ndpi=".ndpi .ndpis", mrxs=".mrxs", scn=".scn", bif=".bif", vms=".vms .vmu"),
    *_by_suffix("slide", isyntax=".isyntax", qptiff=".qptiff"),
    _row("gif", "GIF", "picture", ".gif", starts(b"GIF8")),
    _row("webp", "WebP", "picture", ".webp", lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP"),
    _row("jpeg2000", "JPEG 2000", "picture", ".jp2 .j2k", starts(b"\0\0\0\x0cjP")),
    _row("pdf", "PDF", "picture", recognise=starts(b"%PDF")),
    _row("postscript", "PostScript", "picture", recognise=starts(b"%!PS")),
    _row("photoshop", "Photoshop", "picture", ".psd", starts(b"8BPS")),
    *_by_suffix("picture", jxl=".jxl", pnm=".ppm .pgm .pbm .pnm", tga=".tga", heif=".heic .heif", avif=".avif"),
    *_by_suffix("picture", xcf=".xcf", raw=".dng .cr2 .nef .arw", jxr=".jxr"),
    _row("hdf5", "HDF5", "arrays", ".h5 .hdf5 .hdf .he5", starts(b"\x89HDF\r\n\x1a\n")),
    _row("pickle", "pickle", "arrays", recognise=starts(b"\x80\x04", b"\x80\x02")),
    *_by_suffix("arrays", n5=".n5", matlab=".mat"),
    _row("nrrd", "NRRD", "medical", ".nrrd .nhdr", starts(b"NRRD")),
    _row("metaimage", "MetaImage", "medical", ".mha .mhd", starts(b"ObjectType")),
    *_by_suffix("medical", mgh=".mgz .mgh", analyze=".hdr", par=".par", minc=".mnc"),
    *_by_suffix("electron", mrc=".mrc .rec .st .mrcs", em=".em", dm3=".dm3 .dm4", tia=".ser .emd"),
    _row("matroska", "Matroska", "film", ".mkv", starts(b"\x1a\x45\xdf\xa3")),
    *_by_suffix("film", avi=".avi", mp4=".mp4 .mov", wmv=".wmv", mpeg=".mpg .mpeg"),
    _row("rar", "RAR", "archive", recognise=starts(b"Rar!")),
    _row("7z", "7z", "archive", recognise=starts(b"7z\xbc\xaf")),
    _row("gzip", "gzip", "archive", recognise=starts(b"\x1f\x8b")),
)

"""The marker level of JPEG (ITU-T T.81, Annex B): parse, keep what pixels need, and put a clean file together.

Only what this project can protect without loss elsewhere is accepted: 8-bit Huffman-coded JPEG, sequential or
progressive, grey or in three components. CMYK, 12-bit, arithmetic, lossless and hierarchical JPEG have readable headers
and a `refusal`.
"""

import re
import struct
from dataclasses import dataclass, field

from deid_udf.images import metadata
from deid_udf.images.container import Colour, Container, Limits, truncated, unreadable

SOI, EOI, SOS, DQT, DHT, DRI, DNL, DAC, COM = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD, 0xDC, 0xCC, 0xFE
APP0, APP1, APP2, APP14 = 0xE0, 0xE1, 0xE2, 0xEE
#: Baseline, extended sequential and progressive frames, Huffman-coded.
FRAMES = (0xC0, 0xC1, 0xC2)
OTHER_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
#: More scans than any encoder writes; each costs a pass over the image, so that a small file could take minutes.
MAX_SCANS = 100

_EXIF, _ICC = b"Exif\0\0", b"ICC_PROFILE\0"
_ICC_PIECE = 65_519  # a segment's 65,533 bytes, less the name and the two counters
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # stuffed zeros, restarts and fill bytes belong to the scan

# Density 1:1 without units says nothing about the camera. Adobe's transform 0 is what marks three components as RGB.
_JFIF = b"JFIF\0" + bytes((1, 1, 0, 0, 1, 0, 1, 0, 0))
_ADOBE_RGB = b"Adobe" + bytes((0, 100, 0, 0, 0, 0, 0))


@dataclass(frozen=True, slots=True)
class Component:
    """One colour component of a frame header: identifier and sampling factors, 1 to 4."""

    identifier: int
    horizontal: int
    vertical: int


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """The SOF segment: precision in bits, size in pixels as stored, components."""

    precision: int
    width: int
    height: int
    components: tuple[Component, ...]


@dataclass(slots=True)
class _Segments:
    """What one walk over a file has collected."""

    kept: list[bytes] = field(default_factory=list)
    extras: list[str] = field(default_factory=list)
    icc: dict[int, bytes] = field(default_factory=dict)
    exif: bytes | None = None
    header: FrameHeader | None = None
    jfif: bool = False
    adobe: int | None = None
    scans: int = 0
    refusal: str = ""


def parse(data: bytes, limits: Limits) -> Container:
    """Parse a JPEG file.

    Args:
        data: bytes that start with SOI.
        limits: the declared size is compared as soon as it is met.

    Returns:
        its container; `picture` holds SOI, tables, frame, scans and EOI, and nothing else.

    Raises:
        Quarantined: TRUNCATED without an end marker, TOO_LARGE, UNREADABLE where segments contradict each other.
    """
    found = _Segments()
    end = _walk(data, limits, found)
    if end < len(data):
        found.extras.append("bytes after the end")
    header = found.header
    if header is None or (not found.scans and not found.refusal):
        raise unreadable("a JPEG without a frame or a scan")
    colour = _colour(header, found)
    if header.precision != 8:
        found.refusal = found.refusal or f"{header.precision}-bit JPEG"
    elif colour == "cmyk":
        found.refusal = found.refusal or "CMYK JPEG"
    elif colour == "other":
        found.refusal = found.refusal or f"JPEG of {len(header.components)} components"
    if found.scans > MAX_SCANS:
        found.refusal = found.refusal or f"more than {MAX_SCANS} scans"
    return Container(
        format="jpeg",
        width=header.width,
        height=header.height,
        picture=b"\xff\xd8" + b"".join(found.kept) + b"\xff\xd9",
        colour=colour,
        lossless=False,
        orientation=metadata.read_orientation(found.exif),
        icc=b"".join(found.icc[k] for k in sorted(found.icc)) or None,
        exif=found.exif,
        extras=tuple(found.extras),
        refusal=found.refusal,
    )


def frame_header(picture: bytes) -> FrameHeader:
    """The frame header of a `Container.picture` (or of a file that libjpeg has just written)."""
    position = 2
    while picture[position + 1] not in FRAMES:
        position += 2 + int.from_bytes(picture[position + 2 : position + 4])
    length = int.from_bytes(picture[position + 2 : position + 4])
    return _read_frame(picture[position + 4 : position + 2 + length])


def assemble(picture: bytes, colour: Colour, icc: bytes | None = None, exif: bytes = b"") -> bytes:
    """A whole JPEG file from a bare picture.

    Args:
        picture: SOI, tables, frame, scans, EOI, as `parse` gives it.
        colour: "grey", "ycc" or "rgb"; decides the marker by which decoders know the colour space.
        icc: a checked colour profile, or None.
        exif: a clean EXIF block without its prefix, or nothing.
    """
    segments = [_segment(APP14, _ADOBE_RGB) if colour == "rgb" else _segment(APP0, _JFIF)]
    if exif:
        segments.append(_segment(APP1, _EXIF + exif))
    pieces = [icc[i : i + _ICC_PIECE] for i in range(0, len(icc), _ICC_PIECE)] if icc else []
    segments += [_segment(APP2, _ICC + bytes((n, len(pieces))) + piece) for n, piece in enumerate(pieces, start=1)]
    return picture[:2] + b"".join(segments) + picture[2:]


def _segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def _walk(data: bytes, limits: Limits, found: _Segments) -> int:
    """Read segment after segment up to EOI; returns the position behind it."""
    position = 2
    while True:
        if data[position : position + 1] not in (b"\xff", b""):
            raise unreadable("bytes between two segments")
        while data[position + 1 : position + 2] == b"\xff":
            position += 1
        if position + 2 > len(data):
            raise truncated("no end marker")
        marker = data[position + 1]
        if marker == EOI:
            return position + 2
        if marker in (0x00, 0x01, SOI) or 0xD0 <= marker <= 0xD7:
            raise unreadable(f"marker {marker:02X} between two segments")
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        if end > len(data) or end < position + 4:
            raise truncated("a segment longer than the file")
        payload = data[position + 4 : end]
        if marker == SOS:
            next_marker = _END_OF_SCAN.search(data, end)
            if next_marker is None:
                raise truncated("no end marker")
            end = next_marker.start()
            found.scans += 1
        _take(marker, payload, limits, found)
        if marker in (SOS, DQT, DHT, DRI, *FRAMES):
            found.kept.append(b"\xff" + data[position + 1 : end])
        position = end


def _take(marker: int, payload: bytes, limits: Limits, found: _Segments) -> None:
    """Note what one segment says."""
    if marker in FRAMES or marker in OTHER_FRAMES:
        if found.header is not None:
            raise unreadable("two frames in one JPEG")
        found.header = _read_frame(payload)
        limits.check_pixels(found.header.width, found.header.height)
        if marker in OTHER_FRAMES:
            found.refusal = found.refusal or "arithmetic, lossless or hierarchical JPEG"
    elif marker == SOS and found.header is None:
        raise unreadable("a scan before the frame")
    elif marker == DQT and found.scans:
        # Legal, yet one table per component is all that a file written in one pass can hold.
        found.refusal = found.refusal or "quantisation tables that change between scans"
    elif marker in (DNL, DAC):
        found.refusal = found.refusal or "arithmetic coding or a late height"
    elif marker == APP0 and payload.startswith(b"JFIF\0"):
        found.jfif = True
        if len(payload) > len(_JFIF):
            found.extras.append("JFIF thumbnail")
    elif marker == APP1 and payload.startswith(_EXIF) and found.exif is None:
        found.exif = payload[len(_EXIF) :]
    elif marker == APP2 and payload.startswith(_ICC) and len(payload) > len(_ICC) + 2:
        found.icc[payload[len(_ICC)]] = payload[len(_ICC) + 2 :]
    elif marker == APP14 and payload.startswith(b"Adobe") and len(payload) >= 12:
        found.adobe = payload[11]
    elif marker not in (SOS, DQT, DHT, DRI):
        found.extras.append("comment" if marker == COM else f"segment {marker:02X}")


def _read_frame(payload: bytes) -> FrameHeader:
    if len(payload) < 6 or len(payload) != 6 + 3 * payload[5]:
        raise unreadable("a frame header of the wrong length")
    precision, height, width, count = struct.unpack(">BHHB", payload[:6])
    components = tuple(
        Component(payload[i], payload[i + 1] >> 4, payload[i + 1] & 15) for i in range(6, 6 + 3 * count, 3)
    )
    if not all(1 <= c.horizontal <= 4 and 1 <= c.vertical <= 4 for c in components):
        raise unreadable("a sampling factor out of range")
    return FrameHeader(precision, width, height, components)


def _colour(header: FrameHeader, found: _Segments) -> Colour:
    """The colour space by the rules of libjpeg (jdapimin.c, `default_decompress_parms`)."""
    count = len(header.components)
    if count == 1:
        return "grey"
    if count == 4:
        return "cmyk"
    if count != 3:
        return "other"
    if found.jfif:
        return "ycc"
    if found.adobe is not None:
        return "rgb" if found.adobe == 0 else "ycc"
    return "rgb" if bytes(c.identifier for c in header.components) == b"RGB" else "ycc"

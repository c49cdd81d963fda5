"""The chunk level of PNG (W3C PNG, third edition): parse, and keep what pixels need."""

import struct
import zlib

from deid_udf.images import metadata
from deid_udf.images.container import Colour, Container, Limits, truncated, unreadable

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
#: Chunks that may be called by name; unknown names are bytes from outside, and stay out of messages.
_NAMED = (
    b"tEXt",
    b"zTXt",
    b"iTXt",
    b"tIME",
    b"pHYs",
    b"gAMA",
    b"cHRM",
    b"sRGB",
    b"bKGD",
    b"sBIT",
    b"acTL",
    b"fcTL",
    b"fdAT",
)
_COLOUR: dict[int, Colour] = {0: "grey", 2: "rgb", 3: "rgb", 4: "grey", 6: "rgb"}


def parse(data: bytes, limits: Limits) -> Container:
    """Parse a PNG file.

    Args:
        data: bytes that start with the signature.
        limits: the declared size is compared as soon as it is met.

    Returns:
        its container; compressed text is never inflated, and a profile only up to what `metadata.clean_icc` takes.

    Raises:
        Quarantined: TRUNCATED without IEND, TOO_LARGE, UNREADABLE where chunks contradict each other.
    """
    kept, extras = [SIGNATURE], []
    icc = exif = header = None
    refusal = ""
    position = len(SIGNATURE)
    while True:
        if position + 12 > len(data):
            raise truncated("no IEND chunk")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if header is None:
            if kind != b"IHDR" or length != 13:
                raise unreadable("a PNG without a header")
            header = struct.unpack_from(">IIBBBBB", data, position + 8)
            limits.check_pixels(header[0], header[1])
        elif kind == b"IHDR":
            raise unreadable("two headers in one PNG")
        if end > len(data):
            raise truncated("a chunk longer than the file")
        payload = data[position + 8 : end - 4]
        if kind in _PIXELS:
            kept.append(data[position:end])
        elif kind == b"iCCP":
            icc = _inflate_profile(payload)
        elif kind == b"eXIf":
            exif = payload
        else:
            extras.append(f"chunk {kind.decode()}" if kind in _NAMED else "unknown chunk")
            if kind == b"acTL":
                refusal = "animated PNG"
        position = end
        if kind == b"IEND":
            break
    if position < len(data):
        extras.append("bytes after the end")
    width, height, depth, colour_type = header[:4]
    if colour_type not in _COLOUR:
        raise unreadable("an unknown PNG colour type")
    return Container(
        format="png",
        width=width,
        height=height,
        picture=b"".join(kept),
        colour=_COLOUR[colour_type],
        lossless=True,
        orientation=metadata.read_orientation(exif),
        icc=icc,
        exif=exif,
        extras=tuple(extras),
        refusal=refusal or ("16-bit PNG" if depth == 16 else ""),
    )


def _inflate_profile(payload: bytes) -> bytes | None:
    """The profile of an iCCP chunk, or None where it is damaged or larger than a profile may be."""
    name_end = payload.find(b"\0")
    inflater = zlib.decompressobj()
    try:
        profile = inflater.decompress(payload[name_end + 2 :], metadata.MAX_ICC_BYTES)
    except zlib.error:
        return None
    return profile if inflater.eof else None

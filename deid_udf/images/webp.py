"""The chunk level of WebP (RFC 9649): parse, and keep what pixels need."""

import struct

from deid_udf.images import metadata
from deid_udf.images.container import Container, Limits, truncated, unreadable


def parse(data: bytes, limits: Limits) -> Container:
    """Parse a WebP file.

    Args:
        data: bytes that start with `RIFF....WEBP`.
        limits: the declared size is compared before libwebp allocates its canvas.

    Returns:
        its container; `lossless` tells VP8L from VP8.

    Raises:
        Quarantined: TRUNCATED, TOO_LARGE, UNREADABLE where chunks contradict each other.
    """
    end = 8 + int.from_bytes(data[4:8], "little")
    chunks: dict[bytes, bytes] = {}
    extras = ["bytes after the end"] if end < len(data) else []
    refusal = ""
    position = 12
    while position + 8 <= min(end, len(data)):
        kind, length = struct.unpack_from("<4sI", data, position)
        payload = data[position + 8 : position + 8 + length]
        if kind == b"VP8X" and len(payload) >= 10:
            limits.check_pixels(*_canvas(payload))
        if len(payload) < length:
            raise truncated("a chunk longer than the file")
        if kind in (b"ANIM", b"ANMF"):
            refusal = "animated WebP"
        elif kind in (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"EXIF") and kind not in chunks:
            chunks[kind] = payload
        else:
            extras.append("XMP" if kind == b"XMP " else "unknown chunk")
        position += 8 + length + (length & 1)
    if end > len(data):
        raise truncated("the file is shorter than its header says")
    if refusal and b"VP8X" in chunks and len(chunks[b"VP8X"]) >= 10:
        width, height = _canvas(chunks[b"VP8X"])
    else:
        width, height = _picture_size(chunks)
        limits.check_pixels(width, height)
        if b"VP8X" in chunks and (len(chunks[b"VP8X"]) != 10 or _canvas(chunks[b"VP8X"]) != (width, height)):
            raise unreadable("canvas and picture differ in size")
    exif = chunks.get(b"EXIF")
    return Container(
        format="webp",
        width=width,
        height=height,
        picture=_picture(chunks, width, height),
        colour="rgb",
        lossless=b"VP8L" in chunks,
        orientation=metadata.read_orientation(exif),
        icc=chunks.get(b"ICCP"),
        exif=exif,
        extras=tuple(extras),
        refusal=refusal,
    )


def _canvas(vp8x: bytes) -> tuple[int, int]:
    return int.from_bytes(vp8x[4:7], "little") + 1, int.from_bytes(vp8x[7:10], "little") + 1


def _picture_size(chunks: dict[bytes, bytes]) -> tuple[int, int]:
    if (b"VP8 " in chunks) == (b"VP8L" in chunks):
        raise unreadable("a WebP without one picture")
    if (lossless := chunks.get(b"VP8L")) is not None:
        if len(lossless) < 5 or lossless[0] != 0x2F:
            raise unreadable("a damaged VP8L header")
        bits = int.from_bytes(lossless[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    lossy = chunks[b"VP8 "]
    if len(lossy) < 10 or lossy[3:6] != b"\x9d\x01\x2a":
        raise unreadable("a damaged VP8 header")
    width, height = struct.unpack_from("<HH", lossy, 6)
    return width & 0x3FFF, height & 0x3FFF


def _picture(chunks: dict[bytes, bytes], width: int, height: int) -> bytes:
    body = b""
    if b"ALPH" in chunks and b"VP8 " in chunks:
        size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        body += _chunk(b"VP8X", bytes((0x10, 0, 0, 0)) + size) + _chunk(b"ALPH", chunks[b"ALPH"])
    body += b"".join(_chunk(kind, chunks[kind]) for kind in (b"VP8 ", b"VP8L") if kind in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _chunk(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("<I", len(payload)) + payload + b"\0" * (len(payload) & 1)

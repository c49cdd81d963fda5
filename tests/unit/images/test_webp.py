import struct

import pytest

from deid_udf.errors import Quarantined, Reason
from deid_udf.images import webp
from tests.unit.images.pictures import HEIGHT, LIMITS, WIDTH, opened, picture, saved, srgb_profile

LOSSY, LOSSLESS = saved(picture(), "WEBP"), saved(picture(), "WEBP", lossless=True)


@pytest.mark.parametrize(("data", "lossless"), [(LOSSY, False), (LOSSLESS, True)])
def test_reads_the_header(data, lossless):
    container = webp.parse(data, LIMITS)
    assert (container.width, container.height, container.lossless) == (WIDTH, HEIGHT, lossless)
    assert (container.extras, container.refusal) == ((), "")
    assert container.picture == data


@pytest.mark.parametrize("image", [picture(), picture().convert("RGBA")])
@pytest.mark.parametrize("lossless", [False, True])
def test_a_picture_holds_nothing_but_what_pixels_need(image, lossless):
    image.putalpha(200)
    data = saved(
        image, "WEBP", lossless=lossless, icc_profile=srgb_profile(), xmp=b"<SECRET/>", exif=b"II*\0\x08\0\0\0"
    )
    container = webp.parse(data + b"trailer", LIMITS)
    assert container.icc == srgb_profile()
    assert container.exif is not None
    assert set(container.extras) == {"XMP", "bytes after the end"}
    assert b"SECRET" not in container.picture
    assert b"ICCP" not in container.picture
    assert opened(container.picture).convert("RGBA").tobytes() == opened(data).convert("RGBA").tobytes()


def chunked(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


CANVAS = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\x09\0\0" + b"\x09\0\0"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (LOSSY[:-100], Reason.TRUNCATED),
        (LOSSY[:12], Reason.TRUNCATED),
        (chunked(), Reason.UNREADABLE),
        (chunked(CANVAS), Reason.UNREADABLE),
        (chunked(CANVAS, LOSSY[12:]), Reason.UNREADABLE),
        (chunked(LOSSY[12:], LOSSLESS[12:]), Reason.UNREADABLE),
        (chunked(b"VP8L\x05\0\0\0wrong\0"), Reason.UNREADABLE),
        (chunked(b"VP8 \x0a\0\0\0wrong-size"), Reason.UNREADABLE),
    ],
)
def test_contradictions(data, reason):
    with pytest.raises(Quarantined) as caught:
        webp.parse(data, LIMITS)
    assert caught.value.reason == reason

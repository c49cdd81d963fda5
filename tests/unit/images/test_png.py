import struct

import pytest

from deid_udf.errors import Quarantined, Reason
from deid_udf.images import png
from tests.unit.images.pictures import HEIGHT, LIMITS, WIDTH, picture, saved, srgb_profile

PLAIN = saved(picture(), "PNG")


def test_a_picture_holds_nothing_but_what_pixels_need():
    data = saved(
        picture(), "PNG", icc_profile=srgb_profile(), dpi=(300, 300), exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"
    )
    container = png.parse(data + b"trailer", LIMITS)
    assert (container.width, container.height, container.colour) == (WIDTH, HEIGHT, "rgb")
    assert container.icc == srgb_profile()
    assert container.exif is not None
    assert container.extras == ("chunk pHYs", "bytes after the end")
    assert container.picture == PLAIN


def test_unknown_chunk_names_stay_out_of_messages():
    chunk = struct.pack(">I4sI", 0, b"seCr", 0)
    assert png.parse(PLAIN[:33] + chunk + PLAIN[33:], LIMITS).extras == ("unknown chunk",)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (PLAIN[:8], Reason.TRUNCATED),
        (PLAIN[:-12], Reason.TRUNCATED),
        (PLAIN[:60], Reason.TRUNCATED),
        (PLAIN[:8] + PLAIN[33:], Reason.UNREADABLE),
        (PLAIN[:33] + PLAIN[8:], Reason.UNREADABLE),
        (PLAIN[:16] + bytes(4) + PLAIN[20:], Reason.UNREADABLE),
        (PLAIN[:25] + b"\x05" + PLAIN[26:], Reason.UNREADABLE),
    ],
)
def test_contradictions(data, reason):
    with pytest.raises(Quarantined) as caught:
        png.parse(data, LIMITS)
    assert caught.value.reason == reason

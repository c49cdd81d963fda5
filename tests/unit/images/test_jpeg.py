import pytest

from deid_udf.errors import Quarantined, Reason
from deid_udf.images import jpeg
from tests.unit.images.pictures import HEIGHT, LIMITS, WIDTH, opened, picture, saved, srgb_profile


def segment(marker: int, payload: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2) + payload


PLAIN = saved(picture(), "JPEG", quality=90)
CMYK = saved(picture().convert("CMYK"), "JPEG")


def test_reads_the_header():
    container = jpeg.parse(PLAIN, LIMITS)
    assert (container.width, container.height, container.colour) == (WIDTH, HEIGHT, "ycc")
    assert (container.extras, container.refusal, container.icc, container.exif) == ((), "", None, None)
    header = jpeg.frame_header(container.picture)
    assert [(c.horizontal, c.vertical) for c in header.components] == [(2, 2), (1, 1), (1, 1)]


def test_a_picture_holds_nothing_but_what_pixels_need():
    data = PLAIN[:2] + segment(0xED, b"Photoshop") + segment(0xFE, b"comment") + PLAIN[2:] + b"trailer"
    container = jpeg.parse(data, LIMITS)
    assert container.extras == ("segment ED", "comment", "bytes after the end")
    assert container.picture == jpeg.parse(PLAIN, LIMITS).picture
    assert b"JFIF" not in container.picture


@pytest.mark.parametrize(
    ("image", "options", "colour"),
    [
        (picture(), {}, "ycc"),
        (picture(), {"keep_rgb": True}, "rgb"),
        (picture().convert("L"), {}, "grey"),
        (picture().convert("CMYK"), {}, "cmyk"),
    ],
)
def test_colour_spaces(image, options, colour):
    assert jpeg.parse(saved(image, "JPEG", **options), LIMITS).colour == colour


def test_assembles_a_long_profile_from_pieces():
    bare = jpeg.parse(PLAIN, LIMITS).picture
    profile = srgb_profile() + bytes(150_000)
    data = jpeg.assemble(bare, "ycc", profile, b"")
    assert jpeg.parse(data, LIMITS).icc == profile
    assert opened(data).info["icc_profile"] == profile


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff\xd8", Reason.TRUNCATED),
        (b"\xff\xd8\xff", Reason.TRUNCATED),
        (b"\xff\xd8\xff\xd9", Reason.UNREADABLE),
        (b"\xff\xd8text", Reason.UNREADABLE),
        (b"\xff\xd8\xff\xe0\x00\x00\xff\xd9", Reason.TRUNCATED),
        (PLAIN[:-2], Reason.TRUNCATED),
        (PLAIN[:200], Reason.TRUNCATED),
        (PLAIN[: PLAIN.index(b"\xff\xda")] + b"\xff\xd9", Reason.UNREADABLE),
        (PLAIN[:2] + PLAIN[PLAIN.index(b"\xff\xda") :], Reason.UNREADABLE),
        (PLAIN[:-2] + PLAIN[2:], Reason.UNREADABLE),
    ],
)
def test_contradictions(data, reason):
    with pytest.raises(Quarantined) as caught:
        jpeg.parse(data, LIMITS)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("before", "after", "refusal"),
    [
        (b"\xff\xc0", b"\xff\xc9", "arithmetic"),
        (b"\xff\xc0\x00\x11\x08", b"\xff\xc0\x00\x11\x0c", "12-bit"),
        (b"\xff\xd9", segment(0xDB, bytes(65)) + b"\xff\xd9", "change between scans"),
        (b"\xff\xd9", segment(0xDC, b"\x00\x95") + b"\xff\xd9", "late height"),
    ],
)
def test_refusals(before, after, refusal):
    assert PLAIN.count(before) == 1
    assert refusal in jpeg.parse(PLAIN.replace(before, after), LIMITS).refusal
    assert jpeg.parse(CMYK, LIMITS).refusal == "CMYK JPEG"

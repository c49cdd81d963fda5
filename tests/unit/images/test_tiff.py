import struct

import pytest
from PIL import Image

from deid_udf.errors import Quarantined, Reason
from deid_udf.images import tiff
from tests.unit.images.pictures import HEIGHT, LIMITS, WIDTH, picture, saved, srgb_profile

PLAIN = saved(picture(), "TIFF")


def test_reads_the_header():
    container = tiff.parse(saved(picture(), "TIFF", icc_profile=srgb_profile(), software="SECRET"), LIMITS)
    assert (container.width, container.height, container.colour) == (WIDTH, HEIGHT, "rgb")
    assert container.icc == srgb_profile()
    assert container.extras == ("tag 305",)
    assert container.refusal == ""


def test_size_is_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    container = tiff.parse(saved(picture(), "TIFF", exif=exif), LIMITS)
    assert (container.width, container.height, container.orientation) == (HEIGHT, WIDTH, 1)


@pytest.mark.parametrize(
    ("image", "refusal"),
    [(picture().convert("CMYK"), "CMYK"), (picture().convert("F"), "mode F"), (picture().convert("LAB"), "LAB")],
)
def test_refusals(image, refusal):
    assert refusal in tiff.parse(saved(image, "TIFF"), LIMITS).refusal


def test_a_strip_behind_the_end_is_truncation():
    start = PLAIN.index(struct.pack("<HHI", 279, 4, 1))  # StripByteCounts, one value
    with pytest.raises(Quarantined) as caught:
        tiff.parse(PLAIN[: start + 8] + struct.pack("<I", 2**31 - 1) + PLAIN[start + 12 :], LIMITS)
    assert caught.value.reason == Reason.TRUNCATED


def test_a_damaged_directory():
    for data in (PLAIN[:8], b"II*\0\xff\xff\xff\xff", b"II*\0" + bytes(200)):
        with pytest.raises(Quarantined) as caught:
            tiff.parse(data, LIMITS)
        assert caught.value.reason == Reason.UNREADABLE

import struct

import pytest
from PIL import Image

from deid_udf.images.metadata import MAX_ICC_BYTES, clean_exif, clean_icc, read_orientation
from tests.unit.images.pictures import exif_block, srgb_profile


class TestExif:
    def test_nothing_is_kept_by_default(self):
        assert clean_exif(exif_block(b"thumbnail", orientation=6), (), orientation=1) == b""

    def test_the_orientation_alone(self):
        clean = clean_exif(exif_block(b"thumbnail", orientation=6), (), orientation=6)
        assert read_orientation(clean) == 6
        assert len(clean) == 26
        assert b"SECRET" not in clean

    def test_named_texts_only(self):
        clean = clean_exif(exif_block(b"thumbnail"), {"Make", "DateTimeOriginal"}, orientation=1)
        parsed = Image.Exif()
        parsed.load(b"Exif\0\0" + clean)
        assert dict(parsed) == {0x010F: "SECRETCAM"}
        assert b"thumbnail" not in clean

    @pytest.mark.parametrize("value", ["x" * 65, "two\nlines"])
    def test_long_or_odd_values_are_dropped(self, value):
        exif = Image.Exif()
        exif[0x8298] = value
        assert clean_exif(exif.tobytes(), {"Copyright"}, orientation=1) == b""

    def test_the_time_of_taking(self):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = "2026:11:24 10:00:00"
        parsed = Image.Exif()
        parsed.load(b"Exif\0\0" + clean_exif(exif.tobytes(), {"DateTimeOriginal"}, orientation=1))
        assert parsed.get_ifd(0x8769) == {0x9003: "2026:11:24 10:00:00"}

    @pytest.mark.parametrize(
        "block", [None, b"", b"II", b"no TIFF at all", b"II*\0\xff\xff\xff\xff", b"MM\0*" + bytes(9)]
    )
    def test_hostile_blocks_say_nothing(self, block):
        assert read_orientation(block) == 1
        assert clean_exif(block, {"Make"}, orientation=1) == b""


def profile(*tags: bytes, space: bytes = b"RGB ", gap: bytes = b"") -> bytes:
    """A profile of the given tags' data, one behind the other."""
    offset = 132 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for data in tags:
        table += struct.pack(">4sII", b"rXYZ", offset + len(body), len(data))
        body += data + gap
    header = bytearray(128)
    header[12:16], header[16:20], header[36:40] = b"mntr", space, b"acsp"
    header[0:4] = (132 + 12 * len(tags) + len(body)).to_bytes(4)
    return bytes(header) + table + body


class TestIcc:
    def test_a_profile_stays_unchanged(self):
        assert clean_icc(srgb_profile(), "rgb") == srgb_profile()
        assert clean_icc(srgb_profile(), "ycc") == srgb_profile()
        assert clean_icc(profile(b"XYZ " + bytes(16)), "rgb") is not None
        assert clean_icc(profile(b"XYZ " + bytes(16), space=b"GRAY"), "grey") is not None

    @pytest.mark.parametrize(
        "icc",
        [
            None,
            b"",
            bytes(132),
            srgb_profile()[:-1],
            srgb_profile() + b"payload",
            srgb_profile().replace(b"acsp", b"jpeg"),
            profile(b"XYZ " + bytes(16), space=b"CMYK"),
            profile(b"XYZ " + bytes(16), gap=b"hidden payload"),
            profile(b"text" + bytes(5000)),
            profile(b"XYZ " + bytes(MAX_ICC_BYTES)),
            profile(b"XYZ " + bytes(16))[:128] + b"\xff\xff\xff\xff" + bytes(32),
        ],
    )
    def test_what_is_no_profile_is_dropped(self, icc):
        assert clean_icc(icc, "rgb") is None

    def test_the_colour_space_must_be_the_image_s(self):
        assert clean_icc(srgb_profile(), "grey") is None

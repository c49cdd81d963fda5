import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from deid_udf.errors import Quarantined, Reason
from deid_udf.images.decode import Header, Limits, decode, probe
from tests.unit.images.pictures import HEIGHT, LIMITS, WIDTH, exif_block, opened, picture, read, saved


def refused(data: bytes, limits: Limits = LIMITS) -> Reason:
    with pytest.raises(Quarantined) as caught:
        decode(data, limits)
    return caught.value.reason


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


READABLE = {
    "jpeg 4:4:4": saved(picture(), "JPEG", subsampling=0),
    "jpeg 4:2:2": saved(picture(), "JPEG", subsampling=1),
    "jpeg 4:2:0": saved(picture(), "JPEG", subsampling=2),
    "jpeg progressive": saved(picture(), "JPEG", progressive=True),
    "jpeg grey": saved(picture().convert("L"), "JPEG"),
    "jpeg of RGB": saved(picture(), "JPEG", keep_rgb=True),
    "jpeg with restarts": saved(picture(), "JPEG", restart_marker_rows=1),
    "png": saved(picture(), "PNG"),
    "png grey": saved(picture().convert("L"), "PNG"),
    "png bilevel": saved(picture().convert("1"), "PNG"),
    "png palette": saved(picture().quantize(16), "PNG"),
    "webp": saved(picture(), "WEBP"),
    "webp lossless": saved(picture(), "WEBP", lossless=True),
    "tiff": saved(picture(), "TIFF"),
    "tiff lzw": saved(picture(), "TIFF", compression="tiff_lzw"),
    "tiff fax": saved(picture().convert("1"), "TIFF", compression="group4"),
}


@pytest.mark.parametrize("name", READABLE)
def test_gives_the_pixels_that_any_viewer_shows(name):
    data = READABLE[name]
    decoded = read(data)
    assert np.array_equal(decoded.frame, np.asarray(opened(data).convert("RGB")))
    assert decoded.format == name.split()[0]
    assert decoded.source == data
    assert decoded.alpha is None
    assert decoded.frame.flags.c_contiguous
    assert decoded.frame.flags.writeable
    assert probe(data, LIMITS) == Header(decoded.format, WIDTH, HEIGHT)


def test_alpha_is_kept_beside_the_stored_colours():
    image = picture().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    for data in (saved(image, "PNG"), saved(image, "WEBP", lossless=True, exact=True), saved(image, "TIFF")):
        decoded = read(data)
        assert np.array_equal(decoded.frame, np.asarray(picture()))
        assert decoded.alpha is not None
        assert np.array_equal(decoded.alpha, np.asarray(image.getchannel("A")))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_frames_are_upright(image_format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(picture(), image_format, exif=exif)
    decoded = read(data)
    assert np.array_equal(decoded.frame, np.asarray(ImageOps.exif_transpose(opened(data)).convert("RGB")))
    header = probe(data, LIMITS)
    assert (header.height, header.width) == decoded.frame.shape[:2]


class TestBadInput:
    @pytest.mark.parametrize("keep", [0.3, 0.9, 0.999])
    @pytest.mark.parametrize("name", READABLE)
    def test_a_truncated_file_is_never_padded(self, name, keep):
        data = READABLE[name]
        assert refused(data[: int(len(data) * keep)]) in (Reason.TRUNCATED, Reason.UNREADABLE)

    def test_a_truncated_jpeg_says_so_even_with_an_end_marker(self):
        data = READABLE["jpeg 4:2:0"]
        assert refused(data[: len(data) // 2]) == Reason.TRUNCATED
        assert refused(data[: len(data) // 2] + b"\xff\xd9") == Reason.TRUNCATED

    def test_what_is_no_image(self):
        assert refused(b"") == Reason.EMPTY
        assert refused(b"This is a text, whatever its name says.\n" * 20) == Reason.NOT_AN_IMAGE
        assert refused(saved(picture(), "GIF")) == Reason.UNSUPPORTED
        assert refused(saved(picture(), "BMP")) == Reason.UNSUPPORTED

    def test_what_could_not_be_kept_unchanged(self):
        frames = [picture(seed=s) for s in range(2)]
        cases = {
            "CMYK JPEG": saved(picture().convert("CMYK"), "JPEG"),
            "16-bit PNG": saved(Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30)), "PNG"),
            "animated WebP": saved(frames[0], "WEBP", save_all=True, append_images=frames[1:]),
            "animated PNG": saved(frames[0], "PNG", save_all=True, append_images=frames[1:]),
            "multi-page TIFF": saved(frames[0], "TIFF", save_all=True, append_images=frames[1:]),
            "16-bit TIFF": saved(Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30)), "TIFF"),
        }
        for name, data in cases.items():
            assert refused(data) == Reason.UNSUPPORTED, name
            assert probe(data, LIMITS).width > 0, name

    def test_16_bit_colour_png_is_not_read_as_8_bit(self):
        header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
        body = zlib.compress(b"\0" + bytes(12))
        data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", body) + png_chunk(b"IEND", b"")
        assert refused(data) == Reason.UNSUPPORTED


class TestBombs:
    def test_a_png_of_50000_by_50000_is_refused_from_its_header(self):
        header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
        data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)  # nothing behind it is looked at
        for call in (probe, decode):
            with pytest.raises(Quarantined) as caught:
                call(data, LIMITS)
            assert caught.value.reason == Reason.TOO_LARGE

    def test_declared_sizes_in_other_formats(self):
        jpeg = bytearray(saved(picture(32, 32), "JPEG"))
        at = jpeg.index(b"\xff\xc0")
        jpeg[at + 5 : at + 9] = struct.pack(">HH", 60_000, 60_000)
        webp = b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff" * 6
        for data in (bytes(jpeg), webp):
            assert refused(data) == Reason.TOO_LARGE
        tiff = saved(picture(32, 32), "TIFF")
        assert refused(tiff, Limits(max_pixels=32 * 31)) == Reason.TOO_LARGE
        assert read(tiff).frame.shape == (32, 32, 3)

    def test_too_many_bytes(self):
        data = READABLE["png"]
        assert refused(data, Limits(max_bytes=len(data) - 1)) == Reason.TOO_LARGE
        assert decode(data, Limits(max_bytes=len(data))).frame.shape == (HEIGHT, WIDTH, 3)

    @pytest.mark.parametrize("kind", [b"zTXt", b"iCCP", b"iTXt"])
    def test_compressed_metadata_is_not_inflated(self, kind):
        plain = saved(picture(), "PNG")
        name = b"name\0\1\0\0\0" if kind == b"iTXt" else b"name\0\0"
        bomb = png_chunk(kind, name + zlib.compress(bytes(64 * 2**20), 9))
        decoded = read(plain[:33] + bomb + plain[33:])
        assert np.array_equal(decoded.frame, np.asarray(picture()))
        assert decoded.container.icc is None

    def test_a_jpeg_of_thousands_of_scans(self):
        data = saved(picture(64, 64), "JPEG", progressive=True)
        scan = data[data.rindex(b"\xff\xda") : -2]
        assert refused(data[:-2] + scan * 200 + b"\xff\xd9") == Reason.UNSUPPORTED


def test_padding_before_the_end_marker_is_no_damage():
    data = READABLE["jpeg 4:2:0"]
    assert np.array_equal(read(data[:-2] + bytes(40) + data[-2:]).frame, read(data).frame)


def test_a_hostile_orientation_is_read_as_upright():
    for value in (0, 9, 65535):
        data = saved(picture(), "JPEG", exif=b"Exif\0\0" + exif_block(b"", orientation=value))
        assert read(data).frame.shape == (HEIGHT, WIDTH, 3)

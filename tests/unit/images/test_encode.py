"""What a released file is: the protected picture where it may change, the original elsewhere, and nothing more."""

import io

import jpeglib
import numpy as np
import pytest
from PIL import Image

from deid_udf.errors import PolicyError
from deid_udf.images.encode import Encoding, encode
from deid_udf.images.orientation import orient
from deid_udf.images.residue import residue
from tests.unit.images.pictures import LIMITS, exif_block, opened, picture, protected, read, saved, srgb_profile

#: Name → file, and the size of an MCU in pixels (height, width).
JPEGS = {
    "4:4:4": (saved(picture(), "JPEG", quality=90, subsampling=0), (8, 8)),
    "4:2:2": (saved(picture(), "JPEG", quality=90, subsampling=1), (8, 16)),
    "4:2:0": (saved(picture(), "JPEG", quality=90, subsampling=2), (16, 16)),
    "grey": (saved(picture().convert("L"), "JPEG", quality=90), (8, 8)),
    "progressive": (saved(picture(), "JPEG", quality=90, subsampling=2, progressive=True), (16, 16)),
    "restarts": (saved(picture(), "JPEG", quality=90, subsampling=2, restart_marker_blocks=3), (16, 16)),
    "low quality": (saved(picture(), "JPEG", quality=30, subsampling=2), (16, 16)),
    "RGB": (saved(picture(), "JPEG", quality=90, keep_rgb=True), (8, 8)),
}
LOSSLESS = {
    "png": saved(picture(), "PNG"),
    "png grey": saved(picture().convert("L"), "PNG"),
    "png bilevel": saved(picture().convert("1"), "PNG"),
    "png palette": saved(picture().quantize(16), "PNG"),
    "png palette, one entry clear": saved(picture().quantize(16), "PNG", transparency=3),
    "webp": saved(picture(), "WEBP", lossless=True),
    "tiff": saved(picture(), "TIFF"),
    "tiff bilevel": saved(picture().convert("1"), "TIFF", compression="group4"),
}


def coefficients(data: bytes, tmp_path) -> list[np.ndarray]:
    """Components' blocks, read by jpeglib's own reader instead of ours."""
    path = tmp_path / "picture.jpeg"
    path.write_bytes(data)
    content = jpeglib.read_dct(str(path))
    return [plane for plane in (content.Y, content.Cb, content.Cr) if plane is not None]


def touched(changed: np.ndarray, mcu: tuple[int, int]) -> np.ndarray:
    """The changed pixels, grown to whole MCUs."""
    grown = np.zeros_like(changed)
    for y in range(0, changed.shape[0], mcu[0]):
        for x in range(0, changed.shape[1], mcu[1]):
            grown[y : y + mcu[0], x : x + mcu[1]] = changed[y : y + mcu[0], x : x + mcu[1]].any()
    return grown


def with_alpha(seed: int = 0) -> Image.Image:
    image = picture().convert("RGBA")
    image.putalpha(Image.fromarray(np.random.default_rng(seed).integers(0, 256, image.size[::-1], np.uint8)))
    return image


class TestJpeg:
    @pytest.mark.parametrize("name", JPEGS)
    def test_every_coefficient_outside_the_touched_mcus_is_identical(self, name, tmp_path):
        data, mcu = JPEGS[name]
        decoded = read(data)
        frame, changed = protected(decoded)
        before, after = coefficients(data, tmp_path), coefficients(encode(decoded, frame, changed), tmp_path)
        inside = touched(changed, mcu)
        for old, new in zip(before, after, strict=True):
            step_y, step_x = (mcu[axis] if old.shape != before[0].shape else 8 for axis in (0, 1))
            blocks = inside[::step_y, ::step_x]
            assert old.shape == new.shape
            assert blocks.shape == old.shape[:2]
            assert np.array_equal(old[~blocks], new[~blocks])
            assert (old[blocks] != new[blocks]).any()

    @pytest.mark.parametrize("name", JPEGS)
    def test_pixels_outside_are_identical_but_for_the_fringe_of_chroma(self, name):
        data, mcu = JPEGS[name]
        decoded = read(data)
        frame, changed = protected(decoded)
        inside = touched(changed, mcu)
        moved = (np.asarray(opened(encode(decoded, frame, changed)).convert("RGB")) != decoded.frame).any(axis=2)
        fringe = inside.copy()
        if mcu != (8, 8):  # decoders interpolate subsampled chroma from one neighbour
            padded = np.pad(inside, 1)
            rows, columns = inside.shape
            shifts = [padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
            fringe = np.logical_or.reduce(shifts)
        assert not moved[~fringe].any()
        assert moved[changed].any()

    @pytest.mark.parametrize("name", [name for name in JPEGS if name != "low quality"])
    def test_the_regions_show_the_protected_picture(self, name):
        decoded = read(JPEGS[name][0])
        frame, changed = protected(decoded)
        shown = np.asarray(opened(encode(decoded, frame, changed)).convert("RGB"), np.int16)
        expected = np.asarray(Image.fromarray(frame).convert("L").convert("RGB")) if decoded.grey else frame
        error = np.abs(shown - expected)[changed].mean()
        assert error < np.abs(np.asarray(decoded.frame, np.int16) - frame)[changed].mean() / 5
        assert error < 12

    @pytest.mark.parametrize("name", JPEGS)
    def test_without_regions_all_coefficients_stay(self, name, tmp_path):
        data = JPEGS[name][0]
        decoded = read(data)
        written = encode(decoded, decoded.frame, np.zeros(decoded.frame.shape[:2], bool))
        for old, new in zip(coefficients(data, tmp_path), coefficients(written, tmp_path), strict=True):
            assert np.array_equal(old, new)
        assert np.array_equal(read(written).frame, decoded.frame)

    def test_three_different_tables_keep_their_components(self, tmp_path):
        tables = {i: [2 + i * 7 + k // 4 for k in range(64)] for i in range(3)}
        data = saved(picture(), "JPEG", qtables=[tables[0], tables[1], tables[2]], subsampling=0)
        decoded = read(data)
        frame, changed = protected(decoded)
        shown = np.asarray(opened(encode(decoded, frame, changed)), np.int16)
        assert np.array_equal(shown[~touched(changed, (8, 8))], decoded.frame[~touched(changed, (8, 8))])
        assert np.abs(shown - frame)[changed].mean() < 12  # the grain that subsampling takes

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_the_orientation_stays_as_the_only_tag(self, orientation):
        exif = b"Exif\0\0" + exif_block(b"", orientation)
        decoded = read(saved(picture(), "JPEG", quality=90, exif=exif))
        frame, changed = protected(decoded)
        written = encode(decoded, frame, changed)
        expected = {0x0112: orientation} if orientation > 1 else {}
        assert dict(opened(written).getexif()) == expected
        assert (
            np.abs(np.asarray(read(written).frame, np.int16) - frame)[changed].mean() < 12
        )  # the grain that subsampling takes


class TestLossless:
    @pytest.mark.parametrize("name", LOSSLESS)
    def test_every_other_pixel_is_identical(self, name):
        data = LOSSLESS[name]
        decoded = read(data)
        frame, changed = protected(decoded)
        written = opened(encode(decoded, frame, changed))
        before, after = (np.asarray(image.convert("RGBA")) for image in (opened(data), written))
        assert np.array_equal(before[~changed], after[~changed])
        expected = np.asarray(Image.fromarray(frame).convert("L").convert("RGB")) if decoded.grey else frame
        assert np.array_equal(after[changed][:, :3], expected[changed])
        assert written.format == opened(data).format

    @pytest.mark.parametrize(
        ("image_format", "options"), [("PNG", {}), ("WEBP", {"lossless": True, "exact": True}), ("TIFF", {})]
    )
    def test_alpha_stays_outside_and_is_opaque_inside(self, image_format, options):
        decoded = read(saved(with_alpha(), image_format, **options))
        frame, changed = protected(decoded)
        after = np.asarray(opened(encode(decoded, frame, changed)))
        assert np.array_equal(after[~changed], np.asarray(with_alpha())[~changed])
        assert (after[changed][:, 3] == 255).all()

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("image_format", ["PNG", "TIFF", "WEBP"])
    def test_the_orientation_is_baked_in(self, image_format, orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        options = {"lossless": True} if image_format == "WEBP" else {}
        decoded = read(saved(picture(), image_format, exif=exif, **options))
        frame, changed = protected(decoded)
        written = opened(encode(decoded, frame, changed))
        assert 0x0112 not in written.getexif() or written.getexif()[0x0112] == 1
        assert np.array_equal(np.asarray(written), frame)
        assert np.array_equal(frame[~changed], orient(np.asarray(picture()), orientation)[~changed])

    def test_without_regions_all_pixels_stay(self):
        for name, data in LOSSLESS.items():
            decoded = read(data)
            written = encode(decoded, decoded.frame, np.zeros(decoded.frame.shape[:2], bool))
            before, after = (np.asarray(opened(file).convert("RGBA")) for file in (data, written))
            assert np.array_equal(before, after), name


def test_lossy_webp_has_the_stated_quality():
    decoded = read(saved(picture(), "WEBP", quality=90))
    frame, changed = protected(decoded)
    fine, coarse = (encode(decoded, frame, changed, Encoding(quality=q)) for q in (98, 20))
    assert len(coarse) < len(fine) / 2
    assert np.abs(np.asarray(opened(fine), np.int16) - frame).mean() < 6


class TestMetadata:
    def test_thumbnail_gps_comment_xmp_and_trailing_frames_are_gone(self):
        thumbnail = saved(picture(400, 300), "JPEG", quality=80)
        exif = b"Exif\0\0" + exif_block(thumbnail)
        plain = saved(
            picture(), "JPEG", exif=exif, comment=b"A SECRET COMMENT", xmp=b"<x:xmpmeta>SECRETXMP</x:xmpmeta>"
        )
        maker = b"\xff\xe2\x00\x14MPF\0SECRETFRAMES12"
        second_frame = saved(picture(80, 60, seed=3), "JPEG")
        data = plain[:2] + maker + plain[2:] + second_frame + b"SECRETTRAILER"
        assert thumbnail in data
        assert opened(plain).getexif().get_ifd(0x8825)

        decoded = read(data)
        for frame, changed in (protected(decoded), (decoded.frame, np.zeros(decoded.frame.shape[:2], bool))):
            written = encode(decoded, frame, changed)
            assert b"SECRET" not in written
            assert thumbnail[200:260] not in written
            assert second_frame[-80:-20] not in written
            assert written.count(b"\xff\xd8\xff") == 1
            assert not opened(written).getexif()
            assert "comment" not in opened(written).info
            assert written.endswith(b"\xff\xd9")
            assert residue(written, LIMITS) == ()

    @pytest.mark.parametrize("image_format", ["PNG", "WEBP", "TIFF"])
    def test_other_formats(self, image_format):
        exif = Image.Exif()
        exif[0x010E], exif[0x010F] = "SECRET DESCRIPTION", "SECRET MAKER"
        data = saved(picture(), image_format, exif=exif, xmp=b"<x>SECRET XMP</x>", lossless=True) + b"SECRET TRAILER"
        assert data.count(b"SECRET") >= 3
        decoded = read(data)
        written = encode(decoded, *protected(decoded))
        assert b"SECRET" not in written
        assert residue(data, LIMITS)
        assert residue(written, LIMITS) == ()

    @pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
    def test_the_colour_profile_stays(self, image_format):
        decoded = read(saved(picture(), image_format, icc_profile=srgb_profile(), lossless=True))
        written = encode(decoded, *protected(decoded))
        assert opened(written).info["icc_profile"] == srgb_profile()
        assert residue(written, LIMITS) == ()

    @pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
    def test_a_payload_in_place_of_a_profile_is_dropped(self, image_format):
        payload = saved(picture(60, 40), "JPEG")
        decoded = read(saved(picture(), image_format, icc_profile=payload, lossless=True))
        written = encode(decoded, *protected(decoded))
        assert "icc_profile" not in opened(written).info
        assert payload not in written

    @pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
    def test_a_tag_stays_only_where_the_policy_names_it(self, image_format):
        exif = Image.Exif()
        exif[0x010F], exif[0x0110], exif[0x0132] = "Maker", "Model", "2026:11:24 10:00:00"
        decoded = read(saved(picture(), image_format, exif=exif, lossless=True))
        keep = frozenset({"DateTime", "Make"})
        written = encode(decoded, *protected(decoded), Encoding(keep_metadata=keep))
        kept = opened(written).getexif()
        assert (kept[0x010F], kept[0x0132]) == ("Maker", "2026:11:24 10:00:00")
        assert 0x0110 not in kept
        assert residue(written, LIMITS, keep) == ()
        assert residue(written, LIMITS) != ()


def test_an_unknown_tag_is_refused_by_name():
    with pytest.raises(PolicyError, match=r"GPSInfo.*not among.*DateTime"):
        Encoding(keep_metadata=frozenset({"GPSInfo"}))


def test_shapes_that_do_not_fit_are_a_mistake_of_the_caller():
    decoded = read(LOSSLESS["png"])
    frame, changed = protected(decoded)
    with pytest.raises(ValueError, match="frame is"):
        encode(decoded, frame[:-1], changed)
    with pytest.raises(ValueError, match="changed is"):
        encode(decoded, frame, changed.astype(np.uint8))


def test_output_is_the_same_on_every_run():
    odd = saved(picture(101, 77), "TIFF")  # its strips end on an odd byte, in front of the directory
    for data in (JPEGS["4:2:0"][0], odd, *LOSSLESS.values()):
        decoded = read(data)
        first, *others = (encode(decoded, *protected(decoded)) for _ in range(4))
        assert all(other == first for other in others)
        assert Image.open(io.BytesIO(first)).size == opened(data).size

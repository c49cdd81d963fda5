"""Two thousand damaged files: each is quarantined, or released with its region replaced; none crashes or hangs."""

import random
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from deid_udf.errors import Quarantined
from deid_udf.images.decode import Limits, decode, probe
from deid_udf.images.encode import encode
from deid_udf.images.residue import residue
from tests.unit.images.pictures import picture, saved

LIMITS = Limits(max_pixels=1_000_000)
FILES_PER_FORMAT = 500


def originals(image_format: str) -> list[bytes]:
    image = picture(97, 75)
    exif = Image.Exif()
    exif[0x0112] = 6
    options: dict[str, list[tuple[str, dict[str, object]]]] = {
        "JPEG": [
            ("RGB", {"subsampling": 0}),
            ("RGB", {"subsampling": 1, "restart_marker_blocks": 4}),
            ("RGB", {"subsampling": 2}),
            ("RGB", {"progressive": True}),
            ("L", {}),
            ("CMYK", {}),
        ],
        "PNG": [("RGB", {}), ("P", {}), ("RGBA", {}), ("1", {})],
        "WEBP": [("RGB", {}), ("RGB", {"lossless": True}), ("RGBA", {})],
        "TIFF": [
            ("RGB", {}),
            ("RGB", {"compression": "tiff_lzw"}),
            ("RGB", {"compression": "tiff_adobe_deflate"}),
            ("RGB", {"compression": "jpeg"}),
            ("L", {"compression": "packbits"}),
        ],
    }
    return [saved(image.convert(mode), image_format, exif=exif, **extra) for mode, extra in options[image_format]]


def mutated(data: bytes, rng: random.Random) -> bytes:
    damaged = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        at = rng.randrange(len(damaged))
        match rng.randrange(6):
            case 0:
                damaged[at] ^= 1 << rng.randrange(8)
            case 1:
                damaged[at] = rng.choice((0, 127, 128, 255))
            case 2 if len(damaged) > 80:
                del damaged[at : at + rng.randrange(1, 40)]
            case 3:
                start = rng.randrange(len(damaged))
                damaged[at:at] = damaged[start : start + rng.randrange(1, 60)]
            case 4:
                damaged[at : at + 4] = rng.randbytes(4)
            case _:
                damaged[rng.randrange(min(len(damaged), 700))] = rng.randrange(256)
    return bytes(damaged)


def with_valid_checksums(data: bytes) -> bytes:
    """The PNG with the checksums of its chunks corrected, so that the damage reaches the decoder."""
    fixed, at = bytearray(data), 8
    while at + 12 <= len(fixed):
        (length,) = struct.unpack_from(">I", fixed, at)
        if (end := at + 12 + length) > len(fixed):
            break
        fixed[end - 4 : end] = zlib.crc32(fixed[at + 4 : end - 4]).to_bytes(4)
        at = end
    return bytes(fixed)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_damaged_files(image_format):
    rng = random.Random(image_format)
    seeds = originals(image_format)
    released, quarantined, slowest = 0, 0, 0.0
    for _ in range(FILES_PER_FORMAT):
        data = mutated(rng.choice(seeds), rng)
        if image_format == "PNG" and rng.random() < 0.5:
            data = with_valid_checksums(data)
        started = time.monotonic()
        try:
            header = probe(data, LIMITS)
            decoded = decode(data, LIMITS)
            frame, changed = decoded.frame.copy(), np.zeros(decoded.frame.shape[:2], bool)
            frame[:30, :20], changed[:30, :20] = 255, True
            written = encode(decoded, frame, changed)
        except Quarantined:
            quarantined += 1
        else:
            released += 1
            shown = decode(written, LIMITS).frame
            assert (header.height, header.width) == shown.shape[:2] == frame.shape[:2]
            assert shown[:28, :18].mean() > 245
            assert residue(written, LIMITS) == ()
        slowest = max(slowest, time.monotonic() - started)
    assert released > 10
    assert quarantined > 100
    assert slowest < 5

"""Synthetic pictures and the files made of them."""

import io
import struct
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from deid_udf.images.decode import Decoded, Limits, decode

LIMITS = Limits()
#: Odd sizes, so that the last MCU sticks out on both sides.
WIDTH, HEIGHT = 203, 149


def picture(width: int = WIDTH, height: int = HEIGHT, seed: int = 0) -> Image.Image:
    """A colourful RGB picture with gradients, edges and grain."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 9, 3), np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    pixels = np.asarray(coarse, np.int16) + rng.integers(-12, 13, (height, width, 3))
    pixels[height // 3 : height // 2, width // 4 : width // 3] = (250, 240, 20)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def saved(image: Image.Image, image_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def read(data: bytes) -> Decoded:
    return decode(data, LIMITS)


def protected(decoded: Decoded) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A protected frame (two regions, one of them at the lower right corner) and its mask of changed pixels."""
    height, width = decoded.frame.shape[:2]
    changed = np.zeros((height, width), bool)
    changed[20:53, 41:90] = True
    changed[height - 11 :, width - 9 :] = True
    frame = decoded.frame.copy()
    frame[changed] = np.asarray(picture(width, height, seed=1))[changed]
    return frame, changed


@cache  # it holds the time of its making
def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif_block(thumbnail: bytes, orientation: int = 1) -> bytes:
    """An EXIF block as cameras write it: orientation, maker, GPS latitude, and a thumbnail in the second directory."""

    def entry(tag: int, kind: int, count: int, value: bytes) -> bytes:
        return struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")

    word = struct.Struct("<I").pack
    main_at, gps_at, thumb_at = 8, 8 + 2 + 3 * 12 + 4, 8 + 2 + 3 * 12 + 4 + 2 + 2 * 12 + 4
    texts_at = thumb_at + 2 + 2 * 12 + 4
    maker, latitude = b"SECRETCAM\0", struct.pack("<6I", 31, 1, 14, 1, 99, 10)
    main = struct.pack("<H", 3)
    main += entry(0x010F, 2, len(maker), word(texts_at))
    main += entry(0x0112, 3, 1, struct.pack("<H", orientation))
    main += entry(0x8825, 4, 1, word(gps_at)) + word(thumb_at)
    gps = struct.pack("<H", 2) + entry(1, 2, 2, b"N\0") + entry(2, 5, 3, word(texts_at + len(maker))) + word(0)
    thumb = struct.pack("<H", 2) + entry(0x0201, 4, 1, word(texts_at + len(maker) + len(latitude)))
    thumb += entry(0x0202, 4, 1, word(len(thumbnail))) + word(0)
    block = b"II*\0" + word(main_at) + main + gps + thumb + maker + latitude + thumbnail
    assert block.index(maker) == texts_at
    return block

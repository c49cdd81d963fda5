"""A protected frame back into the file format it came from, changed where it may be, and nowhere else.

* JPEG: the MCUs of changed pixels are replaced among the original's coefficients; the file is written again from the
  coefficients (sequential, optimised Huffman tables), so that not even an unused byte of the original survives. The
  orientation stays as the only EXIF tag.
* PNG, TIFF (deflate), lossless WebP: every other pixel is bit-identical, and the orientation is baked in. Palettes
  become true colour.
* Lossy WebP: the whole frame is encoded again at the stated quality, with or without regions, and upright.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deid_udf.errors import PolicyError, Quarantined, Reason
from deid_udf.images import coefficients, jpeg, metadata
from deid_udf.images.container import Limits
from deid_udf.images.decode import Decoded
from deid_udf.images.memory import memory_file
from deid_udf.images.orientation import unorient
from deid_udf.images.transplant import transplant


@dataclass(frozen=True, slots=True)
class Encoding:
    """How images are written.

    Attributes:
        quality: of lossy WebP, 0 to 100. JPEG keeps the tables of its source.
        keep_metadata: EXIF tags to keep, by name, out of `metadata.KEEPABLE`.

    Raises:
        PolicyError: a tag that cannot be kept.
    """

    quality: int = 95
    keep_metadata: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if unknown := self.keep_metadata - metadata.KEEPABLE.keys():
            raise PolicyError(f"keep_metadata: {', '.join(sorted(unknown))}: not among {', '.join(metadata.KEEPABLE)}")


def encode(
    decoded: Decoded, frame: NDArray[np.uint8], changed: NDArray[np.bool_], encoding: Encoding | None = None
) -> bytes:
    """Write a protected frame.

    Args:
        decoded: the original, as `decode` gave it.
        frame: uint8 (H, W, 3), RGB, upright: the protected picture; read at changed pixels, in JPEG in whole MCUs.
        changed: bool (H, W), upright: the pixels that may differ. All False keeps an image's content as it is.
        encoding: how to write; the default if None.

    Returns:
        a whole file of the same format, with a checked colour profile and no other metadata than was asked for.

    Raises:
        Quarantined: ENCODE_FAILED.
        ValueError: shapes or types that do not fit (a mistake of the caller).
    """
    if frame.shape != decoded.frame.shape or frame.dtype != np.uint8:
        raise ValueError(f"frame is {frame.dtype} {frame.shape}, expected uint8 {decoded.frame.shape}")
    if changed.shape != frame.shape[:2] or changed.dtype != np.bool_:
        raise ValueError(f"changed is {changed.dtype} {changed.shape}, expected bool {frame.shape[:2]}")
    encoding = encoding or Encoding()
    if decoded.format == "jpeg":
        return _encode_jpeg(decoded, frame, changed, encoding)
    return _encode_pixels(decoded, frame, changed, encoding)


def _encode_jpeg(decoded: Decoded, frame: NDArray[np.uint8], changed: NDArray[np.bool_], encoding: Encoding) -> bytes:
    container = decoded.container
    orientation = container.orientation
    content = coefficients.read(container.picture)
    if changed.any():
        transplant(content, unorient(frame, orientation), unorient(changed, orientation), rgb=container.colour == "rgb")
    written = jpeg.parse(coefficients.write(content), Limits(max_pixels=container.width * container.height))
    icc = metadata.clean_icc(container.icc, container.colour)
    exif = metadata.clean_exif(container.exif, encoding.keep_metadata, orientation)
    return jpeg.assemble(written.picture, container.colour, icc, exif)


def _encode_pixels(decoded: Decoded, frame: NDArray[np.uint8], changed: NDArray[np.bool_], encoding: Encoding) -> bytes:
    container = decoded.container
    options = _options(decoded, encoding)
    if icc := metadata.clean_icc(container.icc, container.colour):
        options["icc_profile"] = icc
    if exif := metadata.clean_exif(container.exif, encoding.keep_metadata, orientation=1):
        options["exif"] = b"Exif\0\0" + exif
    image = Image.fromarray(_pixels(decoded, frame, changed))
    try:
        # A named file and not BytesIO: libtiff's writer in memory leaves the gaps between its parts uninitialised.
        with memory_file() as path:
            image.save(path, decoded.format.upper(), **options)
            return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise Quarantined(Reason.ENCODE_FAILED, f"the {decoded.format} encoder ({type(error).__name__})") from None


def _options(decoded: Decoded, encoding: Encoding) -> dict[str, Any]:
    """Pillow's options for the format; the fast ends of the lossless encoders, which cost 5 to 12 % in size."""
    if decoded.format == "png":
        return {"compress_level": 3}
    if decoded.format == "tiff":
        return {"compression": "tiff_adobe_deflate"}
    if decoded.container.lossless:
        return {"lossless": True, "exact": True, "method": 0}
    return {"quality": encoding.quality}


def _pixels(decoded: Decoded, frame: NDArray[np.uint8], changed: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The original's pixels with the changed ones replaced: uint8 (H, W) grey, or (H, W, C) with C = 2, 3, 4."""
    pixels = np.where(changed[..., None], frame, decoded.frame)
    if decoded.grey:
        luma = np.asarray(Image.fromarray(frame).convert("L"))
        pixels = np.where(changed, luma, decoded.frame[..., 0])[..., None]
    if decoded.alpha is not None:
        pixels = np.dstack((pixels, np.where(changed, np.uint8(255), decoded.alpha)))
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels

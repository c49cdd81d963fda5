"""Bytes to an upright RGB frame, once, within limits; whatever cannot be read is quarantined with its reason."""

from dataclasses import dataclass

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from deid_udf.errors import Quarantined, Reason
from deid_udf.images import jpeg, png, tiff, webp
from deid_udf.images.container import Container, Format, Limits, truncated, unreadable
from deid_udf.images.orientation import orient, oriented_size
from deid_udf.images.pillow import open_as, untrusted

__all__ = ["Decoded", "Header", "Limits", "decode", "open_container", "probe"]

#: Pictures that are images, but of formats that this project does not read.
_FOREIGN = {
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"\0\0\1\0": "ICO",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"8BPS": "Photoshop",
}


@dataclass(frozen=True, slots=True)
class Header:
    """What ingest records of an image, read without decoding: format, and size in pixels of the upright frame."""

    format: Format
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """One image in memory.

    Attributes:
        frame: uint8 (H, W, 3), RGB, upright, C-contiguous, writable; the stored colours, whatever the alpha.
        format: the file format, kept on output.
        source: the original bytes.
        container: the parsed file.
        alpha: uint8 (H, W), upright, or None. It is kept as it is outside the regions; a picture drawn in alpha alone
            is not seen by detectors.
        grey: whether the file holds grey only (the frame repeats it three times); it stays so.
    """

    frame: NDArray[np.uint8]
    format: Format
    source: bytes
    container: Container
    alpha: NDArray[np.uint8] | None
    grey: bool


def open_container(data: bytes, limits: Limits) -> Container:
    """Parse a file's structure.

    Raises:
        Quarantined: EMPTY, NOT_AN_IMAGE, UNSUPPORTED, TOO_LARGE, TRUNCATED or UNREADABLE.
    """
    if not data:
        raise Quarantined(Reason.EMPTY, "zero bytes")
    if len(data) > limits.max_bytes:
        raise Quarantined(Reason.TOO_LARGE, f"{len(data)} bytes, allowed {limits.max_bytes}")
    if data.startswith(b"\xff\xd8"):
        return jpeg.parse(data, limits)
    if data.startswith(png.SIGNATURE):
        return png.parse(data, limits)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return webp.parse(data, limits)
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return tiff.parse(data, limits)
    foreign = next((name for magic, name in _FOREIGN.items() if data.startswith(magic)), None)
    if foreign is None and data[4:8] == b"ftyp":
        foreign = "HEIF, AVIF or a film"
    if foreign is not None:
        raise Quarantined(Reason.UNSUPPORTED, foreign)
    raise Quarantined(Reason.NOT_AN_IMAGE, "no known signature")


def probe(data: bytes, limits: Limits) -> Header:
    """Format and upright size of an image, from its header alone.

    Also answers for images whose pixels `decode` refuses (CMYK, 16-bit, animated), so that ingest can record them.

    Raises:
        Quarantined: EMPTY, NOT_AN_IMAGE, UNSUPPORTED, TOO_LARGE, TRUNCATED or UNREADABLE.
    """
    container = open_container(data, limits)
    return Header(container.format, *oriented_size(container.width, container.height, container.orientation))


def decode(data: bytes, limits: Limits) -> Decoded:
    """Decode one image.

    Args:
        data: a whole file.
        limits: compared with length and header before any pixel is decoded.

    Raises:
        Quarantined: as `probe`, and UNSUPPORTED for what is readable but cannot be kept unchanged outside its regions:
            CMYK, 12 or 16 bits, arithmetic or oddly sampled JPEG, animations and several pages.
    """
    container = open_container(data, limits)
    if container.refusal:
        raise Quarantined(Reason.UNSUPPORTED, container.refusal)
    stored, alpha = (_decode_jpeg(container), None) if container.format == "jpeg" else _decode_pixels(container)
    if stored.shape[:2] != (container.height, container.width):
        raise unreadable("the pixels are not of the declared size")
    return Decoded(
        frame=orient(stored, container.orientation),
        format=container.format,
        source=data,
        container=container,
        alpha=None if alpha is None else orient(alpha, container.orientation),
        grey=container.colour == "grey",
    )


def _decode_jpeg(container: Container, *, strict: bool = True) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) as stored. libjpeg pads damaged data with grey and warns: here a warning is an error."""
    file = jpeg.assemble(container.picture, container.colour)
    try:
        stored: NDArray[np.uint8] = simplejpeg.decode_jpeg(file, colorspace="RGB", strict=strict)
    except ValueError as error:
        message = str(error)
    else:
        return stored
    if strict and "extraneous bytes before marker 0xd9" in message:
        return _decode_jpeg(container, strict=False)  # cameras pad the last scan; the padding is not written again
    if "remature end" in message:
        raise truncated("a scan ends early")
    if "subsampling" in message:
        raise Quarantined(Reason.UNSUPPORTED, "JPEG of unusual sampling")
    raise unreadable("a damaged scan")


def _decode_pixels(container: Container) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """RGB uint8 (H, W, 3) and alpha (H, W) or None, as stored, from PNG, WebP or TIFF."""
    with untrusted("damaged pixels"):
        image = open_as(container.format, container.picture)
        has_alpha = image.has_transparency_data
        pixels = np.array(image.convert("RGBA" if has_alpha else "RGB"))
    return pixels[..., :3], pixels[..., 3] if has_alpha else None

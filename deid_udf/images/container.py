"""What every file format tells about itself before a pixel is decoded."""

from dataclasses import dataclass
from typing import Literal

from deid_udf.errors import Quarantined, Reason

Format = Literal["jpeg", "png", "webp", "tiff"]
Colour = Literal["grey", "rgb", "ycc", "cmyk", "other"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused unread.

    Attributes:
        max_bytes: the largest file, in bytes.
        max_pixels: the largest width × height that a header may declare; compared before decoding.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 100_000_000

    def check_pixels(self, width: int, height: int) -> None:
        """Refuse a declared size.

        Raises:
            Quarantined: UNREADABLE where a side is zero, TOO_LARGE where the area is above the limit.
        """
        if width < 1 or height < 1:
            raise Quarantined(Reason.UNREADABLE, f"a declared size of {width}×{height}")
        if width * height > self.max_pixels:
            raise Quarantined(Reason.TOO_LARGE, f"{width}×{height} pixels, allowed {self.max_pixels}")


@dataclass(frozen=True, slots=True)
class Container:
    """One parsed file.

    Attributes:
        format: the file format.
        width, height: the declared size in pixels, as stored (before orientation).
        picture: a file of the same format with only the parts that pixels need: decoders never see metadata.
        colour: how colour is stored.
        lossless: whether decoded pixels survive being written again.
        orientation: EXIF orientation, 1 to 8.
        icc: the embedded colour profile, unchecked, or None.
        exif: the EXIF block (a TIFF structure, without its `Exif` prefix), unchecked, or None.
        extras: names of the parts that `picture` lacks, EXIF and ICC apart (comments, XMP, bytes after the end …).
        refusal: why the pixels of a readable header are refused all the same, or an empty string.
    """

    format: Format
    width: int
    height: int
    picture: bytes
    colour: Colour
    lossless: bool
    orientation: int = 1
    icc: bytes | None = None
    exif: bytes | None = None
    extras: tuple[str, ...] = ()
    refusal: str = ""


def truncated(detail: str) -> Quarantined:
    """The error for a file that ends before its own structure does."""
    return Quarantined(Reason.TRUNCATED, detail)


def unreadable(detail: str) -> Quarantined:
    """The error for a file whose structure contradicts itself."""
    return Quarantined(Reason.UNREADABLE, detail)

"""TIFF through Pillow and libtiff: the header of a single-page, 8-bit file."""

from PIL import Image, TiffImagePlugin

from deid_udf.images.container import Colour, Container, Limits, truncated
from deid_udf.images.pillow import open_as, untrusted

_COLOUR: dict[str, Colour] = {"1": "grey", "L": "grey", "LA": "grey", "P": "rgb", "RGB": "rgb", "RGBA": "rgb"}
#: The tags that our own writer needs to state pixels and profile.
_PIXEL_TAGS = frozenset((256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 338, 339, 34675))


def parse(data: bytes, limits: Limits) -> Container:
    """Parse a TIFF file.

    Pillow turns TIFF pixels upright by itself, so that size and pixels are oriented already and `orientation` stays 1.

    Args:
        data: bytes that start with a TIFF signature.
        limits: the declared size is compared before decoding.

    Returns:
        its container; `picture` is the file itself, since offsets run all over it.

    Raises:
        Quarantined: TRUNCATED where a strip lies behind the end, TOO_LARGE, UNREADABLE.
    """
    with untrusted("a damaged TIFF directory"):
        page = open_as("TIFF", data)
        assert isinstance(page, TiffImagePlugin.TiffImageFile)
        limits.check_pixels(*page.size)
        tags = page.tag_v2
        depths = _numbers(tags.get(TiffImagePlugin.BITSPERSAMPLE, 1))
        offsets = _numbers(tags.get(TiffImagePlugin.STRIPOFFSETS, tags.get(TiffImagePlugin.TILEOFFSETS, ())))
        lengths = _numbers(tags.get(TiffImagePlugin.STRIPBYTECOUNTS, tags.get(TiffImagePlugin.TILEBYTECOUNTS, ())))
        icc = tags.get(TiffImagePlugin.ICCPROFILE)
        extras = tuple(f"tag {tag}" for tag in sorted(tags) if tag not in _PIXEL_TAGS)
        mode, (width, height) = page.mode, page.size
        refusal = "multi-page TIFF" if _has_second_page(page) else ""
    if any(offset + length > len(data) for offset, length in zip(offsets, lengths, strict=False)):
        raise truncated("pixels behind the end of the file")
    if mode not in _COLOUR or any(depth not in (1, 8) for depth in depths):
        refusal = refusal or f"TIFF of mode {mode} with {max(depths)} bits"
    return Container(
        format="tiff",
        width=width,
        height=height,
        picture=data,
        colour=_COLOUR.get(mode, "other"),
        lossless=True,
        icc=icc if isinstance(icc, bytes) else None,
        exif=data,  # an EXIF block is a TIFF file without pixels
        extras=extras,
        refusal=refusal,
    )


def _numbers(value: object) -> tuple[int, ...]:
    values = value if isinstance(value, tuple) else (value,)
    return tuple(int(v) for v in values)


def _has_second_page(page: Image.Image) -> bool:
    try:
        page.seek(1)
    except EOFError:
        return False
    return True

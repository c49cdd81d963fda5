"""TIFF through Pillow and libtiff: the header of a single-page, 8-bit file."""

import io
import warnings

from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from deid_udf.errors import Quarantined, Reason
from deid_udf.images.container import Colour, Container, Limits, truncated, unreadable

_COLOUR: dict[str, Colour] = {"1": "grey", "L": "grey", "LA": "grey", "P": "rgb", "RGB": "rgb", "RGBA": "rgb"}
#: The tags that our own writer needs to state pixels and profile.
_PIXEL_TAGS = frozenset((256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 338, 339, 34675))


def open_page(data: bytes) -> Image.Image:
    """The first page, not decoded yet.

    Raises:
        Quarantined: UNREADABLE, or TOO_LARGE where the size is beyond what Pillow opens at all.
    """
    try:
        with warnings.catch_warnings():  # Pillow warns of odd tags, which are dropped anyway
            warnings.simplefilter("ignore")
            return Image.open(io.BytesIO(data), formats=("TIFF",))
    except Image.DecompressionBombError:
        raise Quarantined(Reason.TOO_LARGE, "a TIFF beyond any limit") from None
    except UnidentifiedImageError:
        raise unreadable("a damaged TIFF directory") from None
    except Exception as error:  # hostile directories raise anything at all
        raise unreadable(f"a damaged TIFF directory ({type(error).__name__})") from None


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
    page = open_page(data)
    assert isinstance(page, TiffImagePlugin.TiffImageFile)
    limits.check_pixels(*page.size)
    try:
        tags = page.tag_v2
        depths = tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
        offsets = _numbers(tags.get(TiffImagePlugin.STRIPOFFSETS, tags.get(TiffImagePlugin.TILEOFFSETS, ())))
        lengths = _numbers(tags.get(TiffImagePlugin.STRIPBYTECOUNTS, tags.get(TiffImagePlugin.TILEBYTECOUNTS, ())))
        icc = tags.get(TiffImagePlugin.ICCPROFILE)
        extras = tuple(f"tag {tag}" for tag in sorted(tags) if tag not in _PIXEL_TAGS)
        pages = _has_second_page(page)
    except Exception as error:  # as above: tags are parsed when they are asked for
        raise unreadable(f"a damaged TIFF directory ({type(error).__name__})") from None
    if any(offset + length > len(data) for offset, length in zip(offsets, lengths, strict=False)):
        raise truncated("pixels behind the end of the file")
    refusal = "multi-page TIFF" if pages else ""
    if page.mode not in _COLOUR or any(depth not in (1, 8) for depth in _numbers(depths)):
        refusal = refusal or f"TIFF of mode {page.mode}, bits {_numbers(depths)}"
    return Container(
        format="tiff",
        width=page.width,
        height=page.height,
        picture=data,
        colour=_COLOUR.get(page.mode, "other"),
        lossless=True,
        icc=icc if isinstance(icc, bytes) else None,
        exif=data,
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
    page.seek(0)
    return True

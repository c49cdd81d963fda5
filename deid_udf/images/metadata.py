"""Metadata is an allow-list, empty by default: the colour profile stays if it is one, all else is dropped.

Kept tags are copied by value into a new EXIF block, so that thumbnails, maker notes, GPS and padding have no way
through.
"""

import struct
from collections.abc import Iterable

from PIL import ExifTags, Image

ORIENTATION = int(ExifTags.Base.Orientation)
#: EXIF tags a policy may keep, by their standard names: short values that say how a picture was taken, never where.
KEEPABLE = {
    tag.name: int(tag)
    for tag in (
        ExifTags.Base.Make,
        ExifTags.Base.Model,
        ExifTags.Base.DateTime,
        ExifTags.Base.DateTimeOriginal,
        ExifTags.Base.ExposureTime,
        ExifTags.Base.FNumber,
        ExifTags.Base.ISOSpeedRatings,
        ExifTags.Base.FocalLength,
    )
}
_IN_EXIF_IFD = frozenset(
    KEEPABLE[name] for name in ("DateTimeOriginal", "ExposureTime", "FNumber", "ISOSpeedRatings", "FocalLength")
)
_MAX_TEXT = 64

#: Bytes of the largest colour profile that is kept. Camera and display profiles have 0.5 to 60 kB.
MAX_ICC_BYTES = 128 * 2**10
_MAX_ICC_TEXT = 4096
_ICC_CLASSES = (b"mntr", b"scnr", b"prtr", b"spac")
_ICC_SPACES = {"grey": b"GRAY", "rgb": b"RGB ", "ycc": b"RGB "}


def read_orientation(exif: bytes | None) -> int:
    """EXIF orientation, 1 to 8; 1 where there is none, or none that can be read."""
    value = _open(exif).get(ORIENTATION) if exif else None
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def clean_exif(exif: bytes | None, keep: Iterable[str], orientation: int) -> bytes:
    """A new EXIF block with the kept tags alone.

    Args:
        exif: the source's block, or None.
        keep: names out of `KEEPABLE`.
        orientation: the orientation to state; 1 states none.

    Returns:
        a TIFF structure without the `Exif` prefix; empty where there is nothing to say.
    """
    clean = Image.Exif()
    if orientation != 1:
        clean[ORIENTATION] = orientation
    source = _open(exif) if exif else {}
    details = source.get_ifd(ExifTags.IFD.Exif) if isinstance(source, Image.Exif) else {}
    kept_details = {}
    for name in sorted(keep):
        tag = KEEPABLE[name]
        value = details.get(tag) if tag in _IN_EXIF_IFD else source.get(tag)
        if value is None or (isinstance(value, (str, bytes)) and len(value) > _MAX_TEXT):
            continue
        if tag in _IN_EXIF_IFD:
            kept_details[tag] = value
        else:
            clean[tag] = value
    if kept_details:
        clean[int(ExifTags.IFD.Exif)] = kept_details
    return clean.tobytes().removeprefix(b"Exif\0\0") if len(clean) else b""


def clean_icc(icc: bytes | None, colour: str) -> bytes | None:
    """The profile unchanged if it is one, else None: it must not carry a picture or a text past the gate.

    Checked (ICC.1:2022, 7): declared size, signature, class and colour space; every tag lies inside, text is short, and
    no byte belongs to no tag.

    Args:
        icc: an embedded profile, or None.
        colour: `Container.colour` of the image.
    """
    if icc is None or not 132 <= len(icc) <= MAX_ICC_BYTES:
        return None
    size, count = int.from_bytes(icc[:4]), int.from_bytes(icc[128:132])
    table_end = 132 + 12 * count
    if size != len(icc) or icc[36:40] != b"acsp" or icc[12:16] not in _ICC_CLASSES or table_end > size:
        return None
    if icc[16:20] != _ICC_SPACES.get(colour):
        return None
    spans = [(0, table_end)]
    for index in range(count):
        _, offset, length = struct.unpack_from(">4sII", icc, 132 + 12 * index)
        if offset < table_end or length < 8 or offset + length > size:
            return None
        if icc[offset : offset + 4] in (b"text", b"desc", b"mluc", b"data") and length > _MAX_ICC_TEXT:
            return None
        spans.append((offset, offset + length))
    spans.sort()
    reach = 0
    for start, end in spans:
        if start - reach > 3:  # tags are aligned to four bytes
            return None
        reach = max(reach, end)
    return icc if size - reach <= 3 else None


def _open(exif: bytes) -> Image.Exif:
    parsed = Image.Exif()
    try:
        parsed.load(b"Exif\0\0" + exif.removeprefix(b"Exif\0\0"))
        parsed.get_ifd(ExifTags.IFD.Exif)
    except Exception:  # a hostile block raises anything at all, and what cannot be read is not kept
        return Image.Exif()
    return parsed

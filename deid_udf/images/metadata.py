"""Metadata is an allow-list, empty by default: the colour profile stays if it is one, all else is dropped.

Kept texts are copied by value into a new EXIF block: thumbnails, maker notes, GPS and padding have no way through.
"""

import struct
from collections.abc import Collection

from PIL import ExifTags, Image

from deid_udf.errors import Quarantined
from deid_udf.images.container import Colour
from deid_udf.images.pillow import untrusted

ORIENTATION = int(ExifTags.Base.Orientation)
EXIF_IFD = int(ExifTags.IFD.Exif)
#: EXIF tags a policy may keep, by their standard names: short texts that say when and with what, never where.
KEEPABLE = {
    tag.name: int(tag)
    for tag in (
        ExifTags.Base.Make,
        ExifTags.Base.Model,
        ExifTags.Base.DateTime,
        ExifTags.Base.DateTimeOriginal,
        ExifTags.Base.Copyright,
    )
}
_IN_EXIF_IFD = frozenset((int(ExifTags.Base.DateTimeOriginal),))
_MAX_TEXT = 64

#: Bytes of the largest colour profile that is kept. Those of cameras and displays have 0.5 to 60 kB.
MAX_ICC_BYTES = 128 * 2**10
_MAX_ICC_TEXT = 4096
_ICC_CLASSES = (b"mntr", b"scnr", b"prtr", b"spac")
_ICC_SPACES: dict[Colour, bytes] = {"grey": b"GRAY", "rgb": b"RGB ", "ycc": b"RGB "}


def read_orientation(exif: bytes | None) -> int:
    """EXIF orientation, 1 to 8; 1 where there is none, or none that can be read."""
    value = _open(exif)[0].get(ORIENTATION)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def clean_exif(exif: bytes | None, keep: Collection[str], orientation: int) -> bytes:
    """A new EXIF block with the kept texts alone.

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
    main, details = _open(exif) if keep else ({}, {})
    kept_details: dict[int, str] = {}
    for tag in sorted(KEEPABLE[name] for name in keep):
        value = (details if tag in _IN_EXIF_IFD else main).get(tag)
        if not isinstance(value, str) or len(value) > _MAX_TEXT or not (value.isascii() and value.isprintable()):
            continue
        if tag in _IN_EXIF_IFD:
            kept_details[tag] = value
        else:
            clean[tag] = value
    if kept_details:
        clean[EXIF_IFD] = kept_details
    return clean.tobytes().removeprefix(b"Exif\0\0") if len(clean) else b""


def clean_icc(icc: bytes | None, colour: Colour) -> bytes | None:
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
    reach = 0
    for start, end in sorted(spans):
        if start - reach > 3:  # tags are aligned to four bytes
            return None
        reach = max(reach, end)
    return icc if size - reach <= 3 else None


def _open(exif: bytes | None) -> tuple[dict[int, object], dict[int, object]]:
    """Values of a block's main directory and of its EXIF directory; empty where it cannot be read."""
    if not exif:
        return {}, {}
    parsed = Image.Exif()
    try:
        with untrusted("a damaged EXIF block"):
            parsed.load(b"Exif\0\0" + exif.removeprefix(b"Exif\0\0"))
            return dict(parsed), dict(parsed.get_ifd(EXIF_IFD))
    except Quarantined:  # what cannot be read is not kept
        return {}, {}

"""Quantised DCT coefficients of a JPEG, read and written without decoding, through jpeglib's build of libjpeg-turbo.

jpeglib's Python classes keep a copy of the original in a temporary file, on disk and in the clear. Its C functions take
file names only, so they are called here with the names of files in memory.
"""

import ctypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jpeglib import cjpeglib
from numpy.typing import NDArray

from deid_udf.errors import Quarantined, Reason
from deid_udf.images.jpeg import FrameHeader, frame_header
from deid_udf.images.memory import memory_file

_VERSION = "turbo210"
_GREYSCALE, _YCBCR = 1, 3  # J_COLOR_SPACE
_OPTIMIZE_CODING = 1 << 6  # jpeglib's bit for Huffman tables made for this image


@dataclass(frozen=True, slots=True, eq=False)
class Coefficients:
    """The coefficients of one image.

    Attributes:
        header: its frame header.
        blocks: one int16 (rows, columns, 8, 8) per component, frequencies [vertical, horizontal], not dequantised.
        tables: uint16 (components, 8, 8), the quantisation table of each component.
    """

    header: FrameHeader
    blocks: tuple[NDArray[np.int16], ...]
    tables: NDArray[np.uint16]


def read(picture: bytes) -> Coefficients:
    """Read the coefficients of a bare picture.

    Args:
        picture: `Container.picture` of a JPEG that `decode` has read. Its header sizes the buffers that C fills, and a
            header that libjpeg itself refuses would crash jpeglib's reader; decoding has seen to both.

    Raises:
        Quarantined: ENCODE_FAILED where libjpeg gives up, or a table cannot be divided by.
    """
    header = frame_header(picture)
    blocks = tuple(np.zeros((*shape, 8, 8), np.int16) for shape in _block_shapes(header))
    slots = np.zeros((4, 8, 8), np.uint16)
    slot_of = np.zeros(4, np.int16)
    planes = [block.ctypes for block in blocks] + [None] * (4 - len(blocks))
    with memory_file(picture) as path:
        if not _library().read_jpeg_dct(path.encode(), *planes, slots.ctypes, slot_of.ctypes):
            raise Quarantined(Reason.ENCODE_FAILED, "the coefficients cannot be read")
    tables = slots[slot_of[: len(blocks)]]
    if not tables.all():
        raise Quarantined(Reason.ENCODE_FAILED, "a quantisation table with zeros")
    return Coefficients(header, blocks, tables)


def write(coefficients: Coefficients) -> bytes:
    """A sequential Huffman-coded JPEG with these very coefficients.

    Raises:
        Quarantined: ENCODE_FAILED where libjpeg gives up.
    """
    header, blocks = coefficients.header, coefficients.blocks
    count = len(blocks)
    tables, slot_of = _slots(coefficients.tables)
    sampling = np.array([(c.vertical, c.horizontal) for c in header.components], np.intc)
    planes = [np.ascontiguousarray(block) for block in blocks]
    with memory_file() as path:
        written = _library().write_jpeg_dct(
            None,
            path.encode(),
            *[plane.ctypes for plane in planes],
            *[None] * (4 - count),
            np.array((header.height, header.width), np.intc).ctypes,
            np.array([block.shape[:2] for block in blocks], np.intc).ctypes,
            sampling.ctypes,
            _GREYSCALE if count == 1 else _YCBCR,
            count,
            tables.ctypes,
            -1,  # no quality: the tables are given
            slot_of.ctypes,
            0,  # no markers
            None,
            None,
            None,
            _OPTIMIZE_CODING,
            0xFFFFFFFF,
        )
        if not written:
            raise Quarantined(Reason.ENCODE_FAILED, "the coefficients cannot be written")
        return Path(path).read_bytes()


def _block_shapes(header: FrameHeader) -> list[tuple[int, int]]:
    """Rows and columns of blocks per component (T.81, A.1.1 and A.2.4), as libjpeg counts them."""
    h_max = max(c.horizontal for c in header.components)
    v_max = max(c.vertical for c in header.components)
    return [
        (-(-header.height * c.vertical // (8 * v_max)), -(-header.width * c.horizontal // (8 * h_max)))
        for c in header.components
    ]


def _slots(tables: NDArray[np.uint16]) -> tuple[NDArray[np.uint16], NDArray[np.int16]]:
    """Number the tables by first appearance: libjpeg's writer then finds each of them where it looks for it."""
    slots = np.zeros((4, 8, 8), np.uint16)
    slot_of = np.full(4, -1, np.int16)
    distinct: list[NDArray[np.uint16]] = []
    for component, table in enumerate(tables):
        slot = next((i for i, seen in enumerate(distinct) if np.array_equal(seen, table)), len(distinct))
        if slot == len(distinct):
            distinct.append(table)
        slots[slot], slot_of[component] = table, slot
    return slots, slot_of


@cache
def _library() -> Any:
    (path,) = Path(next(iter(cjpeglib.__path__))).glob(f"cjpeglib_{_VERSION}.*")
    return ctypes.CDLL(str(path))

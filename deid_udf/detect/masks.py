"""Pixel masks of regions: bool (h, w) over the integer hull of a region's box."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Box, Region

Mask = NDArray[np.bool_]


def hull(box: Box) -> tuple[int, int, int, int]:
    """The box in whole pixels, outwards, at least one pixel wide and high."""
    x0, y0, x1, y1 = box
    left, top = int(np.floor(x0)), int(np.floor(y0))
    return left, top, max(int(np.ceil(x1)), left + 1), max(int(np.ceil(y1)), top + 1)


def resized(mask: Mask, box: Box) -> Mask:
    """A mask seen at another size, over the hull of its `box` there."""
    x0, y0, x1, y1 = hull(box)
    return np.asarray(cv2.resize(mask.astype(np.uint8), (x1 - x0, y1 - y0), interpolation=cv2.INTER_NEAREST), np.bool_)


def joined(regions: Sequence[Region], box: Box) -> Mask | None:
    """The regions' masks together, over the hull of a `box` around all of them; None where none has a mask."""
    x0, y0, x1, y1 = hull(box)
    mask = np.zeros((y1 - y0, x1 - x0), np.bool_)
    for region in regions:
        if region.mask is not None:
            left, top, right, bottom = hull(region.box)
            mask[top - y0 : bottom - y0, left - x0 : right - x0] |= region.mask
    return None if all(region.mask is None for region in regions) else mask


def enclosing(region: Region) -> NDArray[np.float32] | None:
    """The convex hull of a region's mask: float32 (n, 2) in frame pixels; None without a mask or where it is empty."""
    if region.mask is None or not region.mask.any():
        return None
    pixels = np.argwhere(region.mask)[:, ::-1] + np.array(hull(region.box)[:2])
    return np.asarray(cv2.convexHull(pixels.astype(np.float32))[:, 0], np.float32)

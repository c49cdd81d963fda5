"""Corners of plates: float32 (4, 2) in frame pixels, clockwise from the top left."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Box

Corners = NDArray[np.float32]

_LEAST_FILLED = 0.7  # of the smallest turned rectangle around them: a triangle fills half, a plate at 50° of yaw 0.8
_LEAST_AREA = 0.2  # of what stands in for them: a long plate at 45° takes 0.28 of its box


def plate_shaped(corners: Corners) -> bool:
    """Whether these are the corners of a plate seen in perspective: finite, clockwise, convex and no triangle."""
    corners = corners.astype(np.float32)
    if not (np.isfinite(corners).all() and cv2.isContourConvex(corners)):
        return False
    area = cv2.contourArea(corners, oriented=True)
    (_, (width, height), _) = cv2.minAreaRect(corners)
    return area > 0 and area >= _LEAST_FILLED * width * height


def believed(corners: Corners, otherwise: Corners) -> Corners:
    """`corners` where they have a plate's shape and some size, else what stands in for them."""
    least = _LEAST_AREA * cv2.contourArea(otherwise)
    return corners if plate_shaped(corners) and cv2.contourArea(corners) > least else otherwise


def stretched_to(corners: Corners, box: Box) -> Corners:
    """The corners moved and scaled along the axes until their bounding box is `box`, but never brought together."""
    low, high = corners.min(0), corners.max(0)
    wanted_low, wanted_high = np.minimum(low, box[:2]), np.maximum(high, box[2:])
    scale = (wanted_high - wanted_low) / np.maximum(high - low, 1e-6)
    return np.asarray((corners - low) * scale + wanted_low, np.float32)


def convex_hull(outlines: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The smallest convex outline (n, 2) around several (m, 2)."""
    return np.asarray(cv2.convexHull(np.concatenate(outlines))[:, 0], np.float32)

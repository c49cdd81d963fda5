"""What of a face is replaced: the policy's mask as a convex outline."""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Box
from deid_udf.faces.align import Points

Mask = Literal["hull", "forehead", "head"]
_FOREHEAD = 0.52  # how far the brows are lifted to the hairline, as a share of the way from chin to bridge of the nose
_BOXED = 0.26  # and to where detectors' boxes end
_HEAD = (0.75, 1.0)  # half axes of the head's ellipse, as shares of the landmarks' width and height
_CORNERS = 48
_OVERHANG = 1.12  # how far, from the middle, a new face may stick out of the old one's mask


def outline(
    mask: Mask, original: Points | None, new: Points, box: Box, seen: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """The original's mask, and of the new face's what does not stick out far beyond it, as one convex hull.

    Args:
        mask: how much of a face is replaced.
        original: (68, 2) landmarks in frame pixels, or None: then the ellipse inside `box`.
        new: (68, 2) landmarks of the new face where it is placed.
        box: of the region.
        seen: (n, 2) what a detector's pixel mask encloses, or None. It adds to the rest and takes nothing away.

    Returns:
        float32 (n, 2) in frame pixels.
    """
    old = _convex(_box_ellipse(box) if original is None else _MASKS[mask](original))
    if seen is not None:
        old = _convex(np.concatenate([old, seen]))
    centre = old.mean(0)
    allowed = (centre + (old - centre) * _OVERHANG).astype(np.float32)
    common = cv2.intersectConvexConvex(_convex(_MASKS[mask](new)), allowed)[1]
    return old if common is None else _convex(np.concatenate([old, common[:, 0]]))


def enclosed(points: Points, box: Box) -> float:
    """Share of the ellipse inside `box` that landmarks (68, 2) enclose, what a box holds of the forehead included."""
    ellipse = _box_ellipse(box)
    return float(cv2.intersectConvexConvex(_convex(boxed(points)), ellipse)[0] / cv2.contourArea(ellipse))


def boxed(points: Points) -> Points:
    """Landmarks (68, 2), and the brows lifted to where a detector's box ends: (78, 2)."""
    return _lifted(points, _BOXED)


def _convex(points: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.asarray(cv2.convexHull(points.astype(np.float32))[:, 0], np.float32)


def _box_ellipse(box: Box) -> NDArray[np.float32]:
    x0, y0, x1, y1 = box
    return _ellipse(np.array(((x0 + x1) / 2, (y0 + y1) / 2)), np.array(((x1 - x0) / 2, (y1 - y0) / 2)), 0.0)


def _hull(points: Points) -> Points:
    return points


def _forehead(points: Points) -> Points:
    return _lifted(points, _FOREHEAD)


def _lifted(points: Points, share: float) -> Points:
    return np.concatenate([points, points[17:27] + share * (points[27] - points[8])])


def _head(points: Points) -> Points:
    up = points[27] - points[8]
    angle = np.arctan2(up[0], -up[1])
    rotation = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])  # to upright
    width, height = np.ptp(points @ rotation.T, axis=0)
    axes = np.array((width * _HEAD[0], height * _HEAD[1]))
    return _ellipse(points.mean(0) + 0.15 * up, axes, angle).astype(np.float64)


def _ellipse(centre: Points, axes: Points, angle: float) -> NDArray[np.float32]:
    t = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    upright = np.column_stack([np.cos(t) * axes[0], np.sin(t) * axes[1]])
    rotation = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    return np.asarray(centre + upright @ rotation.T, np.float32)


_MASKS = {"hull": _hull, "forehead": _forehead, "head": _head}

"""What of a face is replaced: the policy's mask as a convex outline."""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Box
from deid_udf.faces.align import Points

Mask = Literal["hull", "forehead", "head"]
_FOREHEAD = 0.38  # how far the brows are lifted, as a share of the way from chin to the bridge of the nose
_HEAD = (0.75, 1.0)  # half axes of the head's ellipse, as shares of the landmarks' width and height
_CORNERS = 48


def outline(mask: Mask, *faces: Points, around: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Convex hull of the masks of all `faces`, each (68, 2) in frame pixels, and of `around`: float32 (n, 2)."""
    points = np.concatenate([_MASKS[mask](face) for face in faces] + ([] if around is None else [around]))
    return np.asarray(cv2.convexHull(points.astype(np.float32))[:, 0], np.float32)


def box_outline(box: Box) -> NDArray[np.float32]:
    """The ellipse inside a box, for a face without landmarks: float32 (n, 2)."""
    x0, y0, x1, y1 = box
    return _ellipse(np.array(((x0 + x1) / 2, (y0 + y1) / 2)), np.array(((x1 - x0) / 2, (y1 - y0) / 2)), 0.0)


def _hull(points: Points) -> Points:
    return points


def _forehead(points: Points) -> Points:
    lift = _FOREHEAD * (points[27] - points[8])
    return np.concatenate([points, points[17:27] + lift])


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
    return (centre + upright @ rotation.T).astype(np.float32)


_MASKS = {"hull": _hull, "forehead": _forehead, "head": _head}

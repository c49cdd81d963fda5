"""What a policy may declare public about a face, and take over outside the guarantee: yaw, and skin tone.

Both are rounded coarsely, so that what is taken over is what the policy says and little more.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Frame
from deid_udf.faces.align import Points

_YAW_STEP, _YAW_END = 0.25, 0.5
_TONE_STEP = 24  # levels
_MOST = 70  # levels by which a tone may be moved


def public_yaw(yaw: float) -> float:
    """The middle of the bin that a face's yaw falls into."""
    return float(np.clip(np.round(yaw / _YAW_STEP) * _YAW_STEP, -_YAW_END, _YAW_END))


def public_tone(face: Frame, points: Points) -> NDArray[np.float64]:
    """Mean colour (3,) of a face between brows, jaw and chin, rounded. `points`: (68, 2) in the pixels of `face`."""
    return np.round(_tone(face, points) / _TONE_STEP) * _TONE_STEP


def recolour(face: Frame, points: Points, tone: NDArray[np.float64]) -> Frame:
    """A face moved to another mean colour, all of it alike."""
    change = np.clip(tone - _tone(face, points), -_MOST, _MOST)
    return np.asarray(np.clip(face + change, 0, 255), np.uint8)


def _tone(face: Frame, points: Points) -> NDArray[np.float64]:
    mask = np.zeros(face.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(points.astype(np.int32)), 1)
    return np.asarray(cv2.mean(face, mask)[:3], np.float64)

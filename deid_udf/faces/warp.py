"""The paper's swap: a new face bent, triangle by triangle, onto the original's 68 landmarks.

It carries the original's face geometry over: its guarantee for geometry is `none`, and policies mark an experiment.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Frame
from deid_udf.faces.align import Points, Similarity


def bend(
    content: Frame, new: Points, place: Similarity, original: Points, corner: Points, size: tuple[int, int]
) -> Frame:
    """`content` over a window of the frame, its landmarks on the original's.

    Args:
        content: uint8 (s, s, 3).
        new: (68, 2) its landmarks, in its pixels.
        place: where the similarity would put it: content pixels → frame pixels; kept outside the landmarks' hull.
        original: (68, 2) where its landmarks go, in frame pixels.
        corner: (2,) the window's first pixel in the frame.
        size: the window's width and height.
    """
    shift = place.copy()
    shift[:, 2] -= corner
    window = _warp(content, shift, size)
    target = original - corner
    for triangle in _triangles(new, len(content)):
        a, b = new[triangle].astype(np.float32), target[triangle].astype(np.float32)
        low = np.clip(np.floor(b.min(0)).astype(int) - 1, 0, size)
        high = np.clip(np.ceil(b.max(0)).astype(int) + 2, 0, size)
        if (high <= low).any():
            continue
        width, height = (high - low).tolist()
        part = _warp(
            content, np.asarray(cv2.getAffineTransform(a, (b - low).astype(np.float32)), np.float64), (width, height)
        )
        mask = np.zeros(part.shape[:2], np.uint8)
        cv2.fillConvexPoly(mask, np.round((b - low) * 16).astype(np.int32), 1, shift=4)
        view = window[low[1] : high[1], low[0] : high[0]]
        view[mask > 0] = part[mask > 0]
    return window


def _warp(content: Frame, matrix: NDArray[np.floating], size: tuple[int, int]) -> Frame:
    warped = cv2.warpAffine(content, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(warped, np.uint8)


def _triangles(points: Points, side: int) -> NDArray[np.int64]:
    """Delaunay triangles as indices (m, 3)."""
    inside = np.clip(points, 0, side - 1e-3)
    subdivision = cv2.Subdiv2D((0, 0, side, side))
    for x, y in inside:
        subdivision.insert((float(x), float(y)))
    corners = np.asarray(subdivision.getTriangleList()).reshape(-1, 3, 2)
    corners = corners[((corners >= 0) & (corners < side)).all((1, 2))]  # without the ones to the outer frame
    distance = np.linalg.norm(corners[:, :, None] - inside[None, None], axis=3)
    return np.asarray(distance.argmin(2), np.int64)

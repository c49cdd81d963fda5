"""Boxes: overlap, non-maximum suppression, growth. All are float (n, 4) rows x0, y0, x1, y1 in pixels."""

import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Box

Boxes = NDArray[np.floating]


def iou(one: Boxes, many: Boxes) -> NDArray[np.float64]:
    """Intersection over union of one box (4,) with each of (n, 4)."""
    shared = intersection(one, many)
    union = _area(one) + _area(many) - shared
    return np.asarray(shared / np.maximum(union, 1e-9), np.float64)


def intersection(one: Boxes, many: Boxes) -> NDArray[np.float64]:
    """Shared area of one box (4,) with each of (n, 4)."""
    low = np.maximum(one[:2], many[:, :2])
    high = np.minimum(one[2:], many[:, 2:])
    return np.asarray(np.prod(np.maximum(high - low, 0), axis=1), np.float64)


def suppress(boxes: Boxes, scores: NDArray[np.floating], overlap: float) -> list[int]:
    """Greedy non-maximum suppression: indices that stay, best score first; ties keep the input's order."""
    left = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(int(best))
        left = left[iou(boxes[best], boxes[left]) < overlap]
    return kept


def as_box(row: Boxes) -> Box:
    """One row (4,) as a `Box`."""
    x0, y0, x1, y1 = row.tolist()
    return x0, y0, x1, y1


def box_corners(box: Box) -> NDArray[np.float32]:
    """The box's corners, float32 (4, 2), clockwise from the top left."""
    x0, y0, x1, y1 = box
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32)


def grown(box: Box, share: float) -> Box:
    """The box with `share` of each side added on both of its ends."""
    x0, y0, x1, y1 = box
    dx, dy = (x1 - x0) * share, (y1 - y0) * share
    return x0 - dx, y0 - dy, x1 + dx, y1 + dy


def shrunk(box: Box, share: float) -> Box:
    """What `grown` made by `share`, as it was before."""
    return grown(box, -share / (1 + 2 * share))


def _area(boxes: Boxes) -> NDArray[np.float64]:
    return np.asarray((boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1]), np.float64)

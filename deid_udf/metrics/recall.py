"""Recall of detectors by object size: what the guarantee does not cover is measured, never assumed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from deid_udf.detect.region import Box

SIZE_BINS = ((0.0, 10.0), (10.0, 20.0), (20.0, 40.0), (40.0, float("inf")))  # height in pixels
COVERED_FROM = 0.7  # share of an object's pixels that must be replaced for it to count as covered


@dataclass(frozen=True, slots=True)
class Matches:
    """One picture's true boxes against its detections.

    Attributes:
        heights: float (n,) heights of the true boxes in pixels.
        found: bool (n,) whether each is matched at the IoU threshold.
        false: detections that match nothing.
    """

    heights: NDArray[np.float64]
    found: NDArray[np.bool_]
    false: int


def iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of boxes (x0, y0, x1, y1): (n, 4) and (m, 4) → (n, m)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    area_a, area_b = (a[:, 2:] - a[:, :2]).prod(-1), (b[:, 2:] - b[:, :2]).prod(-1)
    union = area_a[:, None] + area_b[None] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def coverage(outline: NDArray[np.floating], replaced: NDArray[np.bool_]) -> float:
    """Share of an object's pixels that are replaced; 0 where it has none in the frame.

    Args:
        outline: (n, 2) convex polygon around the object in frame pixels. Pixels with their centre in it are its own.
        replaced: bool (H, W), the pixels that the pipeline replaces.
    """
    limits = replaced.shape[::-1]
    x0, y0 = np.clip(np.floor(outline.min(0)), 0, limits).astype(int)
    x1, y1 = np.clip(np.ceil(outline.max(0)), 0, limits).astype(int)
    rows, columns = np.arange(y0, y1)[:, None] + 0.5, np.arange(x0, x1)[None] + 0.5
    sides = [
        (end[0] - start[0]) * (rows - start[1]) - (end[1] - start[1]) * (columns - start[0])
        for start, end in zip(outline, np.roll(outline, -1, axis=0), strict=True)
    ]
    inside = (np.min(sides, axis=0) >= 0) | (np.max(sides, axis=0) <= 0)
    own = replaced[y0:y1, x0:x1][inside]
    return float(own.mean()) if own.size else 0.0


def match(truth: Sequence[Box], detected: Sequence[Box], *, iou_at: float = 0.3) -> Matches:
    """Assign detections to true boxes, one to one, by greatest total IoU.

    Args:
        truth: what is there.
        detected: what was found, before it grows.
        iou_at: a pair counts from here on.
    """
    a = np.array(truth, np.float64).reshape(-1, 4)
    b = np.array(detected, np.float64).reshape(-1, 4)
    found = np.zeros(len(a), np.bool_)
    if len(a) and len(b):
        overlap = np.where(iou(a, b) >= iou_at, iou(a, b), 0)
        rows, columns = linear_sum_assignment(overlap, maximize=True)
        found[rows] = overlap[rows, columns] > 0
    return Matches(a[:, 3] - a[:, 1], found, len(b) - int(found.sum()))

"""Recall of detectors by object size: what the guarantee does not cover is measured, never assumed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from deid_udf.detect.region import Box

SIZE_BINS = ((0.0, 10.0), (10.0, 20.0), (20.0, 40.0), (40.0, float("inf")))  # height in pixels


@dataclass(frozen=True, slots=True)
class Matches:
    """One picture's true boxes against its detections.

    Attributes:
        heights: float (n,) heights of the true boxes in pixels.
        found: bool (n,) whether each is matched at the IoU threshold.
        covered: bool (n,) whether enough of each lies under the union of all detections.
        false: detections that match nothing.
    """

    heights: NDArray[np.float64]
    found: NDArray[np.bool_]
    covered: NDArray[np.bool_]
    false: int


def iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of boxes (x0, y0, x1, y1): (n, 4) and (m, 4) → (n, m)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    area_a, area_b = (a[:, 2:] - a[:, :2]).prod(-1), (b[:, 2:] - b[:, :2]).prod(-1)
    union = area_a[:, None] + area_b[None] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def coverage(box: Box, boxes: NDArray[np.float64]) -> float:
    """Share of `box` that lies under the union of `boxes` (m, 4), on the pixel grid."""
    x0, y0, x1, y1 = (round(v) for v in box)
    area = np.zeros((max(y1 - y0, 1), max(x1 - x0, 1)), np.bool_)
    for bx0, by0, bx1, by1 in np.round(boxes).astype(int):
        area[max(by0 - y0, 0) : max(by1 - y0, 0), max(bx0 - x0, 0) : max(bx1 - x0, 0)] = True
    return float(area.mean())


def match(
    truth: Sequence[Box],
    detected: Sequence[Box],
    covering: Sequence[Box] | None = None,
    *,
    iou_at: float = 0.3,
    coverage_at: float = 0.7,
) -> Matches:
    """Assign detections to true boxes, one to one, by greatest total IoU.

    Args:
        truth: what is there.
        detected: what was found, before it grows.
        covering: what is replaced, after it has grown; by default what was found.
        iou_at: a pair counts from here on.
        coverage_at: an object is covered from this share of its area on.
    """
    a = np.array(truth, np.float64).reshape(-1, 4)
    b = np.array(detected, np.float64).reshape(-1, 4)
    found = np.zeros(len(a), np.bool_)
    if len(a) and len(b):
        overlap = np.where(iou(a, b) >= iou_at, iou(a, b), 0)
        rows, columns = linear_sum_assignment(overlap, maximize=True)
        found[rows] = overlap[rows, columns] > 0
    over = b if covering is None else np.array(covering, np.float64).reshape(-1, 4)
    covered = np.array([coverage(box, over) >= coverage_at for box in truth], np.bool_)
    return Matches(a[:, 3] - a[:, 1], found, covered, len(b) - int(found.sum()))


def by_size(matches: Sequence[Matches]) -> list[dict[str, float]]:
    """Recall and coverage of many pictures in the height bins of `SIZE_BINS`: one row a bin."""
    heights = np.concatenate([m.heights for m in matches]) if matches else np.zeros(0)
    found = np.concatenate([m.found for m in matches]) if matches else np.zeros(0, np.bool_)
    covered = np.concatenate([m.covered for m in matches]) if matches else np.zeros(0, np.bool_)
    rows = []
    for low, high in SIZE_BINS:
        here = (heights >= low) & (heights < high)
        n = int(here.sum())
        rows.append(
            {
                "from": low,
                "to": high,
                "objects": n,
                "recall": float(found[here].mean()) if n else float("nan"),
                "coverage": float(covered[here].mean()) if n else float("nan"),
            }
        )
    return rows

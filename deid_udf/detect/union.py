"""The union of the policy's detectors: what is private in each frame (Eq. 5–8 of the paper)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from deid_udf.detect.boxes import as_box, box_corners, grown, intersection, iou
from deid_udf.detect.region import Detector, Frame, Region
from deid_udf.detect.tiles import View, views
from deid_udf.policy import Detection, DetectorChoice

_CONTAINED = 0.8  # share of a box inside a better one from which on it is the same object


@dataclass(frozen=True, slots=True)
class Found:
    """One private object.

    Attributes:
        region: its box grown by the policy's margin; corners, points and mask as the detector gave them, and for a
            plate without corners those of its box before it grew.
        review: the score is so low that a person should look.
    """

    region: Region
    review: bool


def find_private(frames: Sequence[Frame], detection: Detection, detectors: Sequence[Detector]) -> list[list[Found]]:
    """Every private object of every frame, best score first.

    Args:
        frames: uint8 (H, W, 3) RGB, sizes may differ.
        detection: thresholds, classes, merging and growth.
        detectors: what `open_detectors(detection, …)` returned, in the order of `detection.detectors`.
    """
    found: list[list[Found]] = [[] for _ in frames]
    for choice, detector in zip(detection.detectors, detectors, strict=True):
        for some, regions in zip(found, _look(frames, choice, detector), strict=True):
            some += [Found(region, region.score < choice.review) for region in regions]
    private = [[f for f in some if detection.classes.get(f.region.kind, "private") == "private"] for some in found]
    return [
        [replace(f, region=_grow(f.region, detection)) for f in merge(some, detection.merge_iou)] for some in private
    ]


def _look(frames: Sequence[Frame], choice: DetectorChoice, detector: Detector) -> list[list[Region]]:
    """One detector's regions at or above its threshold, in frame pixels, over all its views of each frame."""
    seen: list[tuple[int, View]] = [
        (i, view)
        for i, frame in enumerate(frames)
        for view in views(frame, tile=choice.tile, long_side=choice.long_side)
    ]
    regions: list[list[Region]] = [[] for _ in frames]
    for (i, view), some in zip(seen, detector.detect([view.image for _, view in seen]), strict=True):
        regions[i] += [view.to_frame(r) for r in some if r.score >= choice.threshold and not view.cuts(r)]
    return regions


def merge(found: Sequence[Found], overlap: float) -> list[Found]:
    """One `Found` an object, class by class: the best-scored region, its box widened over those it absorbs.

    Two regions of a kind are one object from IoU `overlap` on, or when the better one holds nearly all of the other.
    """
    left = sorted(found, key=lambda f: -f.region.score)
    merged: list[Found] = []
    while left:
        best, *left = left
        boxes = np.array([f.region.box for f in left]).reshape(-1, 4)
        box = np.array(best.region.box)
        area = np.maximum(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), 1e-9)
        same = (iou(box, boxes) >= overlap) | (intersection(box, boxes) / area >= _CONTAINED)
        same &= np.array([f.region.kind == best.region.kind for f in left], np.bool_)
        members = np.concatenate([box[None], boxes[same]])
        hull = np.concatenate([members[:, :2].min(0), members[:, 2:].max(0)])
        merged.append(replace(best, region=replace(best.region, box=as_box(hull))))
        left = [f for f, taken in zip(left, same, strict=True) if not taken]
    return merged


def _grow(region: Region, detection: Detection) -> Region:
    corners = box_corners(region.box) if region.kind == "plate" and region.corners is None else region.corners
    return replace(region, box=grown(region.box, detection.grow.get(region.kind, 0.0)), corners=corners)

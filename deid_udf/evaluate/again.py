"""Detector agreement: whether an object's kind is still found where it stood, now that it is replaced."""

from collections.abc import Sequence

import numpy as np

from deid_udf.detect.boxes import iou
from deid_udf.detect.region import Frame, Region
from deid_udf.pipeline import Pipeline

_SAME_PLACE = 0.3  # IoU from which on a detection stands where the old one stood
_MARGIN = 96  # pixels around objects that detectors see too
_STRIDE = 32  # of the detectors' coarsest features


def still_found(pipeline: Pipeline, frames: Sequence[Frame], regions: Sequence[Sequence[Region]]) -> list[list[bool]]:
    """Whether the pipeline's detectors find one of the same kind (IoU ≥ 0.3) where each region stood.

    Only the part of each frame around its regions is looked at, since nothing else changed.

    Args:
        pipeline: whose detectors look.
        frames: uint8 (H, W, 3) RGB, protected.
        regions: of each frame, at least one.
    """
    parts = [around(some, frame.shape) for some, frame in zip(regions, frames, strict=True)]
    seen = pipeline.find([frame[y0:y1, x0:x1] for frame, (x0, y0, x1, y1) in zip(frames, parts, strict=True)])
    told = []
    for some, objects, part in zip(regions, seen, parts, strict=True):
        boxes = {kind: np.array([f.region.box for f in objects if f.region.kind == kind]) for kind in ("face", "plate")}
        moved = [np.array(r.box) - np.tile(part[:2], 2) for r in some]
        told.append(
            [
                bool(len(boxes[r.kind]) and (iou(box, boxes[r.kind]) >= _SAME_PLACE).any())
                for r, box in zip(some, moved, strict=True)
            ]
        )
    return told


def around(regions: Sequence[Region], shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The part of a frame that holds all regions and their surroundings, on the detectors' grid: x0, y0, x1, y1."""
    boxes = np.array([r.box for r in regions])
    low = np.maximum(np.floor((boxes[:, :2].min(0) - _MARGIN) / _STRIDE) * _STRIDE, 0)
    high = np.minimum(np.ceil((boxes[:, 2:].max(0) + _MARGIN) / _STRIDE) * _STRIDE, shape[1::-1])
    x0, y0, x1, y1 = np.concatenate([low, high]).astype(int).tolist()
    return x0, y0, x1, y1

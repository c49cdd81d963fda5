"""Recall against false boxes over the threshold: for choosing thresholds, on validation pictures only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deid_udf.detect.region import Detector, Kind, Region
from deid_udf.detect.tiles import views
from deid_udf.detect.union import Found, merge
from deid_udf.metrics.recall import match
from deid_udf.training.pictures import Picture

THRESHOLDS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.985, 0.99)
_AT_ONCE = 8  # pictures a batch


@dataclass(frozen=True, slots=True)
class Point:
    """One threshold's result.

    Attributes:
        threshold: of the detector under test.
        recall: share of the objects found at IoU 0.3.
        recall_20px: the same of those at least 20 pixels high.
        false: boxes a picture that match no object.
    """

    threshold: float
    recall: float
    recall_20px: float
    false: float


def curve(
    tested: Detector,
    pictures: Sequence[Picture],
    kind: Kind,
    *,
    others: Sequence[Detector] = (),
    scale: float = 1.0,
    merge_iou: float = 0.4,
) -> list[Point]:
    """`tested` at every threshold, in union with `others` at the floors that these were made with.

    Args:
        tested: made with a floor no higher than the lowest threshold.
        pictures: labelled pictures.
        kind: class that is measured.
        others: detectors that are always on, and see pictures at their own size.
        scale: at which `tested` sees them (the policy's `scale`).
        merge_iou: from which overlap on two regions are one (the policy's `merge_iou`).
    """
    always, scored = _regions(others, pictures, kind, 1.0), _regions([tested], pictures, kind, scale)
    points = []
    for threshold in THRESHOLDS:
        matches = []
        for picture, fixed, some in zip(pictures, always, scored, strict=True):
            regions = [*fixed, *(r for r in some if r.score >= threshold)]
            merged = [f.region for f in merge([Found(r, False) for r in regions], merge_iou)]
            truth = [thing.box for thing in picture.things if thing.kind == kind]
            matches.append(match(truth, [r.box for r in merged]))
        found, heights = np.concatenate([m.found for m in matches]), np.concatenate([m.heights for m in matches])
        points.append(
            Point(
                threshold,
                float(found.mean()),
                float(found[heights >= 20].mean()),
                sum(m.false for m in matches) / len(matches),
            )
        )
    return points


def _regions(
    detectors: Sequence[Detector], pictures: Sequence[Picture], kind: Kind, scale: float
) -> list[list[Region]]:
    """What the detectors find of `kind`, together, by picture."""
    found: list[list[Region]] = [[] for _ in pictures]
    for start in range(0, len(pictures), _AT_ONCE):
        seen = [view for p in pictures[start : start + _AT_ONCE] for view in views(p.pixels(), tile=None, scale=scale)]
        for detector in detectors:
            for i, regions in enumerate(detector.detect([view.image for view in seen])):
                found[start + i] += [seen[i].to_frame(r) for r in regions if r.kind == kind]
    return found

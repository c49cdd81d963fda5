"""The union of the policy's detectors: what is private in each frame (Eq. 5–8 of the paper)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.boxes import Boxes, as_box, box_corners, grown, intersection, iou
from deid_udf.detect.corners import believed, plate_shaped, stretched_to
from deid_udf.detect.edges import refined
from deid_udf.detect.masks import joined
from deid_udf.detect.region import Detector, Frame, Region
from deid_udf.detect.tiles import View, views
from deid_udf.log import logger
from deid_udf.policy import Detection, DetectorChoice

_CONTAINED = 0.8  # share of a box inside another one from which on it is the same object, or on that object
_SURE_SIGN = 0.9  # a sign that may veto is scored at least that, and no lower than its detector's `review`
_SIGN_OVERLAP = 0.25  # IoU of a sign with what it vetoes: its lettering takes a quarter of a stop sign's box


@dataclass(frozen=True, slots=True)
class Found:
    """One private object.

    Attributes:
        region: its box grown by the policy's margin; corners, points and mask as the detector gave them, and for a
            plate without corners that can be believed those of its box before it grew; a plate's edges and parts.
        review: every detector that saw it scored it so low that a person should look.
    """

    region: Region
    review: bool


def find_private(
    frames: Sequence[Frame],
    detection: Detection,
    detectors: Sequence[Detector],
    names: Sequence[str] | None = None,
) -> list[list[Found]]:
    """Every private object of every frame, best score first.

    Args:
        frames: uint8 (H, W, 3) RGB, sizes may differ.
        detection: thresholds, classes, merging and growth.
        detectors: what `open_detectors(detection, …)` returned, in the order of `detection.detectors`.
        names: what each frame is called in the log, where vetoes are noted; by default its number.
    """
    found: list[list[Found]] = [[] for _ in frames]
    for choice, detector in zip(detection.detectors, detectors, strict=True):
        for some, regions in zip(found, _look(frames, choice, detector), strict=True):
            some += [Found(region, region.score < choice.review) for region in regions]
    names = [f"frame {i} of a batch" for i in range(len(frames))] if names is None else names
    private = [
        list(_private(some, detection, frame, name)) for some, frame, name in zip(found, frames, names, strict=True)
    ]
    return [
        [replace(f, region=_grow(frame, f.region, detection)) for f in merge(some, detection.merge_iou)]
        for some, frame in zip(private, frames, strict=True)
    ]


def _look(frames: Sequence[Frame], choice: DetectorChoice, detector: Detector) -> list[list[Region]]:
    """One detector's regions at or above its threshold, in frame pixels, over all its views of each frame."""
    seen: list[tuple[int, View]] = [
        (i, view)
        for i, frame in enumerate(frames)
        for view in views(frame, tile=choice.tile, scale=choice.scale, coarse=choice.coarse)
    ]
    regions: list[list[Region]] = [[] for _ in frames]
    for (i, view), some in zip(seen, detector.detect([view.image for _, view in seen]), strict=True):
        regions[i] += [view.to_frame(r) for r in some if r.score >= choice.threshold and view.shows(r)]
    return regions


def _private(found: Sequence[Found], detection: Detection, frame: Frame, name: str) -> Iterator[Found]:
    """The split of Eq. 7: what is private, less doubtful regions of no plausible size and plates that a sign vetoes.

    What is left out is logged: it stays in the picture, and a person may want to look.
    """
    vetoes = [f.region for f in found if detection.role(f.region.kind) == "veto" and _is_sure(f)]
    area = frame.shape[0] * frame.shape[1]
    for one in found:
        region = one.region
        if detection.role(region.kind) != "private":
            continue
        told: dict[str, Any] = {"image_id": name, "box": [round(v) for v in region.box], "detector": region.detector}
        told |= {"kind": region.kind, "score": round(region.score, 3)}
        plausible = region.width * region.height <= detection.largest.get(region.kind, 1.0) * area
        sign = _sign_under(region, vetoes) if region.kind == "plate" else None
        if one.review and not plausible:
            logger().info("too_large", **told)
        elif sign is not None:
            logger().info("plate_vetoed", **told, sign=sign.detector, sign_score=round(sign.score, 3))
        else:
            yield one


def _is_sure(sign: Found) -> bool:
    return not sign.review and sign.region.score >= _SURE_SIGN


def _sign_under(plate: Region, signs: Sequence[Region]) -> Region | None:
    """The sign that holds nearly all of a plate's box and is not much larger, if there is one."""
    box, boxes = np.array(plate.box), np.array([sign.box for sign in signs]).reshape(-1, 4)
    share = intersection(box, boxes) / max(plate.width * plate.height, 1e-9)
    overlap = np.where(share >= _CONTAINED, iou(box, boxes), 0)
    return signs[int(overlap.argmax())] if (overlap >= _SIGN_OVERLAP).any() else None


def merge(found: Sequence[Found], overlap: float) -> list[Found]:
    """One `Found` an object, class by class: the best-scored region, its box and mask widened over those it absorbs.

    Two regions of a kind are one object from IoU `overlap` on, or when the better one holds nearly all of the other; of
    a face, around its middle: what is replaced of a face is less than its box, and in a corner another one may stand.
    """
    left = sorted(found, key=lambda f: -f.region.score)
    merged: list[Found] = []
    while left:
        best, *left = left
        boxes = np.array([f.region.box for f in left]).reshape(-1, 4)
        box = np.array(best.region.box)
        area = np.maximum(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), 1e-9)
        held = intersection(box, boxes) / area >= _CONTAINED
        if best.region.kind == "face":
            held &= _around_the_middle(boxes, box)
        same = (iou(box, boxes) >= overlap) | held
        same &= np.array([f.region.kind == best.region.kind for f in left], np.bool_)
        members = [best, *(f for f, taken in zip(left, same, strict=True) if taken)]
        merged.append(_one(members))
        left = [f for f, taken in zip(left, same, strict=True) if not taken]
    return merged


def _around_the_middle(boxes: Boxes, box: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of `boxes` (n, 4) have their centre in the middle half, by width and by height, of `box` (4,)."""
    off = (boxes[:, :2] + boxes[:, 2:]) / 2 - (box[:2] + box[2:]) / 2
    return np.asarray((np.abs(off) <= (box[2:] - box[:2]) / 4).all(1))


def _one(members: Sequence[Found]) -> Found:
    """One object of its regions, the best first; points and corners are the best's that has any."""
    regions = [f.region for f in members]
    boxes = np.array([region.box for region in regions])
    box = as_box(np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)]))
    points = next((r.points for r in regions if r.points is not None), None)
    corners = next((r.corners for r in regions if r.corners is not None and plate_shaped(r.corners)), None)
    region = replace(regions[0], box=box, points=points, corners=corners, mask=joined(regions, box))
    if region.kind == "plate":
        region = replace(region, parts=tuple(stretched_to(_corners(r), r.box) for r in regions))
    return Found(region, all(f.review for f in members))


def _corners(plate: Region) -> NDArray[np.float32]:
    box = box_corners(plate.box)
    return box if plate.corners is None else believed(plate.corners, box)


def _grow(frame: Frame, region: Region, detection: Detection) -> Region:
    share = detection.grow.get(region.kind, 0.0)
    box = grown(region.box, share)
    mask = None if region.mask is None else joined([region], box)
    if region.kind != "plate":
        return replace(region, box=box, mask=mask)
    corners = _corners(region)
    parts = tuple(_grown(part, share) for part in region.parts)
    return replace(region, box=box, corners=corners, mask=mask, edges=refined(frame, corners), parts=parts)


def _grown(part: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    return stretched_to(part, grown(as_box(np.concatenate([part.min(0), part.max(0)])), share))

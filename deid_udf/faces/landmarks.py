"""68 landmarks of each detected face, and how far they can be trusted.

dlib's predictor wants an upright face of its usual size, so each face is first cut out along the FFHQ square that the
detector's five points (or its box) give; the predictor's box is then always the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import dlib
import numpy as np

from deid_udf import models
from deid_udf.detect.region import Frame, Region
from deid_udf.faces.align import (
    Points,
    Similarity,
    apply,
    content_to_square,
    crop,
    ffhq_square,
    five_of_68,
    five_of_box,
    inverse,
)
from deid_udf.faces.outline import enclosed

MODEL = "landmarks68"
_SIZE = 256
DLIB_BOX = (0.19, 0.285, 0.81, 0.905)  # that dlib's own detector would give in the FFHQ square: medians over LFW
_RECTANGLE = dlib.rectangle(*(round(v * _SIZE) for v in DLIB_BOX))
_TOLERANCE = 0.12  # of the FFHQ square's side: how far points may lie from where a face's points lie
_LEAST = 0.5  # of the region's ellipse that they must enclose, some forehead included; each of 400 synthetic faces does


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where one face lies.

    Attributes:
        source: the 68 landmarks, the detector's five points, or its box.
        square: similarity from frame pixels to the FFHQ square.
        points: float64 (68, 2) landmarks in frame pixels, only where `source` is "landmarks".
    """

    source: Literal["landmarks", "points", "box"]
    square: Similarity
    points: Points | None = None


def align(frames: Sequence[Frame], faces: Sequence[tuple[int, Region]]) -> list[Alignment]:
    """Alignment of each (frame index, region), in order."""
    return [_align(frames[index], region) for index, region in faces]


def landmarks_of_crops(crops: Sequence[Frame]) -> Points:
    """68 landmarks of faces that fill the FFHQ square: uint8 (s, s, 3) each → float64 (n, 68, 2) in the square."""
    found = np.empty((len(crops), 68, 2))
    for points, image in zip(found, crops, strict=True):
        resized = image if len(image) == _SIZE else crop(image, content_to_square(len(image)), _SIZE)
        points[:] = [(p.x, p.y) for p in _predictor()(np.ascontiguousarray(resized), _RECTANGLE).parts()]
    return (found + 0.5) / _SIZE


def _align(frame: Frame, region: Region) -> Alignment:
    if region.points is not None:
        start = Alignment("points", ffhq_square(region.points.astype(np.float64)))
    else:
        start = Alignment("box", ffhq_square(five_of_box(region.box)))
    square = start.square
    for _ in range(2 if start.source == "points" else 3):  # each look is from a better cut-out
        points = apply(inverse(square), landmarks_of_crops([crop(frame, square, _SIZE)])[0])
        square = ffhq_square(five_of_68(points))
    return Alignment("landmarks", square, points) if _plausible(points, start, region) else start


def _plausible(points: Points, start: Alignment, region: Region) -> bool:
    """Whether landmarks agree with what the detector saw; the predictor itself never says that it failed.

    What they enclose is replaced, so they may not shrink to a part of what the detector took for a face.
    """
    if not np.isfinite(points).all() or enclosed(points, region.box) < _LEAST:
        return False
    five = five_of_68(points)
    if region.points is not None:
        seen = apply(start.square, region.points.astype(np.float64))
        return bool(np.linalg.norm(apply(start.square, five) - seen, axis=1).mean() < _TOLERANCE)
    x0, y0, x1, y1 = region.box
    inside = (points >= (x0, y0)).all(1) & (points <= (x1, y1)).all(1)
    return bool(inside.mean() > 0.8 and np.ptp(points[:, 0]) > 0.4 * (x1 - x0))


def _predictor() -> Any:
    return models.opened(MODEL, "cpu", lambda path, _: dlib.shape_predictor(str(Path(path))))

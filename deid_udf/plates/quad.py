"""Quadrilaterals of plates: float32 (4, 2) corners in frame pixels, clockwise from the top left."""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.boxes import as_box, box_corners
from deid_udf.detect.corners import believed, convex_hull, plate_shaped, stretched_to
from deid_udf.detect.cut import cut_around
from deid_udf.detect.region import Frame, Region

Quad = NDArray[np.float32]

_UNIT = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)


def quad_of(region: Region) -> Quad:
    """The region's corners; its box's where it has none, or none of a plate's shape."""
    found = region.corners
    return found.astype(np.float32) if found is not None and plate_shaped(found) else box_corners(region.box)


def edges_of(region: Region) -> Quad:
    """The region's edges; `quad_of` it where they were not looked for, or have not the shape and size of a plate."""
    quad = quad_of(region)
    return quad if region.edges is None else believed(region.edges, quad)


def outline_of(region: Region) -> NDArray[np.float32]:
    """What is replaced of a plate, (n, 2): its corners stretched to its box, and all that it was merged from."""
    return convex_hull([stretched_to(quad_of(region), region.box), *region.parts])


def aspect_of(quad: Quad) -> float:
    """Width over height, by the mean of opposite sides; at least 0.1."""
    top, right, bottom, left = np.linalg.norm(np.roll(quad, -1, 0) - quad, axis=1)
    return float(max((top + bottom) / max(left + right, 1e-6), 0.1))


def height_of(quad: Quad) -> float:
    """Mean length of the left and the right side."""
    _, right, _, left = np.linalg.norm(np.roll(quad, -1, 0) - quad, axis=1)
    return float((right + left) / 2)


def is_box(quad: Quad) -> bool:
    """Whether the sides are parallel to the axes: an upright box stood in for corners that nobody found."""
    return bool((quad == box_corners(as_box(np.concatenate([quad.min(0), quad.max(0)])))).all())


def part(quad: Quad, left: float, top: float, right: float, bottom: float) -> Quad:
    """A part of the plane that `quad` spans, in shares of its sides along its own edges, in perspective.

    Shares below 0 and above 1 lie outside.
    """
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)
    matrix = cv2.getPerspectiveTransform(_UNIT, quad)
    return np.asarray(cv2.perspectiveTransform(corners[None], matrix)[0], np.float32)


def upright(frame: Frame, quad: Quad, size: tuple[int, int]) -> Frame:
    """What `quad` shows, straightened: uint8 (size[1], size[0], 3)."""
    width, height = size
    cut, corner = cut_around(frame, quad, margin=2)
    target = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    matrix = cv2.getPerspectiveTransform(quad - corner, target)
    crop = cv2.warpPerspective(cut, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(crop, np.uint8)

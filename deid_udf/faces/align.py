"""Where a face lies: FFHQ alignment, similarities, and crops.

The FFHQ square (Karras et al. 2019, appendix A) is the one canonical frame here: generated faces fill it, and originals
are cut out along it. Coordinates in it run from 0 to 1, whatever the size of a crop in pixels; frame coordinates are
OpenCV's, whole numbers at the centres of pixels.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.cut import cut_around
from deid_udf.detect.region import Box, Frame

_YAW_OF_NOSE = 2.4  # by CenterFace's points of 100 generated faces of all yaws: correlation with `yaw_of_68` 0.99

Points = NDArray[np.float64]
Similarity = NDArray[np.float64]  # (2, 3) affine matrix without shear

_AROUND = np.array([(-0.1, -0.1), (1.1, -0.1), (1.1, 1.1), (-0.1, 1.1)])  # the FFHQ square and a margin

# Five points (eyes, nose, mouth corners) in a face box that was grown by a tenth a side: medians over LFW.
_IN_BOX = np.array([(0.32, 0.41), (0.68, 0.41), (0.50, 0.55), (0.35, 0.70), (0.65, 0.70)])


def five_of_68(points: Points) -> Points:
    """dlib's 68 points (…, 68, 2) → eye centres, nose tip, mouth corners (…, 5, 2)."""
    eyes = points[..., 36:42, :].mean(-2), points[..., 42:48, :].mean(-2)
    return np.stack([*eyes, points[..., 30, :], points[..., 48, :], points[..., 54, :]], -2)


def yaw_of_68(points: Points) -> NDArray[np.float64]:
    """How far a face is turned, from 68 points (…, 68, 2): 0 to the camera, about ±1 in profile, (…,).

    Where the nose tip lies between the two ends of the jaw; not an angle, but monotone in it.
    """
    left, right, nose = points[..., 1, :], points[..., 15, :], points[..., 30, :]
    across = right - left
    along = ((nose - left) * across).sum(-1) / np.maximum((across * across).sum(-1), 1e-9)
    return np.asarray(np.clip(2 * along - 1, -1, 1), np.float64)


def yaw_of_five(points: Points) -> float:
    """`yaw_of_68`, from eyes, nose and mouth corners (5, 2): how far the nose is beside the line from eyes to mouth.

    Measured in lengths of that line: in profile the eyes are too close to each other to measure by.
    """
    left, right, nose, mouth_left, mouth_right = points
    eyes = (left + right) / 2
    down = (mouth_left + mouth_right) / 2 - eyes
    beside = (nose - eyes) @ np.array((down[1], -down[0])) / max(float(down @ down), 1e-9)
    return float(np.clip(_YAW_OF_NOSE * beside, -1, 1))


def roll_of_five(points: Points) -> float:
    """Angle of the way from eyes to mouth, from straight down, in radians, clockwise on screen; points (5, 2)."""
    x, y = (points[3] + points[4] - points[0] - points[1]) / 2
    return float(np.arctan2(-x, y))


def five_of_box(box: Box) -> Points:
    """Where the five points of an upright, frontal face would lie in its box: (5, 2)."""
    x0, y0, x1, y1 = box
    return np.asarray(np.array((x0, y0)) + _IN_BOX * np.array((x1 - x0, y1 - y0)), np.float64)


def ffhq_square(five: Points) -> Similarity:
    """The similarity from frame pixels to the FFHQ square [0, 1]², by FFHQ's own rule.

    Args:
        five: (5, 2) eyes, nose, mouth corners in pixels.
    """
    left, right, _, mouth_left, mouth_right = five
    eyes, mouth = (left + right) / 2, (mouth_left + mouth_right) / 2
    across, down = right - left, mouth - eyes
    x = across + np.array((down[1], -down[0]))  # both agree on an upright frontal face
    half = max(np.hypot(*across) * 2.0, np.hypot(*down) * 1.8, 1e-6)
    cosine, sine = x / max(np.hypot(*x), 1e-9)
    rotation = np.array([(cosine, sine), (-sine, cosine)]) / (2 * half)
    centre = eyes + 0.1 * down
    return np.column_stack([rotation, 0.5 - rotation @ centre])


def least_squares_similarity(source: Points, target: Points) -> Similarity:
    """Rotation, scale and shift that take (n, 2) `source` nearest to `target` (Umeyama 1991; no reflection)."""
    a, b = source - source.mean(0), target - target.mean(0)
    norm = max(float((a * a).sum()), 1e-12)
    cosine, sine = (a * b).sum() / norm, (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / norm
    rotation = np.array([(cosine, -sine), (sine, cosine)])
    return np.column_stack([rotation, target.mean(0) - rotation @ source.mean(0)])


def filling(points: Points, box: Box, angle: float) -> Similarity:
    """The similarity that turns points (n, 2) by `angle` (radians, clockwise on screen) and lets them fill a box.

    They reach all of its sides, or beyond two of them.
    """
    cosine, sine = np.cos(angle), np.sin(angle)
    rotation = np.array([(cosine, -sine), (sine, cosine)])
    turned = points @ rotation.T
    low, high = turned.min(0), turned.max(0)
    scale = ((np.array(box[2:]) - box[:2]) / np.maximum(high - low, 1e-9)).max()
    middle = (np.array(box[:2]) + box[2:]) / 2
    return np.column_stack([scale * rotation, middle - scale * (low + high) / 2])


def inverse(similarity: Similarity) -> Similarity:
    """The similarity the other way."""
    rotation = np.linalg.inv(similarity[:, :2])
    return np.column_stack([rotation, -rotation @ similarity[:, 2]])


def apply(similarity: Similarity, points: Points) -> Points:
    """Points (…, 2) through a similarity."""
    return points @ similarity[:, :2].T + similarity[:, 2]


def length_scale(similarity: Similarity) -> float:
    """Factor by which a similarity stretches lengths."""
    return float(np.sqrt(abs(np.linalg.det(similarity[:, :2]))))


def crop(frame: Frame, square: Similarity, size: int) -> Frame:
    """The content of an FFHQ square as uint8 (size, size, 3); what lies outside the frame mirrors its border."""
    matrix = square * size
    matrix[:, 2] -= 0.5  # OpenCV's pixel centres lie on whole numbers
    scale = length_scale(matrix)
    part, corner = cut_around(frame, apply(inverse(square), _AROUND), margin=1)
    matrix[:, 2] += matrix[:, :2] @ corner
    if scale < 0.5:  # shrink by area first: bilinear sampling alone would alias
        factor = min(1.0, max(scale * 1.5, 1 / min(part.shape[:2])))
        small = cv2.resize(part, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        ratio = np.array([small.shape[1] / part.shape[1], small.shape[0] / part.shape[0]])
        shift = matrix[:, 2] + matrix[:, :2] @ (0.5 / ratio - 0.5)
        matrix = np.column_stack([matrix[:, :2] / ratio, shift])
        part = np.asarray(small, np.uint8)
    cut = cv2.warpAffine(part, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(cut, np.uint8)


def content_to_square(size: int) -> Similarity:
    """From the pixels of a crop (size, size) to the FFHQ square that it fills."""
    return np.array([(1 / size, 0, 0.5 / size), (0, 1 / size, 0.5 / size)])

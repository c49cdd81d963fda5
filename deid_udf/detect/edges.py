"""A plate's corners, refined on its own edges: the four straight lines along which the colour steps.

Detectors set corners some pixels off, and a box has none at all. Along a plate's edge the colour steps everywhere by
about the same; along a row of symbols it steps at strokes alone, which is how the two are told apart.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.cut import cut_around
from deid_udf.detect.region import Frame

Corners = NDArray[np.float32]

_HEIGHT = 48  # pixels of the straightened plate
_MARGIN = 0.45  # what is looked at around it, as a share of its height
_INWARDS, _OUTWARDS = 0.25, 0.06  # how far an end of an edge may move, as a share of the height, in the first pass
_SIDEWAYS = 0.04  # and inwards along the plate as a share of its width: less than the strip of an EU plate
_PASSES = ((1.0, 14), (0.4, 9))  # the share of that reach that a pass has, and its steps
_SAMPLES = 24  # points of a line that are looked at
_UNSTEADY = 1.2  # what a line's score loses for each unit of standard deviation along it
_FAR = 25.0  # and for the square of each end's move, in grey levels a height squared
_LEAST = 6.0  # grey levels by which a line must be better than the one that was found
_LEAST_HEIGHT = 10.0  # pixels: below, edges are no better known than corners


def refined(frame: Frame, corners: Corners) -> Corners:
    """Corners moved onto the nearest steady edges.

    Args:
        frame: uint8 (H, W, 3) RGB.
        corners: float32 (4, 2), clockwise from the top left.

    Returns:
        float32 (4, 2). A side without a clearly better line near it stays where it was, and so do all four corners of
        what is no plate's shape.
    """
    if not (np.isfinite(corners).all() and cv2.isContourConvex(corners.astype(np.float32))):
        return corners
    for share, steps in _PASSES:
        sides = np.linalg.norm(np.roll(corners, -1, 0) - corners, axis=1)
        height, width = (sides[1] + sides[3]) / 2, (sides[0] + sides[2]) / 2
        if height < _LEAST_HEIGHT or width < height:
            return corners
        better = _pass(frame, corners, float(np.clip(width / height, 1, 6)), share, steps)
        if better is None or np.linalg.norm(better - corners, axis=1).max() > height:
            return corners
        corners = better
    return corners


def _pass(frame: Frame, corners: Corners, aspect: float, share: float, steps: int) -> Corners | None:
    """One search over all four sides; None where the lines found make no plate."""
    part, corner = cut_around(frame, corners, float(np.ptp(corners[:, 1])))
    width, margin = _HEIGHT * aspect, _HEIGHT * _MARGIN
    flat = np.array([(0, 0), (width, 0), (width, _HEIGHT), (0, _HEIGHT)], np.float32) + margin
    matrix = cv2.getPerspectiveTransform(corners - corner, flat)
    size = round(width + 2 * margin), round(_HEIGHT + 2 * margin)
    crop = cv2.warpPerspective(part, matrix, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    soft = cv2.GaussianBlur(crop.astype(np.float32), (0, 0), 1)
    down, across = cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=1 / 4), cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=1 / 4)
    left, right = margin, margin + width
    top, bottom = margin, margin + _HEIGHT
    inwards = _HEIGHT * share * np.linspace(-_OUTWARDS, _INWARDS, steps)
    aside = _HEIGHT * share * np.linspace(-_OUTWARDS, min(_INWARDS, _SIDEWAYS * aspect), steps)
    across = across.transpose(1, 0, 2)
    lines = [
        _line(down, top, inwards, (left, right)),
        _line(across, right, -aside, (top, bottom))[:, ::-1],
        _line(down, bottom, -inwards, (left, right)),
        _line(across, left, aside, (top, bottom))[:, ::-1],
    ]
    found = np.array([_crossing(lines[i - 1], lines[i]) for i in range(4)], np.float32)
    shift = np.abs(found - flat).max()
    if not (np.isfinite(found).all() and cv2.isContourConvex(found) and shift < _HEIGHT):
        return None
    moved = cv2.perspectiveTransform(found[None], np.linalg.inv(matrix).astype(np.float32))[0]
    return np.asarray(moved + corner, np.float32)


def _line(steps: NDArray, at: float, moves: NDArray[np.float64], ends: tuple[float, float]) -> NDArray[np.float64]:
    """The best line near row `at` from column `ends[0]` to `ends[1]`, as two points (x, y).

    Args:
        steps: float32 (h, w, 3), how the colour changes downwards.
        at: row where the line was found.
        moves: float64 (n,), by how much either end may lie elsewhere.
        ends: columns where it begins and ends.
    """
    first, last = (np.append(one.ravel(), 0.0) for one in np.meshgrid(moves, moves, indexing="ij"))
    share = np.linspace(0.04, 0.96, _SAMPLES)
    columns = np.round(ends[0] + share * (ends[1] - ends[0])).astype(int)
    heights = np.round(at + first[:, None] * (1 - share) + last[:, None] * share).astype(int)
    along = steps[heights, columns]  # (lines, samples, 3)
    mean = along.mean(1)
    size = np.linalg.norm(mean, axis=1)
    signed = np.einsum("lsc,lc->ls", along, mean / np.maximum(size, 1e-6)[:, None])
    unsteady = np.sqrt(np.maximum(np.square(signed).mean(1) - size**2, 0))
    score = size - _UNSTEADY * unsteady - _FAR * (first**2 + last**2) / _HEIGHT**2
    best = int(score.argmax())
    if score[best] < score[-1] + _LEAST:  # the last one is the line that was found
        best = -1
    return np.array([(ends[0], at + first[best]), (ends[1], at + last[best])])


def _crossing(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where two lines cross, each given by two points (x, y); not finite where they are parallel."""
    (p, q), (r, s) = one, other
    a, b = q - p, s - r
    across = a[0] * b[1] - a[1] * b[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        along = ((r - p)[0] * b[1] - (r - p)[1] * b[0]) / across
    return np.asarray(p + along * a)

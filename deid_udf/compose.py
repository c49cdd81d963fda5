"""Put replacements into a frame: scrub every private region first, then blend the new content over what is left.

Scrubbing makes the guarantee structural. A blend reads the picture around a region (Poisson blending takes its
boundary there), and around one region may lie another one: after scrubbing, no blend can read an original private
pixel, whatever it does.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Frame
from deid_udf.protect import Replacement

_MARGIN = 6  # pixels around a region that a blend may read
_FEATHER = 0.06  # width of a feathered border, as a share of the region's smaller side
_SHIFT = 4  # sub-pixel bits of polygon corners
_NEUTRAL = 128  # fill of a region without surroundings

Mask = NDArray[np.bool_]
Window = tuple[int, int, int, int]  # x0, y0, x1, y1 in frame pixels; may reach beyond the frame


def compose(frame: Frame, replacements: Sequence[Replacement]) -> tuple[Frame, Mask]:
    """Replace every outline of `frame`.

    Args:
        frame: uint8 (H, W, 3) RGB; not modified.
        replacements: new content, drawn in this order.

    Returns:
        The new frame, and the bool (H, W) mask of the pixels that may differ from the old one.
    """
    areas = [_rasterise(r.outline, frame.shape[:2]) for r in replacements]
    changed = np.zeros(frame.shape[:2], np.bool_)
    for window, mask in areas:
        changed[_slices(window)] |= mask
    canvas = _scrub(frame, areas, changed)
    for replacement, (window, mask) in zip(replacements, areas, strict=True):
        if replacement.blend != "fill" and mask.any():
            view = canvas[_slices(window)]
            view[mask] = _blend(canvas, replacement, window, mask)[mask]
    return canvas, changed


def _rasterise(outline: NDArray[np.float32], size: tuple[int, int]) -> tuple[Window, Mask]:
    """The part of a convex outline inside the frame: its bounding window there, and the mask over that window."""
    height, width = size
    x0, y0 = np.clip(np.floor(outline.min(0)), 0, (width, height)).astype(int)
    x1, y1 = np.clip(np.ceil(outline.max(0)) + 1, 0, (width, height)).astype(int)
    mask = np.zeros((max(y1 - y0, 0), max(x1 - x0, 0)), np.uint8)
    if mask.size:
        corners = np.round((outline - (x0, y0)) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillConvexPoly(mask, cv2.convexHull(corners), 1, shift=_SHIFT)
    return (int(x0), int(y0), int(x1), int(y1)), mask.astype(np.bool_)


def _scrub(frame: Frame, areas: Sequence[tuple[Window, Mask]], changed: Mask) -> Frame:
    """A copy of `frame` with every region in the mean colour of the ring around it; no private pixel enters a mean."""
    canvas = frame.copy()
    for window, mask in areas:
        x0, y0, x1, y1 = _widen(window, _MARGIN, frame.shape[:2])
        ring = ~changed[y0:y1, x0:x1]
        pixels = frame[y0:y1, x0:x1][ring]
        colour = pixels.mean(0) if len(pixels) else np.full(3, _NEUTRAL)
        canvas[_slices(window)][mask] = np.round(colour).astype(np.uint8)
    return canvas


def _blend(canvas: Frame, replacement: Replacement, window: Window, mask: Mask) -> Frame:
    """The new content over `window`, joined to the canvas at the mask's border: uint8 (h, w, 3)."""
    if replacement.blend == "poisson":
        blended = _poisson(canvas, replacement, window, mask)
        if blended is not None:
            return blended
    content = _warp(replacement, window)
    if replacement.blend == "paste":
        return content
    width = max(1.0, _FEATHER * min(mask.shape))
    inside = np.pad(
        mask.astype(np.uint8), 1
    )  # the frame's own border is an edge too, or the content would stop hard there
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 3)[1:-1, 1:-1]
    alpha = np.clip(distance / (width + 1), 0, 1)[..., None]
    mixed = content * alpha + canvas[_slices(window)] * (1 - alpha)
    return np.asarray(np.round(mixed), np.uint8)


def _poisson(canvas: Frame, replacement: Replacement, window: Window, mask: Mask) -> Frame | None:
    """Seamless cloning (Pérez et al. 2003, NORMAL_CLONE), or None where OpenCV refuses the geometry.

    The mixed variant would let the destination's gradients through the mask; it is not offered.
    """
    x0, y0, x1, y1 = window
    wide = (x0 - _MARGIN, y0 - _MARGIN, x1 + _MARGIN, y1 + _MARGIN)
    inner = _widen(window, _MARGIN, canvas.shape[:2])
    border = (inner[1] - wide[1], wide[3] - inner[3], inner[0] - wide[0], wide[2] - inner[2])
    target = cv2.copyMakeBorder(canvas[_slices(inner)], *border, cv2.BORDER_REPLICATE)
    source = _warp(replacement, wide)
    selected = np.pad(mask.astype(np.uint8) * 255, _MARGIN)
    bx, by, bw, bh = cv2.boundingRect(selected)
    if min(bw, bh) < 3:
        return None
    try:
        cloned = cv2.seamlessClone(source, target, selected, (bx + bw // 2, by + bh // 2), cv2.NORMAL_CLONE)
    except cv2.error:
        return None
    return np.asarray(cloned[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN], np.uint8)


def _warp(replacement: Replacement, window: Window) -> Frame:
    """Content seen through its homography in the window's pixels."""
    x0, y0, x1, y1 = window
    shift = np.array([[1, 0, -x0], [0, 1, -y0], [0, 0, 1]], np.float64)
    matrix = shift @ replacement.matrix
    scale = np.sqrt(abs(np.linalg.det(matrix[:2, :2])))
    content = replacement.content
    if 0 < scale < 0.5:  # shrink by area first: bilinear sampling alone would alias
        factor = max(scale, 1.0 / min(content.shape[:2]))
        size = (max(1, round(content.shape[1] * factor)), max(1, round(content.shape[0] * factor)))
        matrix = matrix @ np.diag([content.shape[1] / size[0], content.shape[0] / size[1], 1.0])
        content = np.asarray(cv2.resize(content, size, interpolation=cv2.INTER_AREA), np.uint8)
    warped = cv2.warpPerspective(
        content, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, np.uint8)


def _widen(window: Window, margin: int, size: tuple[int, ...]) -> Window:
    x0, y0, x1, y1 = window
    return max(x0 - margin, 0), max(y0 - margin, 0), min(x1 + margin, size[1]), min(y1 + margin, size[0])


def _slices(window: Window) -> tuple[slice, slice]:
    x0, y0, x1, y1 = window
    return slice(y0, y1), slice(x0, x1)

"""Put replacements into a frame: scrub every private region first, then blend the new content over what is left.

Scrubbing makes the guarantee structural. A blend reads the picture around a region (Poisson blending takes its
boundary there), and around one region may lie another one: after scrubbing, no blend can read an original private
pixel, whatever it does.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Frame
from deid_udf.light import BLACK, as_lit
from deid_udf.metrics.recall import coverage
from deid_udf.protect import Replacement

_MARGIN = 6  # pixels around a region that a blend may read, of those that it works on
_FEATHER = 0.1, 0.16  # width of a feathered border, as shares of the region's smaller side: of large ones and at most
_FADE = 6  # pixels that it is wide in between
_LIGHT = 200  # levels, over the three channels together, beyond which surroundings differ by more than light and tone
_COARSE = 128  # pixels a side, at most, on which smooth fields are computed
_GROWN = 4  # pixels: the three by which OpenCV erodes a mask, and the step at its edge
_SHIFT = 4  # sub-pixel bits of polygon corners
_FAR = 1e6  # pixels: where corners that lie further outside are taken to lie; OpenCV fills nothing far beyond
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
    areas = [rasterise(r.outline, frame.shape[:2]) for r in replacements]
    changed = np.zeros(frame.shape[:2], np.bool_)
    for window, mask in areas:
        changed[_slices(window)] |= mask
    canvas = _scrub(frame, areas, changed)
    for replacement, (window, mask) in zip(as_lit(frame, changed, replacements), areas, strict=True):
        if replacement.blend != "fill" and mask.any():
            view = canvas[_slices(window)]
            view[mask] = _blend(canvas, replacement, window, mask)[mask]
    return canvas, changed


def rasterise(outline: NDArray[np.float32], size: tuple[int, int]) -> tuple[Window, Mask]:
    """The pixels that a convex outline (n, 2) replaces in a frame of `size` (height, width).

    Returns:
        its bounding window in the frame, and the bool (h, w) mask over that window; both may be empty.
    """
    height, width = size
    x0, y0 = np.clip(np.floor(outline.min(0)), 0, (width, height)).astype(int)
    x1, y1 = np.clip(np.ceil(outline.max(0)) + 1, 0, (width, height)).astype(int)
    mask = np.zeros((max(y1 - y0, 0), max(x1 - x0, 0)), np.uint8)
    if mask.size:
        corners = np.round(np.clip(outline - (x0, y0), -_FAR, _FAR) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillConvexPoly(mask, cv2.convexHull(corners), 1, shift=_SHIFT)
    return (int(x0), int(y0), int(x1), int(y1)), mask.astype(np.bool_)


def covered(part: NDArray[np.float32], outline: NDArray[np.float32], size: tuple[int, int]) -> float:
    """Share of a convex part (n, 2) that an outline (m, 2) replaces in a frame of `size`; 1 where it lies outside."""
    limits = size[::-1]
    low, high = (
        np.clip(np.floor(part.min(0)), 0, limits).astype(int),
        np.clip(np.ceil(part.max(0)), 0, limits).astype(int),
    )
    if (high <= low).any():
        return 1.0
    replaced = np.zeros((high - low)[::-1], np.bool_)
    window, mask = rasterise(outline - low.astype(np.float32), replaced.shape)
    replaced[_slices(window)] = mask
    return coverage(part - low, replaced)


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
    return _feather(canvas, replacement, window, mask)


def _feather(canvas: Frame, replacement: Replacement, window: Window, mask: Mask) -> Frame:
    """Content that fades, towards the mask's border, into a smooth continuation of what surrounds it.

    The content also takes over the surroundings' light: the difference at the border, continued inwards, where the two
    differ by no more than light. Poisson blending takes over all of it, and paints a face in the colour of the hair
    around it. Both fields are harmonic, so they are computed on few pixels.
    """
    factor = min(1.0, _COARSE / max(mask.shape))
    margin = math.ceil(_MARGIN / factor)  # surroundings that are left when shrunk
    source, target, selected = _around(canvas, replacement, window, mask, margin)
    few = tuple(max(1, round(side * factor)) for side in selected.shape[::-1])
    coarse = [np.asarray(cv2.resize(v, few, interpolation=cv2.INTER_AREA), np.uint8) for v in (source, target)]
    inside = (cv2.resize(selected, few, interpolation=cv2.INTER_AREA) > 0).astype(np.uint8) * 255
    relit = _clone(coarse[0], _seen_in_light(*coarse), inside)
    flat = _clone(np.full_like(coarse[0], _NEUTRAL), coarse[1], inside)
    content = source.astype(np.float32)
    behind = target.astype(np.float32)
    if relit is not None and flat is not None:
        size = selected.shape[::-1]
        light = cv2.resize(relit.astype(np.float32) - coarse[0], size, interpolation=cv2.INTER_LINEAR)
        content += light
        behind = np.asarray(cv2.resize(flat.astype(np.float32), size, interpolation=cv2.INTER_LINEAR), np.float32)
    # The frame's own border is an edge too, or the content would stop hard there.
    distance = cv2.distanceTransform(selected, cv2.DIST_L2, 5)
    least, most = (share * min(mask.shape) for share in _FEATHER)
    depth = np.clip(distance / (max(1.0, min(most, max(least, _FADE))) + 1), 0, 1)
    alpha = (depth * depth * (3 - 2 * depth))[..., None]
    mixed = np.clip(content * alpha + behind * (1 - alpha), 0, 255)
    return np.asarray(np.round(mixed[margin:-margin, margin:-margin]), np.uint8)


def _seen_in_light(source: Frame, target: Frame) -> Frame:
    """`source`, as light as `target` where they differ by light; not where they differ by more, as skin and hair do.

    Black tells no light: hair, bars beside a picture.
    """
    missing = target.astype(np.float32) - source
    alike = np.exp(-(missing * missing).sum(2, keepdims=True) / _LIGHT**2) * (target.max(2, keepdims=True) >= BLACK)
    return np.asarray(np.clip(np.round(source + missing.mean(2, keepdims=True) * alike), 0, 255), np.uint8)


def _poisson(canvas: Frame, replacement: Replacement, window: Window, mask: Mask) -> Frame | None:
    """Seamless cloning (Pérez et al. 2003, NORMAL_CLONE), or None where OpenCV refuses the geometry.

    The mixed variant would let the destination's gradients through the mask; it is not offered.
    """
    cloned = _clone(*_around(canvas, replacement, window, mask, _MARGIN))
    return None if cloned is None else np.asarray(cloned[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN], np.uint8)


def _around(
    canvas: Frame, replacement: Replacement, window: Window, mask: Mask, margin: int
) -> tuple[Frame, Frame, Frame]:
    """Content, canvas and mask (0 or 255) over the window and a margin; beyond the frame, its border is continued."""
    x0, y0, x1, y1 = window
    wide = (x0 - margin, y0 - margin, x1 + margin, y1 + margin)
    inner = _widen(window, margin, canvas.shape[:2])
    border = (inner[1] - wide[1], wide[3] - inner[3], inner[0] - wide[0], wide[2] - inner[2])
    target = np.asarray(cv2.copyMakeBorder(canvas[_slices(inner)], *border, cv2.BORDER_REPLICATE), np.uint8)
    return _warp(replacement, wide), target, np.pad(mask.astype(np.uint8) * 255, margin)


def _clone(source: Frame, target: Frame, selected: Frame) -> Frame | None:
    """OpenCV's seamless cloning of the selected pixels in place, or None where it refuses the geometry.

    OpenCV erodes the mask by three pixels and keeps the target's gradients there: here the step from the surroundings
    into the scrubbed region, which is the seam to be avoided. So the mask is grown to where that step is inside.
    """
    kernel = np.ones((2 * _GROWN + 1, 2 * _GROWN + 1), np.uint8)
    pad = 2 * _GROWN
    source, target = (np.pad(v, ((pad, pad), (pad, pad), (0, 0)), "edge") for v in (source, target))
    grown = cv2.dilate(np.pad(selected, pad), kernel)
    x, y, width, height = cv2.boundingRect(grown)
    try:
        cloned = cv2.seamlessClone(source, target, grown, (x + width // 2, y + height // 2), cv2.NORMAL_CLONE)
    except cv2.error:
        return None
    return np.asarray(cloned[pad:-pad, pad:-pad], np.uint8)


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

"""How a picture looks around a plate: light, cast, sharpness and noise, from pixels outside every private region."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Frame

_WHITE = 235.0  # a plate's white in a well exposed picture
_DARKEST = 0.65  # of that white: plates are retro-reflective, and stay bright on dark cars and at night
_LARGEST_HAZE = 14.0  # grey level of the picture's black: paint alone has nothing black to tell it by
_EDGE = 40.0  # grey levels that a local contrast must span to count as an edge
_SAMPLING = 0.4  # variance that a difference over two pixels adds to an edge's blur
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, slots=True)
class Appearance:
    """What a drawn plate is matched to.

    Attributes:
        gain: float32 (3,) factor on each colour channel.
        haze: grey level of the picture's black.
        slope: float32 (2,) relative change of light for each pixel to the right and down.
        blur: standard deviation of the picture's blur in pixels.
        noise: standard deviation of its noise in grey levels.
    """

    gain: NDArray[np.float32]
    haze: float
    slope: NDArray[np.float32]
    blur: float
    noise: float


NEUTRAL = Appearance(np.ones(3, np.float32), 8.0, np.zeros(2, np.float32), 0.6, 1.0)


def appearance(patch: Frame, outside: NDArray[np.bool_], scale: float = 1.0) -> Appearance:
    """Estimate from the surroundings.

    Args:
        patch: uint8 (h, w, 3) RGB around a plate.
        outside: bool (h, w), the pixels that may be looked at; nothing else of `patch` is used.
        scale: pixels of the frame for each of `patch`.
    """
    if outside.sum() < 50:
        return NEUTRAL
    # What may not be seen is filled in before any filter, so that no window of a filter reaches it.
    seen = np.where(outside[..., None], patch, np.median(patch[outside], axis=0).astype(np.uint8))
    grey = seen.astype(np.float32) @ _GREY
    inner = cv2.erode(outside.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1).astype(bool)
    return Appearance(
        gain=_gain(patch[outside]),
        haze=float(min(np.percentile(grey[outside], 1) * 0.8, _LARGEST_HAZE)),
        slope=_slope(grey, outside) / np.float32(scale),
        blur=_blur(grey, inner) * scale,
        noise=_noise(grey, inner),
    )


def _gain(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Exposure from the bright end of the surroundings; cast from their mean, kept small since paint has colour.

    How bright a pixel is, its largest channel says: red and blue paint are dark in grey, in any light.
    """
    bright = np.percentile(pixels.max(axis=1), 95)
    mean = pixels.astype(np.float32).mean(0) + 8
    cast = np.clip((mean / mean.mean()) ** 0.25, 0.98, 1.02)
    return np.asarray(np.clip(bright / _WHITE, _DARKEST, 1.0) * cast, np.float32)


def matched_to(look: Appearance, plate: Frame, old: Frame) -> Appearance:
    """`look` with the old plate's own mean light, for a policy that declares the illumination public.

    Args:
        look: from the surroundings.
        plate: the new plate's flat drawing, uint8 (h, w, 3).
        old: the old plate's pixels, uint8 (h, w, 3).
    """
    new = look.haze + float((plate.reshape(-1, 3).mean(0) * look.gain) @ _GREY) * (1 - look.haze / 255)
    ratio = min(max(float(old.reshape(-1, 3).mean(0) @ _GREY) / max(new, 1.0), 0.3), 1.8)
    return replace(look, gain=look.gain * np.float32(ratio), haze=look.haze * min(ratio, 1.0))


def _slope(grey: NDArray[np.float32], outside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Least-squares plane through the logarithm of the light, at most ±20 % over the patch."""
    rows, columns = np.nonzero(outside)
    step = max(1, len(rows) // 2000)
    rows, columns = rows[::step], columns[::step]
    design = np.stack([columns - columns.mean(), rows - rows.mean()], 1).astype(np.float32)
    light = np.log(grey[rows, columns] + 16)
    plane, *_ = np.linalg.lstsq(design, light - light.mean(), rcond=None)
    limit = 0.2 / np.array([grey.shape[1], grey.shape[0]], np.float32)
    return np.asarray(np.clip(plane, -limit, limit), np.float32)


def _blur(grey: NDArray[np.float32], inner: NDArray[np.bool_]) -> float:
    """From the sharpest edges: a step of height A under a blur σ has the slope A / (σ √(2π)) at its steepest."""
    window = np.ones((7, 7), np.uint8)
    height = cv2.dilate(grey, window) - cv2.erode(grey, window)
    slope = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8))
    steepest = cv2.dilate(slope, window)
    edge = inner & (height > _EDGE) & (slope >= steepest)
    if edge.sum() < 8:
        return NEUTRAL.blur
    sigma = height[edge] / np.maximum(steepest[edge], 1e-3) / np.sqrt(2 * np.pi)
    seen = float(np.percentile(sigma, 10)) ** 2 - _SAMPLING
    return float(np.clip(np.sqrt(max(seen, 0.25)), 0.5, 3.0))


def _noise(grey: NDArray[np.float32], inner: NDArray[np.bool_]) -> float:
    """Median absolute response of a Laplacian-of-Laplacian mask (Immerkær 1996), robust against edges."""
    mask = np.array([(1, -2, 1), (-2, 4, -2), (1, -2, 1)], np.float32)
    response = np.abs(cv2.filter2D(grey, cv2.CV_32F, mask)[inner])
    return float(np.clip(np.median(response) / 0.6745 / 6, 0, 8)) if response.size else NEUTRAL.noise

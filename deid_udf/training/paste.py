"""Paste plates and faces into frames, in perspective, under the frame's light, as sharp as the frame is."""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Frame
from deid_udf.training.pictures import Outline


def perspective(
    width: float, height: float, target: float, random: np.random.Generator, *, yaw: float, roll: float
) -> NDArray[np.float32]:
    """Homography (3, 3) that puts a flat patch, `target` pixels high and turned in space, at the origin.

    Args:
        width, height: of the patch in its own pixels.
        target: height in pixels after the turn, but for foreshortening.
        random: draws the turn.
        yaw: greatest turn to the side, in radians.
        roll: twice the standard deviation of the rotation in the plane, in radians.
    """
    turn, tilt, spin = random.uniform(-yaw, yaw), random.uniform(-yaw, yaw) * 0.4, random.normal(0, roll / 2)
    x, y = np.array([-1, 1, 1, -1]) * width / height / 2, np.array([-1, -1, 1, 1]) / 2
    depth = 4 + x * np.sin(turn) + y * np.sin(tilt)  # seen from four patch heights away
    px, py = 4 * x * np.cos(turn) / depth, 4 * y * np.cos(tilt) / depth
    px, py = px * np.cos(spin) - py * np.sin(spin), px * np.sin(spin) + py * np.cos(spin)
    quad = np.stack([px, py], 1) * target
    source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    return cv2.getPerspectiveTransform(source, (quad - quad.min(0)).astype(np.float32)).astype(np.float32)


def paste(
    frame: Frame, patch: Frame, mask: Outline, homography: NDArray[np.float32], random: np.random.Generator
) -> None:
    """Write `patch` inside its outline `mask` into `frame`, in place.

    Args:
        frame: uint8 RGB (h, w, 3), written to.
        patch: uint8 RGB (a, b, 3).
        mask: (n, 2) outline in the patch's pixels.
        homography: (3, 3), patch → frame.
        random: of the blur, and of how far the patch takes the light of its place.
    """
    quad = moved(
        np.array([(0, 0), (patch.shape[1], 0), patch.shape[1::-1], (0, patch.shape[0])], np.float32), homography
    )
    x0, y0 = np.clip(np.floor(quad.min(0)).astype(int) - 2, 0, None)
    x1, y1 = np.minimum(np.ceil(quad.max(0)).astype(int) + 2, frame.shape[1::-1])
    if x1 <= x0 or y1 <= y0:
        return
    shift = np.array([(1, 0, -x0), (0, 1, -y0), (0, 0, 1)], np.float32) @ homography
    reduction = np.sqrt(max(cv2.contourArea(quad), 1) / (patch.shape[0] * patch.shape[1]))
    small = cv2.GaussianBlur(patch, (0, 0), 0.5 / reduction) if reduction < 1 else patch  # no aliasing when shrunk
    size = int(x1 - x0), int(y1 - y0)
    warped = cv2.warpPerspective(small.astype(np.float32), shift, size, borderMode=cv2.BORDER_REPLICATE)
    inside = np.zeros(patch.shape[:2], np.float32)
    cv2.fillPoly(inside, [mask.astype(np.int32)], 1.0)
    blur = random.uniform(0.3, 1.2)
    alpha = cv2.GaussianBlur(cv2.warpPerspective(inside, shift, size), (0, 0), blur)[..., None]
    warped = cv2.GaussianBlur(warped, (0, 0), blur)
    place = frame[y0:y1, x0:x1]
    light = (place.mean() + 30) / (warped.mean() + 30)
    lit = warped * light ** random.uniform(0.2, 0.9)
    frame[y0:y1, x0:x1] = np.clip(place * (1 - alpha) + lit * alpha, 0, 255).astype(np.uint8)


def moved(outline: Outline, homography: NDArray[np.float32]) -> Outline:
    """`outline` (n, 2) under `homography` (3, 3)."""
    return np.asarray(cv2.perspectiveTransform(outline[None], homography)[0], np.float32)

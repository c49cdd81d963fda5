"""Paste plates and faces into frames, in perspective, under the frame's light, as sharp as the frame is."""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Frame
from deid_udf.training.pictures import Outline


def perspective(
    width: float, height: float, target: float, random: np.random.Generator, *, yaw: float, roll: float
) -> NDArray[np.float32]:
    """Homography, float32 (3, 3), that makes a flat patch `target` pixels high, turned by up to `yaw` and `roll` radians, at the origin."""
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
    warped = cv2.warpPerspective(small, shift, size, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    alpha = np.zeros(patch.shape[:2], np.float32)
    cv2.fillPoly(alpha, [mask.astype(np.int32)], 1.0)
    alpha = cv2.warpPerspective(alpha, shift, size)
    blur = random.uniform(0.3, 1.2)
    warped, alpha = cv2.GaussianBlur(warped, (0, 0), blur), cv2.GaussianBlur(alpha, (0, 0), blur)[..., None]
    place = frame[y0:y1, x0:x1]
    light = (place.mean() + 30) / (warped.mean() + 30)
    warped *= light ** random.uniform(0.2, 0.9)
    frame[y0:y1, x0:x1] = np.clip(place * (1 - alpha) + warped * alpha, 0, 255).astype(np.uint8)


def moved(outline: Outline, homography: NDArray[np.float32]) -> Outline:
    """`outline` (n, 2) under `homography` (3, 3)."""
    return cv2.perspectiveTransform(outline[None], homography)[0]

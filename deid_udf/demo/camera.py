"""A pinhole camera over a flat street: metres in, pixels out, so that walls, cars and people share one perspective."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float, float]  # metres: right, up, ahead; the camera stands above the origin
Canvas = NDArray[np.float32]  # (H, W, 3) RGB in [0, 255]


@dataclass(frozen=True, slots=True)
class Camera:
    """Where the picture is taken from, looking along the street, level.

    Attributes:
        width, height: of the picture, in pixels.
        focal: focal length in pixels.
        horizon: row of the horizon, in pixels.
        eye: height above the ground, in metres.
    """

    width: int = 1920
    height: int = 1080
    focal: float = 1500.0
    horizon: float = 440.0
    eye: float = 1.7

    def project(self, points: Sequence[Point]) -> NDArray[np.float32]:
        """Pixels (n, 2) of points in front of the camera."""
        right, up, ahead = np.array(points, np.float64).T
        scale = self.focal / ahead
        return np.stack([self.width / 2 + scale * right, self.horizon + scale * (self.eye - up)], 1).astype(np.float32)

    def blank(self) -> Canvas:
        """A black canvas of this camera's size."""
        return np.zeros((self.height, self.width, 3), np.float32)

    def hang(
        self,
        canvas: Canvas,
        picture: NDArray[np.float32],
        corners: Sequence[Point],
        alpha: NDArray[np.float32] | None = None,
    ) -> None:
        """Paint a flat picture into the scene.

        Args:
            canvas: changed in place.
            picture: float32 (h, w, 3).
            corners: where its corners are, in metres, clockwise from its top left.
            alpha: (h, w) in [0, 1], or None for opaque.
        """
        height, width = picture.shape[:2]
        flat = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
        seen = self.project(corners)
        x0, y0 = np.floor(np.maximum(seen.min(0), 0)).astype(int)
        x1, y1 = np.ceil(np.minimum(seen.max(0), (self.width, self.height))).astype(int)
        if x1 <= x0 or y1 <= y0:
            return
        matrix = cv2.getPerspectiveTransform(flat, seen - np.array((x0, y0), np.float32))
        size = (int(x1 - x0), int(y1 - y0))
        scale = float(np.linalg.norm(seen[1] - seen[0])) / width
        softened = cv2.GaussianBlur(picture, (0, 0), 0.3 / max(scale, 1 / width)) if scale < 0.5 else picture
        cover = np.ones((height, width), np.float32) if alpha is None else np.asarray(alpha, np.float32)
        ink = cv2.warpPerspective(softened, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        veil = cv2.warpPerspective(cover, matrix, size, flags=cv2.INTER_LINEAR)[..., None]
        part = canvas[y0:y1, x0:x1]
        part += veil * (ink - part)

    def fill(self, canvas: Canvas, points: Sequence[Point], colour: Sequence[float]) -> None:
        """Paint a flat polygon, its edge smooth."""
        cv2.fillPoly(canvas, [np.round(self.project(points) * 16).astype(np.int32)], tuple(map(float, colour)), 8, 4)

    def shade(self, canvas: Canvas, centre: Point, radius: tuple[float, float], strength: float) -> None:
        """A soft shadow on the ground.

        Args:
            canvas: changed in place.
            centre: in metres.
            radius: across and along the street, in metres.
            strength: 0 leaves the ground, 1 makes it black.
        """
        turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        ring = [(centre[0] + radius[0] * np.cos(t), 0.0, max(centre[2] + radius[1] * np.sin(t), 0.5)) for t in turn]
        pixels = self.project(ring)
        x0, y0 = np.maximum(pixels.min(0) - 60, 0).astype(int)
        x1, y1 = np.minimum(pixels.max(0) + 60, (self.width, self.height)).astype(int)
        if x1 <= x0 or y1 <= y0:
            return
        veil = np.zeros((y1 - y0, x1 - x0), np.float32)
        cv2.fillPoly(veil, [np.round(pixels - (x0, y0)).astype(np.int32)], 1.0)
        softness = 0.12 * float(np.ptp(pixels[:, 1])) + 2
        canvas[y0:y1, x0:x1] *= 1 - strength * cv2.GaussianBlur(veil, (0, 0), softness)[..., None]

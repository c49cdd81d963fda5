"""Drawn scenes: a plate of known text in a known place, and nothing real anywhere."""

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from deid_udf.detect.region import Region
from deid_udf.plates.draw import draw_plate
from deid_udf.plates.formats import load_format


@dataclass(frozen=True)
class Scene:
    frame: np.ndarray  # uint8 (H, W, 3)
    quad: np.ndarray  # float32 (4, 2)
    ink: np.ndarray  # float32 (H, W): how much the plate's strokes stand out of its background

    @property
    def region(self):
        x0, y0 = self.quad.min(0).tolist()
        x1, y1 = self.quad.max(0).tolist()
        w, h = x1 - x0, y1 - y0
        box = (x0 - 0.15 * w, y0 - 0.15 * h, x1 + 0.15 * w, y1 + 0.15 * h)
        return Region("plate", 0.9, box, "drawn", corners=self.quad)


def scene(text, *, form="cn-blue", height=32, tilt=0.0, seed=0, body=(150, 148, 140), size=(200, 320)):
    """A car's sheet metal with light falling off, and one plate of `height` pixels turned by `tilt` degrees."""
    rng = np.random.default_rng(seed)
    h, w = size
    shade = np.linspace(1.1, 0.8, h)[:, None, None] * np.linspace(0.95, 1.05, w)[None, :, None]
    frame = np.clip(np.array(body) * shade, 0, 255)
    frame[: h // 6] = (225, 228, 232)
    frame[h // 6 : h // 6 + 3] = 40
    loaded = load_format(form)
    layout = loaded.layouts[0]
    plate = draw_plate(loaded, layout, loaded.expand()[0], text).astype(np.float32)
    half = np.array([layout.aspect, 1]) * height / 2
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half
    angle = np.deg2rad(tilt)
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    quad = (square @ turn.T + (w * 0.5 + rng.uniform(-5, 5), h * 0.55 + rng.uniform(-5, 5))).astype(np.float32)
    flat = np.array([(0, 0), (plate.shape[1], 0), (plate.shape[1], plate.shape[0]), (0, plate.shape[0])], np.float32)
    matrix = cv2.getPerspectiveTransform(flat, quad * 4)
    large = cv2.warpPerspective(plate, matrix, (w * 4, h * 4))
    alpha = cv2.warpPerspective(np.ones(plate.shape[:2], np.float32), matrix, (w * 4, h * 4))
    small = cv2.resize(large, (w, h), interpolation=cv2.INTER_AREA)
    cover = cv2.resize(alpha, (w, h), interpolation=cv2.INTER_AREA)[..., None]
    frame = cv2.GaussianBlur(frame * (1 - cover) + small * 0.9, (0, 0), 0.7) + rng.normal(0, 2, frame.shape)
    blank = draw_plate(loaded, layout, loaded.expand()[0], "").astype(np.float32)
    strokes = cv2.warpPerspective(np.abs(plate - blank).mean(-1), matrix, (w * 4, h * 4))
    ink = cv2.resize(strokes, (w, h), interpolation=cv2.INTER_AREA)
    return Scene(np.clip(np.round(frame), 0, 255).astype(np.uint8), quad, ink)


@pytest.fixture
def draw():
    return scene

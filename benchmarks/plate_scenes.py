"""Drawn scenes with one plate of known text: sheet metal, perspective, weather and a camera, and nothing real."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.boxes import as_box, grown
from deid_udf.detect.edges import refined
from deid_udf.detect.region import Frame, Region
from deid_udf.plates.draw import draw_plate
from deid_udf.plates.formats import Pattern, PlateFormat, load_format
from deid_udf.plates.quad import Quad

SIZE = (300, 400)  # height and width of a scene
_OVER = 3  # scenes are drawn larger, then shrunk
_OFF = 0.05  # of the height: how far a detector's corners are off
_BODIES = ((178, 180, 184), (52, 54, 60), (128, 24, 28), (36, 66, 112), (226, 226, 222), (96, 104, 92))


@dataclass(frozen=True)
class Look:
    """How a plate is seen: height in pixels, yaw and roll in degrees, and what is between it and the camera."""

    height: float = 32
    yaw: float = 0
    roll: float = 0
    night: bool = False
    dirt: float = 0
    hidden: float = 0  # share of its width behind a post
    blur: float = 0.7
    noise: float = 2


@dataclass(frozen=True)
class Scene:
    frame: Frame
    quad: Quad
    found: Quad  # as a detector sees it: a few pixels off
    form: PlateFormat
    pattern: Pattern
    text: str

    @property
    def region(self) -> Region:
        """What a good detector finds here, grown by the default policy's margin, and the edges that it has."""
        box = as_box(np.concatenate([self.found.min(0), self.found.max(0)]))
        edges = refined(self.frame, self.found)
        return Region("plate", 0.9, grown(box, 0.3), "drawn", corners=self.found, edges=edges)


def scene(name: str, look: Look, rng: np.random.Generator, layout: int = 0) -> Scene:
    """One car's back with a random plate of the format called `name`."""
    form = load_format(name)
    pattern = form.expand()[0]
    if form.refine:
        pattern = form.narrow(pattern, "AB123CDE"[: len(pattern)])
    text = "".join(alphabet[rng.integers(len(alphabet))] for alphabet in pattern.alphabets)
    plate = draw_plate(form, form.layouts[layout], pattern, text).astype(np.float32)
    if look.dirt:
        mud = cv2.GaussianBlur(rng.standard_normal(plate.shape[:2]).astype(np.float32), (0, 0), 25) * 25
        plate += (np.array([110, 96, 80], np.float32) - plate) * np.clip(look.dirt * (0.5 + mud), 0, 0.9)[..., None]
    quad = _quad(form.layouts[layout].aspect, look, rng)
    canvas = _car(rng, look.night)
    height, width = plate.shape[:2]
    flat = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    matrix = cv2.getPerspectiveTransform(flat, quad * _OVER)
    light = 0.75 if look.night else 0.92
    size = (SIZE[1] * _OVER, SIZE[0] * _OVER)
    cv2.warpPerspective(plate * light, matrix, size, canvas, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_TRANSPARENT)
    if look.hidden:
        left = quad[:, 0].min() + np.ptp(quad[:, 0]) * (1 - look.hidden)
        canvas[:, round(left * _OVER) : round((left + 0.5 * look.height) * _OVER)] = (70, 68, 66)
    frame = cv2.resize(canvas, SIZE[::-1], interpolation=cv2.INTER_AREA)
    frame = cv2.GaussianBlur(frame, (0, 0), look.blur) + rng.normal(0, look.noise, frame.shape)
    found = (quad + rng.normal(0, _OFF * look.height, (4, 2))).astype(np.float32)
    return Scene(np.clip(np.round(frame), 0, 255).astype(np.uint8), quad, found, form, pattern, text)


def _quad(aspect: float, look: Look, rng: np.random.Generator) -> Quad:
    """Corners under a pinhole camera at a distance of six plate heights."""
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float64) * (aspect / 2, 0.5)
    yaw, roll = np.deg2rad(look.yaw), np.deg2rad(look.roll)
    turned = square @ np.array([(np.cos(roll), -np.sin(roll)), (np.sin(roll), np.cos(roll))]).T
    depth = 1 + turned[:, 0] * np.sin(yaw) / 6
    seen = np.stack([turned[:, 0] * np.cos(yaw), turned[:, 1]], 1) / depth[:, None] * look.height
    centre = (SIZE[1] / 2 + rng.uniform(-8, 8), SIZE[0] * 0.55 + rng.uniform(-6, 6))
    return (seen + centre).astype(np.float32)


def _car(rng: np.random.Generator, night: bool) -> NDArray[np.float32]:
    """Paint with a gradient, a window above, a bumper below, a lamp on each side; float32, `_OVER` times `SIZE`."""
    height, width = SIZE[0] * _OVER, SIZE[1] * _OVER
    body = np.array(_BODIES[rng.integers(len(_BODIES))], np.float32)
    shade = np.linspace(1.15, 0.75, height, dtype=np.float32)[:, None, None]
    canvas = np.ascontiguousarray(np.broadcast_to(body * shade, (height, width, 3)), np.float32)
    canvas[: height // 5] = (44, 52, 60)
    canvas[round(height * 0.8) :] *= 0.45
    canvas[round(height * 0.78) : round(height * 0.8)] = (200, 202, 205)
    for side in (0.07, 0.93):
        centre = (round(width * side), round(height * 0.42))
        cv2.ellipse(canvas, centre, (width // 14, height // 10), 0, 0, 360, (190, 30, 24), cv2.FILLED, cv2.LINE_AA)
    return canvas * np.float32(0.22) if night else canvas

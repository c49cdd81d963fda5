"""Put a drawn plate into a picture's pixels: perspective, light, blur and noise, over a margin of surroundings."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Frame
from deid_udf.plates.appearance import Appearance, appearance

_OVERSAMPLING = 4
_LARGEST = 1600  # pixels of a side of the oversampled window
_RING = 0.6  # width of the ring that is looked at, as a share of the window's height
_FILL_SIDE = 96  # pixels: the margin's colours are spread at this size
_CONTEXT = 160  # pixels: the ring is measured at no more than this height

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a frame's plane; it may reach beyond the frame.

    Attributes:
        x, y: frame coordinates of its top left pixel.
        width, height: its size in pixels.
    """

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def around(cls, outline: NDArray[np.float32], margin: int = 2) -> "Window":
        """The smallest window that holds a polygon (n, 2) and a margin."""
        low = np.floor(outline.min(0)).astype(int) - margin
        high = np.ceil(outline.max(0)).astype(int) + 1 + margin
        return cls(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))

    def widened(self, by: int) -> "Window":
        """With `by` more pixels on every side."""
        return Window(self.x - by, self.y - by, self.width + 2 * by, self.height + 2 * by)

    def cut(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """This part of an image; what lies outside is repeated from its edge."""
        height, width = image.shape[:2]
        x0, x1 = np.clip((self.x, self.x + self.width), 0, width)
        y0, y1 = np.clip((self.y, self.y + self.height), 0, height)
        inside = image[y0:y1, x0:x1]
        above, below = int(y0 - self.y), int(self.y + self.height - y1)
        before, after = int(x0 - self.x), int(self.x + self.width - x1)
        if not inside.size:
            return np.zeros((self.height, self.width, *image.shape[2:]), image.dtype)
        return np.asarray(cv2.copyMakeBorder(inside, above, below, before, after, cv2.BORDER_REPLICATE), np.uint8)


def surroundings(frame: Frame, hidden: Sequence[NDArray[np.float32]], window: Window) -> tuple[Frame, Appearance]:
    """The window without its private pixels, and how the picture looks there.

    Args:
        frame: uint8 (H, W, 3) RGB.
        hidden: convex outlines (n, 2) of private regions, in frame pixels. No pixel in or next to one of them has any
            influence on the result.
        window: where the new plate goes.

    Returns:
        uint8 (height, width, 3): the surroundings' colours, spread smoothly over what is hidden; and their appearance.
    """
    ring = window.widened(max(8, round(_RING * window.height)))
    patch = ring.cut(frame)
    outside = _outside(hidden, ring, frame.shape[:2])
    inset = ring.height - window.height
    spread = _spread(patch, outside)[inset // 2 : inset // 2 + window.height, inset // 2 : inset // 2 + window.width]
    scale = max(1, ring.height // _CONTEXT)
    return spread, appearance(patch[::scale, ::scale], outside[::scale, ::scale], scale)


def _outside(hidden: Sequence[NDArray[np.float32]], ring: Window, size: tuple[int, ...]) -> Mask:
    """bool (height, width) over the ring: pixels of a frame of `size` (height, width) that lie in no private region."""
    rows, columns = np.arange(ring.height)[:, None] + ring.y, np.arange(ring.width)[None] + ring.x
    outside = ((rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])).astype(np.uint8)
    for outline in hidden:
        corners = cv2.convexHull(np.round(outline - (ring.x, ring.y)).astype(np.int32))
        cv2.fillConvexPoly(outside, corners, 0)
        cv2.polylines(outside, [corners], isClosed=True, color=0, thickness=3)
    return outside.astype(np.bool_)


def _spread(patch: Frame, outside: Mask) -> Frame:
    """Fill what is not `outside` from what is: normalised blurs, narrow where they reach and wide elsewhere."""
    factor = max(1.0, max(patch.shape[:2]) / _FILL_SIDE)
    size = (max(1, round(patch.shape[1] / factor)), max(1, round(patch.shape[0] / factor)))
    weight = outside.astype(np.float32)
    small_weight = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(patch * weight[..., None], size, interpolation=cv2.INTER_AREA)
    colour = np.full((size[1], size[0], 3), patch[outside].mean(0) if outside.any() else 128, np.float32)
    for sigma in (16, 8, 4, 2):
        mass = cv2.GaussianBlur(small_weight, (0, 0), sigma)[..., None]
        mean = cv2.GaussianBlur(small, (0, 0), sigma) / np.maximum(mass, 1e-6)
        share = np.clip(mass * 20, 0, 1)
        colour += (mean - colour) * share
    filled = cv2.resize(colour, patch.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.where(outside[..., None], patch, np.round(filled)), np.uint8)


def render(
    plate: Frame, quad: NDArray[np.float32], backdrop: Frame, window: Window, look: Appearance, rng: np.random.Generator
) -> Frame:
    """The plate in the window's pixels.

    Args:
        plate: flat drawing, uint8 (h, w, 3) RGB.
        quad: float32 (4, 2), where its corners go in frame pixels, clockwise from top left.
        backdrop: uint8 (height, width, 3), what is around it in the window.
        window: the part of the frame that is made.
        look: what the plate is matched to.
        rng: of the synthetic sensor noise; independent of the object.

    Returns:
        uint8 (height, width, 3) RGB.
    """
    factor = max(1, min(_OVERSAMPLING, _LARGEST // max(window.width, window.height)))
    corners = (quad - (window.x, window.y)) * factor + (factor - 1) / 2
    flat_height, flat_width = plate.shape[:2]
    drawn = np.array([(0, 0), (flat_width, 0), (flat_width, flat_height), (0, flat_height)], np.float32) - 0.5
    matrix = cv2.getPerspectiveTransform(drawn, corners.astype(np.float32))
    size = (window.width * factor, window.height * factor)
    colours = cv2.warpPerspective(plate, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    covered = cv2.warpPerspective(np.full((flat_height, flat_width), 255, np.uint8), matrix, size)
    small = (window.width, window.height)
    new = cv2.resize(colours, small, interpolation=cv2.INTER_AREA).astype(np.float32)
    alpha = cv2.resize(covered, small, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    columns, rows = np.arange(window.width) - window.width / 2, np.arange(window.height) - window.height / 2
    light = np.exp(look.slope[0] * columns[None] + look.slope[1] * rows[:, None])
    new *= look.gain * np.float32(1 - look.haze / 255) * light[..., None].astype(np.float32)
    new += look.haze
    mixed = backdrop + (new - backdrop) * alpha[..., None]
    # Area sampling already blurs by about 0.4 pixels.
    sigma = float(np.sqrt(max(look.blur**2 - 0.16, 0.0)))
    if sigma > 0.2:
        mixed = np.asarray(cv2.GaussianBlur(mixed, (0, 0), sigma))
    grain = rng.standard_normal((window.height, window.width, 1), np.float32) * look.noise
    return np.asarray(np.clip(np.round(mixed + grain), 0, 255), np.uint8)

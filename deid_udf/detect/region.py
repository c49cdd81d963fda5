"""What a detector says about a frame, and the protocol that every detector follows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Kind = Literal["face", "plate", "sign"]  # a sign is never private; it may veto a plate
Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels; x1, y1 exclusive
Frame = NDArray[np.uint8]  # (H, W, 3) RGB, orientation already applied


@dataclass(frozen=True, slots=True)
class Region:
    """One detected object of one frame (a row of Eq. 6 in the paper).

    Attributes:
        kind: class of the object.
        score: detector's confidence in [0, 1].
        box: bounding box in pixels of the oriented frame; may stick out of the frame.
        detector: name of the registry model that found it.
        corners: float32 (4, 2) quadrilateral of the object, never grown, clockwise from top left (plates), or None.
        points: float32 (5, 2) eyes, nose, mouth corners in image order (faces), or None.
        mask: bool (h, w) over the integer hull of `box`, or None where the detector has no masks.
        edges: float32 (4, 2) the corners moved onto the plate's edges (`detect/edges.py`), which lie in its own pixels;
            or None.
        parts: float32 (4, 2) each, of a plate in the union: the corners of every region that it was merged from (its
            box's where it has none that can be believed), grown as the box is. All of them are to be replaced.
    """

    kind: Kind
    score: float
    box: Box
    detector: str
    corners: NDArray[np.float32] | None = None
    points: NDArray[np.float32] | None = None
    mask: NDArray[np.bool_] | None = None
    edges: NDArray[np.float32] | None = None
    parts: tuple[NDArray[np.float32], ...] = ()

    @property
    def width(self) -> float:
        """Width of the box in pixels."""
        return self.box[2] - self.box[0]

    @property
    def height(self) -> float:
        """Height of the box in pixels."""
        return self.box[3] - self.box[1]


class Detector(Protocol):
    """A batch of frames in, one list of regions a frame out."""

    name: str
    kinds: frozenset[Kind]

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        """Find regions in `frames` (uint8 RGB (H, W, 3), sizes may differ). Same order and length as the input."""
        ...

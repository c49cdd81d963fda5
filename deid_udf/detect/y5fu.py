"""HyperLPR3's `y5fu`: a YOLOv5-style plate detector with four corners.

Its file is in no package: the registry's entry points at one that the user brings. It is exported for one square
picture, so a batch is a loop, each frame scaled into the square's top left.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from deid_udf import models
from deid_udf.detect.boxes import as_box, suppress
from deid_udf.detect.region import Frame, Kind, Region
from deid_udf.inference import open_session

_NMS_IOU = 0.5
_GREY = 114


class Y5fu:
    """Plates with four corners.

    Args:
        device: "cpu" or "cuda:N".
        floor: lowest score that is reported.
    """

    name = "y5fu"
    kinds: frozenset[Kind] = frozenset({"plate"})

    def __init__(self, device: str, floor: float) -> None:
        self._device = device
        self._floor = floor

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        """See `Detector`; input of the network is float32 RGB in [0, 1], NCHW."""
        session = models.opened(self.name, self._device, open_session)
        side = int(session.get_inputs()[0].shape[2])
        return [self._one(session, side, frame) for frame in frames]

    def _one(self, session: ort.InferenceSession, side: int, frame: Frame) -> list[Region]:
        height, width = frame.shape[:2]
        scale = side / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        square = np.full((side, side, 3), _GREY, np.uint8)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        square[: size[1], : size[0]] = cv2.resize(frame, size, interpolation=how)
        tensor = square.transpose(2, 0, 1)[None].astype(np.float32) / 255
        (rows,) = session.run(["output"], {"input": tensor})
        return decode(rows[0], floor=self._floor, scale=(size[0] / width, size[1] / height))


def decode(rows: NDArray[np.float32], *, floor: float, scale: tuple[float, float]) -> list[Region]:
    """One frame's predictions → regions.

    Args:
        rows: (n, 15) centre and size, objectness, four corners, one-line and two-line class; pixels of the input.
        floor: lowest score that is kept; the score is objectness times the better class.
        scale: pixels of the input for each of the frame, (x, y).
    """
    scores = rows[:, 4] * rows[:, 13:15].max(1)
    likely = np.flatnonzero(scores > floor)
    rows, scores = rows[likely], scores[likely]
    half = rows[:, 2:4] / 2
    boxes = np.concatenate([rows[:, :2] - half, rows[:, :2] + half], 1) / np.tile(scale, 2)
    corners = rows[:, 5:13].reshape(-1, 4, 2) / np.array(scale)
    return [
        Region("plate", float(scores[i]), as_box(boxes[i]), Y5fu.name, corners=corners[i].astype(np.float32))
        for i in suppress(boxes, scores, _NMS_IOU)
    ]

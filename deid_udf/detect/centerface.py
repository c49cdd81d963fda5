"""CenterFace (Xu et al. 2019, arXiv:1911.03599): faces as centre points of a heatmap at stride 4."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from deid_udf import models
from deid_udf.detect.batches import batches
from deid_udf.detect.boxes import as_box, suppress
from deid_udf.detect.region import Frame, Kind, Region
from deid_udf.inference import open_session

_STRIDE = 4
_NMS_IOU = 0.3
_OUTPUTS = ["537", "538", "539", "540"]  # heatmap, log size, offset, landmarks


class CenterFace:
    """Faces with five landmarks.

    Args:
        device: "cpu" or "cuda:N".
        floor: lowest score that is reported.
    """

    name = "centerface"
    kinds: frozenset[Kind] = frozenset({"face"})

    def __init__(self, device: str, floor: float) -> None:
        self._device = device
        self._floor = floor

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        """See `Detector`; input of the network is float32 RGB 0–255 NCHW."""
        session = models.opened(self.name, self._device, _load)
        found: list[list[Region]] = [[] for _ in frames]
        for members, batch in batches(frames, fill=(0, 0, 0)):
            tensor = batch.transpose(0, 3, 1, 2).astype(np.float32)
            outputs = session.run(_OUTPUTS, {"input.1": tensor})
            for i, maps in zip(members, zip(*outputs, strict=True), strict=True):
                found[i] = decode(*maps, floor=self._floor, size=frames[i].shape[:2])
        return found


def decode(
    heat: NDArray[np.float32],
    log_size: NDArray[np.float32],
    offset: NDArray[np.float32],
    marks: NDArray[np.float32],
    *,
    floor: float,
    size: tuple[int, ...],
) -> list[Region]:
    """One frame's maps → regions.

    Args:
        heat: (1, h, w) scores.
        log_size: (2, h, w) log of height and width in strides.
        offset: (2, h, w) of the centre (row, column) in strides.
        marks: (10, h, w) five landmarks (row, column) from the box's corner, in box sides.
        floor: lowest score that is kept.
        size: height and width of the frame inside the padded input; boxes are clipped to it.
    """
    rows, columns = np.nonzero(heat[0] > floor)
    scores = heat[0, rows, columns]
    height, width = np.exp(log_size[:, rows, columns]) * _STRIDE
    y0 = (rows + offset[0, rows, columns] + 0.5) * _STRIDE - height / 2
    x0 = (columns + offset[1, rows, columns] + 0.5) * _STRIDE - width / 2
    points = marks[:, rows, columns].T.reshape(-1, 5, 2)[..., ::-1]
    points = points * np.stack([width, height], 1)[:, None] + np.stack([x0, y0], 1)[:, None]
    boxes = np.stack([x0, y0, x0 + width, y0 + height], 1)
    limits = np.array([size[1], size[0], size[1], size[0]], np.float32)
    boxes = np.clip(boxes, 0, limits)
    solid = np.flatnonzero((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))
    kept = solid[suppress(boxes[solid], scores[solid], _NMS_IOU)]
    return [
        Region(
            kind="face",
            score=float(scores[i]),
            box=as_box(boxes[i]),
            detector=CenterFace.name,
            points=points[i].astype(np.float32),
        )
        for i in kept
    ]


def _load(path: Path, device: str) -> ort.InferenceSession:
    # Exported at batch 10 of 32×32; it is fully convolutional, so any size runs once the shapes are freed.
    return open_session(path, device, free_shapes=True)

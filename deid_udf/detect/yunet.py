"""YuNet (Wu et al. 2023, Machine Intelligence Research 20): an anchor-free face detector of 76,000 weights.

Its file is in no package: the registry's entry points at one that the user brings.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from deid_udf import models
from deid_udf.detect.batches import batches
from deid_udf.detect.boxes import as_box, suppress
from deid_udf.detect.region import Frame, Kind, Region
from deid_udf.inference import open_session

_STRIDES = (8, 16, 32)
_NMS_IOU = 0.45
_HEADS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
_OUTPUTS = [f"{head}_{stride}" for head in _HEADS for stride in _STRIDES]


class YuNet:
    """Faces with five landmarks.

    Args:
        device: "cpu" or "cuda:N".
        floor: lowest score that is reported.
    """

    name = "yunet"
    kinds: frozenset[Kind] = frozenset({"face"})

    def __init__(self, device: str, floor: float) -> None:
        self._device = device
        self._floor = floor

    def detect(self, frames: Sequence[Frame]) -> list[list[Region]]:
        """See `Detector`; input of the network is float32 BGR 0–255 NCHW."""
        session = models.opened(self.name, self._device, _load)
        found: list[list[Region]] = [[] for _ in frames]
        for members, batch in batches(frames, fill=(0, 0, 0)):
            tensor = batch[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
            # Exported for one picture: of a batch it puts the rows of all pictures after one another.
            rows = {
                name: output.reshape(len(members), -1, _HEADS[name.partition("_")[0]])
                for name, output in zip(_OUTPUTS, session.run(_OUTPUTS, {"input": tensor}), strict=True)
            }
            for row, i in enumerate(members):
                found[i] = decode({n: r[row] for n, r in rows.items()}, floor=self._floor, width=batch.shape[2])
        return found


def decode(rows: Mapping[str, NDArray[np.float32]], *, floor: float, width: int) -> list[Region]:
    """One frame's outputs → regions.

    Args:
        rows: "cls_8", "obj_8", "bbox_8", "kps_8", "cls_16", …: (cells, 1, 1, 4 or 10), cells row by row.
        floor: lowest score that is kept; the score is the geometric mean of class and objectness.
        width: of the network's input in pixels.
    """
    scores, boxes, points = [], [], []
    for stride in _STRIDES:
        cells = np.arange(len(rows[f"cls_{stride}"]))
        origin = np.stack([cells % (width // stride), cells // (width // stride)], 1) * np.float32(stride)
        score = np.sqrt(np.clip(rows[f"cls_{stride}"], 0, 1) * np.clip(rows[f"obj_{stride}"], 0, 1))[:, 0]
        kept = score > floor
        box, start = rows[f"bbox_{stride}"][kept], origin[kept]
        centre, half = start + box[:, :2] * stride, np.exp(box[:, 2:]) * stride / 2
        scores.append(score[kept])
        boxes.append(np.concatenate([centre - half, centre + half], 1))
        points.append(rows[f"kps_{stride}"][kept].reshape(-1, 5, 2) * stride + start[:, None])
    score, box, marks = np.concatenate(scores), np.concatenate(boxes), np.concatenate(points)
    return [
        Region("face", float(score[i]), as_box(box[i]), YuNet.name, points=marks[i].astype(np.float32))
        for i in suppress(box, score, _NMS_IOU)
    ]


def _load(path: Path, device: str) -> ort.InferenceSession:
    return open_session(path, device, free_shapes=True)

"""Recognisers of faces that judge a release: the paper's own, dlib's, and FaceNet, which shares nothing with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from deid_udf import models
from deid_udf.detect.region import Box, Frame
from deid_udf.metrics.facenet import SIZE, WIDTH, FaceNet, load_facenet
from deid_udf.metrics.privacy import FACENET_THRESHOLD, FaceEmbedder

_BATCH = 16


class Recogniser(Protocol):
    """Faces → vectors that lie near each other where they show one person.

    Attributes:
        name: short, as it stands in tables.
        threshold: distance below which two faces count as one person's.
    """

    @property
    def name(self) -> str:
        """See the class."""
        ...

    @property
    def threshold(self) -> float:
        """See the class."""
        ...

    def embed(self, frames: Sequence[Frame], boxes: Sequence[Box]) -> NDArray[np.float64]:
        """One vector a box: float64 (n, d). `frames` are uint8 (H, W, 3) RGB, one for each box."""
        ...


@dataclass(frozen=True, slots=True)
class FaceNetEmbedder:
    """FaceNet on the square around each box; see `Recogniser`."""

    network: FaceNet
    device: str
    name = "facenet"
    threshold = FACENET_THRESHOLD

    @classmethod
    def open(cls, device: str = "cpu") -> "FaceNetEmbedder":
        """Open the network from the registry, once a process."""
        return cls(models.opened("facenet", device, load_facenet), device)

    def embed(self, frames: Sequence[Frame], boxes: Sequence[Box]) -> NDArray[np.float64]:
        """See `Recogniser.embed`: unit vectors (n, 512)."""
        crops = [_square(frame, box) for frame, box in zip(frames, boxes, strict=True)]
        vectors = [self._run(crops[i : i + _BATCH]) for i in range(0, len(crops), _BATCH)]
        return np.concatenate(vectors) if vectors else np.zeros((0, WIDTH))

    def _run(self, crops: Sequence[Frame]) -> NDArray[np.float64]:
        faces = (torch.from_numpy(np.stack(crops)).to(self.device).permute(0, 3, 1, 2).float() - 127.5) / 128
        with torch.inference_mode():
            return np.asarray(self.network(faces).double().cpu().numpy())


def open_recognisers(device: str = "cpu") -> tuple[Recogniser, ...]:
    """Every judge, the paper's first."""
    return FaceEmbedder.open(), FaceNetEmbedder.open(device)


def _square(frame: Frame, box: Box) -> Frame:
    """The square around a box at the network's size; what lies outside the frame repeats its border."""
    x0, y0, x1, y1 = box
    side = max(round(max(x1 - x0, y1 - y0)), 2)
    left, top = round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2)
    height, width = frame.shape[:2]
    columns = np.clip(np.arange(left, left + side), 0, width - 1)
    rows = np.clip(np.arange(top, top + side), 0, height - 1)
    method = cv2.INTER_AREA if side > SIZE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(frame[rows[:, None], columns], (SIZE, SIZE), interpolation=method), np.uint8)

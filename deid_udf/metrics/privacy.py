"""Privacy (§5.2.1 of the paper): whether recognisers still see the same person, and how far a plate's text moved.

Measured on finished releases, in aggregate. No mechanism may ever look at these numbers (docs/privacy.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dlib
import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from deid_udf import models
from deid_udf.detect.region import Box, Frame

PAPER_FACE_THRESHOLD = 0.3  # the paper's: protected above it
DLIB_FACE_THRESHOLD = 0.6  # dlib's own: the same person below it
FACENET_THRESHOLD = 1.05  # FaceNet's at 1 % false accepts on LFW, measured (docs/evaluation.md)
PAPER_PLATE_THRESHOLD = 3  # the paper's: protected above it
_JITTERS = 1
_BATCH = 64


@dataclass(frozen=True, slots=True)
class FaceEmbedder:
    """dlib's face recognition (99.38 % on LFW), the paper's judge; `deid_udf.metrics.recognise.Recogniser`."""

    landmarks: Any
    network: Any
    name = "dlib"
    threshold = DLIB_FACE_THRESHOLD

    @classmethod
    def open(cls) -> "FaceEmbedder":
        """Open the two models from the registry, once a process."""

        def landmarks(path: Path, _: str) -> Any:
            return dlib.shape_predictor(str(path))

        def network(path: Path, _: str) -> Any:
            return dlib.face_recognition_model_v1(str(path))

        return cls(
            models.opened("landmarks5", "cpu", landmarks),
            models.opened("dlib_recognition", "cpu", network),
        )

    def embed(self, frames: Sequence[Frame], boxes: Sequence[Box]) -> NDArray[np.float64]:
        """One 128-d descriptor a box: float64 (n, 128). `frames` are uint8 (H, W, 3) RGB, one for each box."""
        chips = []
        for frame, (x0, y0, x1, y1) in zip(frames, boxes, strict=True):
            rectangle = dlib.rectangle(round(x0), round(y0), round(x1), round(y1))
            shape = self.landmarks(frame, rectangle)
            chips.append(dlib.get_face_chip(frame, shape, size=150))
        batches = [chips[i : i + _BATCH] for i in range(0, len(chips), _BATCH)]
        vectors = [v for batch in batches for v in self.network.compute_face_descriptor(batch, num_jitters=_JITTERS)]
        return np.array(vectors, np.float64).reshape(-1, 128)


def face_distance(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Euclidean distance of descriptors: (n, d) and (n, d) → (n,)."""
    return np.asarray(np.linalg.norm(a - b, axis=-1))


def confidence(distance: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """The paper's confidence score 100 · (1 - distance): 0.12 ↔ 88, 0.45 ↔ 55, threshold 70 ↔ 0.3."""
    return np.asarray(100.0 * (1.0 - np.asarray(distance)))


def plate_distance(a: Sequence[str], b: Sequence[str]) -> int:
    """Edit distance (Levenshtein) between two plates, symbol by symbol."""
    return int(Levenshtein.distance(a, b))

"""Pictures and new content for them, as composition sees them."""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.privacy import Baseline
from deid_udf.protect import Replacement
from deid_udf.schema import Cause, Outcome

Blend = Literal["poisson", "feather", "paste", "fill"]
SIZE = (90, 120)


def scene(seed: int, size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """A textured picture: noise over soft light."""
    rng = np.random.default_rng(seed)
    soft = cv2.resize(rng.integers(40, 200, (4, 5, 3), np.uint8), size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(soft.astype(int) + rng.integers(-20, 20, (*size, 3)), 0, 255), np.uint8)


def replacement(box: tuple[float, float, float, float], blend: Blend, seed: int = 1) -> Replacement:
    x0, y0, x1, y1 = box
    content = scene(seed, (64, 64))
    scale = np.diag([(x1 - x0) / 64, (y1 - y0) / 64, 1.0])
    scale[:2, 2] = (x0, y0)
    return Replacement(
        content=content,
        matrix=scale,
        outline=np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32),
        blend=blend,
        outcome=Outcome.REPLACED,
        cause=Cause.NONE,
        mechanism=Baseline("fill"),
    )

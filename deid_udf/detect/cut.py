"""The part of a frame around some points: OpenCV's warps take no image of 32,767 pixels a side, nor need all of it."""

import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Frame


def cut_around(frame: Frame, points: NDArray[np.floating], margin: float) -> tuple[Frame, NDArray[np.float32]]:
    """A view of the frame's pixels around points (n, 2), as far as the frame reaches; never empty.

    Args:
        frame: uint8 (H, W, 3).
        points: finite, in frame pixels; they may lie outside.
        margin: pixels around them.

    Returns:
        the part, and the float32 (2,) frame coordinates of its top left corner.
    """
    limits = np.array(frame.shape[1::-1])
    low = np.clip(np.floor(points.min(0) - margin), 0, limits - 1).astype(int)
    high = np.clip(np.ceil(points.max(0) + margin) + 1, low + 1, limits).astype(int)
    return frame[low[1] : high[1], low[0] : high[0]], low.astype(np.float32)

"""Frames of many sizes → few batches of one size each."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Frame

_MULTIPLE = 32  # the coarsest stride of the detectors
_PIXELS = 8_000_000  # of one batch: about 100 MB of float32 input, and some times that inside the network


def batches(frames: Sequence[Frame], fill: tuple[int, int, int]) -> Iterator[tuple[list[int], NDArray[np.uint8]]]:
    """Pad frames to the right and below with `fill` to multiples of 32, and group those of equal padded size.

    Args:
        frames: uint8 (H, W, 3).
        fill: colour of the padding.

    Yields:
        Indices into `frames`, and their uint8 (n, H32, W32, 3) batch, of at most `_PIXELS` pixels (but one frame).
    """
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for i, frame in enumerate(frames):
        height, width = (-(-side // _MULTIPLE) * _MULTIPLE for side in frame.shape[:2])
        groups[height, width].append(i)
    for (height, width), members in groups.items():
        size = max(1, _PIXELS // (height * width))
        for start in range(0, len(members), size):
            some = members[start : start + size]
            batch = np.empty((len(some), height, width, 3), np.uint8)
            batch[:] = fill
            for row, i in enumerate(some):
                batch[row, : frames[i].shape[0], : frames[i].shape[1]] = frames[i]
            yield some, batch

"""EXIF orientation: stored pixels to upright pixels, and back."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)

#: Orientation → (transpose, flip rows, flip columns), applied in this order to the stored array (EXIF, tag 0x0112).
_STEPS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def oriented_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Width and height in pixels after `orientation` (1 to 8) is applied."""
    return (height, width) if _STEPS[orientation][0] else (width, height)


def orient(stored: NDArray[T], orientation: int) -> NDArray[T]:
    """A stored array (H, W) or (H, W, C) upright and C-contiguous; itself where nothing has to move."""
    transpose, flip_rows, flip_columns = _STEPS[orientation]
    upright = stored.swapaxes(0, 1) if transpose else stored
    return np.ascontiguousarray(upright[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1])


def unorient(upright: NDArray[T], orientation: int) -> NDArray[T]:
    """Inverse of `orient`: the array as it is stored in the file; C-contiguous."""
    transpose, flip_rows, flip_columns = _STEPS[orientation]
    stored = upright[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
    return np.ascontiguousarray(stored.swapaxes(0, 1) if transpose else stored)

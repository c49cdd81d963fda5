"""Masks as COCO writes them (Lin et al. 2014): run lengths down the columns, zeros first, packed into ASCII."""

import numpy as np
from numpy.typing import NDArray


def run_lengths(mask: NDArray[np.bool_], left: int, top: int, size: tuple[int, int]) -> list[int]:
    """Lengths of the runs of zeros and ones in turn, column by column, of a frame that is empty but for `mask`.

    Args:
        mask: bool (h, w).
        left, top: where it lies in the frame.
        size: height and width of the frame.

    Returns:
        Runs, the first of them zeros (perhaps none), height · width pixels in all.
    """
    height, width = size
    columns = np.zeros((height, mask.shape[1]), np.bool_)
    columns[top : top + mask.shape[0]] = mask
    pixels = columns.ravel(order="F")
    changes = np.flatnonzero(np.diff(pixels, prepend=False, append=False)) + left * height
    runs: list[int] = np.diff(changes[changes < width * height], prepend=0, append=width * height).tolist()
    return runs


def packed(runs: list[int]) -> str:
    """Run lengths → the `counts` of a compressed RLE: from the fourth run on each as its difference from the one
    before the last, in groups of five bits, least first, with a bit for "more follows", as characters from "0" on.
    """
    characters = []
    for i, run in enumerate(runs):
        value = run - runs[i - 2] if i > 2 else run
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != (-1 if bits & 0x10 else 0)
            characters.append(chr((bits | 0x20 if more else bits) + 48))
    return "".join(characters)

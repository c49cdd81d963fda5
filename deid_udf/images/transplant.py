"""New blocks for the touched MCUs of a JPEG; every other coefficient stays bit-identical.

The forward half of the codec (ITU-T T.81, A.3; JFIF colours) for a handful of MCUs, vectorised: no second JPEG file is
made of the composite, and each MCU is transformed alone, since the coefficients of one depend on no other.
"""

import math

import numpy as np
from numpy.typing import NDArray

from deid_udf.images.coefficients import Coefficients

# JFIF 1.02: RGB to YCbCr, all of it already shifted to be symmetric about zero.
_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]], np.float32
)
_Y_SHIFT = np.array([128, 0, 0], np.float32)

_FREQUENCY, _SAMPLE = np.mgrid[:8, :8]
#: The orthonormal DCT-II of eight samples: coefficients = DCT @ samples @ DCT.T.
_DCT = np.cos((2 * _SAMPLE + 1) * _FREQUENCY * math.pi / 16) * np.where(_FREQUENCY == 0, math.sqrt(1 / 8), 0.5)
_DCT = _DCT.astype(np.float32)


def transplant(
    coefficients: Coefficients, frame: NDArray[np.uint8], changed: NDArray[np.bool_], *, rgb: bool = False
) -> None:
    """Overwrite, in place, the blocks of every MCU that holds a changed pixel.

    Args:
        coefficients: of the original; its tables and sampling are used for the new blocks.
        frame: uint8 (H, W, 3), the protected picture in RGB, as stored (not oriented).
        changed: bool (H, W), the pixels that may differ from the original.
        rgb: whether the file stores RGB instead of YCbCr.
    """
    components = coefficients.header.components
    # One component is never interleaved: its MCU is one block, whatever its factors say (A.2.2).
    factors = [(c.vertical, c.horizontal) for c in components] if len(components) > 1 else [(1, 1)]
    v_max, h_max = (max(f[axis] for f in factors) for axis in (0, 1))
    mcu_height, mcu_width = 8 * v_max, 8 * h_max
    rows, columns = _touched(changed, mcu_height, mcu_width)
    planes = _planes(_tiles(frame, rows, columns, mcu_height, mcu_width), grey=len(components) == 1, rgb=rgb)
    for plane, blocks, table, (v, h) in zip(planes, coefficients.blocks, coefficients.tables, factors, strict=True):
        new = _quantised(_subsample(plane, v_max // v, h_max // h), table)  # (n, v, h, 8, 8)
        block_rows = rows[:, None, None] * v + np.arange(v)[:, None]
        block_columns = columns[:, None, None] * h + np.arange(h)
        block_rows, block_columns = np.broadcast_arrays(block_rows, block_columns)
        # The last MCU of a row or column may reach over blocks that the file does not store.
        stored = (block_rows < blocks.shape[0]) & (block_columns < blocks.shape[1])
        blocks[block_rows[stored], block_columns[stored]] = new[stored]


def _touched(changed: NDArray[np.bool_], height: int, width: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row and column numbers of the MCUs that hold a changed pixel."""
    padded = np.pad(changed, ((0, -changed.shape[0] % height), (0, -changed.shape[1] % width)))
    grid = padded.reshape(padded.shape[0] // height, height, padded.shape[1] // width, width).any(axis=(1, 3))
    rows, columns = np.nonzero(grid)
    return rows, columns


def _tiles(
    frame: NDArray[np.uint8], rows: NDArray[np.intp], columns: NDArray[np.intp], height: int, width: int
) -> NDArray[np.uint8]:
    """The pixels of the MCUs, (n, height, width, 3); the picture's edge is repeated beyond it."""
    y = np.minimum(rows[:, None] * height + np.arange(height), frame.shape[0] - 1)
    x = np.minimum(columns[:, None] * width + np.arange(width), frame.shape[1] - 1)
    tiles: NDArray[np.uint8] = frame[y[:, :, None], x[:, None, :]]
    return tiles


def _planes(tiles: NDArray[np.uint8], *, grey: bool, rgb: bool) -> list[NDArray[np.float32]]:
    """Level-shifted component planes, each (n, height, width)."""
    pixels = tiles.astype(np.float32)
    shifted = pixels - 128 if rgb else pixels @ _YCC.T - _Y_SHIFT
    return [shifted[..., i] for i in range(1 if grey else 3)]


def _subsample(plane: NDArray[np.float32], vertical: int, horizontal: int) -> NDArray[np.float32]:
    """Mean over vertical × horizontal pixels."""
    n, height, width = plane.shape
    groups = plane.reshape(n, height // vertical, vertical, width // horizontal, horizontal)
    mean: NDArray[np.float32] = groups.mean(axis=(2, 4))
    return mean


def _quantised(plane: NDArray[np.float32], table: NDArray[np.uint16]) -> NDArray[np.int16]:
    """Blocks (n, rows, columns, 8, 8) of a plane (n, 8·rows, 8·columns), transformed and quantised."""
    n, height, width = plane.shape
    samples = plane.reshape(n, height // 8, 8, width // 8, 8).swapaxes(2, 3)
    quantised: NDArray[np.float32] = np.rint(_DCT @ samples @ _DCT.T / table)
    return quantised.clip(-1023, 1023).astype(np.int16)  # what 8-bit Huffman tables can code

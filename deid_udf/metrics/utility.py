"""Image utility (§5.2.2 of the paper): how far a protected picture is from the original.

Each takes two uint8 arrays of one shape, (H, W, 3) RGB or (H, W) grey. Smaller is better for all but SSIM.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

Image = NDArray[np.uint8]

DHASH_SIDE = 1024  # blur and mosaic then flip as many bits as in the paper's Table 1 (docs/evaluation.md)
_SSIM_WINDOW = 7
_NORMS = {1: cv2.NORM_L1, 2: cv2.NORM_L2, np.inf: cv2.NORM_INF}


def _paired(original: Image, protected: Image) -> None:
    if original.shape != protected.shape:
        raise ValueError(f"pictures differ in shape: {original.shape} and {protected.shape}")


def l0(original: Image, protected: Image) -> int:
    """Number of pixels that changed in any channel (Eq. 13)."""
    _paired(original, protected)
    changed = original != protected
    return int(np.count_nonzero(changed.any(-1) if changed.ndim == 3 else changed))


def l2(original: Image, protected: Image) -> float:
    """Euclidean distance over all scalars, in grey levels (Eq. 14)."""
    _paired(original, protected)
    return cv2.norm(original, protected, cv2.NORM_L2)


def ald(original: Image, protected: Image, p: float = 2) -> float:
    """Average L_p distortion of one picture (one term of Eq. 15): ‖Xᵃ - X‖_p / ‖X‖_p; p is 1, 2 or `numpy.inf`.

    An all-black original has no norm to divide by: 0 if nothing changed, else infinity.
    """
    _paired(original, protected)
    distance, scale = cv2.norm(original, protected, _NORMS[p]), cv2.norm(original, _NORMS[p])
    if scale == 0:
        return 0.0 if distance == 0 else float("inf")
    return distance / scale


def ssim(original: Image, protected: Image) -> float:
    """Structural similarity in [-1, 1] (Eq. 16), scikit-image's, mean over channels; 1 is identical.

    A window that no change touches scores exactly 1, so only the surroundings of changes are computed.
    """
    _paired(original, protected)
    height, width = original.shape[:2]
    if min(height, width) < _SSIM_WINDOW:
        raise ValueError(f"SSIM needs at least {_SSIM_WINDOW} pixels a side, not {original.shape[:2]}")
    reach = _SSIM_WINDOW // 2
    changed = (original != protected).reshape(height, width, -1).any(-1)
    touched = cv2.dilate(changed.astype(np.uint8), np.ones((_SSIM_WINDOW, _SSIM_WINDOW), np.uint8))
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(touched)
    # As scikit-image does, positions whose window leaves the picture are not counted.
    labels[:reach], labels[-reach:], labels[:, :reach], labels[:, -reach:] = 0, 0, 0, 0
    lost = 0.0
    for label in range(1, count):
        x, y, w, h = boxes[label, :4].tolist()
        window = np.s_[max(y - reach, 0) : y + h + reach, max(x - reach, 0) : x + w + reach]
        similar = _similarity(original[window], protected[window])
        lost += float((1 - similar)[labels[window] == label].sum())
    positions = (height - 2 * reach) * (width - 2 * reach) * original[0, 0].size
    return 1 - lost / float(positions)


def _similarity(a: Image, b: Image) -> NDArray[np.float64]:
    """SSIM at every position, float64 of the pictures' shape."""
    axis = 2 if a.ndim == 3 else None
    _, similar = structural_similarity(a, b, channel_axis=axis, data_range=255, full=True)  # type: ignore[no-untyped-call]
    return np.asarray(similar, np.float64)


def dhash(image: Image, side: int = DHASH_SIDE) -> NDArray[np.bool_]:
    """Difference hash: bool (side, side), whether each cell of the shrunken picture outshines its left one."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    small = cv2.resize(grey, (side + 1, side), interpolation=cv2.INTER_AREA).astype(np.int16)
    return np.asarray(small[:, 1:] > small[:, :-1])


def dhash_distance(original: Image, protected: Image, side: int = DHASH_SIDE) -> int:
    """Bits in which the two difference hashes differ (Eq. 17): 0 to side²."""
    _paired(original, protected)
    return int(np.count_nonzero(dhash(original, side) != dhash(protected, side)))


def seam(image: Image, mask: NDArray[np.bool_], ring: int = 4) -> float:
    """Mean gradient magnitude in a ring of `ring` pixels on either side of a mask's border, in grey levels a pixel.

    Compare it with the original's own over the same ring: a visible seam is a ratio well above 1. NaN without a ring.
    """
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * ring + 1, 2 * ring + 1))
    area = mask.astype(np.uint8)
    border = (cv2.dilate(area, kernel) - cv2.erode(area, kernel)).astype(bool)
    if not border.any():
        return float("nan")
    grey = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image).astype(np.float32)
    gradient = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8))
    return float(gradient[border].mean())

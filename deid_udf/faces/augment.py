"""What street cameras do to a face, for training the encoder on clean generated ones."""

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Frame

_SHIFT, _ANGLE, _SCALE = 0.03, 4.0, 0.05  # misalignment: share of the side, degrees, share
_SMALLEST = 16  # pixels to which a face may have been reduced


def degrade(face: Frame, random: np.random.Generator) -> Frame:
    """One aligned face, uint8 (s, s, 3), slightly misaligned, relit, blurred or reduced, noisy, and compressed."""
    size = len(face)
    angle, scale = random.normal(0, _ANGLE / 2), random.normal(1, _SCALE / 2)
    matrix = np.asarray(cv2.getRotationMatrix2D((size / 2, size / 2), angle, scale), np.float64)
    matrix[:, 2] += random.normal(0, _SHIFT * size / 2, 2)
    image = cv2.warpAffine(face, matrix, (size, size), borderMode=cv2.BORDER_REFLECT_101)
    if random.random() < 0.5:
        small = int(random.integers(_SMALLEST, size))
        reduced = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
        image = cv2.resize(reduced, (size, size), interpolation=cv2.INTER_LINEAR)
    light = _relight(np.asarray(image, np.float32), random)
    noise = random.normal(0, random.uniform(0, 6), light.shape)
    image = np.asarray(np.clip(light + noise, 0, 255), np.uint8)
    if random.random() < 0.3:
        quality = int(random.integers(40, 95))
        encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(image, np.uint8)


def _relight(image: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Exposure, contrast, a colour cast, sometimes grey."""
    grey = image.mean(2, keepdims=True)
    saturation = 0.0 if random.random() < 0.05 else random.normal(1, 0.15)
    image = grey + (image - grey) * saturation
    gain = random.normal(1, 0.12) * random.normal(1, 0.04, 3)
    return ((image - 128) * gain + 128 + random.normal(0, 12)).astype(np.float32)

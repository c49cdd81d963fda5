"""Look at a frame at another size, or piece by piece: small objects in large frames."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from deid_udf.detect.boxes import as_box
from deid_udf.detect.masks import resized
from deid_udf.detect.region import Frame, Region

_OVERLAP = 0.25  # of a tile's side: objects up to this size are whole in some tile
_TOUCH = 2.0  # pixels from an inner edge at which a box counts as cut
_LARGE = 32.0  # pixels, in a coarse view, from which height on what it shows counts: finer views know the rest better


@dataclass(frozen=True, slots=True)
class View:
    """A part of a frame as a detector sees it.

    Attributes:
        image: uint8 (h, w, 3).
        scale: pixels of `image` for each pixel of the frame, (x, y).
        origin: frame coordinates of its top left corner.
        inner: which of its edges (left, top, right, bottom) lie inside the frame.
        least: height in its pixels of the smallest region that counts.
    """

    image: Frame
    scale: tuple[float, float]
    origin: tuple[int, int]
    inner: tuple[bool, bool, bool, bool] = (False, False, False, False)
    least: float = 0.0

    def shows(self, region: Region) -> bool:
        """Whether the region is whole here, not ending at an edge that the frame goes on behind, and large enough."""
        height, width = self.image.shape[:2]
        x0, y0, x1, y1 = region.box
        touched = (x0 < _TOUCH, y0 < _TOUCH, x1 > width - _TOUCH, y1 > height - _TOUCH)
        cut = any(inner and touch for inner, touch in zip(self.inner, touched, strict=True))
        return not cut and region.height >= self.least

    def to_frame(self, region: Region) -> Region:
        """The region in the frame's pixels."""
        scale = np.array(self.scale, np.float32)
        origin = np.array(self.origin, np.float32)
        box = as_box((np.array(region.box).reshape(2, 2) / scale + origin).ravel())
        return replace(
            region,
            box=box,
            corners=None if region.corners is None else region.corners / scale + origin,
            points=None if region.points is None else region.points / scale + origin,
            mask=None if region.mask is None else resized(region.mask, box),
        )


def views(frame: Frame, *, tile: int | None = None, scale: float = 1.0, coarse: float | None = None) -> Iterator[View]:
    """The whole frame, resized by `scale` and by `coarse`, then overlapping tiles where it is larger than one."""
    height, width = frame.shape[:2]
    yield _resized(frame, scale)
    if coarse is not None:
        yield replace(_resized(frame, coarse), least=_LARGE)
    if tile is None or max(height, width) <= tile:
        return
    for y in _starts(height, tile):
        for x in _starts(width, tile):
            image = frame[y : y + tile, x : x + tile]
            inner = (x > 0, y > 0, x + tile < width, y + tile < height)
            yield View(np.ascontiguousarray(image), (1.0, 1.0), (x, y), inner)


def _resized(frame: Frame, scale: float) -> View:
    height, width = frame.shape[:2]
    if scale == 1:
        return View(frame, (1.0, 1.0), (0, 0))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    image = np.asarray(cv2.resize(frame, size, interpolation=how), np.uint8)
    return View(image, (size[0] / width, size[1] / height), (0, 0))


def _starts(length: int, tile: int) -> list[int]:
    if length <= tile:
        return [0]
    count = 1 + int(np.ceil((length - tile) / (tile * (1 - _OVERLAP))))
    return [round(start) for start in np.linspace(0, length - tile, count).tolist()]

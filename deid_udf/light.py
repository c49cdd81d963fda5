"""How new content is lit: like the picture that it goes into, as far as the pixels that stay tell.

Nothing here reads a private pixel: what a face takes over it takes from the neck, the ears and the light around it.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Frame
from deid_udf.protect import Replacement

_STRIDE = 4  # pixels between those looked at for a frame's light and colour
_TELLING = 0.25  # share of a frame that has to stay to tell how it is lit
_DARK = 96  # levels below which a picture's brightest hundredth means night: a face as by day would glare in it
BLACK = 16  # levels: no picture of anything is darker
_DARKEST = 0.4  # of its own light that new content keeps: no one is found in black
_GREY = 3  # levels between the channels of a grey; a logo or a time stamp may have colour

_RING = 0.15  # width of the ring in which skin is looked for, as a share of the outline's larger side
_SIDE = 128  # pixels a side, at most, on which that is done
_RED, _GREEN = (0.36, 0.48), (0.28, 0.345)  # of r + g + b: skin of all tones in all light (Soriano et al. 2003)
_REDDER = 0.066, 4.5e-5  # least lead of red over green, of r + g + b, and what a level of that sum takes off it: walls
_NOSE = 0.6  # of a face's height from its top: what lies below is neither hair nor forehead
_LIT = 90  # r + g + b below which colour is noise
_SKIN_SHARE, _FEWEST = 0.1, 16  # of the ring, and pixels, that have to be skin
_TONE = 0.8  # power of the gains: how much of the tone is taken over
_GAIN, _TINT = (0.5, 1.25), (0.87, 1.12)  # limits of the gain, and of each channel's beside it: skin, not paint

_FAR = 1e4  # pixels: where corners that lie further outside are taken to lie

Bools = NDArray[np.bool_]
Triple = NDArray[np.float64]


def as_lit(frame: Frame, changed: Bools, replacements: Sequence[Replacement]) -> list[Replacement]:
    """Feathered content as the picture would show it; other content as it is.

    Grey in a grey picture. In the tone of the skin around it, where there is some and no public tone was taken over;
    else darker where it is night.

    Args:
        frame: uint8 (H, W, 3) RGB.
        changed: bool (H, W), the pixels that are replaced, which are not looked at.
        replacements: new content for the frame.
    """
    if all(r.blend != "feather" for r in replacements):
        return list(replacements)
    gain, grey = _light(frame, changed)

    def lit(replacement: Replacement) -> Frame:
        content = replacement.content
        if grey:
            content = np.asarray(np.repeat(cv2.cvtColor(content, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2), np.uint8)
        told = grey or "tone" in replacement.public
        tone = None if told else _tone_gain(frame, changed, replacement)
        gains = np.full(3, gain) if tone is None else tone
        return content if (gains == 1).all() else np.asarray(np.round(np.minimum(content * gains, 255)), np.uint8)

    return [replace(r, content=lit(r)) if r.blend == "feather" else r for r in replacements]


def _light(frame: Frame, changed: Bools) -> tuple[float, bool]:
    """How a frame is lit, from the pixels that stay: a gain ≤ 1 for new content, low at night; whether it is grey.

    Few pixels around a close-up tell nothing of its light, and black ones neither: bars, a studio's wall.
    """
    changed = changed[::_STRIDE, ::_STRIDE]
    kept = frame[::_STRIDE, ::_STRIDE][~changed]
    if len(kept) < _TELLING * changed.size:
        return 1.0, False
    bright, colour = np.quantile(kept.max(1), 0.99), np.quantile(np.ptp(kept, axis=1), 0.99)
    if bright < BLACK:
        return 1.0, False
    return min(1.0, max(float(bright) / _DARK, _DARKEST)), bool(colour <= _GREY)


def _tone_gain(frame: Frame, changed: Bools, replacement: Replacement) -> Triple | None:
    """Gains (3,) from the content's tone towards that of the skin below it, or None where none is seen."""
    outside, inside = _skin_below(frame, changed, replacement), _inside(replacement)
    if outside is None or not len(inside):
        return None
    gains = outside / np.maximum(np.median(inside, axis=0), 1)
    mean = gains.mean()
    limited = np.clip(mean, *_GAIN) * np.clip(gains / mean, *_TINT)
    return np.asarray(limited**_TONE, np.float64)


def _skin_below(frame: Frame, changed: Bools, replacement: Replacement) -> Triple | None:
    """Median colour (3,) of skin in the lower part of a ring around an outline, or None where that has little of it.

    Above and beside a face is hair, some of which has the chromaticity of skin, and none of it the light. Low is where
    the content's columns end: on a face put there by a similarity, the chin; under the paper's warp, the picture's.
    """
    outline = replacement.outline
    reach = _RING * float(np.ptp(outline, axis=0).max())
    x0, y0 = np.clip(np.floor(outline.min(0) - reach), 0, frame.shape[1::-1]).astype(int)
    x1, y1 = np.clip(np.ceil(outline.max(0) + reach), 0, frame.shape[1::-1]).astype(int)
    step = max(1, math.ceil(max(x1 - x0, y1 - y0) / _SIDE))
    pixels, gone = frame[y0:y1:step, x0:x1:step], changed[y0:y1:step, x0:x1:step]
    if not pixels.size:
        return None
    ring = np.zeros(gone.shape, np.uint8)
    centre = outline.mean(0)
    grown = centre + (outline - centre) * (1 + 2 * _RING)
    cv2.fillConvexPoly(ring, cv2.convexHull(np.round((grown - (x0, y0)) / step).astype(np.int32)), 1)
    y, x = np.ogrid[: gone.shape[0], : gone.shape[1]]
    down = replacement.matrix[:2, 1]  # where the content's columns point
    around = (ring > 0) & ~gone & ((x * step + x0) * down[0] + (y * step + y0) * down[1] > _nose(outline @ down))
    found = _skin(pixels[around])
    return np.median(found, axis=0) if len(found) >= max(_FEWEST, _SKIN_SHARE * around.sum()) else None


def _skin(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Those of (n, 3) that have a colour of skin; so have some woods and bricks."""
    total = np.maximum(pixels.sum(1, dtype=np.int32), 1)
    red, green = pixels[:, 0] / total, pixels[:, 1] / total
    chosen = (total >= _LIT) & (red >= _RED[0]) & (red <= _RED[1]) & (green >= _GREEN[0]) & (green <= _GREEN[1])
    chosen &= red - green >= _REDDER[0] - _REDDER[1] * total
    return np.asarray(pixels[chosen], np.uint8)


def _inside(replacement: Replacement) -> NDArray[np.uint8]:
    """The content's pixels (n, 3) that the lower part of its outline shows: no forehead, no fringe."""
    content = replacement.content
    step = math.ceil(max(content.shape[:2]) / _SIDE)
    mask = np.zeros(content[::step, ::step].shape[:2], np.uint8)
    invertible, to_content = cv2.invert(replacement.matrix)
    if invertible:
        seen = cv2.perspectiveTransform(replacement.outline[None].astype(np.float64), to_content)[0] / step
        seen = np.clip(seen, -_FAR, _FAR)
        cv2.fillConvexPoly(mask, cv2.convexHull(np.round(seen).astype(np.int32)), 1)
        mask[: max(0, round(_nose(seen[:, 1])))] = 0
    return content[::step, ::step][mask > 0]


def _nose(along: NDArray[np.floating]) -> float:
    """Where a nose is on a face whose outline's corners lie at `along` (n,), from forehead to chin."""
    return float((1 - _NOSE) * along.min() + _NOSE * along.max())

"""From what was read to a plate of some format: the text, the pattern it follows, and the format itself."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Frame
from deid_udf.plates.formats import Pattern, PlateFormat
from deid_udf.plates.lattice import Lattice, best
from deid_udf.plates.quad import Quad, aspect_of, part, upright

_LARGEST_GAP = 1.0  # nats a symbol: half of what one symbol in seven costs that was not seen at all
_SHAPE_WEIGHT = 0.3  # nats for a factor of e in the aspect
_SAMPLE = (32, 12)  # pixels: enough of a plate for its colour
_COLOUR_WEIGHT = 0.02  # nats for each unit of chroma distance (CIELAB): blue to yellow is about 2


@dataclass(frozen=True, slots=True)
class Identity:
    """One plate as read, in one line or in two. The text is private: it goes to a mechanism and nowhere else."""

    form: PlateFormat
    pattern: Pattern
    text: str
    lines: int


@dataclass(frozen=True, slots=True)
class Look:
    """A plate's median colour, uint8 (3,) RGB, which is mostly its background's, and its width over its height."""

    colour: NDArray[np.uint8]
    aspect: float


def look_at(frame: Frame, quad: Quad) -> Look:
    """The look of the plate that `quad` shows."""
    inner = upright(frame, part(quad, 0.05, 0.1, 0.95, 0.9), _SAMPLE)
    return Look(np.asarray(np.median(inner.reshape(-1, 3), axis=0), np.uint8), aspect_of(quad))


def identify(
    lattices: Sequence[Lattice],
    look: Look,
    formats: Sequence[PlateFormat],
    fallback: PlateFormat,
) -> Identity | None:
    """The best-fitting format and its text; `fallback` where no listed format fits; None where nothing does.

    Args:
        lattices: alternative readings of the plate: as one line, and if there is another, as two.
        look: tells formats apart that share their patterns.
        formats: the policy's, preferred in order where they fit equally well.
        fallback: tried when none of them fits.
    """
    fitting = [
        (gap + _unlikeness(look, form, identity.lines), order, identity)
        for order, form in enumerate(formats)
        for gap, identity in [_best_of(lattices, form)]
        if identity is not None and gap <= _LARGEST_GAP
    ]
    if fitting:
        return min(fitting, key=lambda one: one[:2])[2]
    gap, identity = _best_of(lattices, fallback)
    if identity is None or gap + _unlikeness(look, fallback, identity.lines) > _LARGEST_GAP:
        return None
    return identity


def _best_of(lattices: Sequence[Lattice], form: PlateFormat) -> tuple[float, Identity | None]:
    """The smallest gap over readings and patterns (the earlier pattern wins a tie), and what it reads."""
    smallest, found = float("inf"), None
    for pattern in form.expand():
        for lines, lattice in enumerate(lattices, start=1):
            fit = best(lattice, pattern)
            if fit is not None and fit.gap < smallest:
                text = form.settle(fit.text)
                smallest, found = fit.gap, Identity(form, form.narrow(pattern, text), text, lines)
    return smallest, found


def _unlikeness(look: Look, form: PlateFormat, lines: int) -> float:
    shape = abs(math.log(form.layout(look.aspect, lines).aspect / look.aspect))
    return _COLOUR_WEIGHT * _chroma_distance(look.colour, form.background) + _SHAPE_WEIGHT * shape


def _chroma_distance(colour: NDArray[np.uint8], background: str) -> float:
    other = np.array([int(background[i : i + 2], 16) for i in (1, 3, 5)], np.uint8)
    pair = np.stack([colour, other])[None].astype(np.float32) / 255
    lab = cv2.cvtColor(pair, cv2.COLOR_RGB2LAB)[0]
    return float(np.hypot(*(lab[0, 1:] - lab[1, 1:])))

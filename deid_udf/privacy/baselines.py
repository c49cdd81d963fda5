"""What releases are compared with: nothing of the input, and the classical obfuscations."""

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import ClassVar

import cv2
import numpy as np
from attrs import field, frozen
from attrs.validators import ge, in_
from typing_extensions import override

from deid_udf.privacy.errors import InvalidParameter, InvalidValues
from deid_udf.privacy.exact import Exact, exact, positive
from deid_udf.privacy.kernels import DiscreteLaplace, Integers
from deid_udf.privacy.mechanism import Array, Guarantee, Mechanism, NoisyMechanism
from deid_udf.privacy.noise import Context, NoiseSource


@frozen
class Prior(Mechanism):
    """ε = 0: what is shown is drawn from the prior, and the object is not looked at.

    Attributes:
        kind: what is drawn in its place ("face", "plate"), for the ledger.
    """

    name: ClassVar[str] = "prior"
    version: ClassVar[int] = 1
    domain: ClassVar[str] = "(n, …), never read"
    metric: ClassVar[str] = "none needed: every pair is at ε = 0"
    guarantee: ClassVar[Guarantee] = Guarantee.PURE
    worst_case: ClassVar[Fraction] = Fraction(0)

    kind: str

    @override
    def epsilon(self, distance: Exact) -> Fraction:
        return Fraction(0)

    @override
    def release(self, values: Array, *, noise: NoiseSource, contexts: Sequence[Context]) -> Array:
        """(n, …) → (n, 0): a row for each object, with nothing in it."""
        return np.zeros((len(values), 0))


@frozen
class Baseline(Mechanism):
    """Blur, mosaic or a constant fill of a batch of crops; no noise, and (but for the fill) no guarantee.

    Attributes:
        method: "blur" (Gaussian), "mosaic" (cell means) or "fill" (one grey level, ε = 0).
        size: blur's kernel (odd) or the mosaic's cell, in pixels; the grey level of the fill (0–255).
    """

    name: ClassVar[str] = "baseline"
    version: ClassVar[int] = 1
    domain: ClassVar[str] = "(n, height, width[, channels]) uint8"
    metric: ClassVar[str] = "none"

    method: str = field(validator=in_(("blur", "mosaic", "fill")))
    size: int = field(default=31, converter=int, validator=ge(0))

    def __attrs_post_init__(self) -> None:
        if (self.method == "blur" and self.size % 2 == 0) or (self.method == "mosaic" and self.size == 0):
            raise InvalidParameter("a blur's kernel is odd, a mosaic's cell at least 1 pixel")
        if self.method == "fill" and self.size > 255:
            raise InvalidParameter("a grey level is at most 255")

    @property
    @override
    def guarantee(self) -> Guarantee:
        return Guarantee.PURE if self.method == "fill" else Guarantee.NONE

    @property
    @override
    def worst_case(self) -> Fraction | None:
        return Fraction(0) if self.method == "fill" else None

    @override
    def epsilon(self, distance: Exact) -> Fraction | None:
        return self.worst_case if exact(distance) else Fraction(0)

    @override
    def release(self, values: Array, *, noise: NoiseSource, contexts: Sequence[Context]) -> Array:
        images = _images(values)
        match self.method:
            case "fill":
                return np.full_like(images, self.size)
            case "mosaic":
                return _spread(_cell_sums(images, self.size), images.shape, self.size)
            case _:
                blurred = np.empty_like(images)
                for row, image in enumerate(images):
                    cv2.GaussianBlur(image, (self.size, self.size), 0, dst=blurred[row])
                return blurred


@frozen
class DpPix(NoisyMechanism):
    """Differentially private pixelisation (Fan, DBSec 2018): cell means with Laplace noise of scale 255·m/(b²·ε).

    Its guarantee is over images that differ in at most m pixels, *not* over any two objects: an ε of another unit than
    the other mechanisms', which an accountant refuses to add to theirs. The noise is drawn on the cells' exact sums.

    Attributes:
        epsilon: ε over its neighbours (exact, positive).
        b: side of a cell in pixels.
        m: pixels in which neighbours may differ.
        channels: values a pixel; a pixel that differs may differ in all of them.
    """

    name: ClassVar[str] = "dp_pix"
    version: ClassVar[int] = 1
    domain: ClassVar[str] = "(n, height, width[, channels]) uint8"
    metric: ClassVar[str] = "number of pixels that differ"
    neighbours: ClassVar[str] = "images of one size that differ in at most m pixels (Fan 2018)"
    guarantee: ClassVar[Guarantee] = Guarantee.PURE

    _budget: Fraction = field(alias="epsilon", converter=positive)
    b: int = field(converter=int, validator=ge(1))
    m: int = field(converter=int, validator=ge(1))
    channels: int = field(default=1, converter=int, validator=ge(1))

    @property
    @override
    def worst_case(self) -> Fraction:
        return self._budget

    @override
    def epsilon(self, distance: Exact) -> Fraction:
        return self._budget * abs(exact(distance)) / self.m

    @override
    def kernel(self) -> DiscreteLaplace:
        sensitivity = 255 * self.m * self.channels
        return DiscreteLaplace(scale=sensitivity / self._budget, limit=255 * self.b**2)

    @override
    def encode(self, values: Array) -> Integers:
        images = _images(values)
        if (images.shape[3] if images.ndim == 4 else 1) != self.channels:
            raise InvalidValues(f"expected {self.channels} channels, got {images.shape}")
        sums = _cell_sums(images, self.b)
        return sums.reshape(len(images), prod(sums.shape[1:]))

    @override
    def decode(self, drawn: Integers, values_shape: tuple[int, ...]) -> Array:
        cells = tuple(-(-side // self.b) for side in values_shape[1:3])
        return _spread(drawn.reshape(len(drawn), *cells, *values_shape[3:]), values_shape, self.b)


def _images(values: Array) -> Array:
    if values.ndim not in (3, 4) or values.dtype != np.uint8:
        raise InvalidValues(
            f"expected uint8 of shape (n, height, width[, channels]), got {values.dtype} {values.shape}"
        )
    return values


def _cell_sums(images: Array, side: int) -> Integers:
    """(n, h, w, …) uint8 → (n, ⌈h/side⌉, ⌈w/side⌉, …) exact sums; cells at the far edges may be smaller."""
    rows = np.add.reduceat(images, np.arange(0, images.shape[1], side), axis=1, dtype=np.int64)
    return np.add.reduceat(rows, np.arange(0, images.shape[2], side), axis=2, dtype=np.int64)


def _spread(sums: Integers, shape: tuple[int, ...], side: int) -> Array:
    """Every pixel of a cell takes the cell's mean, held to 0–255."""
    area = _cell_sums(np.ones((1, *shape[1:3], *(1 for _ in shape[3:])), dtype=np.uint8), side)
    means = np.clip(np.rint(sums / area), 0, 255).astype(np.uint8)
    return means.repeat(side, axis=1)[:, : shape[1]].repeat(side, axis=2)[:, :, : shape[2]]

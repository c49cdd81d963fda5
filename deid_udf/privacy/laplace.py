"""Laplace noise on vectors: bounded (`pure`, ours) and unbounded (`metric`, the paper to the letter)."""

from fractions import Fraction
from typing import ClassVar

import numpy as np
from attrs import field, frozen
from attrs.validators import ge, le
from typing_extensions import override

from deid_udf.privacy.errors import InvalidParameter
from deid_udf.privacy.exact import Exact, exact, positive
from deid_udf.privacy.kernels import DiscreteLaplace, Integers
from deid_udf.privacy.mechanism import Array, Guarantee, NoisyMechanism, finite_rows


@frozen
class LaplaceVector(NoisyMechanism):
    """Clip into the L1 ball of radius R, quantise towards zero, add discrete Laplace noise of scale 2R/ε.

    Any two inputs end at most 2R apart in L1, whatever made them: the release is ε-DP over all pairs of objects.

    Attributes:
        epsilon: the worst-case ε (exact, positive).
        k: coordinates of a row.
        radius: R, in the values' unit, a multiple of the grid's step.
        grid_bits: m; the grid's step is 2⁻ᵐ.
    """

    name: ClassVar[str] = "laplace_vector"
    version: ClassVar[int] = 1

    _budget: Fraction = field(alias="epsilon", converter=positive)
    k: int = field(converter=int, validator=[ge(1), le(2**20)])
    radius: Fraction = field(converter=positive)
    grid_bits: int = field(converter=int, validator=[ge(0), le(40)])

    def __attrs_post_init__(self) -> None:
        # The bound keeps every product of `encode` inside int64.
        if self._steps.denominator != 1 or self._steps >= 2**31:
            raise InvalidParameter("the radius must be a whole number of grid steps, below 2^31")
        self.kernel()

    @property
    def _steps(self) -> Fraction:
        """The radius in grid steps."""
        return self.radius * (1 << self.grid_bits)

    @property
    @override
    def guarantee(self) -> Guarantee:
        return Guarantee.PURE

    @property
    @override
    def domain(self) -> str:
        return f"(n, {self.k}) float64, finite; bounded here to the L1 ball of radius {self.radius}"

    @property
    @override
    def metric(self) -> str:
        return f"L1 between clipped vectors on the grid of step 2^-{self.grid_bits}"

    @property
    @override
    def worst_case(self) -> Fraction:
        return self._budget

    @override
    def epsilon(self, distance: Exact) -> Fraction:
        diameter = 2 * self.radius
        return self._budget * min(abs(exact(distance)), diameter) / diameter

    @override
    def kernel(self) -> DiscreteLaplace:
        return DiscreteLaplace(scale=2 * self._steps / self._budget, limit=int(self._steps))

    @override
    def encode(self, values: Array) -> Integers:
        """(n, k) floats → integers whose absolute values sum to at most R·2ᵐ in every row."""
        reals, radius, steps = finite_rows(values, self.k), float(self.radius), int(self._steps)
        # In floats, scale to the radius; dividing by the largest first keeps 1e308 from overflowing.
        peak = np.maximum(np.abs(reals).max(axis=1, keepdims=True), radius)
        unit = reals / peak
        scaled = unit * (radius / np.maximum(_l1_norm(unit), radius / peak))
        # In integers, make sure of it, whatever the floats did.
        return _into_ball(np.trunc(scaled * 2.0**self.grid_bits).astype(np.int64), steps)

    @override
    def decode(self, drawn: Integers, values_shape: tuple[int, ...]) -> Array:
        return drawn * 2.0**-self.grid_bits


def _l1_norm(unit: Array) -> Array:
    """(n, k) floats in [−1, 1] → (n, 1), summed exactly in multiples of 2⁻³².

    A sum that depended on the processor's order of addition would be another value there, and draw other noise under a
    key.
    """
    norm: Array = np.trunc(np.abs(unit) * 2.0**32).sum(axis=1, keepdims=True) / 2.0**32
    return norm


def _into_ball(grid: Integers, radius: int) -> Integers:
    """Rows of integers up to 2³², shrunk towards zero until their absolute values sum to at most `radius` < 2³¹."""
    magnitude = np.abs(grid)
    total = np.maximum(magnitude.sum(axis=1, keepdims=True), radius)
    inside: Integers = np.sign(grid) * (magnitude * radius // total)
    return inside


@frozen
class LaplaceUnbounded(NoisyMechanism):
    """Laplace noise of scale 1/ε on every coordinate of an unbounded vector: the paper's Δf = 1, as it stands there.

    ε is for each unit of L1 distance; over all pairs of objects it has no bound.

    Attributes:
        epsilon: ε for each unit of L1 distance (exact, positive).
        k: coordinates of a row.
        grid_bits: m; the grid's step is 2⁻ᵐ.
    """

    name: ClassVar[str] = "laplace_unbounded"
    version: ClassVar[int] = 1
    limit: ClassVar[int] = 2**45
    """Grid steps at which a coordinate is held, so that integers stay exact; holding it moves no two values apart."""

    _budget: Fraction = field(alias="epsilon", converter=positive)
    k: int = field(converter=int, validator=ge(1))
    grid_bits: int = field(converter=int, validator=[ge(0), le(30)])

    def __attrs_post_init__(self) -> None:
        self.kernel()

    @property
    @override
    def guarantee(self) -> Guarantee:
        return Guarantee.METRIC

    @property
    @override
    def domain(self) -> str:
        return f"(n, {self.k}) float64, finite"

    @property
    @override
    def metric(self) -> str:
        return f"L1 between vectors on the grid of step 2^-{self.grid_bits}"

    @property
    @override
    def worst_case(self) -> None:
        return None

    @property
    @override
    def epsilon_unit(self) -> Fraction:
        return self._budget

    @override
    def epsilon(self, distance: Exact) -> Fraction:
        return self._budget * abs(exact(distance))

    @override
    def kernel(self) -> DiscreteLaplace:
        return DiscreteLaplace(scale=(1 << self.grid_bits) / self._budget, limit=self.limit)

    @override
    def encode(self, values: Array) -> Integers:
        held = np.clip(finite_rows(values, self.k), -self.limit, self.limit)  # before the product, so none overflows
        return np.clip(np.trunc(held * 2.0**self.grid_bits), -self.limit, self.limit).astype(np.int64)

    @override
    def decode(self, drawn: Integers, values_shape: tuple[int, ...]) -> Array:
        return drawn * 2.0**-self.grid_bits

"""The exponential mechanism over a public codebook (McSherry and Talwar 2007)."""

from fractions import Fraction
from typing import ClassVar

import numpy as np
from attrs import field, frozen
from attrs.validators import ge, le
from typing_extensions import override

from deid_udf.privacy.exact import Exact, exact, positive
from deid_udf.privacy.kernels import Choice, Integers
from deid_udf.privacy.mechanism import Array, Guarantee, NoisyMechanism, finite_rows


@frozen
class Exponential(NoisyMechanism):
    """Choose index i of a public codebook with probability ∝ e^(ε·uᵢ/2), for utilities held to [0, 1].

    A utility moves by at most 1 between any two objects, whence the 2. The codebook must not depend on the object.

    Attributes:
        epsilon: the worst-case ε (exact, positive).
        size: entries of the codebook.
    """

    name: ClassVar[str] = "exponential"
    version: ClassVar[int] = 1
    levels: ClassVar[int] = 2**12
    """Utilities are quantised to multiples of 1/levels, towards zero."""

    _budget: Fraction = field(alias="epsilon", converter=positive)
    size: int = field(converter=int, validator=[ge(1), le(2**20)])

    @property
    @override
    def guarantee(self) -> Guarantee:
        return Guarantee.PURE

    @property
    @override
    def domain(self) -> str:
        return f"(n, {self.size}) float64 utilities, finite; held here to [0, 1]"

    @property
    @override
    def metric(self) -> str:
        return f"the largest difference of two utilities, in steps of 1/{self.levels}"

    @property
    @override
    def worst_case(self) -> Fraction:
        return self._budget

    @override
    def epsilon(self, distance: Exact) -> Fraction:
        return self._budget * min(abs(exact(distance)), Fraction(1))

    @override
    def kernel(self) -> Choice:
        return Choice(rate=self._budget / (2 * self.levels), top=self.levels)

    @override
    def encode(self, values: Array) -> Integers:
        return np.floor(np.clip(finite_rows(values, self.size), 0, 1) * self.levels).astype(np.int64)

    @override
    def decode(self, drawn: Integers, values_shape: tuple[int, ...]) -> Array:
        return drawn[:, 0]

"""Codes: an integer of a cyclic alphabet at each position of a plate."""

import json
from abc import abstractmethod
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from attrs import field, frozen
from attrs.validators import ge, min_len
from typing_extensions import override

from deid_udf.privacy.errors import InvalidParameter, InvalidValues
from deid_udf.privacy.exact import Exact, exact, positive
from deid_udf.privacy.kernels import Columns, Integers, Rotation, WrappedLaplace
from deid_udf.privacy.mechanism import Array, Event, Guarantee, Mechanism, NoisyMechanism


@frozen
class _Letter(NoisyMechanism):
    """One position: an integer in [0, modulus), released as a random rotation of itself.

    Attributes:
        epsilon: see the subclass (exact, positive).
        modulus: size of the alphabet.
    """

    _budget: Fraction = field(alias="epsilon", converter=positive)
    modulus: int = field(converter=int, validator=ge(2))

    @property
    @override
    def domain(self) -> str:
        return f"(n,) int64 in [0, {self.modulus})"

    @property
    @abstractmethod
    def diameter(self) -> int:
        """The largest distance of two letters."""

    @abstractmethod
    @override
    def kernel(self) -> Rotation:
        """The rotation, the same for every letter."""

    @abstractmethod
    @override
    def epsilon(self, distance: Exact) -> Fraction:
        """As for every mechanism; a letter's is always finite."""

    @override
    def encode(self, values: Array) -> Integers:
        if values.ndim != 1:
            raise InvalidValues(f"expected integers of shape (n,), got {values.dtype} {values.shape}")
        return _encode_letters(values[:, None], (self.modulus,))

    @override
    def decode(self, drawn: Integers, values_shape: tuple[int, ...]) -> Array:
        return drawn[:, 0]


@frozen
class CyclicLaplace(_Letter):
    """Discrete Laplace noise of scale 1/ε, added modulo the alphabet's size (the paper's plate mechanism).

    `epsilon` is for each step round the cycle.
    """

    name: ClassVar[str] = "cyclic_laplace"
    version: ClassVar[int] = 1

    @property
    @override
    def guarantee(self) -> Guarantee:
        return Guarantee.METRIC

    @property
    @override
    def metric(self) -> str:
        return f"steps round the cycle of {self.modulus}"

    @property
    @override
    def diameter(self) -> int:
        return self.modulus // 2

    @property
    @override
    def worst_case(self) -> Fraction:
        return self._budget * self.diameter

    @property
    @override
    def epsilon_unit(self) -> Fraction:
        return self._budget

    @override
    def epsilon(self, distance: Exact) -> Fraction:
        return self._budget * min(abs(exact(distance)), Fraction(self.diameter))

    @override
    def kernel(self) -> WrappedLaplace:
        return WrappedLaplace.of(1 / self._budget, self.modulus)


@frozen
class RandomizedResponse(_Letter):
    """k-ary randomised response: the letter with weight e^ε, every other letter with weight 1.

    `epsilon` is the worst-case ε.
    """

    name: ClassVar[str] = "randomized_response"
    version: ClassVar[int] = 1
    diameter: ClassVar[int] = 1

    @property
    @override
    def guarantee(self) -> Guarantee:
        return Guarantee.PURE

    @property
    @override
    def metric(self) -> str:
        return "0 for equal letters, 1 for different ones"

    @property
    @override
    def worst_case(self) -> Fraction:
        return self._budget

    @override
    def epsilon(self, distance: Exact) -> Fraction:
        return self._budget if exact(distance) else Fraction(0)

    @override
    def kernel(self) -> Rotation:
        return Rotation(((Fraction(0),), *((self._budget,) for _ in range(self.modulus - 1))))


_LETTERS: dict[tuple[str, int], type[_Letter]] = {
    (letter.name, letter.version): letter for letter in (CyclicLaplace, RandomizedResponse)
}


def _parts(given: Any) -> tuple[Mechanism, ...]:
    if not isinstance(given, str):
        return tuple(given)
    events = [Event(*row) for row in json.loads(given)]
    return tuple(_LETTERS[event.name, event.version].from_parameters(event.parameters) for event in events)


@frozen
class Product(NoisyMechanism):
    """Independent letters, one a position: ε adds up, and the word is the weakest of the parts'.

    Attributes:
        parts: `CyclicLaplace` or `RandomizedResponse`, one a position.
    """

    name: ClassVar[str] = "product"
    version: ClassVar[int] = 1

    parts: tuple[_Letter, ...] = field(converter=_parts, validator=min_len(1))

    def __attrs_post_init__(self) -> None:
        if not all(isinstance(part, _Letter) for part in self.parts):
            raise InvalidParameter("the parts of a product are CyclicLaplace or RandomizedResponse")

    @property
    @override
    def guarantee(self) -> Guarantee:
        return min((part.guarantee for part in self.parts), key=lambda word: word.strength)

    @property
    @override
    def domain(self) -> str:
        return f"(n, {len(self.parts)}) int64, position i in [0, {self._moduli})"

    @property
    @override
    def metric(self) -> str:
        return "the sum of the positions' distances"

    @property
    @override
    def worst_case(self) -> Fraction:
        return sum((part.epsilon(part.diameter) for part in self.parts), Fraction(0))

    @property
    @override
    def epsilon_unit(self) -> Fraction | None:
        return self.epsilon(1) if self.guarantee is Guarantee.METRIC else None

    @override
    def epsilon(self, distance: Exact) -> Fraction:
        # Each part's ε is concave in whole steps, so the worst split of the distance takes the dearest steps first.
        steps = [part.epsilon(i + 1) - part.epsilon(i) for part in self.parts for i in range(part.diameter)]
        return sum(sorted(steps, reverse=True)[: -(-abs(exact(distance)) // 1)], Fraction(0))

    @override
    def parameters(self) -> dict[str, str | int]:
        events = [[part.name, part.version, part.parameters()] for part in self.parts]
        return {"parts": json.dumps(events, sort_keys=True, separators=(",", ":"))}

    @property
    def _moduli(self) -> tuple[int, ...]:
        return tuple(part.modulus for part in self.parts)

    @override
    def kernel(self) -> Columns:
        return Columns(tuple(part.kernel() for part in self.parts))

    @override
    def encode(self, values: Array) -> Integers:
        return _encode_letters(values, self._moduli)

    @override
    def decode(self, drawn: Integers, values_shape: tuple[int, ...]) -> Array:
        return drawn


def _encode_letters(values: Array, moduli: tuple[int, ...]) -> Integers:
    """(n, positions) integers, each inside its alphabet.

    Raises:
        InvalidValues: another shape, not integers, or rows with a letter outside its alphabet.
    """
    if values.ndim != 2 or values.shape[1] != len(moduli) or values.dtype.kind not in "iu":
        raise InvalidValues(f"expected integers of shape (n, {len(moduli)}), got {values.dtype} {values.shape}")
    outside = np.flatnonzero(((values < 0) | (values >= np.array(moduli))).any(axis=1))
    if len(outside):
        raise InvalidValues("a letter outside its alphabet", outside.tolist())
    return values.astype(np.int64)

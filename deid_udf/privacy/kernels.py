"""The random part of a mechanism: integers in, integers out, exact to the last bit.

Each kernel can draw from two places. `sample` reads 64-bit words and turns each into an exact decision; it never
rejects, so a row takes a fixed number of words and its noise depends on its own words alone, not on its batch. (A word
ties with the threshold it is compared to once in 2⁶⁴; then, and only then, it asks for more.) `system` draws from the
operating system: through OpenDP where OpenDP has a vectorised sampler, else by `sample` over `os.urandom`.
"""

import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache, partial
from itertools import groupby
from typing import Any, Protocol

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from typing_extensions import override

from deid_udf.privacy.errors import InvalidParameter
from deid_udf.privacy.exact import float_above
from deid_udf.privacy.reals import WORD, Real, cuts, exp_bounds, exponential, logistic, pieces_below, ratio, twice

Integers = NDArray[np.int64]
Words = NDArray[np.uint64]
More = Callable[[int], int]
"""The next unused word of a row's stream."""

LARGEST = 2**53
"""Every integer up to here is a float64, so a grid value times a power of two is exact."""


class Kernel(Protocol):
    """A conditional law of integers given integers."""

    def words(self, width: int) -> int:
        """How many words a row of `width` values takes."""
        ...

    def sample(self, values: Integers, words: Words, more: More) -> Integers:
        """(n, width) values and (n, self.words(width)) uniform words → n rows of draws."""
        ...

    def system(self, values: Integers) -> Integers:
        """The same law, from the operating system's generator."""
        ...


@frozen
class DiscreteLaplace(Kernel):
    """value + X, P(X = x) ∝ e^(−|x|/scale) on the integers, held to ±`bound`.

    X is 0, or ±(1 + G) with G geometric, and the binary digits of a geometric variable are independent coins: digit i
    is 1 with probability 1/(1 + e^(2ⁱ/scale)) (Dwork, Kenthapadi, McSherry, Mironov and Naor, EUROCRYPT 2006). One
    word decides each coin, and one more whether G ≥ 2^`digits`. Since |value| ≤ `limit` and `bound` = 2^digits − limit,
    every such G ends on ±`bound` whatever the value: the clamp post-processes the exact draw, and costs no δ.
    """

    scale: Fraction
    limit: int

    @property
    def digits(self) -> int:
        """Binary digits of G that are drawn: 45 scales (2⁻⁶⁴) beyond twice the limit."""
        return (2 * self.limit + int(45 * self.scale) + 1).bit_length()

    @property
    def bound(self) -> int:
        """The largest magnitude that leaves."""
        return (1 << self.digits) - self.limit

    def __attrs_post_init__(self) -> None:
        if self.scale <= 0 or (1 << self.digits) > LARGEST:
            raise InvalidParameter(
                f"a grid of {self.limit} steps with noise of {self.scale} steps leaves float64's integers"
            )

    @override
    def words(self, width: int) -> int:
        return width * (3 + self.digits)

    @override
    def sample(self, values: Integers, words: Words, more: More) -> Integers:
        coins = _toss(words.reshape(*values.shape, 3 + self.digits), _laplace_coins(self.scale, self.digits), more)
        nonzero, negative, beyond = coins[..., 0], coins[..., 1], coins[..., 2]
        geometric = np.where(beyond, (1 << self.digits), coins[..., 3:] @ (1 << np.arange(self.digits, dtype=np.int64)))
        magnitude = nonzero * (1 + geometric)
        return self._clamp(values + np.where(negative, -magnitude, magnitude))

    @override
    def system(self, values: Integers) -> Integers:
        # OpenDP's integers saturate at the ends of int64: clamping the noise first keeps the sum from wrapping round.
        noise = np.clip(_opendp_laplace(self.scale, values.size), -2 * LARGEST, 2 * LARGEST)
        return self._clamp(values + noise.reshape(values.shape))

    def _clamp(self, drawn: Integers) -> Integers:
        return np.clip(drawn, -self.bound, self.bound)


@frozen
class Rotation(Kernel):
    """(value + X) mod modulus, the offset X of law ∝ Σⱼ e^(−exponents[x][j]) whatever the value."""

    exponents: tuple[tuple[Fraction, ...], ...]

    @override
    def words(self, width: int) -> int:
        return width

    @override
    def sample(self, values: Integers, words: Words, more: More) -> Integers:
        offsets = _pieces(words, _rotation_cuts(self.exponents), more)
        return (values + offsets) % len(self.exponents)

    @override
    def system(self, values: Integers) -> Integers:
        return self.sample(values, *_system_words(len(values), self.words(values.shape[1])))


@frozen
class WrappedLaplace(Rotation):
    """Discrete Laplace noise on a cycle: summed over all turns, ∝ e^(−x/scale) + e^(−(modulus−x)/scale)."""

    scale: Fraction

    @classmethod
    def of(cls, scale: Fraction, modulus: int) -> "WrappedLaplace":
        """Noise of `scale` steps on a cycle of `modulus`."""
        return cls(tuple((x / scale, (modulus - x) / scale) for x in range(modulus)), scale)

    @override
    def system(self, values: Integers) -> Integers:
        offsets = _opendp_laplace(self.scale, values.size) % len(self.exponents)
        return (values + offsets.reshape(values.shape)) % len(self.exponents)


@frozen
class Choice(Kernel):
    """Index i of a row with probability ∝ e^(−rate·(top − level_i)); levels are integers in [0, top]."""

    rate: Fraction
    top: int

    @override
    def words(self, width: int) -> int:
        return 1

    @override
    def sample(self, values: Integers, words: Words, more: More) -> Integers:
        # 40-bit weights, the largest of a row being 1, decide all but a few draws in 10⁹ at once; the rest are decided
        # with as many bits as they need.
        table = np.array([low for low, _ in _choice_weights(self.rate, self.top, 40)], dtype=np.uint64)
        low = np.cumsum(table[values + (self.top - values.max(axis=1, keepdims=True))], axis=1)
        slack = np.uint64(3) * np.arange(1, values.shape[1] + 1, dtype=np.uint64)
        uniform, whole = words[:, 0], low[:, -1]
        below = (low + slack)[:, :-1] <= _high_word(uniform, whole)[:, None]
        # Above: (uniform + 1)·(whole + slack) ≤ uniform·whole + 2⁶⁴·(1 + slack), as whole < 2⁶³.
        above = low[:, :-1] > (_high_word(uniform, whole) + slack[-1] + np.uint64(2))[:, None]
        picked: Integers = below.sum(axis=1)
        for row in np.flatnonzero((~below & ~above).any(axis=1)):
            picked[row] = self._settle(values[row], int(uniform[row]), partial(more, int(row)))
        return picked[:, None]

    @override
    def system(self, values: Integers) -> Integers:
        return self.sample(values, *_system_words(len(values), 1))

    def _settle(self, levels: Integers, word: int, more: Callable[[], int]) -> int:
        exponents = [[self.rate * (self.top - int(level))] for level in levels]
        return pieces_below(cuts(exponents), word, more)


@frozen
class Columns(Kernel):
    """Independent kernels side by side, one a column."""

    kernels: tuple[Rotation, ...]

    @override
    def words(self, width: int) -> int:
        return len(self.kernels)

    @override
    def sample(self, values: Integers, words: Words, more: More) -> Integers:
        return self._by_kernel(values, lambda kernel, at: kernel.sample(values[:, at], words[:, at], more))

    @override
    def system(self, values: Integers) -> Integers:
        return self._by_kernel(values, lambda kernel, at: kernel.system(values[:, at]))

    def _by_kernel(self, values: Integers, draw: Callable[[Rotation, list[int]], Integers]) -> Integers:
        drawn = np.empty_like(values)
        columns = sorted(range(len(self.kernels)), key=lambda column: hash(self.kernels[column]))
        for kernel, group in groupby(columns, key=self.kernels.__getitem__):
            at = list(group)
            drawn[:, at] = draw(kernel, at)
        return drawn


def _toss(words: Words, coins: Sequence[Real], more: More) -> NDArray[np.bool_]:
    """One coin a word of the last axis: true with exactly the coin's probability."""
    thresholds = _thresholds(coins)
    heads = words < thresholds
    for place in np.argwhere(words == thresholds):
        row, coin = int(place[0]), coins[place[-1]]
        heads[tuple(place)] = pieces_below([coin], int(words[tuple(place)]), partial(more, row)) == 0
    return heads


def _pieces(words: Words, inner: Sequence[Real], more: More) -> Integers:
    """The piece of [0, 1) that each word's uniform falls in."""
    thresholds = _thresholds(inner)
    pieces = np.searchsorted(thresholds, words)
    for place in np.argwhere(np.isin(words, thresholds)):
        row = int(place[0])
        pieces[tuple(place)] = pieces_below(inner, int(words[tuple(place)]), partial(more, row))
    return pieces


def _thresholds(reals: Sequence[Real]) -> Words:
    """The first word of each."""
    return np.array([real.digits(WORD) for real in reals], dtype=np.uint64)


def _high_word(a: Words, b: Words) -> Words:
    """⌊a·b / 2⁶⁴⌋ for b < 2⁶³, from 32-bit halves."""
    half, low = np.uint64(32), np.uint64(2**32 - 1)
    a1, a0, b1, b0 = a >> half, a & low, b >> half, b & low
    middle = a1 * b0 + (a0 * b0 >> half)
    high: Words = a1 * b1 + (middle >> half) + (a0 * b1 + (middle & low) >> half)
    return high


def _system_words(rows: int, per_row: int) -> tuple[Words, More]:
    """Uniform words of the operating system's generator, and more of them."""
    words = np.frombuffer(os.urandom(rows * per_row * 8), dtype="<u8").reshape(rows, per_row)
    return words, lambda _: int.from_bytes(os.urandom(8), "little")


@lru_cache(maxsize=256)
def _laplace_coins(scale: Fraction, digits: int) -> tuple[Real, ...]:
    """Not zero, negative, beyond the drawn digits, then the digits from the lowest."""
    nonzero = twice(logistic(1 / scale))
    return (
        nonzero,
        ratio(Fraction(1, 2)),
        exponential(2**digits / scale),
        *(logistic(2**i / scale) for i in range(digits)),
    )


@lru_cache(maxsize=256)
def _rotation_cuts(exponents: tuple[tuple[Fraction, ...], ...]) -> tuple[Real, ...]:
    return tuple(cuts(exponents))


@lru_cache(maxsize=64)
def _choice_weights(rate: Fraction, top: int, bits: int) -> tuple[tuple[int, int], ...]:
    return tuple(exp_bounds(rate * (top - level), bits) for level in range(top + 1))


@lru_cache(maxsize=256)
def _opendp_measurement(scale: Fraction) -> Any:
    import opendp.prelude as dp  # only the `os` source needs it

    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64")
    # OpenDP is exact about a scale in float64: rounded up, ε is never above what is claimed.
    return dp.m.make_laplace(*space, scale=float_above(scale))


def _opendp_laplace(scale: Fraction, size: int) -> Integers:
    return np.array(_opendp_measurement(scale)([0] * size), dtype=np.int64)

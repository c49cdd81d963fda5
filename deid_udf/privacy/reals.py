"""Probabilities, known to as many binary digits as a comparison asks for.

An exact sampler decides U < p for a uniform real U and a real p such as 1/(1 + e^(1/s)). Both are infinite strings of
bits; the first word where they differ decides. U's words come from a stream, p's from integer bounds that are tightened
until the digits asked for are certain. Nothing is rounded, so the decision has probability p and not a float near it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache, partial
from itertools import accumulate

WORD = 64
"""Bits of one word of a random stream."""

Bounds = tuple[int, int]


class Real:
    """A real p in [0, 1], given by bounds(b) = (lo, hi) with lo ≤ p·2ᵇ ≤ hi, tighter as b grows.

    p is irrational, or its bounds are exact: otherwise the digits of k/2ⁿ would never become certain.
    """

    def __init__(self, bounds: Callable[[int], Bounds]) -> None:
        self._bounds = bounds

    def digits(self, bits: int) -> int:
        """⌊p·2^bits⌋, exactly: the bounds get more guard bits until both agree (Ziv's strategy)."""
        guard = 32
        while True:
            low, high = self._bounds(bits + guard)
            if low >> guard == high >> guard:
                return low >> guard
            guard *= 2


def exp_bounds(exponent: Fraction, bits: int) -> Bounds:
    """Integers around e^(−exponent)·2^bits, for an exponent ≥ 0.

    Decimal's exp is correctly rounded; with 25 digits to spare, the error of the division, of exp and of the product
    stays far below one unit, so one unit below and two above the floor are bounds.
    """
    if exponent == 0:
        return 1 << bits, 1 << bits
    if exponent > bits:
        return 0, 1  # e^(−x) < 2^(−x)
    with localcontext(prec=bits // 3 + 25):
        power = (Decimal(-exponent.numerator) / Decimal(exponent.denominator)).exp()
        floor = int(power * (1 << bits))
    return max(floor - 1, 0), floor + 2


def share_bounds(part: Bounds, rest: Bounds, bits: int) -> Bounds:
    """Bounds of part / (part + rest), which grows with `part` and falls with `rest`."""
    low = (part[0] << bits) // (part[0] + rest[1])
    high = -((-part[1] << bits) // (part[1] + rest[0]))
    return low, min(high, 1 << bits)


def exponential(exponent: Fraction) -> Real:
    """e^(−exponent)."""
    return Real(lambda bits: exp_bounds(exponent, bits))


def logistic(exponent: Fraction) -> Real:
    """1 / (1 + e^exponent)."""
    return Real(lambda bits: share_bounds(exp_bounds(exponent, bits), (1 << bits, 1 << bits), bits))


def twice(real: Real) -> Real:
    """2p, for p ≤ ½."""
    return Real(lambda bits: (real.digits(bits) * 2, real.digits(bits) * 2 + 2))


def ratio(value: Fraction) -> Real:
    """A rational number in [0, 1]."""
    top, bottom = value.numerator, value.denominator
    return Real(lambda bits: ((top << bits) // bottom, -((-top << bits) // bottom)))


def cuts(exponents: Sequence[Sequence[Fraction]]) -> list[Real]:
    """Where [0, 1) is cut so that piece i has length ∝ Σⱼ e^(−exponents[i][j]): the inner cuts, in order."""
    whole = Counter(exponent for piece in exponents for exponent in piece)
    least = min(whole)  # taken off all exponents: the largest weight is then exactly 1

    @lru_cache(maxsize=2)
    def sums(bits: int) -> tuple[list[int], list[int]]:
        pieces = [[exp_bounds(exponent - least, bits) for exponent in piece] for piece in exponents]
        return (
            list(accumulate(sum(low for low, _ in piece) for piece in pieces)),
            list(accumulate(sum(high for _, high in piece) for piece in pieces)),
        )

    def share(index: int, bits: int) -> Bounds:
        lows, highs = sums(bits)
        rest = lows[-1] - lows[index], highs[-1] - highs[index]
        return share_bounds((lows[index], highs[index]), rest, bits)

    part: Counter[Fraction] = Counter()
    inner = []
    for index, piece in enumerate(exponents[:-1]):
        part.update(piece)
        # By Lindemann and Weierstrass a share is rational only if it holds the same part of every exponent. Bounds
        # would straddle such a share for ever (½, of two equal weights); on any other they come to agree.
        if all(part[exponent] * whole[least] == part[least] * whole[exponent] for exponent in whole):
            inner.append(ratio(Fraction(part[least], whole[least])))
        else:
            inner.append(Real(partial(share, index)))
    return inner


def pieces_below(cuts: Sequence[Real], word: int, more: Callable[[], int]) -> int:
    """How many cuts lie at or below the uniform whose first word is `word` and whose next words `more` gives."""
    uniform, bits = word, WORD
    while True:
        digits = [cut.digits(bits) for cut in cuts]
        if uniform not in digits:
            return sum(digit < uniform for digit in digits)
        uniform, bits = uniform << WORD | more(), bits + WORD

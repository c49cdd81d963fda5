"""Digits of probabilities, against mpmath's interval arithmetic, and comparisons that go on as long as they must."""

from fractions import Fraction

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid_udf.privacy.reals import (
    Real,
    cuts,
    exp_bounds,
    exponential,
    logistic,
    pieces_below,
    ratio,
    share_bounds,
    twice,
)

exponents = st.fractions(min_value=0, max_value=200, max_denominator=2**40)


def true_digits(value, bits):
    """⌊value()·2^bits⌋ at a precision far beyond what is asked."""
    with mpmath.workprec(2 * bits + 400):
        return int(mpmath.floor(value() * mpmath.mpf(2) ** bits))


def mp(fraction):
    return mpmath.mpf(fraction.numerator) / fraction.denominator


@settings(max_examples=200, deadline=None)
@given(exponents.filter(bool), st.sampled_from([64, 128, 320]))
def test_digits_are_the_true_ones(exponent, bits):
    assert exponential(exponent).digits(bits) == true_digits(lambda: mpmath.exp(-mp(exponent)), bits)
    assert logistic(exponent).digits(bits) == true_digits(lambda: 1 / (1 + mpmath.exp(mp(exponent))), bits)
    assert twice(logistic(exponent)).digits(bits) == true_digits(lambda: 2 / (1 + mpmath.exp(mp(exponent))), bits)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(exponents, min_size=1, max_size=2), min_size=2, max_size=6))
def test_cuts_are_cumulative_shares(pieces):
    with mpmath.workprec(800):
        weights = [sum(mpmath.exp(-mp(x)) for x in piece) for piece in pieces]
        expected = [int(mpmath.floor(sum(weights[: i + 1]) / sum(weights) * 2**64)) for i in range(len(pieces) - 1)]
    # A share that is exactly k/2^64 may print one lower in mpmath; equal pieces are tested below.
    assert all(abs(cut.digits(64) - digit) <= 1 for cut, digit in zip(cuts(pieces), expected, strict=True))


def test_rational_shares_are_exact():
    for exponent in (Fraction(0), Fraction(3, 7), Fraction(10**6)):
        assert [cut.digits(64) for cut in cuts([[exponent]] * 4)] == [2**62, 2**63, 3 * 2**62]
    twins = [[Fraction(1)], [Fraction(2)], [Fraction(2)], [Fraction(1)]]
    assert cuts(twins)[1].digits(512) == 2**511
    thirds = cuts([[Fraction(5, 7)]] * 3)
    assert [cut.digits(64) for cut in thirds] == [2**64 // 3, 2**65 // 3]
    assert ratio(Fraction(1, 2)).digits(64) == 2**63


def test_bounds_hold_the_value_and_are_tight():
    for exponent in (Fraction(1, 3), Fraction(60), Fraction(63), Fraction(10**30), Fraction(1, 10**30)):
        low, high = exp_bounds(exponent, 64)
        with mpmath.workprec(600):
            assert low <= mpmath.exp(-mp(exponent)) * 2**64 <= high
        assert high - low <= 3
    low, high = share_bounds((1, 2), (3, 4), 64)
    assert low <= 2**64 // 5 <= 2**65 // 5 <= high


def test_a_tie_is_settled_by_later_words():
    third = Real(lambda bits: ((1 << bits) // 3, (1 << bits) // 3 + 1))
    word = third.digits(64)
    following = (2**64 - 1) // 3

    def words(*given):
        stream = iter(given)
        return lambda: next(stream)

    assert pieces_below([third], word - 1, words()) == 0
    assert pieces_below([third], word + 1, words()) == 1
    assert pieces_below([third], word, words(following - 1)) == 0
    assert pieces_below([third], word, words(following + 1)) == 1
    assert pieces_below([third], word, words(following, following, following - 1)) == 0
    with pytest.raises(StopIteration):
        pieces_below([third], word, words(following))

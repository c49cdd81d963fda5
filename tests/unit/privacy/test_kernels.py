"""The samplers, fed words chosen by hand, and against OpenDP."""

from fractions import Fraction

import numpy as np
import pytest

from deid_udf.privacy import InvalidParameter
from deid_udf.privacy.kernels import Choice, DiscreteLaplace, Rotation, WrappedLaplace, _high_word, _laplace_coins
from deid_udf.privacy.reals import cuts
from tests.unit.privacy.audit import P_THRESHOLD, two_sample_p
from tests.unit.privacy.sources import KEYED, OS, contexts

LOW, HIGH = 0, 2**64 - 1
"""The words that make every coin heads, and every coin tails."""


def no_more(row):
    raise AssertionError("no tie was made")


def words(*rows):
    return np.array(rows, dtype=np.uint64)


def test_laplace_reads_its_coins():
    kernel = DiscreteLaplace(Fraction(3), limit=10)
    tails = [HIGH] * (3 + kernel.digits)

    def draw(**heads):
        row = tails.copy()
        for place in heads.values():
            row[place] = LOW if place != 2 else 1  # the first word of the tail's probability is zero: see below
        return int(kernel.sample(np.zeros((1, 1), np.int64), words(row), lambda _: HIGH)[0, 0])

    assert draw() == 0
    assert draw(nonzero=0) == 1
    assert draw(nonzero=0, negative=1) == -1
    assert draw(nonzero=0, digit_0=3, digit_2=5) == 1 + 0b101
    assert draw(negative=1, digit_0=3) == 0


def test_laplace_is_held_where_every_longer_draw_ends():
    kernel = DiscreteLaplace(Fraction(3), limit=10)
    row = [LOW, HIGH, LOW] + [HIGH] * kernel.digits
    for value in (-10, 0, 10):
        # The coin "beyond" ties on its first word, and a zero word after it makes it heads.
        assert kernel.sample(np.full((1, 1), value), words(row), lambda _: LOW)[0, 0] == kernel.bound
        row[1] = LOW
        assert kernel.sample(np.full((1, 1), value), words(row), lambda _: LOW)[0, 0] == -kernel.bound
        row[1] = HIGH


def test_a_tied_coin_asks_its_own_row_for_more():
    kernel = DiscreteLaplace(Fraction(3), limit=10)
    coins = _laplace_coins(kernel.scale, kernel.digits)
    row = [HIGH] * (3 + kernel.digits)
    row[0] = coins[0].digits(64)
    asked = []

    def more(at):
        asked.append(at)
        return LOW if at == 1 else HIGH

    drawn = kernel.sample(np.zeros((3, 1), np.int64), words([HIGH] * len(row), row, row), more)
    assert drawn.ravel().tolist() == [0, 1, 0]
    assert asked == [1, 2]


@pytest.mark.parametrize(
    "kernel", [Rotation(((Fraction(0),), (Fraction(1),), (Fraction(2),))), WrappedLaplace.of(Fraction(2), 3)]
)
def test_a_rotation_cuts_where_the_law_says(kernel):
    first, second = (cut.digits(64) for cut in cuts(kernel.exponents))
    row = words([0], [first - 1], [first + 1], [second - 1], [second + 1], [HIGH])
    assert kernel.sample(np.ones((6, 1), np.int64), row, no_more).ravel().tolist() == [1, 1, 2, 2, 0, 0]
    tie = words([first], [first], [second])
    drawn = kernel.sample(np.ones((3, 1), np.int64), tie, lambda row: [LOW, HIGH, HIGH][row])
    assert drawn.ravel().tolist() == [1, 2, 0]


def test_choice_settles_what_forty_bits_leave_open():
    """Words at every cut, and one beside it: decided as the exact cuts decide, by the slow path where it must be."""
    kernel, levels = Choice(Fraction(1, 1000), 4096), [4096, 17, 2048, 0, 4000]
    exact_cuts = [cut.digits(64) for cut in cuts([[kernel.rate * (4096 - level)] for level in levels])]
    for index, cut in enumerate(exact_cuts):
        values = np.tile(levels, (4, 1))
        drawn = kernel.sample(values, words([cut - 1], [cut], [cut], [cut + 1]), lambda row: [0, LOW, HIGH, 0][row])
        assert drawn.ravel().tolist() == [index, index, index + 1, index + 1]


def test_choice_between_equals_cuts_at_the_exact_fraction():
    kernel, half = Choice(Fraction(1, 3), 4096), 2**63
    for levels in ([7, 7], [9, 5, 5, 9], [4096] * 8, [0] * 8):
        drawn = kernel.sample(np.array([levels] * 3), words([half - 1], [half], [half + 1]), lambda _: LOW + 1)
        middle = len(levels) // 2
        assert drawn.ravel().tolist() == [middle - 1, middle, middle]


def test_high_word_is_the_products():
    random = np.frombuffer(bytes(range(256)) * 4, "<u8")
    a, b = random.repeat(len(random)), np.tile(random, len(random)) >> np.uint64(1)
    extremes = words(HIGH, HIGH, 0, 1), words(2**63 - 1, 1, 2**63 - 1, 2**63 - 1)
    for left, right in ((a, b), extremes):
        expected = [int(x) * int(y) >> 64 for x, y in zip(left, right, strict=True)]
        assert _high_word(left, right).tolist() == expected


@pytest.mark.parametrize("scale", ["1/4", "1", "33.3", "2097152", "1e12"])
def test_keyed_laplace_has_opendps_law(scale):
    kernel, values = DiscreteLaplace(Fraction(scale), 8), np.zeros((20, 1000), np.int64)
    drawn = [source.apply(kernel, values, b"test", contexts(20)).ravel() for source in (KEYED, OS)]
    assert two_sample_p(*drawn) > P_THRESHOLD
    assert two_sample_p(drawn[0], drawn[1] * 7 // 10) < P_THRESHOLD


def test_keyed_wrapped_laplace_has_opendps_law():
    kernel, values = WrappedLaplace.of(Fraction(3), 10), np.zeros((20, 1000), np.int64)
    drawn = [source.apply(kernel, values, b"test", contexts(20)).ravel() for source in (KEYED, OS)]
    assert two_sample_p(*drawn) > P_THRESHOLD


def test_opendp_saturates_without_wrapping_round():
    """Noise of the widest scale that a grid may have still ends inside the bound, on both sides."""
    kernel = DiscreteLaplace(Fraction(2**46), 2**20)
    drawn = kernel.system(np.full((1, 2000), 2**20))
    assert drawn.min() < 0 < drawn.max()
    assert abs(drawn).max() <= kernel.bound <= 2**53


@pytest.mark.parametrize("scale, limit", [("0", 1), ("-1", 1), ("1e15", 1), ("1", 2**53)])
def test_what_float64_could_not_hold_is_refused(scale, limit):
    with pytest.raises(InvalidParameter):
        DiscreteLaplace(Fraction(scale), limit)

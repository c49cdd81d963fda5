"""Laplace on vectors: the ball is never left, and the draws are what the page says."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deid_udf.privacy import InexactNumber, InvalidParameter, InvalidValues, LaplaceUnbounded, LaplaceVector
from deid_udf.privacy.laplace import _into_ball, _l1_norm
from tests.unit.privacy.invariants import NoisyInvariants
from tests.unit.privacy.sources import KEYED, contexts

HARD = [0.0, -0.0, 5e-324, -2.2e-308, 1e-30, 1 / 3, 1.0, 8.0, np.nextafter(8, 9), 1e30, -1e308, 1.7976931348623157e308]


class _Vectors(NoisyInvariants):
    def values(self, rows):
        return np.random.default_rng(5).normal(size=(rows, 3)) * 4

    def refused(self):
        good = np.zeros((2, 3))
        bad = [np.where(np.eye(2, 3) > 0, value, good) for value in (np.nan, np.inf, -np.inf)]
        return [*bad, np.zeros(3), np.zeros((2, 4)), np.zeros((2, 3), complex), np.full((2, 3), "1")]


class TestLaplaceVector(_Vectors):
    mechanism = LaplaceVector("0.5", k=3, radius=8, grid_bits=20)


class TestLaplaceUnbounded(_Vectors):
    mechanism = LaplaceUnbounded("0.5", k=3, grid_bits=20)


vectors = arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.just(16)),
    elements=st.one_of(st.sampled_from(HARD), st.floats(allow_nan=False, allow_infinity=False)),
)


@settings(max_examples=300, deadline=None)
@given(vectors, st.sampled_from(["1", "8", "0.0625", "7/4", "512"]), st.integers(4, 20))
def test_clip_and_quantise_never_leaves_the_ball(values, radius, grid_bits):
    encoded = LaplaceVector(8, 16, radius, grid_bits).encode(values)
    assert (np.abs(encoded).sum(axis=1) <= Fraction(radius) * 2**grid_bits).all()


@settings(max_examples=200, deadline=None)
@given(arrays(np.float64, (1, 5), elements=st.floats(-1.5, 1.5)))
def test_inside_the_ball_quantising_goes_towards_zero_by_less_than_a_step(values):
    mechanism = LaplaceVector(8, 5, 8, 10)
    quantised = mechanism.encode(values) / 2**10
    assert (np.abs(quantised) <= np.abs(values)).all()
    assert (np.abs(values - quantised) < 2**-10).all()


@settings(max_examples=200, deadline=None)
@given(arrays(np.int64, (3, 9), elements=st.integers(-(2**32), 2**32)), st.integers(1, 2**31 - 1))
def test_integers_end_inside_the_ball_and_those_inside_stay(grid, radius):
    inside = _into_ball(grid, radius)
    assert (np.abs(inside).sum(axis=1) <= radius).all()
    assert (np.abs(inside) <= np.abs(grid)).all() and (inside * grid >= 0).all()
    assert (_into_ball(inside, radius) == inside).all()


def test_clipping_does_not_depend_on_the_order_of_addition():
    """Under a key another value is another release: a vector summed in another order must be the same value."""
    unit = np.random.default_rng(3).uniform(-1, 1, size=(200, 512))
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(512)
        assert (_l1_norm(unit) == _l1_norm(unit[:, order])).all()
    assert _l1_norm(unit) == pytest.approx(np.abs(unit).sum(axis=1, keepdims=True))


def test_outside_the_ball_the_direction_stays():
    values = np.array([[30.0, -10.0, 0.0], [3e300, -1e300, 0.0]])
    assert LaplaceVector(8, 3, 8, 20).encode(values) / 2**20 == pytest.approx(np.array([[6, -2, 0]] * 2), abs=2**-19)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_named_and_not_shown(bad):
    values = np.zeros((4, 2))
    values[2, 1] = bad
    for mechanism in (LaplaceVector(8, 2, 8, 20), LaplaceUnbounded(8, 2, 20)):
        with pytest.raises(InvalidValues) as raised:
            mechanism.release(values, noise=KEYED, contexts=contexts(4))
        assert raised.value.rows == (2,)
        assert str(bad) not in str(raised.value)


def test_unbounded_holds_a_coordinate_without_moving_two_apart():
    mechanism = LaplaceUnbounded(1, 1, 20)
    huge, encoded = np.array([[1e30], [1e308], [-1e30]]), mechanism.encode
    assert encoded(huge).ravel().tolist() == [mechanism.limit, mechanism.limit, -mechanism.limit]


def test_output_lies_on_the_grid():
    released = LaplaceVector("0.1", 8, 8, 12).release(np.ones((50, 8)), noise=KEYED, contexts=contexts(50))
    assert (released * 2**12 == np.rint(released * 2**12)).all()


def test_epsilon_is_exact_for_every_distance():
    mechanism = LaplaceVector("8/7", 4, "7/2", 10)
    assert mechanism.epsilon(1) == Fraction(8, 49)
    assert mechanism.epsilon(7) == mechanism.epsilon(1000) == mechanism.worst_case == Fraction(8, 7)
    assert LaplaceUnbounded("0.1", 4, 10).epsilon(30) == 3


@pytest.mark.parametrize("radius, grid_bits", [("1/3", 20), (8, 30), ("0.001", 8)])
def test_a_radius_off_the_grid_or_too_fine_is_refused(radius, grid_bits):
    with pytest.raises(InvalidParameter):
        LaplaceVector(8, 8, radius, grid_bits)


@pytest.mark.parametrize("epsilon", [0, -1, "0", 8.0, float("nan"), "eight", True, None])
def test_epsilon_is_exact_and_positive(epsilon):
    with pytest.raises(InexactNumber):
        LaplaceVector(epsilon, 8, 8, 20)
    with pytest.raises(InexactNumber):
        LaplaceUnbounded(epsilon, 8, 20)


def test_noise_too_wide_for_the_grid_is_refused_beforehand():
    with pytest.raises(InvalidParameter):
        LaplaceVector("1e-12", 8, 8, 20)

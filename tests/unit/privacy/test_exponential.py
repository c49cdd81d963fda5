"""The exponential mechanism over a codebook."""

from fractions import Fraction

import numpy as np
import pytest

from deid_udf.privacy import Exponential
from tests.unit.privacy.audit import P_THRESHOLD, chi_square_p
from tests.unit.privacy.invariants import NoisyInvariants
from tests.unit.privacy.sources import SOURCES, contexts


class TestExponential(NoisyInvariants):
    mechanism = Exponential("0.5", size=40)

    def values(self, rows):
        return np.random.default_rng(5).random((rows, 40))

    def refused(self):
        return [np.full((2, 40), np.nan), np.full((1, 40), np.inf), np.zeros((2, 39)), np.zeros(40)]


def test_utilities_are_held_to_the_unit_interval():
    encoded = Exponential(1, 4).encode(np.array([[-3.0, 0.0, 1.0, 1e30]]))
    assert encoded.tolist() == [[0, 0, Exponential.levels, Exponential.levels]]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_large_codebook_follows_the_exact_law(source):
    size, runs = 300, 20_000
    utilities = np.random.default_rng(1).random(size)
    quantised = np.floor(utilities * Exponential.levels) / Exponential.levels
    chosen = Exponential(4, size).release(np.tile(utilities, (runs, 1)), noise=source, contexts=contexts(runs))
    assert chi_square_p(np.bincount(chosen, minlength=size), np.exp(2 * quantised)) > P_THRESHOLD


def test_one_entry_is_no_choice():
    assert Exponential(8, 1).release(np.ones((5, 1)), noise=SOURCES[0], contexts=contexts(5)).tolist() == [0] * 5


def test_epsilon_follows_the_largest_difference():
    assert Exponential(8, 3).epsilon("0.25") == 2
    assert Exponential(8, 3).epsilon(5) == Fraction(8)

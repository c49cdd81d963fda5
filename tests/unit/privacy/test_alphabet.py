"""Letters and plates."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from deid_udf.privacy import (
    CyclicLaplace,
    Event,
    Guarantee,
    InvalidParameter,
    InvalidValues,
    Prior,
    Product,
    RandomizedResponse,
    UnknownEvent,
    mechanism_from_event,
)
from tests.unit.privacy.invariants import NoisyInvariants
from tests.unit.privacy.sources import KEYED, contexts


class _Letters(NoisyInvariants):
    def values(self, rows):
        return np.arange(rows) * 7 % 31

    def refused(self):
        return [np.array([0, 31]), np.array([-1]), np.zeros(2), np.zeros((2, 1), int), np.array([2**40])]


class TestCyclicLaplace(_Letters):
    mechanism = CyclicLaplace("0.5", 31)


class TestRandomizedResponse(_Letters):
    mechanism = RandomizedResponse("0.5", 31)


class TestProduct(NoisyInvariants):
    mechanism = Product((RandomizedResponse("0.5", 31), CyclicLaplace("0.25", 24), RandomizedResponse("0.5", 31)))

    def values(self, rows):
        return np.arange(rows)[:, None] * [7, 5, 3] % 24

    def refused(self):
        return [np.array([[0, 24, 0]]), np.array([[0, 0, -1]]), np.zeros((2, 3)), np.zeros((2, 2), int)]


def test_rows_outside_the_alphabet_are_named():
    with pytest.raises(InvalidValues) as raised:
        RandomizedResponse(1, 10).release(np.array([3, 10, 4, -1]), noise=KEYED, contexts=contexts(4))
    assert raised.value.rows == (1, 3)


def test_a_product_adds_and_takes_the_weakest_word():
    pure = Product((RandomizedResponse("0.1", 31), RandomizedResponse("0.2", 34)))
    mixed = Product((*pure.parts, CyclicLaplace("0.1", 10)))
    assert (pure.worst_case, pure.guarantee, pure.epsilon_unit) == (Fraction(3, 10), Guarantee.PURE, None)
    assert (mixed.worst_case, mixed.guarantee) == (Fraction(8, 10), Guarantee.METRIC)


@pytest.mark.parametrize("modulus", [2, 5, 6])
@pytest.mark.parametrize("epsilon", ["0.5", "2"])
def test_claims_hold_for_every_pair_and_output(modulus, epsilon):
    """The exact laws, by enumeration: no pair of letters is told apart better than claimed at its distance."""
    for letter in (CyclicLaplace(epsilon, modulus), RandomizedResponse(epsilon, modulus)):
        weights = np.array([sum(np.exp(-float(x)) for x in piece) for piece in letter.kernel().exponents])
        law = weights / weights.sum()
        for first, second, output in product(range(modulus), repeat=3):
            steps = min((first - second) % modulus, (second - first) % modulus)
            distance = steps if isinstance(letter, CyclicLaplace) else int(first != second)
            loss = np.log(law[(output - first) % modulus] / law[(output - second) % modulus])
            assert loss <= float(letter.epsilon(distance)) + 1e-12


def test_a_products_epsilon_is_the_worst_split_of_a_distance():
    plate = Product((CyclicLaplace("0.5", 6), RandomizedResponse(2, 4), CyclicLaplace(1, 4)))
    by_hand = [Fraction(0), 2, 3, 4, Fraction(9, 2), 5, Fraction(11, 2)]
    assert [plate.epsilon(distance) for distance in range(7)] == by_hand
    for distance in range(7):
        splits = (s for s in product(range(4), range(2), range(3)) if sum(s) == distance)
        worst = max(sum(part.epsilon(d) for part, d in zip(plate.parts, split, strict=True)) for split in splits)
        assert plate.epsilon(distance) == worst
    assert plate.epsilon(6) == plate.epsilon(100) == plate.worst_case


def test_a_product_of_other_things_is_refused():
    with pytest.raises(InvalidParameter):
        Product((Prior("plate"),))
    with pytest.raises(ValueError):
        Product(())
    with pytest.raises(UnknownEvent):
        mechanism_from_event(Event("product", 1, {"parts": '[["rot13", 1, {}]]'}))


def test_positions_are_independent_of_each_other():
    plate = Product((RandomizedResponse("0.01", 2), RandomizedResponse("0.01", 2)))
    released = plate.release(np.zeros((40_000, 2), int), noise=KEYED, contexts=contexts(40_000))
    table = np.bincount(released @ [2, 1], minlength=4).reshape(2, 2) / len(released)
    assert abs(table - np.outer(table.sum(1), table.sum(0))).max() < 0.01

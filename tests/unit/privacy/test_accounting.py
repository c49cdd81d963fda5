"""Composition: monotone, free of order, and honest about what was mixed."""

from fractions import Fraction
from math import log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid_udf.privacy import (
    Baseline,
    CyclicLaplace,
    DpPix,
    Exponential,
    Guarantee,
    InvalidParameter,
    LaplaceUnbounded,
    LaplaceVector,
    MixedGuarantees,
    ParallelMax,
    PlainSum,
    Pld,
    Prior,
    RandomizedResponse,
)

ACCOUNTANTS = (PlainSum(), ParallelMax(), Pld("1e-6"))
each = pytest.mark.parametrize("accountant", ACCOUNTANTS, ids=lambda accountant: type(accountant).__name__)

epsilons = st.sampled_from(["0.1", "1", "1.5", "8/7"])
pure = st.one_of(
    st.builds(LaplaceVector, epsilons, st.just(8), st.just(8), st.just(20)),
    st.builds(Exponential, epsilons, st.just(16)),
    st.builds(RandomizedResponse, epsilons, st.just(31)),
    st.builds(Prior, st.just("face")),
)


@each
@settings(max_examples=25, deadline=None)
@given(releases=st.lists(pure, max_size=5), one=pure, data=st.data())
def test_monotone_and_order_free(accountant, releases, one, data):
    shuffled = data.draw(st.permutations(releases))
    cost = accountant.compose(releases)
    assert accountant.compose(shuffled) == cost
    assert accountant.compose([*releases, one]).epsilon >= cost.epsilon
    assert accountant.compose([*releases, Prior("plate")]) == cost


def test_sum_and_maximum_are_exact():
    releases = [Exponential("0.1", 4)] * 10 + [RandomizedResponse("8/7", 4)]
    assert PlainSum().compose(releases).epsilon == Fraction(15, 7)
    assert ParallelMax().compose(releases).epsilon == Fraction(8, 7)
    assert PlainSum().compose([]).epsilon == ParallelMax().compose([]).epsilon == 0


@each
def test_words_are_never_mixed_unasked(accountant):
    releases = [Exponential(1, 4), CyclicLaplace("0.5", 10)]
    with pytest.raises(MixedGuarantees):
        accountant.compose(releases)
    cost = accountant.compose(releases, metric_at_worst_case=True)
    assert (cost.mixed, cost.guarantee) == (True, Guarantee.METRIC)
    expected = Fraction(5, 2) if isinstance(accountant, ParallelMax) else Fraction(7, 2)
    assert cost.epsilon == pytest.approx(expected, rel=1e-5 if isinstance(accountant, Pld) else 0, abs=0)
    assert cost.epsilon <= expected
    alone = accountant.compose(releases[1:])
    assert (alone.mixed, alone.guarantee) == (False, Guarantee.METRIC)


@each
def test_neighbour_relations_are_never_mixed(accountant):
    with pytest.raises(MixedGuarantees, match="neighbour"):
        accountant.compose([Exponential(1, 4), DpPix(1, 4, 16)], metric_at_worst_case=True)


@each
def test_an_unbounded_release_has_no_finite_cost(accountant):
    for unbounded, word in ((Baseline("blur"), Guarantee.NONE), (LaplaceUnbounded(1, 4, 20), Guarantee.METRIC)):
        cost = accountant.compose([unbounded, Prior("face")])
        assert (cost.epsilon, cost.guarantee) == (None, word)


def test_pld_agrees_with_the_exact_composition_of_randomised_response():
    """(ε, δ) of n-fold composition of ε₀-DP, by its closed form (Kairouz, Oh and Viswanath 2015, Theorem 3.3)."""
    from math import comb, exp

    n, one, delta = 100, 0.5, Fraction("1e-6")
    cost = Pld(delta).compose([RandomizedResponse("0.5", 2)] * n)

    def optimal_delta(epsilon):
        terms = (comb(n, i) * max(exp(one * (n - i)) - exp(epsilon + one * i), 0.0) for i in range(n + 1))
        return sum(terms) / (1 + exp(one)) ** n

    assert cost.epsilon is not None
    assert optimal_delta(float(cost.epsilon)) <= float(delta) < optimal_delta(float(cost.epsilon) - 0.2)
    assert cost.epsilon < Fraction(n, 2)
    assert cost.delta == delta
    assert float(cost.epsilon) > log(2)


@pytest.mark.parametrize("delta", [0, 1, "-1e-6", 2])
def test_delta_lies_between(delta):
    with pytest.raises(InvalidParameter):
        Pld(delta)

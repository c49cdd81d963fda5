"""Caps hold exactly, before anything is spent."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid_udf.privacy import Cap, InexactNumber, InvalidParameter, Standing, affordable, allowance, granted, spent

amounts = st.decimals(0, 10**6, places=18)


def test_a_billionth_decides():
    assert affordable("1.999999999", 2)
    assert affordable(2, 2)
    assert not affordable("2.000000001", 2)
    assert not affordable(Fraction(2) + Fraction(1, 10**30), Decimal(2))
    assert not affordable(None, 10**30)
    assert affordable(None, None)


def test_ten_tenths_are_one():
    assert granted(["0.1"] * 11, 1) == (True,) * 10 + (False,)


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), amounts), max_size=12), amounts)
def test_what_is_granted_never_exceeds_the_allowance(requests, remaining):
    grants = granted(requests, remaining)
    paid = [request for request, grant in zip(requests, grants, strict=True) if grant]
    assert None not in paid
    assert sum(map(Fraction, paid)) <= Fraction(remaining)
    assert all(granted(requests, None))


def test_a_cheaper_object_behind_one_that_does_not_fit_still_fits():
    assert granted([8, 3, None, 2], 10) == (True, False, False, True)


@settings(deadline=None)
@given(amounts, amounts, st.integers(1, 10**7))
def test_shares_never_exceed_what_is_left(cap, already, images):
    scope = Standing(cap, already, images)
    left = Fraction(scope.left)
    assert left == max(Fraction(cap) - Fraction(already), 0)
    assert 0 <= left - Fraction(scope.share) * images < Fraction(images, 10**18)


def test_an_allowance_is_the_least_share():
    scopes = [Standing(cap=64, spent=0), Standing(cap=2000, spent="1999.5", images=3)]
    assert allowance(scopes) == Decimal("0.166666666666666666")
    assert allowance([*scopes, Standing(2, 3)]) == 0
    assert allowance([]) is None


@settings(deadline=None)
@given(st.lists(amounts, min_size=1, max_size=6), st.permutations(range(6)))
def test_the_sum_of_a_ledger_is_exact_and_order_free(values, order):
    shuffled = [values[i] for i in order if i < len(values)]
    assert spent(values) == spent(shuffled) == sum(map(Fraction, values))


def test_impossible_budgets_are_refused():
    with pytest.raises(InexactNumber):
        Cap(("sequence_id",), 0.5)  # type: ignore[arg-type]
    with pytest.raises(InvalidParameter):
        Cap(("sequence_id",), "-1")
    with pytest.raises(ValueError):
        Cap((), 1)
    with pytest.raises(ValueError):
        Standing(1, 0, images=0)
    assert Cap(["sequence_id", "day"], 2000) == Cap(("sequence_id", "day"), Decimal("2000.0"))

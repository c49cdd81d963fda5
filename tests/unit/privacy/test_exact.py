"""Exact numbers, and the ledger's DECIMAL(38, 18)."""

from decimal import Decimal
from fractions import Fraction
from math import inf, nan, nextafter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deid_udf.privacy import InexactNumber, exact, to_decimal
from deid_udf.privacy.exact import float_above

ledger_amounts = st.decimals(0, Decimal("99999999999999999999"), places=18)


@pytest.mark.parametrize(
    "text, ratio", [("0.1", (1, 10)), ("8/7", (8, 7)), (8, (8, 1)), (Decimal("1e-18"), (1, 10**18))]
)
def test_exact_takes_decimals_ratios_and_integers(text, ratio):
    assert exact(text) == Fraction(*ratio)


@pytest.mark.parametrize("bad", [0.1, 1.0, nan, True, None, "eight", "1/0", "", Decimal("nan"), Decimal("inf"), b"1"])
def test_exact_refuses_the_rest(bad):
    with pytest.raises(InexactNumber):
        exact(bad)


@settings(deadline=None)
@given(st.lists(ledger_amounts, min_size=1, max_size=20))
def test_ledger_round_trips_exactly_through_parquet(amounts):
    column = pa.array([to_decimal(amount) for amount in amounts], pa.decimal128(38, 18))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"epsilon": column}), sink)
    back = pq.read_table(pa.BufferReader(sink.getvalue()))["epsilon"].to_pylist()
    assert [exact(value) for value in back] == [exact(amount) for amount in amounts]


@pytest.mark.parametrize("value", ["8/7", "1e-19", "1e20", "0.0000000000000000001"])
def test_a_ledger_never_rounds(value):
    with pytest.raises(InexactNumber):
        to_decimal(value)


@settings(deadline=None)
@given(st.fractions(min_value=Fraction(1, 10**9), max_value=10**9))
def test_float_above_is_the_least_that_is_not_below(value):
    above = float_above(value)
    assert Fraction(above) >= value > Fraction(nextafter(above, -inf))

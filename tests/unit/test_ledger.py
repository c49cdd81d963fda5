"""Ledger entries: exact ε, unbounded is null and never zero, and a memoised draw is charged once."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid_udf import ledger, schema
from deid_udf.detect.region import Region
from deid_udf.detect.union import Found
from deid_udf.privacy import Baseline, LaplaceVector, Mechanism, OsNoise, Prior, RandomizedResponse
from deid_udf.protect import Replacement
from deid_udf.schema import Cause, Outcome

FOUND = Found(Region("face", 0.75, (1.4, 2.6, 30.2, 40.9), "test"), review=True)


def _replacement(mechanism: Mechanism, memo: bytes | None = None) -> Replacement:
    return Replacement(
        content=np.zeros((4, 4, 3), np.uint8),
        matrix=np.eye(3),
        outline=np.zeros((4, 2), np.float32),
        blend="paste",
        outcome=Outcome.REPLACED,
        cause=Cause.NONE,
        mechanism=mechanism,
        memo=memo,
    )


LAPLACE = LaplaceVector(epsilon=Fraction(8), k=8, radius=Fraction(8), grid_bits=20)


def _entry(mechanism: Mechanism) -> dict[str, Any]:
    return ledger.entry(0, FOUND, _replacement(mechanism), OsNoise())


@pytest.mark.parametrize("mechanism", [LAPLACE, RandomizedResponse(Fraction(7), 31), Prior("face"), Baseline("blur")])
def test_an_entry_fits_the_schema_and_round_trips(mechanism: Mechanism) -> None:
    entry = _entry(mechanism)
    back = pa.array([entry], schema.OBJECT).to_pylist()[0]
    assert back["epsilon"] == entry["epsilon"]
    assert back["box"] == [1, 3, 30, 41]
    assert dict(back["parameters"]) == {k: str(v) for k, v in mechanism.parameters().items()}


def test_the_noise_source_is_named_only_where_there_is_noise() -> None:
    assert _entry(LAPLACE)["noise_source"] == "os"
    assert _entry(Prior("face"))["noise_source"] == ""


def test_no_guarantee_is_null_and_never_zero() -> None:
    entry = _entry(Baseline("blur"))
    assert entry["guarantee"] == "none"
    assert entry["epsilon"] is None
    assert ledger.totals([entry, _entry(LAPLACE)]) == (None, None)


def test_totals_are_sum_and_maximum() -> None:
    entries = [_entry(LAPLACE), _entry(LAPLACE), _entry(Prior("face"))]
    assert ledger.totals(entries) == (Decimal(16), Decimal(8))
    assert ledger.totals([]) == (Decimal(0), Decimal(0))


@given(st.fractions(min_value=0, max_value=10**6))
def test_decimals_never_understate(epsilon: Fraction) -> None:
    written = ledger.to_decimal(epsilon)
    assert written is not None
    assert 0 <= Fraction(written) - epsilon < Fraction(1, 10**18)
    pa.array([written], schema.EPSILON)


@given(st.decimals(min_value=0, max_value=10**9, places=18))
def test_what_a_decimal_can_hold_is_exact(epsilon: Decimal) -> None:
    assert ledger.to_decimal(Fraction(epsilon)) == epsilon


def test_a_memoised_draw_is_charged_once() -> None:
    charged: dict[bytes, str] = {}
    spent = []
    for image in ("a", "b"):
        replacements = [_replacement(LAPLACE, b"one"), _replacement(LAPLACE, b"two"), _replacement(LAPLACE)]
        entries = [ledger.entry(i, FOUND, r, OsNoise()) for i, r in enumerate(replacements)]
        ledger.charge_once(image, entries, replacements, charged)
        spent.append([(e["epsilon"], e["memo_of"]) for e in entries])
    assert spent[0] == [(8, None), (8, None), (8, None)]
    assert spent[1] == [(0, "a/0"), (0, "a/1"), (8, None)]


def test_the_same_draw_twice_in_one_image_is_charged_once() -> None:
    replacements = [_replacement(LAPLACE, b"one"), _replacement(LAPLACE, b"one")]
    entries = [ledger.entry(i, FOUND, r, OsNoise()) for i, r in enumerate(replacements)]
    ledger.charge_once("a", entries, replacements, {})
    assert [e["memo_of"] for e in entries] == [None, "a/0"]


def test_outcome_and_cause_are_written() -> None:
    filled = replace(_replacement(Baseline("fill")), outcome=Outcome.FILLED, cause=Cause.FAILED)
    entry = ledger.entry(3, FOUND, filled, OsNoise())
    assert (entry["object_id"], entry["outcome"], entry["cause"], entry["epsilon"]) == (3, "filled", "failed", 0)
    assert entry["review"]

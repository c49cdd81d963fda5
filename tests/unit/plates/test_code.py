from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid_udf.plates import code
from deid_udf.plates.formats import load_format
from deid_udf.policy import CyclicLaplace, RandomizedResponse
from deid_udf.privacy import Guarantee, OsNoise

BLUE = load_format("cn-blue").expand()[0]


def test_the_papers_worked_example():
    assert code.to_table("京A132B3") == [0, 10, 1, 3, 2, 11, 3]
    assert code.from_table([0, 10, 1, 3, 2, 11, 3]) == "京A132B3"


def test_the_papers_perturbed_example_by_its_own_table():
    # The paper prints "Hebei D2ENF2"; its Table A1 gives 03 to Shandong, and 23 is P among 24 letters.
    assert code.from_table([3, 13, 2, 14, 23, 15, 2]) == "鲁D2EPF2"


def test_table_a1_by_distance_from_beijing():
    assert len(code.PROVINCES) == len(set(code.PROVINCES)) == 31
    known = {"京": 0, "津": 1, "冀": 2, "鲁": 3, "晋": 4, "吉": 9, "陕": 12, "沪": 14, "渝": 21, "粤": 25, "藏": 30}
    assert {p: code.PROVINCES.index(p) for p in known} == known
    assert len(code.SYMBOLS) == 34
    assert not set("IO") & set(code.SYMBOLS)


@given(st.tuples(*(st.integers(0, m - 1) for m in BLUE.moduli)))
def test_a_code_and_its_text_are_one_to_one(values):
    text = code.decode(values, BLUE)
    assert BLUE.accepts(text)
    assert code.encode(text, BLUE) == list(values)
    assert code.from_table(code.to_table(text)) == text


def test_randomised_response_shares_the_plates_epsilon_exactly():
    mechanism = code.mechanism(RandomizedResponse(name="randomized_response", epsilon=Decimal(8)), BLUE)
    assert mechanism.worst_case == 8
    assert mechanism.guarantee is Guarantee.PURE
    assert [part.worst_case for part in mechanism.parts] == [Fraction(8, 7)] * 7


def test_cyclic_laplace_takes_its_epsilon_at_every_step():
    mechanism = code.mechanism(CyclicLaplace(name="cyclic_laplace", epsilon=Decimal("0.5")), BLUE)
    assert mechanism.guarantee is Guarantee.METRIC
    assert mechanism.worst_case == Fraction(1, 2) * (15 + 12 + 5 * 17)


def test_noise_wraps_round_what_each_position_allows():
    mechanism = code.mechanism(CyclicLaplace(name="cyclic_laplace", epsilon=Decimal("0.01")), BLUE)
    values = np.array([code.encode("藏ZZZZZZ", BLUE)] * 500)
    noisy = mechanism.release(values, noise=OsNoise(), contexts=[(b"x", bytes(2))] * 500)
    assert all(BLUE.accepts(code.decode(row, BLUE)) for row in noisy.tolist())
    assert len(np.unique(noisy[:, 0])) > 20


def test_reserved_plates_follow_no_issued_pattern():
    form = load_format("cn-blue")
    assert code.reserve("京A132B3", form, BLUE) == "京I132B3"
    assert not BLUE.accepts(code.reserve("京A132B3", form, BLUE))


@pytest.mark.parametrize(
    ("name", "text", "reserved"),
    [("de", "BAB1234", "BAB0234"), ("ro", "BC12ABC", "BC12IBC"), ("ro", "B12ABC", "B12IBC")],
)
def test_a_reserved_series_follows_its_class_through_the_patterns(name, text, reserved):
    form = load_format(name)
    pattern = next(one for one in form.expand() if one.accepts(text))
    assert code.reserve(text, form, pattern) == reserved


def test_a_text_off_the_pattern_has_no_code():
    with pytest.raises(ValueError, match="substring not found"):
        code.encode("京1132B3", BLUE)

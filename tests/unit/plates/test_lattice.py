import numpy as np
import pytest

from deid_udf.plates.formats import Pattern, load_format
from deid_udf.plates.lattice import ALL, best, columns, gather

BLUE = load_format("cn-blue").expand()[0]


def lattice(spelled, sure=0.98):
    """One step a character; "_" is nothing."""
    table = np.full((len(spelled), len(ALL) + 1), (1 - sure) / len(ALL), np.float32)
    for step, character in enumerate(spelled):
        table[step, 0 if character == "_" else ALL.index(character) + 1] = sure
    return table


def test_a_clear_reading_costs_nothing():
    fit = best(lattice("_京_A_11_3_2_BB_3_"), BLUE)
    assert fit is not None
    assert fit.text == "京A132B3"
    assert fit.gap == pytest.approx(0, abs=1e-6)


def test_equal_neighbours_need_nothing_between_them():
    pattern = Pattern(("0123456789",) * 3, ("",) * 4)
    merged, apart = best(lattice("_1122_"), pattern), best(lattice("_1_1_2_"), pattern)
    assert apart is not None
    assert apart.text == "112"
    assert apart.gap == pytest.approx(0, abs=1e-6)
    assert merged is None or merged.gap > 1


def test_lookalikes_turn_into_what_the_position_allows():
    fit = best(lattice("_京_A_O_I_2_B_3_"), BLUE)
    assert fit is not None
    assert fit.text == "京A012B3"
    assert fit.gap == pytest.approx(0, abs=0.05)


def test_a_text_of_another_length_has_a_gap():
    short, long = best(lattice("_京_A_1_2_3_4_"), BLUE), best(lattice("_京_A_1_2_3_4_5_6_"), BLUE)
    assert short is None or short.gap > 1
    assert long is not None
    assert long.gap > 0.4


def test_too_few_steps_fit_nothing():
    assert best(lattice("京A132"), BLUE) is None


def test_gather_sums_characters_by_symbol_and_the_rest_is_nothing():
    into = columns(["", "a", "A", "京", "·", "ab"])
    table = gather(np.array([[0.1, 0.2, 0.3, 0.15, 0.15, 0.1]], np.float32), into)
    assert table.shape == (1, len(ALL) + 1)
    np.testing.assert_allclose(table[0, ALL.index("A") + 1], 0.5, rtol=1e-6)
    np.testing.assert_allclose(table[0, ALL.index("京") + 1], 0.15, rtol=1e-6)
    np.testing.assert_allclose(table.sum(), 1, rtol=1e-6)

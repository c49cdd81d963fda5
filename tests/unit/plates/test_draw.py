import numpy as np
import pytest

from deid_udf.plates.draw import SCALE, draw_plate
from deid_udf.plates.formats import known_formats, load_format


def first(pattern):
    return "".join(alphabet[0] for alphabet in pattern.alphabets)


@pytest.mark.parametrize("name", sorted(known_formats()))
def test_every_layout_shows_every_symbol_of_the_text(name):
    form = load_format(name)
    for layout in form.layouts:
        for pattern in form.expand():
            text = first(pattern)
            plate = draw_plate(form, layout, pattern, text)
            assert plate.shape == (round(layout.size[1] * SCALE), round(layout.size[0] * SCALE), 3)
            for i, alphabet in enumerate(pattern.alphabets):
                other = text[:i] + alphabet[1] + text[i + 1 :]
                assert (draw_plate(form, layout, pattern, other) != plate).any(), f"position {i} is not drawn"


def test_a_plate_without_text_has_no_ink_inside():
    form = load_format("cn-blue")
    plate = draw_plate(form, form.layouts[0], form.expand()[0], "")
    assert (plate[30:-30, 30:-30] == plate[140, 440]).all()


def test_symbols_stand_where_the_standard_puts_them():
    form = load_format("cn-blue")
    plate = draw_plate(form, form.layouts[0], form.expand()[0], "京A00000").astype(int)
    ink = np.abs(plate - draw_plate(form, form.layouts[0], form.expand()[0], "")).sum(-1)
    columns = np.flatnonzero(ink.any(0)) / SCALE
    assert columns[0] == pytest.approx(15.5, abs=2)
    assert columns[-1] == pytest.approx(424.5, abs=2)
    rows = np.flatnonzero(ink.any(1)) / SCALE
    assert (rows[0], rows[-1]) == pytest.approx((25, 115), abs=1)
    dot = np.flatnonzero(ink[round(70 * SCALE), round(118 * SCALE) : round(151 * SCALE)]) / SCALE + 118
    assert dot.mean() == pytest.approx(134.5, abs=1)

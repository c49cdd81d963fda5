import numpy as np

from deid_udf.plates.formats import load_format
from deid_udf.plates.identify import Look, identify
from deid_udf.plates.lattice import ALL

BLUE, YELLOW, GENERIC = (load_format(name) for name in ("cn-blue", "cn-yellow", "generic"))
BLUISH, YELLOWISH, WHITE = (
    Look(np.array(colour, np.uint8), 3.14) for colour in ((40, 80, 170), (220, 170, 60), (225, 226, 228))
)


def lattice(text):
    table = np.full((2 * len(text) + 1, len(ALL) + 1), 1e-4, np.float32)
    table[0::2, 0] = 0.99
    for i, symbol in enumerate(text):
        table[2 * i + 1, ALL.index(symbol) + 1] = 0.99
    return table


def test_the_colour_tells_equal_patterns_apart():
    for look, form in ((BLUISH, BLUE), (YELLOWISH, YELLOW)):
        found = identify([lattice("京A132B3")], look, [BLUE, YELLOW], GENERIC)
        assert found is not None
        assert (found.form, found.text) == (form, "京A132B3")


def test_the_reading_that_fits_better_wins():
    found = identify([lattice("A132B3"), lattice("京A132B3")], BLUISH, [BLUE], GENERIC)
    assert found is not None
    assert found.form is BLUE


def test_what_fits_no_listed_format_falls_back_and_keeps_its_classes():
    found = identify([lattice("AB12CD")], WHITE, [BLUE], GENERIC)
    assert found is not None
    assert (found.form, found.text) == (GENERIC, "AB12CD")
    assert found.pattern.moduli == (26, 26, 10, 10, 26, 26)


def test_nothing_legible_is_none():
    assert identify([lattice("")], WHITE, [BLUE], GENERIC) is None
    assert identify([lattice("A1")], WHITE, [BLUE], GENERIC) is None
    assert identify([], WHITE, [BLUE], GENERIC) is None


def test_the_shape_tells_equal_patterns_apart():
    wide, short = load_format("eu"), load_format("br-mercosur")
    for aspect, form in ((4.7, wide), (3.1, short)):
        found = identify([lattice("ABC1D23")], Look(WHITE.colour, aspect), [wide, short], GENERIC)
        assert found is not None
        assert found.form is form


def test_what_was_read_as_one_line_is_one_line_however_narrow_it_looks():
    steep = Look(YELLOWISH.colour, 2.2)  # 3.1 at 45 degrees
    for readings, lines in (([lattice("京A132B3"), lattice("A132")], 1), ([lattice("1"), lattice("京A132B3")], 2)):
        found = identify(readings, steep, [YELLOW], GENERIC)
        assert found is not None
        assert found.lines == lines
        assert len(YELLOW.layout(2.2, found.lines).rows) == lines

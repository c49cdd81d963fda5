import pytest
from pydantic import ValidationError

from deid_udf.errors import PolicyError
from deid_udf.plates import formats
from deid_udf.plates.code import reserve
from deid_udf.plates.formats import PlateFormat, known_formats, load_format


@pytest.mark.parametrize("name", sorted(known_formats()))
def test_every_shipped_format_fits_its_own_layouts(name):
    form = load_format(name)
    assert form.name == name
    for pattern in form.expand():
        assert 2 <= len(pattern) <= 8
        assert len(pattern.separators) == len(pattern) + 1
        for layout in form.layouts:
            taken = [row.symbols for row in layout.rows]
            assert taken[-1] is None, "the last row takes what is left"
            assert all(row.top + row.height <= layout.size[1] for row in layout.rows)
    if form.reserved:
        for pattern in form.expand():
            text = "".join(alphabet[0] for alphabet in pattern.alphabets)
            assert pattern.accepts(text)
            assert not any(other.accepts(reserve(text, form, pattern)) for other in form.expand())


def test_the_issue_names_are_all_there():
    wanted = {"cn-blue", "cn-yellow", "cn-green", "eu", "ro", "de", "us-generic", "br-old", "br-mercosur", "generic"}
    assert set(known_formats()) >= wanted


def test_a_pattern_has_an_alphabet_a_position_and_separators_between():
    (pattern,) = load_format("cn-blue").expand()
    assert pattern.moduli == (31, 24, 34, 34, 34, 34, 34)
    assert pattern.separators == ("", "", "·", "", "", "", "", "")
    assert pattern.accepts("京A132B3")
    assert not pattern.accepts("京1132B3")
    assert not pattern.accepts("京A132B")


def test_green_plates_have_eight_symbols():
    assert {len(pattern) for pattern in load_format("cn-green").expand()} == {8}


def test_generic_keeps_each_positions_class():
    form = load_format("generic")
    narrowed = form.narrow(form.expand()[0], "AB12CD3")
    assert narrowed.moduli == (26, 26, 10, 10, 26, 26, 10)


def test_the_layout_follows_the_regions_aspect():
    yellow = load_format("cn-yellow")
    assert len(yellow.layout(3.1).rows) == 1
    assert len(yellow.layout(1.9).rows) == 2


def test_an_unknown_format_is_refused_by_name():
    with pytest.raises(PolicyError, match=r"'mars'.*cn-blue"):
        load_format("mars")
    with pytest.raises(PolicyError, match="unknown plate format"):
        load_format("../policy/street")


def test_a_malformed_file_names_the_key(tmp_path, monkeypatch):
    (tmp_path / "bad.yaml").write_text("patterns: [XX]\nsource: nobody\n")
    monkeypatch.setattr(formats, "FOLDER", tmp_path)
    with pytest.raises(PolicyError, match="layouts"):
        load_format.__wrapped__("bad")


def test_a_class_without_alphabet_is_refused():
    good = load_format("cn-blue").model_dump()
    with pytest.raises(ValidationError, match="no alphabet for X"):
        PlateFormat.model_validate(good | {"patterns": ("PLX",)})


def test_series_settle_what_prints_alike():
    form = load_format("eu")
    assert form.settle("ABI23CD") == "AB123CD"
    assert form.settle("0X1Y2Z3") == "0X1Y2Z3", "fits no series"
    assert form.settle("A0123BC") == "AO123BC"
    assert load_format("cn-blue").settle("京A0O1I23") == "京A0O1I23"


def test_a_reserved_symbol_that_is_issued_is_refused():
    good = load_format("cn-blue").model_dump()
    for at, symbol in (("L", "A"), ("A", "I"), ("X", "I")):  # issued; a class of five positions; no class
        with pytest.raises(ValidationError, match="reserved"):
            PlateFormat.model_validate(good | {"reserved": {"at": at, "symbol": symbol, "source": "a made-up one"}})

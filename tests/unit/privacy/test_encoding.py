"""The encoding under which noise is derived: no two lists of fields share one."""

from itertools import combinations, product

from hypothesis import given, settings
from hypothesis import strategies as st

from deid_udf.privacy.encoding import encode, encode_event

fields = st.lists(st.binary(max_size=40), max_size=6)


def parse(data: bytes) -> list[bytes]:
    """What `encode` was given, read from its output alone."""
    count = int.from_bytes(data[:8], "big")
    lengths = [int.from_bytes(data[8 * i : 8 * i + 8], "big") for i in range(1, count + 1)]
    parsed, at = [], 8 * (count + 1)
    for length in lengths:
        parsed.append(data[at : at + length])
        at += length
    assert at == len(data)
    return parsed


@settings(deadline=None)
@given(fields)
def test_fields_can_be_read_back(given_fields):
    assert parse(encode(*given_fields)) == given_fields


@settings(deadline=None)
@given(fields, fields)
def test_two_lists_collide_only_if_they_are_one(first, second):
    assert (encode(*first) == encode(*second)) == (first == second)


def test_every_short_list_has_its_own():
    alphabet = [b"", b"a", b"b", b"ab", b"\0", b"\0" * 8, encode(b"a")]
    lists = [chosen for length in range(4) for chosen in product(alphabet, repeat=length)]
    assert len({encode(*chosen) for chosen in lists}) == len(lists)


def test_every_part_of_an_event_counts():
    events: list[tuple[str, int, dict[str, str | int]]] = [
        ("laplace", 1, {"k": 1}),
        ("laplace", 11, {"k": 1}),
        ("laplace1", 1, {"k": 1}),
        ("laplace", 1, {"k": "1"}),
        ("laplace", 1, {"k": 11}),
        ("laplace", 1, {"k1": 1}),
        ("laplace", 1, {"k": 1, "m": 1}),
        ("laplace", 1, {}),
    ]
    for first, second in combinations(events, 2):
        assert encode_event(*first) != encode_event(*second)
    assert encode_event("a", 1, {"k": 1, "m": 2}) == encode_event("a", 1, {"m": 2, "k": 1})

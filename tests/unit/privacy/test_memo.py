"""One draw for a value in a scope, whatever the source."""

import numpy as np
import pytest

from deid_udf.privacy import Memo, Product, RandomizedResponse
from tests.unit.privacy.sources import KEYED, SOURCES

PLATE = Product((RandomizedResponse("0.1", 1000),) * 4)
CODES = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [1, 2, 3, 4], [1, 2, 3, 4]])
SCOPES = [(b"monday",), (b"monday",), (b"monday",), (b"tuesday",)]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_equal_codes_of_a_scope_share_a_draw_and_a_name(source):
    memo = Memo(source)
    released, names = memo.release(PLATE, CODES, SCOPES)
    assert (released[0] == released[2]).all()
    assert (released[0] != released[3]).any()
    assert (released[0] != released[1]).any()
    assert names[0] == names[2] and len(set(names)) == 3
    again, same_names = memo.release(PLATE, CODES[::-1].copy(), SCOPES[::-1])
    assert (again == released[::-1]).all() and same_names == names[::-1]


def test_another_mechanism_is_another_draw():
    for source in SOURCES:
        memo = Memo(source)
        other = Product((RandomizedResponse("0.2", 1000),) * 4)
        first, names = memo.release(PLATE, CODES, SCOPES)
        second, other_names = memo.release(other, CODES, SCOPES)
        assert (first != second).any(axis=1).all() and not set(names) & set(other_names)


def test_a_keyed_memo_needs_no_store():
    released, _ = Memo(KEYED).release(PLATE, CODES, SCOPES)
    elsewhere, _ = Memo(KEYED).release(PLATE, CODES[[3, 0]], [SCOPES[3], SCOPES[0]])
    assert (elsewhere == released[[3, 0]]).all()
    assert (released == PLATE.release(CODES, noise=KEYED, contexts=SCOPES)).all()

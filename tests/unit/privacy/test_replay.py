"""The replay test of `MechanismInvariants` catches a mechanism whose input slips past the draw."""

import numpy as np
import pytest
from attrs import frozen

from deid_udf.privacy import LaplaceVector
from tests.unit.privacy.test_laplace import TestLaplaceVector as Honest


@frozen
class Leaky(LaplaceVector):
    """Adds a billionth of its input to its output."""

    def release(self, values, *, noise, contexts):
        return super().release(values, noise=noise, contexts=contexts) + 1e-9 * values


class _Leaking(Honest):
    mechanism = Leaky(8, k=3, radius=8, grid_bits=20)


def test_a_leak_of_a_billionth_is_caught():
    with pytest.raises(AssertionError):
        _Leaking().test_only_the_draw_crosses()


def test_an_honest_mechanism_passes():
    Honest().test_only_the_draw_crosses()
    assert np.isfinite(Honest().values(3)).all()

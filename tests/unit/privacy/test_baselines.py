"""Nothing of the input, and the classical obfuscations."""

from fractions import Fraction

import numpy as np
import pytest

from deid_udf.privacy import Baseline, DpPix, Guarantee, InvalidParameter, InvalidValues, Prior
from tests.unit.privacy.invariants import MechanismInvariants, NoisyInvariants
from tests.unit.privacy.sources import KEYED, contexts


class _Images(MechanismInvariants):
    def values(self, rows):
        return np.random.default_rng(5).integers(0, 256, (rows, 13, 10, 3), dtype=np.uint8)

    def refused(self):
        return [np.zeros((2, 13, 10, 3)), np.zeros((13, 10), np.uint8)]


class TestBlur(_Images):
    mechanism = Baseline("blur", 7)


class TestMosaic(_Images):
    mechanism = Baseline("mosaic", 4)


class TestFill(_Images):
    mechanism = Baseline("fill", 127)


class TestDpPix(_Images, NoisyInvariants):
    mechanism = DpPix("0.5", b=4, m=16, channels=3)

    def refused(self):
        return [*super().refused(), np.zeros((2, 8, 8), np.uint8), np.zeros((2, 8, 8, 4), np.uint8)]


class TestPrior(MechanismInvariants):
    mechanism = Prior("face")

    def values(self, rows):
        return np.arange(rows * 3).reshape(rows, 3)

    def refused(self):
        return []

    def test_holds_nothing(self):
        assert self.release(self.values(4)).shape == (4, 0)


def test_only_the_fill_promises_anything():
    assert [Baseline(m, 7).guarantee for m in ("blur", "mosaic", "fill")] == [Guarantee.NONE, Guarantee.NONE, "pure"]
    assert Baseline("fill").worst_case == Prior("plate").worst_case == 0
    assert Baseline("blur").epsilon(1) is None


def test_mosaic_is_the_mean_of_each_cell_also_at_the_edge():
    image = np.arange(35, dtype=np.uint8).reshape(1, 5, 7)
    expected = np.empty_like(image)
    for top in range(0, 5, 3):
        for left in range(0, 7, 3):
            cell = image[0, top : top + 3, left : left + 3]
            expected[0, top : top + 3, left : left + 3] = np.rint(cell.mean())
    assert Baseline("mosaic", 3).release(image, noise=KEYED, contexts=contexts(1)).tolist() == expected.tolist()


def test_dp_pix_sums_move_by_at_most_its_sensitivity():
    mechanism = DpPix(1, b=4, m=5, channels=3)
    black = np.zeros((1, 13, 10, 3), np.uint8)
    white = black.copy()
    white[0, [0, 3, 4, 12, 7], [0, 9, 4, 9, 1]] = 255
    moved = np.abs(mechanism.encode(white) - mechanism.encode(black)).sum()
    assert moved == 255 * 5 * 3 == mechanism.kernel().scale * mechanism.worst_case


def test_dp_pix_has_another_neighbour_relation_and_says_so():
    mechanism = DpPix(2, b=8, m=16)
    assert mechanism.neighbours != Prior("face").neighbours
    assert mechanism.epsilon(16) == 2
    assert mechanism.epsilon(1) == Fraction(1, 8)


@pytest.mark.parametrize("method, size", [("blur", 4), ("mosaic", 0), ("fill", 256)])
def test_impossible_sizes_are_refused(method, size):
    with pytest.raises(InvalidParameter):
        Baseline(method, size)
    with pytest.raises(ValueError):
        Baseline("pixelate")


def test_floats_are_not_images():
    with pytest.raises(InvalidValues):
        Baseline("blur").release(np.zeros((1, 8, 8, 3)), noise=KEYED, contexts=contexts(1))

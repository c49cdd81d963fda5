import numpy as np
import pytest

from deid_udf.detect.boxes import grown, intersection, iou, shrunk, suppress


def test_iou_and_intersection():
    one = np.array([0.0, 0, 10, 10])
    many = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]])
    assert intersection(one, many).tolist() == [100, 50, 0]
    np.testing.assert_allclose(iou(one, many), [1, 50 / 150, 0])


def test_suppress_keeps_the_best_of_each_place():
    boxes = np.array([[0.0, 0, 10, 10], [1, 0, 11, 10], [50, 0, 60, 10]])
    assert suppress(boxes, np.array([0.5, 0.9, 0.1]), 0.4) == [1, 2]
    assert suppress(np.empty((0, 4)), np.empty(0), 0.4) == []


def test_grown_adds_the_share_on_every_side():
    assert grown((10, 10, 30, 20), 0.1) == (8, 9, 32, 21)


def test_shrunk_undoes_it():
    assert shrunk(grown((10, 10, 30, 20), 0.3), 0.3) == pytest.approx((10, 10, 30, 20))

import numpy as np
import pytest

from deid_udf.detect.boxes import box_corners
from deid_udf.detect.corners import believed, convex_hull, plate_shaped, stretched_to

SQUARE = box_corners((0.0, 0.0, 4.0, 2.0))


def turned(width, height, degrees):
    angle = np.deg2rad(degrees)
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width / 2, height / 2)
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    return (square @ turn.T + (50, 50)).astype(np.float32)


def box_of(corners):
    return box_corners((*corners.min(0).tolist(), *corners.max(0).tolist()))


@pytest.mark.parametrize("degrees", [0, 8, 20, 45])
@pytest.mark.parametrize("aspect", [1.5, 3.14, 4.7])
def test_turned_plates_are_believed(aspect, degrees):
    corners = turned(20 * aspect, 20, degrees)
    assert believed(corners, box_of(corners)) is corners


def test_a_plate_from_the_side_is_believed():
    side = np.array([(0, 0), (60, 5), (60, 25), (0, 35)], np.float32)
    assert believed(side, box_of(side)) is side


def test_what_is_no_plate_is_not_believed():
    nearly_a_triangle = np.array([(0, 0), (100, 38), (100, 40), (0, 40)], np.float32)
    crossed, backwards, flat = SQUARE[[0, 2, 1, 3]], SQUARE[::-1], SQUARE * np.array((1, 0), np.float32)
    for corners in (nearly_a_triangle, crossed, backwards, flat, np.full((4, 2), np.nan, np.float32)):
        assert not plate_shaped(corners)
        assert believed(corners, SQUARE) is SQUARE
    assert plate_shaped(SQUARE * np.float32(0.1))
    assert believed(SQUARE * np.float32(0.1), SQUARE) is SQUARE, "too small"


def test_stretching_fills_the_box_and_never_shrinks():
    np.testing.assert_allclose(stretched_to(SQUARE, (-1, -1, 5, 3)), [(-1, -1), (5, -1), (5, 3), (-1, 3)])
    np.testing.assert_allclose(stretched_to(SQUARE, (1, 0.5, 3, 1)), SQUARE)


def test_a_hull_holds_every_outline():
    hull = convex_hull([SQUARE, SQUARE + np.array((1, 1), np.float32)])
    assert sorted(hull.tolist()) == [[0, 0], [0, 2], [1, 3], [4, 0], [5, 1], [5, 3]]

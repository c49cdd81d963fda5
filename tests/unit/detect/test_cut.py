import cv2
import numpy as np
import pytest

from deid_udf.detect.cut import cut_around

FRAME = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)


def test_the_part_holds_the_points_and_their_margin():
    part, corner = cut_around(FRAME, np.array([(20.5, 10.2), (30.1, 15)]), margin=3)
    assert corner.tolist() == [17, 7]
    np.testing.assert_array_equal(part, FRAME[7:19, 17:35])


@pytest.mark.parametrize("points", [[(-50, -9), (-20, -3)], [(90, 20), (95, 70)], [(-1e6, -1e6), (1e6, 1e6)]])
def test_it_ends_with_the_frame_and_is_never_empty(points):
    part, corner = cut_around(FRAME, np.array(points, np.float32), margin=2)
    x, y = corner.astype(int)
    assert part.size
    np.testing.assert_array_equal(part, FRAME[y : y + part.shape[0], x : x + part.shape[1]])


def test_a_warp_of_the_part_is_a_warp_of_the_frame():
    matrix = np.array([(1.3, 0.2, -20), (-0.1, 1.1, -5)])
    seen = np.linalg.inv(np.vstack([matrix, (0, 0, 1)]))[:2] @ [(0, 20, 20, 0), (0, 0, 12, 12), (1, 1, 1, 1)]
    part, corner = cut_around(FRAME, seen.T, margin=1)
    assert part.size < FRAME.size / 2
    moved = np.column_stack([matrix[:, :2], matrix[:, 2] + matrix[:, :2] @ corner])
    whole, cut = (cv2.warpAffine(image, m, (20, 12)) for image, m in ((FRAME, matrix), (part, moved)))
    np.testing.assert_array_equal(cut, whole)

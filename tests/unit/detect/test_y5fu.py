import numpy as np

from deid_udf.detect.y5fu import decode


def test_decode_one_plate_by_hand():
    rows = np.zeros((3, 15), np.float32)
    rows[0] = (100, 50, 40, 20, 0.9, 80, 40, 120, 42, 120, 60, 80, 58, 0.1, 0.8)
    rows[1] = (101, 50, 40, 20, 0.8, 80, 40, 120, 42, 120, 60, 80, 58, 0.8, 0.1)  # the same plate, less sure
    rows[2] = (300, 50, 40, 20, 0.1, 280, 40, 320, 40, 320, 60, 280, 60, 0.9, 0.0)  # below the floor
    (plate,) = decode(rows, floor=0.2, scale=(0.5, 0.5))
    np.testing.assert_allclose(plate.score, 0.72, rtol=1e-5)
    np.testing.assert_allclose(plate.box, (160, 80, 240, 120), rtol=1e-5)
    assert plate.corners is not None
    np.testing.assert_allclose(plate.corners.tolist(), [(160, 80), (240, 84), (240, 120), (160, 116)], rtol=1e-5)
    assert (plate.kind, plate.detector) == ("plate", "y5fu")


def test_nothing_above_the_floor_is_nothing_found():
    assert decode(np.zeros((4, 15), np.float32), floor=0.1, scale=(1, 1)) == []

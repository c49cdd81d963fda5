import cv2
import numpy as np
import pytest

from deid_udf.detect.edges import refined


def plate_at(corners, *, plate=(230, 228, 224), body=(96, 104, 110), strokes=True, size=(160, 320)):
    """A plate with a row of strokes, in perspective, on sheet metal under a soft light and a camera's noise."""
    flat = np.full((110, 440, 3), plate, np.uint8)
    if strokes:
        for x in range(30, 400, 30):
            flat[22:88, x : x + 10] = 30
    light = np.linspace(1.1, 0.9, size[1] * 3, dtype=np.float32)
    frame = np.full((size[0] * 3, size[1] * 3, 3), body, np.float32) * light[None, :, None]
    source = np.array([(0, 0), (440, 0), (440, 110), (0, 110)], np.float32)
    matrix = cv2.getPerspectiveTransform(source, corners * 3)
    cv2.warpPerspective(flat.astype(np.float32), matrix, frame.shape[1::-1], frame, borderMode=cv2.BORDER_TRANSPARENT)
    small = cv2.GaussianBlur(cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA), (0, 0), 0.8)
    return np.clip(small + np.random.default_rng(0).normal(0, 2, small.shape), 0, 255).astype(np.uint8)


def off(corners, truth):
    """Mean distance of the corners to the true ones, in plate heights."""
    return np.linalg.norm(corners - truth, axis=1).mean() / np.linalg.norm(truth[3] - truth[0])


FRONT = np.array([(90, 60), (218, 60), (218, 92), (90, 92)], np.float32)
ROLLED = np.array([(90, 55), (216, 72), (212, 104), (86, 87)], np.float32)
STEEP = np.array([(110, 52), (190, 64), (190, 92), (110, 100)], np.float32)  # to 50° of yaw


@pytest.mark.parametrize("truth", [FRONT, ROLLED, STEEP], ids=["front", "rolled", "steep"])
def test_corners_move_onto_the_plates_edges(truth):
    frame = plate_at(truth)
    rng = np.random.default_rng(1)
    for _ in range(5):
        found = (truth + rng.normal(0, 2, (4, 2))).astype(np.float32)
        assert off(refined(frame, found), truth) < 0.7 * off(found, truth)


@pytest.mark.parametrize("truth", [ROLLED, STEEP], ids=["rolled", "steep"])
def test_a_box_becomes_the_plates_quadrilateral(truth):
    (x0, y0), (x1, y1) = truth.min(0), truth.max(0)
    box = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32)
    assert off(box, truth) > 0.1
    assert off(refined(plate_at(truth), box), truth) < 0.05


def test_a_row_of_strokes_is_no_edge():
    """A plate in its car's colour: the strokes are all there is to see, and nothing moves onto them."""
    frame = plate_at(FRONT, plate=(100, 106, 112))
    assert off(refined(frame, FRONT), FRONT) < 0.05


def test_nothing_moves_where_there_is_nothing_to_see():
    np.testing.assert_array_equal(refined(np.full((160, 320, 3), 120, np.uint8), FRONT), FRONT)


def test_what_is_no_plates_shape_is_left_alone():
    frame = plate_at(FRONT)
    upright = np.array([(100, 20), (120, 20), (120, 120), (100, 120)], np.float32)
    for corners in (FRONT * np.float32(np.nan), FRONT[[0, 2, 1, 3]], FRONT * np.float32(0.2), upright):
        np.testing.assert_array_equal(refined(frame, corners), corners)


def test_a_plate_at_the_frames_rim_is_refined_within_what_is_seen():
    truth = FRONT - np.array([120, 0], np.float32)  # a third of it lies outside
    moved = refined(plate_at(truth), truth + np.float32(1.5))
    assert np.isfinite(moved).all()
    assert np.abs(moved - truth).max() < 15


def test_in_a_frame_too_wide_for_a_warp_corners_move_as_anywhere():
    narrow, found = plate_at(FRONT), FRONT + np.float32(1.5)
    wide = np.pad(narrow, ((0, 0), (39_000, 680), (0, 0)), mode="edge")
    shift = np.array([39_000, 0], np.float32)
    assert wide.shape[1] == 40_000
    moved = refined(wide, found + shift) - shift
    assert off(moved, FRONT) < 0.5 * off(found, FRONT)
    np.testing.assert_allclose(moved, refined(narrow, found), atol=0.05)

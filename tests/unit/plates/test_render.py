import cv2
import numpy as np
import pytest

from deid_udf.detect.boxes import box_corners
from deid_udf.plates.appearance import NEUTRAL
from deid_udf.plates.render import Window, render, surroundings

FRAME = np.random.default_rng(0).integers(90, 140, (80, 120, 3), dtype=np.uint8)


def test_a_window_repeats_the_edge_beyond_the_frame():
    cut = Window(-3, 78, 10, 5).cut(FRAME)
    assert cut.shape == (5, 10, 3)
    np.testing.assert_array_equal(cut[:2, 3:], FRAME[78:80, :7])
    np.testing.assert_array_equal(cut[4, 0], FRAME[79, 0])
    assert not Window(500, 500, 4, 4).cut(FRAME).any()


def test_surroundings_spread_over_what_is_hidden_and_owe_it_nothing():
    hidden = np.zeros(FRAME.shape[:2], np.bool_)
    hidden[30:50, 40:90] = True
    window = Window(36, 26, 58, 28)
    secret = FRAME.copy()
    secret[hidden] = np.random.default_rng(1).integers(0, 256, secret[hidden].shape)
    outlines = [box_corners((40, 30, 70, 49)), box_corners((60, 30, 89, 49))]
    backdrop, look = surroundings(FRAME, outlines, window)
    other_backdrop, other_look = surroundings(secret, outlines, window)
    np.testing.assert_array_equal(backdrop, other_backdrop)
    np.testing.assert_array_equal(look.gain, other_look.gain)
    assert (look.blur, look.noise, look.haze) == (other_look.blur, other_look.noise, other_look.haze)
    inside = cv2.dilate(hidden.astype(np.uint8), np.ones((5, 5)))[26:54, 36:94].astype(bool)
    np.testing.assert_array_equal(backdrop[~inside], FRAME[26:54, 36:94][~inside])
    assert abs(backdrop[inside].mean() - 115) < 6


def test_a_frame_that_is_all_hidden_still_gets_a_backdrop():
    backdrop, look = surroundings(FRAME, [box_corners((-900, -900, 900, 900))], Window(0, 0, 20, 10))
    assert (backdrop == 128).all()
    assert look is NEUTRAL


@pytest.mark.parametrize("width", [40, 200, 900])
def test_the_plate_lands_on_its_corners(width):
    height = width // 4
    plate = np.zeros((280, 880, 3), np.uint8)
    plate[:, :440] = (200, 30, 30)
    plate[:, 440:] = (30, 200, 30)
    quad = np.array([(10, 12), (10 + width, 12), (10 + width, 12 + height), (10, 12 + height)], np.float32)
    window = Window(0, 0, width + 20, height + 24)
    backdrop = np.full((window.height, window.width, 3), 100, np.uint8)
    made = render(plate, quad, backdrop, window, NEUTRAL, np.random.default_rng(0)).astype(int)
    assert np.abs(made[:8] - 100).max() < 8
    red, green = made[12 + height // 2, 10 + width // 4], made[12 + height // 2, 10 + 3 * width // 4]
    assert red[0] > 150 > 80 > red[1]
    assert green[1] > 150 > 80 > green[0]
    edge = np.abs(made[..., 0] - made[..., 1])[12 + height // 2]
    assert edge[10 + width // 2] < edge[10 + width // 2 - width // 8], "the halves meet in the middle"

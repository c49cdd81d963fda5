"""Pasting stays inside its outline and has the height that was asked for."""

import numpy as np
import pytest

from deid_udf.training.paste import moved, paste, perspective
from deid_udf.training.plate_art import HEIGHT, draw_plate

EDGE = np.array([(0, 0), (200, 0), (200, 50), (0, 50)], np.float32)


def test_perspective_has_the_target_height():
    flat = perspective(200, 50, 30, np.random.default_rng(0), yaw=0, roll=0)
    np.testing.assert_allclose(moved(EDGE, flat), [(0, 0), (120, 0), (120, 30), (0, 30)], atol=0.01)
    turned = moved(EDGE, perspective(200, 50, 30, np.random.default_rng(0), yaw=0.9, roll=0.15))
    assert turned.min() == pytest.approx(0, abs=1e-3)
    assert 15 < np.ptp(turned[:, 1]) < 60
    assert np.ptp(turned[:, 0]) < 122


def test_only_the_outline_changes():
    random = np.random.default_rng(0)
    frame = np.full((120, 300, 3), 90, np.uint8)
    patch = np.full((50, 200, 3), 250, np.uint8)
    there = np.array([(1, 0, 40), (0, 1, 30), (0, 0, 1)], np.float32)
    paste(frame, patch, EDGE, there, random)
    changed = (frame != 90).any(2)
    assert changed[35:75, 45:235].all()
    changed[25:86, 35:246] = False
    assert not changed.any()


def test_outside_the_frame_nothing_happens():
    frame = np.full((50, 50, 3), 90, np.uint8)
    there = np.array([(1, 0, 400), (0, 1, 30), (0, 0, 1)], np.float32)
    paste(frame, np.full((50, 200, 3), 250, np.uint8), EDGE, there, np.random.default_rng(0))
    assert (frame == 90).all()


def test_plates_vary_but_by_their_seed():
    plates = [draw_plate(np.random.default_rng(i)) for i in range(30)]
    assert all(p.shape[0] == HEIGHT and p.dtype == np.uint8 for p in plates)
    ratios = [p.shape[1] / HEIGHT for p in plates]
    assert min(ratios) < 2.2 and max(ratios) > 4
    np.testing.assert_array_equal(draw_plate(np.random.default_rng(3)), plates[3])
    assert all(p.std() > 15 for p in plates)  # ink on paper

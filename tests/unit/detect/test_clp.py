import numpy as np
import pytest

from deid_udf.detect.clp import Clp, decode, priors


def test_priors_are_two_squares_a_cell_at_three_strides():
    rows = priors(32, 64)
    assert rows.shape == ((4 * 8 + 2 * 4 + 1 * 2) * 2, 4)
    np.testing.assert_array_equal(rows[:3], [(4, 4, 24, 24), (4, 4, 48, 48), (12, 4, 24, 24)])
    np.testing.assert_array_equal(rows[-1], (48, 16, 768, 768))


def test_decode_one_plate_by_hand():
    rows = priors(32, 64)
    loc = np.zeros((len(rows), 4), np.float32)
    marks = np.zeros((len(rows), 8), np.float32)
    scores = np.zeros(len(rows), np.float32)
    scores[2] = 0.7  # centre (12, 4), side 24
    loc[2] = (1, 0, 0, np.log(0.5) / 0.2)
    marks[2] = (1, 1, -1, 1, -1, 0, 1, 0)
    (plate,) = decode(loc, scores, marks, floor=0.5, size=(32, 64))
    assert plate.box == pytest.approx((14.4 - 12, 4 - 6, 14.4 + 12, 4 + 6), rel=1e-5)
    assert plate.corners is not None
    np.testing.assert_allclose(plate.corners.tolist(), [(9.6, 4), (14.4, 4), (14.4, 6.4), (9.6, 6.4)], rtol=1e-5)


def test_nothing_above_the_floor_is_nothing_found():
    rows = priors(32, 32)
    blank = np.zeros((len(rows), 8), np.float32)
    assert decode(blank[:, :4], blank[:, 0], blank, floor=0.1, size=(32, 32)) == []


def test_batch_and_single_frames_agree(models_cache):
    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 256, size, dtype=np.uint8) for size in [(96, 128, 3), (90, 120, 3), (64, 64, 3)]]
    detector = Clp("cpu", 0.001)
    together = detector.detect(frames)
    alone = [detector.detect([frame])[0] for frame in frames]
    assert any(together)
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose([r.box for r in a], [r.box for r in b], rtol=1e-3, atol=0.05)

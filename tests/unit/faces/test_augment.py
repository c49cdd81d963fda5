import numpy as np

from deid_udf.faces.augment import degrade

FACE = np.tile(np.linspace(40, 200, 64).astype(np.uint8)[None, :, None], (64, 1, 3))


def test_degraded_faces_stay_faces_of_their_size():
    random = np.random.default_rng(0)
    some = np.stack([degrade(FACE, random) for _ in range(200)])
    assert some.shape == (200, 64, 64, 3) and some.dtype == np.uint8
    ramps = np.array([np.corrcoef(face.mean((0, 2)), FACE.mean((0, 2)))[0, 1] for face in some])
    assert np.median(ramps) > 0.98 and (ramps > 0.9).mean() > 0.9


def test_every_draw_is_another_and_a_seed_repeats_it():
    first, again = (degrade(FACE, np.random.default_rng(1)) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, degrade(FACE, np.random.default_rng(2)))


def test_some_are_grey_and_most_are_not():
    coloured = FACE.copy()
    coloured[..., 0] = 220
    random = np.random.default_rng(3)
    colour = np.array([np.ptp(degrade(coloured, random).mean((0, 1))) for _ in range(300)])
    assert 0.01 < (colour < 15).mean() < 0.15

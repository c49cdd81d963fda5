import numpy as np

from deid_udf.faces.align import apply
from deid_udf.faces.warp import bend

SIDE = 100
GRID = np.array([(x, y) for x in np.linspace(10, 90, 17) for y in (10.0, 40.0, 60.0, 90.0)])  # 68 points


def ramp():
    """Red grows to the right and green downwards: a colour says where it came from."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    return np.stack([columns * 2, rows * 2, np.zeros_like(rows)], 2).astype(np.uint8)


def test_landmarks_land_on_landmarks():
    random = np.random.default_rng(0)
    place = np.array([(1.5, 0.0, 300.0), (0.0, 1.5, 200.0)])
    original = apply(place, GRID) + random.normal(0, 1.5, GRID.shape)
    corner = np.array((290.0, 190.0))
    window = bend(ramp(), GRID, place, original, corner, (180, 180))
    for (x, y), (u, v) in zip(GRID[20:48], original[20:48] - corner, strict=True):
        red, green, _ = window[round(v), round(u)]
        assert abs(red / 2 - x) < 2 and abs(green / 2 - y) < 2


def test_outside_the_landmarks_the_similarity_stands():
    place = np.array([(1.0, 0.0, 0.0), (0.0, 1.0, 0.0)])
    window = bend(ramp(), GRID, place, GRID, np.zeros(2), (SIDE, SIDE))
    assert np.abs(window.astype(int) - ramp()).max() <= 2


def test_a_window_that_cuts_the_face_is_no_failure():
    place = np.array([(1.0, 0.0, 0.0), (0.0, 1.0, 0.0)])
    assert bend(ramp(), GRID, place, GRID, np.array((50.0, 50.0)), (20, 10)).shape == (10, 20, 3)

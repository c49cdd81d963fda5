"""Utility metrics: nothing changed is perfect, symmetric where they should be, and right on arrays worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import structural_similarity

from deid_udf.metrics import utility as u

pictures = arrays(np.uint8, (9, 11, 3))


@given(pictures)
def test_an_unchanged_picture_is_perfect(image: np.ndarray) -> None:
    assert u.l0(image, image) == 0
    assert u.l2(image, image) == 0
    assert u.ald(image, image) == 0
    assert u.ald(image, image, np.inf) == 0
    assert u.ssim(image, image) == pytest.approx(1)
    assert u.dhash_distance(image, image, 8) == 0


@given(pictures, pictures)
def test_distances_are_symmetric(a: np.ndarray, b: np.ndarray) -> None:
    assert u.l0(a, b) == u.l0(b, a)
    assert u.l2(a, b) == pytest.approx(u.l2(b, a))
    assert u.ssim(a, b) == pytest.approx(u.ssim(b, a))
    assert u.dhash_distance(a, b, 8) == u.dhash_distance(b, a, 8)


def test_values_worked_by_hand() -> None:
    a = np.full((2, 2, 3), 10, np.uint8)
    b = a.copy()
    b[0, 0] = (13, 10, 6)  # one pixel: differences 3, 0, -4
    assert u.l0(a, b) == 1
    assert u.l2(a, b) == 5
    assert u.ald(a, b, 2) == pytest.approx(5 / np.sqrt(12 * 100))
    assert u.ald(a, b, np.inf) == pytest.approx(0.4)


@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize(
    "places", [[(0, 0)], [(30, 59)], [(15, 20)], [(2, 2), (10, 9), (12, 40)], [(i, i) for i in range(31)], []]
)
def test_ssim_is_the_whole_pictures(places: list[tuple[int, int]], channels: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    a = random.integers(0, 256, (31, 60, *channels), np.uint8)
    b = a.copy()
    for y, x in places:
        b[y : y + 3, x : x + 2] ^= 0x55
    whole = structural_similarity(a, b, channel_axis=2 if channels else None, data_range=255)
    assert u.ssim(a, b) == pytest.approx(whole, abs=1e-12)


def test_no_wrap_around_in_uint8() -> None:
    black, white = np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)
    assert u.l2(black, white) == pytest.approx(255 * np.sqrt(3))
    assert u.l2(white, black) == pytest.approx(255 * np.sqrt(3))


def test_a_black_original_has_no_relative_distortion() -> None:
    black = np.zeros((2, 2, 3), np.uint8)
    assert u.ald(black, black) == 0
    assert u.ald(black, black + np.uint8(1)) == np.inf


def test_difference_hash_of_a_ramp() -> None:
    rising = np.tile(np.arange(0, 250, 10, dtype=np.uint8), (25, 1))
    assert u.dhash(rising, 8).all()
    assert not u.dhash(rising[:, ::-1].copy(), 8).any()
    assert u.dhash_distance(rising, rising[:, ::-1].copy(), 8) == 64


@given(st.integers(2, 40))
def test_difference_hash_has_side_squared_bits(side: int) -> None:
    assert u.dhash(np.zeros((50, 50), np.uint8), side).shape == (side, side)


def test_a_pasted_square_has_a_seam_and_a_smooth_picture_none() -> None:
    smooth = np.full((60, 60, 3), 100, np.uint8)
    mask = np.zeros((60, 60), np.bool_)
    mask[20:40, 20:40] = True
    pasted = smooth.copy()
    pasted[mask] = 200
    assert u.seam(smooth, mask) == 0
    assert u.seam(pasted, mask) > 5


def test_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        u.l0(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3, 3), np.uint8))

import cv2
import numpy as np
import pytest

from deid_udf.plates.appearance import NEUTRAL, appearance, matched_to

EVERYWHERE = np.ones((120, 160), np.bool_)


def checkers(low=60, high=230):
    rows, columns = np.mgrid[:120, :160] // 20
    return np.where((rows + columns) % 2, high, low).astype(np.float32)


def picture(grey):
    return np.repeat(np.clip(np.round(grey), 0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("sigma", [0.8, 1.4, 2.2])
def test_blur_is_measured_at_edges(sigma):
    look = appearance(picture(cv2.GaussianBlur(checkers(), (0, 0), sigma)), EVERYWHERE)
    assert look.blur == pytest.approx(sigma, rel=0.25)


@pytest.mark.parametrize("sigma", [1, 3, 6])
def test_noise_is_measured_beside_edges(sigma):
    rng = np.random.default_rng(0)
    grey = cv2.GaussianBlur(checkers(80, 180), (0, 0), 1) + rng.normal(0, sigma, (120, 160))
    assert appearance(picture(grey), EVERYWHERE).noise == pytest.approx(sigma, rel=0.25)


def test_dark_pictures_dim_the_plate_and_light_falls_off_as_around_it():
    ramp = np.linspace(80, 120, 160)[None].repeat(120, 0)
    bright, dark = appearance(picture(ramp * 2), EVERYWHERE), appearance(picture(ramp), EVERYWHERE)
    assert bright.gain.mean() > dark.gain.mean()
    assert dark.slope[0] > 0
    assert abs(dark.slope[1]) < 1e-4


def test_hidden_pixels_have_no_influence():
    outside = EVERYWHERE.copy()
    outside[40:80, 50:110] = False
    one, other = picture(checkers()), picture(checkers())
    other[~outside] = np.random.default_rng(1).integers(0, 256, other[~outside].shape)
    first, second = appearance(one, outside), appearance(other, outside)
    np.testing.assert_array_equal(first.gain, second.gain)
    np.testing.assert_array_equal(first.slope, second.slope)
    assert (first.blur, first.noise, first.haze) == (second.blur, second.noise, second.haze)


def test_without_surroundings_a_plate_looks_neutral():
    assert appearance(picture(checkers()), ~EVERYWHERE) is NEUTRAL


def test_public_light_is_the_old_plates_mean():
    plate, old = np.full((10, 20, 3), 200, np.uint8), np.full((10, 20, 3), 90, np.uint8)
    look = matched_to(NEUTRAL, plate, old)
    shown = look.haze + 200 * look.gain.mean() * (1 - look.haze / 255)
    assert shown == pytest.approx(90, rel=0.1)


def test_light_paint_is_no_haze_and_bright_paint_of_any_colour_is_light():
    grey = appearance(picture(np.full((120, 160), 190.0)), EVERYWHERE)
    assert grey.haze < 20
    red = np.zeros((120, 160, 3), np.uint8) + np.array([190, 30, 30], np.uint8)
    assert appearance(red, EVERYWHERE).gain.mean() == pytest.approx(grey.gain.mean(), rel=0.03)

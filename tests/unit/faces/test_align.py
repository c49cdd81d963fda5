import numpy as np
import pytest

from deid_udf.faces import align

FIVE = np.array(
    [(-20.0, 0.0), (20.0, 0.0), (0.0, 22.0), (-15.0, 44.0), (15.0, 44.0)]
)  # an upright face around its eyes


def turned(points, degrees, scale=1.0, shift=(0.0, 0.0)):
    angle = np.radians(degrees)
    rotation = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    return scale * points @ rotation.T + shift


def test_ffhq_square_of_an_upright_face():
    square = align.ffhq_square(FIVE)
    half = max(40 * 2.0, 44 * 1.8)
    middle = np.array((0.0, 4.4))  # a tenth of the way from eyes to mouth
    assert np.allclose(align.apply(square, middle), 0.5)
    assert np.allclose(align.apply(square, middle + half), 1.0)


@pytest.mark.parametrize("degrees", [0, 30, -75, 180])
def test_ffhq_square_turns_and_grows_with_the_face(degrees):
    square = align.ffhq_square(turned(FIVE, degrees, 2.5, (300, 80)))
    assert np.allclose(
        align.apply(square, turned(FIVE, degrees, 2.5, (300, 80))), align.apply(align.ffhq_square(FIVE), FIVE)
    )
    assert np.isclose(align.length_scale(square) * 2.5, align.length_scale(align.ffhq_square(FIVE)))


def test_least_squares_recovers_a_similarity_and_ignores_its_order_of_noise():
    random = np.random.default_rng(0)
    points = random.normal(0, 40, (68, 2))
    moved = turned(points, 25, 0.7, (10, -5))
    found = align.least_squares_similarity(points, moved + random.normal(0, 0.1, points.shape))
    assert np.allclose(align.apply(found, points), moved, atol=0.2)
    assert np.allclose(align.apply(align.inverse(found), align.apply(found, points)), points)


def test_a_degenerate_face_gives_a_finite_square():
    assert np.isfinite(align.ffhq_square(np.zeros((5, 2)))).all()
    assert np.isfinite(align.least_squares_similarity(np.zeros((68, 2)), np.ones((68, 2)))).all()


@pytest.mark.parametrize("side", [40, 256, 1500])
def test_crops_show_the_square(side):
    """A horizontal ramp comes out as the same ramp, whether the crop is enlarged or reduced."""
    width = 2000
    frame = np.tile((np.arange(width) / width * 250).astype(np.uint8)[None, :, None], (1800, 1, 3))
    square = np.array([(1 / side, 0, -200 / side), (0, 1 / side, -100 / side)])
    crop = align.crop(frame, square, 64)
    expected = (200 + (np.arange(64) + 0.5) / 64 * side - 0.5) / width * 250
    assert crop.shape == (64, 64, 3)
    assert np.abs(crop[:, :, 0] - expected).max() < 2


def test_a_crop_beyond_the_frame_mirrors_and_does_not_fail():
    frame = np.random.default_rng(1).integers(0, 256, (30, 30, 3), np.uint8)
    far = np.array([(1 / 50, 0, 40.0), (0, 1 / 50, 40.0)])
    assert align.crop(frame, far, 32).shape == (32, 32, 3)


def test_yaw_is_odd_in_mirroring_and_zero_to_the_camera():
    points = np.random.default_rng(2).normal(0, 1, (68, 2))
    points[1], points[15], points[30] = (-10, 0), (10, 0), (4, 3)
    mirrored = points * (-1, 1)
    mirrored[[1, 15]] = mirrored[[15, 1]]
    assert np.isclose(align.yaw_of_68(points), 0.4)
    assert np.isclose(align.yaw_of_68(mirrored), -0.4)


FRONTAL = np.array([(-10, 0), (10, 0), (0, 12), (-7, 22), (7, 22)], float)


@pytest.mark.parametrize("angle", [-0.7, 0.0, 1.2])
def test_yaw_and_roll_of_five_points_do_not_mix(angle):
    rotation = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    for nose in (-4.0, 0.0, 4.0):
        points = FRONTAL.copy()
        points[2, 0] = nose
        turned = 3 * points @ rotation.T + (200, 90)
        assert np.isclose(align.yaw_of_five(turned), 2.4 * nose / 22)
        assert np.isclose(align.roll_of_five(turned), angle)


def test_in_profile_the_eyes_order_does_not_turn_the_face():
    for other_eye in (49.5, 50.5):
        points = np.array([(50, 40), (other_eye, 44), (70, 55), (52, 70), (54, 70)], float)
        assert align.yaw_of_five(points) == 1


@pytest.mark.parametrize("angle", [0.0, 0.5])
def test_points_fill_a_box_as_upright_as_they_are_asked_to(angle):
    box = (40.0, 30.0, 100.0, 130.0)
    place = align.filling(FRONTAL, box, angle)
    placed = align.apply(place, FRONTAL)
    low, high = placed.min(0), placed.max(0)
    assert (low <= np.array(box[:2]) + 1e-6).all() and (high >= np.array(box[2:]) - 1e-6).all()
    assert np.isclose((low + high) / 2, (70, 80)).all()
    assert np.isclose((high - low) / (60, 100), 1).any()
    assert np.isclose(align.roll_of_five(placed), angle)


def test_five_points_of_68_and_of_a_box():
    assert align.five_of_68(np.zeros((3, 68, 2))).shape == (3, 5, 2)
    five = align.five_of_box((100, 50, 200, 170))
    assert (five > (100, 50)).all() and (five < (200, 170)).all() and five[0, 0] < five[1, 0]


def test_a_face_is_cut_from_a_frame_too_wide_for_a_warp():
    narrow = np.random.default_rng(0).integers(0, 256, (80, 100, 3)).astype(np.uint8)
    wide = np.pad(narrow, ((0, 0), (39_900, 0), (0, 0)))
    here, there = (align.ffhq_square(FIVE * 0.3 + (x, 35)) for x in (50, 39_950))
    np.testing.assert_allclose(align.crop(wide, there, 32), align.crop(narrow, here, 32), atol=1)

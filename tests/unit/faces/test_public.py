import numpy as np
import pytest

from deid_udf.faces.align import yaw_of_68
from deid_udf.faces.public import public_tone, public_yaw, recolour


def landmarks(nose):
    points = np.random.default_rng(0).uniform(20, 80, (68, 2))
    points[1], points[15], points[30] = (10, 50), (90, 50), (nose, 60)
    return points


@pytest.mark.parametrize(("nose", "bin_"), [(50, 0.0), (53, 0.0), (58, 0.25), (41, -0.25), (89, 0.5)])
def test_yaw_is_known_only_to_its_bin(nose, bin_):
    assert public_yaw(float(yaw_of_68(landmarks(nose)))) == bin_


def test_tone_is_the_face_inside_its_landmarks_coarsely():
    face = np.full((100, 100, 3), (10, 200, 90), np.uint8)
    face[20:80, 20:80] = (150, 110, 100)
    inner = np.random.default_rng(1).uniform(30, 70, (68, 2))
    tone = public_tone(face, inner)
    assert np.abs(tone - (150, 110, 100)).max() <= 12 and not (tone % 24).any()


def test_recolouring_moves_the_mean_to_the_tone_and_not_too_far():
    face = np.random.default_rng(2).integers(100, 140, (100, 100, 3), np.uint8)
    inner = np.random.default_rng(1).uniform(10, 90, (68, 2))
    near = recolour(face, inner, np.array((144.0, 120.0, 96.0)))
    assert np.abs(near.mean((0, 1)) - (144, 120, 96)).max() < 2
    assert recolour(face, inner, np.zeros(3)).mean() > 40

from dataclasses import replace

import cv2
import numpy as np
import pytest

from deid_udf.faces.align import ffhq_square, five_of_68, length_scale
from deid_udf.faces.landmarks import align, landmarks_of_crops


def error(found, scene):
    """Mean distance of the 68 points, as a share of the distance between the eyes."""
    eyes = scene.points[36:42].mean(0) - scene.points[42:48].mean(0)
    return np.linalg.norm(found - scene.points, axis=1).mean() / np.linalg.norm(eyes)


@pytest.mark.parametrize(("side", "angle"), [(150, 0), (60, 0), (400, 0), (150, 30), (150, -60), (100, 180)])
def test_landmarks_are_found_at_any_size_and_angle(scene, side, angle):
    picture = scene(side=side, angle=angle, size=(640, 480), centre=(300, 240))
    (found,) = align([picture.frame], [(0, picture.region)])
    assert found.source == "landmarks"
    assert error(found.points, picture) < 0.08


def test_without_the_detectors_points_the_box_is_enough(scene):
    picture = scene(detector_points=False)
    (found,) = align([picture.frame], [(0, picture.region)])
    assert found.source == "landmarks" and error(found.points, picture) < 0.1


def test_landmarks_never_contradict_the_detector(scene):
    """dlib's predictor always answers; where it answers elsewhere than the detector looked, the detector stands."""
    picture = scene()
    random = np.random.default_rng(0)
    sources = set()
    for spread in (0, 25, 25, 25, 25):
        points = (picture.region.points + random.normal(0, spread, (5, 2))).astype(np.float32)
        (found,) = align([picture.frame], [(0, replace(picture.region, points=points))])
        sources.add(found.source)
        if found.points is None:
            assert found.source == "points"
        else:
            side = 1 / length_scale(ffhq_square(points.astype(np.float64)))
            assert np.linalg.norm(five_of_68(found.points) - points, axis=1).mean() < 0.12 * side
    assert sources == {"landmarks", "points"}


def test_landmarks_of_a_part_do_not_stand_for_what_the_detector_saw(scene):
    """Only what they enclose would be replaced."""
    picture = scene()
    x0, y0, x1, y1 = picture.region.box
    larger = replace(
        picture.region, box=(x0 - (x1 - x0) / 2, y0 - (y1 - y0) / 2, x1 + (x1 - x0) / 2, y1 + (y1 - y0) / 2)
    )
    (found,) = align([picture.frame], [(0, larger)])
    assert (found.source, found.points) == ("points", None)


def test_batches_keep_their_order(scene):
    pictures = [scene(number=i, centre=(120 + 20 * i, 110)) for i in range(3)]
    frames = [p.frame for p in pictures]
    found = align(frames, [(i, pictures[i].region) for i in (2, 0, 1)])
    for alignment, i in zip(found, (2, 0, 1), strict=True):
        assert error(alignment.points, pictures[i]) < 0.08


def test_crops_of_any_size_give_the_same_points(made_faces):
    small = [cv2.resize(face, (128, 128), interpolation=cv2.INTER_AREA) for face in made_faces]
    assert np.abs(landmarks_of_crops(small) - landmarks_of_crops(made_faces)).mean() < 0.01

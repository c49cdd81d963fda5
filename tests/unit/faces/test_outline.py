import cv2
import numpy as np
import pytest

from deid_udf.faces.outline import outline


def face(centre=(100.0, 100.0), size=60.0):
    """68 points on a face-like shape: jaw, brows, nose, eyes, mouth."""
    t = np.linspace(0, np.pi, 17)
    jaw = np.column_stack([-np.cos(t), np.sin(t) * 1.2])
    rest = np.random.default_rng(0).uniform((-0.6, -0.3), (0.6, 0.8), (51, 2))
    points = np.concatenate([jaw, rest])
    points[17:27] = np.column_stack([np.linspace(-0.8, 0.8, 10), np.full(10, -0.4)])
    points[27] = (0, -0.2)
    return points * size + centre


def area(polygon):
    return cv2.contourArea(polygon)


def test_masks_grow_from_hull_to_forehead_to_head():
    points = face()
    sizes = [area(outline(mask, points, points, (0, 0, 1, 1))) for mask in ("hull", "forehead", "head")]
    assert sizes[0] < sizes[1] < sizes[2]


@pytest.mark.parametrize("mask", ["hull", "forehead", "head"])
def test_every_landmark_of_the_original_is_covered(mask):
    points = face()
    polygon = outline(mask, points, face((112.0, 95.0), 55.0), (0, 0, 1, 1))
    assert all(cv2.pointPolygonTest(polygon, (float(x), float(y)), True) > -0.5 for x, y in points)
    assert cv2.isContourConvex(np.round(polygon * 100).astype(np.int32)) or mask == "head"


def test_a_new_face_sticks_out_only_a_little():
    points = face()
    alone, wide = (area(outline("hull", points, new, (0, 0, 1, 1))) for new in (points, face(size=200.0)))
    assert alone < wide < 1.3 * alone


def test_without_landmarks_the_boxs_ellipse_is_covered():
    polygon = outline("forehead", None, face((400.0, 400.0)), (50, 60, 150, 200))
    assert np.allclose(polygon.min(0), (50, 60), atol=1) and np.allclose(polygon.max(0), (150, 200), atol=1)

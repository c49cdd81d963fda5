import cv2
import numpy as np
import pytest

from deid_udf.faces.outline import enclosed, outline


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


def test_the_forehead_ends_at_the_hairline():
    """A third of the face above the brows, as from the brows to below the nose (the rule of thirds)."""
    points = face()
    brows, chin, bridge = points[17:27, 1].mean(), points[8, 1], points[27, 1]
    top = outline("forehead", points, points, (0, 0, 1, 1))[:, 1].min()
    assert 0.45 < (brows - top) / (chin - bridge) < 0.6


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


def test_a_detectors_mask_adds_to_the_outline_and_never_takes_away():
    points, box = face(), (40.0, 40.0, 160.0, 180.0)
    alone = outline("hull", points, points, box)
    inside = np.array([(90, 90), (110, 90), (110, 110), (90, 110)], np.float32)
    np.testing.assert_array_equal(outline("hull", points, points, box, inside), alone)
    wider = outline("hull", points, points, box, np.concatenate([inside, [(40, 50), (160, 50)]]).astype(np.float32))
    for corner in [*alone.tolist(), (40, 50), (160, 50)]:
        assert cv2.pointPolygonTest(wider, tuple(corner), True) > -0.5
    assert area(wider) > area(alone)


def test_what_landmarks_enclose_of_a_box():
    points = face()
    (x0, y0), (x1, y1) = points.min(0), points.max(0)
    assert 0.7 < enclosed(points, (x0, y0 - 25, x1, y1)) < 1
    assert enclosed(points, (x0 - 200, y0 - 200, x1 + 200, y1 + 200)) < 0.1
    assert enclosed(points, (900, 900, 950, 950)) == 0

"""Where judges look, and what they say of a place before and after."""

import numpy as np
import pytest

from deid_udf.detect.region import Region
from deid_udf.evaluate.judges import Sight, changes, judged_box

POINTS = np.array([(40, 50), (80, 50), (60, 70), (45, 95), (75, 95)], np.float32)


def test_a_face_is_judged_around_its_points_however_loose_its_box():
    tight, loose = (Region("face", 0.9, box, "x", points=POINTS) for box in ((30, 20, 90, 110), (0, 0, 200, 240)))
    x0, y0, x1, y1 = judged_box(loose)
    assert judged_box(tight) == (x0, y0, x1, y1)
    assert (x0 + x1) / 2 == pytest.approx(60)
    assert x1 - x0 == pytest.approx(y1 - y0)
    assert x0 < 40 < 80 < x1
    assert y0 < 50 < 95 < y1
    assert judged_box(Region("face", 0.9, (1, 2, 3, 4), "x")) == (1, 2, 3, 4)


def test_changes_of_faces_and_plates():
    old, new = ({"dlib": np.array(v, float), "facenet": np.zeros(2)} for v in ([0, 0], [3, 4]))
    assert changes(Sight(old, ""), Sight(new, "")) == {"dlib_distance": 5, "facenet_distance": 0}
    assert changes(Sight({}, "ABC1"), Sight({}, "ABD1")) == {"plate_distance": 1}
    assert changes(Sight({}, ""), Sight({}, "ABD1")) == {}  # what nobody could read has no text to keep

"""Where judges look, and what they say of a place before and after."""

import numpy as np
import pytest

from benchmarks.plate_scenes import Look, scene
from deid_udf.detect.region import Region
from deid_udf.evaluate.judges import Judges, Sight, changes, judged_box
from deid_udf.plates.formats import load_format
from deid_udf.plates.read import open_reader

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
    assert changes(Sight({}, ""), Sight({}, "ABD1", "eu")) == {}  # what nobody could read has no text to keep
    same = {"plate_distance": 1, "plate_unread": 0, "country_survives": 1}
    assert changes(Sight({}, "ABC1", "eu"), Sight({}, "ABD1", "eu")) == same
    gone = {"plate_distance": 4, "plate_unread": 1, "country_survives": 0}
    assert changes(Sight({}, "ABC1", "eu"), Sight({}, "")) == gone
    moved = changes(Sight({}, "京A132B3", "cn"), Sight({}, "沪A132B3", "cn"))
    assert moved == same | {"province_survives": 0}
    assert changes(Sight({}, "京A1", "cn"), Sight({}, "京B1", "cn")) == same | {"province_survives": 1}


def test_what_the_pipeline_would_not_call_read_is_not_read(models_cache):
    s = scene("cn-blue", Look(height=40), np.random.default_rng(0))
    rng = np.random.default_rng(1)
    grey = np.clip(rng.normal(120, 3, s.frame.shape), 0, 255).astype(np.uint8)
    judges = Judges((), open_reader("ppocr_v4", "cpu"), (load_format("cn-blue"),), load_format("generic"))
    (clear,), (nothing,) = judges.look([s.frame, grey], [[s.region], [s.region]])
    assert clear == Sight({}, s.text, "cn")
    assert nothing == Sight({}, "")

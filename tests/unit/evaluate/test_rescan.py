import cv2
import numpy as np
import pytest

from deid_udf.demo.plates import random_plate
from deid_udf.evaluate.rescan import Release, Rescanner
from deid_udf.images.decode import Limits, decode
from deid_udf.policy import parse_policy
from tests.support.records import street

FACES = """
name: faces
licences: [MIT, Apache-2.0, CC0-1.0]
detection: {detectors: [{model: centerface, threshold: 0.5, review: 0.5}], grow: {}}
faces: {mechanism: {name: fill}}
plates: {mechanism: {name: fill}}
"""
PLATES = """
name: plates
licences: [Apache-2.0]
detection: {detectors: [{model: clp, threshold: 0.1, review: 0.5}]}
faces: {mechanism: {name: fill}}
plates: {formats: [cn-blue], mechanism: {name: fill}}
"""
PLATE = (90, 110, 222, 152)


def _entry(kind, box, epsilon=0):
    return {
        "kind": kind,
        "box": [round(v) for v in box],
        "score": 0.9,
        "detector": "d",
        "mechanism": "m",
        "epsilon": epsilon,
    }


@pytest.fixture(scope="module")
def faces(models_cache):
    return Rescanner(parse_policy(FACES))


@pytest.fixture(scope="module")
def two(faces):
    """A picture with two faces, and their boxes."""
    frame = decode(street(3, faces=2), Limits()).frame
    (found,) = faces._pipeline.find([frame])
    assert len(found) == 2
    return frame, [f.region.box for f in found]


def test_a_face_that_is_found_where_the_ledger_has_none_is_named_by_its_place(faces, two):
    frame, boxes = two
    whole, half, none = faces.look(
        [Release(frame, [_entry("face", box) for box in boxes[:known]]) for known in (2, 1, 0)]
    )
    assert whole.violations == ()
    (line,) = half.violations
    assert str([round(v) for v in boxes[1]]) in line and "no object" in line
    assert len(none.violations) == 2


def test_finds_that_no_detector_is_sure_of_are_counted_and_are_no_violation(models_cache, two):
    frame, _ = two
    doubting = Rescanner(parse_policy(FACES.replace("review: 0.5", "review: 1.0")))
    (found,) = doubting.look([Release(frame, [])])
    assert (found.violations, found.doubtful) == ((), 2)


def test_a_face_that_recognisers_take_for_the_originals_is_named(faces, two):
    frame, boxes = two
    hidden = frame.copy()
    for x0, y0, x1, y1 in np.array(boxes).astype(int):
        hidden[y0:y1, x0:x1] = cv2.GaussianBlur(hidden[y0:y1, x0:x1], (0, 0), 40)
    entries = [_entry("face", box, 8) for box in boxes]
    same, other = faces.look([Release(frame, entries, frame), Release(hidden, entries, frame)])
    assert (same.faces, len(same.violations)) == (2, 2)
    assert "every recogniser takes it for the original's" in same.violations[0]
    assert (other.faces, other.violations) == (2, ())


def test_an_original_plates_text_is_found_wherever_it_stands_and_never_told(models_cache):
    rng = np.random.default_rng(5)
    frame = rng.integers(60, 72, (200, 320, 3), np.uint8)
    x0, y0, x1, y1 = PLATE
    frame[y0:y1, x0:x1] = cv2.resize(random_plate(rng), (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    other = frame.copy()
    other[y0:y1, x0:x1] = cv2.resize(random_plate(rng), (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    rescanner = Rescanner(parse_policy(PLATES))
    entries = [_entry("plate", PLATE)]
    same, changed = rescanner.look([Release(frame, entries, frame), Release(other, entries, frame)])
    (line,) = same.violations
    assert line == "plate at [90, 110, 222, 152] (m, ε 0): the original's text can be read in the released picture"
    assert (changed.plates, changed.violations) == (1, ())

"""A second look sees an object where it stands, far from the frame's corner, and sees that it is gone."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from deid_udf.detect.region import Region
from deid_udf.evaluate.again import around, still_found
from deid_udf.pipeline import Pipeline
from deid_udf.policy import parse_policy
from deid_udf.privacy import OsNoise
from deid_udf.training.plate_art import draw_plate

POLICY = """
name: plates
licences: [MIT, Apache-2.0, CC0-1.0, NVIDIA-NC]
detection: {detectors: [{model: clp, threshold: 0.1}]}
faces: {mechanism: {name: prior}, projection: mean}
plates: {mechanism: {name: prior}}
"""


@pytest.fixture
def street():
    """A grey frame with one drawn plate."""
    frame = np.full((720, 1280, 3), 110, np.uint8)
    frame[450:530, 880:1060] = 60
    frame[476:504, 910:1030] = cv2.resize(draw_plate(np.random.default_rng(1)), (120, 28), interpolation=cv2.INTER_AREA)
    return frame


def test_a_plate_is_found_again_where_it_stood_and_not_where_it_was_painted_over(street, models_cache):
    pipeline = Pipeline(parse_policy(POLICY), noise=OsNoise())
    (objects,) = pipeline.find([street])
    (plate,) = (f.region for f in objects)
    elsewhere = replace(plate, box=(100.0, 100.0, 220.0, 130.0))
    painted = street.copy()
    painted[440:540, 870:1070] = 110
    assert still_found(pipeline, [street, painted], [[plate, elsewhere], [plate]]) == [[True, False], [False]]


def test_the_surroundings_hold_all_objects_and_stay_in_the_frame():
    regions = [Region("plate", 1.0, (910, 476, 1030, 504), "x"), Region("face", 1.0, (1200, 5, 1230, 40), "x")]
    assert around(regions, (720, 1280, 3)) == (800, 0, 1280, 608)
    assert around(regions[:1], (500, 1280, 3)) == (800, 352, 1152, 500)

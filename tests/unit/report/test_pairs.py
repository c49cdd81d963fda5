import base64
from decimal import Decimal

import cv2
import numpy as np

from deid_udf.report.pairs import data_uri, pair


def _entry(kind, box, **rest):
    return {"kind": kind, "box": box, "epsilon": Decimal(8), "guarantee": "pure", "cause": "", "memo_of": None} | rest


def test_regions_are_scaled_with_the_picture():
    before, after = np.zeros((1080, 1920, 3), np.uint8), np.full((1080, 1920, 3), 200, np.uint8)
    entries = [_entry("face", [100, 200, 300, 400]), _entry("plate", [0, 0, 50, 20], epsilon=None, guarantee="none")]
    made = pair("a.jpg", before, after, entries, Decimal("8.00001"))
    assert (made.width, made.height) == (960, 540)
    face, plate = made.regions
    assert (face.x, face.y, face.width, face.height) == (50, 100, 100, 100)
    assert face.label == "face · ε 8 · pure"
    assert plate.label == "plate · ε ∞ · none"
    assert made.epsilon == "8.0001"  # never shown below what was spent
    assert made.summary == "1 face, 1 plate"


def test_an_embedded_picture_is_that_picture():
    frame = np.zeros((40, 60, 3), np.uint8)
    frame[:, :30] = (250, 20, 20)
    data = base64.b64decode(data_uri(frame).removeprefix("data:image/jpeg;base64,"))
    seen = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB))
    assert np.abs(seen[20, 5].astype(int) - (250, 20, 20)).max() < 12
    assert seen[20, 55].max() < 12

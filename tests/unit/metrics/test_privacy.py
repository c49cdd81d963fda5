"""Privacy metrics: the paper's pairs of distance and confidence, and edit distance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid_udf.metrics.privacy import confidence, face_distance, plate_distance

plates = st.text(alphabet="ABC0123", max_size=8)


@pytest.mark.parametrize(("distance", "score"), [(0.12, 88), (0.45, 55), (0.3, 70), (0.0, 100)])
def test_confidence_is_the_papers(distance: float, score: float) -> None:
    assert confidence(distance) == pytest.approx(score)


def test_face_distance_is_euclidean() -> None:
    a, b = np.zeros((2, 4)), np.array([[3.0, 4, 0, 0], [0, 0, 0, 0]])
    assert face_distance(a, b).tolist() == [5, 0]


@pytest.mark.parametrize(
    ("a", "b", "edits"),
    [("", "", 0), ("ABC", "", 3), ("A132B3", "A132B3", 0), ("京A132B3", "鲁D2EPF2", 7), ("kitten", "sitting", 3)],
)
def test_plate_distance_worked_by_hand(a: str, b: str, edits: int) -> None:
    assert plate_distance(a, b) == edits


@given(plates, plates, plates)
def test_plate_distance_is_a_metric(a: str, b: str, c: str) -> None:
    assert plate_distance(a, b) == plate_distance(b, a)
    assert (plate_distance(a, b) == 0) == (a == b)
    assert plate_distance(a, c) <= plate_distance(a, b) + plate_distance(b, c)

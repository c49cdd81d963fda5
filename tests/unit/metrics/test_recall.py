"""Recall: one detection finds one object, coverage is of the union, and sizes fall into their bins."""

import numpy as np
import pytest

from deid_udf.metrics.recall import by_size, coverage, iou, match


def test_iou_worked_by_hand() -> None:
    a = np.array([[0.0, 0, 10, 10]])
    b = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [3, 3, 3, 3]])
    assert iou(a, b)[0] == pytest.approx([1, 1 / 3, 0, 0])


def test_one_detection_finds_one_of_two_objects() -> None:
    result = match([(0, 0, 10, 10), (2, 0, 12, 10)], [(1, 0, 11, 10)])
    assert result.found.sum() == 1
    assert result.covered.all()
    assert result.false == 0


def test_what_matches_nothing_is_false() -> None:
    result = match([(0, 0, 10, 10)], [(50, 50, 60, 60), (0, 0, 10, 10)])
    assert result.found.tolist() == [True]
    assert result.false == 1


def test_nothing_detected_finds_nothing() -> None:
    result = match([(0, 0, 10, 10)], [])
    assert result.found.tolist() == [False]
    assert result.covered.tolist() == [False]


def test_coverage_is_of_the_union() -> None:
    halves = np.array([[0.0, 0, 5, 10], [4, 0, 10, 10]])
    assert coverage((0, 0, 10, 10), halves) == 1
    assert coverage((0, 0, 10, 10), halves[:1]) == 0.5


def test_bins_by_height() -> None:
    rows = by_size([match([(0, 0, 5, 5), (0, 0, 30, 25)], [(0, 0, 30, 25)])])
    assert [row["objects"] for row in rows] == [1, 0, 1, 0]
    assert rows[0]["recall"] == 0
    assert rows[2]["recall"] == 1
    assert np.isnan(rows[1]["recall"])

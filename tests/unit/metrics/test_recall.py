"""Recall: one detection finds one object, and coverage counts the object's own pixels that are replaced."""

import numpy as np
import pytest

from deid_udf.compose import rasterise
from deid_udf.metrics.recall import coverage, iou, match


def test_iou_worked_by_hand() -> None:
    a = np.array([[0.0, 0, 10, 10]])
    b = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [3, 3, 3, 3]])
    assert iou(a, b)[0] == pytest.approx([1, 1 / 3, 0, 0])


def test_one_detection_finds_one_of_two_objects() -> None:
    result = match([(0, 0, 10, 10), (2, 0, 12, 10)], [(1, 0, 11, 10)])
    assert result.found.sum() == 1
    assert result.false == 0


def test_what_matches_nothing_is_false() -> None:
    result = match([(0, 0, 10, 10)], [(50, 50, 60, 60), (0, 0, 10, 10)])
    assert result.found.tolist() == [True]
    assert result.false == 1


def test_nothing_detected_finds_nothing() -> None:
    result = match([(0, 0, 10, 10)], [])
    assert result.found.tolist() == [False]


BOX = np.array([(0, 0), (10, 0), (10, 10), (0, 10)], np.float32)
DIAMOND = np.array([(10, 0), (20, 10), (10, 20), (0, 10)], np.float32)


def test_coverage_is_the_share_of_the_objects_pixels() -> None:
    replaced = np.zeros((30, 40), np.bool_)
    assert coverage(BOX, replaced) == 0
    replaced[:, :5] = True
    assert coverage(BOX, replaced) == 0.5
    assert coverage(BOX[::-1], replaced) == 0.5  # whichever way round
    replaced[:] = True
    assert coverage(BOX, replaced) == 1


def test_corners_of_its_box_are_none_of_a_slanted_objects_pixels() -> None:
    window, mask = rasterise(DIAMOND * 1.2 - 2, (30, 40))
    replaced = np.zeros((30, 40), np.bool_)
    replaced[window[1] : window[3], window[0] : window[2]] = mask
    assert coverage(DIAMOND, replaced) == 1
    assert 0.5 < coverage(BOX * 2, replaced) < 0.8
    assert coverage(DIAMOND, ~replaced) == 0


def test_of_an_object_that_is_cut_by_the_frame_the_visible_part_counts() -> None:
    replaced = np.ones((5, 5), np.bool_)
    assert coverage(BOX, replaced) == 1
    assert coverage(BOX + 100, replaced) == 0

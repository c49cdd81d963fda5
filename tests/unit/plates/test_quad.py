from dataclasses import replace

import numpy as np
import pytest

from deid_udf.detect.region import Region
from deid_udf.plates.quad import aspect_of, edges_of, is_box, outline_of, part, quad_of, upright

SQUARE = np.array([(0, 0), (4, 0), (4, 2), (0, 2)], np.float32)


def test_corners_are_taken_where_they_make_sense():
    box = (0.0, 0.0, 4.0, 2.0)
    tilted = np.array([(0, 0.5), (4, 0), (4, 1.5), (0, 2)], np.float32)
    np.testing.assert_array_equal(quad_of(Region("plate", 1, box, "d", corners=tilted)), tilted)
    crossed, absent = tilted[[0, 2, 1, 3]], np.full((4, 2), np.nan, np.float32)
    for corners in (crossed, tilted[::-1], absent, None):
        np.testing.assert_array_equal(quad_of(Region("plate", 1, box, "d", corners=corners)), SQUARE)


def test_a_plate_is_replaced_with_all_that_it_was_merged_from():
    tilted = np.array([(0, 0.5), (4, 0), (4, 1.5), (0, 2)], np.float32)
    region = Region("plate", 1, (-1.0, 0.0, 5.0, 2.0), "d", corners=tilted)
    assert sorted(outline_of(region).tolist()) == [[-1, 0.5], [-1, 2], [5, 0], [5, 1.5]]
    merged = outline_of(replace(region, parts=(tilted, SQUARE)))
    assert sorted(merged.tolist()) == [[-1, 0.5], [-1, 2], [0, 0], [4, 2], [5, 0], [5, 1.5]]


def test_aspect_and_parts():
    assert aspect_of(SQUARE) == pytest.approx(2)
    np.testing.assert_allclose(part(SQUARE, 0, 0.5, 1, 1), [(0, 1), (4, 1), (4, 2), (0, 2)], atol=1e-5)
    np.testing.assert_allclose(part(SQUARE, -0.5, -0.5, 1.5, 1.5), [(-2, -1), (6, -1), (6, 3), (-2, 3)], atol=1e-5)


def test_an_upright_box_is_known_as_one():
    assert is_box(SQUARE)
    assert not is_box(SQUARE + np.array([(0, 0.1), (0, 0), (0, 0), (0, 0)], np.float32))


def test_a_plate_is_drawn_on_its_edges_where_they_make_sense():
    box = (0.0, 0.0, 4.0, 2.0)
    edges = np.array([(0.1, 0.4), (3.9, 0.1), (3.9, 1.6), (0.1, 1.9)], np.float32)
    np.testing.assert_array_equal(edges_of(Region("plate", 1, box, "d", corners=SQUARE, edges=edges)), edges)
    for wrong in (edges[[0, 2, 1, 3]], edges * np.float32(0.1), np.full((4, 2), np.nan, np.float32), None):
        np.testing.assert_array_equal(edges_of(Region("plate", 1, box, "d", corners=SQUARE, edges=wrong)), SQUARE)


def test_a_plate_is_straightened_in_a_frame_too_wide_for_a_warp():
    narrow = np.random.default_rng(0).integers(0, 256, (40, 100, 3)).astype(np.uint8)
    wide = np.pad(narrow, ((0, 0), (39_900, 0), (0, 0)))
    quad = np.array([(30, 12), (90, 8), (90, 26), (30, 30)], np.float32)
    expected = upright(narrow, quad, (60, 16))
    np.testing.assert_allclose(upright(wide, quad + np.array((39_900, 0), np.float32), (60, 16)), expected, atol=1)

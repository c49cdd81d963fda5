import itertools

import numpy as np
import pytest

from deid_udf.detect.region import Region
from deid_udf.detect.tiles import views


def frame_of(height, width):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_small_frame_is_seen_whole_and_once():
    frame = frame_of(100, 200)
    (view,) = views(frame, tile=256, scale=1)
    assert view.image is frame


def test_tiles_cover_the_frame_and_overlap():
    frame = frame_of(300, 700)
    whole, *tiles = views(frame, tile=256, scale=1)
    assert whole.image.shape == frame.shape
    covered = np.zeros(frame.shape[:2], int)
    for tile in tiles:
        x, y = tile.origin
        h, w = tile.image.shape[:2]
        np.testing.assert_array_equal(tile.image, frame[y : y + h, x : x + w])
        covered[y : y + h, x : x + w] += 1
    assert covered.min() == 1
    xs = sorted({t.origin[0] for t in tiles})
    assert all(b - a <= 192 for a, b in itertools.pairwise(xs))


def test_regions_return_to_frame_pixels():
    (view,) = views(frame_of(100, 200), tile=None, scale=2)
    corners = np.array([(40, 20), (80, 20), (80, 60), (40, 60)], np.float32)
    region = view.to_frame(Region("plate", 0.9, (40, 20, 80, 60), "d", corners=corners))
    assert region.box == pytest.approx((20, 10, 40, 30))
    assert region.corners is not None
    np.testing.assert_allclose(region.corners, corners / 2)


@pytest.mark.parametrize(("box", "cut"), [((0, 50, 40, 60), True), ((50, 0, 90, 20), False), ((60, 60, 90, 90), False)])
def test_a_region_is_cut_at_inner_edges_only(box, cut):
    right = [v for v in views(frame_of(256, 500), tile=256, scale=1) if v.origin[0] > 0][-1]
    assert right.shows(Region("plate", 0.9, box, "d")) is not cut


def test_a_mask_returns_at_the_size_of_its_box():
    (view,) = views(frame_of(100, 200), tile=None, scale=2)
    mask = np.zeros((40, 40), np.bool_)
    mask[:20] = True
    region = view.to_frame(Region("plate", 0.9, (40, 20, 80, 60), "d", mask=mask))
    assert region.mask is not None
    assert region.mask.shape == (20, 20)
    assert region.mask[:10].all() and not region.mask[10:].any()


def test_a_coarse_view_counts_for_large_objects_alone():
    fine, coarse = views(frame_of(400, 800), coarse=0.25)
    assert coarse.image.shape == (100, 200, 3)
    small, large = Region("plate", 0.9, (10, 10, 60, 30), "d"), Region("plate", 0.9, (10, 10, 110, 50), "d")
    assert (fine.shows(small), coarse.shows(small), coarse.shows(large)) == (True, False, True)
    assert coarse.to_frame(large).box == pytest.approx((40, 40, 440, 200))

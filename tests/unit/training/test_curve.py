"""The curve counts what each threshold lets through."""

import cv2
import numpy as np

from deid_udf.detect.region import Kind, Region
from deid_udf.training.curve import THRESHOLDS, curve
from deid_udf.training.pictures import Picture, Thing


class Fixed:
    """A detector that reports the same regions on every frame."""

    name = "fixed"
    kinds: frozenset[Kind] = frozenset({"plate"})

    def __init__(self, *regions: Region) -> None:
        self.regions = list(regions)

    def detect(self, frames):
        return [self.regions for _ in frames]


def _plate(x: float, score: float, name: str = "fixed") -> Region:
    return Region("plate", score, (x, 50, x + 60, 75), name)


def _picture(*lefts: float) -> Picture:
    data = cv2.imencode(".png", np.zeros((100, 400, 3), np.uint8))[1].tobytes()
    outlines = [np.array([(x, 50), (x + 60, 50), (x + 60, 75), (x, 75)], np.float32) for x in lefts]
    return Picture(data, tuple(Thing("plate", outline) for outline in outlines))


def test_higher_thresholds_trade_recall_for_false_boxes():
    detector = Fixed(_plate(10, 0.99), _plate(110, 0.4), _plate(300, 0.6))
    points = curve(detector, [_picture(10, 110)] * 3, "plate")
    assert [p.threshold for p in points] == list(THRESHOLDS)
    at = {p.threshold: p for p in points}
    assert (at[0.3].recall, at[0.3].false) == (1, 1)
    assert (at[0.5].recall, at[0.5].false) == (0.5, 1)
    assert (at[0.7].recall, at[0.7].false) == (0.5, 0)


def test_others_are_always_on_and_merged():
    tested, other = Fixed(_plate(10, 0.95), _plate(110, 0.4)), Fixed(_plate(12, 0.3, "other"))
    points = curve(tested, [_picture(10)], "plate", others=[other])
    assert all(p.recall == 1 for p in points)
    assert points[0].false == 1 and points[-1].false == 0


def test_what_is_seen_smaller_is_counted_where_it_is():
    seen_at_half = Fixed(Region("plate", 0.9, (5, 25, 35, 37.5), "fixed"))
    assert curve(seen_at_half, [_picture(10)], "plate", scale=0.5)[0].recall == 1

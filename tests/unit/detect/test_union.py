import json
from dataclasses import replace

import numpy as np
import pytest

from deid_udf.detect.region import Kind, Region
from deid_udf.detect.union import Found, find_private, merge
from deid_udf.policy import Detection, DetectorChoice


class Scripted:
    """A detector whose findings are known: `{first pixel of the frame: regions}`."""

    kinds: frozenset[Kind] = frozenset({"face", "plate"})

    def __init__(self, name, answers):
        self.name = name
        self.answers = answers
        self.calls = 0

    def detect(self, frames):
        self.calls += 1
        return [self.answers.get(int(frame[0, 0, 0]), []) for frame in frames]


def region(kind, score, box, detector="a", **kw):
    return Region(kind, score, box, detector, **kw)


def frames(*firsts):
    return [np.full((40, 60, 3), first, np.uint8) for first in firsts]


def boxes(found):
    return [[f.region.box for f in some] for some in found]


def test_thresholds_hold_by_detector_and_low_scores_go_to_review():
    low, high = region("face", 0.15, (0, 0, 10, 10)), region("face", 0.9, (20, 20, 30, 30))
    one, two = Scripted("one", {1: [low, high]}), Scripted("two", {1: [region("plate", 0.15, (40, 0, 50, 5))]})
    detection = Detection(
        detectors=(
            DetectorChoice(model="one", threshold=0.2, review=0.95),
            DetectorChoice(model="two", threshold=0.1, review=0.1),
        ),
        grow={},
    )
    found = find_private(frames(0, 1), detection, [one, two])
    assert boxes(found) == [[], [(20, 20, 30, 30), (40, 0, 50, 5)]]
    assert [f.review for f in found[1]] == [True, False]
    assert (one.calls, two.calls) == (1, 1)


def test_a_kept_class_is_not_private():
    detector = Scripted("one", {1: [region("face", 0.9, (0, 0, 10, 10)), region("plate", 0.8, (20, 20, 40, 30))]})
    detection = Detection(
        detectors=(DetectorChoice(model="one", threshold=0.1),), classes={"face": "keep", "plate": "private"}, grow={}
    )
    assert boxes(find_private(frames(1), detection, [detector])) == [[(20, 20, 40, 30)]]


def test_regions_grow_by_the_class_margin_and_corners_do_not():
    corners = np.array([(10, 10), (30, 10), (30, 20), (10, 20)], np.float32)
    detector = Scripted("one", {1: [region("plate", 0.9, (10, 10, 30, 20), corners=corners)]})
    detection = Detection(detectors=(DetectorChoice(model="one", threshold=0.1),), grow={"plate": 0.5})
    ((found,),) = find_private(frames(1), detection, [detector])
    assert found.region.box == pytest.approx((0, 5, 40, 25))
    np.testing.assert_array_equal(found.region.corners, corners)


def test_two_detectors_of_one_object_make_one_region_over_both_boxes():
    found = [
        Found(region("face", 0.6, (0, 0, 10, 10), "a"), False),
        Found(region("face", 0.9, (2, 0, 12, 10), "b"), False),
    ]
    (only,) = merge(found, 0.4)
    assert (only.region.detector, only.region.box) == ("b", (0, 0, 12, 10))


def test_merging_is_by_class_and_absorbs_what_lies_inside():
    face = Found(region("face", 0.9, (0, 0, 20, 20)), False)
    plate = Found(region("plate", 0.8, (0, 0, 20, 20)), False)
    inside = Found(region("face", 0.5, (5, 5, 9, 9)), True)
    elsewhere = Found(region("face", 0.4, (50, 50, 60, 60)), True)
    merged = merge([inside, plate, elsewhere, face], 0.4)
    assert [(f.region.kind, f.region.box, f.review) for f in merged] == [
        ("face", (0, 0, 20, 20), False),
        ("plate", (0, 0, 20, 20), False),
        ("face", (50, 50, 60, 60), True),
    ]


def test_a_face_in_the_corner_of_a_larger_ones_box_is_a_face_of_its_own():
    """What is replaced of the larger one would leave it standing."""
    large = Found(region("face", 0.9, (100, 100, 300, 350)), False)
    for corner in ((110, 105, 150, 155), (255, 295, 298, 348)):
        assert len(merge([large, Found(region("face", 0.8, corner), False)], 0.4)) == 2
    middle = Found(region("face", 0.8, (180, 200, 220, 250)), False)
    assert len(merge([large, middle], 0.4)) == 1
    plates = [replace(found.region, kind="plate") for found in (large, middle)]
    assert len(merge([Found(plate, False) for plate in plates], 0.4)) == 1


def test_a_plate_keeps_the_corners_of_all_that_it_absorbed():
    tilted = np.array([(0, 4), (40, 0), (40, 8), (0, 12)], np.float32)
    triangle = np.array([(20, 2), (34, 7), (34, 8), (20, 8)], np.float32)
    detector = Scripted(
        "one",
        {
            1: [
                region("plate", 0.9, (0, 0, 40, 12), corners=tilted),
                region("plate", 0.8, (30, 8, 38, 12)),
                region("plate", 0.7, (20, 2, 34, 8), corners=triangle),
            ]
        },
    )
    detection = Detection(detectors=(DetectorChoice(model="one", threshold=0.1),), grow={"plate": 0.5})
    (plate,) = (f.region for f in find_private(frames(1), detection, [detector])[0])
    np.testing.assert_array_equal(plate.corners, tilted)
    slanted, inside, believed_as_box = plate.parts
    np.testing.assert_allclose(slanted, [(-20, 2), (60, -6), (60, 10), (-20, 18)])
    np.testing.assert_array_equal(inside, [(26, 6), (42, 6), (42, 14), (26, 14)])
    np.testing.assert_array_equal(believed_as_box, [(13, -1), (41, -1), (41, 11), (13, 11)])


def test_an_object_needs_review_only_where_no_detector_is_sure():
    unsure, sure = Found(region("plate", 0.93, (0, 0, 20, 8)), True), Found(region("plate", 0.8, (1, 0, 20, 8)), False)
    assert [f.review for f in merge([unsure, sure], 0.4)] == [False]
    assert [f.review for f in merge([unsure], 0.4)] == [True]


def test_masks_follow_their_boxes_through_merging_and_growth():
    mask = np.ones((10, 10), np.bool_)
    seen = [region("plate", 0.9, (10, 10, 20, 20), mask=mask), region("plate", 0.8, (12, 10, 22, 20))]
    detection = Detection(detectors=(DetectorChoice(model="one", threshold=0.1),), grow={"plate": 0.5})
    ((found,),) = find_private(frames(1), detection, [Scripted("one", {1: seen})])
    assert found.region.box == pytest.approx((4, 5, 28, 25))
    assert found.region.mask is not None
    assert found.region.mask.shape == (20, 24)
    assert found.region.mask.sum() == 100  # what was seen as pixels, and neither the other box nor what it grew by
    assert found.region.mask[5:15, 6:16].all()


def test_what_is_doubtful_and_too_large_is_no_plate():
    choice = DetectorChoice(model="one", threshold=0.1, review=0.5)
    detection = Detection(detectors=(choice,), grow={}, largest={"plate": 0.1})
    small, wall = region("plate", 0.3, (0, 0, 20, 12)), region("plate", 0.4, (0, 20, 60, 40))
    face = region("face", 0.3, (0, 0, 60, 40))
    assert boxes(find_private(frames(1), detection, [Scripted("one", {1: [small, wall, face]})])) == [
        [(0, 0, 20, 12), (0, 0, 60, 40)]
    ]


def test_a_close_crop_of_a_sure_plate_is_protected():
    choice = DetectorChoice(model="one", threshold=0.1, review=0.5)
    detection = Detection(detectors=(choice,), grow={}, largest={"plate": 0.1})
    crop = region("plate", 0.6, (0, 0, 60, 40))
    assert boxes(find_private(frames(1), detection, [Scripted("one", {1: [crop]})])) == [[(0, 0, 60, 40)]]


def under_a_sign(sign, role="veto", review=0.5):
    """A plate and a face on a sign, and a plate beside it, under that role of signs."""
    seen = [
        region("plate", 0.9, (1, 2, 11, 7)),
        region("face", 0.9, (2, 2, 8, 8)),
        region("plate", 0.8, (9, 2, 29, 12)),
        sign,
    ]
    choice = DetectorChoice(model="one", threshold=0.1, review=review)
    detection = Detection(detectors=(choice,), classes={"sign": role}, grow={})
    return find_private(frames(1), detection, [Scripted("one", {1: seen})], ["night/7"])


SIGN = region("sign", 0.95, (0, 0, 12, 12), "signs")


def test_a_sign_vetoes_the_plates_on_it_alone_and_the_log_says_so(capsys):
    assert boxes(under_a_sign(SIGN)) == [[(2, 2, 8, 8), (9, 2, 29, 12)]]
    logged = json.loads(capsys.readouterr().err)
    assert (logged["event"], logged["image_id"]) == ("plate_vetoed", "night/7")
    assert (logged["box"], logged["sign"], logged["sign_score"]) == ([1, 2, 11, 7], "signs", 0.95)


@pytest.mark.parametrize(
    ("sign", "review"),
    [
        (replace(SIGN, score=0.89), 0.5),
        (SIGN, 0.96),
        (replace(SIGN, box=(0, 0, 60, 40)), 0.5),
        (replace(SIGN, box=(0, 0, 8, 12)), 0.5),
    ],
    ids=["doubtful", "below its detector's review", "as large as the frame", "holding less than most of the plate"],
)
def test_no_other_sign_takes_a_plates_protection(sign, review, capsys):
    assert len(under_a_sign(sign, review=review)[0]) == 3
    assert capsys.readouterr().err == ""


def test_a_kept_sign_vetoes_nothing_and_is_not_private(capsys):
    assert [f.region.kind for f in under_a_sign(SIGN, "keep")[0]] == ["plate", "face", "plate"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("classes", [{"face": "veto"}, {"plate": "veto"}, {"sign": "private"}])
def test_no_class_gets_a_role_that_is_not_its_own(classes):
    with pytest.raises(ValueError, match="cannot be"):
        Detection(classes=classes)


def test_points_come_from_a_lesser_detector_where_the_better_one_has_none():
    points = np.arange(10, dtype=np.float32).reshape(5, 2)
    masked = Found(region("face", 0.99, (0, 0, 20, 20), mask=np.ones((20, 20), np.bool_)), False)
    pointed = Found(region("face", 0.7, (1, 0, 20, 20), "b", points=points), False)
    (only,) = merge([pointed, masked], 0.4)
    assert only.region.detector == "a"
    np.testing.assert_array_equal(only.region.points, points)


def test_a_plate_has_edges_beside_what_its_detector_gave():
    corners = np.array([(11, 8), (50, 8), (50, 24), (11, 24)], np.float32)
    frame = np.full((40, 60, 3), 40, np.uint8)
    frame[11:24, 11:50] = 220
    plate = region("plate", 0.9, (11, 8, 50, 24), corners=corners)
    detector = Scripted("one", {40: [plate, region("face", 0.8, (0, 0, 9, 9))]})
    detection = Detection(detectors=(DetectorChoice(model="one", threshold=0.1),), grow={})
    (plate, face) = (f.region for f in find_private([frame], detection, [detector])[0])
    np.testing.assert_array_equal(plate.corners, corners)
    assert plate.edges is not None
    assert plate.edges[:2, 1] == pytest.approx(11, abs=1)
    assert plate.edges[2:, 1] == pytest.approx(24, abs=1)
    assert face.edges is None

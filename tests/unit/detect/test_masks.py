import numpy as np

from deid_udf.detect.masks import enclosing, hull, joined, resized
from deid_udf.detect.region import Region


def test_a_hull_is_whole_pixels_and_never_empty():
    assert hull((1.2, 2.0, 3.1, 4.0)) == (1, 2, 4, 4)
    assert hull((5.0, 5.0, 5.0, 5.0)) == (5, 5, 6, 6)
    assert hull((-1.5, 0.0, 0.5, 1.0)) == (-2, 0, 1, 1)


def test_a_resized_mask_keeps_its_shape():
    mask = np.zeros((10, 20), np.bool_)
    mask[:, 10:] = True
    half = resized(mask, (30.0, 40.0, 40.0, 45.0))
    assert half.shape == (5, 10)
    assert not half[:, :5].any() and half[:, 5:].all()


MASKED = Region("face", 0.9, (10, 10, 12, 12), "a", mask=np.array([[True, False], [False, True]]))


def test_masks_are_joined_where_each_lies_and_a_box_is_none():
    two = Region("face", 0.5, (13, 11, 15, 13), "b", mask=np.ones((2, 2), np.bool_))
    boxed = Region("face", 0.5, (9, 10, 15, 13), "c")
    mask = joined([MASKED, two, boxed], (9, 10, 15, 13))
    expected = np.zeros((3, 6), np.bool_)
    expected[0, 1] = expected[1, 2] = True
    expected[1:3, 4:6] = True
    np.testing.assert_array_equal(mask, expected)


def test_without_any_mask_there_is_none():
    assert joined([Region("face", 0.9, (0, 0, 4, 4), "a")], (0, 0, 8, 8)) is None


def test_a_masks_hull_is_in_the_frames_pixels():
    found = enclosing(MASKED)
    assert found is not None
    assert sorted(map(tuple, found.tolist())) == [(10, 10), (11, 11)]
    for mask in (None, np.zeros((2, 2), np.bool_)):
        assert enclosing(Region("face", 0.9, (10, 10, 12, 12), "a", mask=mask)) is None

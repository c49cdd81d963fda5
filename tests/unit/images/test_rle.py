"""Masks against the decoder that COCO's own tools use."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from deid_udf.images.rle import packed, run_lengths


def decoded(mask: np.ndarray, left: int, top: int, size: tuple[int, int]) -> np.ndarray:
    counts = packed(run_lengths(mask, left, top, size))
    return coco.decode({"size": list(size), "counts": counts.encode()}).astype(np.bool_)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 40), st.floats(0, 1))
def test_any_mask_comes_back(seed, height, width, density):
    random = np.random.default_rng(seed)
    h, w = random.integers(0, height + 1), random.integers(0, width + 1)
    top, left = random.integers(0, height - h + 1), random.integers(0, width - w + 1)
    mask = random.random((h, w)) < density
    frame = np.zeros((height, width), np.bool_)
    frame[top : top + h, left : left + w] = mask
    np.testing.assert_array_equal(decoded(mask, int(left), int(top), (height, width)), frame)


@pytest.mark.parametrize("value", [False, True])
def test_a_large_even_frame(value):
    frame = np.full((720, 1280), value)
    np.testing.assert_array_equal(decoded(frame, 0, 0, (720, 1280)), frame)

import numpy as np
import pytest
from PIL import Image, ImageOps

from deid_udf.images.orientation import orient, oriented_size, unorient


@pytest.mark.parametrize("orientation", range(1, 9))
def test_agrees_with_pillow_and_inverts(orientation):
    stored = np.random.default_rng(orientation).integers(0, 256, (5, 8, 3), np.uint8)
    image = Image.fromarray(stored)
    image.getexif()[0x0112] = orientation
    upright = orient(stored, orientation)
    assert np.array_equal(upright, np.asarray(ImageOps.exif_transpose(image)))
    assert oriented_size(8, 5, orientation) == (upright.shape[1], upright.shape[0])
    assert np.array_equal(unorient(upright, orientation), stored)
    assert upright.flags.c_contiguous
    assert np.array_equal(unorient(orient(stored[..., 0], orientation), orientation), stored[..., 0])

"""The forward codec against libjpeg's own: the same picture, the same tables, nearly the same numbers."""

import numpy as np
import pytest

from deid_udf.images import coefficients, jpeg
from deid_udf.images.transplant import transplant
from tests.unit.images.pictures import LIMITS, opened, picture, saved


def content(data: bytes) -> coefficients.Coefficients:
    return coefficients.read(jpeg.parse(data, LIMITS).picture)


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("RGB", {"subsampling": 0}),
        ("RGB", {"subsampling": 1}),
        ("RGB", {"subsampling": 2}),
        ("RGB", {"keep_rgb": True}),
        ("L", {}),
    ],
)
@pytest.mark.parametrize("size", [(203, 149), (64, 48), (7, 5), (17, 1)])
def test_agrees_with_libjpeg(mode, options, size):
    old, new = (picture(size[0], size[1], seed).convert(mode) for seed in (0, 1))
    ours, theirs = (content(saved(image, "JPEG", quality=92, **options)) for image in (old, new))
    transplant(ours, np.asarray(new.convert("RGB")), np.ones(size[::-1], bool), rgb=bool(options.get("keep_rgb")))
    assert np.array_equal(ours.tables, theirs.tables)
    for mine, reference in zip(ours.blocks, theirs.blocks, strict=True):
        # libjpeg rounds colours and means of chroma to whole levels before the transform; blocks that are mostly
        # padding differ by where it pads.
        inner = np.s_[: max(size[1] // 16, 0), : max(size[0] // 16, 0)]
        difference = np.abs(mine[inner].astype(int) - reference[inner])
        if difference.size:
            assert (difference <= 1).mean() > 0.999
            assert difference.max() <= 2


def test_only_touched_mcus_change():
    data = saved(picture(64, 48), "JPEG", subsampling=2)
    before, after = content(data), content(data)
    changed = np.zeros((48, 64), bool)
    changed[16, 47] = True  # MCU (1, 2)
    transplant(after, np.zeros((48, 64, 3), np.uint8), changed)
    luma = (before.blocks[0] != after.blocks[0]).any(axis=(2, 3))
    chroma = (before.blocks[1] != after.blocks[1]).any(axis=(2, 3))
    assert set(zip(*np.nonzero(luma), strict=True)) == {(2, 4), (2, 5), (3, 4), (3, 5)}
    assert set(zip(*np.nonzero(chroma), strict=True)) == {(1, 2)}


@pytest.mark.parametrize("level", [0, 255])
def test_the_extremes_can_be_coded(level):
    data = saved(picture(64, 48), "JPEG", quality=100, subsampling=0)
    decoded = content(data)
    checkers = np.where(np.indices((48, 64)).sum(axis=0)[..., None] % 2, level, 255 - level).repeat(3, axis=2)
    transplant(decoded, checkers.astype(np.uint8), np.ones((48, 64), bool))
    shown = np.asarray(opened(jpeg.assemble(coefficients.write(decoded), "ycc")), np.int16)
    assert np.abs(shown - checkers).max() <= 2

import numpy as np

from deid_udf.detect.batches import batches


def test_equal_padded_sizes_share_a_batch_and_keep_their_pixels():
    frames = [np.full((h, w, 3), i, np.uint8) for i, (h, w) in enumerate([(30, 60), (64, 64), (32, 64)], start=1)]
    seen = {}
    for members, batch in batches(frames, fill=(7, 8, 9)):
        for i, padded in zip(members, batch, strict=True):
            seen[i] = (padded, batch.shape)
    assert [seen[i][1] for i in range(3)] == [(2, 32, 64, 3), (1, 64, 64, 3), (2, 32, 64, 3)]
    padded = seen[0][0]
    assert (padded[:30, :60] == 1).all()
    assert (padded[30:] == (7, 8, 9)).all()
    assert (padded[:, 60:] == (7, 8, 9)).all()


def test_a_batch_is_bounded_by_pixels():
    frames = [np.zeros((1024, 2048, 3), np.uint8)] * 9
    assert [len(members) for members, _ in batches(frames, fill=(0, 0, 0))] == [3, 3, 3]

import numpy as np

from deid_udf.detect.yunet import decode


def outputs(width=64, height=32):
    rows = {}
    for stride in (8, 16, 32):
        cells = (width // stride) * (height // stride)
        for head, size in {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}.items():
            rows[f"{head}_{stride}"] = np.zeros((cells, size), np.float32)
    return rows


def test_decode_one_face_by_hand():
    rows = outputs()
    cell = 1 * 8 + 3  # second row, fourth column at stride 8: its corner is (24, 8)
    rows["cls_8"][cell], rows["obj_8"][cell] = 0.9, 0.4
    rows["bbox_8"][cell] = (0.5, 0.25, np.log(2), np.log(3))
    rows["kps_8"][cell] = np.arange(10) / 10
    (face,) = decode(rows, floor=0.5, width=64)
    np.testing.assert_allclose(face.score, 0.6, rtol=1e-5)
    np.testing.assert_allclose(face.box, (28 - 8, 10 - 12, 28 + 8, 10 + 12), rtol=1e-5)
    assert face.points is not None
    expected = np.arange(10, dtype=np.float32).reshape(5, 2) * 0.8 + (24, 8)
    np.testing.assert_allclose(face.points.tolist(), expected.tolist(), rtol=1e-5)
    assert (face.kind, face.detector) == ("face", "yunet")


def test_overlapping_cells_are_one_face_over_all_strides():
    rows = outputs()
    for stride, cell in ((8, 0), (16, 0)):
        rows[f"cls_{stride}"][cell] = rows[f"obj_{stride}"][cell] = 0.8
        rows[f"bbox_{stride}"][cell, 2:] = np.log(16 / stride)
    assert len(decode(rows, floor=0.5, width=64)) == 1
    assert decode(rows, floor=0.9, width=64) == []

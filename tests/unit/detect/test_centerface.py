import numpy as np

from deid_udf.detect.centerface import CenterFace, decode


def test_decode_one_centre_by_hand():
    heat = np.zeros((1, 8, 10), np.float32)
    heat[0, 3, 5] = 0.8
    log_size = np.zeros((2, 8, 10), np.float32)
    log_size[:, 3, 5] = np.log([4, 2])  # 16 px high, 8 px wide
    offset = np.zeros((2, 8, 10), np.float32)
    offset[:, 3, 5] = (0.25, -0.5)
    marks = np.full((10, 8, 10), 0.5, np.float32)  # every landmark in the middle of the box
    (face,) = decode(heat, log_size, offset, marks, floor=0.2, size=(32, 40))
    centre = ((5 - 0.5 + 0.5) * 4, (3 + 0.25 + 0.5) * 4)
    np.testing.assert_allclose(face.box, (centre[0] - 4, centre[1] - 8, centre[0] + 4, centre[1] + 8), rtol=1e-5)
    assert face.points is not None
    np.testing.assert_allclose(face.points, np.tile(centre, (5, 1)), rtol=1e-5)
    assert (face.kind, face.detector) == ("face", "centerface")


def test_boxes_are_clipped_to_the_frame_inside_the_padding():
    heat = np.zeros((1, 8, 8), np.float32)
    heat[0, 7, 7] = 0.9
    maps = np.zeros((2, 8, 8), np.float32), np.zeros((2, 8, 8), np.float32), np.zeros((10, 8, 8), np.float32)
    assert decode(heat, *maps, floor=0.2, size=(20, 20)) == []


def test_a_face_is_found_alike_alone_and_in_a_batch(person):
    frames = [person, np.ascontiguousarray(person[:, ::-1]), person[:-20], np.zeros((64, 64, 3), np.uint8)]
    detector = CenterFace("cpu", 0.3)
    together = detector.detect(frames)
    assert [len(regions) for regions in together] == [1, 1, 1, 0]
    for frame, (face,) in zip(frames[:3], together, strict=False):
        ((alone,),) = detector.detect([frame])
        np.testing.assert_allclose(face.box, alone.box, atol=0.1)
    (left, right, *_) = together
    mirrored = (480 - right[0].box[2], 480 - right[0].box[0])
    np.testing.assert_allclose(mirrored, (left[0].box[0], left[0].box[2]), atol=6)

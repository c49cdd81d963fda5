"""Labelled pictures as outlines, and their halves."""

import json

import cv2
import numpy as np
import pytest

from deid_udf.errors import UsageError
from deid_udf.training.pictures import Picture, Thing, boxed_plates, halves, rotated_plates


def test_boxed_plates_come_in_order_of_time(tmp_path):
    rows: list[dict] = [
        {"file": f"ride.mp4#t={t}.jpg", "objects": [{"label": "plate", "box": [t, 20, t + 30, 28]}]}
        for t in (100, 9, 20)
    ]
    rows[0]["objects"].append({"label": "sign", "box": [0, 0, 5, 5]})
    (tmp_path / "annotations.json").write_text(json.dumps(rows))
    pictures = boxed_plates(tmp_path)
    assert [p.things[0].box for p in pictures] == [(9, 20, 39, 28), (20, 20, 50, 28), (100, 20, 130, 28)]
    assert len(pictures[2].things) == 1


def test_rotated_plates(tmp_path):
    header = "file,colour,text,centre_x,centre_y,width,height,rotation_deg\n"
    (tmp_path / "index.csv").write_text(
        f"{header}b.jpg,blue,X,100,50,40,10,0\na.jpg,blue,X,100,50,10,40,90\nb.jpg,blue,X,9,9,4,2,0\n"
    )
    a, b = rotated_plates(tmp_path)
    assert len(b.things) == 2
    assert b.things[0].box == pytest.approx((80, 45, 120, 55), abs=0.01)
    assert a.things[0].box == pytest.approx((80, 45, 120, 55), abs=0.01)  # width and height swap at a right angle


def test_halves_take_blocks_in_turn():
    pictures = [Picture(bytes([i]), ()) for i in range(50)]
    training, validation = halves(pictures, block=20)
    assert [p.source for p in training] == [bytes([i]) for i in (*range(20), *range(40, 50))]
    assert len(validation) == 20
    assert not {p.source for p in training} & {p.source for p in validation}


def test_pixels_are_rgb(tmp_path):
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 2] = 255  # BGR
    cv2.imwrite(str(tmp_path / "red.png"), red)
    assert Picture(tmp_path / "red.png", ()).pixels()[0, 0].tolist() == [255, 0, 0]


def test_what_is_no_picture_is_named(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    with pytest.raises(UsageError, match=r"broken\.jpg"):
        Picture(tmp_path / "broken.jpg", ()).pixels()


def test_box_of_an_outline():
    assert Thing("face", np.array([(3, 1), (9, 4), (5, 8)], np.float32)).box == (3, 1, 9, 8)

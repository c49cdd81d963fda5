"""Decoys are drawn inside their outlines, and scenes hold them without a label."""

import cv2
import numpy as np

from deid_udf.training.decoys import SIDE, draw_decoy
from deid_udf.training.pictures import Picture, Thing
from deid_udf.training.scenes import SceneConfig, Scenes, Source


def test_a_decoy_is_a_picture_with_an_outline_inside_it():
    random = np.random.default_rng(2)
    for _ in range(40):
        patch, outline = draw_decoy(random)
        height, width = patch.shape[:2]
        assert patch.dtype == np.uint8 and height == SIDE
        assert outline.min() >= 0 and outline[:, 0].max() <= width and outline[:, 1].max() <= height
        assert cv2.contourArea(outline) > 0.3 * width * height
        assert patch.std() > 1


def test_decoys_change_a_scene_but_neither_its_labels_nor_what_is_labelled(models_cache):
    street = np.full((256, 256, 3), 60, np.uint8)
    outline = np.array([(100, 120), (160, 120), (160, 140), (100, 140)], np.float32)
    picture = Picture(cv2.imencode(".png", street)[1].tobytes(), (Thing("plate", outline),))

    def scene(decoys, number):
        config = SceneConfig(side=128, night=0, rain=0, pasted_plates=0, pasted_faces=0, decoys=decoys)
        scenes = Scenes([Source([picture], 1.0)], [], config, seed=3, length=20)
        frame, things = scenes._crop(picture, np.random.default_rng(number))
        before = frame.copy()
        labels = list(things)
        scenes._paste_decoy(frame, things, np.random.default_rng(number))
        return before, frame, labels, things

    changed = 0
    for number in range(10):
        before, after, labels, things = scene(2, number)
        assert things == labels
        (x0, y0, x1, y1) = (int(v) for v in things[0].box)
        inside = (slice(max(y0, 0), max(y1, 0)), slice(max(x0, 0), max(x1, 0)))
        assert np.abs(after[inside].astype(int) - before[inside]).max(initial=0) < 60
        changed += bool((after != before).any())
    assert changed > 5

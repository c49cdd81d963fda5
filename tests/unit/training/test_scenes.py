"""Scenes are reproducible, and their labels fit what was drawn."""

import cv2
import numpy as np
import pytest

from deid_udf.training.pictures import Picture, Thing
from deid_udf.training.scenes import SceneConfig, Scenes, Source, collate, night, rain, target

SIDE = 128


def _square(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32)


def _png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


@pytest.fixture
def scenes(models_cache, tmp_path):
    street = np.full((300, 400, 3), 60, np.uint8)
    street[200:220, 100:180] = 255  # a white plate
    face = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    (tmp_path / "face.png").write_bytes(_png(face))
    picture = Picture(_png(street), (Thing("plate", _square(100, 200, 180, 220)),))
    config = SceneConfig(side=SIDE, night=0, rain=0, face_heights=(9, 60))
    return Scenes([Source([picture], 1.0)], [tmp_path / "face.png"], config, seed=5, length=20)


def test_a_scene_is_a_function_of_its_number(scenes):
    image, labels = scenes[3]
    again, labels_again = scenes[3]
    assert (image == again).all() and (labels["boxes"] == labels_again["boxes"]).all()
    assert not (image == scenes[4][0]).all()


def test_labels_fit(scenes):
    kinds = set()
    for i in range(len(scenes)):
        image, labels = scenes[i]
        assert image.shape == (3, SIDE, SIDE)
        assert len(labels["boxes"]) == len(labels["labels"]) == len(labels["masks"])
        kinds |= set(labels["labels"].tolist())
        for (x0, y0, x1, y1), mask in zip(labels["boxes"].tolist(), labels["masks"].numpy(), strict=True):
            assert 0 <= x0 < x1 <= SIDE and 0 <= y0 < y1 <= SIDE
            rows, columns = np.nonzero(mask)
            assert abs(columns.min() - x0) <= 1 and abs(rows.max() - y1) <= 1.5
    assert kinds == {1, 2}


def test_the_real_plate_lies_under_its_label(scenes):
    bright = []
    for i in range(len(scenes)):
        image, labels = scenes[i]
        first = labels["labels"][:1].tolist() == [2]  # the crop's own plate comes first
        if first and labels["masks"][0].sum() > 100:
            inside = labels["masks"][0].bool()
            bright.append(image[:, inside].mean() - image[:, ~inside].mean())
    assert np.median(bright) > 0.25


def test_what_is_cut_off_or_tiny_is_no_label():
    cut = Thing("plate", _square(-90, 10, 10, 30))
    tiny = Thing("face", _square(20, 20, 24, 24))
    whole = Thing("face", _square(40, 40, 60, 70))
    labels = target([cut, tiny, whole], SIDE)
    assert labels["boxes"].tolist() == [[40, 40, 60, 70]]
    assert target([cut], SIDE)["masks"].shape == (0, SIDE, SIDE)


def test_collate_keeps_lists(scenes):
    images, labels = collate([scenes[0], scenes[1]])
    assert len(images) == len(labels) == 2


def test_weather_keeps_shape_and_changes_light():
    frame = np.full((64, 64, 3), 150, np.uint8)
    random = np.random.default_rng(1)
    assert night(frame, random).mean() < 140
    wet = rain(frame, random)
    assert wet.shape == frame.shape and wet.std() > 1

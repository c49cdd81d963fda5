import io
from itertools import islice

import numpy as np
import pytest
from PIL import ExifTags, Image

from deid_udf.demo.camera import Camera
from deid_udf.demo.plates import random_plate
from deid_udf.demo.scenes import FRAMES, SIZE, pictures
from deid_udf.detect.registry import open_detectors
from deid_udf.detect.union import find_private
from deid_udf.images.decode import Limits, decode
from deid_udf.models import ROOT
from deid_udf.policy import load_policy


@pytest.fixture(scope="module")
def sequence(models_cache):
    return list(islice(pictures(), FRAMES))


def test_the_pictures_are_the_same_every_time(sequence):
    assert [picture.data for picture in islice(pictures(), 2)] == [picture.data for picture in sequence[:2]]


def test_a_picture_has_what_a_camera_leaves(sequence):
    image = Image.open(io.BytesIO(sequence[1].data))
    assert sequence[1].path == "camera-1/street-1/0002.jpg"
    assert image.size == SIZE
    assert image.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] == "2026:11:24 08:00:01"
    assert image.getexif().get_ifd(ExifTags.IFD.GPSInfo)


def test_the_default_policy_finds_faces_and_plates_in_every_picture(sequence):
    detection = load_policy(ROOT / "conf/policy/street.yaml").detection
    frames = [decode(picture.data, Limits()).frame for picture in sequence]
    for found in find_private(frames, detection, open_detectors(detection, "cpu")):
        kinds = [f.region.kind for f in found]
        assert kinds.count("face") >= 2
        assert kinds.count("plate") >= 1
        assert all(f.region.width < 200 for f in found)  # no wall taken for a face


def test_plates_differ_by_seed_alone():
    first, again, other = (random_plate(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_camera_sees_in_perspective():
    camera = Camera()
    near, far = camera.project([(1.0, camera.eye, 4.0), (1.0, camera.eye, 8.0)])
    assert near[1] == far[1] == camera.horizon
    assert near[0] - camera.width / 2 == 2 * (far[0] - camera.width / 2) > 0

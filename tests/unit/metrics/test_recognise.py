"""Recognisers of faces on synthetic people: a person's two pictures are nearer than two persons'."""

import zipfile

import cv2
import numpy as np
import pytest

from deid_udf import models, policy
from deid_udf.detect.registry import open_detectors
from deid_udf.detect.union import find_private
from deid_udf.errors import ModelError
from deid_udf.metrics.facenet import load_facenet
from deid_udf.metrics.recognise import FaceNetEmbedder, open_recognisers

KINDS = ("studio_portrait", "amateur_selfie")
PEOPLE = ("P001", "P002", "P005")


@pytest.fixture(scope="module")
def faces(models_cache):
    """Frames of three people, two each, and the box of the face."""
    frames = []
    with zipfile.ZipFile(models.path("openpeople")) as archive:
        for name in (f"openpeople/data/curated/{person}/assets/{kind}.jpg" for person in PEOPLE for kind in KINDS):
            photo = np.asarray(cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_COLOR_RGB))
            scale = 640 / max(photo.shape)
            small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            frames.append(np.asarray(small, np.uint8))
    detection = policy.Detection(detectors=(policy.DetectorChoice(model="centerface", threshold=0.3),))
    found = find_private(frames, detection, open_detectors(detection, "cpu"))
    return frames, [max(some, key=lambda f: f.region.width).region.box for some in found]


def test_every_judge_knows_a_person_again(faces):
    for judge in open_recognisers():
        vectors = judge.embed(*faces)
        a, b = vectors[::2], vectors[1::2]
        distances = np.linalg.norm(a[:, None] - b[None], axis=2)
        assert (np.diag(distances) < judge.threshold).all(), judge.name
        assert (distances[~np.eye(len(a), dtype=bool)] > np.diag(distances).max()).all(), judge.name


def test_vectors_do_not_depend_on_the_batch(faces):
    judge = FaceNetEmbedder.open()
    frames, boxes = faces
    together = judge.embed(frames, boxes)
    alone = judge.embed(frames[2:3], boxes[2:3])
    assert np.allclose(together[2:3], alone, atol=1e-4)
    assert np.allclose(np.linalg.norm(together, axis=1), 1)


def test_no_face_no_vector_and_a_face_at_the_border(faces):
    judge = FaceNetEmbedder.open()
    assert judge.embed([], []).shape == (0, 512)
    frames, _ = faces
    assert np.isfinite(judge.embed(frames[:1], [(-50.0, -50.0, 40.0, 40.0)])).all()


def test_a_graph_of_another_network_is_refused(tmp_path):
    (tmp_path / "empty.pb").write_bytes(b"")
    with pytest.raises(ModelError, match="FaceNet"):
        load_facenet(tmp_path / "empty.pb", "cpu")

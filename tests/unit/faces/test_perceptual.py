import cv2
import numpy as np
import pytest
import torch

from deid_udf import models
from deid_udf.faces.perceptual import MODEL, load_perceptual_loss


@pytest.fixture(scope="module")
def loss(models_cache):
    return models.opened(MODEL, "cpu", load_perceptual_loss)


def tensor(images):
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def test_first_layer_has_the_published_keras_weights(loss):
    first = loss.layers["conv1_1"]
    assert torch.allclose(first.weight[:3, 0, 0, 0], torch.tensor([0.42947057, 0.11727387, 0.03401296]), atol=1e-6)
    assert torch.allclose(first.bias[:3], torch.tensor([0.7343, 0.0934, 0.0678]), atol=1e-4)


def test_distance_grows_from_itself_to_blur_to_another_face(loss, made_faces):
    small = [cv2.resize(face, (64, 64), interpolation=cv2.INTER_AREA) for face in made_faces]
    wanted = loss.features(tensor(small[:1]))
    compared = tensor([small[0], cv2.GaussianBlur(small[0], (0, 0), 1.5), small[1]])
    distances = loss.distance(compared, [f.expand(3, -1, -1, -1) for f in wanted])
    assert distances[0] < 1e-6
    assert 0 < 2 * distances[1] < distances[2]


def test_four_layers_at_three_sizes(loss):
    shapes = [tuple(f.shape[1:]) for f in loss.features(torch.zeros(1, 3, 32, 32))]
    assert shapes == [(64, 32, 32), (64, 32, 32), (256, 8, 8), (512, 4, 4)]

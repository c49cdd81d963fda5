"""Auto-encoding: the posterior's divergence and the difference of faces are the formulas they claim to be."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from deid_udf.generator.stylegan2 import Z
from deid_udf.training.autoencoder import FaceEncoder, difference
from deid_udf.training.projected import ProjectedFeatures


def test_a_posterior_and_its_divergence_from_the_prior():
    torch.manual_seed(0)
    encoder = FaceEncoder().eval()
    faces, noise = torch.rand(3, 3, 64, 64) * 2 - 1, torch.randn(3, Z)
    mean = encoder(faces, torch.zeros(3, Z)).z
    z, divergence = encoder(faces, noise)
    deviation = (z - mean) / noise
    exact = kl_divergence(Normal(mean, deviation), Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(divergence, exact, rtol=1e-3, atol=1e-3)


def test_faces_of_any_size_are_encoded():
    assert FaceEncoder()(torch.rand(2, 3, 128, 128), torch.randn(2, Z)).z.shape == (2, Z)


def test_the_same_faces_do_not_differ_and_others_do(models_cache):
    torch.manual_seed(0)
    features, faces = ProjectedFeatures(), torch.rand(2, 3, 64, 64) * 2 - 1
    assert difference(features, faces, faces).item() == pytest.approx(0, abs=1e-6)
    near, far = (difference(features, faces + step * torch.randn_like(faces), faces).item() for step in (0.05, 0.5))
    assert 0 < near < far

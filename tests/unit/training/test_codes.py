"""Codes of faces: distributed as the prior, near for near faces; the difference is relative to the faces' own."""

import pytest
import torch

from deid_udf.training.codes import FaceCodes, difference
from deid_udf.training.projected import ProjectedFeatures


@pytest.fixture
def features(models_cache):
    torch.manual_seed(0)
    return ProjectedFeatures()


@pytest.fixture
def faces():
    random = torch.Generator().manual_seed(1)
    return torch.rand(24, 3, 64, 64, generator=random) * 2 - 1


def test_codes_have_the_prior_s_mean_and_covariance(features, faces):
    codes = FaceCodes(features, faces, coordinates=8).codes
    torch.testing.assert_close(codes.mean(0), torch.zeros(8), atol=1e-3, rtol=0)
    torch.testing.assert_close(codes.T @ codes / len(faces), torch.eye(8), atol=1e-3, rtol=0)


def test_codes_tell_faces_apart_as_the_difference_does(features, faces):
    nearly = faces[:1] + 0.01 * torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    codes = FaceCodes(features, torch.cat([nearly, faces]), coordinates=8).codes
    distances = (codes[:1] - codes[1:]).norm(dim=1)
    assert distances.argmin() == 0


def test_a_z_is_the_face_s_and_then_noise(features, faces):
    codes = FaceCodes(features, faces, coordinates=8)
    noise = torch.randn(2, 12)
    z = codes(torch.tensor([3, 5]), noise)
    torch.testing.assert_close(z, torch.cat([codes.codes[[3, 5]], noise[:, 8:]], 1))


def test_the_same_faces_do_not_differ_and_others_do(features, faces):
    assert difference(features, faces, faces).item() == pytest.approx(0, abs=1e-6)
    near, far = (difference(features, faces + step * torch.randn_like(faces), faces).item() for step in (0.05, 0.5))
    assert 0 < near < far


def test_a_difference_is_relative_to_the_faces_own(features, faces):
    strangers = difference(features, faces.roll(1, 0), faces).item()
    assert 1.5 < strangers < 2.5  # two independent draws differ by twice their variance

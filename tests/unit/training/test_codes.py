"""Codes of faces: distributed as the prior, near for near faces; the difference is relative to the faces' own."""

import pytest
import torch

from deid_udf.errors import UsageError
from deid_udf.training.codes import FaceCodes, difference
from deid_udf.training.projected import ProjectedFeatures


@pytest.fixture
def features(models_cache):
    torch.manual_seed(0)
    return ProjectedFeatures()


@pytest.fixture
def faces():
    random = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (24, 3, 64, 64), generator=random, dtype=torch.uint8)


def _scaled(faces):
    return faces.float() / 127.5 - 1


def test_codes_have_the_prior_s_mean_and_covariance(features, faces):
    codes = FaceCodes(features, faces, coordinates=8).codes
    torch.testing.assert_close(codes.mean(0), torch.zeros(8), atol=1e-3, rtol=0)
    torch.testing.assert_close(codes.T @ codes / len(faces), torch.eye(8), atol=1e-3, rtol=0)


def test_codes_tell_faces_apart_as_the_difference_does(features, faces):
    nearly = (faces[:1] // 2 * 2).clone()  # a grey level at most from the first
    codes = FaceCodes(features, torch.cat([nearly, faces]), coordinates=8).codes
    distances = (codes[:1] - codes[1:]).norm(dim=1)
    assert distances.argmin() == 0


def test_a_z_is_the_face_s_and_then_noise(features, faces):
    codes = FaceCodes(features, faces, coordinates=8)
    noise = torch.randn(2, 12)
    z = codes(torch.tensor([3, 5]), noise)
    torch.testing.assert_close(z, torch.cat([codes.codes[[3, 5]], noise[:, 8:]], 1))


def test_codes_are_the_same_at_every_start(features, faces):
    first = FaceCodes(features, faces, coordinates=8).codes
    torch.rand(7)  # whatever was drawn before
    torch.testing.assert_close(FaceCodes(features, faces, coordinates=8).codes, first)


def test_more_coordinates_than_different_faces_are_refused(features, faces):
    with pytest.raises(UsageError, match="24 faces"):
        FaceCodes(features, faces, coordinates=24)


def test_the_same_faces_do_not_differ_and_others_do(features, faces):
    faces = _scaled(faces)
    assert difference(features, faces, faces).item() == pytest.approx(0, abs=1e-6)
    near, far = (difference(features, faces + step * torch.randn_like(faces), faces).item() for step in (0.05, 0.5))
    assert 0 < near < far


def test_a_difference_is_relative_to_the_faces_own(features, faces):
    faces = _scaled(faces)
    strangers = difference(features, faces.roll(1, 0), faces).item()
    assert 1.5 < strangers < 2.5  # two independent draws differ by twice their variance

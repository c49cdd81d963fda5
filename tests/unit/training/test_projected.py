"""The frozen half and the trained half of the discriminator."""

import pytest
import torch

from deid_udf.training.projected import Heads, ProjectedFeatures, generator_loss, hinge_fake, hinge_real


@pytest.fixture(scope="module")
def features(models_cache):
    torch.manual_seed(0)
    return ProjectedFeatures()


def test_shapes_and_gradients(features):
    images = torch.rand(2, 3, 64, 64, requires_grad=True)
    maps = features(images)
    assert [tuple(m.shape) for m in maps] == [(2, 64, 16, 16), (2, 64, 8, 8), (2, 64, 4, 4), (2, 64, 2, 2)]
    logits = Heads()(maps)
    assert [x.shape[0] for x in logits] == [2] * 4
    generator_loss(logits).backward()
    assert images.grad is not None and images.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in features.parameters())


def test_features_tell_a_structured_picture_from_noise(features):
    ramp = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
    noise = torch.rand(1, 3, 64, 64) * 2 - 1
    ramp_features, same, noise_features = features.pooled(ramp), features.pooled(ramp + 0.01), features.pooled(noise)
    assert (ramp_features - same).norm() < (ramp_features - noise_features).norm() / 5


def test_losses_are_the_hinge():
    logits = [torch.tensor([2.0, 0.0]), torch.tensor([-1.0, -3.0])]
    assert hinge_real(logits).item() == pytest.approx(0.5 + 3.0)
    assert hinge_fake(logits).item() == pytest.approx(2.0 + 0.0)
    assert generator_loss(logits).item() == pytest.approx(-1.0 + 2.0)


def test_heads_can_learn_to_tell_two_sets_apart():
    torch.manual_seed(0)
    heads = Heads()
    optimiser = torch.optim.Adam(heads.parameters(), lr=1e-3, betas=(0.0, 0.99))
    reals = [torch.randn(8, 64, s, s) + 0.5 for s in (16, 8, 4, 2)]
    fakes = [torch.randn(8, 64, s, s) - 0.5 for s in (16, 8, 4, 2)]
    losses = []
    for _ in range(15):
        loss = hinge_real(heads(reals)) + hinge_fake(heads(fakes))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2

"""Augmentation that lets gradients through and treats each picture alone."""

import torch

from deid_udf.training.diffaugment import diff_augment


def test_gradients_reach_every_picture():
    images = torch.rand(6, 3, 32, 32, requires_grad=True)
    diff_augment(images).square().sum().backward()
    assert images.grad is not None
    assert (images.grad.abs().sum((1, 2, 3)) > 0).all()


def test_without_colour_values_are_moved_or_cut():
    torch.manual_seed(0)
    images = torch.arange(1.0, 3 * 16 * 16 + 1).reshape(1, 3, 16, 16)
    seen = diff_augment(images, colour=0)
    values = set(seen.flatten().round().int().tolist()) - {0}
    assert values <= set(images.flatten().int().tolist())
    assert 0 < len(values) < images.numel()


def test_a_quarter_at_most_is_cut():
    torch.manual_seed(1)
    kept = (diff_augment(torch.ones(200, 1, 32, 32).expand(-1, 3, -1, -1), colour=0) != 0).float().mean((1, 2, 3))
    # 1/8 of each side may be moved out, and a square of half the side cut
    assert kept.min() >= 0.875**2 - 0.25 - 0.03
    assert kept.std() > 0.02


def test_pictures_get_their_own_draws():
    torch.manual_seed(2)
    seen = diff_augment(torch.full((4, 3, 16, 16), 0.5))
    assert not torch.equal(seen[0], seen[1])

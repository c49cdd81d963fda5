"""The average trails the network."""

import torch
from torch import nn

from deid_udf.training.ema import Average


def test_average_moves_by_one_minus_decay():
    network = nn.Linear(2, 1)
    average = Average(network)
    before = network.weight.detach().clone()
    with torch.no_grad():
        network.weight += 1
    average.update(network, decay=0.75)
    torch.testing.assert_close(average.network.weight, before + 0.25)


def test_average_is_frozen_and_evaluates():
    average = Average(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))
    assert not average.network.training
    assert not any(p.requires_grad for p in average.parameters())


def test_buffers_are_copied():
    network = nn.BatchNorm1d(2)
    average = Average(network)
    network(torch.randn(16, 2) + 5)
    average.update(network, decay=0.99)
    torch.testing.assert_close(average.network.running_mean, network.running_mean)

"""Exponential moving average of a network's parameters."""

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


class Average(nn.Module, Generic[Network]):
    """A copy of `network` whose parameters trail behind it.

    Args:
        network: what is averaged; the copy is in evaluation mode.
    """

    network: Network

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: Network, decay: float) -> None:
        """average ← decay · average + (1 − decay) · network; buffers are copied."""
        for ours, theirs in zip(self.network.parameters(), network.parameters(), strict=True):
            ours.data.lerp_(theirs.data, 1 - decay)
        for ours_fixed, theirs_fixed in zip(self.network.buffers(), network.buffers(), strict=True):
            ours_fixed.copy_(theirs_fixed)

"""The discriminator of Projected GAN (Sauer et al. 2021, arXiv:2111.01007): small heads on frozen ImageNet features."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from deid_udf import models
from deid_udf.detect.efficientnet_lite import DEVIATION, MEAN, WIDTHS, EfficientNetLite0, folded

_MIXED = 64  # channels after mixing
_HEAD = 128  # channels inside a head
_DOWN = (3, 2, 1, 0)  # halvings in the head at strides 4, 8, 16, 32, so that all heads judge the same grid


class ProjectedFeatures(nn.Module):
    """Frozen EfficientNet-Lite0 features at strides 4 to 32, mixed across channels and scales by random convolutions.

    Its state is the mixing: a resumed run must keep it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = EfficientNetLite0()
        self.body.load_state_dict(folded(torch.load(models.path("efficientnet_lite0"), weights_only=True)))
        self.across_channels = nn.ModuleList(nn.Conv2d(width, _MIXED, 1) for width in WIDTHS[1:])
        self.across_scales = nn.ModuleList(nn.Conv2d(_MIXED, _MIXED, 3, padding=1) for _ in WIDTHS[2:])
        for convolution in (*self.across_channels, *self.across_scales):
            nn.init.kaiming_normal_(convolution.weight)
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(n, 3, s, s), about [-1, 1] → four maps (n, 64, s/4, s/4) to (n, 64, s/32, s/32)."""
        maps = self.maps(images)
        mixed = [mix(x) for mix, x in zip(self.across_channels, maps, strict=True)]
        for i in (2, 1, 0):  # from coarse to fine
            coarser = F.interpolate(mixed[i + 1], size=mixed[i].shape[-2:], mode="bilinear", align_corners=False)
            mixed[i] = self.across_scales[i](mixed[i] + coarser)
        return mixed

    def pooled(self, images: Tensor) -> Tensor:
        """(n, 3, s, s), about [-1, 1] → (n, 320): the last map, unmixed, averaged over positions."""
        return self.maps(images)[-1].mean((2, 3))

    def maps(self, images: Tensor) -> list[Tensor]:
        """(n, 3, s, s), about [-1, 1] → the four maps, unmixed: (n, 24, s/4, s/4) to (n, 320, s/32, s/32)."""
        maps: list[Tensor] = self.body(((images + 1) / 2 - MEAN) / DEVIATION)[1:]
        return maps


class Heads(nn.Module):
    """Four spectrally normalised heads, one a scale."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList(_head(halvings) for halvings in _DOWN)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The maps of `ProjectedFeatures` → four grids of logits, (n, positions)."""
        return [head(x).flatten(1) for head, x in zip(self.heads, maps, strict=True)]


def _head(halvings: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    inputs = _MIXED
    for _ in range(halvings):
        layers += [spectral_norm(nn.Conv2d(inputs, _HEAD, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)]
        inputs = _HEAD
    if not halvings:
        layers += [spectral_norm(nn.Conv2d(inputs, _HEAD, 3, padding=1)), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, spectral_norm(nn.Conv2d(_HEAD, 1, 1)))


def hinge_real(logits: Sequence[Tensor]) -> Tensor:
    """Discriminator's loss on real pictures: Σ over heads of E[max(0, 1 − D(x))]."""
    return torch.stack([F.relu(1 - x.float()).mean() for x in logits]).sum()


def hinge_fake(logits: Sequence[Tensor]) -> Tensor:
    """Discriminator's loss on generated pictures: Σ over heads of E[max(0, 1 + D(x))]."""
    return torch.stack([F.relu(1 + x.float()).mean() for x in logits]).sum()


def generator_loss(logits: Sequence[Tensor]) -> Tensor:
    """Generator's loss: −Σ over heads of E[D(G(z))]."""
    return -torch.stack([x.float().mean() for x in logits]).sum()

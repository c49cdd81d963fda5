"""Small image heads inside the trunk: a face of 128 px for the price of the trunk up to 128 px.

Fitted by `jobs/fit_generator.py` to the full network's output, averaged down to the head's size.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

HIDDEN = 24
_SLOPE = 0.2


class ImageHead(nn.Module):
    """Trunk features → RGB: a 1×1 convolution and a small non-linear one, both modulated by the style.

    Args:
        channels: of the features.
        style_dim: of the styles.
    """

    def __init__(self, channels: int, style_dim: int) -> None:
        super().__init__()
        self.linear_modulation = nn.Linear(style_dim, channels)
        self.linear = nn.Conv2d(channels, 3, 1)
        self.detail_modulation = nn.Linear(style_dim, channels)
        self.detail = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.Conv2d(channels, HIDDEN, 1),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(HIDDEN, 3, 1),
        )

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """(n, channels, s, s), (n, style_dim) → RGB (n, 3, s, s), about [-1, 1]."""
        plain = self.linear(features * self.linear_modulation(style)[:, :, None, None])
        return plain + self.detail(features * self.detail_modulation(style)[:, :, None, None])

    def start_from(self, weight: Tensor, bias: Tensor) -> None:
        """Begin as the linear map (3, channels), (3,): unit modulation, and no detail."""
        for modulation in (self.linear_modulation, self.detail_modulation):
            nn.init.zeros_(modulation.weight)
            nn.init.ones_(modulation.bias)
        with torch.no_grad():
            self.linear.weight.copy_(weight[:, :, None, None])
            self.linear.bias.copy_(bias)  # type: ignore[union-attr]
        depthwise, last = self.detail[0], self.detail[-1]
        assert isinstance(depthwise, nn.Conv2d) and isinstance(last, nn.Conv2d)
        nn.init.dirac_(depthwise.weight, groups=depthwise.groups)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]


def load_heads(path: Path, widths: dict[int, int], style_dim: int) -> nn.ModuleDict:
    """Heads by size (its decimal as key), from safetensors.

    Args:
        path: weights named `<size>.<parameter>`.
        widths: trunk channels by size.
        style_dim: of the styles.
    """
    heads = nn.ModuleDict({str(size): ImageHead(width, style_dim) for size, width in widths.items()})
    heads.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return heads.eval().requires_grad_(False)

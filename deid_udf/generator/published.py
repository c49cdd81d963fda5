"""StyleGAN2 as it was published (Karras et al. 2020, config F): the network of checkpoints that users bring.

It differs from our own network (`stylegan2`) in how it enlarges: a transposed convolution followed by a binomial blur,
zeros beyond the border. Per-pixel noise is left out (the original's `noise_mode='none'`), one style serves all layers.
Constant factors of the equalised learning rate are folded into the weights by `layouts`.
"""

import math
from collections.abc import Mapping as Tensors
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SLOPE = 0.2
_GAIN = math.sqrt(2)  # keeps the variance through a leaky ReLU
_CENTRE = 1e-8
BLUR = (1, 3, 3, 1)


class Mapping(nn.Module):
    """z → style: dense layers on the normalised z, each followed by leaky ReLU and gain √2.

    Args:
        z, style: lengths of the two vectors.
        layers: 8 in the paper, 2 in smaller configurations.
    """

    def __init__(self, z: int, style: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([z] + [style] * layers))

    def forward(self, z: Tensor) -> Tensor:
        """(n, z) standard normal → (n, style)."""
        x = z * torch.rsqrt(z.square().mean(1, keepdim=True) + _CENTRE)
        for layer in self.layers:
            x = _activated(layer(x))
        return x


class ModulatedConv(nn.Module):
    """Convolution whose input channels are scaled by the style; with `up`, to twice the side.

    Args:
        inputs, outputs: channels.
        kernel: side of the kernel.
        style: length of a style.
        up: enlarge by a transposed convolution and a blur.
        demodulate: divide each output channel by its expected norm.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, style: int, *, up: bool = False, demodulate: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.modulation = nn.Linear(style, inputs)
        self._up, self._demodulate = up, demodulate

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(n, inputs, s, s), (n, style) → (n, outputs, s, s), or (n, outputs, 2s, 2s)."""
        scale = self.modulation(style)  # (n, inputs)
        x = x * scale[:, :, None, None]
        if self._up:
            x = F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2)  # (n, outputs, 2s + 1, 2s + 1)
            x = F.conv2d(x, _blur(x), padding=1, groups=x.shape[1])
        else:
            x = F.conv2d(x, self.weight, padding=self.weight.shape[-1] // 2)
        if self._demodulate:
            norm = scale.square() @ self.weight.square().sum((2, 3)).T  # (n, outputs)
            x = x * torch.rsqrt(norm + _CENTRE)[:, :, None, None]
        return x + self.bias[:, None, None]


class Block(nn.Module):
    """One size: an enlarging convolution, another one, an RGB image added to the enlarged one.

    Args:
        inputs, outputs: channels.
        style: length of a style.
    """

    def __init__(self, inputs: int, outputs: int, style: int) -> None:
        super().__init__()
        self.conv1 = ModulatedConv(inputs, outputs, 3, style, up=True)
        self.conv2 = ModulatedConv(outputs, outputs, 3, style)
        self.to_rgb = ModulatedConv(outputs, 3, 1, style, demodulate=False)

    def forward(self, x: Tensor, image: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """(n, inputs, s/2, s/2), (n, 3, s/2, s/2), (n, style) → (n, outputs, s, s), (n, 3, s, s)."""
        x = _activated(self.conv1(x, style))
        x = _activated(self.conv2(x, style))
        enlarged = F.conv_transpose2d(image, _blur(image), stride=2, padding=1, groups=3)
        return x, enlarged + self.to_rgb(x, style)


class Synthesis(nn.Module):
    """style → image.

    Args:
        widths: channels at 4, 8, 16 … pixels.
        style: length of a style.
    """

    def __init__(self, widths: list[int], style: int) -> None:
        super().__init__()
        self.size = 4 * 2 ** (len(widths) - 1)
        self.constant = nn.Parameter(torch.empty(1, widths[0], 4, 4))
        self.conv = ModulatedConv(widths[0], widths[0], 3, style)
        self.to_rgb = ModulatedConv(widths[0], 3, 1, style, demodulate=False)
        self.blocks = nn.ModuleList(Block(a, b, style) for a, b in pairwise(widths))

    def forward(self, style: Tensor) -> Tensor:
        """(n, style) → RGB (n, 3, size, size), about [-1, 1]."""
        x = _activated(self.conv(self.constant.expand(len(style), -1, -1, -1), style))
        image: Tensor = self.to_rgb(x, style)
        for block in self.blocks:
            x, image = block(x, image, style)
        return image


class PublishedStyleGan2(nn.Module):
    """Mapping and synthesis of a checkpoint, their sizes read off its tensors.

    Args:
        state: tensors under this module's names, as `layouts.convert` gives them.

    Raises:
        KeyError, RuntimeError: a tensor is missing, or does not fit.
    """

    def __init__(self, state: Tensors[str, Tensor]) -> None:
        super().__init__()
        style, z = state["mapping.layers.0.weight"].shape
        layers = sum(name.startswith("mapping.layers.") and name.endswith(".weight") for name in state)
        blocks = len({name.split(".")[2] for name in state if name.startswith("synthesis.blocks.")})
        widths = [state["synthesis.constant"].shape[1]]
        widths += [state[f"synthesis.blocks.{i}.conv2.weight"].shape[0] for i in range(blocks)]
        self.mapping = Mapping(z, style, layers)
        self.synthesis = Synthesis(widths, style)
        self.load_state_dict(state)

    def forward(self, z: Tensor) -> Tensor:
        """(n, z) standard normal → RGB (n, 3, size, size), about [-1, 1]."""
        image: Tensor = self.synthesis(self.mapping(z))
        return image


def _activated(x: Tensor) -> Tensor:
    return F.leaky_relu(x, _SLOPE) * _GAIN


def _blur(x: Tensor) -> Tensor:
    """The binomial filter of sum 4, for every channel of `x`: (channels, 1, 4, 4)."""
    row = torch.tensor(BLUR, dtype=x.dtype, device=x.device) / (sum(BLUR) / 2)
    return torch.outer(row, row).expand(x.shape[1], 1, -1, -1)

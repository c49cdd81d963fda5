"""StyleGAN2 (Karras et al. 2020, arXiv:1912.04958), skip architecture, no noise inputs; `jobs/train_generator.py`.

A style scales the channels of every convolution (modulation); dividing by the expected norm undoes its effect on the
magnitude (demodulation). Each size adds an RGB image to the enlarged one of the size below, so that a network grows by
adding blocks. Small and unencumbered: our own weights, from synthetic faces under MIT and CC0.
"""

import math
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from deid_udf.errors import ModelError

Z = 128  # length of z
STYLE = 256  # length of a style
WIDTHS = {4: 256, 8: 256, 16: 256, 32: 128, 64: 64, 128: 32, 256: 16}  # channels by side in pixels
_MAPPING_LAYERS = 4
_SLOPE = 0.2
_GAIN = math.sqrt(2)  # keeps the variance through a leaky ReLU
_CENTRE = 1e-8


class Mapping(nn.Module):
    """z → style: dense layers on the normalised z, each followed by leaky ReLU.

    He initialisation is what makes it train: under PyTorch's default the styles shrink to nearly one, and so do the
    faces.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(Z if i == 0 else STYLE, STYLE) for i in range(_MAPPING_LAYERS))
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.kaiming_normal_(parameter, a=_SLOPE)
            else:
                nn.init.zeros_(parameter)

    def forward(self, z: Tensor) -> Tensor:
        """(n, Z) standard normal → (n, STYLE)."""
        x = z * torch.rsqrt(z.square().mean(1, keepdim=True) + _CENTRE)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), _SLOPE)
        return x


class ModulatedConv(nn.Module):
    """Convolution whose input channels are scaled by the style.

    Args:
        inputs, outputs: channels.
        kernel: side of the kernel.
        demodulate: divide each output channel by its expected norm.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, demodulate: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.modulation = nn.Linear(STYLE, inputs)
        nn.init.normal_(self.modulation.weight, std=1 / math.sqrt(STYLE))
        nn.init.ones_(self.modulation.bias)
        self.demodulate = demodulate

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(n, inputs, s, s), (n, STYLE) → (n, outputs, s, s)."""
        scale = self.modulation(style)  # (n, inputs)
        weight = self.weight / math.sqrt(self.weight[0].numel())  # equalised learning rate (Karras et al. 2018)
        x = F.conv2d(x * scale[:, :, None, None], weight, padding=weight.shape[-1] // 2)
        if self.demodulate:
            norm = scale.square() @ weight.square().sum((2, 3)).T  # (n, outputs)
            x = x * torch.rsqrt(norm + _CENTRE)[:, :, None, None]
        return x + self.bias[:, None, None]


class Block(nn.Module):
    """One size: enlarge, two modulated convolutions, an RGB image added to the enlarged one.

    Args:
        inputs, outputs: channels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = ModulatedConv(inputs, outputs, 3)
        self.conv2 = ModulatedConv(outputs, outputs, 3)
        self.to_rgb = ModulatedConv(outputs, 3, 1, demodulate=False)

    def forward(self, x: Tensor, image: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """(n, inputs, s/2, s/2), (n, 3, s/2, s/2), (n, STYLE) → (n, outputs, s, s), (n, 3, s, s)."""
        x = _activated(self.conv1(_doubled(x), style))
        x = _activated(self.conv2(x, style))
        return x, _doubled(image) + self.to_rgb(x, style)


class Synthesis(nn.Module):
    """style → image of `size` pixels a side, a power of two from 8 to 256."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        sides = [side for side in WIDTHS if side <= size]
        self.constant = nn.Parameter(torch.randn(1, WIDTHS[4], 4, 4))
        self.conv = ModulatedConv(WIDTHS[4], WIDTHS[4], 3)
        self.to_rgb = ModulatedConv(WIDTHS[4], 3, 1, demodulate=False)
        self.blocks = nn.ModuleList(Block(WIDTHS[side // 2], WIDTHS[side]) for side in sides[1:])

    def forward(self, style: Tensor) -> Tensor:
        """(n, STYLE) → RGB (n, 3, size, size), about [-1, 1]."""
        x = self.constant.expand(len(style), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        x = _activated(self.conv(x, style))  # (n, 256, 4, 4)
        image = self.to_rgb(x, style)
        for block in self.blocks:
            x, image = block(x, image, style)
        assert isinstance(image, Tensor)
        return image


class StyleGan2(nn.Module):
    """Mapping and synthesis together: what is trained, averaged and shipped."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.mapping = Mapping()
        self.synthesis = Synthesis(size)

    def forward(self, z: Tensor) -> Tensor:
        """(n, Z) standard normal → RGB (n, 3, size, size), about [-1, 1]."""
        image: Tensor = self.synthesis(self.mapping(z))
        return image


def grown(network: StyleGan2, size: int) -> StyleGan2:
    """A network of `size` pixels that starts by making `network`'s images, enlarged: new RGB heads are zero."""
    larger = StyleGan2(size)
    larger.load_state_dict(network.state_dict(), strict=False)
    for block in list(larger.synthesis.blocks)[len(network.synthesis.blocks) :]:
        assert isinstance(block, Block)
        nn.init.zeros_(block.to_rgb.weight)
    return larger


def load(file: Path, device: str = "cpu") -> StyleGan2:
    """The network of a safetensors file, whatever its size, ready to generate.

    Raises:
        ModelError: the file's tensors are not this network's.
    """
    try:
        state = {name: value.float() for name, value in load_file(file).items()}
        blocks = {name.split(".")[2] for name in state if name.startswith("synthesis.blocks.")}
        network = StyleGan2(4 * 2 ** len(blocks))
        network.load_state_dict(state)
    except (SafetensorError, RuntimeError, KeyError) as error:
        raise ModelError(f"{file.name} does not hold the weights of this StyleGAN2: {error}") from error
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last).to(device)


def _activated(x: Tensor) -> Tensor:
    return F.leaky_relu(x, _SLOPE) * _GAIN


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

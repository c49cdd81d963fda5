"""Small image heads inside MobileStyleGAN's trunk: a face of 128 px for the price of the trunk up to 128 px.

A head runs the blocks that would follow without growing: each inverse Haar transform gives way to a 1×1 convolution, so
that they work on few pixels. The modulations stay the network's own; the convolutions begin as the network's own and
are fitted, by `jobs/fit_generator.py`, to the full output averaged down.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from deid_udf.generator.mobilestylegan import SIZES, Block, ModulatedConv, Synthesis


class FlatBlock(nn.Module):
    """A block of the trunk that keeps its input's size.

    Args:
        whole: the block; its modulations are shared, its convolutions copied to begin with.
    """

    def __init__(self, whole: Block) -> None:
        super().__init__()
        # In a tuple, so that these stay the synthesis network's: not this module's to train, move or save.
        self._modulations = (whole.up, whole.conv1.modulation, whole.conv2.modulation)
        channels, outputs = whole.up.out_features, whole.conv1.pointwise.out_channels
        self.reduce = nn.Conv2d(channels, channels // 4, 1, bias=False)
        self.conv1 = ModulatedConv(channels // 4, outputs)
        self.conv2 = ModulatedConv(outputs, outputs)
        nn.init.dirac_(self.reduce.weight)  # the low-pass band: what is left of the Haar transform at this size
        for own, given in ((self.conv1, whole.conv1), (self.conv2, whole.conv2)):
            own.depthwise.load_state_dict(given.depthwise.state_dict())
            own.pointwise.load_state_dict(given.pointwise.state_dict())

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(n, channels, s, s), (n, 512) → (n, outputs, s, s)."""
        up, first, second = (layer(style)[:, :, None, None] for layer in self._modulations)
        return self.conv2.convolve(self.conv1.convolve(self.reduce(x * up) * first) * second)


class ImageHead(nn.Module):
    """Features that leave the block of one size → RGB of that size.

    Args:
        synthesis: the network whose remaining blocks this head stands for.
        size: 64, 128 or 256.
    """

    def __init__(self, synthesis: Synthesis, size: int) -> None:
        super().__init__()
        following = list(synthesis.blocks)[SIZES.index(size) + 1 :]
        self._modulation = (synthesis.head_modulation,)
        self.blocks = nn.ModuleList(FlatBlock(block) for block in following if isinstance(block, Block))
        self.rgb = nn.Conv2d(synthesis.head.in_channels, 3, 1)
        low = {name: value[:3].clone() for name, value in synthesis.head.state_dict().items()}
        self.rgb.load_state_dict(low)

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """(n, channels, s, s), (n, 512) → RGB (n, 3, s, s), about [-1, 1]."""
        for block in self.blocks:
            features = block(features, style)
        image: Tensor = self.rgb(features * self._modulation[0](style)[:, :, None, None])
        return image


def load_heads(path: Path, synthesis: Synthesis) -> nn.ModuleDict:
    """Heads by size (its decimal as key) from safetensors, for a synthesis network on the CPU in float32."""
    weights = load_file(path)
    sizes = sorted({name.split(".")[0] for name in weights}, key=int)
    heads = nn.ModuleDict({size: ImageHead(synthesis, int(size)) for size in sizes})
    heads.load_state_dict({name: value.to(torch.float32) for name, value in weights.items()})
    return heads.eval().requires_grad_(False)

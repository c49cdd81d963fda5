"""EfficientNet-Lite0 (Tan and Le 2019, arXiv:1905.11946) as a feature extractor: ReLU6, no squeeze-and-excitation.

Batch norms are folded into the convolutions: with a few pictures a batch they would stay frozen anyway, and a folded
network is the faster one.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MEAN, DEVIATION = 0.498, 0.502  # of RGB in [0, 1], the same for the three channels
WIDTHS = (16, 24, 40, 112, 320)  # channels that leave at strides 2, 4, 8, 16, 32
_LAST_AT_STRIDE = (0, 2, 4, 10, 15)  # index of the last block at each stride
_EPSILON = 1e-3  # of the batch norms in the published weights


class Stage(NamedTuple):
    """Blocks of one shape: how many, channels out, expansion, kernel, stride of the first."""

    repeats: int
    outputs: int
    expansion: int
    kernel: int
    stride: int


STAGES = (
    Stage(1, 16, 1, 3, 1),
    Stage(2, 24, 6, 3, 2),
    Stage(2, 40, 6, 5, 2),
    Stage(3, 80, 6, 3, 2),
    Stage(3, 112, 6, 5, 1),
    Stage(4, 192, 6, 5, 2),
    Stage(1, 320, 6, 3, 1),
)


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding of even sizes: at stride 2, one pixel less on the left and top."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, 0 if stride == 2 else kernel // 2, groups=groups)
        self.before, self.after = (kernel - 2) // 2, (kernel - 1) // 2

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  the base class names it so
        """(n, inputs, h, w) → (n, outputs, ⌈h/stride⌉, ⌈w/stride⌉)."""
        if self.stride[0] == 2:
            input = F.pad(input, (self.before, self.after, self.before, self.after))  # noqa: A001
        return super().forward(input)


class Block(nn.Module):
    """Inverted bottleneck: 1×1 expansion, k×k depthwise, 1×1 projection, and a residual where shapes allow."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = SameConv(inputs, inner, 1) if expansion > 1 else None
        self.depthwise = SameConv(inner, inner, kernel, stride, groups=inner)
        self.project = SameConv(inner, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) → (n, outputs, h/stride, w/stride)."""
        y = F.relu6(self.expand(x), inplace=True) if self.expand is not None else x
        y = F.relu6(self.depthwise(y), inplace=True)
        y = self.project(y)
        return torch.add(x, y) if self.residual else y


class EfficientNetLite0(nn.Module):
    """Features of normalised RGB at strides 2 to 32; 3.4 M parameters without the classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, 32, 3, stride=2)
        blocks, inputs = [], 32
        for stage in STAGES:
            for i in range(stage.repeats):
                stride = stage.stride if i == 0 else 1
                blocks.append(Block(inputs, stage.outputs, stage.expansion, stage.kernel, stride))
                inputs = stage.outputs
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> list[Tensor]:
        """RGB (n, 3, h, w), (value − MEAN) / DEVIATION → five maps (n, WIDTHS[i], h/2ⁱ⁺¹, w/2ⁱ⁺¹)."""
        x = F.relu6(self.stem(x), inplace=True)
        features = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in _LAST_AT_STRIDE:
                features.append(x)
        return features


def folded(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of `EfficientNetLite0` from the published state dict, each batch norm folded into its convolution.

    Raises:
        KeyError: a tensor is missing.
    """
    pairs = {"stem": ("_conv_stem", "_bn0")}
    layers = (
        ("expand", "_expand_conv", "_bn0"),
        ("depthwise", "_depthwise_conv", "_bn1"),
        ("project", "_project_conv", "_bn2"),
    )
    for i in range(sum(stage.repeats for stage in STAGES)):
        for ours, conv, norm in layers:
            if i == 0 and ours == "expand":
                continue  # the first block does not expand
            pairs[f"blocks.{i}.{ours}"] = (f"_blocks.{i}.{conv}", f"_blocks.{i}.{norm}")
    state = {}
    for ours, (conv, norm) in pairs.items():
        gain = published[f"{norm}.weight"] * torch.rsqrt(published[f"{norm}.running_var"] + _EPSILON)
        state[f"{ours}.weight"] = published[f"{conv}.weight"] * gain[:, None, None, None]
        state[f"{ours}.bias"] = published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * gain
    return state

"""FaceNet (Schroff et al. 2015; the Inception-ResNet-v1 of davidsandberg/facenet, model 20180408-102900) in torch.

The weights come out of a frozen TensorFlow graph, whose batch norms are folded into the convolutions; modules have the
graph's own names.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from deid_udf.errors import ModelError
from deid_udf.metrics.frozen_graph import float_constants

SIZE = 160  # pixels of its input
WIDTH = 512  # of its embedding
_SCOPE = "InceptionResnetV1/"
_NORM_EPSILON = 1e-3  # of its one batch norm that is not folded


def conv(
    inputs: int, outputs: int, kernel: int | tuple[int, int], *, stride: int = 1, valid: bool = False
) -> nn.Module:
    """A convolution with bias and ReLU; "same" padding unless `valid`."""
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = (0, 0) if valid else (sides[0] // 2, sides[1] // 2)
    return nn.Sequential(nn.Conv2d(inputs, outputs, sides, stride, padding), nn.ReLU(inplace=True))


class Branch(nn.ModuleDict):
    """Its modules, one after another."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps (n, c, s, s)."""
        for layer in self.values():
            x = layer(x)
        return x


class Mixed(nn.ModuleDict):
    """Its branches, side by side: channels are put together."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps (n, c, s, s)."""
        return torch.cat([branch(x) for branch in self.values()], 1)


class Residual(nn.ModuleDict):
    """Branches side by side, then a 1×1 convolution without ReLU whose scaled output is added to the input.

    Args:
        channels: of input and output.
        scale: of what is added.
        branches: name → branch.
        last: no ReLU after the sum.
    """

    def __init__(self, channels: int, scale: float, last: bool = False, **branches: Branch) -> None:
        super().__init__(branches)
        widths = [[m for m in b.modules() if isinstance(m, nn.Conv2d)][-1].out_channels for b in branches.values()]
        self["Conv2d_1x1"] = nn.Conv2d(sum(widths), channels, 1)
        self._scale, self._last = scale, last

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, s, s) → the same shape."""
        *branches, up = self.values()
        x = x + self._scale * up(torch.cat([branch(x) for branch in branches], 1))
        return x if self._last else F.relu(x)


def _block35() -> Residual:
    return Residual(
        256, 0.17,
        Branch_0=Branch({"Conv2d_1x1": conv(256, 32, 1)}),
        Branch_1=Branch({"Conv2d_0a_1x1": conv(256, 32, 1), "Conv2d_0b_3x3": conv(32, 32, 3)}),
        Branch_2=Branch(
            {"Conv2d_0a_1x1": conv(256, 32, 1), "Conv2d_0b_3x3": conv(32, 32, 3), "Conv2d_0c_3x3": conv(32, 32, 3)}
        ),
    )  # fmt: skip


def _block17() -> Residual:
    return Residual(
        896, 0.1,
        Branch_0=Branch({"Conv2d_1x1": conv(896, 128, 1)}),
        Branch_1=Branch(
            {
                "Conv2d_0a_1x1": conv(896, 128, 1),
                "Conv2d_0b_1x7": conv(128, 128, (1, 7)),
                "Conv2d_0c_7x1": conv(128, 128, (7, 1)),
            }
        ),
    )  # fmt: skip


def _block8(scale: float = 0.2, last: bool = False) -> Residual:
    return Residual(
        1792, scale, last,
        Branch_0=Branch({"Conv2d_1x1": conv(1792, 192, 1)}),
        Branch_1=Branch(
            {
                "Conv2d_0a_1x1": conv(1792, 192, 1),
                "Conv2d_0b_1x3": conv(192, 192, (1, 3)),
                "Conv2d_0c_3x1": conv(192, 192, (3, 1)),
            }
        ),
    )  # fmt: skip


def _halve(inputs: int, width: int, outputs: int, *, middle: bool = False) -> Branch:
    """1×1 and 3×3 convolutions, the last of which halves the side."""
    layers = {"Conv2d_0a_1x1": conv(inputs, width, 1)}
    if middle:
        layers["Conv2d_0b_3x3"] = conv(width, width, 3)
    layers["Conv2d_1a_3x3"] = conv(width, outputs, 3, stride=2, valid=True)
    return Branch(layers)


class FaceNet(nn.Module):
    """Faces → unit vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Branch(
            {
                "Conv2d_1a_3x3": conv(3, 32, 3, stride=2, valid=True),  # (n, 32, 79, 79)
                "Conv2d_2a_3x3": conv(32, 32, 3, valid=True),
                "Conv2d_2b_3x3": conv(32, 64, 3),  # (n, 64, 77, 77)
                "MaxPool_3a_3x3": nn.MaxPool2d(3, 2),
                "Conv2d_3b_1x1": conv(64, 80, 1),
                "Conv2d_4a_3x3": conv(80, 192, 3, valid=True),  # (n, 192, 36, 36)
                "Conv2d_4b_3x3": conv(192, 256, 3, stride=2, valid=True),  # (n, 256, 17, 17)
                "Repeat": Branch({f"block35_{i}": _block35() for i in range(1, 6)}),
                "Mixed_6a": Mixed(
                    {
                        "Branch_0": Branch({"Conv2d_1a_3x3": conv(256, 384, 3, stride=2, valid=True)}),
                        "Branch_1": _halve(256, 192, 256, middle=True),
                        "Branch_2": nn.MaxPool2d(3, 2),
                    }
                ),  # (n, 896, 8, 8)
                "Repeat_1": Branch({f"block17_{i}": _block17() for i in range(1, 11)}),
                "Mixed_7a": Mixed(
                    {
                        "Branch_0": _halve(896, 256, 384),
                        "Branch_1": _halve(896, 256, 256),
                        "Branch_2": _halve(896, 256, 256, middle=True),
                        "Branch_3": nn.MaxPool2d(3, 2),
                    }
                ),  # (n, 1792, 3, 3)
                "Repeat_2": Branch({f"block8_{i}": _block8() for i in range(1, 6)}),
                "Block8": _block8(scale=1.0, last=True),
            }
        )
        self.bottleneck = nn.Linear(1792, WIDTH)

    def forward(self, faces: Tensor) -> Tensor:
        """RGB (n, 3, 160, 160), (x - 127.5) / 128 → unit vectors (n, 512)."""
        maps: Tensor = self.trunk(faces)
        return F.normalize(self.bottleneck(maps.mean((2, 3))))


def load_facenet(path: Path, device: str) -> FaceNet:
    """The network with the weights of a frozen TensorFlow graph, for inference.

    Raises:
        ModelError: the graph is another network's.
    """
    network = FaceNet()
    try:
        network.load_state_dict(_state(float_constants(path)))
    except (KeyError, RuntimeError) as error:
        raise ModelError(f"{path} does not hold FaceNet's weights: {error}") from error
    return network.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)


def _state(graph: dict[str, NDArray[np.float32]]) -> dict[str, Tensor]:
    constants = {name.removeprefix(_SCOPE): torch.from_numpy(value.copy()) for name, value in graph.items()}
    state = {}
    for name, value in constants.items():
        layer, _, _ = name.rpartition("/")
        if value.ndim == 4:  # HWIO → OIHW
            bias = constants.get(f"{layer}/Conv2D_bn_offset")  # those without ReLU have plain biases
            key = "trunk." + layer.replace("/", ".") + ("" if bias is None else ".0")
            state[f"{key}.weight"] = value.permute(3, 2, 0, 1)
            state[f"{key}.bias"] = constants[f"{layer}/biases"] if bias is None else bias
    beta, mean, variance = (constants[f"Bottleneck/BatchNorm/{k}"] for k in ("beta", "moving_mean", "moving_variance"))
    scale = torch.rsqrt(variance + _NORM_EPSILON)
    state["bottleneck.weight"] = constants["Bottleneck/weights"].T * scale[:, None]
    state["bottleneck.bias"] = beta - mean * scale
    return state

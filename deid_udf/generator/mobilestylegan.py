"""MobileStyleGAN (Belousov 2021, arXiv:2104.04767) as a torch network, with the weights of its OpenVINO graph.

A StyleGAN2 student: every convolution is depthwise then pointwise, modulated by the style; demodulation is folded into
the weights; upsampling is an inverse Haar wavelet, which turns 4·c channels at one size into c channels at twice that
size. Only its last block has an image head; `early_exit` adds small ones inside the trunk.
"""

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from deid_udf.generator.openvino_ir import Graph

SIZES = (8, 16, 32, 64, 128, 256, 512)  # trunk sizes, one block each
WIDTHS = (512, 512, 512, 512, 256, 128, 64)  # channels that leave each block
STYLE = 512
_SLOPE = 0.2


class Mapping(nn.Module):
    """z → style: eight dense layers on the normalised z, each followed by leaky ReLU and gain √2."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(STYLE, STYLE) for _ in range(8))

    def forward(self, z: Tensor) -> Tensor:
        """(n, 512) standard normal → (n, 512)."""
        x = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for layer in self.layers:
            x = F.leaky_relu(layer(x), _SLOPE) * math.sqrt(2)
        return x


class ModulatedConv(nn.Module):
    """Channels scaled by the style, 3×3 depthwise, 1×1, fixed noise and bias, leaky ReLU.

    Args:
        inputs, outputs: channels.
        size: side of the maps in pixels, which has a fixed noise map; None has neither noise nor modulation of its own.
    """

    def __init__(self, inputs: int, outputs: int, size: int | None = None) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1)
        if size is not None:
            self.modulation = nn.Linear(STYLE, inputs)
            self.noise = nn.Parameter(torch.empty(1, 1, size, size))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(n, inputs, s, s), (n, 512) → (n, outputs, s, s)."""
        return self.convolve(x * self.modulation(style)[:, :, None, None], self.noise)

    def convolve(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """The convolutions on modulated features: (n, inputs, s, s) → (n, outputs, s, s)."""
        x = self.pointwise(self.depthwise(x))
        if noise is not None:
            x = x + noise if torch.is_grad_enabled() else x.add_(noise)
        return F.leaky_relu(x, _SLOPE, inplace=True)


class Block(nn.Module):
    """Double the size by an inverse Haar wavelet, then two modulated convolutions.

    Args:
        inputs, outputs: channels.
        size: side of the maps that leave it.
    """

    def __init__(self, inputs: int, outputs: int, size: int) -> None:
        super().__init__()
        self.up = nn.Linear(STYLE, inputs)
        self.conv1 = ModulatedConv(inputs // 4, outputs, size)
        self.conv2 = ModulatedConv(outputs, outputs, size)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(n, inputs, s/2, s/2), (n, 512) → (n, outputs, s, s)."""
        x = inverse_haar(x * self.up(style)[:, :, None, None])  # (n, inputs/4, s, s)
        x = self.conv1(x, style)
        out: Tensor = self.conv2(x, style)
        return out


class Synthesis(nn.Module):
    """style → image: a learnt 4×4 map, one convolution, seven blocks, and a head of wavelet coefficients."""

    def __init__(self) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.empty(1, STYLE, 4, 4))
        self.modulation = nn.Linear(STYLE, STYLE)
        self.conv = nn.Conv2d(STYLE, STYLE, 3, padding=1)  # the one full convolution
        self.noise = nn.Parameter(torch.empty(1, 1, 4, 4))
        widths = (STYLE, *WIDTHS)
        self.blocks = nn.ModuleList(Block(widths[i], widths[i + 1], size) for i, size in enumerate(SIZES))
        self.head_modulation = nn.Linear(STYLE, WIDTHS[-1])
        self.head = nn.Conv2d(WIDTHS[-1], 12, 1)

    def start(self, style: Tensor) -> Tensor:
        """(n, 512) → (n, 512, 4, 4)."""
        x = self.conv(self.constant * self.modulation(style)[:, :, None, None]) + self.noise
        return F.leaky_relu(x, _SLOPE)

    def trunk(self, style: Tensor, size: int) -> Tensor:
        """Feature maps that leave the block of `size`: (n, 512) → (n, WIDTHS of that block, size, size)."""
        x = self.start(style)
        for block in self.blocks[: SIZES.index(size) + 1]:
            x = block(x, style)
        return x

    def finish(self, x: Tensor, style: Tensor) -> Tensor:
        """Last features (n, 64, 512, 512) → RGB (n, 3, 1024, 1024), about [-1, 1]."""
        return inverse_haar(self.head(x * self.head_modulation(style)[:, :, None, None]))

    def forward(self, style: Tensor) -> Tensor:
        """(n, 512) → RGB (n, 3, 1024, 1024), about [-1, 1]."""
        return self.finish(self.trunk(style, SIZES[-1]), style)


def inverse_haar(x: Tensor) -> Tensor:
    """Inverse 2-D Haar transform, times two: bands (low, rows, columns, both) (n, 4c, s, s) → (n, c, 2s, 2s).

    The missing factor 1/2 is folded into the modulation before it.
    """
    low, rows, columns, both = x.chunk(4, 1)
    n, c, s, _ = low.shape
    layout = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    out = torch.empty((n, c, 2 * s, 2 * s), dtype=x.dtype, device=x.device, memory_format=layout)
    left, right = low + rows, columns + both
    out[:, :, 0::2, 0::2], out[:, :, 0::2, 1::2] = left + right, left - right
    left, right = low - rows, columns - both
    out[:, :, 1::2, 0::2], out[:, :, 1::2, 1::2] = left + right, left - right
    return out


def _by_band(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Reorder the first axis from the graph's (c low, then rows, columns, both of each channel) to whole bands."""
    c = len(values) // 4
    details = values[c:].reshape(c, 3, *values.shape[1:]).swapaxes(0, 1).reshape(values[c:].shape)
    return np.concatenate([values[:c], details])


def mapping_from_ir(xml: Path, weights: Path) -> Mapping:
    """The mapping network with the weights of its OpenVINO graph."""
    values = [torch.from_numpy(v) for v in Graph(xml, weights).constants() if v.shape in ((STYLE, STYLE), (STYLE,))]
    state: dict[str, Tensor] = {}
    for i, (weight, bias) in enumerate(zip(values[::2], values[1::2], strict=True)):
        state |= {f"layers.{i}.weight": weight, f"layers.{i}.bias": bias}
    mapping = Mapping()
    mapping.load_state_dict(state)
    return mapping.eval().requires_grad_(False)


def synthesis_from_ir(xml: Path, weights: Path) -> Synthesis:
    """The synthesis network with the weights of its OpenVINO graph.

    Three things are folded into the weights: the factor 1/√fan-in that the graph multiplies a modulation by, the 1/2 of
    the Haar transform, and the order of its bands (whole bands in a row are read at memory speed).
    """
    graph = Graph(xml, weights)
    state: dict[str, NDArray[np.floating]] = {"constant": graph.constant("m.input.input")}
    last = f"blocks.{len(SIZES) - 1}.conv2.pointwise"

    def modulation(target: str, source: str) -> str:
        """Copy one modulation; returns the name of the multiplication that applies it to the features."""
        weight, bias = graph.constant(f"{source}.weight"), graph.constant(f"{source}.bias").ravel()
        node = graph.follow(f"{source}.weight", 4)  # matrix product, bias, reshape, multiplication
        if graph.is_scaling(node):
            scale = graph.operand(node).item()
            state[f"{target}.weight"], state[f"{target}.bias"] = weight * scale, bias * scale
            return graph.follow(node)
        state[f"{target}.weight"], state[f"{target}.bias"] = _by_band(weight) / 2, _by_band(bias) / 2
        return node

    def convolution(target: str, source: str, node: str) -> None:
        """Copy the full or pointwise convolution `node`, its noise and bias; by band for a Haar transform."""
        order = np.asarray if target in (*(f"blocks.{i}.conv1.pointwise" for i in range(7)), last) else _by_band
        state[f"{target}.weight"] = order(graph.operand(node))
        state[f"{target}.bias"] = order(graph.constant(f"{source}.bias").ravel())
        noise = target.removesuffix("pointwise").removesuffix("conv") + "noise"
        state[noise] = graph.operand(graph.follow(node))

    convolution("conv", "m.conv1", graph.follow(modulation("modulation", "m.conv1.conv.modulation")))
    for i in range(len(SIZES)):
        modulation(f"blocks.{i}.up", f"m.layers.{i}.up.modulation")
        for part in ("conv1", "conv2"):
            target, source = f"blocks.{i}.{part}", f"m.layers.{i}.{part}"
            modulation(f"{target}.modulation", f"{source}.conv.modulation")
            depthwise = graph.constant(f"{source}.conv.weight_dw")
            state[f"{target}.depthwise.weight"] = depthwise.reshape(-1, 1, 3, 3)
            convolution(f"{target}.pointwise", source, graph.follow(f"{source}.conv.weight_dw", 2))
    modulation("head_modulation", "m.layers.6.to_img.conv.modulation")
    state["head.weight"] = _by_band(graph.constant("m.layers.6.to_img.conv.weight")) / 2
    state["head.bias"] = _by_band(graph.constant("m.layers.6.to_img.bias").ravel()) / 2
    synthesis = Synthesis()
    synthesis.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    return synthesis.eval().requires_grad_(False)

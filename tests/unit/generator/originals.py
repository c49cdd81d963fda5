"""StyleGAN2 written a second time, slowly and the way the two public repositories compute it, in float64.

Nothing here shares code or shortcuts with `deid_udf.generator.published`: weights are modulated one sample at a time,
enlarging inserts zeros, and filters are applied tap by tap. State dicts are random, in the layouts of the originals.
"""

import math
from itertools import pairwise

import torch
from torch.nn import functional as F

KERNEL = torch.outer(*[torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64)] * 2)
KERNEL = KERNEL / KERNEL.sum()


def filtered(x, before, after):
    """`x` (c, h, w) between borders of zeros, through the blur of sum 4."""
    x = F.pad(x, (before, after, before, after))
    height, width = x.shape[1] - 3, x.shape[2] - 3
    taps = [(i, j) for i in range(4) for j in range(4)]
    return sum(4 * KERNEL[3 - i, 3 - j] * x[:, i : i + height, j : j + width] for i, j in taps)


def spread(x):
    """Zeros between the pixels of (c, h, w), and after the last."""
    out = x.new_zeros(x.shape[0], 2 * x.shape[1], 2 * x.shape[2])
    out[:, ::2, ::2] = x
    return out


def modulated(x, weight, styles, *, up=False, demodulate=True):
    """One sample (c, h, w) under a weight (outputs, c, k, k) whose inputs are scaled by `styles` (c,)."""
    weight = weight * styles[None, :, None, None]
    if demodulate:
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
    if not up:
        return F.conv2d(x[None], weight, padding=weight.shape[-1] // 2)[0]
    zeros = F.pad(spread(x)[:, :-1, :-1], (2, 2, 2, 2))
    return filtered(F.conv2d(zeros[None], weight.flip(2, 3))[0], 1, 1)


def lrelu(x):
    return torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)


class Rosinality:
    """`g_ema` of rosinality/stylegan2-pytorch."""

    def __init__(self, z=6, style=6, widths=(5, 4, 3)):
        g = torch.Generator().manual_seed(3)
        self.blocks = len(widths) - 1

        def draw(*shape, scale=1.0):
            return torch.randn(shape, generator=g, dtype=torch.float64) * scale

        def conv(prefix, inputs, outputs, kernel, bias):
            state[f"{prefix}.conv.weight"] = draw(1, outputs, inputs, kernel, kernel)
            state[f"{prefix}.conv.modulation.weight"] = draw(inputs, style)
            state[f"{prefix}.conv.modulation.bias"] = 1 + draw(inputs, scale=0.1)
            state[f"{prefix}.{bias}"] = draw(1, 3, 1, 1) if kernel == 1 else draw(outputs)
            if kernel == 3:
                state[f"{prefix}.noise.weight"] = draw(1)

        state = {"input.input": draw(1, widths[0], 4, 4)}
        for i in range(8):
            state[f"style.{i + 1}.weight"] = draw(style, z if i == 0 else style, scale=100)
            state[f"style.{i + 1}.bias"] = draw(style, scale=10)
        conv("conv1", widths[0], widths[0], 3, "activate.bias")
        conv("to_rgb1", widths[0], 3, 1, "bias")
        for i, (a, b) in enumerate(pairwise(widths)):
            conv(f"convs.{2 * i}", a, b, 3, "activate.bias")
            conv(f"convs.{2 * i + 1}", b, b, 3, "activate.bias")
            conv(f"to_rgbs.{i}", b, 3, 1, "bias")
            state[f"convs.{2 * i}.conv.blur.kernel"] = KERNEL * 4
            state[f"to_rgbs.{i}.upsample.kernel"] = KERNEL * 4
        for i in range(1 + 2 * self.blocks):
            side = 2 ** ((i + 5) // 2)
            state[f"noises.noise_{i}"] = draw(1, 1, side, side)
        self.state = state

    def __call__(self, z):
        return torch.stack([self._one(row) for row in z])

    def _one(self, z):
        state, x = self.state, z / (z.square().mean() + 1e-8).sqrt()
        for i in range(8):
            weight, bias = state[f"style.{i + 1}.weight"], state[f"style.{i + 1}.bias"]
            x = lrelu(weight @ x * (0.01 / math.sqrt(weight.shape[1])) + bias * 0.01)
        style = x
        x = self._styled("conv1", state["input.input"][0], style)
        image = self._rgb("to_rgb1", x, style)
        for i in range(self.blocks):
            x = self._styled(f"convs.{2 * i}", x, style, up=True)
            x = self._styled(f"convs.{2 * i + 1}", x, style)
            image = filtered(spread(image), 2, 1) + self._rgb(f"to_rgbs.{i}", x, style)
        return image

    def _conv(self, name, x, style, **options):
        weight, affine = self.state[f"{name}.conv.weight"][0], self.state[f"{name}.conv.modulation.weight"]
        styles = affine @ style / math.sqrt(len(style)) + self.state[f"{name}.conv.modulation.bias"]
        return modulated(x, weight / math.sqrt(weight[0].numel()), styles, **options)

    def _styled(self, name, x, style, up=False):
        return lrelu(self._conv(name, x, style, up=up) + self.state[f"{name}.activate.bias"][:, None, None])

    def _rgb(self, name, x, style):
        return self._conv(name, x, style, demodulate=False) + self.state[f"{name}.bias"][0]


class Nvidia:
    """`G_ema.state_dict()` of NVlabs/stylegan2-ada-pytorch."""

    def __init__(self, z=5, style=7, widths=(5, 4, 3), layers=2):
        g = torch.Generator().manual_seed(4)
        self.sides, self.layers = [8 * 2**i for i in range(len(widths) - 1)], layers

        def draw(*shape, scale=1.0):
            return torch.randn(shape, generator=g, dtype=torch.float64) * scale

        def conv(prefix, inputs, outputs, kernel, side):
            state[f"{prefix}.weight"], state[f"{prefix}.bias"] = draw(outputs, inputs, kernel, kernel), draw(outputs)
            state[f"{prefix}.affine.weight"] = draw(inputs, style)
            state[f"{prefix}.affine.bias"] = 1 + draw(inputs, scale=0.1)
            if kernel == 3:
                state[f"{prefix}.noise_strength"], state[f"{prefix}.noise_const"] = draw(), draw(side, side)
                state[f"{prefix}.resample_filter"] = KERNEL

        state = {"synthesis.b4.const": draw(widths[0], 4, 4), "mapping.w_avg": draw(style)}
        for i in range(layers):
            state[f"mapping.fc{i}.weight"] = draw(style, z if i == 0 else style, scale=100)
            state[f"mapping.fc{i}.bias"] = draw(style, scale=10)
        conv("synthesis.b4.conv1", widths[0], widths[0], 3, 4)
        conv("synthesis.b4.torgb", widths[0], 3, 1, 4)
        state["synthesis.b4.resample_filter"] = KERNEL
        for side, (a, b) in zip(self.sides, pairwise(widths), strict=True):
            conv(f"synthesis.b{side}.conv0", a, b, 3, side)
            conv(f"synthesis.b{side}.conv1", b, b, 3, side)
            conv(f"synthesis.b{side}.torgb", b, 3, 1, side)
            state[f"synthesis.b{side}.resample_filter"] = KERNEL
        self.state = state

    def __call__(self, z):
        return torch.stack([self._one(row) for row in z])

    def _one(self, z):
        x = z / (z.square().mean() + 1e-8).sqrt()
        for i in range(self.layers):
            weight = self.state[f"mapping.fc{i}.weight"]
            x = lrelu(weight @ x * (0.01 / math.sqrt(weight.shape[1])) + self.state[f"mapping.fc{i}.bias"] * 0.01)
        style = x
        x = self._layer("synthesis.b4.conv1", self.state["synthesis.b4.const"], style)
        image = self._rgb("synthesis.b4.torgb", x, style)
        for side in self.sides:
            x = self._layer(f"synthesis.b{side}.conv0", x, style, up=True)
            x = self._layer(f"synthesis.b{side}.conv1", x, style)
            image = filtered(spread(image), 2, 1) + self._rgb(f"synthesis.b{side}.torgb", x, style)
        return image

    def _styles(self, name, style):
        return self.state[f"{name}.affine.weight"] @ style / math.sqrt(len(style)) + self.state[f"{name}.affine.bias"]

    def _layer(self, name, x, style, up=False):
        x = modulated(x, self.state[f"{name}.weight"], self._styles(name, style), up=up)
        return lrelu(x + self.state[f"{name}.bias"][:, None, None])

    def _rgb(self, name, x, style):
        weight = self.state[f"{name}.weight"]
        styles = self._styles(name, style) / math.sqrt(weight[0].numel())
        return modulated(x, weight, styles, demodulate=False) + self.state[f"{name}.bias"][:, None, None]

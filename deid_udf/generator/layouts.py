"""Two widely used layouts of StyleGAN2 checkpoints → the names and factors of `published`.

- `rosinality`: `g_ema` of github.com/rosinality/stylegan2-pytorch.
- `nvidia`: the `state_dict()` of `G_ema` of github.com/NVlabs/stylegan2-ada-pytorch, skip architecture, unconditional.

Both train with equalised learning rates: a stored weight times a constant is the one that acts. Noise inputs, the mean
style and the blur kernels are dropped; another blur than the published one is refused.
"""

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from deid_udf.errors import ModelError
from deid_udf.generator.published import BLUR

State = Mapping[str, Tensor]
_MAPPING_RATE = 0.01  # of the mapping network's layers, in both
_DENSE = "modulation"


def convert(state: State) -> dict[str, Tensor]:
    """A generator's state dict in either layout → float32 tensors for `published.PublishedStyleGan2`.

    Raises:
        ModelError: of neither layout, of another architecture, or with another blur kernel.
    """
    names = _rosinality(state) if "input.input" in state else _nvidia(state)
    known, fixed = set(names.values()), {k for k in state if re.search(_FIXED, k)}
    if missing := known - set(state):
        raise ModelError(f"no StyleGAN2 generator of a known layout: {_some(missing)} missing")
    if others := set(state) - known - fixed:
        raise ModelError(f"a StyleGAN2 generator of another architecture: {_some(others)} not expected")
    for name in fixed:
        if re.search(_KERNEL, name):
            _check_blur(name, state[name])
    return {ours: _folded(ours, state[theirs].float()) for ours, theirs in names.items()}


_KERNEL = r"(^|\.)(kernel|resample_filter)$"
_FIXED = _KERNEL + r"|(^|\.)(noise\.weight|noise_strength|noise_const|w_avg|w_avg_beta)$|^noises\.noise_\d+$"


def _rosinality(state: State) -> dict[str, str]:
    names = {"synthesis.constant": "input.input"}
    for i in range(_count(state, r"style\.(\d+)\.weight")):
        names |= _parameters(f"mapping.layers.{i}", f"style.{i + 1}")

    def conv(ours: str, theirs: str, bias: str) -> dict[str, str]:
        inner = f"{theirs}.conv"
        modulation = _parameters(f"{ours}.{_DENSE}", f"{inner}.modulation")
        return {f"{ours}.weight": f"{inner}.weight", f"{ours}.bias": f"{theirs}.{bias}"} | modulation

    names |= conv("synthesis.conv", "conv1", "activate.bias") | conv("synthesis.to_rgb", "to_rgb1", "bias")
    for i in range(_count(state, r"to_rgbs\.(\d+)\.bias")):
        block = f"synthesis.blocks.{i}"
        names |= conv(f"{block}.conv1", f"convs.{2 * i}", "activate.bias")
        names |= conv(f"{block}.conv2", f"convs.{2 * i + 1}", "activate.bias")
        names |= conv(f"{block}.to_rgb", f"to_rgbs.{i}", "bias")
    return names


def _nvidia(state: State) -> dict[str, str]:
    names = {"synthesis.constant": "synthesis.b4.const"}
    for i in range(_count(state, r"mapping\.fc(\d+)\.weight")):
        names |= _parameters(f"mapping.layers.{i}", f"mapping.fc{i}")

    def conv(ours: str, theirs: str) -> dict[str, str]:
        return _parameters(ours, theirs) | _parameters(f"{ours}.{_DENSE}", f"{theirs}.affine")

    names |= conv("synthesis.conv", "synthesis.b4.conv1") | conv("synthesis.to_rgb", "synthesis.b4.torgb")
    for i in range(_count(state, r"synthesis\.b(\d+)\.conv0\.weight")):
        block, theirs = f"synthesis.blocks.{i}", f"synthesis.b{8 * 2**i}"
        names |= conv(f"{block}.conv1", f"{theirs}.conv0") | conv(f"{block}.conv2", f"{theirs}.conv1")
        names |= conv(f"{block}.to_rgb", f"{theirs}.torgb")
    return names


def _folded(name: str, value: Tensor) -> Tensor:
    """A stored tensor with its constant factor, in the shape that `published` has."""
    if name == "synthesis.constant":
        return value.reshape(1, -1, 4, 4)
    rate = _MAPPING_RATE if name.startswith("mapping.") else 1.0
    if name.endswith(".bias"):
        return value.reshape(-1) * rate
    if not name.startswith("mapping.") and f".{_DENSE}." not in name:
        value = value.reshape(value.shape[-4:])  # a convolution's, (outputs, inputs, k, k)
    return value * (rate / math.sqrt(value[0].numel()))


def _parameters(ours: str, theirs: str) -> dict[str, str]:
    return {f"{ours}.{kind}": f"{theirs}.{kind}" for kind in ("weight", "bias")}


def _count(state: State, pattern: str) -> int:
    return sum(re.fullmatch(pattern, name) is not None for name in state)


def _check_blur(name: str, kernel: Tensor) -> None:
    row = torch.tensor(BLUR, dtype=kernel.dtype)
    wanted = torch.outer(row, row)
    if kernel.shape != wanted.shape or not torch.allclose(kernel / kernel.sum(), wanted / wanted.sum(), atol=1e-4):
        raise ModelError(f"{name}: only the published blur {BLUR} is read")


def _some(names: set[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

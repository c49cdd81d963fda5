"""Our StyleGAN2: what its layers promise, and growing it."""

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from deid_udf.errors import ModelError
from deid_udf.generator.stylegan2 import STYLE, Mapping, ModulatedConv, StyleGan2, Z, grown, load


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("size", [8, 32])
def test_sizes(size):
    assert StyleGan2(size)(torch.randn(2, Z)).shape == (2, 3, size, size)


def test_modulating_the_input_is_modulating_the_weights():
    layer, x, style = ModulatedConv(4, 6, 3), torch.randn(2, 4, 5, 5), torch.randn(2, STYLE)
    for i, image in enumerate(layer(x, style)):
        weight = layer.weight / (4 * 9) ** 0.5 * layer.modulation(style)[i][None, :, None, None]
        weight = weight * torch.rsqrt(weight.square().sum((1, 2, 3), keepdim=True) + 1e-8)
        torch.testing.assert_close(image, F.conv2d(x[i : i + 1], weight, padding=1)[0], rtol=1e-4, atol=1e-5)


def test_demodulation_undoes_the_style_s_magnitude():
    layer, x, style = ModulatedConv(32, 32, 3), torch.randn(4, 32, 8, 8), torch.randn(4, STYLE)
    torch.nn.init.zeros_(layer.modulation.bias)
    torch.testing.assert_close(layer(x, style), layer(x, 50 * style), rtol=1e-4, atol=1e-4)


def test_styles_of_a_new_mapping_differ():
    styles = Mapping()(torch.randn(64, Z))
    assert styles.std(0).mean() > 0.3  # PyTorch's own initialisation gives 0.005: one face for every z


def test_growing_keeps_the_picture():
    small = StyleGan2(16)
    large = grown(small, 32)
    z = torch.randn(2, Z)
    enlarged = F.interpolate(small(z), scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(large(z), enlarged)


def test_another_file_is_refused(tmp_path):
    save_file({"synthesis.blocks.0.x": torch.zeros(1)}, tmp_path / "g.safetensors")
    with pytest.raises(ModelError, match=r"g\.safetensors"):
        load(tmp_path / "g.safetensors")
    (tmp_path / "h.safetensors").write_bytes(b"not a tensor in sight")
    with pytest.raises(ModelError, match=r"h\.safetensors"):
        load(tmp_path / "h.safetensors")

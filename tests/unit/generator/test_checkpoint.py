"""A file of either network is a generator; anything else is refused by name."""

import pytest
import torch
from safetensors.torch import save_file

from deid_udf.errors import ModelError
from deid_udf.generator.checkpoint import StyleGan2Faces, load
from deid_udf.generator.stylegan2 import STYLE, StyleGan2, Z


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_a_shipped_file_is_a_generator(tmp_path):
    network = StyleGan2(64)
    save_file({name: value.half() for name, value in network.state_dict().items()}, tmp_path / "g.safetensors")
    generator = StyleGan2Faces("ours", tmp_path / "g.safetensors", "cpu")
    assert (generator.name, generator.z_dim, generator.style_dim, generator.sizes) == ("ours", Z, STYLE, (64,))
    z = torch.randn(3, Z)
    style = generator.map(z)
    assert style.shape == (3, STYLE)
    images = generator.synthesize(style, 64)
    torch.testing.assert_close(images, network(z), rtol=0.05, atol=0.02)
    assert generator.synthesize(style, 32).shape == (3, 3, 32, 32)


def test_pictures_do_not_depend_on_the_batch(tmp_path):
    save_file(StyleGan2(64).state_dict(), tmp_path / "g.safetensors")
    generator = StyleGan2Faces("ours", tmp_path / "g.safetensors", "cpu")
    style = generator.map(torch.randn(3, Z))
    assert torch.equal(generator.synthesize(style, 64)[1:2], generator.synthesize(style[1:2], 64))


def test_styles_can_be_fitted(tmp_path):
    save_file(StyleGan2(8).state_dict(), tmp_path / "g.safetensors")
    generator = StyleGan2Faces("ours", tmp_path / "g.safetensors", "cpu")
    style = generator.map(torch.randn(1, Z)).requires_grad_(True)
    generator.synthesize(style, 8).square().sum().backward()
    assert style.grad is not None and style.grad.abs().sum() > 0


@pytest.mark.parametrize("metadata", [None, {"network": "published"}])
def test_another_file_is_refused(tmp_path, metadata):
    save_file({"synthesis.blocks.0.x": torch.zeros(1)}, tmp_path / "g.safetensors", metadata=metadata)
    with pytest.raises(ModelError, match=r"g\.safetensors"):
        load(tmp_path / "g.safetensors", "cpu")
    (tmp_path / "h.safetensors").write_bytes(b"not a tensor in sight")
    with pytest.raises(ModelError, match=r"h\.safetensors"):
        load(tmp_path / "h.safetensors", "cpu")

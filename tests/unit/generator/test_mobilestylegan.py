import numpy as np
import openvino
import pytest
import torch

from deid_udf import models
from deid_udf.generator.mobilestylegan import SIZES, WIDTHS, inverse_haar, mapping_from_ir, synthesis_from_ir

STYLES = 16


@pytest.fixture(scope="module")
def styles(models_cache):
    mapping = mapping_from_ir(models.path("mobilestylegan_mapping_graph"), models.path("mobilestylegan_mapping"))
    z = torch.randn(STYLES, 512, generator=torch.Generator().manual_seed(0))
    return z, mapping(z)


@pytest.fixture(scope="module")
def synthesis(models_cache):
    return synthesis_from_ir(models.path("mobilestylegan_synthesis_graph"), models.path("mobilestylegan_synthesis"))


def as_openvino(graph):
    core = openvino.Core()
    model = core.read_model(models.path(f"{graph}_graph").read_bytes(), models.path(graph).read_bytes())
    return core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def test_mapping_agrees_with_openvino(styles):
    z, found = styles
    compiled = as_openvino("mobilestylegan_mapping")
    for row, style in zip(z, found, strict=True):
        assert np.abs(compiled([row[None].numpy()])[0] - style.numpy()).max() < 1e-4


@pytest.mark.timeout(600)  # 16 pictures of 1024 px, twice
def test_synthesis_agrees_with_openvino(styles, synthesis):
    compiled = as_openvino("mobilestylegan_synthesis")
    network = synthesis.to(memory_format=torch.channels_last)
    for style in styles[1]:
        with torch.inference_mode():
            image = network(style[None])[0].numpy()
        assert image.shape == (3, 1024, 1024)
        assert np.abs(compiled([style[None].numpy()])[0][0] - image).max() < 1e-3


def test_trunk_has_the_documented_shapes(styles, synthesis):
    with torch.inference_mode():
        x = synthesis.start(styles[1][:2])
        for block, size, width in zip(synthesis.blocks[:5], SIZES, WIDTHS, strict=False):
            x = block(x, styles[1][:2])
            assert x.shape == (2, width, size, size)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_inverse_haar_undoes_the_haar_transform(layout):
    image = torch.randn(2, 3, 8, 10 - 2).contiguous(memory_format=layout)
    a, b, c, d = (image[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1))
    bands = ((a + b + c + d) / 4, (a + b - c - d) / 4, (a - b + c - d) / 4, (a - b - c + d) / 4)
    stacked = torch.cat(bands, 1).contiguous(memory_format=layout)
    assert torch.allclose(inverse_haar(stacked), image, atol=1e-6)

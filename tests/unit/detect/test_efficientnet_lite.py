"""Folding a batch norm changes nothing, and features come at the strides that are promised."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from deid_udf import models
from deid_udf.detect.efficientnet_lite import WIDTHS, EfficientNetLite0, SameConv, folded


@pytest.fixture(scope="module")
def published(models_cache):
    return torch.load(models.path("efficientnet_lite0"), weights_only=True)


def test_strides_and_widths(published):
    network = EfficientNetLite0()
    network.load_state_dict(folded(published))
    features = network(torch.rand(1, 3, 64, 96))
    assert [tuple(f.shape[1:]) for f in features] == [
        (width, 64 // 2**i, 96 // 2**i) for i, width in enumerate(WIDTHS, start=1)
    ]


def test_folded_is_convolution_then_norm(published):
    convolution = nn.Conv2d(3, 32, 3, stride=2, bias=False)
    convolution.weight.data = published["_conv_stem.weight"]
    norm = nn.BatchNorm2d(32, eps=1e-3).eval()
    norm.load_state_dict({k.removeprefix("_bn0."): v for k, v in published.items() if k.startswith("_bn0.")})
    network = EfficientNetLite0()
    network.load_state_dict(folded(published))
    x = torch.randn(1, 3, 32, 32)
    expected = norm(convolution(F.pad(x, (0, 1, 0, 1))))  # TensorFlow's padding at stride 2
    torch.testing.assert_close(network.stem(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 1), (3, 2), (5, 2)])
def test_same_convolution_halves_even_sizes(kernel, stride):
    layer = SameConv(2, 4, kernel, stride)
    assert layer(torch.rand(1, 2, 10, 12)).shape == (1, 4, 10 // stride, 12 // stride)


def test_a_missing_tensor_is_named(published):
    rest = {k: v for k, v in published.items() if k != "_blocks.3._bn1.bias"}
    with pytest.raises(KeyError, match=r"_blocks\.3\._bn1\.bias"):
        folded(rest)

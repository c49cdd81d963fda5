"""Perceptual loss over VGG-16 (Eq. 19; Abdal et al. 2019): features of conv1_1, conv1_2, conv3_2 and conv4_2."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid_udf.faces.onnx_weights import float_initialisers

MODEL = "vgg16"
_WIDTHS = {
    (1, 1): 64,
    (1, 2): 64,
    (2, 1): 128,
    (2, 2): 128,
    (3, 1): 256,
    (3, 2): 256,
    (3, 3): 256,
    (4, 1): 512,
    (4, 2): 512,
}
_COMPARED = ((1, 1), (1, 2), (3, 2), (4, 2))
_MEAN = (103.939, 116.779, 123.68)  # of ImageNet, BGR


class PerceptualLoss(nn.Module):
    """VGG-16 as far as conv4_2, and the distance of two faces in its features."""

    def __init__(self) -> None:
        super().__init__()
        layers, inputs = {}, 3
        for (block, number), outputs in _WIDTHS.items():
            layers[f"conv{block}_{number}"] = nn.Conv2d(inputs, outputs, 3, padding=1)
            inputs = outputs
        self.layers = nn.ModuleDict(layers)
        self.mean: Tensor
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None])

    def features(self, images: Tensor) -> list[Tensor]:
        """RGB (n, 3, s, s) in [-1, 1] → the compared layers' features, after their ReLU."""
        x = (images.flip(1) + 1) * 127.5 - self.mean  # BGR
        found = []
        for block, number in _WIDTHS:
            if number == 1 and block > 1:
                x = F.max_pool2d(x, 2)
            x = F.relu(self.layers[f"conv{block}_{number}"](x))
            if (block, number) in _COMPARED:
                found.append(x)
        return found

    def distance(self, images: Tensor, wanted: list[Tensor]) -> Tensor:
        """Σ over layers of ‖F(images) − wanted‖² / ‖wanted‖²: (n,).

        Relative to the wanted features, where Eq. 19 divides by their number: the layers then weigh alike.
        """
        pairs = zip(self.features(images), wanted, strict=True)
        return torch.stack(
            [(made - aim).float().square().sum((1, 2, 3)) / aim.float().square().sum((1, 2, 3)) for made, aim in pairs]
        ).sum(0)


def load_perceptual_loss(path: Path, device: str) -> PerceptualLoss:
    """The loss with the convolutions of a Keras VGG-16 in ONNX."""
    weights = float_initialisers(path)
    loss = PerceptualLoss()
    state = {"mean": loss.mean}
    for block, number in _WIDTHS:
        source, target = f"functional_1/block{block}_conv{number}_1", f"layers.conv{block}_{number}"
        state[f"{target}.weight"] = torch.from_numpy(weights[f"{source}/convolution/ReadVariableOp:0"].copy())
        state[f"{target}.bias"] = torch.from_numpy(weights[f"{source}/Squeeze:0"].copy())
    loss.load_state_dict(state)
    return loss.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)

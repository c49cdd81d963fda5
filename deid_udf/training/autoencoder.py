"""The generator as the decoder of a variational auto-encoder (Kingma and Welling 2014): faces that must stay apart.

Against a discriminator alone, one convincing face in many colours is a good answer for a long time. Whoever has to give
back many different faces, each from its own z, cannot fall for it (VAE-GAN, Larsen et al. 2016, arXiv:1512.09300).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid_udf.faces.encoder import SIZE, Encoder
from deid_udf.generator.stylegan2 import Z
from deid_udf.training.projected import ProjectedFeatures

_COARSE = 2  # index of the first feature map that is compared: strides 16 and 32
_PIXELS = 16  # pixels a side at which pictures are compared


class Posterior(NamedTuple):
    """Of a batch of faces: a z drawn for each, float32 (n, Z), and how many nats it is from the prior, float32 ()."""

    z: Tensor
    divergence: Tensor


class FaceEncoder(nn.Module):
    """Faces → the normal distribution of their z; needed in training alone."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder(2 * Z)

    def forward(self, faces: Tensor, noise: Tensor) -> Posterior:
        """RGB (n, 3, s, s) in [-1, 1], standard normal (n, Z) → see `Posterior`."""
        mean, log_variance = self.encoder(_at_size(faces, SIZE)).float().chunk(2, dim=1)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        return Posterior(mean + noise * torch.exp(log_variance / 2), divergence)


def difference(features: ProjectedFeatures, made: Tensor, faces: Tensor) -> Tensor:
    """How unlike two batches (n, 3, s, s) are in what makes a person, not in detail; float32 ().

    Squared distance of the two coarsest frozen feature maps at 64 pixels a side, and of the pictures at 16, each
    relative to the faces' own. Finer ones are at odds with the heads: where detail cannot be foreseen, blur is nearer.
    """
    made, faces = _at_size(made, SIZE), _at_size(faces, SIZE)
    with torch.no_grad():
        wanted = [*features.maps(faces)[_COARSE:], _at_size(faces, _PIXELS)]
    found = [*features.maps(made)[_COARSE:], _at_size(made, _PIXELS)]
    relative = [(a - b).square().sum() / b.square().sum() for a, b in zip(found, wanted, strict=True)]
    return torch.stack(relative).mean()


def _at_size(images: Tensor, size: int) -> Tensor:
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True)

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
        mean, log_variance = self.encoder(_at_size(faces)).float().chunk(2, dim=1)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        return Posterior(mean + noise * torch.exp(log_variance / 2), divergence)


def difference(features: ProjectedFeatures, made: Tensor, faces: Tensor) -> Tensor:
    """How unlike two batches (n, 3, s, s) are: squared distance of frozen features, relative to the faces' own and mean
    over four scales (Dosovitskiy and Brox 2016), and of pixels, both at 64 pixels a side; float32 ().
    """
    made, faces = _at_size(made), _at_size(faces)
    with torch.no_grad():
        wanted = features.maps(faces)
    relative = [
        (found - other).square().sum() / other.square().sum()
        for found, other in zip(features.maps(made), wanted, strict=True)
    ]
    return torch.stack(relative).mean() + (made - faces).square().mean()


def _at_size(images: Tensor) -> Tensor:
    return F.interpolate(images, (SIZE, SIZE), mode="bilinear", antialias=True)

"""A z for every training face, so that a generator has to keep them apart from its first step on.

Against a discriminator alone, one convincing face in many colours is a good answer for a long time. Whoever has to give
back many different faces, each from its own z, cannot fall for it. An encoder that learns those z beside the generator
can: it moves them all to where the discriminator is pleased. So they are computed once and stay. The leading principal
components of coarse features, whitened, are nearly distributed as the prior; the rest of z is noise, left to the detail
that nobody can foresee.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid_udf.training.projected import ProjectedFeatures

_SIDE = 64  # pixels at which faces are compared
_PIXELS = 16  # and those of the coarse picture
_COARSE = 3  # index of the first level that makes codes: maps at strides 16 and 32, the coarse picture
_AT_ONCE = 256  # faces described together


class FaceCodes(nn.Module):
    """The z of given faces.

    Args:
        features: what describes them.
        faces: float32 (n, 3, s, s) RGB in [-1, 1].
        coordinates: of z that a face fixes.
    """

    codes: Tensor  # float32 (n, coordinates), mean 0, variance 1, uncorrelated

    def __init__(self, features: ProjectedFeatures, faces: Tensor, coordinates: int) -> None:
        super().__init__()
        with torch.no_grad():
            parts = [_levels(features, some)[_COARSE:] for some in torch.split(faces, _AT_ONCE)]
        levels = [torch.cat(level).flatten(1) for level in zip(*parts, strict=True)]
        centred = [level - level.mean(0) for level in levels]
        described = torch.cat([level / level.norm() for level in centred], 1)
        directions, _, _ = torch.pca_lowrank(described, q=coordinates, center=False, niter=4)
        self.register_buffer("codes", directions * len(faces) ** 0.5)

    def forward(self, chosen: Tensor, noise: Tensor) -> Tensor:
        """Indices (n,) of faces, standard normal (n, d) → their z (n, d): what no face fixes is the noise."""
        return torch.cat([self.codes[chosen], noise[:, self.codes.shape[1] :]], 1)


def difference(features: ProjectedFeatures, made: Tensor, faces: Tensor) -> Tensor:
    """How unlike two batches (n, 3, s, s) are, relative to how unlike the faces are among themselves; float32 ().

    Squared distance of frozen feature maps and of pictures at 64 pixels a side, and of pictures at 16; 1 is what the
    faces' mean would have.
    """
    with torch.no_grad():
        wanted = _levels(features, faces)
    found = _levels(features, made)
    relative = [(a - b).square().sum() / (b - b.mean(0)).square().sum() for a, b in zip(found, wanted, strict=True)]
    return torch.stack(relative).mean()


def _levels(features: ProjectedFeatures, images: Tensor) -> list[Tensor]:
    """From fine to coarse: the picture, its four maps, the picture at 16 pixels."""
    images = _at_size(images, _SIDE)
    return [images, *features.maps(images), _at_size(images, _PIXELS)]


def _at_size(images: Tensor, size: int) -> Tensor:
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True)

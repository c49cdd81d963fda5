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

from deid_udf.errors import UsageError
from deid_udf.training.projected import ProjectedFeatures

_SIDE = 64  # pixels at which faces are compared
_PIXELS = 16  # and those of the coarse picture
_COARSE = 3  # index of the first level that makes codes: maps at strides 16 and 32, the coarse picture
_AT_ONCE = 256  # faces described together


class FaceCodes(nn.Module):
    """The z of given faces.

    Args:
        features: what describes them.
        faces: uint8 (n, 3, s, s) RGB.
        coordinates: of z that a face fixes.

    Raises:
        UsageError: fewer than `coordinates` faces differ.
    """

    codes: Tensor  # float32 (n, coordinates), mean 0, variance 1, uncorrelated

    def __init__(self, features: ProjectedFeatures, faces: Tensor, coordinates: int) -> None:
        super().__init__()
        where = next(features.parameters()).device
        with torch.no_grad():
            chunks = [some.to(where).float() / 127.5 - 1 for some in torch.split(faces, _AT_ONCE)]
            parts = [_levels(features, some)[_COARSE:] for some in chunks]
        levels = [torch.cat(level).flatten(1) for level in zip(*parts, strict=True)]
        centred = [level - level.mean(0) for level in levels]
        described = torch.cat([level / level.norm().clamp(min=1e-12) for level in centred], 1).double()
        strengths, directions = torch.linalg.eigh(described @ described.T)  # (n,) rising, (n, n)
        if len(faces) < coordinates or strengths[-coordinates] <= 1e-9 * strengths[-1]:
            raise UsageError(f"{coordinates} coordinates need more than {len(faces)} faces, or more different ones")
        leading = directions[:, -coordinates:].flip(1)
        signs = leading.gather(0, leading.abs().argmax(0, keepdim=True)).sign()  # an eigenvector's is arbitrary
        self.register_buffer("codes", (leading * signs * len(faces) ** 0.5).float())

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

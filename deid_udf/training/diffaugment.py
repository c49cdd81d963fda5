"""DiffAugment (Zhao et al. 2020, arXiv:2006.10738): differentiable augmentation of real and generated pictures."""

import torch
from torch import Tensor
from torch.nn import functional as F

_CUT_SHARE = 0.5  # of the pictures that lose a quarter; the others show a face whole


def diff_augment(images: Tensor, colour: float = 0.5) -> Tensor:
    """Brightness, saturation, contrast, translation, cutout, each picture by its own draw.

    Args:
        images: (n, 3, s, s), about [-1, 1].
        colour: strength of the three colour changes; at 1 saturation and contrast change as in the paper.

    Returns:
        (n, 3, s, s), differentiable in `images`.
    """
    return _cutout(_translated(_coloured(images, colour)))


def _coloured(x: Tensor, strength: float) -> Tensor:
    def draw() -> Tensor:
        return (torch.rand(len(x), 1, 1, 1, device=x.device) - 0.5) * strength

    x = x + 0.6 * draw()  # brightness, ±0.3 at strength 1: the paper's ±0.5 hides which faces are dark
    grey = x.mean(1, keepdim=True)
    x = (x - grey) * (1 + 2 * draw()) + grey  # saturation, 0 to 2
    mean = x.mean((1, 2, 3), keepdim=True)
    return (x - mean) * (1 + draw()) + mean  # contrast, 0.5 to 1.5


def _translated(x: Tensor, ratio: float = 0.125) -> Tensor:
    n, _, side, _ = x.shape
    reach = round(side * ratio)
    shift = torch.randint(0, 2 * reach + 1, (2, n, 1), device=x.device)
    at = torch.arange(side, device=x.device) + shift  # (2, n, side), rows and columns in the padded picture
    padded = F.pad(x, (reach,) * 4).permute(0, 2, 3, 1)
    picture = torch.arange(n, device=x.device)[:, None, None]
    return padded[picture, at[0][:, :, None], at[1][:, None, :]].permute(0, 3, 1, 2)


def _cutout(x: Tensor, ratio: float = 0.5) -> Tensor:
    n, _, side, _ = x.shape
    cut = round(side * ratio)
    centre = torch.randint(0, side + 1, (2, n, 1), device=x.device)
    hit = (torch.arange(side, device=x.device) - centre).abs() < cut / 2  # (2, n, side)
    chosen = torch.rand(n, 1, 1, device=x.device) < _CUT_SHARE
    kept = ~(hit[0][:, :, None] & hit[1][:, None, :] & chosen)
    return x * kept[:, None]

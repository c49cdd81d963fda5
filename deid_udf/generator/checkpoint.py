"""A StyleGAN2 in one safetensors file: our own network, or a published one from `jobs/convert_generator.py`."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from deid_udf.errors import ModelError
from deid_udf.generator import stylegan2
from deid_udf.generator.published import PublishedStyleGan2

_SMALLEST = 64  # pixels below which a face is not worth making
_PUBLISHED = {"network": "published"}


def save_published(state: dict[str, Tensor], file: Path) -> None:
    """Write what `layouts.convert` gave, marked as the published network's."""
    save_file(state, file, metadata=_PUBLISHED)


def load(file: Path, device: str) -> stylegan2.StyleGan2 | PublishedStyleGan2:
    """The network of `file`, whichever it is, ready to generate.

    Raises:
        ModelError: the file's tensors are no StyleGAN2's.
    """
    try:
        with safe_open(file, "pt") as stream:
            published = stream.metadata() == _PUBLISHED
        if not published:
            return stylegan2.load(file, device)
        network = PublishedStyleGan2({name: value.float() for name, value in load_file(file).items()})
    except (SafetensorError, RuntimeError, KeyError) as error:
        raise ModelError(f"{file.name} does not hold the weights of a StyleGAN2: {error}") from error
    return network.eval().requires_grad_(False).to(device)


class StyleGan2Faces:
    """A StyleGAN2 of faces; `deid_udf.generator.base.Generator`.

    Args:
        name: what the policy calls it.
        file: its weights.
        device: "cpu" or "cuda:N".
    """

    def __init__(self, name: str, file: Path, device: str) -> None:
        self.name = name
        self._network, self._device = load(file, device), device
        first = self._network.mapping.layers[0]
        assert isinstance(first, nn.Linear)
        self.z_dim, self.style_dim = first.in_features, first.out_features
        size = self._network.synthesis.size
        self.sizes: tuple[int, ...] = tuple(4 << i for i in range(9) if _SMALLEST <= 4 << i <= size) or (size,)

    def map(self, z: Tensor) -> Tensor:
        """See `Generator.map`."""
        styles: Tensor = self._network.mapping(z.to(self._device))
        return styles

    def synthesize(self, style: Tensor, size: int) -> Tensor:
        """See `Generator.synthesize`; a size below the largest is the largest, averaged down.

        On a CPU one face at a time, so that a picture does not depend on its batch.
        """
        if self._device == "cpu" and len(style) > 1:
            return torch.cat([self.synthesize(one, size) for one in torch.split(style, 1)])
        image: Tensor = self._network.synthesis(style.to(self._device))
        return F.avg_pool2d(image, image.shape[-1] // size)

"""Which generator a policy names, opened once per process and device.

A generator NAME may bring two more entries of the model registry: NAME_latent, the statistics of its latent space, and
NAME_encoder, which projects in one pass. Without the first, statistics are measured when it is opened; without the
second, a policy has to project by `optimise` or `mean`.
"""

from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid_udf import models
from deid_udf.errors import ModelError
from deid_udf.generator import latent, mobilestylegan
from deid_udf.generator.base import Generator
from deid_udf.generator.checkpoint import StyleGan2Faces
from deid_udf.generator.early_exit import load_heads
from deid_udf.generator.latent import LatentSpace

_EXITS = (64, 128, 256)  # sizes that have a head of their own
_ROLE = "face generator"
_SAMPLES = 20_000  # mapped samples behind the statistics of a generator that brings none


class MobileStyleGan:
    """MobileStyleGAN with early exits; `deid_udf.generator.base.Generator`.

    bfloat16 where it is the faster (PSNR to float32 is in docs/faces.md).
    """

    name = "mobilestylegan"
    z_dim = style_dim = mobilestylegan.STYLE
    sizes: tuple[int, ...] = (*_EXITS, 512, 1024)
    models: tuple[str, ...] = (
        "mobilestylegan_mapping_graph",
        "mobilestylegan_mapping",
        "mobilestylegan_synthesis_graph",
        "mobilestylegan_synthesis",
        "mobilestylegan_early_exit",
    )

    def __init__(self, device: str, dtype: torch.dtype | None = None) -> None:
        mapping_graph, mapping, graph, weights, exits = (models.path(name) for name in self.models)
        self._mapping = mobilestylegan.mapping_from_ir(mapping_graph, mapping).to(device)
        self._device, self._dtype = device, dtype or fast_dtype(device)
        synthesis = mobilestylegan.synthesis_from_ir(graph, weights)
        self._heads: nn.ModuleDict = load_heads(exits, synthesis)
        self._synthesis = synthesis
        for part in (self._synthesis, self._heads):
            part.to(device, self._dtype).to(memory_format=torch.channels_last)

    def map(self, z: Tensor) -> Tensor:
        """See `Generator.map`."""
        style: Tensor = self._mapping(z.to(self._device))
        return style

    def synthesize(self, style: Tensor, size: int) -> Tensor:
        """See `Generator.synthesize`.

        On a CPU one face at a time: no slower (its maps stay in the cache), and a picture does not depend on its batch.
        """
        style = style.to(self._device, self._dtype)
        if self._device == "cpu" and len(style) > 1:
            return torch.cat([self.synthesize(one, size) for one in torch.split(style, 1)])
        if size in _EXITS:
            image: Tensor = self._heads[str(size)](self._synthesis.trunk(style, size), style)
        else:
            image = self._synthesis(style)
            image = image if size == 1024 else F.avg_pool2d(image, 1024 // size)
        return image.float()


def fast_dtype(device: str) -> torch.dtype:
    """bfloat16 where it is the faster: on any GPU, and on CPUs with matrix tiles (AMX). AVX-512's dot products of
    bfloat16 are not enough: a face takes 1.25 times as long as in float32, a training step 1.5 times."""
    faster = device != "cpu" or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if faster else torch.float32


def generator_models(name: str) -> tuple[str, ...]:
    """Registry names of the files behind generator `name`: its network's, then its statistics if it brings any.

    Raises:
        ModelError: there is no such generator.
    """
    network = MobileStyleGan.models if name == MobileStyleGan.name else (_checkpoint(name),)
    statistics = _statistics(name)
    return network if statistics is None else (*network, statistics)


def encoder_model(name: str) -> str:
    """Registry name of the encoder of generator `name`.

    Raises:
        ModelError: it brings none.
    """
    encoder = f"{name}_encoder"
    if encoder not in models.registry():
        raise ModelError(f"generator {name!r} has no encoder ({encoder!r}): set faces.projection to optimise or mean")
    return encoder


def open_generator(name: str, device: str) -> Generator:
    """The generator that a policy names, opened once.

    Args:
        name: "mobilestylegan", or a face generator of the model registry, a StyleGAN2 that `checkpoint.load` reads.
        device: "cpu" or "cuda:N".

    Raises:
        ModelError: unknown, or its files are missing, altered or of another network.
    """

    def load(path: Path, device: str) -> Generator:
        with torch.inference_mode(mode=False):  # whoever opens it first; later ones may want gradients
            if name == MobileStyleGan.name:
                return MobileStyleGan(device)
            return StyleGan2Faces(name, path, device)

    return models.opened(generator_models(name)[0], device, load)


@cache
def open_latent_space(name: str) -> LatentSpace:
    """The whitened latent space of generator `name`: shipped, or measured on mapped samples (a second or two)."""
    statistics = _statistics(name)
    if statistics is not None:
        return models.opened(statistics, "cpu", lambda path, _: latent.load(path))
    generator = open_generator(name, "cpu")
    z = torch.randn(_SAMPLES, generator.z_dim, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return latent.fit(generator.map(z).numpy(), latent.TRUNCATION)


def _statistics(name: str) -> str | None:
    shipped = f"{name}_latent"
    return shipped if shipped in models.registry() else None


def _checkpoint(name: str) -> str:
    if models.entry(name).role != _ROLE:
        raise ModelError(f"model {name!r} is no {_ROLE}; {MobileStyleGan.name!r} is one")
    return name

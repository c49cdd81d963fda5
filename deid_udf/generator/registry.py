"""Which generator a policy names, opened once per process and device."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid_udf import models
from deid_udf.errors import ModelError
from deid_udf.generator import latent, mobilestylegan
from deid_udf.generator.base import Generator
from deid_udf.generator.early_exit import load_heads
from deid_udf.generator.latent import LatentSpace

_EXITS = (64, 128, 256)  # sizes that have a head of their own
TRUNCATION = 0.8


class MobileStyleGan:
    """MobileStyleGAN with early exits; `deid_udf.generator.base.Generator`.

    bfloat16 where the hardware multiplies it natively (a third of the time; PSNR to float32 is in docs/faces.md).
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
        self._device, self._dtype = device, dtype or _fast_dtype(device)
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
        """See `Generator.synthesize`."""
        style = style.to(self._device, self._dtype)
        if size in _EXITS:
            image: Tensor = self._heads[str(size)](self._synthesis.trunk(style, size), style)
        else:
            image = self._synthesis(style)
            image = image if size == 1024 else F.avg_pool2d(image, 1024 // size)
        return image.float()


def _fast_dtype(device: str) -> torch.dtype:
    native = device != "cpu" or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native else torch.float32


def _mobilestylegan(_: Path, device: str) -> Generator:
    with torch.inference_mode(mode=False):  # whoever opens it first; later ones may want gradients
        return MobileStyleGan(device)


_GENERATORS: dict[str, tuple[tuple[str, ...], str, Callable[[Path, str], Generator]]] = {
    MobileStyleGan.name: (MobileStyleGan.models, "mobilestylegan_latent", _mobilestylegan),
}


def generator_models(name: str) -> tuple[str, ...]:
    """Registry names of the files behind generator `name`; `ModelError` lists the known ones if there is none."""
    files, statistics, _ = _entry(name)
    return (*files, statistics)


def open_generator(name: str, device: str) -> Generator:
    """The generator that a policy names. Raises `ModelError`: unknown, or its files are missing or altered."""
    files, _, load = _entry(name)
    return models.opened(files[0], device, load)


def open_latent_space(name: str) -> LatentSpace:
    """The whitened latent space that ships with generator `name`."""
    _, statistics, _ = _entry(name)
    return models.opened(statistics, "cpu", lambda path, _: latent.load(path, TRUNCATION))


def _entry(name: str) -> tuple[tuple[str, ...], str, Callable[[Path, str], Generator]]:
    try:
        return _GENERATORS[name]
    except KeyError:
        raise ModelError(f"unknown generator {name!r}; known: {', '.join(sorted(_GENERATORS))}") from None

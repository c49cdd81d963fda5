"""A variational auto-encoder whose decoder is the generator: a start for the adversarial training.

From random weights the adversarial phase first finds one face and then, slowly, others. A decoder that already makes
different people of different z starts beyond that (Kingma and Welling 2014; the reconstruction is compared in frozen
features, Dosovitskiy and Brox 2016). What it makes is blurred; the adversarial phase sharpens it.
"""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from deid_udf.faces.encoder import SIZE, Encoder
from deid_udf.generator.stylegan2 import Z
from deid_udf.training.generator import GeneratorConfig, GeneratorTraining
from deid_udf.training.state import Stateful


class AutoencoderTraining(GeneratorTraining):
    """The same run with another step: no discriminator, and an encoder that is thrown away at the end.

    Args:
        config, faces, device, start: see `GeneratorTraining`.
    """

    def __init__(self, config: GeneratorConfig, faces: Path, device: str, start: Path | None = None) -> None:
        super().__init__(config, faces, device, start)
        self.encoder = Encoder(2 * Z).to(self.device)
        self.encoder_optimiser = torch.optim.Adam(self.encoder.parameters(), lr=config.learning_rate)

    def parts(self) -> dict[str, Stateful]:
        """See `GeneratorTraining.parts`."""
        return {
            "generator": self.generator,
            "average": self.average,
            "encoder": self.encoder,
            "generator_optimiser": self.generator_optimiser,
            "encoder_optimiser": self.encoder_optimiser,
        }

    def step(self, number: int) -> dict[str, float]:
        """One update of encoder and generator on the evidence lower bound of a batch of faces."""
        random = torch.Generator().manual_seed(self.config.seed * 1_000_003 + number)
        faces = self._real(random)
        noise = torch.randn(len(faces), Z, generator=random).to(self.device)
        with self._half():
            mean, log_variance = self.encoder(F.interpolate(faces, (SIZE, SIZE))).float().chunk(2, dim=1)
            made = self.generator(mean + noise * torch.exp(log_variance / 2)).float()
        difference = self._perceived(made, faces) + (made - faces).square().mean()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        self.generator_optimiser.zero_grad(set_to_none=True)
        self.encoder_optimiser.zero_grad(set_to_none=True)
        (difference + self.config.divergence * divergence).backward()
        self.generator_optimiser.step()
        self.encoder_optimiser.step()
        self._follow(number)
        return {"difference": difference.item(), "divergence": divergence.item()}

    def _perceived(self, made: Tensor, faces: Tensor) -> Tensor:
        """Squared distance of the frozen features, relative to the faces' own, mean over four scales."""
        with torch.no_grad(), self._half():
            wanted = [x.float() for x in self.features.maps(self._enlarged(faces))]
        found = self.features.maps(self._enlarged(made))
        return torch.stack(
            [(a - b).square().sum() / b.square().sum() for a, b in zip(found, wanted, strict=True)]
        ).mean()

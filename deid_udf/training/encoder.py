"""Training of the face encoder: regression on generated faces, whose latents are known, and likeness on other faces.

Regression alone is fast and exact where the generator reaches, and answers with the mean where it does not. So faces
that no latent is known for are compared in the picture: encoded, generated, and measured by the projection's own loss
(Eq. 18), whose gradient flows back through the generator (Richardson et al. 2021, pSp).
"""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from safetensors.torch import save_file
from torch import Tensor

from deid_udf import models
from deid_udf.faces.augment import degrade
from deid_udf.faces.encoder import Encoder, load_encoder
from deid_udf.faces.perceptual import MODEL as VGG
from deid_udf.faces.perceptual import load_perceptual_loss
from deid_udf.faces.project import StyleMap
from deid_udf.generator.base import Generator
from deid_udf.generator.latent import LatentSpace
from deid_udf.generator.registry import fast_dtype, open_generator, open_latent_space
from deid_udf.training.generator import load_faces

_AT_ONCE = 16  # faces generated together
_WARM_UP = 0.05  # share of the steps until the learning rate is reached
HELD_OUT_EVERY = 18  # of the photographs in order of name: never trained on; benchmarks/faces.py measures on them


class EncoderConfig(BaseModel):
    """`conf/train/encoder.yaml`; its comments say what each number is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    generator: str
    size: int
    pool: int
    start: int
    refresh: int
    batch: int
    photographs: int
    likeness: float
    steps: int
    learning_rate: float
    weight_decay: float
    spread: tuple[float, float]
    leading: int
    held_out: int
    evaluate_every: int
    seed: int


def split(faces: Tensor) -> tuple[Tensor, Tensor]:
    """Photographs (n, …) in order of name → those to train on, those held out."""
    out = torch.arange(len(faces)) % HELD_OUT_EVERY == 0
    return faces[~out], faces[out]


class GeneratedFaces:
    """A ring of generated faces with their latents, refreshed as training goes on.

    Args:
        generator, space: what makes them.
        config: the run's numbers.
        room: faces held at most; the oldest leave.
        seed: of latents and degradations; None draws other faces at every start.
    """

    def __init__(
        self, generator: Generator, space: LatentSpace, config: EncoderConfig, room: int, seed: int | None
    ) -> None:
        self._generator, self._space, self._config = generator, space, config
        self._random = np.random.default_rng(seed)
        self._made = 0
        self.images = np.empty((room, config.size, config.size, 3), np.uint8)
        self.latents = np.empty((room, space.size), np.float32)

    def add(self, count: int) -> None:
        """Generate `count` more."""
        for start in range(0, count, _AT_ONCE):
            n = min(_AT_ONCE, count - start)
            latents = self._random.standard_normal((n, self._space.size))
            latents *= self._random.uniform(*self._config.spread, (n, 1))
            with torch.inference_mode():
                styles = torch.from_numpy(self._space.from_latent(latents))
                images = self._generator.synthesize(styles, self._config.size)
            places = np.arange(self._made, self._made + n) % len(self.images)
            pixels = ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
            self.images[places] = pixels.permute(0, 2, 3, 1).cpu().numpy()
            self.latents[places] = latents
            self._made += n

    def batch(self, count: int) -> tuple[Tensor, Tensor]:
        """Random faces, degraded as street pictures are: float32 (n, 3, s, s) in [-1, 1], and their latents (n, d)."""
        chosen = self._random.integers(min(self._made, len(self.images)), size=count)
        images = np.stack([degrade(self.images[i], self._random) for i in chosen])
        return to_input(images), torch.from_numpy(self.latents[chosen])


def to_input(images: NDArray[np.uint8]) -> Tensor:
    """uint8 (n, s, s, 3) → float32 (n, 3, s, s) in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


class EncoderTraining:
    """Everything one run needs.

    Args:
        config: the run's numbers.
        photographs: folder of aligned faces of unknown latents.
        device: torch device.
        start: weights to begin with.
    """

    def __init__(self, config: EncoderConfig, photographs: Path, device: str, start: Path | None = None) -> None:
        self.config, self.device = config, device
        torch.manual_seed(config.seed)
        self._random = np.random.default_rng(config.seed)
        self._photographs, self._unseen = split(load_faces(photographs, config.size))
        self._generator, space = open_generator(config.generator, device), open_latent_space(config.generator)
        self._to_style = StyleMap(space, torch.device(device))
        self._loss = models.opened(VGG, device, load_perceptual_loss)
        encoder = load_encoder(start, device) if start else Encoder(space.size)
        self.encoder = encoder.requires_grad_(True).to(device)
        self.optimiser = torch.optim.AdamW(self.encoder.parameters(), weight_decay=config.weight_decay)
        self._pool = GeneratedFaces(self._generator, space, config, config.pool, seed=None)
        self._pool.add(config.start)
        held_out = GeneratedFaces(self._generator, space, config, config.held_out, seed=0)
        held_out.add(config.held_out)
        self._held_out = to_input(held_out.images).to(device), torch.from_numpy(held_out.latents).to(device)
        # The error in the style: the leading coordinates move a face most, and the last ones cannot be seen.
        variances = torch.tensor(space.scale**2, dtype=torch.float32, device=device)
        self._weights = variances / variances.mean()

    def step(self, number: int) -> Mapping[str, float]:
        """One step on degraded generated faces and on photographs, half of those degraded."""
        self._pool.add(self.config.refresh)
        made, latents = self._pool.batch(self.config.batch)
        seen, clean = self._some_photographs()
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rate(number)
        self.encoder.train()
        with self._half():
            found = self.encoder(torch.cat([made, seen]).to(self.device)).float()
        known, unknown = found.split([len(made), len(seen)])
        regression = ((known - latents.to(self.device)).square() * self._weights).mean()
        likeness = self._difference(unknown, clean.to(self.device)).mean()
        self.optimiser.zero_grad()
        (regression + self.config.likeness * likeness).backward()
        torch.nn.utils.clip_grad_norm_(self.encoder.parameters(), 1.0)
        self.optimiser.step()
        return {"regression": regression.item(), "likeness": likeness.item()}

    @torch.no_grad()
    def evaluate(self, _: int) -> Mapping[str, float]:
        """R² of the leading coordinates and of the style on generated faces, Eq. 18 on photographs; all held out."""
        self.encoder.eval()
        images, latents = self._held_out
        explained = 1 - (self.encoder(images) - latents).square().mean(0) / latents.square().mean(0)
        unseen = (self._unseen.float() / 127.5 - 1).to(self.device)
        return {
            "r2_leading": explained[: self.config.leading].mean().item(),
            "r2_style": ((explained * self._weights).mean()).item(),
            "photographs": self._difference(self.encoder(unseen), unseen).mean().item(),
        }

    def export(self, file: Path) -> None:
        """The weights as float16 safetensors."""
        state = self.encoder.state_dict()
        save_file({k: v.half().cpu() if v.is_floating_point() else v.cpu() for k, v in state.items()}, file)

    def _some_photographs(self) -> tuple[Tensor, Tensor]:
        """As the encoder sees them, and clean: float32 (n, 3, s, s) each, half of them mirrored."""
        chosen = self._random.integers(len(self._photographs), size=self.config.photographs)
        pixels = self._photographs[torch.from_numpy(chosen)].permute(0, 2, 3, 1).numpy().copy()
        mirrored = self._random.random(len(pixels)) < 0.5
        pixels[mirrored] = pixels[mirrored, :, ::-1]
        seen = pixels.copy()
        for i in np.flatnonzero(self._random.random(len(pixels)) < 0.5):
            seen[i] = degrade(pixels[i], self._random)
        return to_input(seen), to_input(pixels)

    def _difference(self, latents: Tensor, images: Tensor) -> Tensor:
        """Eq. 18 between the faces of `latents` and `images`: (n,)."""
        made = self._generator.synthesize(self._to_style(latents), self.config.size)
        with self._half():
            with torch.no_grad():
                wanted = self._loss.features(images)
            return self._loss.distance(made, wanted) + (made - images).square().mean((1, 2, 3))

    def _half(self) -> torch.autocast:
        kind = torch.device(self.device).type
        return torch.autocast(kind, torch.bfloat16, enabled=fast_dtype(kind) == torch.bfloat16)

    def _learning_rate(self, number: int) -> float:
        done = number / self.config.steps
        share = (
            done / _WARM_UP if done < _WARM_UP else 0.5 + 0.5 * math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP))
        )
        return float(self.config.learning_rate * share)

"""Train the face encoder on generated faces, whose latents are known.

    python jobs/train_encoder.py --folder RUN [--config conf/train/encoder.yaml] [--out encoder.safetensors]

Resumes from RUN's checkpoint; RUN/log.jsonl has the loss, and the held-out R² of the leading coordinates and of all.
`--out` writes the half-precision weights that ship, and their sha256 to stdout.
"""

import argparse
import hashlib
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from deid_udf.faces.augment import degrade
from deid_udf.faces.encoder import Encoder
from deid_udf.generator.base import Generator
from deid_udf.generator.latent import LatentSpace
from deid_udf.generator.registry import open_generator, open_latent_space
from deid_udf.training import loop

_AT_ONCE = 16  # faces generated together
_WARM_UP = 0.05  # share of the steps until the learning rate is reached


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path("conf/train/encoder.yaml"))
    parser.add_argument("--folder", type=Path, required=True, help="checkpoint and log")
    parser.add_argument("--out", type=Path, help="also write the weights as half-precision safetensors")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    config = yaml.safe_load(options.config.read_text())
    torch.manual_seed(config["seed"])
    training = Training(config, options.device)
    loop.train(
        options.folder,
        {"encoder": training.encoder, "optimiser": training.optimiser},
        training.step,
        steps=config["steps"],
        evaluate=training.evaluate,
        evaluate_every=config["evaluate_every"],
    )
    if options.out:
        state = training.encoder.state_dict()
        save_file({k: v.half().cpu() if v.is_floating_point() else v.cpu() for k, v in state.items()}, options.out)
        print(hashlib.sha256(options.out.read_bytes()).hexdigest())
    return 0


class Faces:
    """A ring of generated faces with their latents, refreshed as training goes on.

    Args:
        config: the job's.
        room: faces held at most; the oldest leave.
        seed: of latents and degradations; None draws other faces at every start.
    """

    def __init__(
        self, generator: Generator, space: LatentSpace, config: dict[str, Any], room: int, seed: int | None
    ) -> None:
        self._generator, self._space, self._config = generator, space, config
        self._random = np.random.default_rng(seed)
        self._made = 0
        self.images = np.empty((room, config["size"], config["size"], 3), np.uint8)
        self.latents = np.empty((room, space.size), np.float32)

    def add(self, count: int) -> None:
        """Generate `count` more."""
        low, high = self._config["spread"]
        for start in range(0, count, _AT_ONCE):
            n = min(_AT_ONCE, count - start)
            latents = self._random.standard_normal((n, self._space.size))
            latents *= self._random.uniform(low, high, (n, 1))
            with torch.inference_mode():
                styles = torch.from_numpy(self._space.from_latent(latents))
                images = self._generator.synthesize(styles, self._config["size"])
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


class Training:
    """One optimiser, a cosine schedule, and faces that never run out."""

    def __init__(self, config: dict[str, Any], device: str) -> None:
        self._config, self._device = config, device
        generator, space = open_generator(config["generator"], device), open_latent_space(config["generator"])
        self.encoder = Encoder(space.size).to(device)
        self.optimiser = torch.optim.AdamW(self.encoder.parameters(), weight_decay=config["weight_decay"])
        self._pool = Faces(generator, space, config, config["pool"], seed=None)
        self._pool.add(config["start"])
        held_out = Faces(generator, space, config, config["held_out"], seed=0)
        held_out.add(config["held_out"])
        self._held_out = to_input(held_out.images).to(device), torch.from_numpy(held_out.latents).to(device)
        # The error in the style: the leading coordinates move a face most, and the last ones cannot be seen.
        variances = torch.tensor(space.scale**2, dtype=torch.float32, device=device)
        self._weights = variances / variances.mean()

    def step(self, number: int) -> Mapping[str, float]:
        """One step on a degraded batch."""
        self._pool.add(self._config["refresh"])
        images, latents = self._pool.batch(self._config["batch"])
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rate(number)
        self.encoder.train()
        with torch.autocast(torch.device(self._device).type, torch.bfloat16):
            found = self.encoder(images.to(self._device))
        loss = (F.mse_loss(found.float(), latents.to(self._device), reduction="none") * self._weights).mean()
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return {"loss": loss.item()}

    @torch.inference_mode()
    def evaluate(self, _: int) -> Mapping[str, float]:
        """R² on held-out faces, undegraded: of the leading coordinates, and of the style (unfolded)."""
        self.encoder.eval()
        images, latents = self._held_out
        explained = 1 - (self.encoder(images) - latents).square().mean(0) / latents.square().mean(0)
        return {
            "r2_leading": explained[: self._config["leading"]].mean().item(),
            "r2_style": (explained * self._weights).mean().item(),
        }

    def _learning_rate(self, number: int) -> float:
        done = number / self._config["steps"]
        share = (
            done / _WARM_UP if done < _WARM_UP else 0.5 + 0.5 * math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP))
        )
        return float(self._config["learning_rate"] * share)


if __name__ == "__main__":
    sys.exit(main())

"""Training of our StyleGAN2 on synthetic faces: configuration, data, one adversarial step, sample sheets, metrics."""

from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from deid_udf.errors import UsageError
from deid_udf.generator.registry import fast_dtype
from deid_udf.generator.stylegan2 import StyleGan2, Z, grown, load
from deid_udf.training.codes import FaceCodes, difference
from deid_udf.training.diffaugment import diff_augment
from deid_udf.training.ema import Average
from deid_udf.training.loop import train
from deid_udf.training.projected import Heads, ProjectedFeatures, generator_loss, hinge_fake, hinge_real
from deid_udf.training.state import Stateful

_SHEET = (6, 12)  # rows and columns of a sample sheet
_REFERENCE = 1024  # training faces behind the Fréchet distance


class GeneratorConfig(BaseModel):
    """`conf/train/generator.yaml`; its comments say what each number is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int
    steps: int
    batch: int = Field(ge=4)  # half of them are compared among themselves
    seed: int
    learning_rate: float
    mapping_rate: float
    coordinates: int = Field(ge=1, le=Z)
    regression: int
    heads_first: int
    ramp: int = Field(ge=1)
    verdict: float
    colour: float
    feature_side: int
    average_images: int
    evaluate_every: int


def load_faces(folder: Path, size: int) -> Tensor:
    """Every JPEG of `folder`, averaged down to `size`: uint8 (n, 3, size, size) RGB."""
    files = sorted(folder.glob("*.jpg"))
    if not files:
        raise UsageError(f"no JPEG faces in {folder}")
    faces = np.empty((len(files), size, size, 3), np.uint8)
    for face, file in zip(faces, files, strict=True):
        pixels = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR_RGB)
        if pixels is None:
            raise UsageError(f"{file.name} is not a picture")
        face[:] = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(faces.transpose(0, 3, 1, 2).copy())


class GeneratorTraining:
    """Everything one run needs.

    Args:
        config: the run's numbers.
        faces: folder of aligned faces.
        device: torch device.
        start: weights of a smaller network to grow from, or of the same size to go on from.
    """

    def __init__(self, config: GeneratorConfig, faces: Path, device: str, start: Path | None = None) -> None:
        self.config, self.device = config, torch.device(device)
        torch.manual_seed(config.seed)
        upright = load_faces(faces, config.size)
        self.faces = torch.cat([upright, upright.flip(3)])
        generator = grown(load(start), config.size) if start else StyleGan2(config.size)
        self.generator = generator.requires_grad_(True).to(memory_format=torch.channels_last).to(self.device)
        self.average = Average(self.generator)
        self.features = ProjectedFeatures().to(memory_format=torch.channels_last).to(self.device)
        self.heads = Heads().to(self.device)
        self.codes = FaceCodes(self.features, self.faces, config.coordinates).to(self.device)
        betas = (0.0, 0.99)
        self.generator_optimiser = torch.optim.Adam(
            [
                {"params": self.generator.synthesis.parameters(), "lr": config.learning_rate},
                {"params": self.generator.mapping.parameters(), "lr": config.mapping_rate},
            ],
            betas=betas,
        )
        self.heads_optimiser = torch.optim.Adam(self.heads.parameters(), lr=config.learning_rate, betas=betas)

    def parts(self) -> dict[str, Stateful]:
        """What a checkpoint holds: everything whose state a resumed run needs."""
        return {
            "generator": self.generator,
            "average": self.average,
            "features": self.features,
            "heads": self.heads,
            "codes": self.codes,
            "generator_optimiser": self.generator_optimiser,
            "heads_optimiser": self.heads_optimiser,
        }

    def run(self, folder: Path) -> int:
        """Train, or go on training, in `folder`; returns the steps done."""

        def evaluate(step: int) -> dict[str, float]:
            self.sheet(folder / f"sheet_{step:06d}.png")
            return {"images": float(step * self.config.batch), "frechet": self.frechet()}

        return train(
            folder,
            self.parts(),
            self.step,
            steps=self.config.steps,
            evaluate=evaluate,
            evaluate_every=self.config.evaluate_every,
        )

    def step(self, number: int) -> dict[str, float]:
        """One update: of the generator on faces of known z alone, then of the heads alone, then of both.

        Heads and generator see pictures of their own. A batch that the heads were just taught to tell apart is no fair
        judge of the generator: reusing it to save a pass kept a run here at one face for 40,000 images.
        """
        config = self.config
        random = torch.Generator().manual_seed(config.seed * 1_000_003 + number)
        losses = {}
        judged = number - config.regression - config.heads_first  # steps that the generator has been judged for
        if number >= config.regression:
            losses["heads"] = self._teach_heads(random)
        if number < config.regression or judged >= 0:
            losses |= self._teach_generator(random, config.verdict * min(1.0, max(0, judged + 1) / config.ramp))
            images = (number + 1) * config.batch
            half_life = min(config.average_images, max(0.05 * images, 500))
            self.average.update(self.generator, 0.5 ** (config.batch / half_life))  # early in a run it follows fast
        return losses

    def _teach_heads(self, random: torch.Generator) -> float:
        """Hinge loss on real and generated faces."""
        self.heads.requires_grad_(True)
        with torch.no_grad():
            reals, _ = self._real(self.config.batch, random)
            real = self._features(reals, grad=False)
            fake = self._features(self._generate(self._normal(self.config.batch, random)), grad=False)
        with self._half():
            loss = hinge_real(self.heads(real)) + hinge_fake(self.heads(fake))
        _update(loss, self.heads_optimiser)
        return loss.item()

    def _teach_generator(self, random: torch.Generator, weight: float) -> dict[str, float]:
        """Half of the faces are real ones given back, half from the prior; without a verdict all are real ones."""
        judged = weight > 0
        known = self.config.batch // 2 if judged else self.config.batch
        faces, z = self._real(known, random)
        made = self._generate(torch.cat([z, self._normal(self.config.batch - known, random)]))
        unlike = difference(self.features, made[:known], faces)
        losses, loss = {"difference": unlike.item()}, unlike
        if judged:
            self.heads.requires_grad_(False)
            seen = self._features(made, grad=True)
            with self._half():
                verdict = generator_loss(self.heads(seen))
            loss = unlike + weight * verdict
            losses["generator"] = verdict.item()
        _update(loss, self.generator_optimiser)
        return losses

    def _generate(self, z: Tensor) -> Tensor:
        with self._half():
            images: Tensor = self.generator(z)
        return images.float()

    def _normal(self, count: int, random: torch.Generator) -> Tensor:
        return torch.randn(count, Z, generator=random).to(self.device)

    def _real(self, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Faces drawn by `random` and the z of each."""
        chosen = torch.randint(len(self.faces), (count,), generator=random)
        z = self.codes(chosen.to(self.device), self._normal(count, random))
        return self._scaled(self.faces[chosen]), z

    def _scaled(self, faces: Tensor) -> Tensor:
        return faces.to(self.device).float() / 127.5 - 1

    def _features(self, images: Tensor, *, grad: bool) -> list[Tensor]:
        """Projected features of augmented images; in float32 for gradients on CPUs, slow at depthwise bfloat16 ones."""
        seen = self._enlarged(diff_augment(images, self.config.colour))
        with self._half(enabled=not grad or self.device.type == "cuda"):
            maps: list[Tensor] = self.features(seen)
        return maps

    def _enlarged(self, images: Tensor) -> Tensor:
        side = self.config.feature_side
        return F.interpolate(images, (side, side), mode="bilinear", align_corners=False)

    def _half(self, enabled: bool = True) -> torch.autocast:
        kind = self.device.type
        return torch.autocast(kind, torch.bfloat16, enabled=enabled and fast_dtype(kind) == torch.bfloat16)

    @torch.no_grad()
    def samples(self, count: int, seed: int) -> Tensor:
        """Images of the averaged network: float32 (count, 3, size, size) in [-1, 1]."""
        random = torch.Generator().manual_seed(seed)
        images = []
        for start in range(0, count, 64):
            z = torch.randn(min(64, count - start), Z, generator=random).to(self.device)
            with self._half():
                images.append(self.average.network(z).float().clamp(-1, 1).cpu())
        return torch.cat(images)

    def sheet(self, file: Path) -> None:
        """A sheet of samples, the same z every time."""
        rows, columns = _SHEET
        pixels = ((self.samples(rows * columns, seed=7) + 1) * 127.5).byte().numpy()
        size = pixels.shape[-1]
        grid = pixels.reshape(rows, columns, 3, size, size).transpose(0, 3, 1, 4, 2)
        Image.fromarray(grid.reshape(rows * size, columns * size, 3)).save(file)

    @torch.no_grad()
    def frechet(self) -> float:
        """Fréchet distance to training faces on pooled, frozen EfficientNet-Lite0 features, of as many samples."""
        upright = len(self.faces) // 2
        chosen = torch.linspace(0, upright - 1, min(_REFERENCE, upright)).long()
        reals = self._scaled(self.faces[chosen])
        return frechet_distance(self._pooled(reals), self._pooled(self.samples(len(chosen), seed=11)))

    def _pooled(self, images: Tensor) -> np.ndarray:
        rows = []
        for chunk in torch.split(images, 64):
            with self._half():
                rows.append(self.features.pooled(self._enlarged(chunk.to(self.device))).float().cpu())
        return torch.cat(rows).double().numpy()

    def export(self, file: Path) -> None:
        """The averaged weights as float16 safetensors."""
        state = self.average.network.state_dict()
        save_file({name: value.half().contiguous() for name, value in state.items()}, file)


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """‖μₐ − μ_b‖² + tr(Σₐ + Σ_b − 2(ΣₐΣ_b)^½) of two samples (n, d) and (m, d) (Heusel et al. 2017)."""
    mean = a.mean(0) - b.mean(0)
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    eigenvalues = np.linalg.eigvals(first @ second)  # real and ≥ 0 but for rounding
    return float(mean @ mean + np.trace(first) + np.trace(second) - 2 * np.sqrt(eigenvalues.real.clip(0)).sum())


def _update(loss: Tensor, *optimisers: torch.optim.Optimizer) -> None:
    for optimiser in optimisers:
        optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    for optimiser in optimisers:
        optimiser.step()

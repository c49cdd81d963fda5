"""Fit what ships beside a face generator: the statistics of its latent space; for MobileStyleGAN, its early exits.

    python jobs/fit_generator.py latent --out deid_udf/weights/mobilestylegan_latent.safetensors
    python jobs/fit_generator.py latent --generator NAME --out NAME_latent.safetensors
    python jobs/fit_generator.py exits  --out deid_udf/weights/mobilestylegan_early_exit.safetensors

NAME is a face generator of the model registry. Nothing is needed but the generator itself. Prints the sha256 that
conf/models.yaml pins, and the numbers of the model card. Minutes on one core.
"""

import argparse
import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from deid_udf import models
from deid_udf.faces.align import yaw_of_68
from deid_udf.faces.landmarks import landmarks_of_crops
from deid_udf.generator import latent
from deid_udf.generator.base import Generator, fitting_size
from deid_udf.generator.early_exit import ImageHead
from deid_udf.generator.latent import Floats, LatentSpace
from deid_udf.generator.mobilestylegan import STYLE, Mapping, Synthesis, mapping_from_ir, synthesis_from_ir
from deid_udf.generator.registry import MobileStyleGan, open_generator

EXITS = (256, 128, 64)
CROP, BORDER = 48, 4  # pixels of a training crop, and of its edge, where a crop's zero padding shows
YAW_SIZE = 128  # pixels at which a generated face's landmarks are found
YAW_COORDINATES = 64  # leading coordinates that may say how a face is turned
BATCH, LEARNING_RATE = 3, 5e-4


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("latent", "exits"))
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--generator", default=MobileStyleGan.name, help="whose latent space (%(default)s)")
    parser.add_argument("--samples", type=int, default=100_000, help="mapped samples behind the statistics")
    parser.add_argument("--truncation", type=float, default=latent.TRUNCATION, help="of the latents (%(default)s)")
    parser.add_argument("--faces", type=int, default=1_000, help="generated faces whose yaw is measured")
    parser.add_argument("--styles", type=int, default=96, help="faces that the exits are fitted on")
    parser.add_argument("--held-out", type=int, default=16, help="further faces, for the PSNR")
    parser.add_argument("--steps", type=int, default=800, help="Adam steps an exit")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.manual_seed(options.seed)
    if options.what == "latent":
        report = fit_latent(open_generator(options.generator, "cpu"), options)
    else:
        mapping = mapping_from_ir(models.path("mobilestylegan_mapping_graph"), models.path("mobilestylegan_mapping"))
        graph, weights = models.path("mobilestylegan_synthesis_graph"), models.path("mobilestylegan_synthesis")
        synthesis = synthesis_from_ir(graph, weights).to(memory_format=torch.channels_last)
        report = fit_exits(mapping, synthesis, options)
    report["sha256"] = hashlib.sha256(options.out.read_bytes()).hexdigest()
    print(json.dumps(report))
    return 0


@torch.no_grad()
def fit_latent(generator: Generator, options: argparse.Namespace) -> dict[str, float | str]:
    """PCA over mapped prior samples, and the yaw of some; reports how Gaussian fresh samples are."""
    styles = np.concatenate(
        [generator.map(torch.randn(5_000, generator.z_dim)).numpy() for _ in range(options.samples // 5_000)]
    )
    space = latent.fit(styles, options.truncation)
    yaw, explained = fit_yaw(generator, space, options.faces)
    latent.save(replace(space, yaw=yaw), options.out)
    space = replace(latent.load(options.out), truncation=1.0)
    fresh = space.to_latent(generator.map(torch.randn(20_000, generator.z_dim)).numpy())
    share = float((space.scale[:8] ** 2).sum() / (space.scale**2).sum())
    return {
        "variance_in_first_8": share,
        "yaw_r2": explained,
        "largest_mean": float(np.abs(fresh.mean(0)).max()),
        "largest_std_error": float(np.abs(fresh.std(0) - 1).max()),
        "largest_excess_kurtosis_in_first_8": float(np.abs((fresh[:, :8] ** 4).mean(0) - 3).max()),
    }


def fit_yaw(generator: Generator, space: LatentSpace, faces: int) -> tuple[Floats, float]:
    """Regress the yaw of generated faces on the leading coordinates: the direction (d,), and R² on a held-out fifth."""
    latents, crops = np.random.default_rng(0).standard_normal((faces, space.size)), []
    size = fitting_size(generator, YAW_SIZE)
    for start in range(0, faces, 16):
        images = generator.synthesize(torch.from_numpy(space.from_latent(latents[start : start + 16])), size)
        images = F.interpolate(images, (YAW_SIZE, YAW_SIZE), mode="bilinear", align_corners=False)
        crops += list(((images + 1) * 127.5).clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy())
    yaw = yaw_of_68(landmarks_of_crops(crops))
    leading, fifth = latents[:, :YAW_COORDINATES], faces // 5
    direction = np.linalg.lstsq(leading[fifth:], yaw[fifth:], rcond=None)[0]
    residual = (yaw - leading @ direction)[:fifth]
    explained = 1 - float((residual**2).sum() / (yaw[:fifth] ** 2).sum())
    return np.pad(direction, (0, space.size - YAW_COORDINATES)), explained


def fit_exits(mapping: Mapping, synthesis: Synthesis, options: argparse.Namespace) -> dict[str, float | str]:
    """Fit each exit by Adam on crops; reports the PSNR on held-out faces (range 2)."""
    faces = [_face(mapping, synthesis, i) for i in range(options.styles + options.held_out)]
    training, held_out = faces[: options.styles], faces[options.styles :]
    state: dict[str, Tensor] = {}
    report: dict[str, float | str] = {}
    for size in EXITS:
        head = ImageHead(synthesis, size).to(memory_format=torch.channels_last)
        optimiser = torch.optim.Adam(head.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=options.steps)
        for step in range(options.steps):
            features, style, target = _crops(training, size)
            inner = slice(BORDER, -BORDER)
            loss = (head(features, style) - target)[:, :, inner, inner].square().mean()
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            if step % 25 == 0:
                print(f"exit {size}: step {step}, loss {loss.item():.5f}", file=sys.stderr)
        with torch.no_grad():
            errors = [(head(f[size].float(), f["style"]) - _target(f, size)).square().mean() for f in held_out]
        report[f"psnr_{size}"] = float(10 * torch.log10(4 / torch.stack(errors).mean()))
        state |= {f"{size}.{name}": value.contiguous().half() for name, value in head.state_dict().items()}
    save_file(state, options.out)
    return report


Face = dict[int | str, Tensor]


@torch.no_grad()
def _face(mapping: Mapping, synthesis: Synthesis, number: int) -> Face:
    """One face at a truncation between 0.6 and 1: trunk features at each exit, and the picture at 256 px."""
    print(f"face {number}", file=sys.stderr)
    mean = mapping(torch.randn(1_000, STYLE)).mean(0)
    style = mean + (0.6 + 0.4 * torch.rand(1)) * (mapping(torch.randn(1, STYLE)) - mean)
    face: Face = {"style": style}
    x = synthesis.start(style)
    for block in synthesis.blocks:
        x = block(x, style)
        if x.shape[-1] in EXITS:
            face[x.shape[-1]] = x.half()
    face["picture"] = F.avg_pool2d(synthesis.finish(x, style), 4)
    return face


def _target(face: Face, size: int) -> Tensor:
    return F.avg_pool2d(face["picture"], 256 // size)


def _crops(faces: list[Face], size: int) -> tuple[Tensor, Tensor, Tensor]:
    """A batch of random crops: features, styles, target pictures."""
    features, styles, targets = [], [], []
    for i in torch.randint(len(faces), (BATCH,)).tolist():
        y, x = torch.randint(size - CROP + 1, (2,)).tolist()
        window = (..., slice(y, y + CROP), slice(x, x + CROP))
        features.append(faces[i][size][window].float())
        targets.append(_target(faces[i], size)[window])
        styles.append(faces[i]["style"])
    return torch.cat(features).contiguous(memory_format=torch.channels_last), torch.cat(styles), torch.cat(targets)


if __name__ == "__main__":
    sys.exit(main())

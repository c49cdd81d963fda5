"""Step II's projection: an aligned face → the latent whose generated face is nearest (paper Alg. 3, Eq. 18–19).

Four ways, of which the policy names one: `optimise` is the paper's, `encode` one pass of a small network, `hybrid` the
encoder's answer refined by a few steps, and `mean` looks at nothing. Privacy does not depend on which.
"""

from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from deid_udf import models, policy
from deid_udf.detect.region import Frame
from deid_udf.faces.encoder import SIZE, load_encoder
from deid_udf.faces.lbfgs import minimise
from deid_udf.faces.perceptual import MODEL as VGG
from deid_udf.faces.perceptual import PerceptualLoss, load_perceptual_loss
from deid_udf.generator.base import Generator, fitting_size
from deid_udf.generator.latent import Floats, LatentSpace
from deid_udf.generator.registry import encoder_model, open_generator, open_latent_space

_OPTIMISED_SIZE = 128  # pixels at which faces are compared
_BATCH = 8  # faces optimised together
_LEAST_CURVATURE = 3e-5  # of the strongest: how far the weakest coordinates may run

Projector = Callable[[Sequence[Frame]], Floats]
"""uint8 (s, s, 3) RGB crops that fill the FFHQ square → whitened latents (n, d)."""


def projector_models(faces: policy.Faces) -> tuple[str, ...]:
    """Registry names of the models that a policy's projection opens beside the generator.

    Raises:
        ModelError: it asks for an encoder that the generator does not have.
    """
    match faces.projection:
        case "mean":
            return ()
        case "encode":
            return (encoder_model(faces.generator),)
        case "optimise":
            return (VGG,)
        case "hybrid":
            return encoder_model(faces.generator), VGG


def open_projector(faces: policy.Faces, device: str) -> Projector:
    """The projector that a policy names; its models open when it is first called."""
    space = open_latent_space(faces.generator)
    if faces.projection in ("encode", "hybrid"):
        start: Projector = partial(encode, generator=faces.generator, device=device)
    else:
        start = partial(_mean, space=space)
    if faces.projection in ("mean", "encode"):
        return start
    return partial(_refine, start=start, faces=faces, device=device)


def encode(crops: Sequence[Frame], *, generator: str, device: str) -> Floats:
    """One pass of the encoder of `generator`."""
    encoder = models.opened(encoder_model(generator), device, load_encoder)
    with torch.inference_mode():
        latents: Floats = encoder(_to_tensor(crops, SIZE).to(device)).double().cpu().numpy()
    return latents


def optimise(
    crops: Tensor,
    *,
    start: Floats,
    generator: Generator,
    space: LatentSpace,
    loss: PerceptualLoss,
    steps: int,
    mse_weight: float = 1.0,
    tolerance: float = 1e-3,
    patience: int = 10,
) -> tuple[Floats, NDArray[np.float32]]:
    """Algorithm 3: min over v of L_percept(G(v), I) + λ/N · ‖G(v) − I‖², by L-BFGS, for a batch.

    Args:
        crops: float32 (n, 3, s, s) in [-1, 1]; s is one of the generator's sizes.
        start: (n, d) whitened latents to begin with.
        generator, space: G and its whitened latent space.
        loss: L_percept.
        steps: most steps taken, of one generated face each.
        mse_weight: λ of Eq. 18.
        tolerance, patience: a face has converged once its loss fell by less than this share in this many steps.

    Returns:
        The best latents (n, d) seen, and each face's lowest loss after each step, (1 + steps taken, n).
    """
    to_style, wanted = StyleMap(space, crops.device), loss.features(crops)

    def difference(latents: Tensor, which: Tensor) -> Tensor:
        made = generator.synthesize(to_style(latents), crops.shape[-1])
        percept = loss.distance(made, [layer[which] for layer in wanted])
        return percept + mse_weight * (made - crops[which]).square().mean((1, 2, 3))

    best, losses = minimise(
        difference,
        torch.tensor(start, dtype=torch.float32, device=crops.device),
        curvature=torch.tensor(_curvature(space), dtype=torch.float32, device=crops.device),
        steps=steps,
        tolerance=tolerance,
        patience=patience,
    )
    return best.double().cpu().numpy(), losses.cpu().numpy()


def _curvature(space: LatentSpace) -> Floats:
    """How strongly the loss bends along each whitened coordinate, (d,), up to a factor.

    Of MobileStyleGAN's 512 the first 16 move the picture and the last 300 hardly do: on generated faces the diagonal of
    the Gauss-Newton matrix falls about as the third power of the coordinate's scale, over four orders of magnitude.
    """
    relative = space.scale / space.scale.max()
    return np.asarray(relative**3 + _LEAST_CURVATURE, np.float64)


class StyleMap:
    """`LatentSpace.from_latent`, differentiable."""

    def __init__(self, space: LatentSpace, device: torch.device) -> None:
        axes = space.axes * (space.scale * space.truncation)[:, None]
        self._axes = torch.tensor(axes, dtype=torch.float32, device=device)
        self._mean = torch.tensor(space.mean, dtype=torch.float32, device=device)

    def __call__(self, latents: Tensor) -> Tensor:
        """Whitened latents (n, d) → styles (n, d)."""
        return F.leaky_relu(latents @ self._axes + self._mean, LatentSpace.slope)


def _mean(crops: Sequence[Frame], *, space: LatentSpace) -> Floats:
    return np.zeros((len(crops), space.size))


def _refine(crops: Sequence[Frame], *, start: Projector, faces: policy.Faces, device: str) -> Floats:
    generator, space = open_generator(faces.generator, device), open_latent_space(faces.generator)
    loss = models.opened(VGG, device, load_perceptual_loss)
    size = fitting_size(generator, _OPTIMISED_SIZE)
    images, first = _to_tensor(crops, size).to(device), start(crops)
    found = []
    for part in (slice(i, i + _BATCH) for i in range(0, len(crops), _BATCH)):
        latents, _ = optimise(
            images[part], start=first[part], generator=generator, space=space, loss=loss, steps=faces.steps
        )
        found.append(latents)
    return np.concatenate(found)


def _to_tensor(crops: Sequence[Frame], size: int) -> Tensor:
    """uint8 (s, s, 3) each → float32 (n, 3, size, size) in [-1, 1]."""
    small = np.stack([cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA) for crop in crops])
    return torch.from_numpy(small).permute(0, 3, 1, 2).float() / 127.5 - 1

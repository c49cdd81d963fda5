"""The latent space that the mechanisms work in: whitened principal components of the style (docs/privacy.md §2).

The mapping network ends in a leaky ReLU, which folds its output; undone, mapped samples are close to a Gaussian (Wulff
and Torralba 2020). Their principal components, whitened, make v ~ N(0, I) under the prior, so that one unit of noise
means the same in every coordinate. What follows a release lives here too, and sees nothing but the release.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

Floats = NDArray[np.float64]

TRUNCATION = 0.8  # of a generator that was trained to the end; one that makes people too much alike may need more


@dataclass(frozen=True)
class LatentSpace:
    """Whitening of one generator's styles.

    Attributes:
        mean: float64 (d,) of mapped prior samples, last activation undone.
        axes: float64 (d, d), one principal direction a row, largest variance first.
        scale: float64 (d,), standard deviation along each.
        yaw: float64 (d,), how much a face's `yaw` (deid_udf.faces.align) grows with each coordinate of v.
        truncation: factor on v before it becomes a style (Karras et al. 2019); < 1 trades variety for looks.
    """

    mean: Floats
    axes: Floats
    scale: Floats
    yaw: Floats
    truncation: float = 1.0
    slope: ClassVar[float] = 0.2  # of the mapping network's leaky ReLU

    @property
    def size(self) -> int:
        """d, the length of styles and of latents."""
        return len(self.mean)

    def to_latent(self, style: NDArray[np.floating]) -> Floats:
        """Styles (n, d) → whitened v (n, d), N(0, I) under the prior."""
        unfolded = np.where(style < 0, style / self.slope, style).astype(np.float64)
        return (unfolded - self.mean) @ self.axes.T / (self.scale * self.truncation)

    def from_latent(self, latent: Floats) -> NDArray[np.float32]:
        """Whitened v (n, d) → styles (n, d); the inverse of `to_latent`."""
        unfolded = (latent * (self.scale * self.truncation)) @ self.axes + self.mean
        return np.where(unfolded < 0, unfolded * self.slope, unfolded).astype(np.float32)

    def turned(self, latents: Floats, yaw: Floats | float) -> Floats:
        """Latents (n, d) moved, along the shortest way, to faces of that yaw; 0 looks at the camera.

        Of prior draws it makes draws from the prior given the yaw, as far as yaw is linear in v.
        """
        missing = np.broadcast_to(yaw, len(latents)) - latents @ self.yaw
        return latents + missing[:, None] * self.yaw / max(float(self.yaw @ self.yaw), 1e-12)


def fit(styles: NDArray[np.floating], truncation: float = 1.0) -> LatentSpace:
    """Statistics of mapped prior samples, (n, d) with n well above d."""
    unfolded = np.where(styles < 0, styles / LatentSpace.slope, styles).astype(np.float64)
    mean = unfolded.mean(0)
    variances, axes = np.linalg.eigh(np.cov(unfolded, rowvar=False))
    order = np.argsort(variances)[::-1]
    return LatentSpace(mean, axes[:, order].T, np.sqrt(variances[order]), np.zeros(len(mean)), truncation)


def save(space: LatentSpace, path: Path) -> None:
    """Write the statistics as float32 safetensors."""
    save_file({field.name: np.asarray(getattr(space, field.name), np.float32) for field in fields(space)}, path)


def load(path: Path) -> LatentSpace:
    """Read the statistics that `save` wrote; where they do not say the truncation, it is `TRUNCATION`."""
    arrays = {name: array.astype(np.float64) for name, array in load_file(path).items()}
    truncation = round(float(arrays.get("truncation", TRUNCATION)), 6)
    return LatentSpace(arrays["mean"], arrays["axes"], arrays["scale"], arrays["yaw"], truncation)


def laplace_posterior(noisy: Floats, scale: float, fresh: Floats) -> Floats:
    """Back on the manifold after Laplace noise: a typical latent at every noise level, from the noisy one alone.

    With v ~ N(0, 1) and Laplace noise of scale b (variance 2b²), the linear posterior mean is ρ·y, ρ = 1 / (1 + 2b²).
    It has lost the variance 1 − ρ, which a fresh prior draw puts back. b → 0 returns the noisy value, b → ∞ the draw.

    Args:
        noisy: (n, k) released coordinates.
        scale: b, of the noise that was added.
        fresh: (n, k) standard normal, independent of everything.
    """
    weight = 1 / (1 + 2 * scale**2)
    return np.asarray(weight * noisy + np.sqrt(1 - weight) * fresh, np.float64)

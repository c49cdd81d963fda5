"""One face mechanism of the policy: what goes under the noise, and what is made of what comes out.

`values` may read the projection; `latents` sees the release and fresh prior draws alone, so it is post-processing.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deid_udf import policy
from deid_udf.generator.latent import Floats, LatentSpace, laplace_posterior
from deid_udf.privacy import Exponential, LaplaceUnbounded, LaplaceVector, Mechanism, Prior

_CODEBOOK_SEED = 20260101  # public: the codebook may be known to anyone, it only must not depend on an input
_STEP = 2.0**-6  # latents are rounded to it, so that a retry on another batch gives the same value under keyed noise


class Release(Protocol):
    """See the module."""

    @property
    def mechanism(self) -> Mechanism:
        """What releases `values`."""
        ...

    def values(self, latents: Floats) -> Floats:
        """Projections (n, d), whitened → what the mechanism takes."""
        ...

    def latents(self, released: NDArray[np.generic], fresh: Floats) -> Floats:
        """What the mechanism gave, and prior draws (n, d) → new latents (n, d), whitened."""
        ...


class BoundedLaplace:
    """Laplace on the first k whitened coordinates, shrunk towards the prior; the rest is a fresh prior draw."""

    def __init__(self, choice: policy.LaplaceVector, space: LatentSpace) -> None:
        self._scale = float(2 * choice.radius / choice.epsilon)
        self._k = min(choice.k, space.size)
        self.mechanism = LaplaceVector(
            epsilon=choice.epsilon, k=self._k, radius=choice.radius, grid_bits=choice.grid_bits
        )

    def values(self, latents: Floats) -> Floats:
        """See `Release.values`."""
        return _rounded(latents[:, : self._k])

    def latents(self, released: NDArray[np.generic], fresh: Floats) -> Floats:
        """See `Release.latents`."""
        typical = laplace_posterior(released.astype(np.float64), self._scale, fresh[:, : self._k])
        return np.concatenate([typical, fresh[:, self._k :]], axis=1)


class PaperLaplace:
    """The paper to the letter (Eq. 10, 20): noise of scale 1/ε on every coordinate of the style."""

    def __init__(self, choice: policy.LaplaceUnbounded, space: LatentSpace) -> None:
        self._space = space
        self.mechanism = LaplaceUnbounded(epsilon=choice.epsilon, k=space.size, grid_bits=choice.grid_bits)

    def values(self, latents: Floats) -> Floats:
        """See `Release.values`."""
        return self._space.from_latent(_rounded(latents)).astype(np.float64)

    def latents(self, released: NDArray[np.generic], fresh: Floats) -> Floats:  # noqa: ARG002
        """See `Release.latents`; the fresh draw is not needed."""
        return self._space.to_latent(released.astype(np.float64))


class Codebook:
    """The exponential mechanism over public prior faces; utility 1 − half the distance of typical strangers apart."""

    def __init__(self, choice: policy.Exponential, space: LatentSpace) -> None:
        self._k = min(choice.k, space.size)
        self._entries = np.random.default_rng(_CODEBOOK_SEED).standard_normal((choice.size, space.size))
        self.mechanism = Exponential(epsilon=choice.epsilon, size=choice.size)

    def values(self, latents: Floats) -> Floats:
        """Utilities in [0, 1]: 1 for the same first k coordinates, about 0.5 for a stranger's."""
        difference = _rounded(latents[:, None, : self._k]) - self._entries[None, :, : self._k]
        stranger = np.sqrt(2 * self._k)
        return np.asarray(np.clip(1 - np.linalg.norm(difference, axis=2) / (2 * stranger), 0, 1), np.float64)

    def latents(self, released: NDArray[np.generic], fresh: Floats) -> Floats:  # noqa: ARG002
        """See `Release.latents`; the fresh draw is not needed."""
        return self._entries[released.astype(np.int64)]


class FromPrior:
    """ε = 0: a random face."""

    mechanism: Mechanism = Prior("face")

    def values(self, latents: Floats) -> Floats:
        """Nothing of the input."""
        return np.zeros((len(latents), 0))

    def latents(self, released: NDArray[np.generic], fresh: Floats) -> Floats:  # noqa: ARG002
        """See `Release.latents`; nothing was released."""
        return fresh


def open_release(choice: policy.FaceMechanism, space: LatentSpace) -> Release:
    """The release that a policy's face mechanism asks for; `TypeError` for a baseline, which has none."""
    match choice:
        case policy.LaplaceVector():
            return BoundedLaplace(choice, space)
        case policy.LaplaceUnbounded():
            return PaperLaplace(choice, space)
        case policy.Exponential():
            return Codebook(choice, space)
        case policy.Prior():
            return FromPrior()
        case _:
            raise TypeError(f"{choice.name} is a baseline, not a release of a latent")


def _rounded(latents: Floats) -> Floats:
    return np.round(latents / _STEP) * _STEP

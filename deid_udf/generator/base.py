"""The protocol of a face generator, and the names under which policies choose one."""

from typing import Protocol

import torch


class Generator(Protocol):
    """A pretrained image generator with a style space (the paper's G and W; Karras et al. 2019, 2020).

    Attributes:
        name: what a policy writes under `faces.generator`.
        z_dim: length of the normal vector that `map` takes.
        style_dim: length of the style vector that `synthesize` takes.
        sizes: side lengths in pixels that `synthesize` can make, ascending.
    """

    name: str
    z_dim: int
    style_dim: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """See the class."""
        ...

    def map(self, z: torch.Tensor) -> torch.Tensor:
        """Standard normal z, float32 (n, z_dim) → styles, float32 (n, style_dim)."""
        ...

    def synthesize(self, style: torch.Tensor, size: int) -> torch.Tensor:
        """Styles, float32 (n, style_dim) → RGB, float32 (n, 3, size, size) about [-1, 1]; differentiable."""
        ...


def fitting_size(generator: Generator, pixels: float) -> int:
    """The smallest size that `generator` makes with at least `pixels` a side, or its largest."""
    return next((size for size in generator.sizes if size >= pixels), generator.sizes[-1])

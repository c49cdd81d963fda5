"""A small convolutional encoder: an aligned face in, its whitened latent out, in one pass.

Trained by `jobs/train_encoder.py` on generated faces, whose latents are known.
"""

from itertools import pairwise
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

SIZE = 64  # pixels of its input
WIDTHS = (48, 96, 160, 256)  # channels at 32, 16, 8 and 4 px


class Residual(nn.Module):
    """Two 3×3 convolutions beside a 1×1 one, at half the size.

    Args:
        inputs, outputs: channels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.SiLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.short = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inputs, outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, s, s) → (n, outputs, s/2, s/2)."""
        return nn.functional.silu(self.main(x) + self.short(x))


class Encoder(nn.Module):
    """Aligned RGB (n, 3, 64, 64) in [-1, 1] → whitened latents (n, latent_dim).

    Args:
        latent_dim: of the generator's latent space.
    """

    def __init__(self, latent_dim: int = 512) -> None:
        super().__init__()
        blocks = [Residual(a, b) for a, b in pairwise(WIDTHS)]
        self.features = nn.Sequential(
            nn.Conv2d(3, WIDTHS[0], 3, stride=2, padding=1), nn.SiLU(), *blocks
        )  # (n, 256, 4, 4)
        self.head = nn.Sequential(nn.Conv2d(WIDTHS[-1], 64, 1), nn.Flatten(), nn.SiLU(), nn.Linear(1024, latent_dim))

    def forward(self, faces: Tensor) -> Tensor:
        """See the class."""
        latents: Tensor = self.head(self.features(faces))
        return latents


def load_encoder(path: Path, device: str) -> Encoder:
    """The encoder from (half precision) safetensors, in float32 and for inference."""
    weights = load_file(path)
    encoder = Encoder(weights["head.3.weight"].shape[0])
    encoder.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})
    return encoder.to(device).eval().requires_grad_(False)

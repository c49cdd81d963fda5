"""Faces: a detected face in, a synthetic one in its place, a batch at a time (Steps II and III of the paper).

Of the original, the mechanism sees the projection; the placement sees the landmarks (a similarity and an outline, both
listed outside the guarantee in docs/privacy.md); nothing else of it reaches the new content.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray

from deid_udf import policy
from deid_udf.detect.region import Frame
from deid_udf.faces import landmarks
from deid_udf.faces.align import (
    apply,
    content_to_square,
    crop,
    inverse,
    least_squares_similarity,
    length_scale,
)
from deid_udf.faces.landmarks import Alignment
from deid_udf.faces.outline import outline
from deid_udf.faces.project import open_projector, projector_models
from deid_udf.faces.release import FromPrior, Styles, open_release
from deid_udf.generator.base import fitting_size
from deid_udf.generator.latent import Floats
from deid_udf.generator.registry import generator_models, open_generator, open_latent_space
from deid_udf.privacy import Context, NoiseSource
from deid_udf.protect import Replacement, Target
from deid_udf.schema import Cause, Outcome

_CROP = 256  # pixels of the originals' crops that are projected
_BATCH = 8  # faces that the generator holds at once
_SPARE = 0.8  # content this much smaller than its place is still sharp enough
_RENDERING = b"face rendering"


@dataclass(frozen=True, slots=True)
class Face:
    """One target on its way: where it lies, and why it gets less than the mechanism, if it does."""

    target: Target
    alignment: Alignment
    cause: Cause


class FaceProtector:
    """New faces from a pretrained generator; `deid_udf.protect.Protector`.

    Args:
        faces: the policy's section.
        noise: where the mechanism's and the rendering's randomness comes from.
        device: "cpu" or "cuda:N"; models open there on first use.
    """

    def __init__(self, faces: policy.Faces, *, noise: NoiseSource, device: str = "cpu") -> None:
        self._policy = faces
        self._noise = noise
        self._device = device

    @property
    def cost(self) -> Fraction | None:
        """Worst-case ε of one face."""
        return self._release().mechanism.worst_case

    @property
    def models(self) -> tuple[str, ...]:
        """Registry names of every model that this protector opens."""
        return (
            landmarks.MODEL,
            *generator_models(self._policy.generator),
            *projector_models(self._policy.projection),
        )

    def replace(self, frames: Sequence[Frame], targets: Sequence[Target]) -> list[Replacement]:
        """One replacement a target, in order; see `deid_udf.protect.Protector`."""
        if not targets:
            return []
        alignments = landmarks.align(frames, [(target.frame, target.region) for target in targets])
        faces = [Face(t, a, self._cause(t, a)) for t, a in zip(targets, alignments, strict=True)]
        contents = self._render(self._styles(frames, faces), [self._side(face) for face in faces])
        return self._place(faces, contents)

    def _cause(self, target: Target, alignment: Alignment) -> Cause:
        if isinstance(self._policy.mechanism, policy.Prior):
            return Cause.POLICY
        if not target.spend:
            return Cause.OVER_ALLOWANCE
        if min(target.region.width, target.region.height) < self._policy.min_size:
            return Cause.TOO_SMALL
        return Cause.UNALIGNED if alignment.source == "box" else Cause.NONE

    def _styles(self, frames: Sequence[Frame], faces: Sequence[Face]) -> Styles:
        """Styles (n, d): through the mechanism where a face may have it, from the prior elsewhere."""
        space = open_latent_space(self._policy.generator)
        fresh = _prior(self._noise, [face.target.context for face in faces], space.size)
        styles = FromPrior(space).styles(np.zeros((len(faces), 0)), fresh)
        chosen = [i for i, face in enumerate(faces) if face.cause is Cause.NONE]
        if chosen:
            crops = [crop(frames[faces[i].target.frame], faces[i].alignment.square, _CROP) for i in chosen]
            release = self._release()
            released = release.mechanism.release(
                release.values(self._project(crops)),
                noise=self._noise,
                contexts=[faces[i].target.context for i in chosen],
            )
            styles[chosen] = release.styles(released, fresh[chosen])
        return styles

    def _project(self, crops: Sequence[Frame]) -> Floats:
        return open_projector(self._policy, self._device)(crops)

    def _side(self, face: Face) -> float:
        """Pixels of the frame that a side of the face's FFHQ square covers."""
        return 1 / max(length_scale(face.alignment.square), 1e-9)

    def _render(self, styles: Styles, sides: Sequence[float]) -> list[Frame]:
        """Generated faces, uint8 (s, s, 3), each of the size that its place asks for."""
        generator = open_generator(self._policy.generator, self._device)
        sizes = [fitting_size(generator, side * _SPARE) for side in sides]
        contents: dict[int, Frame] = {}
        for size in sorted(set(sizes)):
            members = [i for i, s in enumerate(sizes) if s == size]
            for some in (members[start : start + _BATCH] for start in range(0, len(members), _BATCH)):
                with torch.inference_mode():
                    images = generator.synthesize(torch.from_numpy(styles[some]), size)
                contents |= zip(some, _to_pixels(images), strict=True)
        return [contents[i] for i in range(len(sizes))]

    def _place(self, faces: Sequence[Face], contents: Sequence[Frame]) -> list[Replacement]:
        found = landmarks.landmarks_of_crops(contents)
        release = self._release()
        placed = []
        for face, content, new in zip(faces, contents, found, strict=True):
            points = face.alignment.points
            place = inverse(face.alignment.square) if points is None else least_squares_similarity(new, points)
            matrix = np.vstack([place, (0, 0, 1)]) @ np.vstack([content_to_square(len(content)), (0, 0, 1)])
            through = face.cause is Cause.NONE
            placed.append(
                Replacement(
                    content=content,
                    matrix=matrix,
                    outline=outline(self._policy.mask, points, apply(place, new), face.target.region.box),
                    blend="feather",
                    outcome=Outcome.REPLACED if through else Outcome.PRIOR,
                    cause=face.cause,
                    mechanism=release.mechanism if through else FromPrior.mechanism,
                )
            )
        return placed

    def _release(self):
        return open_release(self._policy.mechanism, open_latent_space(self._policy.generator))


def _prior(noise: NoiseSource, contexts: Sequence[Context], size: int) -> Floats:
    """Standard normal (n, size): seeded by the noise source, so that a keyed retry renders the same face."""
    seeds = noise.seeds([(*context, _RENDERING) for context in contexts])
    return np.stack([np.random.default_rng(seed.view(np.uint32)).standard_normal(size) for seed in seeds])


def _to_pixels(images: torch.Tensor) -> list[NDArray[np.uint8]]:
    """(n, 3, s, s) about [-1, 1] → uint8 (s, s, 3) each."""
    pixels = ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return list(pixels.permute(0, 2, 3, 1).cpu().numpy())

"""Faces: a detected face in, a synthetic one in its place, a batch at a time (Steps II and III of the paper).

Of the original, the mechanism sees the projection; the placement sees the landmarks (a similarity and an outline, both
listed outside the guarantee in docs/privacy.md); nothing else of it reaches the new content, but for what the policy
declares public.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from deid_udf import policy
from deid_udf.detect.masks import enclosing
from deid_udf.detect.region import Frame
from deid_udf.faces import landmarks
from deid_udf.faces.align import (
    Points,
    Similarity,
    apply,
    content_to_square,
    crop,
    filling,
    five_of_68,
    inverse,
    least_squares_similarity,
    length_scale,
    roll_of_five,
    yaw_of_68,
    yaw_of_five,
)
from deid_udf.faces.landmarks import Alignment
from deid_udf.faces.outline import boxed, outline
from deid_udf.faces.project import open_projector, projector_models
from deid_udf.faces.public import public_tone, public_yaw, recolour
from deid_udf.faces.release import FromPrior, Release, open_release
from deid_udf.faces.warp import bend
from deid_udf.generator.base import fitting_size
from deid_udf.generator.latent import Floats, LatentSpace
from deid_udf.generator.registry import generator_models, open_generator, open_latent_space
from deid_udf.privacy import Context, NoiseSource
from deid_udf.protect import Replacement, Target
from deid_udf.schema import Cause, Outcome

_CROP = 256  # pixels of the originals' crops that are projected
_BATCH = 8  # faces that the generator holds at once
_SPARE = 0.8  # content this much smaller than its place is still sharp enough
_FACE = (0.6, 0.75)  # width and height of a face with its forehead in the FFHQ square
_RENDERING = b"face rendering"


@dataclass(frozen=True, slots=True)
class Face:
    """One target on its way.

    Attributes:
        target: what is to be replaced.
        frame: the frame it is in.
        alignment: where it lies.
        cause: why it gets less than the mechanism, if it does.
    """

    target: Target
    frame: Frame
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
        return self._release.mechanism.worst_case

    @property
    def models(self) -> tuple[str, ...]:
        """Registry names of every model that this protector opens."""
        chosen = self._policy
        return (landmarks.MODEL, *generator_models(chosen.generator), *projector_models(chosen))

    def replace(self, frames: Sequence[Frame], targets: Sequence[Target]) -> list[Replacement]:
        """One replacement a target, in order; see `deid_udf.protect.Protector`."""
        if not targets:
            return []
        alignments = landmarks.align(frames, [(target.frame, target.region) for target in targets])
        faces = [Face(t, frames[t.frame], a, self._cause(t, a)) for t, a in zip(targets, alignments, strict=True)]
        contents = self._render(self._latents(faces), [_side(face) for face in faces])
        points = landmarks.landmarks_of_crops(contents)
        return [self._place(*some) for some in zip(faces, contents, points, strict=True)]

    @cached_property
    def _space(self) -> LatentSpace:
        return open_latent_space(self._policy.generator)

    @cached_property
    def _release(self) -> Release:
        return open_release(self._policy.mechanism, self._space)

    def _cause(self, target: Target, alignment: Alignment) -> Cause:
        if isinstance(self._policy.mechanism, policy.Prior):
            return Cause.POLICY
        if not target.spend:
            return Cause.OVER_ALLOWANCE
        if min(target.region.width, target.region.height) < self._policy.min_size:
            return Cause.TOO_SMALL
        return Cause.UNALIGNED if alignment.source == "box" else Cause.NONE

    def _latents(self, faces: Sequence[Face]) -> Floats:
        """New latents (n, d): through the mechanism where a face may have it, from the prior elsewhere.

        Prior draws look at the camera, which fits most faces, unless the policy declares yaw public.
        """
        fresh = self._space.turned(_prior(self._noise, [face.target.context for face in faces], self._space.size), 0)
        latents = fresh.copy()
        chosen = [i for i, face in enumerate(faces) if face.cause is Cause.NONE]
        if chosen:
            crops = [crop(faces[i].frame, faces[i].alignment.square, _CROP) for i in chosen]
            released = self._release.mechanism.release(
                self._release.values(open_projector(self._policy, self._device)(crops)),
                noise=self._noise,
                contexts=[faces[i].target.context for i in chosen],
            )
            latents[chosen] = self._release.latents(released, fresh[chosen])
        if "yaw" in self._policy.public:
            yaw = {i: public_yaw(known) for i, face in enumerate(faces) if (known := _yaw(face)) is not None}
            latents[list(yaw)] = self._space.turned(latents[list(yaw)], np.array(list(yaw.values())))
        return latents

    def _render(self, latents: Floats, sides: Sequence[float]) -> list[Frame]:
        """Generated faces, uint8 (s, s, 3), each of the size that its place asks for."""
        generator = open_generator(self._policy.generator, self._device)
        styles = torch.from_numpy(self._space.from_latent(latents))
        sizes = [fitting_size(generator, side * _SPARE) for side in sides]
        contents: dict[int, Frame] = {}
        for size in sorted(set(sizes)):
            members = [i for i, s in enumerate(sizes) if s == size]
            for some in (members[start : start + _BATCH] for start in range(0, len(members), _BATCH)):
                with torch.inference_mode():
                    images = generator.synthesize(styles[some], size)
                contents |= zip(some, _to_pixels(images), strict=True)
        return [contents[i] for i in range(len(sizes))]

    def _place(self, face: Face, content: Frame, new: Points) -> Replacement:
        """One generated face where the original was; `new` are its landmarks in the FFHQ square."""
        points, public, region = face.alignment.points, [], face.target.region
        pixels = apply(inverse(content_to_square(len(content))), new)
        if points is not None:
            place = least_squares_similarity(new, points)
        else:  # a profile, or a face half hidden: whatever the detector saw of it is filled with face
            roll = 0 if region.points is None else roll_of_five(region.points.astype(np.float64))
            place = filling(boxed(new), region.box, roll - roll_of_five(five_of_68(new)))
        if "yaw" in self._policy.public and _yaw(face) is not None:
            public.append("yaw")
        if "tone" in self._policy.public and points is not None:
            content = recolour(content, pixels, _tone(face))
            public.append("tone")
        edge = outline(self._policy.mask, points, apply(place, new), region.box, enclosing(region))
        matrix = _after(place, content_to_square(len(content)))
        if points is not None and self._policy.swap == "paper":
            content, matrix = _bent(content, pixels, matrix, points, edge)
            public.append("geometry")
        through = face.cause is Cause.NONE
        return Replacement(
            content=content,
            matrix=np.vstack([matrix, (0, 0, 1)]),
            outline=edge,
            blend="feather",
            outcome=Outcome.REPLACED if through else Outcome.PRIOR,
            cause=face.cause,
            mechanism=self._release.mechanism if through else FromPrior.mechanism,
            public=tuple(public),
        )


def _side(face: Face) -> float:
    """Pixels of the frame that a side of the new face's FFHQ square will cover."""
    if face.alignment.points is None:
        region = face.target.region
        return max(region.width / _FACE[0], region.height / _FACE[1])
    return 1 / max(length_scale(face.alignment.square), 1e-9)


def _yaw(face: Face) -> float | None:
    """The original's yaw, from its landmarks or else the detector's five points; None where only its box is known."""
    if face.alignment.points is not None:
        return float(yaw_of_68(face.alignment.points))
    points = face.target.region.points
    return None if points is None else yaw_of_five(points.astype(np.float64))


def _tone(face: Face) -> NDArray[np.float64]:
    """The original's public tone, measured on its aligned crop."""
    assert face.alignment.points is not None
    to_crop = inverse(content_to_square(_CROP))
    points = apply(to_crop, apply(face.alignment.square, face.alignment.points))
    return public_tone(crop(face.frame, face.alignment.square, _CROP), points)


def _bent(
    content: Frame, new: Points, place: Similarity, original: Points, edge: NDArray[np.float32]
) -> tuple[Frame, Similarity]:
    """The paper's warp over the outline's window, and the shift that puts it there."""
    corner, end = np.floor(edge.min(0)) - 1, np.ceil(edge.max(0)) + 2
    width, height = (end - corner).astype(int).tolist()
    window = bend(content, new, place, original, corner.astype(np.float64), (width, height))
    return window, np.column_stack([np.eye(2), corner])


def _after(second: Similarity, first: Similarity) -> Similarity:
    """One similarity after another."""
    return np.column_stack([second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2] + second[:, 2]])


def _prior(noise: NoiseSource, contexts: Sequence[Context], size: int) -> Floats:
    """Standard normal (n, size): seeded by the noise source, so that a keyed retry renders the same face."""
    seeds = noise.seeds([(*context, _RENDERING) for context in contexts])
    return np.stack([np.random.default_rng(seed.view(np.uint32)).standard_normal(size) for seed in seeds])


def _to_pixels(images: torch.Tensor) -> list[NDArray[np.uint8]]:
    """(n, 3, s, s) about [-1, 1] → uint8 (s, s, 3) each."""
    pixels = ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return list(pixels.permute(0, 2, 3, 1).cpu().numpy())

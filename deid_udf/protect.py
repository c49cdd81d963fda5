"""The contract between the pipeline and the rooms that make new content: targets in, replacements out.

A protector may read the original inside a target's region, but only to feed a mechanism; what it returns is made from
the mechanism's output, public parameters and the geometry listed in docs/privacy.md. It never writes into a frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.boxes import as_box, box_corners
from deid_udf.detect.region import Frame, Region
from deid_udf.privacy import Baseline, Mechanism
from deid_udf.schema import Cause, Outcome


@dataclass(frozen=True, slots=True)
class Target:
    """One private region that needs new content.

    Attributes:
        frame: index into the batch's frames.
        region: the region, grown by the policy's margin.
        context: what ties keyed noise to this object: content hash, object id, model hashes (privacy.md §5).
        scope: values of the policy's memo columns (plates), or None where nothing is memoised.
        neighbours: convex outlines (n, 2) around the other private regions of the frame, and of what already replaces
            them: pixels in them are as private as the region's own.
        spend: False when the image's allowance is used up; the content then comes from the prior.
    """

    frame: int
    region: Region
    context: tuple[bytes, ...]
    scope: tuple[bytes, ...] | None
    spend: bool
    neighbours: tuple[NDArray[np.float32], ...] = ()


@dataclass(frozen=True, slots=True)
class Replacement:
    """New content for one target, not yet in the picture.

    Attributes:
        content: uint8 (h, w, 3) RGB; not looked at where `blend` is "fill".
        matrix: float64 (3, 3) homography from content pixels to frame pixels.
        outline: float32 (n, 2) convex polygon in frame pixels: exactly what is replaced.
        blend: how the border is joined: Poisson, feathered, pasted as it is, or a solid fill from the surroundings.
        outcome, cause: what became of the object, and why it got less than the policy's mechanism.
        mechanism: the mechanism whose output this is; its worst-case ε goes to the ledger.
        public: attributes that this replacement took over outside the guarantee, as the policy declares.
        memo: key of the memoised draw inside this process (never stored), or None.
        text: what the new content says, for all to read (plates); "" where it says nothing.
    """

    content: NDArray[np.uint8]
    matrix: NDArray[np.float64]
    outline: NDArray[np.float32]
    blend: Literal["poisson", "feather", "paste", "fill"]
    outcome: Outcome
    cause: Cause
    mechanism: Mechanism
    public: tuple[str, ...] = ()
    memo: bytes | None = None
    text: str = ""


def solid_fill(region: Region, cause: Cause) -> Replacement:
    """The last resort: the region's whole box, and its parts, in the mean colour of the surroundings; ε = 0."""
    points = np.concatenate([box_corners(region.box), *region.parts])
    return Replacement(
        content=np.zeros((1, 1, 3), np.uint8),
        matrix=np.eye(3),
        outline=box_corners(as_box(np.concatenate([points.min(0), points.max(0)]))),
        blend="fill",
        outcome=Outcome.FILLED,
        cause=cause,
        mechanism=Baseline("fill"),
    )


class Protector(Protocol):
    """Makes new content for one kind of object, a batch at a time."""

    @property
    def cost(self) -> Fraction | None:
        """Most that one object can spend (worst-case ε), known before anything is read; None is unbounded."""
        ...

    @property
    def models(self) -> tuple[str, ...]:
        """Registry names of every model that this protector opens."""
        ...

    def replace(self, frames: Sequence[Frame], targets: Sequence[Target]) -> list[Replacement]:
        """One replacement a target, in order. Unreadable or unfit targets get prior content, never an exception."""
        ...

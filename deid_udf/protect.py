"""The contract between the pipeline and the rooms that make new content: targets in, replacements out.

A protector may read the original inside a target's region, but only to feed a mechanism; what it returns is made from the
mechanism's output, public parameters and the geometry listed in docs/privacy.md. It never writes into a frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from deid_udf.detect.region import Frame, Region
from deid_udf.privacy import Mechanism
from deid_udf.schema import Cause, Outcome


@dataclass(frozen=True, slots=True)
class Target:
    """One private region that needs new content.

    Attributes:
        frame: index into the batch's frames.
        region: the region, grown by the policy's margin.
        context: what ties keyed noise to this object: content hash, object id, model hashes (privacy.md §5).
        scope: values of the policy's memo columns (plates), or None where nothing is memoised.
        spend: False when the image's allowance is used up; the content then comes from the prior.
    """

    frame: int
    region: Region
    context: tuple[bytes, ...]
    scope: tuple[bytes, ...] | None
    spend: bool


@dataclass(frozen=True, slots=True)
class Replacement:
    """New content for one target, not yet in the picture.

    Attributes:
        content: uint8 (h, w, 3) RGB.
        matrix: float64 (3, 3) homography from content pixels to frame pixels.
        outline: float32 (n, 2) convex polygon in frame pixels: exactly what is replaced.
        blend: how the border is joined: Poisson, feathered, or pasted as it is.
        outcome, cause: what became of the object, and why it got less than the policy's mechanism.
        mechanism: the mechanism whose output this is; its worst-case ε goes to the ledger.
        memo: key of the memoised draw inside this process (never stored), or None.
    """

    content: NDArray[np.uint8]
    matrix: NDArray[np.float64]
    outline: NDArray[np.float32]
    blend: Literal["poisson", "feather", "paste"]
    outcome: Outcome
    cause: Cause
    mechanism: Mechanism
    memo: bytes | None = None


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

"""What the method is compared with, on boxes of any kind: blur, mosaic, DP-Pix and a solid fill."""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from deid_udf import policy
from deid_udf.detect.region import Frame
from deid_udf.privacy import Baseline, DpPix, Mechanism, NoiseSource
from deid_udf.protect import Replacement, Target, solid_fill
from deid_udf.schema import Cause, Outcome

BaselineChoice = policy.Fill | policy.Blur | policy.Mosaic | policy.DpPix


class BaselineProtector:
    """Puts each box through a baseline mechanism.

    Args:
        choice: the policy's mechanism.
        noise: where DP-Pix draws from.
    """

    models: tuple[str, ...] = ()

    def __init__(self, choice: BaselineChoice, *, noise: NoiseSource) -> None:
        self._choice = choice
        self._noise = noise

    @property
    def cost(self) -> Fraction | None:
        """Worst-case ε of one object; None for blur and mosaic, which bound nothing."""
        return _mechanism(self._choice, 1).worst_case

    def replace(self, frames: Sequence[Frame], targets: Sequence[Target]) -> list[Replacement]:
        """See `deid_udf.protect.Protector`; what may not be spent, or lies outside its frame, is filled."""
        return [self._replace(frames[target.frame], target) for target in targets]

    def _replace(self, frame: Frame, target: Target) -> Replacement:
        if isinstance(self._choice, policy.Fill):
            return solid_fill(target.region, Cause.POLICY)
        if not target.spend:
            return solid_fill(target.region, Cause.OVER_ALLOWANCE)
        height, width = frame.shape[:2]
        x0, y0 = (max(0, math.floor(v)) for v in target.region.box[:2])
        x1, y1 = min(width, math.ceil(target.region.box[2])), min(height, math.ceil(target.region.box[3]))
        if x1 <= x0 or y1 <= y0:
            return solid_fill(target.region, Cause.UNALIGNED)
        mechanism = _mechanism(self._choice, max(x1 - x0, y1 - y0))
        crop = np.ascontiguousarray(frame[y0:y1, x0:x1])[None]
        content = mechanism.release(crop, noise=self._noise, contexts=[target.context])[0]
        return Replacement(
            content=content,
            matrix=np.array([[1, 0, x0], [0, 1, y0], [0, 0, 1]], np.float64),
            outline=np.array([(x0, y0), (x1 - 1, y0), (x1 - 1, y1 - 1), (x0, y1 - 1)], np.float32),
            blend="paste",
            outcome=Outcome.REPLACED,
            cause=Cause.NONE,
            mechanism=mechanism,
        )


def _mechanism(choice: BaselineChoice, side: int) -> Mechanism:
    """The mechanism for a box whose longer side is `side` pixels."""
    match choice:
        case policy.Fill():
            return Baseline("fill")
        case policy.Blur(kernel=share):
            return Baseline("blur", max(1, round(side * share)) | 1)
        case policy.Mosaic(cells=cells):
            return Baseline("mosaic", max(1, math.ceil(side / cells)))
        case policy.DpPix(epsilon=epsilon, cells=cells, m=m):
            return DpPix(epsilon=epsilon, b=max(1, math.ceil(side / cells)), m=m, channels=3)

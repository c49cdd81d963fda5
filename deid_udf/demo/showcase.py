"""Pictures of nobody, for pages that get around: a drawn street under several policies, and faces of a generator."""

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np

from deid_udf.demo import scenes
from deid_udf.detect.region import Box, Frame
from deid_udf.evaluate.generator import samples
from deid_udf.images.decode import Limits, decode
from deid_udf.pipeline import Pipeline
from deid_udf.policy import Policy
from deid_udf.privacy import OsNoise

_ROWS, _COLUMNS = 3, 8
_MARGIN = 60  # pixels


def street_under(policies: Mapping[str, Policy]) -> list[tuple[str, Frame]]:
    """The nearest face and plate of the demo's first street, as they were and under each policy: caption and frame."""
    (picture,) = islice(scenes.pictures(), 1)
    frame = decode(picture.data, Limits()).frame
    pipelines = {name: Pipeline(policy, noise=OsNoise()) for name, policy in policies.items()}
    found = next(iter(pipelines.values())).find([frame])
    after = {name: pipeline.protect([frame], found=found)[0].frame for name, pipeline in pipelines.items()}
    regions = [one.region for one in found[0]]
    nearest = [max((r for r in regions if r.kind == kind), key=lambda r: r.height) for kind in ("face", "plate")]
    window = _around([region.box for region in nearest])
    return [(name, np.ascontiguousarray(picture[window])) for name, picture in {"original": frame, **after}.items()]


def faces_of(generator: str) -> list[tuple[str, Frame]]:
    """The first samples of a generator on one sheet: caption and frame."""
    faces = np.stack(samples(generator, range(_ROWS * _COLUMNS)))
    rows = faces.reshape(_ROWS, _COLUMNS, *faces.shape[1:]).transpose(0, 2, 1, 3, 4)
    sheet = rows.reshape(_ROWS * faces.shape[1], _COLUMNS * faces.shape[2], 3)
    return [(f"{generator}, seeds 0 to {len(faces) - 1}", sheet)]


def _around(boxes: Sequence[Box]) -> tuple[slice, slice]:
    """The part of a frame that holds the boxes and a margin."""
    low, high = np.min(boxes, axis=0)[:2] - _MARGIN, np.max(boxes, axis=0)[2:] + _MARGIN
    (x0, y0), (x1, y1) = low.clip(0).astype(int).tolist(), high.astype(int).tolist()
    return slice(y0, y1), slice(x0, x1)

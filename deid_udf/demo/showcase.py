"""Pictures of nobody, for pages that get around: a drawn street under several policies, and faces of a generator."""

from collections.abc import Mapping
from itertools import islice

import numpy as np

from deid_udf.demo import scenes
from deid_udf.detect.region import Frame
from deid_udf.evaluate.generator import samples
from deid_udf.images.decode import Limits, decode
from deid_udf.pipeline import Pipeline
from deid_udf.policy import Policy
from deid_udf.privacy import OsNoise

_ROWS, _COLUMNS = 3, 8


def street_under(policies: Mapping[str, Policy]) -> list[tuple[str, Frame]]:
    """The demo's first street as it was and under each policy: caption and frame."""
    (picture,) = islice(scenes.pictures(), 1)
    frame = decode(picture.data, Limits()).frame
    pipelines = {name: Pipeline(policy, noise=OsNoise()) for name, policy in policies.items()}
    found = next(iter(pipelines.values())).find([frame])
    after = {name: pipeline.protect([frame], found=found)[0].frame for name, pipeline in pipelines.items()}
    return [("original", frame), *after.items()]


def faces_of(generator: str) -> list[tuple[str, Frame]]:
    """The first samples of a generator on one sheet: caption and frame."""
    faces = np.stack(samples(generator, range(_ROWS * _COLUMNS)))
    rows = faces.reshape(_ROWS, _COLUMNS, *faces.shape[1:]).transpose(0, 2, 1, 3, 4)
    sheet = rows.reshape(_ROWS * faces.shape[1], _COLUMNS * faces.shape[2], 3)
    return [(f"{generator}, seeds 0 to {len(faces) - 1}", sheet)]

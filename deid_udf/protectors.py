"""Which protector a policy asks for, by kind of object."""

from deid_udf.baselines import BaselineProtector
from deid_udf.detect.region import Kind
from deid_udf.faces.protect import FaceProtector
from deid_udf.plates.protect import PlateProtector
from deid_udf.policy import BASELINES, Policy
from deid_udf.privacy import NoiseSource
from deid_udf.protect import Protector


def open_protectors(policy: Policy, *, noise: NoiseSource, device: str) -> dict[Kind, Protector]:
    """One protector a kind. Models open lazily, on first use."""
    faces, plates = policy.faces, policy.plates
    return {
        "face": BaselineProtector(faces.mechanism, noise=noise)
        if isinstance(faces.mechanism, BASELINES)
        else FaceProtector(faces, noise=noise, device=device),
        "plate": BaselineProtector(plates.mechanism, noise=noise)
        if isinstance(plates.mechanism, BASELINES)
        else PlateProtector(plates, noise=noise, device=device),
    }

"""What each `--what` compares: a name for each method or detector, and the policy that makes it."""

from collections.abc import Callable, Sequence
from decimal import ROUND_DOWN, Decimal
from functools import lru_cache
from typing import Any

from deid_udf import models
from deid_udf.detect.region import Frame
from deid_udf.evaluate import measure
from deid_udf.evaluate.datasets import Sample
from deid_udf.evaluate.judges import Judges
from deid_udf.pipeline import Pipeline
from deid_udf.plates.formats import load_format
from deid_udf.policy import (
    Blur,
    Budget,
    CyclicLaplace,
    DetectorChoice,
    DpPix,
    Exponential,
    LaplaceUnbounded,
    LaplaceVector,
    Mosaic,
    Policy,
    Prior,
    RandomizedResponse,
    parse_policy,
)
from deid_udf.privacy import NoiseSource, OsNoise

Work = Callable[[Sequence[Sample], Sequence[Frame]], list[measure.Row]]

EPSILONS = tuple(map(Decimal, ("1", "4", "8", "16", "64")))  # worst case of a whole object, for every pure mechanism
NOISELESS = Decimal(10**9)  # ε where the noise is far below a grey level: the projection itself
PAPER_SCALES = tuple(map(Decimal, ("0.05", "0.1", "0.2", "0.4", "0.8")))  # of the noise on each style coordinate
PLATE_NOISELESS = Decimal(2000)  # ε of a plate at which no symbol changes; exact noise takes minutes at five times that
_DIGITS = Decimal("1e-12")  # of a step's ε, rounded down
KINDS = ("tables", "faces", "plates", "recall", "generator")


def policies(what: str, policy: Policy) -> dict[str, Policy]:
    """Method → policy, the given one first; caps are lifted, since an experiment publishes nothing."""
    policy = policy.model_copy(update={"experiment": True, "budget": Budget()})
    if what == "recall":
        return _detectors(policy)
    methods = {"ours": policy}
    if what == "tables":
        for choice in (Blur(name="blur"), Mosaic(name="mosaic"), DpPix(name="dp_pix", epsilon=Decimal(8))):
            methods[choice.name] = _with(policy, faces=choice, plates=choice)
    elif what == "faces":
        methods |= _face_curve(policy)
    elif what == "plates":
        methods |= _plate_curve(policy)
    return methods


def check(what: str, policy: Policy) -> None:
    """Refuse here what every worker would refuse: unknown models, licences that the policy does not accept.

    Raises:
        ModelError: by name.
    """
    for compared in policies(what, policy).values():
        for name in Pipeline(compared, noise=OsNoise()).models:
            models.path(name)


@lru_cache(maxsize=2)
def open_work(what: str, policy: str, side: int, device: str = "cpu") -> Work:
    """The work of one process: pipelines and judges open once. `policy` is a policy's canonical text."""
    given = parse_policy(policy)
    noise: NoiseSource = OsNoise()
    pipelines = {name: Pipeline(p, noise=noise, device=device) for name, p in policies(what, given).items()}
    if what == "recall":
        return lambda samples, frames: measure.detections(samples, frames, pipelines)
    judges = Judges.open(given.plates, device)
    return lambda samples, frames: measure.compare(samples, frames, pipelines, judges, side)


def _detectors(policy: Policy) -> dict[str, Policy]:
    """The union, and each of its detectors alone."""

    def seeing(*choices: DetectorChoice) -> Policy:
        detection = policy.detection.model_copy(update={"detectors": choices})
        return policy.model_copy(update={"detection": detection})

    choices = policy.detection.detectors
    return {"union": seeing(*choices)} | {choice.model: seeing(choice) for choice in choices}


def _face_curve(policy: Policy) -> dict[str, Policy]:
    curve = {"prior epsilon=0": _with(policy, faces=Prior(name="prior"))}
    for epsilon in (*EPSILONS, NOISELESS):
        curve[f"laplace_vector {_at(epsilon)}"] = _with(
            policy, faces=LaplaceVector(name="laplace_vector", epsilon=epsilon)
        )
        curve[f"exponential {_at(epsilon)}"] = _with(policy, faces=Exponential(name="exponential", epsilon=epsilon))
    for scale in PAPER_SCALES:
        paper = LaplaceUnbounded(name="laplace_unbounded", epsilon=1 / scale)
        curve[f"laplace_unbounded {_at(1 / scale)}"] = _with(policy, faces=paper)
    return curve


def _plate_curve(policy: Policy) -> dict[str, Policy]:
    """At equal worst-case ε of a whole plate: cyclic Laplace takes its ε a step, so the dearest pattern sets it."""
    curve = {"prior epsilon=0": _with(policy, plates=Prior(name="prior"))}
    for epsilon in (*EPSILONS, PLATE_NOISELESS):
        curve[f"randomized_response {_at(epsilon)}"] = _with(
            policy, plates=RandomizedResponse(name="randomized_response", epsilon=epsilon)
        )
        step = (epsilon / _most_steps(policy)).quantize(_DIGITS, ROUND_DOWN)
        curve[f"cyclic_laplace {_at(epsilon)}"] = _with(
            policy, plates=CyclicLaplace(name="cyclic_laplace", epsilon=step)
        )
    return curve


def _most_steps(policy: Policy) -> int:
    """How far apart two plates of one of the policy's formats can be, in steps of the cycles."""
    patterns = [pattern for name in policy.plates.formats for pattern in load_format(name).expand()]
    return max(sum(m // 2 for m in pattern.moduli) for pattern in patterns)


def _at(epsilon: Decimal) -> str:
    """As a curve's methods name it, after the mechanism."""
    return "epsilon=inf" if epsilon in (NOISELESS, PLATE_NOISELESS) else f"epsilon={epsilon.normalize():f}"


def _with(policy: Policy, faces: Any = None, plates: Any = None) -> Policy:
    update: dict[str, Any] = {}
    if faces is not None:
        update["faces"] = policy.faces.model_copy(update={"mechanism": faces})
    if plates is not None:
        update["plates"] = policy.plates.model_copy(update={"mechanism": plates})
    return policy.model_copy(update=update)

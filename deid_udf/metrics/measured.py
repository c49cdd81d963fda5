"""Recall as it was measured, for reports: `deid_udf/weights/recall.json`, beside the weights that it speaks of.

One row a data set, kind and set of detectors, with how they were run: a measurement speaks for a policy only where
thresholds, scales, weights, growth and limits are the policy's. docs/detection.md says how the numbers were made
(`jobs/evaluate.py --what recall`); whoever ships other weights or thresholds measures again and replaces them there.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deid_udf.detect.region import Kind
from deid_udf.models import registry
from deid_udf.policy import Detection

FILE = Path(__file__).resolve().parent.parent / "weights" / "recall.json"


@dataclass(frozen=True, slots=True)
class MeasuredDetector:
    """A detector of a measurement: the lowest score that counted, the hash of its weights, and its scales."""

    threshold: float
    sha256: str
    scale: float = 1.0
    coarse: float | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """What some detectors together found on one data set.

    Attributes:
        data: name of the set; never one that anything was chosen on.
        kind: what was looked for.
        detectors: registry name → how it was run; several are the union.
        grow, largest: the policy's, for that kind.
        objects: labelled objects.
        recall: share found at IoU ≥ 0.3.
        recall_20px: the same for objects at least 20 pixels high.
        by_height: the same by height in pixels, "low-high".
        coverage: share of objects of whose pixels at least 70 % are replaced.
        false_per_picture: boxes that match no label.
    """

    data: str
    kind: Kind
    detectors: Mapping[str, MeasuredDetector]
    grow: float
    largest: float
    objects: int
    recall: float
    recall_20px: float
    by_height: Mapping[str, float]
    coverage: float
    false_per_picture: float


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the recall that a policy has on one kind of object.

    Attributes:
        kind: of object.
        measurement: of all the policy's detectors of that kind, or of some; None: there is none.
        whole: whether it is of all of them.
        differences: what is not as in the policy, in words, or that nothing was measured.
    """

    kind: Kind
    measurement: Measurement | None
    whole: bool
    differences: tuple[str, ...]


def read_measurements(file: Path = FILE) -> list[Measurement]:
    """All measurements that ship."""
    rows = json.loads(file.read_text(encoding="utf-8"))
    return [
        Measurement(**(row | {"detectors": {name: MeasuredDetector(**one) for name, one in row["detectors"].items()}}))
        for row in rows
    ]


def known_recall(detection: Detection, weights: Mapping[str, str], measurements: Sequence[Measurement]) -> list[Known]:
    """For each private kind, the measurements of the policy's detectors, those of all of them first.

    Where the same detectors were measured on the same data at several thresholds, the one nearest to the policy.

    Args:
        detection: the policy's.
        weights: model → sha256, as the run opened them.
        measurements: what was measured.
    """
    found: list[Known] = []
    for kind in ("face", "plate"):
        if detection.role(kind) != "private":
            continue
        choices = {c.model: c for c in detection.detectors if _finds(c.model, kind)}
        nearest: dict[tuple[str, frozenset[str]], Known] = {}
        for measured in measurements:
            names = frozenset(measured.detectors)
            if measured.kind == kind and names <= choices.keys():
                known = Known(kind, measured, names == choices.keys(), _differences(measured, detection, weights))
                before = nearest.setdefault((measured.data, names), known)
                if len(known.differences) < len(before.differences):
                    nearest[measured.data, names] = known
        found += sorted(nearest.values(), key=lambda k: not k.whole) or [Known(kind, None, True, ("not measured",))]
    return found


def _finds(model: str, kind: Kind) -> bool:
    known = registry().get(model)
    return known is not None and kind in known.role


def _differences(measurement: Measurement, detection: Detection, weights: Mapping[str, str]) -> tuple[str, ...]:
    kind, choices = measurement.kind, {choice.model: choice for choice in detection.detectors}
    found = []
    if (grow := detection.grow.get(kind, 0.0)) != measurement.grow:
        found.append(f"grown by {measurement.grow:g}, not {grow:g}")
    if (largest := detection.largest.get(kind, 1.0)) != measurement.largest:
        found.append(f"doubtful ones up to {measurement.largest:g} of the frame, not {largest:g}")
    if kind == "plate" and detection.role("sign") == "veto":
        found.append("signs may veto")
    for name, measured in measurement.detectors.items():
        if measured.threshold != choices[name].threshold:
            found.append(f"{name} at {measured.threshold:g}, not {choices[name].threshold:g}")
        if (measured.scale, measured.coarse) != (choices[name].scale, choices[name].coarse):
            found.append(f"{name} at other scales")
        if measured.sha256 != weights.get(name):
            found.append(f"other weights of {name}")
    return tuple(found)

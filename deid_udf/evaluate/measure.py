"""Measurements of one batch of pictures, as long rows that any SQL can group: file, method, metric, value, …."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deid_udf.detect.boxes import grown
from deid_udf.detect.region import Frame, Kind, Region
from deid_udf.detect.union import Found
from deid_udf.evaluate.datasets import Sample
from deid_udf.evaluate.judges import Judges, Sight, changes, still_found
from deid_udf.metrics import recall, utility
from deid_udf.pipeline import Pipeline

Row = dict[str, Any]
ORIGINAL = "original"


def compare(
    samples: Sequence[Sample], frames: Sequence[Frame], methods: Mapping[str, Pipeline], judges: Judges, side: int
) -> list[Row]:
    """What each method costs in utility and buys in privacy, on each picture and object (§5.4 of the paper).

    Every method replaces the same regions, those that the first one finds. Pictures are compared before encoding.

    Args:
        samples, frames: the batch, uint8 (H, W, 3) RGB.
        methods: name → pipeline.
        judges: who measures privacy.
        side: of the difference hash.
    """
    found = next(iter(methods.values())).find(frames)
    regions = [[f.region for f in objects] for objects in found]
    before = judges.look(frames, regions)
    rows: list[Row] = []
    for sample, frame in zip(samples, frames, strict=True):
        rows += _utility(sample.name, ORIGINAL, frame, frame, side)
    for method, pipeline in methods.items():
        protected = [p.frame for p in pipeline.protect(frames, found=found)]
        after, again = judges.look(protected, regions), pipeline.find(protected)
        for i, sample in enumerate(samples):
            rows += _utility(sample.name, method, frames[i], protected[i], side)
            rows += _privacy(sample.name, method, regions[i], before[i], after[i], again[i])
    return rows


def detections(
    samples: Sequence[Sample], frames: Sequence[Frame], detectors: Mapping[str, Pipeline], grow: Mapping[Kind, float]
) -> list[Row]:
    """Which annotated objects each detector finds and covers, with their height, and its false boxes.

    Args:
        samples, frames: the batch, uint8 (H, W, 3) RGB.
        detectors: name → pipeline whose regions do not grow: boxes are matched as they are found.
        grow: the policy's margins; objects are covered by grown boxes.
    """
    rows: list[Row] = []
    for name, pipeline in detectors.items():
        for sample, objects in zip(samples, pipeline.find(frames), strict=True):
            for kind in sorted({t.kind for t in sample.truth or ()}):
                truth = [t.box for t in sample.truth or () if t.kind == kind]
                boxes = [f.region.box for f in objects if f.region.kind == kind]
                seen = recall.match(truth, boxes, [grown(box, grow.get(kind, 0.0)) for box in boxes])
                rows.append(row(sample.name, name, "false", seen.false, kind=kind))
                for i, height in enumerate(seen.heights.tolist()):
                    at = {"kind": kind, "object": i, "height": height}
                    rows.append(row(sample.name, name, "found", float(seen.found[i]), **at))
                    rows.append(row(sample.name, name, "covered", float(seen.covered[i]), **at))
    return rows


def row(file: str, method: str, metric: str, value: float, **at: Any) -> Row:
    """One measurement; `at` may name the object: kind, object, height in pixels."""
    anywhere: Row = {"kind": None, "object": None, "height": None}
    return {"file": file, "method": method, "metric": metric, "value": float(value)} | anywhere | at


def _utility(name: str, method: str, before: Frame, after: Frame, side: int) -> list[Row]:
    values = {
        "l0": utility.l0(before, after),
        "l2": utility.l2(before, after),
        "ald_2": utility.ald(before, after),
        "ald_inf": utility.ald(before, after, np.inf),
        "ssim": utility.ssim(before, after),
        "dhash": utility.dhash_distance(before, after, side),
    }
    return [row(name, method, metric, value) for metric, value in values.items()]


def _privacy(
    name: str,
    method: str,
    regions: Sequence[Region],
    before: Sequence[Sight],
    after: Sequence[Sight],
    found: Sequence[Found],
) -> list[Row]:
    """How far each object moved from what it was, and whether a detector still finds one there."""
    rows = []
    places = zip(regions, before, after, still_found(regions, found), strict=True)
    for i, (region, old, new, left) in enumerate(places):
        at = {"kind": region.kind, "object": i, "height": region.height}
        rows.append(row(name, method, "still_found", left, **at))
        rows += [row(name, method, metric, value, **at) for metric, value in changes(old, new).items()]
    return rows

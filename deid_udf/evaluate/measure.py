"""Measurements of one batch of pictures, as long rows that any SQL can group: file, method, metric, value, …."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deid_udf.detect.boxes import shrunk
from deid_udf.detect.region import Frame, Region
from deid_udf.evaluate.again import still_found
from deid_udf.evaluate.datasets import Sample
from deid_udf.evaluate.judges import Judges, Sight, changes
from deid_udf.metrics import recall, utility
from deid_udf.pipeline import Pipeline
from deid_udf.plates.quad import height_of, quad_of
from deid_udf.protect import Replacement

Row = dict[str, Any]
ORIGINAL = "original"
_LEGIBLE = 20  # pixels: new plates at least that high are to be read


def compare(
    samples: Sequence[Sample], frames: Sequence[Frame], methods: Mapping[str, Pipeline], judges: Judges, side: int
) -> list[Row]:
    """What each method costs in utility and buys in privacy, on each picture and object (§5.4 of the paper).

    Every method replaces the same regions, those that the first one finds. Pictures are compared before encoding. One
    without regions is only compared with itself.

    Args:
        samples, frames: the batch, uint8 (H, W, 3) RGB.
        methods: name → pipeline.
        judges: who measures privacy.
        side: of the difference hash.
    """
    rows: list[Row] = []
    for sample, frame in zip(samples, frames, strict=True):
        rows += _utility(sample.name, ORIGINAL, frame, frame, side)
    everything = next(iter(methods.values())).find(frames)
    private = [i for i, objects in enumerate(everything) if objects]
    names, frames = [samples[i].name for i in private], [frames[i] for i in private]
    found = [everything[i] for i in private]
    regions = [[f.region for f in objects] for objects in found]
    before = judges.look(frames, regions)
    for method, pipeline in methods.items():
        done = pipeline.protect(frames, found=found)
        protected = [p.frame for p in done]
        after, left = judges.look(protected, regions), still_found(pipeline, protected, regions)
        for i, name in enumerate(names):
            rows += _utility(name, method, frames[i], protected[i], side)
            rows += _privacy(name, method, regions[i], before[i], after[i], left[i])
            rows += _plates(name, method, regions[i], done[i].replacements, after[i])
    return rows


def detections(samples: Sequence[Sample], frames: Sequence[Frame], detectors: Mapping[str, Pipeline]) -> list[Row]:
    """Which annotated objects each detector finds, what share of their pixels is replaced, and its false boxes.

    Boxes are matched as they were before they grew. Objects are covered by the pixels that the pipeline really
    replaces, outlines and all, whatever object it took them for.

    Args:
        samples, frames: the batch, uint8 (H, W, 3) RGB.
        detectors: name → pipeline.
    """
    rows: list[Row] = []
    for name, pipeline in detectors.items():
        found, grow = pipeline.find(frames), pipeline.policy.detection.grow
        replaced = [p.changed for p in pipeline.protect(frames, found=found)]
        for sample, objects, changed in zip(samples, found, replaced, strict=True):
            for kind in sorted({t.kind for t in sample.truth or ()}):
                truth = [t for t in sample.truth or () if t.kind == kind]
                boxes = [shrunk(f.region.box, grow.get(kind, 0.0)) for f in objects if f.region.kind == kind]
                seen = recall.match([t.box for t in truth], boxes)
                rows.append(row(sample.name, name, "false", seen.false, kind=kind))
                for i, thing in enumerate(truth):
                    at = {"kind": kind, "object": i, "height": float(seen.heights[i])}
                    rows.append(row(sample.name, name, "found", seen.found[i], **at))
                    rows.append(row(sample.name, name, "coverage", recall.coverage(thing.outline, changed), **at))
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
    found: Sequence[bool],
) -> list[Row]:
    """How far each object moved from what it was, and whether a detector still finds one there."""
    rows = []
    places = zip(regions, before, after, found, strict=True)
    for i, (region, old, new, left) in enumerate(places):
        at = {"kind": region.kind, "object": i, "height": region.height}
        rows.append(row(name, method, "still_found", left, **at))
        rows += [row(name, method, metric, value, **at) for metric, value in changes(old, new).items()]
    return rows


def _plates(
    name: str, method: str, regions: Sequence[Region], new: Sequence[Replacement], after: Sequence[Sight]
) -> list[Row]:
    """What each new plate may have spent, and whether its text can be read from the picture if it is large enough."""
    rows = []
    for i, (region, replacement, sight) in enumerate(zip(regions, new, after, strict=True)):
        if region.kind != "plate":
            continue
        at = {"kind": region.kind, "object": i, "height": region.height}
        if replacement.mechanism.worst_case is not None:
            rows.append(row(name, method, "plate_epsilon", float(replacement.mechanism.worst_case), **at))
        if replacement.text and height_of(quad_of(region)) >= _LEGIBLE:
            rows.append(row(name, method, "new_text_read", sight.text == replacement.text, **at))
    return rows

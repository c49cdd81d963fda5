"""Measurements of one batch of pictures, as long rows that any SQL can group: (file, method, metric, value, …)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deid_udf.detect.region import Frame
from deid_udf.detect.union import Found
from deid_udf.evaluate.datasets import Sample
from deid_udf.metrics import privacy, recall, utility
from deid_udf.pipeline import Pipeline, Protected
from deid_udf.plates.read import Reader

Row = dict[str, Any]
ORIGINAL = "original"


@dataclass(frozen=True, slots=True)
class Judges:
    """Who measures: the recogniser of faces and the reader of plates."""

    faces: privacy.FaceEmbedder
    plates: Reader


def tables(
    samples: Sequence[Sample], frames: Sequence[Frame], methods: Mapping[str, Pipeline], judges: Judges, side: int
) -> list[Row]:
    """Tables 1 and 2 of the paper: utility of each method on each picture, and what is left of who was on it.

    Every method gets the same regions: the first one's. Metrics are of decoded pictures, before encoding.

    Args:
        samples, frames: the batch, uint8 (H, W, 3) RGB.
        methods: name → pipeline, the first one's detectors find the regions for all.
        judges: who measures privacy.
        side: side of the difference hash.
    """
    found = next(iter(methods.values())).find(frames)
    rows: list[Row] = []
    for method, pipeline in methods.items():
        for sample, frame, objects, new in zip(
            samples, frames, found, pipeline.protect(frames, found=found), strict=True
        ):
            name = sample.file.name
            rows += [row(name, method, metric, value) for metric, value in _utility(frame, new, side).items()]
            rows += _privacy(name, method, frame, new.frame, objects, judges)
    for sample, frame in zip(samples, frames, strict=True):
        same = _utility(frame, Protected(frame, np.zeros(frame.shape[:2], np.bool_), [], []), side)
        rows += [row(sample.file.name, ORIGINAL, metric, value) for metric, value in same.items()]
    return rows


def recall_rows(samples: Sequence[Sample], frames: Sequence[Frame], detectors: Mapping[str, Pipeline]) -> list[Row]:
    """Found, covered and false boxes for each detector alone and for the union, by object with its height."""
    rows: list[Row] = []
    for name, pipeline in detectors.items():
        for sample, objects in zip(samples, pipeline.find(frames), strict=True):
            for kind in sorted({t.kind for t in sample.truth or ()}):
                truth = [t.box for t in sample.truth or () if t.kind == kind]
                seen = recall.match(truth, [f.region.box for f in objects if f.region.kind == kind])
                at = {"kind": kind}
                rows.append(row(sample.file.name, name, "false", seen.false, **at))
                for i, height in enumerate(seen.heights):
                    here = at | {"object": i, "height": float(height)}
                    rows.append(row(sample.file.name, name, "found", float(seen.found[i]), **here))
                    rows.append(row(sample.file.name, name, "covered", float(seen.covered[i]), **here))
    return rows


def row(file: str, method: str, metric: str, value: float, **more: Any) -> Row:
    """One measurement (the columns of `ROW`)."""
    empty: Row = {"kind": None, "object": None, "height": None}
    return {"file": file, "method": method, "metric": metric, "value": float(value)} | empty | more


def _utility(original: Frame, new: Protected, side: int) -> dict[str, float]:
    protected = new.frame
    return {
        "l0": utility.l0(original, protected),
        "l2": utility.l2(original, protected),
        "ald_2": utility.ald(original, protected),
        "ald_inf": utility.ald(original, protected, np.inf),
        "ssim": utility.ssim(original, protected),
        "dhash": utility.dhash_distance(original, protected, side),
    }


def _privacy(
    name: str, method: str, original: Frame, protected: Frame, objects: Sequence[Found], judges: Judges
) -> list[Row]:
    rows: list[Row] = []
    faces = [(i, f.region) for i, f in enumerate(objects) if f.region.kind == "face"]
    if faces:
        boxes = [region.box for _, region in faces]
        before = judges.faces.embed([original] * len(boxes), boxes)
        after = judges.faces.embed([protected] * len(boxes), boxes)
        for (i, region), distance in zip(faces, privacy.face_distance(before, after), strict=True):
            rows.append(row(name, method, "face_distance", distance, kind="face", object=i, height=region.height))
    return rows

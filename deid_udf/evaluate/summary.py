"""Long rows → the tables that people read: means by method, ratios to the baselines, recall by size."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta

from deid_udf.evaluate.paper import LARGER_IS_BETTER, Table
from deid_udf.metrics.privacy import (
    DLIB_FACE_THRESHOLD,
    FACENET_THRESHOLD,
    PAPER_FACE_THRESHOLD,
    PAPER_PLATE_THRESHOLD,
    confidence,
)
from deid_udf.metrics.recall import COVERED_FROM, SIZE_BINS

OURS = "ours"
BASELINES = ("blur", "mosaic")
LEGIBLE = 32  # pixels: of smaller faces no recogniser can tell people apart
UTILITY = ("l0", "l2", "ald_2", "ald_inf", "ssim", "dhash")
_RESAMPLED = 1000


def utility_table(rows: pd.DataFrame, paper: Table) -> list[dict[str, Any]]:
    """One row a metric: mean of each method, ours over each baseline, and both as the paper prints them.

    Pictures in which no method changed anything say nothing about methods and are left out of the means. The interval
    of a ratio holds 95 % of those over pictures drawn again from these.

    Args:
        rows: measurements with columns file, method, metric, value.
        paper: `paper.TABLE_1` or `paper.TABLE_2`.
    """
    changed = rows[(rows.metric == "l0") & (rows.value > 0)].file.unique()
    counted = rows[rows.file.isin(changed) & rows.metric.isin(UTILITY)]
    table = []
    for metric in [m for m in UTILITY if (counted.metric == m).any()]:
        values = counted[counted.metric == metric].pivot(index="file", columns="method", values="value")
        here = {method: float(values[method].mean()) for method in rows.method.unique() if method in values}
        there = paper.get(metric, {})
        table.append(
            {
                "metric": metric,
                "pictures": len(changed),
                "here": here,
                "paper": there,
                "ratio": {b: _ratio(here, OURS, b) for b in BASELINES},
                "interval": {b: _interval(values, OURS, b) for b in BASELINES},
                "paper_ratio": {b: _ratio(there, OURS, b) for b in BASELINES},
                "better": {b: _better(metric, here, b) for b in BASELINES},
            }
        )
    return table


def privacy_table(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """One row a method: distances of faces and plates to their originals, and the shares that count as protected.

    Of faces of at least 32 px, also the shares within the recognisers' thresholds, each below an upper bound that is
    too low for one sample in twenty (Clopper and Pearson 1934).
    """
    table = []
    for method in rows.method.unique():
        here = rows[rows.method == method]
        dlib, facenet, plates, found = (
            here[here.metric == metric]
            for metric in ("dlib_distance", "facenet_distance", "plate_distance", "still_found")
        )
        if not len(dlib) and not len(plates):
            continue
        table.append(
            {
                "method": method,
                "faces": len(dlib),
                "legible_faces": int((dlib.height >= LEGIBLE).sum()),
                "dlib_distance": _mean(dlib.value),
                "confidence": _mean(confidence(dlib.value)),
                "protected_paper": _mean(dlib.value > PAPER_FACE_THRESHOLD),
                "protected_dlib": _mean(dlib.value > DLIB_FACE_THRESHOLD),
                "facenet_distance": _mean(facenet.value),
                "protected_facenet": _mean(facenet.value > FACENET_THRESHOLD),
                **_within("dlib", dlib, DLIB_FACE_THRESHOLD),
                **_within("facenet", facenet, FACENET_THRESHOLD),
                "faces_found": _mean(found[found.kind == "face"].value),
                "plates": len(plates),
                "plate_distance": _mean(plates.value),
                "plates_protected_paper": _mean(plates.value > PAPER_PLATE_THRESHOLD),
                "plates_read_as_before": _mean(plates.value == 0),
                "plates_unread": _mean(here[here.metric == "plate_unread"].value),
                "plates_new_text_read": _mean(here[here.metric == "new_text_read"].value),
                "plates_same_province": _mean(here[here.metric == "province_survives"].value),
                "plates_same_country": _mean(here[here.metric == "country_survives"].value),
                "plates_epsilon": _mean(here[here.metric == "plate_epsilon"].value),
                "plates_found": _mean(found[found.kind == "plate"].value),
            }
        )
    return table


def curve_table(privacy: list[dict[str, Any]], utility: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a point of a curve: mechanism, ε ("0" to "inf") and what the other two tables say of it."""
    means = {row["metric"]: row["here"] for row in utility}
    points = [(row, *row["method"].split(" epsilon=")) for row in privacy if " epsilon=" in row["method"]]
    return [
        {"mechanism": mechanism, "epsilon": epsilon}
        | {name: value for name, value in row.items() if name != "method"}
        | {metric: here.get(row["method"]) for metric, here in means.items()}
        for row, mechanism, epsilon in sorted(points, key=lambda point: (point[1], float(point[2])))
    ]


def recall_table(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """One row a detector and kind: recall and coverage over all, from 20 px up, and by bin; false boxes a picture."""
    table = []
    for (method, kind), here in rows.groupby(["method", "kind"], sort=False):
        if not here[here.metric == "found"].value.any() and method != "union":
            continue  # a detector of the other kind
        found, replaced = here[here.metric == "found"], here[here.metric == "coverage"]
        covered = replaced.assign(value=replaced.value >= COVERED_FROM)
        bins = [
            {
                "from": low,
                "to": None if np.isinf(high) else high,
                "objects": int(found.height.between(low, high, inclusive="left").sum()),
                "recall": _mean(found[found.height.between(low, high, inclusive="left")].value.to_numpy()),
                "coverage": _mean(covered[covered.height.between(low, high, inclusive="left")].value.to_numpy()),
            }
            for low, high in SIZE_BINS
        ]
        table.append(
            {
                "detector": method,
                "kind": kind,
                "objects": len(found),
                "recall": _mean(found.value.to_numpy()),
                "recall_20px": _mean(found[found.height >= 20].value.to_numpy()),
                "coverage": _mean(covered.value.to_numpy()),
                "false_per_picture": _mean(here[here.metric == "false"].value.to_numpy()),
                "by_size": bins,
            }
        )
    return table


def _mean(values: Any) -> float | None:
    array = np.asarray(values, np.float64)
    return float(array.mean()) if array.size else None


def _within(judge: str, distances: pd.DataFrame, threshold: float) -> dict[str, Any]:
    near = distances[distances.height >= LEGIBLE].value <= threshold
    count, of = int(near.sum()), len(near)
    at_most = None if of == 0 else 1.0 if count == of else float(beta.ppf(0.95, count + 1, of - count))
    return {f"within_{judge}": _mean(near), f"within_{judge}_at_most": at_most}


def _interval(values: pd.DataFrame, top: str, bottom: str) -> tuple[float, float] | None:
    """2.5th and 97.5th percentile of the ratio of means over resampled pictures."""
    if not {top, bottom} <= set(values):
        return None
    drawn = np.random.default_rng(0).integers(0, len(values), (_RESAMPLED, len(values)))
    tops, bottoms = (values[method].to_numpy()[drawn].mean(1) for method in (top, bottom))
    if not bottoms.all():
        return None
    low, high = np.quantile(tops / bottoms, (0.025, 0.975)).tolist()
    return low, high


def _ratio(values: Any, top: str, bottom: str) -> float | None:
    return values[top] / values[bottom] if values.get(bottom) and top in values else None


def _better(metric: str, values: dict[str, float], baseline: str) -> bool | None:
    if OURS not in values or baseline not in values:
        return None
    ours, theirs = values[OURS], values[baseline]
    return ours > theirs if metric in LARGER_IS_BETTER else ours < theirs

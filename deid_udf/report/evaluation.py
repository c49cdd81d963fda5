"""An evaluation as one HTML page: the paper's tables beside what was measured, curves, and pictures of nobody."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from deid_udf.evaluate.summary import BASELINES, OURS
from deid_udf.report import plots
from deid_udf.report.audit import Cell, environment, number
from deid_udf.report.pairs import Frame, data_uri

_PAPERS = {"table_1": "Table 1 of the paper: street images", "table_2": "Table 2 of the paper: face images"}
_CURVES = {  # measurement → its label, and the threshold that is drawn across
    "dlib_distance": ("face distance, dlib", 0.6),
    "protected_dlib": ("share beyond 0.6, dlib", None),
    "facenet_distance": ("face distance, FaceNet", None),
    "protected_facenet": ("share called others, FaceNet", None),
    "faces_found": ("share of faces still found", None),
    "plate_distance": ("edits a plate", 3),
    "plates_read_as_before": ("share of plates read as before", None),
    "plates_new_text_read": ("share of new plates of 20 px or more that are read", None),
    "plates_same_province": ("share of plates whose province survives", None),
    "l2": ("L2", None),
    "ssim": ("SSIM", None),
}
_OF_FACES, _OF_PLATES = ("faces", "dlib", "facenet"), ("plate",)


def page(result: Mapping[str, Any], pictures: Sequence[tuple[str, Frame]] = ()) -> str:
    """The page of an evaluation.

    Args:
        result: the content of the JSON file (jobs/evaluate.py).
        pictures: caption and frame, uint8 (h, w, 3) RGB; of drawn or generated people alone, since pages get around.
    """
    return environment().get_template("evaluation.html.j2").render(
        result=result,
        tables=[(title, *_utility(result[key])) for key, title in _PAPERS.items() if result["what"] == "tables"],
        privacy=_flat(result.get("privacy", [])),
        curves=_curves(result),
        recall=_recall(result.get("recall", [])),
        generator=_generator(result.get("generator")),
        pictures=[(caption, data_uri(frame)) for caption, frame in pictures],
    )  # fmt: skip


def _utility(rows: Sequence[Mapping[str, Any]]) -> tuple[str, list[tuple[str, bool]], list[list[Cell]]]:
    """Verdict, head and body of one table: each cell beside the paper's, then the ratios."""
    methods = list(rows[0]["here"])
    head = [("metric", False)]
    for method in methods:
        head += [(method, True)] + ([("paper", True)] if method in (OURS, *BASELINES) else [])
    for baseline in BASELINES:
        head += [(f"{OURS}/{baseline}", True), ("paper", True)]
    body: list[list[Cell]] = []
    for row in rows:
        there = row["paper"]
        cells: list[Cell] = [row["metric"]]
        for method in methods:
            cells.append(_cell(row["here"].get(method)))
            if method in (OURS, *BASELINES):
                cells.append(_cell(there.get(method)))
        for baseline in BASELINES:
            ours = there[OURS] / there[baseline] if there else None
            cells += [_ratio(row["ratio"][baseline], row["interval"][baseline]), _cell(ours)]
        body.append(cells)
    compared = [row for row in rows if row["paper"] and None not in row["better"].values()]
    won = sum(all(row["better"].values()) for row in compared)
    verdict = f"better than blur and mosaic on {won} of {len(compared)} metrics" if compared else ""
    return verdict, head, body


def _flat(rows: Sequence[Mapping[str, Any]]) -> tuple[list[tuple[str, bool]], list[list[Cell]]]:
    """Rows of plain values as head and body; columns in which nothing stands are left out."""
    names = [name for name in (rows[0] if rows else ()) if any(row[name] is not None for row in rows)]
    head = [(name.replace("_", " "), not isinstance(rows[0][name], str)) for name in names]
    return head, [[_cell(row[name]) for name in names] for row in rows]


def _curves(result: Mapping[str, Any]) -> list[str]:
    points = result.get("curves", [])
    kind = _OF_PLATES if result["what"] == "plates" else _OF_FACES
    drawn = []
    for name, (label, bound) in _CURVES.items():
        if any(part in name for part in kind) or name in ("l2", "ssim"):
            series: dict[str, list[tuple[float, float]]] = {}
            for point in points:
                if point.get(name) is not None:
                    series.setdefault(point["mechanism"], []).append((float(point["epsilon"]), point[name]))
            if series:
                drawn.append(plots.curves(label, series, bound))
    return drawn


def _recall(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, Any]]:
    """Kind, plot by height, and table, for each kind of object."""
    sections = []
    for kind in dict.fromkeys(row["kind"] for row in rows):
        here = [row for row in rows if row["kind"] == kind]
        bins = [f"{b['from']:g}–{b['to']:g} px" if b["to"] else f"≥ {b['from']:g} px" for b in here[0]["by_size"]]
        series = {
            row["detector"]: [math.nan if b["recall"] is None else b["recall"] for b in row["by_size"]] for row in here
        }
        flat = [{k: v for k, v in row.items() if k not in ("kind", "by_size")} for row in here]
        sections.append((kind, plots.lines("recall by height", bins, series), _flat(flat)))
    return sections


def _generator(told: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if told is None:
        return None
    plain = {name: value for name, value in told.items() if not isinstance(value, list)}
    figures = [
        (name.replace("_", " "), value if isinstance(value, str) else _cell(value)[0]) for name, value in plain.items()
    ]
    nearest = plots.histogram("dlib distance to the nearest training face", told["nearest"], told["known_below"])
    return {"figures": figures, "nearest": nearest, "closest": _flat(told["closest"])}


def _ratio(value: float | None, interval: tuple[float, float] | None) -> Cell:
    """A ratio and, in brackets, its interval."""
    if value is None or interval is None:
        return _cell(value)
    low, high = interval
    return f"{value:.3g} ({low:.3g}–{high:.3g})", repr(value)


def _cell(value: float | str | None) -> Cell:
    """A value with four digits or all before the point, sorted by all of them."""
    if isinstance(value, str):
        return value
    if value is None:
        return "–", "nan"
    if isinstance(value, int):
        return number(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}", repr(value)

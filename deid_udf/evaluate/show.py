"""Results as tables in a terminal, 80 columns wide."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from deid_udf.evaluate.summary import BASELINES, OURS

_CURVES = {  # what → the measurements of a curve and what they are called
    "faces": {
        "dlib_distance": "dlib",
        "within_dlib": "≤ 0.6",
        "facenet_distance": "FaceNet",
        "within_facenet": "≤ 1.05",
        "faces_found": "found",
        "l2": "L2",
        "ssim": "SSIM",
    },
    "plates": {
        "plates_epsilon": "charged",
        "plate_distance": "edits",
        "plates_read_as_before": "old\nread",
        "plates_new_text_read": "new\nread",
        "plates_same_province": "province",
        "plates_found": "found",
        "l2": "L2",
    },
}


def print_tables(result: Mapping[str, Any]) -> None:
    """Print every table that `result` (the content of the JSON file) has."""
    console = Console()
    for row in result.get("recall", ()):
        console.print(_recall(row))
    if "generator" in result:
        console.print(_across("Generator", [result["generator"]], "name"))
    if result.get("curves"):
        console.print(_curve(result["curves"], _CURVES[result["what"]]))
    elif result.get("table_1"):
        if result["privacy"]:
            console.print(_across("Privacy", result["privacy"], "method"))
        console.print(_utility("Table 1, street images", result["table_1"]))
        console.print(_utility("Table 2, face images", result["table_2"]))


def _utility(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """One of the paper's tables: means here, the paper's beneath them."""
    methods = [method for method in rows[0]["here"] if method != "original"]
    table = _table(f"{title}: means of {rows[0]['pictures']} pictures, (the paper's)", "metric", methods)
    for baseline in BASELINES:
        table.add_column(f"{OURS}\n/{baseline}", justify="right")
    for row in rows:
        cells = [_beneath(row["here"].get(m), row["paper"].get(m)) for m in methods]
        cells += [_beneath(row["ratio"][b], row["paper_ratio"][b]) for b in BASELINES]
        table.add_row(row["metric"], *cells)
    return table


def _curve(points: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Table:
    table = _table("Against ε", "mechanism", ["ε", *names.values()])
    for point in points:
        table.add_row(point["mechanism"], point["epsilon"], *(_number(point[name]) for name in names))
    return table


def _recall(row: Mapping[str, Any]) -> Table:
    title = f"{row['detector']}, {row['kind']}s: {_number(row['false_per_picture'])} false boxes a picture"
    table = _table(title, "height in px", ["objects", "recall", "covered"])
    for some in row["by_size"]:
        size = f"{some['from']:g} to {some['to']:g}" if some["to"] else f"from {some['from']:g}"
        table.add_row(size, str(some["objects"]), _number(some["recall"]), _number(some["coverage"]))
    table.add_row("all", str(row["objects"]), _number(row["recall"]), _number(row["coverage"]))
    return table


def _across(title: str, columns: Sequence[Mapping[str, Any]], head: str) -> Table:
    """A column for each of `columns`, a row for each figure that one of them has."""
    table = _table(title, "", [column[head] for column in columns])
    for name in (n for n in columns[0] if n != head and not isinstance(columns[0][n], list)):
        if any(column[name] is not None for column in columns):
            table.add_row(name.replace("_", " "), *(_number(column[name]) for column in columns))
    return table


def _table(title: str, first: str, others: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _beneath(here: float | None, there: float | None) -> str:
    return _number(here) if there is None else f"{_number(here)}\n({_number(there)})"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"

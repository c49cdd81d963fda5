"""Results as tables in a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def print_tables(result: Mapping[str, Any]) -> None:
    """Print every table that `result` (the content of the JSON file) has."""
    console = Console()
    for row in result.get("recall", ()):
        console.print(_recall(row))
    if result.get("privacy"):
        console.print(_flat("Privacy", result["privacy"]))
    if "generator" in result:
        told = {k: v for k, v in result["generator"].items() if not isinstance(v, list)}
        console.print(_flat("Generator", [told]))
    if result.get("table_1"):
        console.print(_utility(result["table_1"], result["table_2"]))


def _utility(street: Sequence[Mapping[str, Any]], faces: Sequence[Mapping[str, Any]]) -> Table:
    methods = list(street[0]["here"])
    table = Table(title=f"Utility, mean of {street[0]['pictures']} pictures; the paper's ratios for streets | faces")
    for name in ("metric", *methods, "ours/blur", "paper", "ours/mosaic", "paper"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for here, there in zip(street, faces, strict=True):
        cells = [here["metric"], *(_number(here["here"].get(m)) for m in methods)]
        for baseline in ("blur", "mosaic"):
            cells.append(_number(here["ratio"][baseline]))
            cells.append(f"{_number(here['paper_ratio'][baseline])} | {_number(there['paper_ratio'][baseline])}")
        table.add_row(*cells)
    return table


def _recall(row: Mapping[str, Any]) -> Table:
    title = f"{row['detector']}, {row['kind']}s: {_number(row['false_per_picture'])} false boxes a picture"
    table = Table(title=title)
    for name in ("height in px", "objects", "recall", "covered"):
        table.add_column(name, justify="right")
    for some in row["by_size"]:
        size = f"{some['from']:g} to {some['to']:g}" if some["to"] else f"from {some['from']:g}"
        table.add_row(size, str(some["objects"]), _number(some["recall"]), _number(some["coverage"]))
    table.add_row("all", str(row["objects"]), _number(row["recall"]), _number(row["coverage"]))
    return table


def _flat(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title=title)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="left" if name == "method" else "right")
    for row in rows:
        table.add_row(*(value if isinstance(value, str) else _number(value) for value in row.values()))
    return table


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"

"""An audit's sums as CSV, for spreadsheets: one group of images a row, the same columns for all."""

import csv
import io
from collections.abc import Iterable

from deid_udf.lake.audit import Audit
from deid_udf.lake.spending import Spend

COLUMNS = ("group", "name", "images", "objects", "epsilon", "largest_image")


def sums(audit: Audit) -> str:
    """Everything, then by run, day, scope and image: exact ε, "inf" where unbounded."""
    groups: list[tuple[str, Iterable[Spend]]] = [("all", [audit.total]), ("run", audit.by_run), ("day", audit.by_day)]
    groups += [*audit.scopes.items(), ("image_id", audit.top_images)]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for group, spends in groups:
        for spend in spends:
            key = "+".join(_safe(value or "") for value in spend.key.values())
            bounds = ("inf" if e is None else format(e.normalize(), "f") for e in (spend.epsilon, spend.largest))
            writer.writerow([group, key, spend.images, spend.objects, *bounds])
    return stream.getvalue()


def _safe(value: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{value}" if value.startswith(("=", "+", "-", "@")) else value

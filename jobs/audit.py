"""The audit: ε spent and left by image, scope, run, day and mechanism, and proofs, from the published tables alone.

    spark-submit jobs/audit.py --lake LAKE [--records PATH] [--run-id R] [--html FILE] [--json FILE] [--csv FILE]

LAKE is file:///… or s3a://…; `python jobs/audit.py …` does the same on this machine alone.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame

from deid_udf.cli import plain, run, summarise
from deid_udf.errors import ExitCode, LakeError
from deid_udf.lake import views
from deid_udf.lake.audit import AGAIN, SAMPLE, Audit, audit
from deid_udf.lake.select import normalise
from deid_udf.lake.session import Lake, open_lake, open_session, read_records
from deid_udf.lake.tables import ERASURES, QUARANTINE, RUNS, first_line
from deid_udf.report.audit import page
from deid_udf.report.prometheus import metrics
from deid_udf.report.sums import sums

MISSING = {"TABLE_OR_VIEW_NOT_FOUND", "UNRESOLVED_COLUMN", "FIELD_NOT_FOUND"}
TABLES: dict[str, Callable[[Lake], DataFrame]] = {
    "ledger": views.ledger,
    "objects": views.objects,
    "review": views.review,
    "quarantine": lambda lake: lake.spark.table(lake.table(QUARANTINE)),
    "runs": lambda lake: lake.spark.table(lake.table(RUNS)),
    "erasures": lambda lake: lake.spark.table(lake.table(ERASURES)),
}
EPILOG = """\
Checked are: every image's bytes against its hash; its ledger against its objects; every object's ε against the
mechanism and parameters that it names; caps at every release in history; runs and quarantine against what was released;
Iceberg's history for rows that anything but a run or a marked erasure changed or removed; a sample of images for
metadata; and a smaller sample by the detectors of its policy, for objects that are found there but not in the ledger.
Where --records still holds originals of that sample, no plate may read as before, and no face be taken for the same.
Below --export, no object may be of an image that was erased.

exit codes: 0 done, 2 wrong usage or lake, 4 a violation was found (each is a row of the report and of the JSON). The
last line of stdout is a summary in JSON.
"""


def main() -> int:
    """Parse, open, audit, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lake", required=True, metavar="LAKE", help="where jobs/deidentify.py published")
    parser.add_argument("--run-id", metavar="ID", help="sums of this run only; checks are always of everything")
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything, as JSON")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="the sums, one group a row")
    parser.add_argument("--html", type=Path, metavar="FILE", help="everything, as one page that needs no network")
    parser.add_argument(
        "--sample", type=int, default=SAMPLE, metavar="N", help=f"images checked for metadata (default {SAMPLE})"
    )
    parser.add_argument(
        "--rescan", type=int, default=AGAIN, metavar="N", help=f"images looked at again, 0 for none (default {AGAIN})"
    )
    parser.add_argument("--records", metavar="PATH", help="image records that may still hold originals of these")
    parser.add_argument(
        "--export", metavar="PREFIX", help="where deidentify.py --export put images: none may be erased"
    )
    parser.add_argument("--prometheus", type=Path, metavar="FILE", help="the counters, for a textfile collector")
    parser.add_argument("--table", choices=TABLES, help="print this table instead, one row a line of JSON")
    options = parser.parse_args()
    begun = time.perf_counter()
    with open_session("audit", options.lake, *filter(None, [options.records])) as spark, known_tables(options.lake):
        if options.table:
            summarise({"table": options.table, "rows": print_table(open_lake(spark, options.lake), options.table)})
            return ExitCode.DONE
        lake = open_lake(spark, options.lake)
        records = normalise(read_records(lake.spark, options.records)) if options.records else None
        found = audit(
            lake,
            options.lake,
            options.run_id,
            sample=options.sample,
            again=options.rescan,
            records=records,
            exported=options.export,
        )
    if options.json:
        write(options.json, json.dumps(found.as_dict(), default=plain, ensure_ascii=False, indent=1))
    if options.csv:
        write(options.csv, sums(found))
    if options.html:
        write(options.html, page(found))
    if options.prometheus:
        write(options.prometheus, metrics(found))
    for violation in found.violations:
        print(f"violation: {violation.check}: {violation.subject}: {violation.evidence}", file=sys.stderr)
    summarise(summary(found) | {"seconds": round(time.perf_counter() - begun, 2)})
    return ExitCode.AUDIT_VIOLATION if found.violations else ExitCode.DONE


@contextmanager
def known_tables(location: str) -> Iterator[None]:
    """Say so where a lake of an earlier version lacks what is read here; an audit changes nothing, not even that.

    Raises:
        LakeError: a table or a column is missing.
    """
    try:
        yield
    except AnalysisException as error:
        if (error.getCondition() or "").split(".")[0] not in MISSING:
            raise
        told = f"{location} was written by an earlier version, or is no lake: {first_line(error)}"
        raise LakeError(f"{told}; the next run of jobs/deidentify.py adds what is missing") from None


def print_table(lake: Lake, name: str) -> int:
    """Print a table of the lake; returns its rows. Images are in `released` alone, which is none of these."""
    rows = TABLES[name](lake).selectExpr("to_json(struct(*)) AS line").toLocalIterator()
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007
        print(row["line"])
    return count


def summary(found: Audit) -> dict[str, Any]:
    """The last line of stdout."""
    return {
        "images": found.total.images,
        "objects": found.total.objects,
        "epsilon": found.total.epsilon,
        "runs": len(found.by_run),
        "quarantined": found.quarantined,
        "violations": len(found.violations),
    }


def write(file: Path, text: str) -> None:
    """Write a report, making its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(run(main))

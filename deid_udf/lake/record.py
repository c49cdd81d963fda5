"""`quarantine` and `runs`, derived from what `released` says was published: a kill between two tables loses nothing.

Every write of a run carries its facts as a snapshot property. For each published attempt that `runs` does not know
yet, quarantined rows are read from the snapshot before they were deleted, then the run's row is written. Both writes
replace what an interrupted or concurrent recording wrote for the same snapshot.
"""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from deid_udf.lake.session import Lake
from deid_udf.lake.snapshots import FACTS, Snapshot, read_history
from deid_udf.lake.tables import QUARANTINE, QUARANTINE_SCHEMA, RELEASED, RUNS, RUNS_SCHEMA, spark_schema
from deid_udf.schema import Status


def record_runs(lake: Lake) -> None:
    """Bring `quarantine` and `runs` up to what `main` holds."""
    known = {row["snapshot_id"] for row in lake.spark.table(lake.table(RUNS)).select("snapshot_id").collect()}
    for snapshot in _published(lake):
        if snapshot.id not in known:
            _record(lake, snapshot)


def _published(lake: Lake) -> list[Snapshot]:
    """The last write of each attempt among `main`'s ancestors, oldest first: copies, if any, come after the rest."""
    history = read_history(lake)
    last: dict[str, Snapshot] = {}
    for snapshot in history.published:
        if FACTS in snapshot.summary:
            last.setdefault(snapshot.summary[FACTS], snapshot)
    return list(reversed(last.values()))


def _record(lake: Lake, snapshot: Snapshot) -> None:
    facts = json.loads(snapshot.summary[FACTS])
    started = datetime.fromisoformat(facts["started_at"])
    written = lake.spark.read.option("versionAsOf", snapshot.id).table(lake.table(RELEASED))
    written = written.where((F.col("run_id") == snapshot.run_id) & (F.col("released_at") == F.lit(started)))
    here = F.lit(snapshot.id).alias("snapshot_id")

    quarantined = written.where(F.col("status") == str(Status.QUARANTINED))
    quarantined = quarantined.withColumn("quarantined_at", F.col("released_at")).withColumn("snapshot_id", here)
    _replace(lake, QUARANTINE, quarantined.select(*QUARANTINE_SCHEMA.names), snapshot)

    run = facts | _totals(written) | {"snapshot_id": snapshot.id, "run_id": snapshot.run_id}
    run |= {"started_at": started, "finished_at": snapshot.committed_at}
    schema = spark_schema(RUNS_SCHEMA)
    rows = lake.spark.createDataFrame([tuple(run[name] for name in schema.names)], schema)
    _replace(lake, RUNS, rows, snapshot)


def _totals(written: DataFrame) -> dict[str, Any]:
    released = F.col("status") == str(Status.RELEASED)
    row = written.agg(
        F.count_if(released).alias("released"),
        F.count_if(released & F.col("copy_of").isNotNull()).alias("copies"),
        F.count_if(~released).alias("quarantined"),
        F.coalesce(F.sum(F.when(released, F.size("objects"))), F.lit(0)).alias("objects"),
        F.sum(F.when(released, F.col("epsilon_total"))).alias("epsilon"),
        F.count_if(released & F.col("epsilon_total").isNull()).alias("unbounded"),
    ).collect()[0]
    totals: dict[str, Any] = row.asDict()
    unbounded = totals.pop("unbounded")
    totals["epsilon"] = None if unbounded else totals["epsilon"] or Decimal(0)
    return totals


def _replace(lake: Lake, table: str, rows: DataFrame, snapshot: Snapshot) -> None:
    rows.writeTo(lake.table(table)).overwrite(F.col("snapshot_id") == snapshot.id)

"""Whether the tables' past is what `runs`, `quarantine` and `erasures` say of it: nothing lost, nothing slipped in."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from deid_udf.lake.checks import KEY, MOST, REQUESTS, Violation, subject
from deid_udf.lake.erasures import Erased, Erasure, erasure_of
from deid_udf.lake.export import objects_of
from deid_udf.lake.fetch import exists
from deid_udf.lake.session import Lake
from deid_udf.lake.snapshots import ERASURE, History, Snapshot
from deid_udf.lake.spending import Spend, add
from deid_udf.lake.tables import RELEASED
from deid_udf.schema import Status


def check_runs(
    by_run: Sequence[Spend], runs: Sequence[Row], quarantined: Mapping[int, int], erasures: Sequence[Erasure]
) -> list[Violation]:
    """What `runs` says of each run is what the tables hold, and what was erased from them."""
    found = []
    told: dict[str, list[Row]] = {}
    for run in runs:
        told.setdefault(run["run_id"], []).append(run)
        if quarantined.get(run["snapshot_id"], 0) != run["quarantined"]:
            evidence = f"{quarantined.get(run['snapshot_id'], 0)} quarantined images, it says {run['quarantined']}"
            found.append(Violation("run", f"run {run['run_id']}", evidence))
    spends = {str(spend.key["run_id"]): spend for spend in by_run}
    erased = {row.run_id for erasure in erasures for row in erasure.rows}
    for run_id in sorted(told.keys() | spends.keys() | erased):
        spend = spends.get(run_id)
        gone = [row for erasure in erasures for row in erasure.rows if row.run_id == run_id]
        here = (
            (spend.images if spend else 0) + len(gone),
            (spend.objects if spend else 0) + sum(row.objects for row in gone),
            add([spend.epsilon if spend else Decimal(0), *(row.epsilon for row in gone)]),
        )
        attempts = told.get(run_id, [])
        said = (
            sum(run["released"] for run in attempts),
            sum(run["objects"] for run in attempts),
            add(run["epsilon"] for run in attempts),
        )
        if here != said:
            names = ("images", "objects", "ε")
            parts = [f"{h} {n}, it says {s}" for h, s, n in zip(here, said, names, strict=True) if h != s]
            found.append(Violation("run", f"run {run_id}", "; ".join(parts)))
    return found


def check_history(lake: Lake, history: History, runs: Sequence[Row]) -> list[Violation]:
    """Published rows are only ever added, or erased under a mark: whatever else changed `main` is named, row by row."""
    quarantined = {run["snapshot_id"]: run["quarantined"] for run in runs}
    found: list[Violation] = []
    for snapshot in history.published:
        parent = history.snapshots.get(snapshot.parent or 0)
        if snapshot.run_id is not None or parent is None or snapshot.summary.get("operation", "") == "replace":
            continue
        dropped = int(snapshot.summary.get("deleted-records", 0))
        added = int(snapshot.summary.get("added-records", 0))
        if not added and dropped == quarantined.get(parent.id, 0):
            continue  # the run took its quarantined rows off its own branch
        found += _changed(lake, parent, snapshot)
    return found[:MOST]


def check_erasures(released: DataFrame, history: History, erasures: Sequence[Erasure]) -> list[Violation]:
    """What `erasures` says is what each marked snapshot says, as long as there is one; and what was erased is gone."""
    found = []
    told = {erasure.snapshot_id: erasure for erasure in erasures}
    for snapshot in history.published:
        if ERASURE in snapshot.summary and _sorted(erasure_of(snapshot)) != _sorted(told[snapshot.id]):
            evidence = "its mark names other rows than table `erasures`"
            found.append(Violation("erasure", f"snapshot {snapshot.id}", evidence))
    contents = sorted({row.content_sha256 for erasure in erasures for row in erasure.rows})
    if contents:
        back = released.where(F.col("content_sha256").isin(contents)).select(subject()).limit(MOST).collect()
        found += [Violation("erasure", row["subject"], "it was erased, and is here") for row in back]
    return found


def check_exported(prefix: str, erasures: Sequence[Erasure]) -> list[Violation]:
    """No object below the export's prefix is of an image that was erased."""
    erased = sorted({(row.policy_hash, row.content_sha256) for erasure in erasures for row in erasure.rows})
    uris = [uri for policy, content in erased for uri in objects_of(policy, content, prefix)]
    with ThreadPoolExecutor(REQUESTS) as pool:
        there = list(pool.map(exists, uris))
    evidence = "an erased image is still exported: erase it again, with --export"
    return [Violation("export", uri, evidence) for uri, is_there in zip(uris, there, strict=True) if is_there][:MOST]


def _sorted(erasure: Erasure) -> list[Erased]:
    return sorted(erasure.rows, key=lambda row: (row.image_sha256, row.content_sha256, row.run_id, row.policy_hash))


def _changed(lake: Lake, parent: Snapshot, snapshot: Snapshot) -> list[Violation]:
    told = ["run_id", "status", "output_sha256", "epsilon_total", "epsilon_max"]
    # Rows are compared as a whole, the bytes through their hash.
    whole = F.xxhash64(F.to_json(F.struct("*", F.sha2("protected", 256).alias("_bytes")).dropFields("protected")))

    def rows(of: Snapshot) -> DataFrame:
        table = lake.spark.read.option("versionAsOf", of.id).table(lake.table(RELEASED))
        return table.where(F.col("status") == str(Status.RELEASED)).select(*KEY, *told, whole.alias("whole"))

    before, after = rows(parent), rows(snapshot)
    joined = before.alias("b").join(after.alias("a"), KEY, "full").where("not (b.whole <=> a.whole)")
    if ERASURE in snapshot.summary:
        erased = sorted({row.content_sha256 for row in erasure_of(snapshot).rows})
        joined = joined.where(F.col("a.whole").isNotNull() | ~F.col("content_sha256").isin(erased))
    when = f"{snapshot.committed_at:%Y-%m-%d %H:%M}"
    made = f"snapshot {snapshot.id} ({snapshot.summary.get('operation', 'change')}, {when})"
    columns = [*told, "whole"]
    changed = joined.select(*KEY, *(f"b.{c}" for c in columns), *(F.col(f"a.{c}").alias(f"new_{c}") for c in columns))
    found = []
    for row in changed.limit(MOST).collect():
        if row["new_whole"] is None:
            evidence = f"removed by {made}"
        elif row["whole"] is None:
            evidence = f"added by {made}, which is no run"
        else:
            parts = [f"{c} was {row[c]}, is {row[f'new_{c}']}" for c in told if row[c] != row[f"new_{c}"]]
            evidence = f"changed by {made}: {'; '.join(parts) or 'its content'}"
        found.append(Violation("history", f"image {row['image_id']}", evidence))
    return found

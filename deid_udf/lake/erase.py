"""The right to erasure: images leave the lake for good, under a mark that tells the audit so (`erasures.py`)."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from deid_udf.cli import plain
from deid_udf.errors import LakeError, UsageError
from deid_udf.lake.allowances import scope_hash
from deid_udf.lake.checks import policies_of
from deid_udf.lake.cleanup import discard, expire
from deid_udf.lake.erasures import Erased, record_erasures, recorded_erasures
from deid_udf.lake.export import objects_of
from deid_udf.lake.fetch import remove
from deid_udf.lake.record import record_runs
from deid_udf.lake.session import Lake
from deid_udf.lake.snapshots import ERASURE, MAIN, read_history
from deid_udf.lake.tables import RELEASED, RUNS, create_tables, exists, first_line
from deid_udf.lake.write import is_run_branch

_PROPERTY = f"spark.sql.iceberg.snapshot-property.{ERASURE}"


def erase(lake: Lake, image_ids: Sequence[str], *, by: str, reason: str, prefix: str | None = None) -> dict[str, Any]:
    """Erase images: every version of them, and every copy of the same bytes under another id.

    A run that is under way loses its branch, and exits as one that came second. Safe to repeat after a kill at any
    point.

    Args:
        lake: an opened lake.
        image_ids: which images.
        by, reason: who ordered it and why; both stay in the lake.
        prefix: where `export` put the images; their objects are removed too.

    Returns:
        the summary: `images` and `rows` erased, `exported` objects removed, `expired` snapshots.

    Raises:
        UsageError: nobody or nothing named, or an image that is neither released nor erased.
        LakeError: no lake, or a branch or tag of somebody's own keeps the images alive: nothing was erased.
    """
    if not (by.strip() and reason.strip() and image_ids):
        raise UsageError("an erasure names its images, who ordered it, and why")
    if not exists(lake):
        raise LakeError("no released table there")
    create_tables(lake)
    _refuse_foreign_references(lake)
    record_runs(lake)
    record_erasures(lake)
    _refuse_unknown(lake, image_ids)

    rows = 0
    while found := _rows(lake, image_ids):  # a run may publish one more in between
        _delete(lake, [_erased(row) for row in found], by, reason)
        rows += len(found)
    record_erasures(lake)
    exported = 0 if prefix is None else _remove_exported(lake, image_ids, prefix)
    discard(lake, [name for name in read_history(lake).heads if is_run_branch(name)])
    history = read_history(lake)
    record_runs(lake)  # what runs published meanwhile, before the snapshots that tell of it go
    old = [snapshot for snapshot in history.snapshots if snapshot != history.main]
    expire(lake, old)
    return {"images": len(set(image_ids)), "rows": rows, "exported": exported, "expired": len(old)}


def _refuse_foreign_references(lake: Lake) -> None:
    refs = lake.spark.table(f"{lake.table(RELEASED)}.refs").collect()
    foreign = [f"{r['type'].lower()} {r['name']}" for r in refs if r["name"] != MAIN and not is_run_branch(r["name"])]
    if foreign:
        raise LakeError(f"{', '.join(foreign)} would keep the images alive: drop it first; nothing was erased")


def _refuse_unknown(lake: Lake, image_ids: Sequence[str]) -> None:
    erased = {row.image_sha256 for erasure in recorded_erasures(lake) for row in erasure.rows}
    asked = set(image_ids)
    rows = lake.spark.table(lake.table(RELEASED)).where(F.col("image_id").isin(sorted(asked)))
    there = {row["image_id"] for row in rows.select("image_id").distinct().collect()}
    unknown = sorted(name for name in asked - there if _hash(name) not in erased)
    if unknown:
        raise UsageError(f"neither released nor erased: {', '.join(unknown[:10])}; nothing was erased")


def _rows(lake: Lake, image_ids: Sequence[str]) -> list[Mapping[str, Any]]:
    """Rows of these images, and of others with the same bytes."""
    released: DataFrame = lake.spark.table(lake.table(RELEASED))
    asked = F.col("image_id").isin(sorted(set(image_ids)))
    contents = [row[0] for row in released.where(asked).select("content_sha256").distinct().collect()]
    found = released.where(asked | F.col("content_sha256").isin(contents))
    columns = ["image_id", "content_sha256", "run_id", "policy_hash", "epsilon_total"]
    scopes = [F.struct(F.lit("+".join(scope)), scope_hash(scope)) for scope in _scopes(lake)]
    told = F.map_from_entries(F.array(*scopes)) if scopes else F.expr("cast(map() AS map<string, string>)")
    return [
        row.asDict()
        for row in found.select(*columns, F.size("objects").alias("objects"), told.alias("scopes")).collect()
    ]


def _scopes(lake: Lake) -> list[tuple[str, ...]]:
    """The columns of all scopes that policies of this lake have a cap for."""
    policies, _ = policies_of(lake.spark.table(lake.table(RUNS)).collect())
    return list(dict.fromkeys(scope.columns for policy in policies.values() for scope in policy.budget.scopes))


def _erased(row: Mapping[str, Any]) -> Erased:
    return Erased(
        _hash(row["image_id"]),
        row["content_sha256"],
        row["run_id"],
        row["policy_hash"],
        row["objects"],
        row["epsilon_total"],
        row["scopes"],
    )


def _delete(lake: Lake, rows: Sequence[Erased], by: str, reason: str) -> None:
    """One commit, with its mark: files that hold the rows are written anew without them."""
    mark = json.dumps({"by": by, "reason": reason, "rows": [asdict(row) for row in rows]}, default=plain)
    runs, contents = (sorted({getattr(row, name) for row in rows}) for name in ("run_id", "content_sha256"))
    markers = [", ".join("?" * len(values)) for values in (runs, contents)]
    lake.spark.conf.set(_PROPERTY, mark)
    try:
        lake.spark.sql(
            f"DELETE FROM {lake.table(RELEASED)} WHERE run_id IN ({markers[0]}) AND content_sha256 IN ({markers[1]})",
            [*runs, *contents],
        )
    except Py4JJavaError as error:
        raise LakeError(f"not erased, run it again: {first_line(error)}") from error
    finally:
        lake.spark.conf.unset(_PROPERTY)


def _remove_exported(lake: Lake, image_ids: Sequence[str], prefix: str) -> int:
    """Remove the objects of all that was ever erased with these images, so that the command can be repeated for them.

    Returns:
        how many there were; on S3, which does not say, how many there may have been.
    """
    asked = {_hash(name) for name in image_ids}
    rows = [row for erasure in recorded_erasures(lake) for row in erasure.rows]
    contents = {row.content_sha256 for row in rows if row.image_sha256 in asked}
    releases = {(row.policy_hash, row.content_sha256) for row in rows if row.content_sha256 in contents}
    exported = 0
    for policy, content in releases:
        removed = [remove(uri) for uri in objects_of(policy, content, prefix)]
        exported += any(removed)  # it was in one of the formats
    return exported


def _hash(image_id: str) -> str:
    return hashlib.sha256(image_id.encode()).hexdigest()

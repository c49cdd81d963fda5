"""The release gate: reads the branch as a reader of `main` would, before there is one, and says all that is wrong.

It may stop a publication; it never redraws one (privacy.md §4).
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from deid_udf.errors import GateRefused, Quarantined
from deid_udf.images.container import Limits
from deid_udf.images.residue import residue
from deid_udf.lake.allowances import EPSILON_TYPE, spent_by, with_erased
from deid_udf.lake.snapshots import History, Snapshot
from deid_udf.lake.tables import ERASURES
from deid_udf.lake.write import Attempt
from deid_udf.policy import Policy, parse_policy
from deid_udf.schema import Status

_NAMED = 20  # violations that the refusal names
_ROW = ["image_id", "content_sha256", "status", "copy_of", "protected", "output_sha256", "objects"]


def check(attempt: Attempt, grown: Sequence[Snapshot], history: History, expected: int) -> None:
    """Refuse a branch that must not be published.

    Args:
        attempt: the attempt.
        grown: its snapshots, newest first.
        history: the table's metadata.
        expected: images that the run looked at: each is released or quarantined, and none is lost.

    Raises:
        GateRefused: with every reason (images by their id, at most 20).
    """
    rows = attempt.rows()
    found = [
        *_counts(attempt, rows, grown, history.snapshots[attempt.base], expected),
        *_once(attempt, rows),
        *_erased(attempt, rows),
        *_caps(attempt, rows),
        *_images(rows, attempt.policy),
    ]
    if found:
        more = [f"and {len(found) - _NAMED} more"] if len(found) > _NAMED else []
        raise GateRefused("the release gate refused:\n" + "\n".join(f"  {line}" for line in found[:_NAMED] + more))


def violations(row: Mapping[str, Any], policy: Policy) -> Iterator[str]:
    """All that is wrong with one row of `released`.

    Args:
        row: columns `_ROW`, `epsilon_total`, `epsilon_max`; objects as mappings.
        policy: the policy it was made under.
    """
    data, objects = row["protected"], row["objects"]
    if row["status"] != Status.RELEASED:
        yield f"status {row['status']}"
    if data is None or objects is None:
        yield "no bytes" if data is None else "no ledger"
        return
    data = bytes(data)
    if hashlib.sha256(data).hexdigest() != row["output_sha256"]:
        yield "the bytes are not those of the hash"
    if len(objects) and row["output_sha256"] == row["content_sha256"]:
        yield "regions, but the original's bytes"
    try:
        limits = Limits(max_bytes=2 * policy.output.max_bytes, max_pixels=policy.output.max_pixels)
        yield from (f"metadata: {part}" for part in residue(data, limits, policy.output.keep_metadata))
    except Quarantined as reason:
        yield f"no readable image: {reason.reason}"
    spent = [entry["epsilon"] for entry in objects]
    total = None if None in spent else sum(spent, Decimal(0))
    largest = None if None in spent else max(spent, default=Decimal(0))
    if (row["epsilon_total"], row["epsilon_max"]) != (total, largest):
        yield "its ε is not that of its objects"
    if row["copy_of"] is not None and len(objects):
        yield "a copy that spends"
    words = {entry["guarantee"] for entry in objects}
    if "none" in words and not policy.experiment:
        yield "guarantee none, and the policy is no experiment"
    if words - {"pure", "metric", "none"} or (None in spent and "pure" in words and words == {"pure"}):
        yield "an object without a known guarantee"


def _counts(
    attempt: Attempt, rows: DataFrame, grown: Sequence[Snapshot], base: Snapshot, expected: int
) -> Iterator[str]:
    written = next(s for s in grown if s.run_id is not None)
    before = attempt.lake.spark.read.option("versionAsOf", written.id).table(attempt.table).where(attempt.own)
    by_status = {row["status"]: row["count"] for row in before.groupBy("status").count().collect()}
    if sum(by_status.values()) != expected:
        yield f"{sum(by_status.values())} images were written, {expected} were looked at"
    here = rows.count()
    if here != by_status.get(Status.RELEASED, 0):
        yield f"{here} images on the branch, {by_status.get(Status.RELEASED, 0)} were released"
    old, new = (int(s.summary.get("total-records", 0)) for s in (base, grown[0]))
    if new - old != here:
        yield f"the branch grew by {new - old} rows, {here} of them are this run's"


def _once(attempt: Attempt, rows: DataFrame) -> Iterator[str]:
    key = ["image_id", "content_sha256", "policy_hash"]
    branch = attempt.lake.spark.read.option("branch", attempt.branch).table(attempt.table)
    twice = branch.join(rows.select(*key), key, "left_semi").groupBy(*key).count().where("count > 1")
    yield from (f"{row['image_id']}: released twice" for row in twice.limit(_NAMED).collect())


def _erased(attempt: Attempt, rows: DataFrame) -> Iterator[str]:
    """Bytes whose hash was not known when the run chose its images."""
    erased = attempt.lake.spark.table(attempt.lake.table(ERASURES)).select("content_sha256").distinct()
    again = rows.select("image_id", "content_sha256").join(F.broadcast(erased), "content_sha256", "left_semi")
    yield from (f"{row['image_id']}: its bytes were erased by order" for row in again.limit(_NAMED).collect())


def _caps(attempt: Attempt, rows: DataFrame) -> Iterator[str]:
    """Whatever was ever published, this run included; a scope that this run spends nothing in is not its business."""
    budget = attempt.policy.budget
    caps = [(scope.columns, scope.cap) for scope in budget.scopes]
    if budget.image is not None:
        caps += [(("image_id",), budget.image), (("content_sha256",), budget.image)]
    branch = attempt.lake.spark.read.option("branch", attempt.branch).table(attempt.table)
    erased = attempt.lake.spark.table(attempt.lake.table(ERASURES))
    for columns, cap in caps:
        new = spent_by(rows, columns).where("_unbounded or _spent > 0").select(*columns)
        keys = [branch[c].eqNullSafe(new[c]) for c in columns]
        after = spent_by(with_erased(branch.join(new, keys, "left_semi"), erased, new, columns), columns)
        over = after.where(F.col("_unbounded") | (F.col("_spent") > F.lit(cap).cast(EPSILON_TYPE)))
        for row in over.limit(_NAMED).collect():
            scope = ", ".join(f"{c}={row[c]}" for c in columns)
            yield f"cap {cap} on {scope} exceeded: {'unbounded' if row['_unbounded'] else row['_spent']}"


def _images(rows: DataFrame, policy: Policy) -> Iterator[str]:
    """Every image, read from where it was written."""
    text = policy.canonical()

    def check_batches(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        checked = parse_policy(text)
        for batch in batches:
            rows: list[dict[str, Any]] = batch.to_dict("records")  # type: ignore[assignment]
            found = [(row["image_id"], wrong) for row in rows for wrong in violations(row, checked)]
            yield pd.DataFrame(found, columns=["image_id", "wrong"])

    columns = rows.select(*_ROW, "epsilon_total", "epsilon_max")
    wrong = columns.mapInPandas(check_batches, "image_id string, wrong string")
    yield from (f"{row['image_id']}: {row['wrong']}" for row in wrong.limit(_NAMED + 1).collect())

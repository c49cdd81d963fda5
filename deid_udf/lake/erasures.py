"""What was erased, who ordered it and why: marks on snapshots of `released`, kept in a table of their own.

The snapshot that erases carries the mark. Table `erasures` is derived from it, as `runs` is from a run's facts, since
the next erasure expires that snapshot with all the others. Of an image it keeps what sums need, and hashes.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from deid_udf.lake.session import Lake
from deid_udf.lake.snapshots import ERASURE, History, Snapshot, read_history
from deid_udf.lake.spending import add
from deid_udf.lake.tables import ERASURES, ERASURES_SCHEMA, exists, spark_schema
from deid_udf.schema import EPSILON


@dataclass(frozen=True, slots=True)
class Erased:
    """One row that an erasure took out of `released`.

    Attributes:
        image_sha256: hex hash of its image id: who knows the id can tell.
        content_sha256: hex hash of the original; the nightly job refuses these bytes from now on.
        run_id, policy_hash: of the release.
        objects, epsilon: what the release spent, and still has spent; ε None is unbounded.
        scopes: columns, joined by "+" → `allowances.scope_hash` of each scope that it was spent in.
    """

    image_sha256: str
    content_sha256: str
    run_id: str
    policy_hash: str
    objects: int
    epsilon: Decimal | None
    scopes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Erasure:
    """One marked deletion.

    Attributes:
        snapshot_id, at: the snapshot of `released` that erased, and when.
        by, reason: who ordered it, and why.
        rows: what went.
    """

    snapshot_id: int
    at: datetime
    by: str
    reason: str
    rows: tuple[Erased, ...]


def read_erasures(lake: Lake, history: History) -> list[Erasure]:
    """Every erasure, oldest first: those recorded, and those that only their snapshot tells of yet."""
    found = {e.snapshot_id: e for e in recorded_erasures(lake)}
    for snapshot in history.published:
        if ERASURE in snapshot.summary:
            found.setdefault(snapshot.id, erasure_of(snapshot))
    return sorted(found.values(), key=lambda e: e.at)


def erasure_of(snapshot: Snapshot) -> Erasure:
    """What a marked snapshot says of itself."""
    told = json.loads(snapshot.summary[ERASURE])
    rows = (row | {"epsilon": None if row["epsilon"] is None else Decimal(row["epsilon"])} for row in told["rows"])
    return Erasure(snapshot.id, snapshot.committed_at, told["by"], told["reason"], tuple(Erased(**row) for row in rows))


def record_erasures(lake: Lake) -> None:
    """Bring `erasures` up to what `main`'s snapshots say."""
    known = {erasure.snapshot_id for erasure in recorded_erasures(lake)}
    schema = spark_schema(ERASURES_SCHEMA)
    for snapshot in read_history(lake).published:
        if ERASURE in snapshot.summary and snapshot.id not in known:
            erasure = erasure_of(snapshot)
            head = {"snapshot_id": snapshot.id, "erased_at": erasure.at, "erased_by": erasure.by}
            rows = [head | {"reason": erasure.reason} | asdict(row) for row in erasure.rows]
            frame = lake.spark.createDataFrame([tuple(row[name] for name in schema.names) for row in rows], schema)
            frame.writeTo(lake.table(ERASURES)).overwrite(F.col("snapshot_id") == snapshot.id)


def recorded_erasures(lake: Lake) -> list[Erasure]:
    """What the table says; nothing where a lake is older than it."""
    if not exists(lake, ERASURES):
        return []
    found: dict[int, Erasure] = {}
    for row in lake.spark.table(lake.table(ERASURES)).orderBy("image_sha256", "run_id").collect():
        value = row.asDict()
        told = {name: value.get(name) for name in Erased.__slots__}  # a lake of an earlier version may lack the newest
        erased = Erased(**told | {"scopes": told["scopes"] or {}})
        before = found.get(row["snapshot_id"])
        rows = (*before.rows, erased) if before else (erased,)
        found[row["snapshot_id"]] = Erasure(
            row["snapshot_id"], value["erased_at"].astimezone(UTC), value["erased_by"], value["reason"], rows
        )
    return list(found.values())


def spent_in(erasures: Iterable[Erasure], columns: Sequence[str]) -> dict[str, Decimal | None]:
    """`allowances.scope_hash` → Σ ε of what was erased from that scope; None is unbounded."""
    spent: dict[str, list[Decimal | None]] = {}
    for erasure in erasures:
        for row in erasure.rows:
            if "+".join(columns) in row.scopes:
                spent.setdefault(row.scopes["+".join(columns)], []).append(row.epsilon)
    return {scope: add(epsilons) for scope, epsilons in spent.items()}


def erased_rows(lake: Lake, erasures: Iterable[Erasure], runs: Iterable[Row]) -> DataFrame | None:
    """What erased rows had spent, when, and under which policy; None where nothing was erased.

    Returns:
        `scopes` as in table `erasures`; `released_at`, `policy_hash`, `epsilon_total` as in `released`, the time being
        that of the first attempt of their run, which is all that is known of it.
    """
    begun: dict[str, datetime] = {}
    for run in runs:
        begun[run["run_id"]] = min(run["started_at"], begun.get(run["run_id"], run["started_at"]))
    rows = [
        (dict(row.scopes), begun.get(row.run_id, erasure.at), row.policy_hash, row.epsilon)
        for erasure in erasures
        for row in erasure.rows
    ]
    kind = f"decimal({EPSILON.precision}, {EPSILON.scale})"
    columns = f"scopes map<string, string>, released_at timestamp, policy_hash string, epsilon_total {kind}"
    return lake.spark.createDataFrame(rows, columns) if rows else None

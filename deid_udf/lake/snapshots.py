"""`released` as Iceberg's own metadata tells it: snapshots, branches, and which of them `main` has.

One call into the JVM fetches the metadata whole, as the JSON of Iceberg's specification; no Spark job runs for it.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from deid_udf.lake.session import Lake
from deid_udf.lake.tables import RELEASED
from deid_udf.log import logger

MAIN = "main"
RUN_ID = "deid.run-id"  # snapshot property: the run that wrote it
ERASURE = "deid.erasure"  # snapshot property: JSON of who erased what, and why (erasures.py)
FACTS = "deid.facts"  # snapshot property: JSON of what `runs` says of the run (record.py)

_TRIES = 5
_PAUSE = 0.25  # seconds, doubled each time


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One committed state of the table."""

    id: int
    parent: int | None
    committed_at: datetime
    summary: dict[str, str]

    @property
    def run_id(self) -> str | None:
        """The run that wrote it, or None: the table's first snapshot, a deletion, or maintenance."""
        return self.summary.get(RUN_ID)


@dataclass(frozen=True)
class History:
    """All snapshots and branch heads at one moment."""

    snapshots: dict[int, Snapshot]
    heads: dict[str, int]

    @property
    def main(self) -> int:
        """The published state."""
        return self.heads[MAIN]

    def ancestors(self, snapshot: int) -> list[Snapshot]:
        """The snapshot itself, its parent, and so on; ends where older ones have expired."""
        line: list[Snapshot] = []
        at: int | None = snapshot
        while at is not None and at in self.snapshots:
            line.append(self.snapshots[at])
            at = line[-1].parent
        return line

    @property
    def published(self) -> list[Snapshot]:
        """`main` and its ancestors, newest first."""
        return self.ancestors(self.main)

    @cached_property
    def unreferenced(self) -> list[Snapshot]:
        """Snapshots that no branch can reach: what dead runs left."""
        reached = {s.id for head in self.heads.values() for s in self.ancestors(head)}
        return [s for s in self.snapshots.values() if s.id not in reached]

    def grown_from(self, branch: str, base: int) -> list[Snapshot]:
        """The snapshots of a branch since `base`, newest first; empty if there are none, or `base` is no ancestor."""
        line = self.ancestors(self.heads[branch]) if branch in self.heads else []
        ids = [s.id for s in line]
        return line[: ids.index(base)] if base in ids else []


def iceberg_table(lake: Lake) -> Any:
    """`released` as Iceberg's Java object, loaded anew."""
    jvm: Any = lake.spark._jvm
    return jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(lake.spark._jsparkSession, lake.table(RELEASED))


def read_history(lake: Lake) -> History:
    """Read the table's metadata anew."""
    jvm: Any = lake.spark._jvm
    metadata = json.loads(jvm.org.apache.iceberg.TableMetadataParser.toJson(iceberg_table(lake).operations().current()))
    snapshots = [
        Snapshot(
            id=one["snapshot-id"],
            parent=one.get("parent-snapshot-id"),
            committed_at=datetime.fromtimestamp(one["timestamp-ms"] / 1000, UTC),
            summary=one.get("summary", {}),
        )
        for one in metadata.get("snapshots", ())
    ]
    heads = {name: ref["snapshot-id"] for name, ref in metadata.get("refs", {}).items() if ref["type"] == "branch"}
    return History({s.id: s for s in snapshots}, heads)


def change_branches(lake: Lake, change: Callable[[Any], Any], done: Callable[[History], bool]) -> None:
    """One atomic change of branches. The metadata says whether it happened: an answer can be lost on the way.

    Args:
        lake: the lake.
        change: what to ask of Iceberg's `ManageSnapshots`.
        done: whether a state has the change; it may raise where the change has become impossible.
    """
    for attempt in range(_TRIES):
        failure: Exception | None = None
        try:
            change(iceberg_table(lake).manageSnapshots()).commit()
        except (Py4JJavaError, PySparkException) as error:  # PySpark translates some of Java's
            failure = error
        if done(read_history(lake)):
            return
        logger().warning("branch_change_retried", attempt=attempt + 1)
        time.sleep(_PAUSE * 2**attempt)
    raise failure or RuntimeError("Iceberg accepted a change of branches and lost it")

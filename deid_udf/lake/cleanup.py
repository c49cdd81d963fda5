"""Dead attempts leave nothing: their snapshots expire, their files go, the half-written ones too.

A second draw of noise that stays readable is a second release (privacy.md §5), so this happens at once: by the attempt
itself when it gives up, else by the next run. A branch is dead if it is this run's own, or cannot publish any more
because `main` moved, or is older than the lease. The branch goes last: it is what finds the rest after another kill.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from deid_udf.lake.session import Lake
from deid_udf.lake.snapshots import History, change_branches, iceberg_table, read_history
from deid_udf.lake.write import branch_age, drop_branch, is_run_branch, run_of
from deid_udf.log import logger

LEASE = timedelta(hours=12)


def remove_dead(lake: Lake, run_id: str) -> None:
    """Remove what dead attempts left, before a run begins."""
    history = read_history(lake)
    discard(lake, [name for name in history.heads if _is_dead(name, run_id, history)])


def discard(lake: Lake, branches: Sequence[str]) -> None:
    """Remove branches with all that only they hold. Safe to repeat after a kill at any point."""
    history = read_history(lake)
    here = [name for name in branches if name in history.heads]
    runs = {run_of(name) for name in branches} | {s.run_id for s in history.unreferenced if s.run_id}
    if not runs:
        return
    for name in here:
        _empty(lake, name, history.main)
    expire(lake, [s.id for s in read_history(lake).unreferenced])
    for run_id in sorted(runs):
        _remove_orphans(lake, run_id)
    for name in here:
        drop_branch(lake, name)
    logger().info("dead_attempts_removed", branches=len(here), runs=sorted(runs))


def _is_dead(name: str, run_id: str, history: History) -> bool:
    if not is_run_branch(name):
        return False
    stands_on_main = history.main in (s.id for s in history.ancestors(history.heads[name]))
    return run_of(name) == run_id or not stands_on_main or branch_age(name) > LEASE


def _empty(lake: Lake, name: str, main: int) -> None:
    change_branches(
        lake,
        lambda branches: branches.replaceBranch(name, main),
        lambda history: history.heads.get(name) == main,
    )


def expire(lake: Lake, snapshots: Sequence[int]) -> None:
    """Expire these and no other, with Iceberg's API, which deletes the files that no other snapshot names."""
    if not snapshots:
        return
    expiry = iceberg_table(lake).expireSnapshots().expireOlderThan(1)  # its default would age `main`'s history too
    for snapshot in snapshots:
        expiry = expiry.expireSnapshotId(snapshot)
    expiry.commit()


def _remove_orphans(lake: Lake, run_id: str) -> None:
    """Delete the run's files that no snapshot names. Only dead attempts write there, so age is no criterion."""
    jvm: Any = lake.spark._jvm
    session = lake.spark._jsparkSession
    table = iceberg_table(lake)
    folder = jvm.org.apache.hadoop.fs.Path(f"{table.location()}/data/run_id={run_id}")
    if not folder.getFileSystem(session.sessionState().newHadoopConf()).exists(folder):
        return
    tomorrow = int((datetime.now(UTC) + timedelta(days=1)).timestamp() * 1000)
    orphans = jvm.org.apache.iceberg.spark.actions.SparkActions.get(session).deleteOrphanFiles(table)
    orphans.location(folder.toString()).olderThan(tomorrow).execute()

"""One attempt of a run: its branch of `released`, and the only writes that go there.

The UDF's rows are written once, released and quarantined ones alike, each in its own partition. Then the quarantined
ones are deleted from the branch (whole partitions: metadata alone); `quarantine` is read from the snapshot before.
"""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pyspark.errors import PythonException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.udf import UserDefinedFunction

from deid_udf import errors
from deid_udf.lake.select import COPY, Selection, passed_through, small, with_bytes
from deid_udf.lake.session import Lake
from deid_udf.lake.snapshots import FACTS, RUN_ID, change_branches
from deid_udf.lake.tables import RELEASED
from deid_udf.lake.udf import OUTPUT, inputs, spread
from deid_udf.policy import Policy
from deid_udf.schema import Status

_PREFIX = "run_"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at publishing a run.

    Attributes:
        lake: the lake.
        run_id: the run.
        policy: its policy.
        base: snapshot of `main` that everything was decided on.
        started: when, UTC, to the microsecond: also marks this attempt's rows (`released_at`).
        branch: the branch's name.
        facts: what `runs` will say beyond what the rows tell.
    """

    lake: Lake
    run_id: str
    policy: Policy
    base: int
    started: datetime
    branch: str
    facts: Mapping[str, Any]

    @property
    def table(self) -> str:
        """Full name of `released`."""
        return self.lake.table(RELEASED)

    @property
    def own(self) -> Column:
        """Selects this attempt's rows."""
        return (F.col("run_id") == self.run_id) & (F.col("released_at") == F.lit(self.started))

    def rows(self) -> DataFrame:
        """This attempt's rows, as the branch holds them."""
        return self.lake.spark.read.option("branch", self.branch).table(self.table).where(self.own)


def branch_name(run_id: str, started: datetime) -> str:
    """A new name, with the run and the moment in it: `run_2026-11-24_20261125010203_1f2e3d4c`.

    Raises:
        UsageError: a run id that cannot stand in the names of branches and folders of every catalog.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", run_id):
        allowed = "small letters, digits, '_' and '-'; at most 64; no '_' or '-' first"
        raise errors.UsageError(f"run id {run_id!r}: {allowed}")
    return f"{_PREFIX}{run_id}_{started:%Y%m%d%H%M%S}_{secrets.token_hex(4)}"


def is_run_branch(name: str) -> bool:
    """Whether a branch is some run's."""
    return re.fullmatch(rf"{_PREFIX}.+_\d{{14}}_[0-9a-f]{{8}}", name) is not None


def run_of(name: str) -> str:
    """The run that a branch belongs to."""
    return name.removeprefix(_PREFIX).rsplit("_", 2)[0]


def branch_age(name: str) -> timedelta:
    """How long ago a run's branch was made, by its name."""
    made = datetime.strptime(name.rsplit("_", 2)[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return datetime.now(UTC) - made


def create_branch(attempt: Attempt) -> None:
    """Branch off the state that was decided on, whatever `main` is by now."""
    change_branches(
        attempt.lake,
        lambda branches: branches.createBranch(attempt.branch, attempt.base),
        lambda history: history.heads.get(attempt.branch) == attempt.base,
    )


def protected(attempt: Attempt, records: DataFrame, selection: Selection, function: UserDefinedFunction) -> DataFrame:
    """What the UDF makes of the records that are to be looked at: rows to append, not evaluated yet."""
    work = with_bytes(records, selection)
    if attempt.policy.plates.memo or _by_uri(records):  # else the records' own partitions do, and no byte is shuffled
        work = spread(work, attempt.policy, sum(selection.counts.values()))
    done = work.withColumn("_done", function(inputs(work.columns, attempt.policy)))
    result = [F.col(f"_done.{field.name}").alias(field.name) for field in OUTPUT if field.name != "content_sha256"]
    content = F.coalesce("_done.content_sha256", "content_sha256").alias("content_sha256")
    kept = [c for c in _kept(records) if c != "content_sha256"]
    return done.select(*kept, content, F.lit(None).cast("string").alias("copy_of"), *result)


def copies(attempt: Attempt, selection: Selection) -> DataFrame:
    """The copies' rows: the picture that was made for the same bytes, with an empty ledger of its own.

    Only partitions and row groups that hold the originals are read (bloom filters on the content hash).
    """
    branch = attempt.lake.spark.read.option("branch", attempt.branch).table(attempt.table)
    chosen = selection.decisions.where(F.col("action") == COPY).drop("action", "refusal", "allowance")
    wanted = chosen.select("content_sha256").distinct()
    originals = branch.where(F.col("copy_of").isNull() & (F.col("policy_hash") == attempt.policy.hash))
    held = originals.select("run_id", "content_sha256").join(wanted, "content_sha256", "left_semi")
    runs = [row["run_id"] for row in held.select("run_id").distinct().collect()]
    originals = originals.where(F.col("run_id").isin(runs))
    made = originals.select("content_sha256", F.col("image_id").alias("copy_of"), *(f.name for f in OUTPUT[1:]))
    rows = small(chosen, selection.counts[COPY]).join(made, ["content_sha256", "copy_of"])
    released = F.col("status") == str(Status.RELEASED)
    nothing = {c: F.when(released, F.lit(0).cast("decimal(38,18)")) for c in ("epsilon_total", "epsilon_max")}
    empty = F.when(released, F.slice("objects", 1, 0))
    return rows.withColumns(nothing | {"objects": empty, "seconds": F.lit(0.0)})


def append(attempt: Attempt, rows: DataFrame) -> None:
    """Evaluate rows once, and write them to the branch under the run's name and facts."""
    spark = attempt.lake.spark
    rows = rows.withColumns(
        {
            "run_id": F.lit(attempt.run_id),
            "policy_hash": F.lit(attempt.policy.hash),
            "released_at": F.lit(attempt.started),
        }
    )
    columns = spark.table(attempt.table).schema
    here = set(rows.columns)
    rows = rows.select(
        *(F.col(f.name) if f.name in here else F.lit(None).cast(f.dataType).alias(f.name) for f in columns)
    )
    writer = rows.writeTo(f"{attempt.table}.`branch_{attempt.branch}`")
    writer = writer.option(f"snapshot-property.{RUN_ID}", attempt.run_id)
    writer = writer.option(f"snapshot-property.{FACTS}", json.dumps(dict(attempt.facts)))
    try:
        writer.append()
    except PythonException as error:
        raise _from_worker(error) from None


def drop_quarantined(attempt: Attempt) -> None:
    """Take the rows that are not released off the branch: whole partitions, so metadata alone."""
    attempt.lake.spark.sql(
        f"DELETE FROM {attempt.table}.`branch_{attempt.branch}` WHERE status = '{Status.QUARANTINED}'"
    )


def drop_branch(lake: Lake, name: str) -> None:
    """Drop a branch. Snapshots that `main` does not have stay, unreachable, until they expire."""
    change_branches(lake, lambda branches: branches.removeBranch(name), lambda history: name not in history.heads)


def _from_worker(error: PythonException) -> Exception:
    """What a worker raised to stop the job: a missing model, a missing key. All else stays as it is."""
    raised = re.findall(r"^deid_udf\.errors\.(\w+): (.+)$", str(error), re.MULTILINE)
    kind = getattr(errors, raised[-1][0], None) if raised else None
    return kind(raised[-1][1]) if kind and issubclass(kind, errors.DeidError) else error


def _by_uri(records: DataFrame) -> bool:
    return records.where(F.col("image").isNotNull()).select(F.lit(1)).limit(1).isEmpty()


def _kept(records: DataFrame) -> list[str]:
    """Columns of the records that `released` keeps."""
    own = ["image_id", "content_sha256", "width", "height", "captured_at", "sequence_id", "camera_id"]
    return own + passed_through(records).names

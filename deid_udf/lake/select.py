"""Which records a run has to look at, decided from metadata alone: no image byte is read here.

* released before under this policy, or decided by this very run: skipped;
* one id over different bytes: refused, all of them, for nobody can say which is meant;
* an id or bytes that were erased: refused, since they would come back;
* bytes that were released under another id, or that another record of this run has: a copy, which spends nothing;
* all else: protected, within an allowance.
"""

from dataclasses import dataclass

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType

from deid_udf.errors import Reason, UsageError
from deid_udf.lake.allowances import with_allowances
from deid_udf.lake.session import Lake
from deid_udf.lake.tables import ERASURES, QUARANTINE, spark_schema
from deid_udf.policy import Policy
from deid_udf.schema import RECORD

PROTECT, COPY, REFUSE = "protect", "copy", "refuse"

_KEY = ["image_id", "content_sha256"]
ROWS_A_TASK = 100_000
_BROADCAST = 500_000  # rows
_BYTES = {"image", "uri", "format"}


@dataclass(frozen=True, slots=True)
class Selection:
    """The run's work.

    Attributes:
        decisions: a row an image to protect, copy or refuse: `image_id`, `content_sha256`, `action`, `allowance`,
            `copy_of`, and the records' columns but the bytes. Persisted.
        counts: rows by action.
        read: rows in the records.
        repeated: whether some image to look at stands there more than once.
    """

    decisions: DataFrame
    counts: dict[str, int]
    read: int
    repeated: bool

    @property
    def skipped(self) -> int:
        """Records that need nothing."""
        return self.read - sum(self.counts.values())


def normalise(records: DataFrame) -> DataFrame:
    """Records with all the columns of `schema.RECORD`, nulls where they have none.

    Raises:
        UsageError: no `image_id`, neither `image` nor `uri`, or a column of the wrong type.
    """
    present = {field.name: field.dataType for field in records.schema}
    if "image_id" not in present or not {"image", "uri"} & present.keys():
        raise UsageError("records need the columns `image_id` and `image` or `uri`; jobs/ingest.py makes them")
    for field in spark_schema(RECORD):
        if field.name not in present:
            records = records.withColumn(field.name, F.lit(None).cast(field.dataType))
        elif present[field.name] != field.dataType:
            raise UsageError(
                f"records: column {field.name!r} is {present[field.name].simpleString()}, "
                f"expected {field.dataType.simpleString()}"
            )
    return records


def passed_through(records: DataFrame) -> StructType:
    """Columns that no schema of this project names."""
    own = set(RECORD.names)
    return StructType([StructField(f.name, f.dataType) for f in records.schema if f.name not in own])


def select(lake: Lake, records: DataFrame, published: DataFrame, policy: Policy, run_id: str) -> Selection:
    """Decide what becomes of each record.

    Args:
        lake: the lake.
        records: normalised records.
        published: `released` at the state that this run starts from.
        policy: the policy.
        run_id: this run.
    """
    counted = records.agg(F.count("*").alias("read"), F.count("image_id").alias("named")).collect()[0]
    read = counted["read"]
    if counted["named"] < read:
        raise UsageError(f"{read - counted['named']} records have no image_id")
    # All that is shuffled here is metadata; Spark's fixed 200 partitions would cost a small run most of its time.
    tasks = max(lake.spark.sparkContext.defaultParallelism, read // ROWS_A_TASK)
    lake.spark.conf.set("spark.sql.shuffle.partitions", tasks)
    keys = records.drop(*_BYTES).withColumn("_rows", F.count("*").over(Window.partitionBy(*_KEY)))
    seen = keys.dropDuplicates(_KEY).withColumn("_ids", F.count("*").over(Window.partitionBy("image_id")))
    same_policy = published.where(F.col("policy_hash") == policy.hash)
    new = _without(seen, same_policy.select(*_KEY).distinct())
    decided = lake.spark.table(lake.table(QUARANTINE)).where(
        (F.col("run_id") == run_id) & (F.col("policy_hash") == policy.hash)
    )
    new = _without(new, decided.select(*_KEY).distinct())

    originals = (
        same_policy.where(F.col("copy_of").isNull() & F.col("content_sha256").isNotNull())
        .groupBy("content_sha256")
        .agg(F.min("image_id").alias("_original"))
    )
    erased = lake.spark.table(lake.table(ERASURES))
    new = _with_erased(new, erased)
    new = new.withColumn("_refused", F.col("_erased") | (F.col("_ids") > 1))
    new = new.join(originals, "content_sha256", "left")
    # Among records of this run, the smallest id that is not refused stands for the content.
    candidate = F.when(~F.col("_refused"), F.col("image_id"))
    first = F.min(candidate).over(Window.partitionBy("content_sha256"))
    original = F.when(F.col("content_sha256").isNull(), F.col("image_id")).otherwise(F.coalesce("_original", first))
    action = (
        F.when(F.col("_refused"), REFUSE).when(original != F.col("image_id"), COPY).otherwise(PROTECT).alias("action")
    )
    decisions = new.select("*", original.alias("_stands"), action)
    decisions = decisions.withColumn("copy_of", F.when(F.col("action") == COPY, F.col("_stands")))
    refusal = F.when(F.col("_erased"), str(Reason.ERASED)).otherwise(str(Reason.DUPLICATE_ID))
    decisions = decisions.withColumn("refusal", F.when(F.col("action") == REFUSE, refusal))
    decisions = decisions.drop("_ids", "_erased", "_refused", "_original", "_stands")

    protect = with_allowances(decisions.where(F.col("action") == PROTECT), policy, published, erased)
    rest = decisions.where(F.col("action") != PROTECT)
    decisions = protect.unionByName(rest, allowMissingColumns=True)
    decisions = decisions.persist()
    found = decisions.groupBy("action").agg(F.count("*").alias("images"), F.max("_rows").alias("rows")).collect()
    return Selection(
        decisions.drop("_rows"),
        counts={row["action"]: row["images"] for row in found},
        read=read,
        repeated=any(row["rows"] > 1 for row in found),
    )


def with_bytes(records: DataFrame, selection: Selection) -> DataFrame:
    """The records to protect or refuse, with their bytes or URIs, decisions attached.

    Small decisions are broadcast, so that image bytes are not shuffled. A record that stands there twice comes once.
    """
    work = selection.decisions.where(F.col("action").isin(PROTECT, REFUSE))
    work = work.select(*(F.col(c).alias(f"_{c}") for c in (*_KEY, "refusal", "allowance")))
    work = small(work, selection.counts.get(PROTECT, 0) + selection.counts.get(REFUSE, 0))
    same = records["image_id"].eqNullSafe(work["_image_id"]) & records["content_sha256"].eqNullSafe(
        work["_content_sha256"]
    )
    joined = records.join(work, same).drop("_image_id", "_content_sha256")
    joined = joined.withColumnsRenamed({"_refusal": "refusal", "_allowance": "allowance"})
    return joined.dropDuplicates(_KEY) if selection.repeated else joined


def small(rows: DataFrame, count: int) -> DataFrame:
    """Metadata rows, to be broadcast if they are few, so that a join with them moves no image."""
    return F.broadcast(rows) if count < _BROADCAST else rows


def _with_erased(images: DataFrame, erasures: DataFrame) -> DataFrame:
    """Images, with `_erased`: whether their id or their bytes were erased."""
    ids = erasures.select(F.col("image_sha256").alias("_id")).distinct()
    contents = erasures.select(F.col("content_sha256").alias("_content")).distinct()
    named = images.join(F.broadcast(ids), F.sha2("image_id", 256) == F.col("_id"), "left")
    named = named.join(F.broadcast(contents), F.col("content_sha256") == F.col("_content"), "left")
    return named.withColumn("_erased", F.col("_id").isNotNull() | F.col("_content").isNotNull()).drop("_id", "_content")


def _without(images: DataFrame, decided: DataFrame) -> DataFrame:
    """Images that are not among the decided ones; where no content hash is known, the id alone decides."""
    other = decided.select(F.col("image_id").alias("_id"), F.col("content_sha256").alias("_content"))
    same = (images["image_id"] == other["_id"]) & (
        images["content_sha256"].isNull() | images["content_sha256"].eqNullSafe(other["_content"])
    )
    return images.join(other, same, "left_anti")

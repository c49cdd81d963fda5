"""The lake's tables.

`released` holds one row an image and version: the protected bytes and their ledger in one row, so that one commit
publishes both. `quarantine` says what was not released and why, never its bytes. `runs` says who published what, under
which policy, models and code, `erasures` what was taken out again, and by whose order. Only `released` is the truth;
the others are derived from it (`record.py`, `erasures.py`).
"""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql.pandas.types import from_arrow_type
from pyspark.sql.types import ArrayType, StructType

from deid_udf.errors import LakeError, UsageError
from deid_udf.lake.session import Lake
from deid_udf.schema import EPSILON, RECORD, RESULT

RELEASED = "released"
QUARANTINE = "quarantine"
RUNS = "runs"
ERASURES = "erasures"

_UTC = pa.timestamp("us", tz="UTC")
_KEYS = [
    pa.field("image_id", pa.string()),
    pa.field("content_sha256", pa.string()),
    pa.field("run_id", pa.string()),
    pa.field("policy_hash", pa.string()),
]
# The bytes and where they came from stay behind; the format is the output's.
_LEFT_BEHIND = {"image_id", "content_sha256", "image", "uri", "format"}

RELEASED_SCHEMA = pa.schema(
    [
        *_KEYS,
        pa.field("released_at", _UTC),
        pa.field("copy_of", pa.string()),  # image_id whose released picture this row repeats, having the same bytes
        *(field for field in RECORD if field.name not in _LEFT_BEHIND),
        *RESULT,
    ]
)
QUARANTINE_SCHEMA = pa.schema(
    [
        *_KEYS,
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("quarantined_at", _UTC),
        pa.field("snapshot_id", pa.int64()),  # of `released`: the write that this row was derived from
    ]
)
RUNS_SCHEMA = pa.schema(
    [
        pa.field("run_id", pa.string()),
        pa.field("snapshot_id", pa.int64()),  # of `released`: the write that this run published
        pa.field("policy_hash", pa.string()),
        pa.field("policy", pa.string()),  # canonical JSON; `policy.parse_policy` reads it
        pa.field("models", pa.map_(pa.string(), pa.string())),  # registry name, or plate_format:NAME → sha256
        pa.field("code_version", pa.string()),
        pa.field("noise_source", pa.string()),
        pa.field("started_at", _UTC),
        pa.field("finished_at", _UTC),
        pa.field("read", pa.int64()),
        pa.field("released", pa.int64()),  # copies included
        pa.field("copies", pa.int64()),
        pa.field("skipped", pa.int64()),
        pa.field("quarantined", pa.int64()),
        pa.field("objects", pa.int64()),
        pa.field("epsilon", EPSILON),  # null is unbounded
    ]
)
ERASURES_SCHEMA = pa.schema(
    [
        pa.field("snapshot_id", pa.int64()),  # of `released`: the deletion
        pa.field("erased_at", _UTC),
        pa.field("erased_by", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("image_sha256", pa.string()),  # of the image's id
        pa.field("content_sha256", pa.string()),
        pa.field("run_id", pa.string()),
        pa.field("policy_hash", pa.string()),
        pa.field("objects", pa.int64()),
        pa.field("epsilon", EPSILON),  # what the release had spent, and still has; null is unbounded
        # Of each scope that it was spent in: columns, joined by "+" → hash of their values (`allowances.scope_hash`).
        pa.field("scopes", pa.map_(pa.string(), pa.string())),
    ]
)

_PROPERTIES = {
    "format-version": "2",
    "write.distribution-mode": "none",  # the UDF's one row is written where it was made
    "write.spark.fanout.enabled": "true",
    "write.parquet.compression-codec": "uncompressed",  # images are compressed already
    "write.parquet.row-group-size-bytes": str(16 * 2**20),
    "write.metadata.delete-after-commit.enabled": "true",
}
# A copy finds its original's row group without reading the others.
_LOOKED_UP = {"write.parquet.bloom-filter-enabled.column.content_sha256": "true"}


def create_tables(lake: Lake) -> None:
    """Make what is missing: tables, and in a lake of an earlier version their newer columns and the ledger's fields.

    `released` gets a first, empty snapshot: a branch needs one to start from.

    Raises:
        LakeError: the lake cannot be written.
    """
    spark = lake.spark
    try:
        spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {lake.table('')[:-1]}")
        for name, schema, partition, extra in (
            (RELEASED, RELEASED_SCHEMA, "PARTITIONED BY (run_id, status)", _LOOKED_UP),
            (QUARANTINE, QUARANTINE_SCHEMA, "PARTITIONED BY (run_id)", {}),
            (RUNS, RUNS_SCHEMA, "", {}),
            (ERASURES, ERASURES_SCHEMA, "", {}),
        ):
            properties = ", ".join(f"'{k}'='{v}'" for k, v in (_PROPERTIES | extra).items())
            spark.sql(
                f"CREATE TABLE IF NOT EXISTS {lake.table(name)} ({spark_schema(schema).toDDL()}) "
                f"USING iceberg {partition} TBLPROPERTIES ({properties})"
            )
            _add_columns(lake, name, spark_schema(schema))
        _add_ledger_fields(lake)
        if spark.table(f"{lake.table(RELEASED)}.refs").isEmpty():
            spark.createDataFrame([], spark.table(lake.table(RELEASED)).schema).writeTo(lake.table(RELEASED)).append()
    except (PySparkException, Py4JJavaError) as error:
        raise LakeError(f"the lake cannot be opened or written: {first_line(error)}") from error


def _add_columns(lake: Lake, name: str, wanted: StructType) -> None:
    """Give a table the columns that it lacks; rows of before hold null there."""
    present = set(lake.spark.table(lake.table(name)).columns)
    for field in wanted:
        if field.name not in present:
            lake.spark.sql(f"ALTER TABLE {lake.table(name)} ADD COLUMN `{field.name}` {field.dataType.simpleString()}")


def _add_ledger_fields(lake: Lake) -> None:
    """Give `released.objects` the fields of `schema.OBJECT` that it lacks; rows of before hold null there."""
    present = _entry(lake.spark.table(lake.table(RELEASED)).schema).names
    for field in _entry(spark_schema(RELEASED_SCHEMA)):
        if field.name not in present:
            column = f"objects.element.{field.name} {field.dataType.simpleString()}"
            lake.spark.sql(f"ALTER TABLE {lake.table(RELEASED)} ADD COLUMN {column}")


def _entry(released: StructType) -> StructType:
    """The type of one ledger entry."""
    objects = released["objects"].dataType
    assert isinstance(objects, ArrayType) and isinstance(objects.elementType, StructType)
    return objects.elementType


def exists(lake: Lake, name: str = RELEASED) -> bool:
    """Whether there is a table of that name."""
    return lake.spark.catalog.tableExists(lake.table(name))


def add_columns(lake: Lake, wanted: StructType) -> None:
    """Give `released` the pass-through columns that it lacks.

    Args:
        lake: the lake.
        wanted: columns of the records that no schema here names.

    Raises:
        UsageError: a column of another type than the table's, or one that the ledger uses itself.
    """
    present = {field.name: field.dataType for field in lake.spark.table(lake.table(RELEASED)).schema}
    own = set(RELEASED_SCHEMA.names) - set(RECORD.names)
    for field in wanted:
        if field.name in own:
            raise UsageError(f"records: column {field.name!r} is the ledger's own; rename it")
        if field.name not in present:
            kind = field.dataType.simpleString()
            lake.spark.sql(f"ALTER TABLE {lake.table(RELEASED)} ADD COLUMN `{field.name}` {kind}")
        elif present[field.name] != field.dataType:
            raise UsageError(
                f"records: column {field.name!r} is {field.dataType.simpleString()}, "
                f"in the lake it is {present[field.name].simpleString()}"
            )


def spark_schema(fields: Iterable[pa.Field]) -> StructType:
    """Arrow fields as a Spark struct, all nullable as Iceberg hands them back."""
    schema = StructType()
    for field in fields:
        schema.add(field.name, from_arrow_type(field.type), nullable=True)
    return schema


def first_line(error: BaseException) -> str:
    """The first line of an error that came through the JVM, without the stack."""
    cause: Any = error.java_exception if isinstance(error, Py4JJavaError) else error
    text = str(cause.toString() if isinstance(error, Py4JJavaError) else cause)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__

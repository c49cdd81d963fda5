"""Files → image records in Parquet: read, hash and probe on the executors, one row an image, nothing left out.

A file that is no readable image still becomes a record (no format, no size), so that the main job quarantines it with
its reason. A file that is too large or could not be fetched keeps its URI alone, and the main job tries again.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from PIL import ExifTags, Image

from deid_udf.errors import Quarantined, UsageError
from deid_udf.images.container import Limits
from deid_udf.images.decode import open_container
from deid_udf.images.orientation import oriented_size
from deid_udf.lake.fetch import fetch
from deid_udf.lake.walk import PathTemplate, walk
from deid_udf.schema import RECORD

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_RECORDS_A_FILE = 256
_BYTES_A_BATCH = 8 * 2**20
_ROW_GROUP_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Ingested:
    """What one ingest wrote.

    Attributes:
        records: all of them, one a file.
        images: those whose header could be read.
        unreadable: files that are no image this project reads.
        unfetched: files that are missing, too large or out of reach; the main job tries again.
        outside_template: files whose path the template does not fit; their scope columns are empty.
    """

    records: int
    images: int
    unreadable: int
    unfetched: int
    outside_template: int


def ingest(
    spark: "SparkSession", source: str, records: str, *, template: PathTemplate | None = None, inline: bool = True
) -> Ingested:
    """Write the records of every file in `source`, in place of what `records` held.

    Spark removes the old records as the job starts and shows the new ones, all of them, when it commits: a reader in
    between finds none, never a mixture.

    Args:
        spark: an open session.
        source: folder, `s3a://bucket/prefix` or CSV (see `walk`).
        records: where the Parquet files go; absent, empty, or earlier records.
        template: where scope columns come from, for a folder.
        inline: whether the bytes go into the records, or only their URI.

    Raises:
        UsageError: no such source, or `records` holds something else.
    """
    files = walk(source, template)
    _check_target(spark, source, records)
    passed = [field for field in files.schema if field.name not in RECORD.names]
    schema = pa.schema([*RECORD, *passed])
    slices = max(-(-files.num_rows // _RECORDS_A_FILE), min(files.num_rows, spark.sparkContext.defaultParallelism))

    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return _batches((row for batch in batches for row in batch.to_pylist()), schema, inline)

    from pyspark.sql.pandas.types import from_arrow_schema

    # Parquet's own instant; Spark's default, INT96, has no zone and other readers take it for local time.
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    described = spark.createDataFrame(files).repartition(slices).mapInArrow(read, from_arrow_schema(schema))
    writer = described.write.mode("overwrite").option("compression", "uncompressed")
    writer.option("parquet.block.size", _ROW_GROUP_BYTES).parquet(records)
    return _count(spark, records, template)


def describe(data: bytes) -> dict[str, Any]:
    """The record columns that come out of an image's bytes: hash, format, upright size in pixels, time of capture.

    Only headers are read. `format`, `width` and `height` are None for what is no readable image.
    """
    found: dict[str, Any] = {"content_sha256": hashlib.sha256(data).hexdigest()}
    try:
        image = open_container(data, Limits())
    except Quarantined:
        return found
    width, height = oriented_size(image.width, image.height, image.orientation)
    return found | {
        "format": image.format, "width": width, "height": height, "captured_at": _captured_at(image.exif)
    }  # fmt: skip


def _batches(rows: Iterator[dict[str, Any]], schema: pa.Schema, inline: bool) -> Iterator[pa.RecordBatch]:
    """Read each row's file; batches are bounded by bytes."""
    some: list[dict[str, Any]] = []
    held = 0
    for row in rows:
        some.append(_record(row, inline))
        held += len(some[-1].get("image") or b"")
        if held >= _BYTES_A_BATCH:
            yield pa.RecordBatch.from_pylist(some, schema)
            some, held = [], 0
    if some:
        yield pa.RecordBatch.from_pylist(some, schema)


def _record(row: Mapping[str, Any], inline: bool) -> dict[str, Any]:
    try:
        data = fetch(row["uri"], Limits().max_bytes)
    except Quarantined:
        return dict(row)
    told = {column: value for column, value in row.items() if value is not None}
    return dict(row) | describe(data) | told | ({"image": data} if inline else {})


def _captured_at(exif: bytes | None) -> datetime | None:
    """EXIF DateTimeOriginal in UTC; cameras that state no offset are taken to run on UTC."""
    if exif is None:
        return None
    parsed = Image.Exif()
    try:
        parsed.load(b"Exif\0\0" + exif)
        details = parsed.get_ifd(ExifTags.IFD.Exif)
        local = datetime.strptime(str(details[ExifTags.Base.DateTimeOriginal]).rstrip("\0 "), "%Y:%m:%d %H:%M:%S")
        offset = str(details.get(ExifTags.Base.OffsetTimeOriginal, "")).rstrip("\0 ") or "+00:00"
        return datetime.fromisoformat(f"{local.isoformat()}{offset}").astimezone(UTC)
    except Exception:  # a hostile block raises anything at all, and no time is a fair answer
        return None


def _check_target(spark: "SparkSession", source: str, records: str) -> None:
    """Overwriting must take nothing but earlier records with it."""
    if f"{records.rstrip('/')}/".removeprefix("file://").startswith(f"{source.rstrip('/')}/".removeprefix("file://")):
        raise UsageError(f"records in {records} lie inside their own source {source}")
    jvm: Any = spark._jvm
    place = jvm.org.apache.hadoop.fs.Path(records)
    system = place.getFileSystem(spark._jsparkSession.sessionState().newHadoopConf())
    if system.exists(place):
        names = [status.getPath().getName() for status in system.listStatus(place)]
        strange = sorted(n for n in names if not n.startswith((".", "_")) and not n.endswith(".parquet"))
        if strange:
            raise UsageError(f"{records} holds {strange[0]!r}, which is no records file; choose another --records")


def _count(spark: "SparkSession", records: str, template: PathTemplate | None) -> Ingested:
    """Count what was written, from what was written."""
    from pyspark.sql import functions as F

    columns = template.columns if template else ()
    placed = F.coalesce(*columns) if columns else F.lit("")
    (row,) = (
        spark.read.parquet(records)
        .agg(
            F.count("*").alias("records"),
            F.count("format").alias("images"),
            F.count("content_sha256").alias("fetched"),
            F.count(placed).alias("placed"),
        )
        .collect()
    )
    return Ingested(
        records=row.records,
        images=row.images,
        unreadable=row.fetched - row.images,
        unfetched=row.records - row.fetched,
        outside_template=row.records - row.placed,
    )

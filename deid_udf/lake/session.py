"""The Spark session of a job, and where its lake is.

`python jobs/x.py` is `spark-submit` with `conf/spark/local.conf`, and with `conf/spark/s3.conf` too where a location is
on S3. Under a real spark-submit the configuration is the caller's, and only what the lake cannot do without is added.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pyspark.errors import AnalysisException, PySparkRuntimeError
from pyspark.sql import DataFrame, SparkSession

from deid_udf.errors import LakeError, UsageError

CATALOG = "lake"
NAMESPACE = "deid"

_CONF = Path(__file__).resolve().parent.parent.parent / "conf" / "spark"


@dataclass(frozen=True, slots=True)
class Lake:
    """An opened lake: a session whose catalog `lake` holds the tables of one namespace.

    Attributes:
        spark: the session.
        namespace: the namespace inside the catalog.
    """

    spark: SparkSession
    namespace: str = NAMESPACE

    def table(self, name: str) -> str:
        """Full name of a table: catalog.namespace.name."""
        return f"{CATALOG}.{self.namespace}.{name}"


@contextmanager
def open_session(app: str, *locations: str) -> Iterator[SparkSession]:
    """A session for one job, stopped at the end; a session that already runs is adopted and left running.

    Args:
        app: the application's name.
        locations: every path or URI that the job reads or writes; they decide which configuration is needed.

    Raises:
        UsageError: no Java.
    """
    running = SparkSession.getActiveSession()
    if running is not None:
        yield running
        return
    builder = SparkSession.builder.appName(app).config("spark.sql.session.timeZone", "UTC")
    for key, value in _own_configuration(locations).items():
        builder = builder.config(key, value)
    try:
        spark = builder.getOrCreate()
    except PySparkRuntimeError as error:
        if error.getCondition() == "JAVA_GATEWAY_EXITED":
            raise UsageError("Spark found no Java that runs it: `make setup`, or set JAVA_HOME to 17 or 21") from None
        raise
    try:
        yield spark
    finally:
        spark.stop()


def open_lake(spark: SparkSession, location: str) -> Lake:
    """The lake at `location`.

    A folder is a catalog of its own (Iceberg's hadoop catalog). On S3 the catalog is the configuration's (REST, JDBC,
    Glue); the location's bucket must be its warehouse, and the path below it names the namespace.

    Raises:
        LakeError: neither a folder nor on S3, no catalog configured, or one with another warehouse.
    """
    parts = urlsplit(location)
    catalog = f"spark.sql.catalog.{CATALOG}"
    if parts.scheme in ("file", ""):
        folder = location if parts.scheme else Path(location).absolute().as_uri()
        wanted = {
            catalog: "org.apache.iceberg.spark.SparkCatalog",
            f"{catalog}.type": "hadoop",
            f"{catalog}.warehouse": folder,
            f"{catalog}.cache-enabled": "false",
        }
        spark = spark.newSession()  # a session opens its catalogs once; this one is the lake's own
        for key, value in wanted.items():
            spark.conf.set(key, value)
        return Lake(spark)
    if parts.scheme not in ("s3", "s3a"):
        raise LakeError(f"{location}: a lake is a folder (file:///…) or on S3 (s3a://…)")
    if spark.conf.get(catalog, None) is None:
        raise LakeError(
            f"{location}: a lake on S3 needs a catalog: spark.sql.catalog.{CATALOG}.*, as in conf/spark/s3.conf"
        )
    warehouse = _resolved(spark.conf.get(f"{catalog}.warehouse", None) or f"s3a://{parts.netloc}")
    inside, path = (f"{urlsplit(place).netloc}{urlsplit(place).path}".strip("/") for place in (warehouse, location))
    if f"{path}/".startswith(f"{inside}/"):
        return Lake(spark.newSession(), path[len(inside) :].strip("/").replace("/", "_") or NAMESPACE)
    raise LakeError(f"{location}: catalog {CATALOG} keeps its tables in {warehouse}; name a lake in there")


def read_records(spark: SparkSession, location: str) -> DataFrame:
    """Image records in Parquet.

    Raises:
        UsageError: nothing there that can be read.
    """
    try:
        return spark.read.parquet(location)
    except AnalysisException as error:
        raise UsageError(f"records {location} cannot be read: {error.getCondition() or 'not Parquet'}") from None


def _own_configuration(locations: tuple[str, ...]) -> dict[str, str]:
    if "PYSPARK_GATEWAY_PORT" in os.environ:  # spark-submit started this process
        return {}
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    on_s3 = any(urlsplit(location).scheme in ("s3", "s3a") for location in locations)
    return spark_properties("local.conf") | (spark_properties("s3.conf") if on_s3 else {})


def spark_properties(name: str) -> dict[str, str]:
    """The settings of a file in `conf/spark/`."""
    lines = (line.split(maxsplit=1) for line in (_CONF / name).read_text().splitlines())
    return {line[0]: line[1].strip() for line in lines if len(line) == 2 and not line[0].startswith("#")}


def _resolved(value: str) -> str:
    """Iceberg reads `env:NAME` from the environment."""
    return os.environ.get(value.removeprefix("env:"), "") if value.startswith("env:") else value

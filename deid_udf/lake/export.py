"""Protected images as plain objects, under a key made of content and policy: writing one again changes nothing."""

from collections.abc import Iterable, Iterator

import pandas as pd
from pyspark.sql import functions as F

from deid_udf.lake.fetch import put
from deid_udf.lake.session import Lake
from deid_udf.lake.tables import RELEASED

SUFFIXES = {"jpeg": "jpg", "png": "png", "webp": "webp", "tiff": "tif"}


def export(lake: Lake, run_id: str, prefix: str) -> int:
    """Put every image that a run published at `prefix/<policy hash>/<content hash>.<format>`.

    Only published rows leave, so this comes after publishing and can be repeated at any time. Copies share the object
    of their original.

    Args:
        lake: the lake.
        run_id: whose images.
        prefix: a `file:` or `s3a:` URI.

    Returns:
        how many objects there are.
    """
    base = prefix.rstrip("/")

    def write(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            for row in batch.itertuples(index=False):
                key = f"{row.policy_hash}/{row.content_sha256}.{SUFFIXES[str(row.output_format)]}"
                put(f"{base}/{key}", bytes(row.protected))  # type: ignore[arg-type]
            yield pd.DataFrame({"objects": [len(batch)]})

    rows = lake.spark.table(lake.table(RELEASED)).where((F.col("run_id") == run_id) & F.col("copy_of").isNull())
    columns = rows.select("policy_hash", "content_sha256", "output_format", "protected")
    total = columns.mapInPandas(write, "objects long").agg(F.sum("objects").alias("objects")).collect()[0]
    return int(total["objects"] or 0)

"""Protected images as plain objects, under a key made of content and policy: writing one again changes nothing."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

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
            for row in batch.to_dict("records"):
                put(f"{base}/{object_of(row)}", bytes(row["protected"]))
            yield pd.DataFrame({"objects": [len(batch)]})

    rows = lake.spark.table(lake.table(RELEASED)).where((F.col("run_id") == run_id) & F.col("copy_of").isNull())
    columns = rows.select("policy_hash", "content_sha256", "output_format", "protected")
    total = columns.mapInPandas(write, "objects long").agg(F.sum("objects").alias("objects")).collect()[0]
    return int(total["objects"] or 0)


def objects_of(policy_hash: str, content_sha256: str, prefix: str) -> list[str]:
    """The URIs under which an image may stand, whose format is not known any more."""
    release = {"policy_hash": policy_hash, "content_sha256": content_sha256}
    return [f"{prefix.rstrip('/')}/{object_of(release | {'output_format': name})}" for name in SUFFIXES]


def object_of(row: Mapping[Any, Any]) -> str:
    """An image's key below the prefix, from columns `policy_hash`, `content_sha256` and `output_format`."""
    return f"{row['policy_hash']}/{row['content_sha256']}.{SUFFIXES[row['output_format']]}"

"""The pandas UDF: batches of records in, one row an image out, with its new bytes and its ledger entries together.

It is marked nondeterministic: noise drawn again is another release, so Spark must not evaluate it twice of its own
accord. Models open once in a worker process; Spark keeps workers over tasks, stages and jobs.
"""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
from pyspark import Accumulator, TaskContext
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.udf import UserDefinedFunction

from deid_udf.errors import Quarantined, Reason, UsageError
from deid_udf.lake.fetch import fetch
from deid_udf.lake.tables import spark_schema
from deid_udf.log import logger
from deid_udf.policy import Policy, parse_policy
from deid_udf.privacy import KeyedNoise, NoiseKeyError, NoiseSource, OsNoise
from deid_udf.schema import RESULT

if TYPE_CHECKING:
    from deid_udf.pipeline import Pipeline, Record

KEY = "DEID_NOISE_KEY"
KEY_FILE = "DEID_NOISE_KEY_FILE"
OUTPUT = [pa.field("content_sha256", pa.string()), *RESULT]
"""`schema.RESULT`, and the hash of the bytes that were read."""

_OWN = ("image_id", "content_sha256", "image", "uri", "refusal", "allowance")
_IMAGES_A_TASK = 64
_MOST_TASKS = 20_000
_FETCHES = 8  # at once, in one worker


def protect(policy: Policy, noise: str, done: "Accumulator[int] | None" = None) -> UserDefinedFunction:
    """The UDF for one policy.

    Args:
        policy: what to protect and how.
        noise: fingerprint of the source that every executor must use; one with another fails.
        done: counts images, for a progress bar; retried tasks count again.

    Returns:
        a function of the struct that `inputs` makes; its result is a struct of `OUTPUT`.
    """
    text = policy.canonical()

    def protect_batches(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        return run_batches(text, noise, batches, done)

    function = pandas_udf(protect_batches, spark_schema(OUTPUT))  # type: ignore[call-overload]
    return function.asNondeterministic()  # type: ignore[no-any-return]


def inputs(columns: list[str], policy: Policy) -> Column:
    """The UDF's argument, from those of its columns that a frame has."""
    absent = F.lit(None).cast("string")
    fields = [F.col(c) if c in columns else absent.alias(c) for c in _OWN]
    scopes = [F.col(c).cast("string").alias(f"scope.{c}") for c in policy.plates.memo]
    return F.struct(*fields, *scopes)


def spread(work: DataFrame, policy: Policy, images: int = 0) -> DataFrame:
    """Enough tasks for all cores; records that share memoised draws meet in one, to be charged once.

    Args:
        work: records.
        policy: its memo columns.
        images: how many records, if known.
    """
    memo = policy.plates.memo
    least = 2 * work.sparkSession.sparkContext.defaultParallelism
    tasks = min(max(least, images // _IMAGES_A_TASK), _MOST_TASKS)
    known = F.lit(bool(memo))
    for column in memo:
        known = known & F.col(column).isNotNull()
    keys = [F.when(known, F.col(c).cast("string")) for c in memo]
    return work.repartition(tasks, *keys, F.when(~known, F.col("image_id")))


def noise_source() -> NoiseSource:
    """The source that this process is configured for: the key's file, the key in the environment, or the system.

    Raises:
        UsageError: a key that cannot be read, or is none.
    """
    try:
        if os.environ.get(KEY_FILE):
            return KeyedNoise.from_config(env=None, file=os.environ[KEY_FILE])
        return KeyedNoise.from_config(env=KEY) if os.environ.get(KEY) else OsNoise()
    except NoiseKeyError as error:
        raise UsageError(str(error)) from None


def fingerprint(noise: NoiseSource) -> str:
    """Names a source, and a keyed one's key too, of which it tells nothing."""
    if isinstance(noise, KeyedNoise):
        return bytes(noise.seeds([(b"which key is this",)])[0]).hex()[:32]
    return noise.name


def gpu_address() -> str | None:
    """The GPU that Spark gave this task; None where it gave none, as in local mode."""
    context = TaskContext.get()
    gpu = context.resources().get("gpu") if context else None
    return gpu.addresses[0] if gpu and gpu.addresses else None


def device(address: str | None) -> str:
    """The device for a GPU address: "cuda:N", or "cpu" where there is none or torch cannot use it."""
    if address is None:
        return "cpu"
    import torch

    return f"cuda:{address}" if torch.cuda.is_available() else "cpu"


def run_batches(
    policy: str, noise: str, batches: Iterator[pd.DataFrame], done: "Accumulator[int] | None" = None
) -> Iterator[pd.DataFrame]:
    """One task: the same line as `Pipeline.run`, with bytes fetched where a record has only a URI."""
    address = gpu_address()
    pipeline = _pipeline(policy, noise, device(address), address)
    charged: dict[bytes, str] = {}
    with ThreadPoolExecutor(_FETCHES) as pool:
        for batch in batches:
            rows = batch.to_dict("records")
            records = list(pool.map(_record, rows, [pipeline.policy.output.max_bytes] * len(rows)))
            results = [_output(*pair) for pair in zip(records, pipeline.run(records, charged), strict=True)]
            if done is not None:
                done.add(len(records))
            yield pd.DataFrame(results, columns=[field.name for field in OUTPUT], dtype="object")


@lru_cache(maxsize=4)
def _pipeline(policy: str, noise: str, on: str, address: str | None) -> "Pipeline":
    """This process's pipeline for a policy; imports are here, so that the driver never loads a model library."""
    from deid_udf.inference import keep_freed_memory
    from deid_udf.pipeline import Pipeline

    keep_freed_memory()
    source = noise_source()
    if fingerprint(source) != noise:
        raise UsageError(f"an executor has another noise key than the driver, or only one has any: set {KEY_FILE}")
    logger().info("pipeline_opened", device=on, gpu=address, noise=source.name, pid=os.getpid())
    return Pipeline(parse_policy(policy), noise=source, device=on)


def _record(row: dict[str, Any], max_bytes: int) -> "Record":
    from deid_udf.pipeline import Record

    return Record(
        image_id=row["image_id"],
        data=_data(row, max_bytes),
        content_sha256=row["content_sha256"],
        scope={c.removeprefix("scope."): v for c, v in row.items() if c.startswith("scope.")},
        allowance=row["allowance"],
    )


def _data(row: dict[str, Any], max_bytes: int) -> bytes | Quarantined:
    try:
        if row["refusal"]:
            return Quarantined(Reason(row["refusal"]))
        if row["image"] is not None:
            return bytes(row["image"])
        if row["uri"]:
            return fetch(row["uri"], max_bytes)
        return Quarantined(Reason.MISSING, "neither bytes nor a URI")
    except Quarantined as reason:
        return reason


def _output(record: "Record", result: dict[str, Any]) -> dict[str, Any]:
    """One row of `OUTPUT`; Spark's pandas conversion takes maps as dicts."""
    content = record.content_sha256
    if isinstance(record.data, bytes):
        content = hashlib.sha256(record.data).hexdigest()
    objects = result["objects"]
    if objects is not None:
        objects = [entry | {"parameters": dict(entry["parameters"])} for entry in objects]
    return result | {"content_sha256": content, "objects": objects}

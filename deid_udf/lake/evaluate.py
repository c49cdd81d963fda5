"""Measure a folder of pictures over the cluster: long rows into Parquet, resumable by picture."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import SparkSession
from pyspark.sql import types as T

from deid_udf.errors import Quarantined
from deid_udf.evaluate.datasets import Sample
from deid_udf.images.decode import Limits, decode
from deid_udf.lake.udf import device, gpu_address
from deid_udf.policy import Policy
from deid_udf.progress import Progress

_BATCH = 8  # pictures that a worker holds at once
_SLICE = 64  # pictures between two points from which an interrupted evaluation resumes

ROW = T.StructType(
    [
        T.StructField("file", T.StringType()),
        T.StructField("method", T.StringType()),
        T.StructField("metric", T.StringType()),
        T.StructField("value", T.DoubleType()),
        T.StructField("kind", T.StringType()),
        T.StructField("object", T.IntegerType()),
        T.StructField("height", T.DoubleType()),
    ]
)


def measure(
    spark: SparkSession, samples: Sequence[Sample], what: str, policy: Policy, side: int, rows: str
) -> pd.DataFrame:
    """Measure what is not measured yet, and return every row.

    Args:
        spark: the session.
        samples: the pictures, readable under these paths on every executor.
        what: an experiment of `evaluate.experiments.KINDS`.
        policy: the policy that is compared.
        side: of the difference hash.
        rows: Parquet folder of the rows; measured pictures found there are not measured again.
    """
    done = _measured(spark, rows)
    left = [(i, str(s.file)) for i, s in enumerate(samples) if s.file.name not in done]
    text = policy.canonical()
    with Progress(f"evaluate {what}", len(left)) as progress:
        count = progress.accumulator(spark.sparkContext)

        def work(batches: Iterable[pd.DataFrame]) -> Iterable[pd.DataFrame]:
            from deid_udf.evaluate.experiments import open_work
            from deid_udf.evaluate.measure import row

            measure_batch = open_work(what, text, side, device(gpu_address()))
            for batch in batches:
                read = [(samples[i], _frame(file)) for i, file in zip(batch["sample"], batch["file"], strict=True)]
                seen = [(sample, frame) for sample, frame in read if frame is not None]
                found = measure_batch([s for s, _ in seen], [f for _, f in seen]) if seen else []
                marks = [row(s.file.name, "", "measured", float(f is not None)) for s, f in read]
                count.add(len(batch))
                yield pd.DataFrame(found + marks, columns=ROW.names)

        for start in range(0, len(left), _SLICE):
            some = spark.createDataFrame(left[start : start + _SLICE], "sample int, file string")
            tasks = max(1, -(-min(_SLICE, len(left) - start) // _BATCH))
            some.repartition(tasks).mapInPandas(work, ROW).write.mode("append").parquet(rows)
    everything = spark.read.schema(ROW).parquet(rows).toPandas()
    names = {s.file.name for s in samples}
    return everything[everything.file.isin(names) & (everything.metric != "measured")]


def _frame(file: str) -> NDArray[np.uint8] | None:
    """The picture, or None where it cannot be read: its row `measured` is then 0."""
    try:
        return decode(Path(file).read_bytes(), Limits()).frame
    except (OSError, Quarantined):
        return None


def _measured(spark: SparkSession, rows: str) -> set[str]:
    if not (Path(rows) / "_SUCCESS").exists():
        return set()
    return {r.file for r in spark.read.schema(ROW).parquet(rows).where("metric = 'measured'").collect()}

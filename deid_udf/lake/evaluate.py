"""Measure a folder of pictures over the cluster: long rows into Parquet, resumable by picture."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

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
FACE = T.StructType(
    [
        T.StructField("file", T.StringType()),
        T.StructField("found", T.BooleanType()),
        T.StructField("landmarks", T.BooleanType()),
        T.StructField("identity", T.ArrayType(T.FloatType())),
        T.StructField("features", T.ArrayType(T.FloatType())),
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
    text = policy.canonical()

    def work(chosen: Sequence[int]) -> list[dict[str, Any]]:
        from deid_udf.evaluate.experiments import open_work
        from deid_udf.evaluate.measure import row

        read = [(samples[i], _frame(samples[i].file)) for i in chosen]
        seen = [(sample, frame) for sample, frame in read if frame is not None]
        measure_batch = open_work(what, text, side, device(gpu_address()))
        found = measure_batch([s for s, _ in seen], [f for _, f in seen]) if seen else []
        return [*found, *(row(s.name, "", "measured", float(f is not None)) for s, f in read)]

    measured = _resumed(spark, [s.name for s in samples], work, ROW, rows, f"evaluate {what}")
    return measured[measured.metric != "measured"]


def describe_faces(
    spark: SparkSession, training: Sequence[Sample], count: int, generator: str, rows: str
) -> pd.DataFrame:
    """Describe `count` samples of a generator and its training faces (`evaluate.generator`), samples first.

    Args:
        spark: the session.
        training: the pictures that the generator was trained on.
        count: samples, seeded by their number.
        generator: as a policy names it.
        rows: as in `measure`.
    """

    def work(chosen: Sequence[int]) -> list[dict[str, Any]]:
        from deid_udf.evaluate.generator import describe, samples, training_face

        drawn = [i for i in chosen if i < count]
        faces = samples(generator, drawn, device(gpu_address())) if drawn else []
        faces += [training_face(training[i - count].file) for i in chosen if i >= count]
        return describe([names[i] for i in chosen], faces)

    names = [f"sample {i}" for i in range(count)] + [s.name for s in training]
    return _resumed(spark, names, work, FACE, rows, "describe faces").set_index("file", drop=False).loc[names]


def _resumed(
    spark: SparkSession,
    names: Sequence[str],
    work: Callable[[Sequence[int]], list[dict[str, Any]]],
    schema: T.StructType,
    rows: str,
    title: str,
) -> pd.DataFrame:
    """The rows of `work` on the numbers of `names`: those that `rows` does not hold yet are made, a slice at a time."""
    done = _known(spark, schema, rows)
    left = [(i,) for i, name in enumerate(names) if name not in done]
    with Progress(title, len(left)) as progress:
        count = progress.accumulator(spark.sparkContext)

        def run(batches: Iterable[pd.DataFrame]) -> Iterable[pd.DataFrame]:
            for batch in batches:
                found = work(sorted(batch["number"].tolist()))
                count.add(len(batch))
                yield pd.DataFrame(found, columns=schema.names)

        for start in range(0, len(left), _SLICE):
            some = spark.createDataFrame(left[start : start + _SLICE], "number int")
            tasks = max(1, -(-min(_SLICE, len(left) - start) // _BATCH))
            some.repartition(tasks).mapInPandas(run, schema).write.mode("append").parquet(rows)
    everything = spark.read.schema(schema).parquet(rows).toPandas()
    return everything[everything.file.isin(set(names))]


def _frame(file: Path) -> NDArray[np.uint8] | None:
    """The picture, or None where it cannot be read: its row `measured` is then 0."""
    try:
        return decode(file.read_bytes(), Limits()).frame
    except (OSError, Quarantined):
        return None


def _known(spark: SparkSession, schema: T.StructType, rows: str) -> set[str]:
    if not (Path(rows) / "_SUCCESS").exists():
        return set()
    return {r.file for r in spark.read.schema(schema).parquet(rows).select("file").distinct().collect()}

"""Measure a folder of pictures, or image records, over the cluster: long rows into Parquet, resumable by picture."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from deid_udf.errors import Quarantined
from deid_udf.evaluate.datasets import Sample
from deid_udf.images.decode import Limits, decode
from deid_udf.lake.fetch import fetch
from deid_udf.lake.select import normalise
from deid_udf.lake.udf import device, gpu_address
from deid_udf.policy import Policy
from deid_udf.progress import Progress

_BATCH = 8  # pictures that a worker holds at once, about
_ROUNDS = 2  # batches a core between two points from which an interrupted evaluation resumes

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


def of_records(records: DataFrame, limit: int | None = None) -> list[Sample]:
    """Image records as samples of which nothing is known, by id; the first `limit`."""
    ids = records.select("image_id").where("image_id IS NOT NULL").distinct().orderBy("image_id")
    return [Sample(None, row.image_id, None) for row in (ids if limit is None else ids.limit(limit)).collect()]


def measure(
    spark: SparkSession,
    samples: Sequence[Sample],
    what: str,
    policy: Policy,
    side: int,
    rows: str,
    records: DataFrame | None = None,
) -> pd.DataFrame:
    """Measure what is not measured yet, and return every row.

    Args:
        spark: the session.
        samples: the pictures; files must be readable under these paths on every executor.
        what: an experiment of `evaluate.experiments.KINDS`.
        policy: the policy that is compared.
        side: of the difference hash.
        rows: Parquet folder of the rows; measured pictures found there are not measured again.
        records: where samples of `of_records` have their bytes.
    """
    text = policy.canonical()

    def pictures(chosen: Sequence[int]) -> DataFrame:
        if records is None:
            files = [(i, _uri(samples[i]), None) for i in chosen]
            return spark.createDataFrame(files, "number int, uri string, image binary")
        named = spark.createDataFrame([(i, samples[i].name) for i in chosen], "number int, image_id string")
        bytes_of = normalise(records).select("image_id", "image", "uri")
        return bytes_of.join(F.broadcast(named), "image_id").dropDuplicates(["image_id"])

    def work(batch: pd.DataFrame) -> list[dict[str, Any]]:
        from deid_udf.evaluate.experiments import open_work
        from deid_udf.evaluate.measure import row

        given = zip(batch.number, batch.image, batch.uri, strict=True)
        read = [(samples[i], _frame(data, uri)) for i, data, uri in given]
        seen = [(sample, frame) for sample, frame in read if frame is not None]
        measure_batch = open_work(what, text, side, device(gpu_address()))
        found = measure_batch([s for s, _ in seen], [f for _, f in seen]) if seen else []
        return [*found, *(row(s.name, "", "measured", float(f is not None)) for s, f in read)]

    measured = _resumed(spark, [s.name for s in samples], pictures, work, ROW, rows, f"evaluate {what}")
    return measured[measured.metric != "measured"]


def describe_faces(
    spark: SparkSession, training: Mapping[str, Path], count: int, generator: str, rows: str
) -> pd.DataFrame:
    """Describe `count` samples of a generator and its training faces (`evaluate.generator`), samples first.

    Args:
        spark: the session.
        training: name → file of the pictures that the generator was trained on.
        count: samples, seeded by their number.
        generator: as a policy names it.
        rows: as in `measure`.
    """

    def work(batch: pd.DataFrame) -> list[dict[str, Any]]:
        from deid_udf.evaluate.generator import describe, samples, training_face

        drawn = [i for i in batch.number if i < count]
        known = [i for i in batch.number if i >= count]
        faces = samples(generator, drawn, device(gpu_address())) if drawn else []
        faces += [training_face(training[names[i]]) for i in known]
        return describe([names[i] for i in drawn + known], faces)

    def numbers(chosen: Sequence[int]) -> DataFrame:
        return spark.createDataFrame([(i,) for i in chosen], "number int")

    names = [f"sample {i}" for i in range(count)] + [*training]
    described = _resumed(spark, names, numbers, work, FACE, rows, "describe faces")
    return described.set_index("file", drop=False).loc[names]


def _resumed(
    spark: SparkSession,
    names: Sequence[str],
    pictures: Callable[[Sequence[int]], DataFrame],
    work: Callable[[pd.DataFrame], list[dict[str, Any]]],
    schema: T.StructType,
    rows: str,
    title: str,
) -> pd.DataFrame:
    """The rows of `work` on `pictures` of the numbers of `names`: those that `rows` has not yet, a slice at a time."""
    done = _known(spark, schema, rows)
    left = [i for i, name in enumerate(names) if name not in done]
    with Progress(title, len(left)) as progress:
        count = progress.accumulator(spark.sparkContext)

        def run(batches: Iterable[pd.DataFrame]) -> Iterable[pd.DataFrame]:
            for batch in batches:
                found = work(batch.sort_values("number"))
                count.add(len(batch))
                yield pd.DataFrame(found, columns=schema.names)

        cores = spark.sparkContext.defaultParallelism
        stride = _ROUNDS * _BATCH * cores
        for start in range(0, len(left), stride):
            some = left[start : start + stride]
            tasks = min(len(some), cores * -(-len(some) // (_BATCH * cores)))  # as many for every core
            pictures(some).repartition(tasks).mapInPandas(run, schema).write.mode("append").parquet(rows)
    everything = spark.read.schema(schema).parquet(rows).toPandas()
    return everything[everything.file.isin(set(names))]


def _uri(sample: Sample) -> str | None:
    return None if sample.file is None else sample.file.absolute().as_uri()


def _frame(data: bytes | None, uri: str) -> NDArray[np.uint8] | None:
    """The picture, or None where it cannot be read: its row `measured` is then 0."""
    try:
        return decode(fetch(uri) if data is None else data, Limits()).frame
    except Quarantined:
        return None


def _known(spark: SparkSession, schema: T.StructType, rows: str) -> set[str]:
    if not (Path(rows) / "_SUCCESS").exists():
        return set()
    return {r.file for r in spark.read.schema(schema).parquet(rows).select("file").distinct().collect()}

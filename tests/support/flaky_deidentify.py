"""The nightly job on a bad day, for spark-submit: every task fails on its first attempt, after its first batch."""

from collections.abc import Iterator

import pandas as pd
from pyspark import TaskContext
from pyspark.sql.pandas.functions import pandas_udf

from deid_udf.cli import run
from deid_udf.lake import run as job
from deid_udf.lake.tables import spark_schema
from deid_udf.lake.udf import OUTPUT, run_batches
from jobs.deidentify import main


def flaky(policy, noise, done=None):
    text = policy.canonical()

    def batches(given: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        context = TaskContext.get()
        assert context is not None
        for out in run_batches(text, noise, given, done):
            yield out
            if context.attemptNumber() == 0:
                raise RuntimeError("a first attempt fails")

    return pandas_udf(batches, spark_schema(OUTPUT)).asNondeterministic()  # type: ignore[call-overload]


if __name__ == "__main__":
    job.protect = flaky  # type: ignore[attr-defined]
    raise SystemExit(run(main))

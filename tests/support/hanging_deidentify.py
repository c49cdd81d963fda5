"""The nightly job with one task that hangs, for spark-submit: its first attempt stops for good in its first batch.

Environment:
    HANG_MARK: a file that the hanging worker writes its process id to; it must not exist, on a disk that workers share.
"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd
from pyspark import TaskContext
from pyspark.sql.pandas.functions import pandas_udf

from deid_udf.cli import run
from deid_udf.lake import run as job
from deid_udf.lake.tables import spark_schema
from deid_udf.lake.udf import OUTPUT, run_batches
from jobs.deidentify import main

MARK = Path(os.environ["HANG_MARK"])


def hanging(policy, noise, done=None):
    text, mark = policy.canonical(), MARK

    def batches(given: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        context = TaskContext.get()
        assert context is not None
        for out in run_batches(text, noise, given, done):
            if context.attemptNumber() == 0:
                with suppress(FileExistsError), mark.open("x") as file:  # one task of them all
                    print(os.getpid(), file=file, flush=True)
                    time.sleep(3600)
            yield out

    return pandas_udf(batches, spark_schema(OUTPUT)).asNondeterministic()  # type: ignore[call-overload]


if __name__ == "__main__":
    job.protect = hanging  # type: ignore[attr-defined]
    raise SystemExit(run(main))

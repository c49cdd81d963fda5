"""What the nightly job costs beyond its models.

python benchmarks/job.py ratio [--frames 200] [--policy conf/policy/street.yaml]   # job ÷ plain Python, same cores
python benchmarks/job.py scale [--records 2000 8000 20000]   # identity policy, 100 kB a record: time, and driver heap

`ratio` draws its own streets (1280×720); both sides load models, read the same bytes, and run in as many processes.
`scale` runs all sizes in one session of 1 GiB of heap, executor included, after a small run that pays for start-up.
"""

import argparse
import hashlib
import io
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from pyspark.sql import SparkSession

from deid_udf.demo import scenes
from deid_udf.lake.run import deidentify
from deid_udf.lake.session import open_lake, open_session, read_records, spark_properties
from deid_udf.pipeline import Pipeline, Record
from deid_udf.policy import Policy, load_policy
from deid_udf.privacy import OsNoise
from deid_udf.schema import RECORD

_BATCH = 32
_WARM_UP = 100  # records


def streets(frames: int) -> Iterator[bytes]:
    """Drawn streets, each different: the demo's scenes, with one pixel changed where they repeat."""
    drawn = [p.data for p in scenes.pictures() if p.path.endswith(".jpg")][:-1]
    for number in range(frames):
        picture = np.array(Image.open(io.BytesIO(drawn[number % len(drawn)])))
        picture[0, 0] = (number // len(drawn)) % 256
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=92)
        yield file.getvalue()


def noise_pictures() -> Iterator[bytes]:
    """JPEGs of about 100 kB that nothing is found in."""
    rng = np.random.default_rng(1)
    for _ in count():
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (320, 384, 3), np.uint8)).save(file, "JPEG", quality=80)
        yield file.getvalue()


def write(folder: Path, pictures: Iterator[bytes]) -> str:
    """Write records, 64 a file."""
    folder.mkdir(parents=True)
    for part, some in enumerate(iter(lambda: list(islice(pictures, 64)), [])):
        rows = [dict.fromkeys(RECORD.names) for _ in some]
        for i, (row, data) in enumerate(zip(rows, some, strict=True)):
            digest = hashlib.sha256(data).hexdigest()
            row |= {"image_id": f"{part}-{i}", "content_sha256": digest, "image": data, "sequence_id": f"s{part}"}
        pq.write_table(pa.Table.from_pylist(rows, RECORD), folder / f"part-{part:05d}.parquet", row_group_size=32)
    return folder.as_uri()


def job(folder: Path, records: str, policy: Policy) -> dict[str, Any]:
    """The job's summary, with the largest heap that its driver used, in MiB."""
    with open_session("benchmark", records) as spark:
        lake = open_lake(spark, (folder / "lake").as_uri())
        summary = deidentify(lake, read_records(lake.spark, records), policy, "benchmark")
        jvm: Any = spark._jvm
        pools = jvm.java.lang.management.ManagementFactory.getMemoryPoolMXBeans()
        peak = sum(p.getPeakUsage().getUsed() for p in pools if p.getType().toString() == "Heap memory")
        return summary | {"heap_mib": round(peak / 2**20)}


def _loop(work: tuple[list[bytes], str]) -> int:
    data, policy = work
    pipeline = Pipeline(load_policy(policy), noise=OsNoise())
    done = 0
    for start in range(0, len(data), _BATCH):
        some = data[start : start + _BATCH]
        done += len(pipeline.run([Record(str(i), d, scope={"sequence_id": "s"}) for i, d in enumerate(some, start)]))
    return done


def ratio(folder: Path, frames: int, policy: str) -> dict[str, Any]:
    """Wall time of job and plain loop over the same frames."""
    records = write(folder / "records", streets(frames))
    data = [row["image"] for row in pq.read_table(folder / "records", columns=["image"]).to_pylist()]
    cores = len(os.sched_getaffinity(0))
    begun = time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        assert sum(pool.map(_loop, [(data[i::cores], policy) for i in range(cores)])) == frames
    plain = time.perf_counter() - begun
    summary = job(folder, records, load_policy(policy))
    assert summary["read"] == frames
    return {"frames": frames, "plain": round(plain, 1), "job": summary["seconds"], "ratio": summary["seconds"] / plain}


def scale(folder: Path, sizes: list[int]) -> dict[str, Any]:
    """Time and heap of the identity policy by number of records, and what each step from a size to the next costs."""
    policy = load_policy("conf/policy/identity.yaml")
    records = {size: write(folder / f"records-{size}", islice(noise_pictures(), size)) for size in (_WARM_UP, *sizes)}
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("benchmark")
    for key, value in (spark_properties("local.conf") | {"spark.driver.memory": "1g"}).items():
        builder = builder.config(key, value)
    with builder.getOrCreate():
        runs = [job(folder / str(size), where, policy) for size, where in records.items()][1:]
    runs = [{k: run[k] for k in ("read", "seconds", "heap_mib")} for run in runs]
    steps = [1000 * (b["seconds"] - a["seconds"]) / (b["read"] - a["read"]) for a, b in pairwise(runs)]
    return {"runs": runs, "milliseconds_an_image": [round(step, 2) for step in steps]}


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("ratio")
    one.add_argument("--frames", type=int, default=200)
    one.add_argument("--policy", default="conf/policy/street.yaml")
    two = commands.add_parser("scale")
    two.add_argument("--records", type=int, nargs="+", default=[2000, 8000, 20_000])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.command == "ratio":
            print(json.dumps(ratio(Path(folder), options.frames, options.policy)))
        else:
            print(json.dumps(scale(Path(folder), options.records)))


if __name__ == "__main__":
    main()

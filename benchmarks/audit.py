"""How long an audit of many images takes, and which heap its driver needs.

python benchmarks/audit.py write FOLDER [--images 10000000]     # a synthetic lake: no picture, its ledger is whole
python benchmarks/audit.py run FOLDER                           # audits it: seconds, and the largest heap of the driver

The lake has nights of equal size, one object for most images and up to four for some, of the default policy's
mechanisms, within its caps. Every picture is the same one pixel: what is measured is the ledger, not hashing images.
"""

import argparse
import hashlib
import io
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from deid_udf.lake.audit import audit
from deid_udf.lake.publish import publish as fast_forward
from deid_udf.lake.record import record_runs
from deid_udf.lake.session import Lake, open_lake, open_session
from deid_udf.lake.snapshots import read_history
from deid_udf.lake.tables import create_tables, spark_schema
from deid_udf.lake.write import Attempt, append, branch_name, create_branch, drop_branch
from deid_udf.ledger import to_decimal
from deid_udf.policy import Policy, load_policy
from deid_udf.privacy import LaplaceVector, Mechanism, Prior
from deid_udf.schema import EPSILON, OBJECT

POLICY = "conf/policy/street.yaml"
IMAGES_A_SEQUENCE = 100
NIGHTS = 10


def write(folder: Path, images: int) -> dict[str, Any]:
    """Publish the synthetic nights, one run each."""
    policy = load_policy(POLICY)
    begun = time.perf_counter()
    with open_session("benchmark", str(folder)) as spark:
        lake = open_lake(spark, folder.absolute().as_uri())
        create_tables(lake)
        for night in range(NIGHTS):
            publish(lake, f"night-{night}", policy, night * images // NIGHTS, (night + 1) * images // NIGHTS)
    return {"images": images, "seconds": round(time.perf_counter() - begun, 1)}


def publish(lake: Lake, run_id: str, policy: Policy, first: int, end: int) -> None:
    """One night's rows on a branch, and the branch published."""
    started = datetime(2026, 11, 1, 22, tzinfo=UTC) + timedelta(days=int(run_id.rsplit("-", 1)[1]))
    facts = {
        "started_at": started.isoformat(),
        "policy_hash": policy.hash,
        "policy": policy.canonical(),
        "models": {},
        "code_version": "benchmark",
        "noise_source": "keyed",
        "read": end - first,
        "skipped": 0,
    }
    branch = branch_name(run_id, datetime.now(UTC))
    attempt = Attempt(lake, run_id, policy, read_history(lake).main, started, branch, facts)
    create_branch(attempt)
    append(attempt, rows(lake.spark.range(first, end, 1, 8)))
    fast_forward(attempt, read_history(lake).heads[branch])
    drop_branch(lake, branch)
    record_runs(lake)


def rows(numbers: DataFrame) -> DataFrame:
    """Rows of `released` for image numbers."""
    number = F.col("id")
    count = F.when(number % 10 < 7, 1).when(number % 10 < 9, 2).otherwise(4)
    face, prior = _entry(LaplaceVector(epsilon=8, k=8, radius=8, grid_bits=20)), _entry(Prior("face"))
    objects = F.transform(F.sequence(F.lit(1), count), lambda i: F.when(i == 3, prior).otherwise(face))
    spent = F.when(number % 10 < 7, 8).when(number % 10 < 9, 16).otherwise(24)
    kind = f"decimal({EPSILON.precision},{EPSILON.scale})"
    picture = _pixel()
    return numbers.select(
        F.format_string("cam-%d/%09d.png", number % 8, number).alias("image_id"),
        F.sha2(F.format_string("original %d", number), 256).alias("content_sha256"),
        F.format_string("sequence-%d", (number / IMAGES_A_SEQUENCE).cast("long")).alias("sequence_id"),
        F.lit("released").alias("status"),
        F.lit(picture).alias("protected"),
        F.lit(hashlib.sha256(picture).hexdigest()).alias("output_sha256"),
        F.lit("png").alias("output_format"),
        objects.alias("objects"),
        spent.cast(kind).alias("epsilon_total"),
        F.lit(8).cast(kind).alias("epsilon_max"),
        F.lit(0.1).alias("seconds"),
    )


def _pixel() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, "PNG")
    return file.getvalue()


def _entry(mechanism: Mechanism) -> Column:
    """One ledger entry, as `ledger.entry` writes it."""
    told = {
        "object_id": 0,
        "kind": "face",
        "detector": "centerface",
        "score": 0.9,
        "outcome": "prior" if isinstance(mechanism, Prior) else "replaced",
        "cause": "over_allowance" if isinstance(mechanism, Prior) else "",
        "mechanism": mechanism.name,
        "version": mechanism.version,
        "guarantee": str(mechanism.guarantee),
        "epsilon": to_decimal(mechanism.worst_case),
        "noise_source": "keyed",
        "review": False,
    }
    pairs = [F.lit(str(part)) for pair in sorted(mechanism.parameters().items()) for part in pair]
    columns = {name: F.lit(value) for name, value in told.items()}
    columns |= {"box": F.array(*map(F.lit, (0, 0, 1, 1))), "public": F.array().cast("array<string>")}
    columns["parameters"] = F.create_map(*pairs) if pairs else F.expr("map('', '')")
    fields = spark_schema(OBJECT)
    return F.struct(*(columns.get(f.name, F.lit(None)).cast(f.dataType).alias(f.name) for f in fields))


def run(folder: Path) -> dict[str, Any]:
    """Audit the lake."""
    with open_session("benchmark", str(folder)) as spark:
        lake = open_lake(spark, folder.absolute().as_uri())
        begun = time.perf_counter()
        found = audit(lake, str(folder))
        seconds = time.perf_counter() - begun
        jvm: Any = spark._jvm
        pools = jvm.java.lang.management.ManagementFactory.getMemoryPoolMXBeans()
        peak = sum(p.getPeakUsage().getUsed() for p in pools if p.getType().toString() == "Heap memory")
        heap = {
            "heap_mib": round(peak / 2**20),
            "heap_limit_mib": round(jvm.java.lang.Runtime.getRuntime().maxMemory() / 2**20),
        }
    counts = {"images": found.total.images, "objects": found.total.objects, "violations": len(found.violations)}
    return counts | {"seconds": round(seconds, 1)} | heap


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    writing = commands.add_parser("write")
    writing.add_argument("folder", type=Path)
    writing.add_argument("--images", type=int, default=10_000_000)
    commands.add_parser("run").add_argument("folder", type=Path)
    options = parser.parse_args()
    print(json.dumps(write(options.folder, options.images) if options.command == "write" else run(options.folder)))


if __name__ == "__main__":
    main()

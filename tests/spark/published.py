"""A published lake without any model: rows as the UDF returns them, written and published as a run does it."""

import hashlib
import io
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from deid_udf.lake.record import record_runs
from deid_udf.lake.session import Lake
from deid_udf.lake.snapshots import read_history
from deid_udf.lake.tables import RELEASED_SCHEMA, create_tables, spark_schema
from deid_udf.lake.write import Attempt, append, branch_name, create_branch, drop_branch, drop_quarantined
from deid_udf.ledger import to_decimal, totals
from deid_udf.policy import Policy
from deid_udf.privacy import LaplaceVector, Mechanism, Prior

FACE = LaplaceVector(epsilon=8, k=8, radius=8, grid_bits=20)


def entry(number: int, mechanism: Mechanism = FACE, **changes: Any) -> dict[str, Any]:
    """One ledger entry, charged as the pipeline charges it."""
    return {
        "object_id": number,
        "kind": "face",
        "detector": "centerface",
        "score": 0.9,
        "box": [1, 1, 9, 9],
        "review": False,
        "outcome": "prior" if isinstance(mechanism, Prior) else "replaced",
        "cause": "",
        "mechanism": mechanism.name,
        "version": mechanism.version,
        "parameters": {key: str(value) for key, value in mechanism.parameters().items()},
        "guarantee": str(mechanism.guarantee),
        "epsilon": to_decimal(mechanism.worst_case),
        "epsilon_unit": to_decimal(mechanism.epsilon_unit),
        "noise_source": "keyed",
        "memo_of": None,
        "public": [],
    } | changes


def image(seed: int, *, exif: bool = False) -> bytes:
    """A small PNG, with a camera's metadata or without."""
    pixels = np.random.default_rng(seed).integers(0, 255, (16, 16, 3), np.uint8)
    told = Image.Exif()
    if exif:
        told[ExifTags.Base.Model] = "a camera"
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", exif=told if exif else None)
    return stream.getvalue()


def row(
    name: str, objects: Iterable[dict[str, Any]], *, sequence: str | None = "s1", exif: bool = False
) -> dict[str, Any]:
    """One released image."""
    objects = list(objects)
    seed = sum(map(ord, name))
    data = image(seed, exif=exif)
    total, largest = totals(objects)
    return {
        "image_id": name,
        "content_sha256": hashlib.sha256(f"original of {name}".encode()).hexdigest(),
        "sequence_id": sequence,
        "status": "released",
        "protected": data,
        "output_sha256": hashlib.sha256(data).hexdigest(),
        "output_format": "png",
        "objects": objects,
        "epsilon_total": total,
        "epsilon_max": largest,
        "seconds": 0.1,
    }


def refused(name: str) -> dict[str, Any]:
    """One quarantined image."""
    return {"image_id": name, "content_sha256": "0" * 64, "status": "quarantined", "reason": "truncated"}


def attempt(lake: Lake, run_id: str, policy: Policy) -> Attempt:
    """An attempt of a run that starts now."""
    create_tables(lake)
    started = datetime.now(UTC)
    facts = {
        "started_at": started.isoformat(),
        "policy_hash": policy.hash,
        "policy": policy.canonical(),
        "models": {},
        "code_version": "test",
        "noise_source": "keyed",
        "read": 0,
        "skipped": 0,
    }
    return Attempt(lake, run_id, policy, read_history(lake).main, started, branch_name(run_id, started), facts)


def write(made: Attempt, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows to the attempt's branch."""
    create_branch(made)
    schema = spark_schema(f for f in RELEASED_SCHEMA if f.name not in ("run_id", "policy_hash", "released_at"))
    filled = [tuple(r.get(name) for name in schema.names) for r in rows]
    append(made, made.lake.spark.createDataFrame(filled, schema))


def publish(lake: Lake, run_id: str, policy: Policy, rows: Iterable[dict[str, Any]]) -> None:
    """Publish rows as one run; the gate is not asked."""
    made = attempt(lake, run_id, policy)
    write(made, rows)
    drop_quarantined(made)
    lake.spark.sql(f"CALL lake.system.fast_forward('{made.table.removeprefix('lake.')}', 'main', '{made.branch}')")
    drop_branch(lake, made.branch)
    record_runs(lake)

"""The nightly job, as one function: records in, protected images and their ledger out, exactly once.

    select → branch → protect and write → gate → publish → record

Only `publish` changes what readers see. A kill anywhere before it leaves `main` as it was, and the next run removes
the remains; a kill after it loses nothing, since all else is derived from what was published.
"""

import time
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from structlog.contextvars import bind_contextvars

from deid_udf import models
from deid_udf.lake.cleanup import discard, remove_dead
from deid_udf.lake.erasures import record_erasures
from deid_udf.lake.gate import check
from deid_udf.lake.publish import own_snapshots, publish
from deid_udf.lake.record import record_runs
from deid_udf.lake.select import COPY, PROTECT, REFUSE, Selection, normalise, passed_through, select
from deid_udf.lake.session import Lake
from deid_udf.lake.snapshots import read_history
from deid_udf.lake.tables import RELEASED, add_columns, create_tables
from deid_udf.lake.udf import fingerprint, noise_source, protect
from deid_udf.lake.views import create_views
from deid_udf.lake.write import (
    Attempt,
    append,
    branch_name,
    copies,
    create_branch,
    drop_branch,
    drop_quarantined,
    protected,
)
from deid_udf.log import logger
from deid_udf.pipeline import Pipeline
from deid_udf.plates.formats import format_sha256
from deid_udf.policy import Policy
from deid_udf.privacy import NoiseSource, OsNoise
from deid_udf.progress import Progress
from deid_udf.schema import Status


def deidentify(lake: Lake, records: DataFrame, policy: Policy, run_id: str) -> dict[str, Any]:
    """Protect and publish what is not published yet.

    Args:
        lake: an opened lake; its tables are made if missing.
        records: image records (`schema.RECORD`, and columns that pass through).
        policy: what is private, what replaces it, what may be spent.
        run_id: names the run; the same one again is safe at any time after the first ended.

    Returns:
        the summary: counts, ε spent, seconds.

    Raises:
        DeidError: see `errors.ExitCode`; nothing was published.
    """
    begun = time.perf_counter()
    started = datetime.now(UTC)
    branch = branch_name(run_id, started)
    bind_contextvars(run_id=run_id)
    records = normalise(records)
    opened = check_models(policy)
    noise = noise_source()

    create_tables(lake)
    record_runs(lake)
    remove_dead(lake, run_id)
    add_columns(lake, passed_through(records))

    base = read_history(lake).main
    record_erasures(lake)  # an erasure that was killed early is known by its mark alone
    published = lake.spark.read.option("versionAsOf", base).table(lake.table(RELEASED))
    selection = select(lake, records, published, policy, run_id)
    _step("selected", read=selection.read, **selection.counts)
    facts = {
        "started_at": started.isoformat(),
        "policy_hash": policy.hash,
        "policy": policy.canonical(),
        "models": opened,
        "code_version": version("deid-udf"),
        "noise_source": noise.name,
        "read": selection.read,
        "skipped": selection.skipped,
    }
    attempt = Attempt(lake, run_id, policy, base, started, branch, facts)
    looked_at = sum(selection.counts.values())
    try:
        rows = _attempt(attempt, records, selection, noise) if looked_at else None
    finally:
        selection.decisions.unpersist()
    summary: dict[str, Any] = {"run_id": run_id, "policy": policy.name, "policy_hash": policy.hash, "noise": noise.name}
    summary |= {"read": selection.read, "skipped": selection.skipped}
    return summary | _outcome(rows) | _speed(selection.read, time.perf_counter() - begun)


def _attempt(attempt: Attempt, records: DataFrame, selection: Selection, noise: NoiseSource) -> DataFrame:
    """Write, check, publish, record. What fails before publishing leaves nothing.

    Returns:
        this attempt's rows, quarantined ones included.
    """
    create_branch(attempt)
    try:
        _write(attempt, records, selection, noise)
        _step("written")
        history = read_history(attempt.lake)
        grown = own_snapshots(attempt, history)
        written = next(s for s in grown if s.run_id).id
        rows = attempt.lake.spark.read.option("versionAsOf", written).table(attempt.table).where(attempt.own)
        check(attempt, grown, history, expected=sum(selection.counts.values()))
        _step("checked")
        publish(attempt, grown[0].id)
        _step("published")
    except BaseException as error:
        _give_up(attempt, error)
        raise
    drop_branch(attempt.lake, attempt.branch)
    record_runs(attempt.lake)
    create_views(attempt.lake, attempt.policy)
    _step("recorded")
    return rows


def _write(attempt: Attempt, records: DataFrame, selection: Selection, noise: NoiseSource) -> None:
    images = selection.counts.get(PROTECT, 0) + selection.counts.get(REFUSE, 0)
    if images:
        with Progress("de-identify", images) as progress:
            done = progress.accumulator(attempt.lake.spark.sparkContext)
            append(attempt, protected(attempt, records, selection, protect(attempt.policy, fingerprint(noise), done)))
    if selection.counts.get(COPY):
        append(attempt, copies(attempt, selection))
    drop_quarantined(attempt)


def _give_up(attempt: Attempt, error: BaseException) -> None:
    """Remove the attempt's remains; if even that fails, the next run will."""
    try:
        discard(attempt.lake, [attempt.branch])
    except Exception as second:
        logger().warning("remains_left", branch=attempt.branch, error=type(second).__name__, after=type(error).__name__)


def _step(done: str, **counts: int) -> None:
    logger().info("step", done=done, **counts)


def check_models(policy: Policy) -> dict[str, str]:
    """Names and hashes of the policy's models, verified before anything is written, and of its plate formats' files.

    Raises:
        ModelError: unknown, missing, altered, or under a licence that the policy does not accept.
    """
    pipeline = Pipeline(policy, noise=OsNoise())
    for name in pipeline.models:
        models.path(name)
    formats = {f"plate_format:{name}": format_sha256(name) for name in pipeline.plate_formats}
    return {name: models.entry(name).sha256 for name in pipeline.models} | formats


def _outcome(rows: DataFrame | None) -> dict[str, Any]:
    """What became of the images: counts by reason and kind, and ε as an exact string; null is unbounded."""
    if rows is None:
        return {"released": 0, "copies": 0, "quarantined": {}, "objects": {}, "epsilon": "0"}
    released = F.col("status") == str(Status.RELEASED)
    counts = rows.groupBy("reason", F.col("copy_of").isNotNull().alias("copy"), released.alias("released")).agg(
        F.count("*").alias("images"), F.sum("epsilon_total").alias("epsilon"), F.count("epsilon_total").alias("bounded")
    )
    found = counts.collect()
    kinds = rows.where(released).select(F.explode("objects.kind").alias("kind")).groupBy("kind").count().collect()
    good = [row for row in found if row["released"]]
    quarantined: Counter[str] = Counter()
    for row in found:
        if not row["released"]:
            quarantined[row["reason"]] += row["images"]
    bounded = all(row["bounded"] == row["images"] for row in good)
    return {
        "released": sum(row["images"] for row in good),
        "copies": sum(row["images"] for row in good if row["copy"]),
        "quarantined": dict(quarantined),
        "objects": {row["kind"]: row["count"] for row in kinds},
        "epsilon": format(sum((row["epsilon"] for row in good), Decimal(0)).normalize(), "f") if bounded else None,
    }


def _speed(images: int, seconds: float) -> dict[str, float]:
    return {"seconds": round(seconds, 2), "images_per_second": round(images / seconds, 2)}

"""The audit's second look at a sample of released pictures (`evaluate/rescan.py`), on workers that have the models."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from deid_udf.errors import Quarantined
from deid_udf.images.decode import Limits, decode
from deid_udf.lake.checks import Violation, sample_of
from deid_udf.lake.fetch import fetch
from deid_udf.lake.udf import device, gpu_address
from deid_udf.policy import Policy, parse_policy

if TYPE_CHECKING:
    from deid_udf.detect.region import Frame
    from deid_udf.evaluate.rescan import Rescanner

_ROW = ("image_id", "run_id", "policy_hash", "content_sha256", "output_sha256", "protected", "objects")
_COUNTS = ("pictures", "originals", "faces", "plates", "doubtful")
_SCHEMA = "subject string, wrong array<string>, " + ", ".join(f"{name} int" for name in _COUNTS)


@dataclass(frozen=True, slots=True)
class Rescan:
    """How much was looked at again.

    Attributes:
        pictures: released pictures, copies left out.
        originals: of these, compared with their original.
        faces, plates: objects compared with their original.
        doubtful: finds without a ledger entry that no detector is sure of.
    """

    pictures: int = 0
    originals: int = 0
    faces: int = 0
    plates: int = 0
    doubtful: int = 0


def rescan(
    released: DataFrame, policies: Mapping[str, Policy], size: int, seed: int, records: DataFrame | None = None
) -> tuple[Rescan, list[Violation]]:
    """Look again at a sample of pictures.

    Args:
        released: published rows.
        policies: by hash; each picture is looked at by its own.
        size: how many pictures; 0 is none.
        seed: draws them.
        records: image records that may hold some of the originals.

    Raises:
        ModelError: a model is missing on a worker.
    """
    if not size:
        return Rescan(), []
    sample = sample_of(
        released.where(F.col("copy_of").isNull() & F.col("policy_hash").isin(list(policies))), size, seed
    )
    columns = sample.select(*_ROW)
    if records is None:
        work = columns.withColumns({"image": F.lit(None).cast("binary"), "uri": F.lit(None).cast("string")})
    else:
        wanted = F.broadcast(columns.select("content_sha256").distinct())
        originals = records.join(wanted, "content_sha256", "left_semi").dropDuplicates(["content_sha256"])
        work = columns.join(originals.select("content_sha256", "image", "uri"), "content_sha256", "left")
    texts = {digest: policy.canonical() for digest, policy in policies.items()}

    def look(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        known = {digest: parse_policy(text) for digest, text in texts.items()}
        for batch in batches:
            for digest, some in batch.groupby("policy_hash"):
                rows: list[dict[str, Any]] = some.to_dict("records")  # type: ignore[assignment]
                yield pd.DataFrame(_look(rows, known[str(digest)]), columns=["subject", "wrong", *_COUNTS])

    found = work.repartition(released.sparkSession.sparkContext.defaultParallelism).mapInPandas(look, _SCHEMA).collect()
    wrong = [Violation("rescan", row["subject"], line) for row in found for line in row["wrong"]]
    return Rescan(**{name: sum(row[name] for row in found) for name in _COUNTS}), wrong


def _look(rows: Sequence[Mapping[str, Any]], policy: Policy) -> list[dict[str, Any]]:
    from deid_udf.evaluate.rescan import Release

    limits = Limits(max_bytes=2 * policy.output.max_bytes, max_pixels=policy.output.max_pixels)
    named, releases = [], []
    for row in rows:
        frame = _frame(row["protected"], row["output_sha256"], limits)
        if frame is not None:  # else it is a violation of its own (`check_sample`)
            named.append(f"image {row['image_id']} (run {row['run_id']})")
            original = _frame(_bytes(row, limits), row["content_sha256"], limits)
            releases.append(Release(frame, list(row["objects"]), original))
    return [
        {"subject": subject, "wrong": list(findings.violations), "pictures": 1}
        | {"originals": int(release.original is not None), "faces": findings.faces}
        | {"plates": findings.plates, "doubtful": findings.doubtful}
        for subject, release, findings in zip(named, releases, _open(policy).look(releases), strict=True)
    ]


@lru_cache(maxsize=4)
def _rescanner(policy: str, on: str) -> "Rescanner":
    """This process's models for a policy; imports are here, so that the driver never loads a model library."""
    from deid_udf.evaluate.rescan import Rescanner

    return Rescanner(parse_policy(policy), on)


def _open(policy: Policy) -> "Rescanner":
    return _rescanner(policy.canonical(), device(gpu_address()))


def _bytes(row: Mapping[str, Any], limits: Limits) -> bytes | None:
    """The record's bytes; None where there is no record, or none that can be read any more."""
    try:
        return row["image"] if row["image"] is not None else fetch(row["uri"], limits.max_bytes) if row["uri"] else None
    except Quarantined:
        return None


def _frame(data: bytes | None, sha256: str, limits: Limits) -> "Frame | None":
    """A picture, if these are its bytes."""
    if data is None or hashlib.sha256(data).hexdigest() != sha256:
        return None
    try:
        return decode(bytes(data), limits).frame
    except Quarantined:
        return None

"""What one clean run gives: under keyed noise the same work is the same bytes, however often it is done."""

from decimal import Decimal

from deid_udf.pipeline import Pipeline, Record
from deid_udf.policy import Policy
from deid_udf.privacy import KeyedNoise
from tests.support.processes import KEY
from tests.support.records import Record as Row


def released(records: list[Row], policy: Policy) -> dict[str, tuple[str, Decimal]]:
    """image_id → (output_sha256, ε) of records that no scope's cap limits, by plain Python."""
    pipeline = Pipeline(policy, noise=KeyedNoise(bytes.fromhex(KEY)))
    batch = [Record(r["image_id"], r["image"], r["content_sha256"], allowance=policy.budget.image) for r in records]
    rows = zip(records, pipeline.run(batch), strict=True)
    return {r["image_id"]: (row["output_sha256"], row["epsilon_total"]) for r, row in rows}

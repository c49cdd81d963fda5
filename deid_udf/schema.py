"""Every column that enters or leaves, once, as Arrow types; `lake/` turns them into Spark types.

ε columns are DECIMAL(38, 18): exact, and wide enough for a year of spending. A null ε means unbounded (guarantee
`none`, or the paper's Laplace on an unbounded latent), never zero.
"""

from enum import StrEnum

import pyarrow as pa

EPSILON = pa.decimal128(38, 18)


class Status(StrEnum):
    """What became of one image."""

    RELEASED = "released"
    QUARANTINED = "quarantined"


class Outcome(StrEnum):
    """What became of one object of a released image."""

    REPLACED = "replaced"  # new content through the policy's mechanism
    PRIOR = "prior"  # new content drawn from the prior, epsilon 0
    FILLED = "filled"  # a solid fill, epsilon 0: the last resort


class Cause(StrEnum):
    """Why an object got less than the policy's mechanism."""

    NONE = ""
    POLICY = "policy"  # the policy asks for the prior
    OVER_ALLOWANCE = "over_allowance"
    TOO_SMALL = "too_small"
    UNALIGNED = "unaligned"  # no landmarks fit
    UNREADABLE = "unreadable"  # no text, or none that fits a plate format
    FAILED = "failed"  # the replacement itself failed


# One image record, as ingest writes it and deidentify reads it. Further columns pass through.
RECORD = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("content_sha256", pa.string()),
        pa.field("image", pa.binary()),
        pa.field("uri", pa.string()),
        pa.field("format", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("captured_at", pa.timestamp("us", tz="UTC")),
        pa.field("sequence_id", pa.string()),
        pa.field("camera_id", pa.string()),
    ]
)

# One private object of one image: its ledger entry. No plate text, no latent, no seed.
OBJECT = pa.struct(
    [
        pa.field("object_id", pa.int32()),
        pa.field("kind", pa.string()),
        pa.field("detector", pa.string()),
        pa.field("score", pa.float32()),
        pa.field("box", pa.list_(pa.int32())),  # x0, y0, x1, y1
        pa.field("review", pa.bool_()),  # score between the low and the high threshold
        pa.field("outcome", pa.string()),
        pa.field("cause", pa.string()),
        pa.field("mechanism", pa.string()),
        pa.field("version", pa.int32()),
        pa.field("parameters", pa.map_(pa.string(), pa.string())),
        pa.field("guarantee", pa.string()),  # pure | metric | none
        pa.field("epsilon", EPSILON),  # worst case; null is unbounded
        pa.field("epsilon_unit", EPSILON),  # per unit of distance, metric guarantees only
        pa.field("noise_source", pa.string()),  # keyed | os
        pa.field("memo_of", pa.string()),  # "image_id/object_id" that was charged for the same memoised draw
        pa.field("public", pa.list_(pa.string())),  # attributes that the policy declares outside the guarantee
        pa.field("outline", pa.list_(pa.float32())),  # x, y of each corner of the convex polygon that was replaced
    ]
)

# What the UDF returns for one record: image and ledger leave together, in one row.
RESULT = pa.schema(
    [
        pa.field("status", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("protected", pa.binary()),
        pa.field("output_sha256", pa.string()),
        pa.field("output_format", pa.string()),
        pa.field("objects", pa.list_(OBJECT)),
        pa.field("epsilon_total", EPSILON),  # sum over objects; null is unbounded
        pa.field("epsilon_max", EPSILON),
        pa.field("seconds", pa.float64()),
    ]
)

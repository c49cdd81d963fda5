"""The ledger entries of one image: what each object got, under which mechanism, and what it is charged."""

from collections.abc import Iterable, MutableMapping, Sequence
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction
from typing import Any

from deid_udf.detect.union import Found
from deid_udf.privacy import NoiseSource
from deid_udf.protect import Replacement
from deid_udf.schema import EPSILON

_STEP = Decimal(1).scaleb(-EPSILON.scale)
_CONTEXT = Context(prec=EPSILON.precision, rounding=ROUND_CEILING)

Entry = dict[str, Any]


def to_decimal(epsilon: Fraction | None) -> Decimal | None:
    """ε for a DECIMAL(38, 18) column: exact, or rounded up in the 18th place, never down; None is unbounded."""
    if epsilon is None:
        return None
    steps = -((-epsilon.numerator * 10**EPSILON.scale) // epsilon.denominator)
    return _CONTEXT.multiply(Decimal(steps), _STEP)


def entry(object_id: int, found: Found, replacement: Replacement, noise: NoiseSource) -> Entry:
    """One row of the ledger (`schema.OBJECT`) for one replaced object, charged in full."""
    mechanism = replacement.mechanism
    region = found.region
    spends = mechanism.worst_case != 0
    return {
        "object_id": object_id,
        "kind": region.kind,
        "detector": region.detector,
        "score": float(region.score),
        "box": [round(v) for v in region.box],
        "review": found.review,
        "outcome": str(replacement.outcome),
        "cause": str(replacement.cause),
        "mechanism": mechanism.name,
        "version": mechanism.version,
        "parameters": [(key, str(value)) for key, value in sorted(mechanism.parameters().items())],
        "guarantee": str(mechanism.guarantee),
        "epsilon": to_decimal(mechanism.worst_case),
        "epsilon_unit": to_decimal(mechanism.epsilon_unit),
        "noise_source": noise.name if spends else "",
        "memo_of": None,
        "public": list(replacement.public),
        "outline": replacement.outline.ravel().tolist(),
    }


def charge_once(
    image_id: str, entries: Sequence[Entry], replacements: Sequence[Replacement], charged: MutableMapping[bytes, str]
) -> None:
    """Charge a memoised draw to the first released object that shows it; later ones point there and spend nothing.

    Args:
        image_id: the released image.
        entries: its ledger entries, changed in place.
        replacements: the replacement of each entry.
        charged: memo key → "image_id/object_id", over the images of one task so far; changed in place.
    """
    for row, replacement in zip(entries, replacements, strict=True):
        if replacement.memo is None:
            continue
        first = charged.setdefault(replacement.memo, f"{image_id}/{row['object_id']}")
        if first != f"{image_id}/{row['object_id']}":
            row["memo_of"] = first
            row["epsilon"] = Decimal(0)


def totals(entries: Iterable[Entry]) -> tuple[Decimal | None, Decimal | None]:
    """Sequential (sum) and parallel (maximum) composition over one image; None where an entry is unbounded."""
    spent = [row["epsilon"] for row in entries]
    if any(e is None for e in spent):
        return None, None
    return sum(spent, Decimal(0)), max(spent, default=Decimal(0))

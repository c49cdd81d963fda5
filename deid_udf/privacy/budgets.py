"""Caps that hold before anything is spent: how much one image may spend, in exact decimals.

A cap bounds the sum of ε over everything that shares the values of some columns (one image, one sequence, one day).
Before a run, what is left of each cap is divided among the images of its scope; an image never spends above the least
of its shares, so the caps hold whatever the images turn out to contain. What an image may not spend is replaced by
content of ε = 0: never left unprotected, never skipped.
"""

from collections.abc import Iterable, Sequence
from decimal import ROUND_FLOOR, Decimal, localcontext
from fractions import Fraction

from attrs import field, frozen
from attrs.validators import ge, min_len

from deid_udf.privacy.errors import InvalidParameter
from deid_udf.privacy.exact import PRECISION, SCALE, Exact, exact, to_decimal


def _epsilon(value: Exact) -> Decimal:
    """An amount of ε as the ledger holds it: exact, and not negative."""
    amount = to_decimal(value)
    if amount < 0:
        raise InvalidParameter("an amount of ε is not negative")
    return amount


def _columns(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(names)


@frozen
class Cap:
    """The most ε that all releases with equal values in `columns` may spend together.

    Attributes:
        columns: the scope's columns, at least one; the image's own cap has the image's identifier.
        limit: exact; at most 18 digits after the point.
    """

    columns: tuple[str, ...] = field(converter=_columns, validator=min_len(1))
    limit: Decimal = field(converter=_epsilon)


@frozen
class Standing:
    """One scope as a run begins.

    Attributes:
        cap: the scope's cap.
        spent: Σ ε of what is already published in it.
        images: how many of its images this run will release, at least one.
    """

    cap: Decimal = field(converter=_epsilon)
    spent: Decimal = field(converter=_epsilon)
    images: int = field(default=1, validator=ge(1))

    @property
    def left(self) -> Decimal:
        """What the scope may still spend; zero where an older policy already spent more than the cap."""
        return max(_subtract(self.cap, self.spent), Decimal(0))

    @property
    def share(self) -> Decimal:
        """`left` divided among the images and rounded down in the 18th digit, so that the shares never exceed it."""
        with localcontext(prec=2 * PRECISION, rounding=ROUND_FLOOR):
            return (self.left / self.images).quantize(Decimal(1).scaleb(-SCALE))


def allowance(scopes: Iterable[Standing]) -> Decimal | None:
    """What one image may spend: the least of its scopes' shares, or None where no cap applies."""
    return min((scope.share for scope in scopes), default=None)


def affordable(requested: Exact | None, remaining: Exact | None) -> bool:
    """Whether `requested` fits in `remaining`, exactly. An unbounded request (None) fits only where there is no cap."""
    return remaining is None or (requested is not None and exact(requested) <= exact(remaining))


def granted(requests: Sequence[Exact | None], remaining: Exact | None) -> tuple[bool, ...]:
    """Which of an image's objects get what they ask for, in their order; the others get content of ε = 0.

    An object that does not fit leaves its successors' chances alone: a cheaper one behind it may still fit.
    """
    left = None if remaining is None else exact(remaining)
    grants: list[bool] = []
    for requested in requests:
        grants.append(affordable(requested, left))
        if grants[-1] and left is not None and requested is not None:
            left -= exact(requested)
    return tuple(grants)


def spent(amounts: Iterable[Exact]) -> Decimal:
    """Σ of ledger amounts, exactly.

    Raises:
        InexactNumber: an amount, or the sum, that DECIMAL(38, 18) cannot hold.
    """
    return to_decimal(sum((exact(amount) for amount in amounts), Fraction(0)))


def _subtract(a: Decimal, b: Decimal) -> Decimal:
    with localcontext(prec=2 * PRECISION):
        return a - b

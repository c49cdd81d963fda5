"""Exact numbers: ε is a `Fraction` in code and a `Decimal` in policies and ledgers, never a float."""

from collections.abc import Iterable
from decimal import Decimal, localcontext
from fractions import Fraction
from math import inf, nextafter

from deid_udf.privacy.errors import InexactNumber

PRECISION = 38
"""Digits of the ledger's column, Parquet DECIMAL(38, 18)."""
SCALE = 18
"""Digits after the point of the ledger's column."""

Exact = Fraction | Decimal | int | str
"""What may be given for an exact number; a float is refused, since 0.1 is not one tenth."""


def exact(value: Exact) -> Fraction:
    """`value` as a Fraction; strings are decimals or ratios ("0.5", "8/7").

    Raises:
        InexactNumber: for a float, a bool, NaN, an infinity, or text that is not a number.
    """
    if isinstance(value, bool) or not isinstance(value, Fraction | Decimal | int | str):
        raise InexactNumber(f"an exact number is a Fraction, Decimal, int or str, not {type(value).__name__}")
    try:
        return Fraction(value)
    except (ValueError, OverflowError, ZeroDivisionError):
        raise InexactNumber(f"not an exact number: {value!r}") from None


def positive(value: Exact) -> Fraction:
    """`exact(value)`, which must be above zero."""
    number = exact(value)
    if number <= 0:
        raise InexactNumber(f"must be above zero: {number}")
    return number


def to_decimal(value: Exact) -> Decimal:
    """`value` as it stands in a DECIMAL(38, 18) column.

    Raises:
        InexactNumber: the column cannot hold it exactly (8/7, or a 19th digit); a ledger never rounds ε.
    """
    number = exact(value)
    units = number * 10**SCALE
    if units.denominator != 1 or abs(units.numerator) >= 10**PRECISION:
        raise InexactNumber(f"DECIMAL({PRECISION}, {SCALE}) cannot hold {number} exactly")
    with localcontext(prec=PRECISION):
        return Decimal(units.numerator).scaleb(-SCALE)


def float_above(value: Fraction) -> float:
    """The smallest float64 that is not below `value`: for libraries that take floats, where more is the safe side."""
    nearest = float(value)
    return nearest if Fraction(nearest) >= value else nextafter(nearest, inf)


def total(values: Iterable[Fraction | None]) -> Fraction | None:
    """The exact sum; None stands for an unbounded ε and wins."""
    addends = list(values)
    return None if None in addends else sum((v for v in addends if v is not None), Fraction(0))


def largest(values: Iterable[Fraction | None]) -> Fraction | None:
    """The exact maximum, zero of nothing; None stands for an unbounded ε and wins."""
    candidates = list(values)
    return None if None in candidates else max((v for v in candidates if v is not None), default=Fraction(0))

"""Plate text ↔ integers on cycles, and the mechanism over them (§5.3.2 and Table A1 of the paper).

A mechanism sees each symbol as its index in its own position's alphabet, so that noise wraps round what the position
allows. The paper numbers symbols over the whole plate instead (provinces 00–30, digits 00–09, letters 10–33 without I
and O); `to_table` and `from_table` speak that code.
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from deid_udf.plates.formats import Pattern, PlateFormat
from deid_udf.policy import CyclicLaplace, RandomizedResponse
from deid_udf.privacy import CyclicLaplace as CyclicLaplaceMechanism
from deid_udf.privacy import Product
from deid_udf.privacy import RandomizedResponse as RandomizedResponseMechanism

PROVINCES = "京津冀鲁晋蒙豫辽苏吉宁皖陕鄂沪黑浙甘赣湘青渝川闽黔粤桂云琼新藏"
"""Table A1: by distance from Beijing. 04 is 晋 (山西) and 12 is 陕 (陕西): both are "Shanxi" in the paper."""

SYMBOLS = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""The paper's 00–33."""


def encode(text: str, pattern: Pattern) -> list[int]:
    """Index of each symbol in its position's alphabet; `ValueError` where the text does not follow the pattern."""
    return [alphabet.index(symbol) for symbol, alphabet in zip(text, pattern.alphabets, strict=True)]


def decode(code: Sequence[int], pattern: Pattern) -> str:
    """The text of a code."""
    return "".join(alphabet[index] for index, alphabet in zip(code, pattern.alphabets, strict=True))


def to_table(text: str) -> list[int]:
    """A Chinese plate in the paper's code: 京A132B3 → 0, 10, 1, 3, 2, 11, 3."""
    return [PROVINCES.index(text[0]), *(SYMBOLS.index(symbol) for symbol in text[1:])]


def from_table(code: Sequence[int]) -> str:
    """The inverse of `to_table`."""
    return PROVINCES[code[0]] + "".join(SYMBOLS[index] for index in code[1:])


@lru_cache(maxsize=256)
def mechanism(choice: RandomizedResponse | CyclicLaplace, pattern: Pattern) -> Product:
    """The policy's mechanism over a pattern: one letter mechanism a position.

    Randomised response shares its ε (of a whole plate) equally; cyclic Laplace takes its ε (of one step) everywhere.
    """
    epsilon = Fraction(choice.epsilon)
    if isinstance(choice, RandomizedResponse):
        return Product(tuple(RandomizedResponseMechanism(epsilon / len(pattern), m) for m in pattern.moduli))
    return Product(tuple(CyclicLaplaceMechanism(epsilon, m) for m in pattern.moduli))


def reserve(text: str, form: PlateFormat, pattern: Pattern) -> str:
    """The text mapped into a series that no authority issues (post-processing); the format must have one."""
    assert form.reserved is not None
    at = pattern.alphabets.index(form.alphabets[form.reserved.at])
    return text[:at] + form.reserved.symbol + text[at + 1 :]

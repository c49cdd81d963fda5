"""Protocol buffers read from the bytes themselves: no schema, no package of a framework, nothing is executed.

Wire format: protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator


def messages(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """Every sub-message (or text) under the field number `wanted`."""
    for number, value in fields(message):
        if number == wanted and isinstance(value, memoryview):
            yield value


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(field number, value): a whole number for varints, the bytes for anything else."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == 2:
            length, at = _varint(message, at)
        else:
            length = {1: 8, 5: 4}[wire]
        yield number, message[at : at + length]
        at += length


def packed(message: memoryview) -> list[int]:
    """Whole numbers that stand in one field without gaps."""
    values, at = [], 0
    while at < len(message):
        value, at = _varint(message, at)
        values.append(value)
    return values


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at

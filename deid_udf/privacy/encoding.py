"""One unambiguous encoding of a list of byte strings.

`encode(f₁, …, fₙ)` is n, then each field behind its length, every number as 8 bytes, big-endian. A reader can parse it
back without knowing what wrote it, so no two lists share an encoding; nesting (an encoded list as a field) keeps that.
"""

from collections.abc import Mapping


def encode(*fields: bytes) -> bytes:
    """The fields, counted and length-prefixed."""
    parts = [len(fields).to_bytes(8, "big")]
    for field in fields:
        parts += (len(field).to_bytes(8, "big"), field)
    return b"".join(parts)


def decode(data: bytes) -> tuple[bytes, ...]:
    """The list that `encode` was given.

    Raises:
        ValueError: `data` is not exactly one encoding.
    """
    fields: list[bytes] = []
    count, offset = int.from_bytes(data[:8], "big"), 8
    for _ in range(count):
        length, offset = int.from_bytes(data[offset : offset + 8], "big"), offset + 8
        fields.append(data[offset : offset + length])
        offset += length
    if offset != len(data) or encode(*fields) != data:
        raise ValueError("not an encoded list of fields")
    return tuple(fields)


def encode_event(name: str, version: int, parameters: Mapping[str, str | int]) -> bytes:
    """A mechanism's identity: name, version and all its parameters, sorted by name, each with its type."""
    fields = [name.encode(), str(version).encode()]
    for key in sorted(parameters):
        value = parameters[key]
        fields.append(encode(key.encode(), type(value).__name__.encode(), str(value).encode()))
    return encode(*fields)

"""One unambiguous encoding of a list of byte strings.

`encode(f₁, …, fₙ)` is n, then the n lengths, then the n fields; numbers are 8 bytes, big-endian. A reader can parse it
back without knowing what wrote it, so no two lists share an encoding; nesting (an encoded list as a field) keeps that.
"""

from collections.abc import Mapping
from struct import pack


def encode(*fields: bytes) -> bytes:
    """The fields behind their count and lengths."""
    return pack(f">{1 + len(fields)}Q", len(fields), *map(len, fields)) + b"".join(fields)


def encode_event(name: str, version: int, parameters: Mapping[str, str | int]) -> bytes:
    """A mechanism's identity: name, version and all its parameters, sorted by name, each with its type."""
    return encode(
        name.encode(),
        str(version).encode(),
        *(
            encode(key.encode(), type(value).__name__.encode(), str(value).encode())
            for key, value in sorted(parameters.items())
        ),
    )

"""Protocol buffers written field by field, for tests of what reads them."""


def varint(value: int) -> bytes:
    """A whole number."""
    out = b""
    while True:
        out += bytes([(value & 0x7F) | (0x80 if value > 0x7F else 0)])
        value >>= 7
        if not value:
            return out


def field(number: int, payload: bytes) -> bytes:
    """Bytes, a text or a message under a field number."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload

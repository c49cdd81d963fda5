"""The identity of an image: the hash of its bytes."""

import hashlib


def sha256_hex(data: bytes) -> str:
    """Hex sha256 of the bytes: 64 lower-case characters (the columns `content_sha256` and `output_sha256`)."""
    return hashlib.sha256(data).hexdigest()

"""Where the bits of the noise come from: the operating system, or a keyed stream.

`OsNoise` is fresh at every call, so two evaluations of one object are two releases. `KeyedNoise` derives the bits from
a secret key and *everything* that makes a release what it is: the mechanism with all its parameters, the caller's
context (content hash, object or scope, the models' hashes) and the exact integers under the noise. The same release
asked for twice is the same bytes, and nothing was spent again; any difference draws unrelated noise, and is a second
release.
"""

import os
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import NoReturn, Protocol

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from numpy.typing import NDArray
from typing_extensions import override

from deid_udf.privacy.encoding import encode
from deid_udf.privacy.errors import InvalidValues, NoiseKeyError
from deid_udf.privacy.kernels import Integers, Kernel

Context = tuple[bytes, ...]
"""Fields that name one release beside its mechanism and value: content hash, object or scope, the models' hashes."""

KEY_BYTES = 32
"""The shortest key: 256 bits."""

_SALT = b"differentially private release: noise, version 1"
_SEEDS = b"seeds"
"""Two fields, not three: no seed is derived from the same bytes as a noise stream."""

_NONCE = bytes(16)
"""A fixed nonce: no two streams share a key."""
_CHUNK_WORDS = 2**22
"""Words held at once (32 MiB); rows are independent, so the chunk leaves no trace in the noise."""


class NoiseSource(Protocol):
    """A source of exact noise.

    Attributes:
        name: what the ledger records, "os" or "keyed".
        repeatable: whether the same release asked for twice is the same noise.
    """

    name: str
    repeatable: bool

    def apply(self, kernel: Kernel, values: Integers, label: bytes, contexts: Sequence[Context]) -> Integers:
        """Draw from `kernel` around `values` (n, width).

        Args:
            kernel: the law.
            values: the exact integers under the noise.
            label: the mechanism with all its parameters, encoded (`Event.label`).
            contexts: a tuple a row.

        Raises:
            InvalidValues: not one context a row, or a context that names nothing.
        """
        ...

    def seeds(self, contexts: Sequence[Context]) -> NDArray[np.uint8]:
        """32 unguessable bytes a context, (n, 32), for draws from a prior in post-processing; unlike any noise."""
        ...


class OsNoise(NoiseSource):
    """The operating system's generator, through OpenDP where OpenDP has the sampler."""

    name = "os"
    repeatable = False

    @override
    def apply(self, kernel: Kernel, values: Integers, label: bytes, contexts: Sequence[Context]) -> Integers:
        _check(values, contexts)
        return kernel.system(values)

    @override
    def seeds(self, contexts: Sequence[Context]) -> NDArray[np.uint8]:
        return np.frombuffer(os.urandom(32 * len(contexts)), np.uint8).reshape(-1, 32)

    def __repr__(self) -> str:
        return "OsNoise()"


class KeyedNoise(NoiseSource):
    """A stream for each release: HKDF-SHA-256 (RFC 5869) over its canonical encoding, then ChaCha20.

    The key is held as HKDF's extract only, is in no repr and no exception, and is never pickled: build the source where
    it is used, from the configuration.
    """

    __slots__ = ("_secret",)
    name = "keyed"
    repeatable = True

    def __init__(self, key: bytes) -> None:
        if not isinstance(key, bytes) or len(key) < KEY_BYTES:
            raise NoiseKeyError(f"a noise key is at least {KEY_BYTES} bytes")
        self._secret = HKDF.extract(SHA256(), _SALT, key)

    @classmethod
    def from_config(
        cls, env: str | None = "DEID_NOISE_KEY", file: str | os.PathLike[str] | None = None
    ) -> "KeyedNoise":
        """The key in hexadecimal, from the file if one is named, else from the environment variable.

        Raises:
            NoiseKeyError: neither holds a key of at least 32 bytes.
        """
        if file is not None:
            try:
                text = Path(file).read_text("ascii")
            except (OSError, UnicodeDecodeError) as error:
                raise NoiseKeyError(f"the noise key's file cannot be read ({type(error).__name__})") from None
        else:
            text = os.environ.get(env, "") if env else ""
        if not text.strip():
            raise NoiseKeyError(f"no noise key in the {'file' if file is not None else f'environment variable {env}'}")
        try:
            key = bytes.fromhex(text.strip())
        except ValueError:
            raise NoiseKeyError("the noise key is not hexadecimal") from None
        return cls(key)

    @override
    def apply(self, kernel: Kernel, values: Integers, label: bytes, contexts: Sequence[Context]) -> Integers:
        _check(values, contexts)
        per_row = kernel.words(values.shape[1])
        rows = max(1, _CHUNK_WORDS // max(per_row, values.shape[1], 1))
        chunks = [
            self._apply(kernel, values[start : start + rows], label, contexts[start : start + rows], per_row)
            for start in range(0, max(len(values), 1), rows)
        ]
        return np.concatenate(chunks)

    def _apply(
        self, kernel: Kernel, values: Integers, label: bytes, contexts: Sequence[Context], per_row: int
    ) -> Integers:
        zeros = bytes(per_row * 8)
        streams = [
            Cipher(algorithms.ChaCha20(self._derive(label, row, context), _NONCE), mode=None).encryptor()
            for row, context in _rows(values, contexts)
        ]
        words = np.frombuffer(b"".join(stream.update(zeros) for stream in streams), dtype="<u8")
        return kernel.sample(
            values,
            words.reshape(len(values), per_row),
            lambda row: int.from_bytes(streams[row].update(bytes(8)), "little"),
        )

    @override
    def seeds(self, contexts: Sequence[Context]) -> NDArray[np.uint8]:
        derived = [
            HKDFExpand(SHA256(), 32, encode(_SEEDS, encode(*context))).derive(self._secret) for context in contexts
        ]
        return np.frombuffer(b"".join(derived), np.uint8).reshape(-1, 32)

    def _derive(self, label: bytes, row: bytes, context: Context) -> bytes:
        return HKDFExpand(SHA256(), 32, encode(label, row, encode(*context))).derive(self._secret)

    def __repr__(self) -> str:
        return "KeyedNoise(key=…)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a noise key is never pickled; build KeyedNoise from the configuration where it is used")


def _rows(values: Integers, contexts: Sequence[Context]) -> list[tuple[bytes, Context]]:
    data, size = values.astype("<i8").tobytes(), values.shape[1] * 8
    return [(data[i * size : (i + 1) * size], context) for i, context in enumerate(contexts)]


def _check(values: Integers, contexts: Sequence[Context]) -> None:
    if len(contexts) != len(values):
        raise InvalidValues(f"{len(values)} rows of values came with {len(contexts)} contexts")
    named = all(contexts) and set(map(type, contexts)) <= {tuple}
    if not named or not set(map(type, chain.from_iterable(contexts))) <= {bytes}:
        raise InvalidValues("a context is a tuple of at least one byte string")

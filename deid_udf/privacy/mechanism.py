"""What every mechanism is: a frozen object that states its guarantee, knows its ε exactly, and releases batches."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Any, ClassVar

import attrs
import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from typing_extensions import override

from deid_udf.privacy.encoding import encode_event
from deid_udf.privacy.errors import InvalidValues
from deid_udf.privacy.exact import Exact
from deid_udf.privacy.kernels import Integers, Kernel
from deid_udf.privacy.noise import Context, NoiseSource

LOCAL = "any two objects of one kind (replacement)"
"""The neighbour relation of the local model: a face may be any other face, a plate any other plate."""

Array = NDArray[Any]


class Guarantee(StrEnum):
    """The word that stands beside every ε; see docs/privacy.md."""

    PURE = "pure"
    METRIC = "metric"
    NONE = "none"

    @property
    def strength(self) -> int:
        """2 for pure, 1 for metric, 0 for none: a composition has its weakest part's word."""
        return {Guarantee.PURE: 2, Guarantee.METRIC: 1, Guarantee.NONE: 0}[self]


def _read_only(given: Mapping[str, str | int]) -> Mapping[str, str | int]:
    return MappingProxyType(dict(given))


@frozen
class Event:
    """A mechanism as data: what a ledger stores, never a bare ε. Names and versions are only ever added."""

    name: str
    version: int
    parameters: Mapping[str, str | int] = attrs.field(converter=_read_only, hash=False)

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces, exact numbers as strings."""
        content = {"name": self.name, "version": self.version, "parameters": dict(self.parameters)}
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Event":
        """The event that `to_json` wrote."""
        return cls(**json.loads(text))

    @property
    def label(self) -> bytes:
        """The event in the canonical encoding under which noise is derived."""
        return encode_event(self.name, self.version, self.parameters)


@frozen
class Mechanism(ABC):
    """A randomised map whose output may leave, and what is promised about it.

    A subclass is frozen, its fields are all its parameters, and a change of its law is a new `version`.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    neighbours: ClassVar[str] = LOCAL

    @property
    @abstractmethod
    def guarantee(self) -> Guarantee:
        """The word of the guarantee."""

    @property
    @abstractmethod
    def domain(self) -> str:
        """What `release` takes: shape, dtype, range."""

    @property
    @abstractmethod
    def metric(self) -> str:
        """The distance that `epsilon` is a function of."""

    @abstractmethod
    def epsilon(self, distance: Exact) -> Fraction | None:
        """ε between two inputs at `distance` under `metric`, an upper bound; None where no finite ε holds."""

    @property
    @abstractmethod
    def worst_case(self) -> Fraction | None:
        """ε over all pairs of neighbours; None where it has no bound."""

    @property
    def epsilon_unit(self) -> Fraction | None:
        """ε for each unit of distance, for a metric guarantee; else None."""
        return None

    @abstractmethod
    def release(self, values: Array, *, noise: NoiseSource, contexts: Sequence[Context]) -> Array:
        """Release a batch.

        Args:
            values: one row an object, see `domain`.
            noise: where the randomness comes from.
            contexts: a tuple of byte strings a row, naming what the noise depends on beside the mechanism and the
                value: content hash, object or scope, the models' hashes. Under a keyed source, two rows with the same
                tuple and the same value are one release.

        Raises:
            InvalidValues: values outside the domain, with the rows; nothing was released.
        """

    def parameters(self) -> dict[str, str | int]:
        """Every field, exactly: Fractions as strings ("8", "8/7"), so that a ledger can hold and restore them."""
        return {
            field.alias or field.name: value if isinstance(value, int) else str(value)
            for field in attrs.fields(type(self))
            for value in (getattr(self, field.name),)
        }

    def event(self) -> Event:
        """This mechanism as data."""
        return Event(self.name, self.version, self.parameters())

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str | int]) -> "Mechanism":
        """The mechanism whose `parameters()` these are."""
        return cls(**parameters)


@frozen
class NoisyMechanism(Mechanism):
    """A mechanism in three steps, of which only the middle one is random: integers, a kernel, and back."""

    @abstractmethod
    def encode(self, values: Array) -> Integers:
        """Check, bound and quantise: (n, …) values → (n, width) integers, the exact value under the noise."""

    @abstractmethod
    def kernel(self) -> Kernel:
        """The law of the released integers given the encoded ones."""

    @abstractmethod
    def decode(self, drawn: Integers, values_shape: tuple[int, ...]) -> Array:
        """Post-processing: from drawn integers to what leaves. It sees the input's shape and nothing else of it."""

    @override
    def release(self, values: Array, *, noise: NoiseSource, contexts: Sequence[Context]) -> Array:
        """`decode` of a draw of `kernel` around `encode`; see `Mechanism.release`."""
        drawn = noise.apply(self.kernel(), self.encode(values), self.event().label, contexts)
        return self.decode(drawn, values.shape)


def finite_rows(values: Array, width: int) -> NDArray[np.float64]:
    """`values` as (n, width) float64, all finite.

    Raises:
        InvalidValues: another shape or kind of number, or rows with NaN or an infinity.
    """
    if values.ndim != 2 or values.shape[1] != width or values.dtype.kind not in "fiu":
        raise InvalidValues(f"expected real numbers of shape (n, {width}), got {values.dtype} {values.shape}")
    reals = values.astype(np.float64)
    refused = np.flatnonzero(~np.isfinite(reals).all(axis=1))
    if len(refused):
        raise InvalidValues("values that are not finite", refused.tolist())
    return reals

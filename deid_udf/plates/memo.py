"""Noisy codes already drawn in this process, so that one plate keeps one synthetic plate within a scope."""

import secrets
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

_CAPACITY = 100_000


@dataclass(frozen=True, slots=True)
class Draw:
    """One draw.

    Attributes:
        text: the noisy plate.
        token: names this draw and no other; random, so that it tells nothing about the plate.
    """

    text: str
    token: bytes = field(default_factory=lambda: secrets.token_bytes(16))


class Memo:
    """A bounded map from (scope, pattern, true code) to its draw; the least recently used is forgotten first.

    A forgotten draw is made again under a new token: it is then charged again, never too little.
    """

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self._draws: OrderedDict[Hashable, Draw] = OrderedDict()

    def get(self, key: Hashable) -> Draw | None:
        """The draw under `key`, if it is still known."""
        if key not in self._draws:
            return None
        self._draws.move_to_end(key)
        return self._draws[key]

    def put(self, key: Hashable, draw: Draw) -> None:
        """Remember a draw."""
        self._draws[key] = draw
        if len(self._draws) > self._capacity:
            self._draws.popitem(last=False)
